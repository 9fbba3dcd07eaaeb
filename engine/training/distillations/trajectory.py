"""Consistency trajectory distillation (DITTO-2 Eq. 4, section 3.2; Kim et al., "CTM", 2024), and gamma sampling.

G(z, t, s) jumps from t to s on the teacher's guided path, in Euler form: one DDIM step with what the student says at
(z, t), so that G(z, t, t) = z. Local consistency: the jump from t must land where the student's average lands from
t - 1/T, one guided teacher step further down. The weight of guidance is an input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.diffusion.paths import Path
from engine.diffusion.trajectory import gamma_sample
from engine.models.denoiser import Conditions, Denoiser
from engine.training.devices import autocast
from engine.training.distillations.common import Example, Outcome, Trio, draw_weights, over_new, teacher_step


def jumped(
    model: Denoiser, path: Path, z: Tensor, time: Tensor, to: Tensor, scale: Tensor, given: Conditions
) -> Tensor:
    """G(z, c, w, t, s) [B, N, D] from `time` to `to`, both [B]."""
    with autocast(z.device):
        said = model(z, time, scale, given, time - to)
    return path.step(z, said.float(), time, to)


@dataclass(frozen=True)
class Trajectory:
    """grid: the paper's T = 20 steps. gamma: of sampling, 0 deterministic and 1 ping-pong.

    jumps: whether the student is told how far it goes; without, it says the same for every s, as the paper's words
    on the Euler form can be read.
    """

    grid: int = 20
    low: float = 4.0
    high: float = 12.0
    gamma: float = 0.0
    jumps: bool = True

    def __call__(self, trio: Trio, example: Example, generator: torch.Generator) -> Outcome:
        clean, new, given = example
        scale = draw_weights(self.low, self.high, len(clean), generator)
        draws = torch.rand(2, len(clean), generator=generator, device=clean.device)
        upper = 1 + (draws[0] * self.grid).floor().clamp_max(self.grid - 1)
        target = torch.minimum((draws[1] * upper).floor(), upper - 1) / self.grid
        start, between = upper / self.grid, (upper - 1) / self.grid
        noise = torch.randn(clean.shape, generator=generator, device=clean.device)
        z = trio.path.diffuse(clean, noise, start)
        with torch.no_grad():
            reached = teacher_step(trio, z, start, between, scale, given)
            goal = jumped(trio.reference, trio.path, reached, between, target, scale, given)
        made = jumped(trio.student, trio.path, z, start, target, scale, given)
        loss = over_new((made - goal).square(), new)
        return Outcome({"loss": loss, "distil": loss}, made)

    def landed(self, trio: Trio, example: Example, generator: torch.Generator) -> Tensor:
        """Clips that the student makes of noised ones in one jump to 0, for an adversary."""
        clean, _, given = example
        scale = draw_weights(self.low, self.high, len(clean), generator)
        steps = (torch.rand(len(clean), generator=generator, device=clean.device) * self.grid).floor()
        start = (1 + steps.clamp_max(self.grid - 1)) / self.grid
        noise = torch.randn(clean.shape, generator=generator, device=clean.device)
        z = trio.path.diffuse(clean, noise, start)
        return jumped(trio.student, trio.path, z, start, torch.zeros_like(start), scale, given)

    @torch.no_grad()
    def sample(
        self, model: Denoiser, path: Path, given: Conditions, draw: Callable[[], Tensor], steps: int, scale: float
    ) -> Tensor:
        scales = torch.full((len(given.globals),), scale, device=given.globals.device)

        def leap(z: Tensor, time: Tensor, to: Tensor) -> Tensor:
            return jumped(model, path, z, time, to, scales, given)

        return gamma_sample(leap, given, draw(), steps, self.gamma, draw, on=path)
