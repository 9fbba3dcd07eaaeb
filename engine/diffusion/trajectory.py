"""Sampling over a trajectory function: from deterministic jumps to ping-pong (DITTO-2, Algorithm 1, lines 8-12).

A student with jumps is G(z, t, s) = z - (t - s) u(z, t, t - s), a jump from anywhere to anywhere below on the teacher's
path (`engine.diffusion.jumps`; Kim et al., "CTM", 2024). Gamma sampling jumps below the next time s and climbs back to
it with fresh noise: gamma = 0 adds none, gamma = 1 jumps to the end each time. The paper's noise levels are those of a
path that does not shrink the data, tau = sigma / alpha, t / (1 - t) on ours; line 10 is tau^ = sqrt(1 - gamma^2) tau.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from engine.diffusion import paths
from engine.diffusion.jumps import jump_lengths
from engine.diffusion.paths import FLOW
from engine.models.denoiser import Conditions, Denoiser

Path = Callable[[Tensor, Tensor, Tensor], Tensor]
"""G(z [B, N, D], t [B], s [B]) -> the point at s, s <= t."""


def trajectory(model: Denoiser, guidance: Tensor, given: Conditions) -> Path:
    """G of a student with jumps, in Euler form (DITTO-2, section 3.2); guidance as the model takes it."""

    def jump(z: Tensor, time: Tensor, to: Tensor) -> Tensor:
        length = time - to
        reached: Tensor = z - length[:, None, None] * model(z, time, guidance, given, length)
        return reached

    return jump


def below(time: float, gamma: float, on: paths.Path = FLOW) -> float:
    """The time from which fresh noise of share gamma leads back up to `time`, which is in [0, 1); gamma 0..1."""
    if gamma == 0.0:
        return time
    alpha, sigma = ends(on, time)
    tau = torch.tensor(math.sqrt(1.0 - gamma * gamma) * sigma / alpha, dtype=torch.float64)
    return min(time, float(on.time_at(tau.atan())))


def ends(on: paths.Path, time: float) -> tuple[float, float]:
    """alpha and sigma of a path at a time."""
    at = torch.tensor(time, dtype=torch.float64)
    return float(on.alpha(at)), float(on.sigma(at))


def climb(z: Tensor, low: float, high: float, gamma: float, noise: Tensor, on: paths.Path = FLOW) -> Tensor:
    """z at time `low` = below(high, gamma) brought up to `high`: shrunk to its share of data, gamma of it fresh noise.

    The variance of the noise in it is then sigma(high)^2 again.
    """
    (alpha, sigma), before = ends(on, high), ends(on, low)[0]
    return alpha / before * z + gamma * sigma * noise


def gamma_sample(
    path: Path,
    given: Conditions,
    noise: Tensor,
    steps: int,
    gamma: float,
    fresh: Callable[[], Tensor],
    cancelled: Callable[[], None] = lambda: None,
    on: paths.Path = FLOW,
) -> Tensor:
    """Clean latents [B, N, D] from noise of that shape in `steps` jumps (1 to 8), gamma of the noise renewed at each.

    fresh() draws noise of the same shape, once for each step but the last, and not at all where gamma is 0: then
    this is `jumps.sample`. What is known of a clip stays on its own line to the noise, which is renewed alike.
    `cancelled` is called before each step and after the last, and may raise. on: the path from data to noise on which
    `path` jumps.
    """
    assert 0.0 <= gamma <= 1.0, gamma
    z, held, time = noise, noise, 1.0
    for length in jump_lengths(steps):
        cancelled()
        high = max(0.0, time - length)
        low = below(high, gamma, on)
        z = path(z, _filled(z, time), _filled(z, low))
        if gamma > 0.0 and high > 0.0:
            drawn = fresh()
            z = climb(z, low, high, gamma, drawn, on)
            held = math.sqrt(1.0 - gamma * gamma) * held + gamma * drawn
        time = high
        z = torch.where(given.context_mask > 0, on.diffuse(given.context, held, _filled(z, time)), z)
    cancelled()
    return z


def _filled(z: Tensor, value: float) -> Tensor:
    """A time [B] for each clip of z."""
    return torch.full((len(z),), value, dtype=z.dtype, device=z.device)
