"""Solvers of a path's flow: DDIM and DPM-Solver++ (2M), on any path and any descending times; MeLoDy's angle schedule.

z = ddim(path, network, noise, time_grid(50))
z = dpm_solver_2m(path, network, noise, angle_times(path, melody_angles(10)))
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from engine.diffusion.paths import Path, Says


def uniform_angles(steps: int) -> Tensor:
    """steps + 1 angles from pi/2 down to 0, pi / (2 T) apart (MeLoDy, the schedule it improves on)."""
    return 0.5 * math.pi * (1.0 - torch.arange(steps + 1, dtype=torch.float64) / steps)


def melody_steps(steps: int) -> Tensor:
    """w_1 .. w_T = pi / (6 T) + 2 pi t / (3 T (T + 1)), which add up to pi/2 (MeLoDy, angle schedule)."""
    t = torch.arange(1, steps + 1, dtype=torch.float64)
    return math.pi / (6 * steps) + 2 * math.pi * t / (3 * steps * (steps + 1))


def melody_angles(steps: int) -> Tensor:
    """steps + 1 angles from pi/2 to 0: the largest step w_T is taken first, near the noise, the smallest last."""
    down = melody_steps(steps).flip(0).cumsum(0)
    found = torch.cat([torch.zeros(1, dtype=torch.float64), down])
    return (0.5 * math.pi - found).clamp_min(0.0)


SCHEDULES = {"uniform": uniform_angles, "melody": melody_angles}


def angle_times(path: Path, angles: Tensor) -> Tensor:
    """Times [T + 1] of a path at descending angles from pi/2 to 0; the ends are exactly 1 and 0."""
    times = path.time_at(angles).float()
    times[0], times[-1] = 1.0, 0.0
    return times


def ddim(path: Path, network: Says, z: Tensor, times: Tensor) -> Tensor:
    """From times[0] to times[-1] (descending) by DDIM steps (Song et al. 2021, Eq. 12); first order."""
    for now, after in itertools.pairwise(times):
        time = now.expand(len(z))
        z = path.step(z, network(z, time), time, after.expand(len(z)))
    return z


def dpm_solver_2m(path: Path, network: Says, z: Tensor, times: Tensor) -> Tensor:
    """DPM-Solver++ (2M): second order with one call a step (Lu et al. 2022, Algorithm 2).

    With l = log(alpha / sigma) and h the steps in l: D = D_i + (h_i / 2 h_{i-1}) (D_i - D_{i-1}), where D_i is the
    network's z_0. The first step, and one that ends without noise, take D = D_i.
    """
    alpha, sigma = path.alpha(times.double()), path.sigma(times.double())
    rate = (alpha / sigma).log()
    before: Tensor | None = None
    for i in range(len(times) - 1):
        time = times[i].expand(len(z))
        clean = path.split(z, network(z, time), time)[0]
        wanted = clean
        if before is not None and float(sigma[i + 1]) > 0.0:
            share = float((rate[i + 1] - rate[i]) / (rate[i] - rate[i - 1]))
            wanted = clean + 0.5 * share * (clean - before)
        shrink = float(sigma[i + 1] / sigma[i])
        z = shrink * z + float(alpha[i + 1] - alpha[i] * shrink) * wanted
        before = clean
    return z


SOLVERS = {"ddim": ddim, "dpm2m": dpm_solver_2m}
