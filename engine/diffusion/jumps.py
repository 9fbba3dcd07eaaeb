"""Jumps along the teacher's path: a student that knows how far it is asked to go.

The student u(z, t, w, c, d) is the mean velocity over the teacher's guided path from t to t - d, so that
z_{t - d} = z_t - d u: the Euler form of a trajectory function G(z, t, s) with s = t - d (DITTO-2, section
3.3, after Kim et al. 2024). Jumps lie on a dyadic grid, so that one of length d is two of length d / 2
("shortcut" models, Frans et al. 2025); more steps come closer to the teacher instead of drifting from it.
What is known of a clip stays known: at each time it lies on its own straight line to the noise.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engine.diffusion.flow import Velocity, diffuse
from engine.models.denoiser import Conditions, Denoiser

SMALLEST_JUMP = 0.125
GUIDANCE_RANGE = (1.0, 3.0)
"""The scales that students with jumps are taught."""
Hold = Callable[[Tensor, Tensor], Tensor]
"""hold(z [B, N, D], time [B]) -> z with what is known in its place."""


def jump_lengths(steps: int) -> list[float]:
    """Lengths of 1 to 8 jumps that add up to 1, each dividing its place; the shorter ones last."""
    assert 1 <= steps <= 8, steps
    longest = 1 << (steps.bit_length() - 1)
    split = steps - longest
    return [1 / longest] * (longest - split) + [0.5 / longest] * (2 * split)


def pinned(z: Tensor, noise: Tensor, time: Tensor, given: Conditions) -> Tensor:
    """z with the frames that `given` holds replaced by themselves at `time` [B]."""
    return torch.where(given.context_mask > 0, diffuse(given.context, noise, time), z)


def mean_velocity(
    model: Denoiser, z: Tensor, time: Tensor, jump: Tensor, guidance: Tensor, given: Conditions
) -> Tensor:
    """u [B, N, D] of a student with jumps; times, jumps and guidance [B]."""
    result: Tensor = model(z, time, guidance, given, jump)
    return result


def midpoint(velocity: Velocity, z: Tensor, time: Tensor, jump: Tensor, hold: Hold) -> Tensor:
    """Mean velocity from time to time - jump by the midpoint rule, two calls; error O(jump^3) in z."""
    half = 0.5 * jump
    middle = z - half[:, None, None] * velocity(z, time)
    return velocity(hold(middle, time - half), time - half)


def two_halves(
    model: Denoiser, z: Tensor, time: Tensor, jump: Tensor, guidance: Tensor, given: Conditions, hold: Hold
) -> Tensor:
    """Mean velocity of a jump as the model itself makes it in two halves."""
    half = 0.5 * jump
    first = mean_velocity(model, z, time, half, guidance, given)
    reached = hold(z - half[:, None, None] * first, time - half)
    second = mean_velocity(model, reached, time - half, half, guidance, given)
    return 0.5 * (first + second)


@torch.no_grad()
def own_path(
    model: Denoiser, noise: Tensor, time: Tensor, jump: Tensor, guidance: Tensor, given: Conditions, most: int = 7
) -> Tensor:
    """Where the student itself stands at `time` [B], come from noise [B, N, D] in jumps of `jump` [B] on its grid.

    most: how many jumps may be needed. On a GPU all are made, so that nobody waits for it.
    """
    z, at = noise, torch.ones_like(time)
    for _ in range(most):
        before = at > time + 1e-4
        if z.device.type == "cpu" and not bool(before.any()):
            break
        moved = z - jump[:, None, None] * mean_velocity(model, z, at, jump, guidance, given)
        z = torch.where(before[:, None, None], pinned(moved, noise, at - jump, given), z)
        at = torch.where(before, at - jump, at)
    return z


def sample(
    model: Denoiser,
    given: Conditions,
    noise: Tensor,
    steps: int,
    guidance: Tensor,
    cancelled: Callable[[], None] = lambda: None,
) -> Tensor:
    """Clean latents [B, N, D] from noise of that shape in `steps` jumps, deterministic.

    `cancelled` is called before each step and after the last, and may raise.
    """
    z, time = noise, torch.ones(len(noise), device=noise.device)
    for length in jump_lengths(steps):
        cancelled()
        jump = torch.full_like(time, length)
        z = z - length * mean_velocity(model, z, time, jump, guidance, given)
        time = time - length
        z = pinned(z, noise, time, given)
    cancelled()
    return z
