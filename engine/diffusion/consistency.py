"""Guided consistency distillation and its sampler (AudioLCM, sections 3.3-3.4)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engine.diffusion.flow import Velocity, diffuse, euler
from engine.models.denoiser import Conditions, Denoiser

SIGMA_DATA = 0.5
TIME_SCALE = 10.0


def boundary(time: Tensor) -> tuple[Tensor, Tensor]:
    """c_skip and c_out [B, 1, 1] with c_skip(0) = 1 and c_out(0) = 0 (AudioLCM Eq. 5 and 9)."""
    t = time[:, None, None] * TIME_SCALE
    scale = t.square() + SIGMA_DATA**2
    return SIGMA_DATA**2 / scale, t / scale.sqrt()


def consistency(model: Denoiser, z: Tensor, time: Tensor, guidance: Tensor, given: Conditions) -> Tensor:
    """f(z, w, c, t) -> z_0 (AudioLCM Eq. 12), the guidance scale s = 1 + w [B] as an input."""
    return estimated(z, time, model(z, time, guidance, given))


def estimated(z: Tensor, time: Tensor, velocity: Tensor) -> Tensor:
    """z_0 of a consistency function whose network said `velocity` [B, N, D] at z."""
    skip, out = boundary(time)
    result: Tensor = skip * z + out * (z - time[:, None, None] * velocity)
    return result


def solver_jump(teacher: Velocity, z: Tensor, start: Tensor, end: Tensor, k: int) -> Tensor:
    """k steps of the teacher's own solver from start [B] to end [B] (Eq. 13-14, Algorithm 1)."""
    step = (end - start) / k
    for index in range(k):
        z = z + step[:, None, None] * teacher(z, start + index * step)
    return z


def huber(prediction: Tensor, target: Tensor, eta: float = 0.5) -> Tensor:
    """Huber distance, elementwise (AudioLCM Eq. 15)."""
    return torch.nn.functional.huber_loss(prediction, target, reduction="none", delta=eta)


def sample(
    function: Callable[[Tensor, Tensor], Tensor],
    noise: Callable[[], Tensor],
    times: Tensor,
    cancelled: Callable[[], None] = lambda: None,
    noised: Callable[[Tensor, Tensor, Tensor], Tensor] = diffuse,
) -> Tensor:
    """Multi-step consistency sampling (AudioLCM Algorithm 2): denoise, re-noise, denoise.

    function(z, time [B]) -> z_0; noise() draws a fresh [B, N, D]; times descend from 1, without 0.
    noised(clean, noise, time [B]): the point on the path, by default the straight one.
    `cancelled` is called before each step and after the last, and may raise.
    """
    cancelled()
    z = noise()
    clean = function(z, times[0].expand(len(z)))
    for time in times[1:]:
        cancelled()
        now = time.expand(len(clean))
        clean = function(noised(clean, noise(), now), now)
    cancelled()
    return clean


def sampling_times(steps: int) -> Tensor:
    """The times of `sample` for 1 to 8 steps: evenly spaced from 1, bent towards the noise."""
    t = 1.0 - torch.arange(steps) / steps
    return 1.5 * t / (1 + 0.5 * t)


__all__ = ["boundary", "consistency", "euler", "huber", "sample", "sampling_times", "solver_jump"]
