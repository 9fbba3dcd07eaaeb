"""Rectified flow: the straight path from data to noise, its velocity, the teacher's solver.

z_t = (1 - t) z_0 + t e with t in [0, 1]; the network predicts v = e - z_0, so z_0 = z_t - t v. It is a
noise schedule alpha_t = 1 - t, sigma_t = t in the terms of AudioLCM Eq. 3 and 9.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]
"""velocity(z [B, N, D], time [B]) -> [B, N, D]."""


def diffuse(clean: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """The point at `time` [B] on the straight line from clean to noise, both [B, N, D]."""
    t = time[:, None, None]
    return (1 - t) * clean + t * noise


def logit_normal_times(count: int, generator: torch.Generator, mean: float = 0.2) -> Tensor:
    """Training times in (0, 1) on the generator's device, densest in the middle (Esser et al. 2024, logit-normal)."""
    return torch.sigmoid(torch.randn(count, generator=generator, device=generator.device) + mean)


def time_grid(steps: int, shift: float = 1.0) -> Tensor:
    """steps + 1 times from 1 to 0. shift > 1 spends more steps near the noise."""
    t = torch.linspace(1.0, 0.0, steps + 1)
    return shift * t / (1 + (shift - 1) * t)


def euler(velocity: Velocity, z: Tensor, times: Tensor) -> Tensor:
    """Integrate from times[0] to times[-1] (descending) by Euler steps."""
    for now, after in itertools.pairwise(times):
        z = z + (after - now) * velocity(z, now.expand(len(z)))
    return z


def heun(velocity: Velocity, z: Tensor, times: Tensor) -> Tensor:
    """Integrate by Heun's second-order steps, two velocity calls each."""
    for now, after in itertools.pairwise(times):
        first = velocity(z, now.expand(len(z)))
        guess = z + (after - now) * first
        second = velocity(guess, after.expand(len(z)))
        z = z + (after - now) * 0.5 * (first + second)
    return z
