"""MusicCM's adversary beside a distillation (Eq. 7-9): small heads on a frozen feature network.

Each head sees one layer of the frozen network and is told what the clip should be: the prompt's vector and an
embedding of the real clip's mel (the projection of Sauer et al. 2023). Hinge loss; R1 penalty on the inputs of the
heads and not on the clip. The student's gradient passes through heads and features and touches neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from engine.diffusion.paths import Path
from engine.models.denoiser import Conditions, Denoiser
from engine.training.distillations.common import Example, Outcome, Trio
from engine.training.distillations.consistency import GuidedConsistency
from engine.training.distillations.trajectory import Trajectory

HEAD_WIDTH = 64


class Features(Protocol):
    """A frozen network: clips [B, N, D] to layers [B, P, width] each, of `widths`."""

    widths: tuple[int, ...]

    def __call__(self, clips: Tensor) -> list[Tensor]: ...


class Head(nn.Module):
    """Scores [B, P] of one layer [B, P, width], told [B, told]."""

    def __init__(self, width: int, told: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, HEAD_WIDTH), nn.SiLU())
        self.plain = nn.Linear(HEAD_WIDTH, 1)
        self.told = nn.Linear(told, HEAD_WIDTH)

    def forward(self, layer: Tensor, told: Tensor) -> Tensor:
        hidden = self.body(layer)
        agreement = (hidden * self.told(told)[:, None]).sum(-1) / HEAD_WIDTH**0.5
        result: Tensor = self.plain(hidden)[..., 0] + agreement
        return result


class Heads(nn.Module):
    """One head for each layer of the features. prompt: width of the prompt's vector, its flag included."""

    def __init__(self, widths: tuple[int, ...], prompt: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList([Head(width, prompt + widths[-1]) for width in widths])

    def forward(self, layers: list[Tensor], told: Tensor) -> list[Tensor]:
        return [head(layer, told) for head, layer in zip(self.heads, layers, strict=True)]


def hinge_critics(real: list[Tensor], made: list[Tensor]) -> Tensor:
    """E sum_k max(0, 1 - D_k(real)) + max(0, 1 + D_k(made)) (Eq. 8, without R1)."""
    parts = [(1 - a).clamp_min(0).mean() + (1 + b).clamp_min(0).mean() for a, b in zip(real, made, strict=True)]
    return torch.stack(parts).sum()


def hinge_maker(made: list[Tensor]) -> Tensor:
    """-E sum_k D_k(made) (Eq. 7)."""
    return -torch.stack([score.mean() for score in made]).sum()


def r1(heads: Heads, layers: list[Tensor], told: Tensor) -> Tensor:
    """E sum_k |dD_k / dF_k|^2 at real clips, D_k the mean score of a clip (Mescheder et al. 2018; on head inputs)."""
    inputs = [layer.detach().requires_grad_() for layer in layers]
    total = torch.stack([score.mean(1).sum() for score in heads(inputs, told)]).sum()
    slopes = torch.autograd.grad(total, inputs, create_graph=True)
    return torch.stack([slope.square().flatten(1).sum(1).mean() for slope in slopes]).sum()


@dataclass(frozen=True)
class Critic:
    """learn: takes the critics' loss and makes one step of the heads' optimiser. penalty: of R1."""

    features: Features
    heads: Heads
    learn: Callable[[Tensor], None]
    penalty: float = 1e-2

    def told(self, layers: list[Tensor], given: Conditions, prompt: int) -> Tensor:
        """What heads are told: the prompt's vector with its flag, and the real clip's mel embedding."""
        return torch.cat([given.globals[:, : prompt + 1], layers[-1].mean(1)], dim=-1).detach()

    def against(self, made: Tensor, real: Tensor, given: Conditions, prompt: int) -> dict[str, Tensor]:
        """One step of the heads, then "adversary", which the student should minimise, "critics" and "r1"."""
        with torch.no_grad():
            true = self.features(real)
            false = self.features(made.detach())
        told = self.told(true, given, prompt)
        penalty = r1(self.heads, true, told)
        loss = hinge_critics(self.heads(true, told), self.heads(false, told))
        self.learn(loss + self.penalty * penalty)
        self.heads.requires_grad_(False)
        adversary = hinge_maker(self.heads(self.features(made), told))
        self.heads.requires_grad_(True)
        return {"adversary": adversary, "critics": loss.detach(), "r1": penalty.detach()}


def slope_length(loss: Tensor, clips: Tensor) -> Tensor:
    """|d loss / d clips|, a scalar without a path to anything."""
    (slope,) = torch.autograd.grad(loss, clips, retain_graph=True)
    length: Tensor = slope.norm()
    return length


@dataclass(frozen=True)
class Adversarial:
    """L = L_adv + lambda L_distil (Eq. 9), with `inner` as the distillation and weight as lambda.

    balance: instead L = L_distil + a L_adv, a anew each step so that the adversary pulls at the student's clips with
    `balance` times the force of the distillation (the adaptive weight of Esser et al. 2021, Eq. 7).
    """

    inner: GuidedConsistency | Trajectory
    critic: Critic
    weight: float = 3.0
    balance: float | None = None

    @property
    def jumps(self) -> bool:
        return self.inner.jumps

    def __call__(self, trio: Trio, example: Example, generator: torch.Generator) -> Outcome:
        clean, new, given = example
        found = self.inner(trio, example, generator)
        landed = self.inner.landed(trio, example, generator) if isinstance(self.inner, Trajectory) else found.clean
        made = torch.where(new > 0, landed, clean)
        parts = self.critic.against(made, clean, given, trio.student.config.prompt)
        distil, adversary = found.losses["distil"], parts["adversary"]
        if self.balance is None:
            loss = adversary + self.weight * distil
        else:
            pull = slope_length(distil, found.clean) / slope_length(adversary, landed).clamp_min(1e-12)
            loss = distil + self.balance * pull * adversary
        return Outcome({"loss": loss, "distil": distil, **parts}, made)

    def sample(
        self, model: Denoiser, path: Path, given: Conditions, draw: Callable[[], Tensor], steps: int, scale: float
    ) -> Tensor:
        return self.inner.sample(model, path, given, draw, steps, scale)
