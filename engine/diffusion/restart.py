"""Sampling from somewhere on the way: a clip that is partly noised and denoised again (SDEdit, Meng et al. 2022).

The further it is noised, the less of it is left. Students with jumps know the eighths of the way alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from engine.diffusion import consistency, jumps
from engine.diffusion.flow import diffuse
from engine.models.denoiser import Conditions, Denoiser

PLACES = round(1 / jumps.SMALLEST_JUMP)


def nearest_place(strength: float) -> int:
    """How many eighths of the way to noise a strength in (0, 1] goes: the nearest, at least one."""
    return max(1, math.floor(strength * PLACES + 0.5))


def lengths_from(place: int, steps: int) -> list[float]:
    """Lengths of the jumps from `place` eighths to 0, each dividing its place; `steps` of them where there can be.

    As few as possible first (one for each binary digit of `place`), then the longest are split, the last ones first.
    """
    assert 1 <= place <= PLACES, place
    assert steps >= 1, steps
    found, left = [], place
    while left:
        found.append(left & -left)
        left -= found[-1]
    while len(found) < steps and max(found) > 1:
        longest = len(found) - 1 - found[::-1].index(max(found))
        found[longest : longest + 1] = [found[longest] // 2] * 2
    return [length / PLACES for length in found]


@torch.no_grad()
def sample(
    model: Denoiser,
    given: Conditions,
    clean: Tensor,
    draw: Callable[[], Tensor],
    place: int,
    steps: int,
    guidance: Tensor,
    check: Callable[[], None],
) -> Tensor:
    """Clean latents [B, N, D] near `clean` [B, N, D], noised `place` eighths of the way; what `given` holds stays.

    draw() -> noise [B, N, D]; guidance as the model takes it. `check` is called before each step and after the last.
    """
    noise, start = draw(), torch.full((len(clean),), place / PLACES)
    z = jumps.pinned(diffuse(clean, noise, start), noise, start, given)
    if not model.config.jumps:
        return _consistent(model, given, z, draw, start, steps, guidance, check)
    time = start
    for length in lengths_from(place, steps):
        check()
        jump = torch.full_like(time, length)
        z = z - length * jumps.mean_velocity(model, z, time, jump, guidance, given)
        time = time - length
        z = jumps.pinned(z, noise, time, given)
    check()
    return z


def _consistent(
    model: Denoiser,
    given: Conditions,
    z: Tensor,
    draw: Callable[[], Tensor],
    start: Tensor,
    steps: int,
    guidance: Tensor,
    check: Callable[[], None],
) -> Tensor:
    """The consistency sampler from z at `start` [B] on: its times, scaled to begin there."""
    check()
    clean = consistency.consistency(model, z, start, guidance, given)
    for share in consistency.sampling_times(steps)[1:]:
        check()
        now = start * share
        clean = consistency.consistency(model, diffuse(clean, draw(), now), now, guidance, given)
    check()
    return clean
