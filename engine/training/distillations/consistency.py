"""Guided consistency distillation with a k-step solver (AudioLCM Eq. 9-15, Algorithm 1), and its sampler (Algorithm 2).

The student at t_{n+k} must agree with its moving average at t_n, where one guided DDIM jump of the teacher over k of
`grid` steps leads. With k = 1 and one weight this is MusicCM's distillation (Eq. 2-6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.diffusion.consistency import boundary, huber, sample, sampling_times
from engine.diffusion.paths import Path
from engine.models.denoiser import Conditions, Denoiser
from engine.training.devices import autocast
from engine.training.distillations.common import Example, Outcome, Trio, draw_weights, over_new, teacher_step

BOUNDARY_SCALE = 1000.0
"""Times in the boundary's coefficients: the first thousandth lies well beyond it, as in latent consistency models."""


def consistent(model: Denoiser, path: Path, z: Tensor, time: Tensor, scale: Tensor, given: Conditions) -> Tensor:
    """f(z, w, c, t) = c_skip(t) z + c_out(t) z_0(z, w, c, t), which is z at t = 0 (AudioLCM Eq. 9 and 12)."""
    with autocast(z.device):
        said = model(z, time, scale, given)
    skip, out = boundary(BOUNDARY_SCALE * time)
    return skip * z + out * path.split(z, said.float(), time)[0]


@dataclass(frozen=True)
class GuidedConsistency:
    """low, high: the range of guidance weights w. distance: "huber" (Eq. 15, eta) or "l2"."""

    k: int = 20
    grid: int = 1000
    low: float = 4.0
    high: float = 12.0
    distance: str = "huber"
    eta: float = 0.5
    jumps: bool = False

    def __call__(self, trio: Trio, example: Example, generator: torch.Generator) -> Outcome:
        clean, new, given = example
        scale = draw_weights(self.low, self.high, len(clean), generator)
        draw = torch.rand(len(clean), generator=generator, device=clean.device)
        below = (draw * (self.grid - self.k + 1)).floor().clamp_max(self.grid - self.k)
        start, end = (below + self.k) / self.grid, below / self.grid
        noise = torch.randn(clean.shape, generator=generator, device=clean.device)
        z = trio.path.diffuse(clean, noise, start)
        with torch.no_grad():
            reached = teacher_step(trio, z, start, end, scale, given)
            goal = consistent(trio.reference, trio.path, reached, end, scale, given)
        made = consistent(trio.student, trio.path, z, start, scale, given)
        loss = over_new(self.error(made, goal), new)
        return Outcome({"loss": loss, "distil": loss}, made)

    def error(self, made: Tensor, goal: Tensor) -> Tensor:
        """Elementwise distance."""
        return huber(made, goal, self.eta) if self.distance == "huber" else 0.5 * (made - goal).square()

    @torch.no_grad()
    def sample(
        self, model: Denoiser, path: Path, given: Conditions, draw: Callable[[], Tensor], steps: int, scale: float
    ) -> Tensor:
        scales = torch.full((len(given.globals),), scale, device=given.globals.device)

        def function(z: Tensor, time: Tensor) -> Tensor:
            return consistent(model, path, z, time, scales, given)

        return sample(function, draw, sampling_times(steps).to(scales), noised=path.diffuse)
