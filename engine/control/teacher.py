"""DITTO as it was before a student: the noise searched through the teacher itself (Novack et al., 2024).

The baseline that DITTO-2 must beat: each iteration integrates the flow in 20 Euler steps, guidance by extra passes, and
goes back through all of them with gradient checkpointing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from engine.control.optimise import RATE, Budget, Check, Judge, Make, Outcome, Schedule, Step, optimise, watched
from engine.diffusion.flow import time_grid
from engine.diffusion.guidance import guided_velocity
from engine.diffusion.jumps import pinned
from engine.models.denoiser import Conditions, Denoiser

STEPS, ITERATIONS = 20, 50


def euler_path(teacher: Denoiser, given: Conditions, guidance: Tensor, checkpointed: bool = True) -> Make:
    """make(noise, steps, check): latents by Euler steps of the guided teacher, what is known held on its line."""
    velocity = guided_velocity(teacher, given, guidance)

    def make(noise: Tensor, steps: int, check: Check) -> Tensor:
        z, times = noise, time_grid(steps).to(noise)
        for now, after in itertools.pairwise(times):
            check()
            at = now.expand(len(z))
            use = checkpointed and z.requires_grad
            moved = checkpoint(velocity, z, at, use_reentrant=False) if use else velocity(z, at)
            z = watched(z + (after - now) * moved, check)
            z = pinned(z, noise, after.expand(len(z)), given)
        return z

    return make


def ditto_teacher(
    teacher: Denoiser,
    given: Conditions,
    guidance: Tensor,
    judge: Judge,
    start: Tensor,
    iterations: int = ITERATIONS,
    steps: int = STEPS,
    rate: float = RATE,
    told: Callable[[Step], None] = lambda step: None,
    cancelled: Callable[[], bool] = lambda: False,
    seconds: float | None = None,
) -> tuple[Tensor, Outcome]:
    """(latents [B, N, 64], outcome): noise `start` searched through `steps` of the teacher, and decoded by as many.

    guidance: scale [B] or strengths [B, GROUPS]; judge as for the student, so that both lower the same loss.
    """
    make = euler_path(teacher, given, guidance)
    schedule = Schedule(((1.0, steps),))
    found = optimise(make, judge, start, Budget(iterations, seconds), schedule, rate, told, cancelled)
    with torch.no_grad():
        return make(found.noise, steps, lambda: None), found
