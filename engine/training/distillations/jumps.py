"""The shipped student's own distillation beside the papers': jumps by halves (`engine.training.shortcut`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.diffusion import jumps
from engine.diffusion.paths import FLOW, Path
from engine.models.denoiser import Conditions, Denoiser
from engine.training.devices import autocast
from engine.training.distillations.common import Example, Outcome, Trio
from engine.training.shortcut import shortcut_loss


@dataclass(frozen=True)
class Jumps:
    """Guidance scales from 1 to 3 are drawn by the distillation itself; rectified flow alone."""

    jumps: bool = True

    def __call__(self, trio: Trio, example: Example, generator: torch.Generator) -> Outcome:
        assert trio.path is FLOW, trio.path.name
        losses = shortcut_loss(trio.student, trio.reference, example, generator, trio.teacher)
        return Outcome(losses, example[0])

    @torch.no_grad()
    def sample(
        self, model: Denoiser, path: Path, given: Conditions, draw: Callable[[], Tensor], steps: int, scale: float
    ) -> Tensor:
        assert path is FLOW, path.name
        scales = torch.full((len(given.globals),), scale, device=given.globals.device)
        noise = draw()
        with autocast(noise.device):
            return jumps.sample(model, given, noise, steps, scales).float()
