"""What distillations share: who takes part, what comes out, the teacher's guided step, how errors are averaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from engine.diffusion.guidance import guided_velocity
from engine.diffusion.paths import Path, Says
from engine.models.denoiser import Conditions, Denoiser
from engine.training.devices import autocast

Example = tuple[Tensor, Tensor, Conditions]
"""clean [B, N, D], new [B, N, 1], conditions."""


@dataclass(frozen=True)
class Trio:
    """Who takes part: the student that learns, its moving average, and the frozen teacher; all on one path."""

    student: Denoiser
    reference: Denoiser
    teacher: Denoiser
    path: Path


@dataclass(frozen=True)
class Outcome:
    """losses: by name, "loss" is to be minimised; clean: the clips [B, N, D] that the student made of noised ones."""

    losses: dict[str, Tensor]
    clean: Tensor


class Method(Protocol):
    """A distillation. jumps: whether its student is told how far it goes."""

    @property
    def jumps(self) -> bool: ...

    def __call__(self, trio: Trio, example: Example, generator: torch.Generator) -> Outcome: ...

    def sample(
        self, model: Denoiser, path: Path, given: Conditions, draw: Callable[[], Tensor], steps: int, scale: float
    ) -> Tensor:
        """Clean latents in `steps` calls of a student, at a guidance scale 1 + w; draw() is fresh noise [B, N, D]."""
        ...


def draw_weights(low: float, high: float, count: int, generator: torch.Generator) -> Tensor:
    """Guidance weights w in [low, high], as scales 1 + w [count] (AudioLCM Algorithm 1, line 4)."""
    drawn = torch.rand(count, generator=generator, device=generator.device)
    return 1.0 + low + (high - low) * drawn


@torch.no_grad()
def teacher_step(trio: Trio, z: Tensor, time: Tensor, to: Tensor, scale: Tensor, given: Conditions) -> Tensor:
    """One guided DDIM step of the teacher: z + (1 + w) Psi(c) - w Psi(0) (AudioLCM Eq. 13, MusicCM Eq. 5-6).

    A step is linear in what the network says, so that guiding what it says guides the step. Where scales are all 1 the
    teacher is called once.
    """
    says: Says = guided_velocity(trio.teacher, given, scale)
    with autocast(z.device):
        said = says(z, time)
    return trio.path.step(z, said.float(), time, to)


def over_new(error: Tensor, new: Tensor) -> Tensor:
    """Mean of errors [B, N, D] over the frames that are to be made."""
    return (error * new).sum() / (new.sum() * error.shape[-1]).clamp_min(1.0)
