"""`engine.models.phase.draft` for batches of whole clips, in torch, on any device; no gradient, no host sync.

Written for training, where many clips are drafted at once from their first frame; the streaming draft in numpy
is what is shipped and what the tests hold this one to.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor, nn

from engine.models import features as F
from engine.models import lows, phase

STEP = 2 * math.pi * phase.HOP / F.WINDOW


def gradient(values: Tensor, axis: int) -> Tensor:
    return torch.gradient(values, dim=axis)[0]


def running_max(values: Tensor, reach: int) -> Tensor:
    """Maximum over +-reach entries of the last axis of [B, T, K]."""
    return nn.functional.max_pool1d(values, 2 * reach + 1, 1, padding=reach)


def nearest(marks: Tensor) -> Tensor:
    """Index of the nearest true entry along the last axis, 0 where there is none."""
    count = marks.shape[-1]
    index = torch.arange(count, device=marks.device)
    before = torch.where(marks, index, -count).cummax(-1).values
    after = torch.where(marks, index, 3 * count).flip(-1).cummin(-1).values.flip(-1)
    found = torch.where(index - before <= after - index, before, after)
    return torch.where((found < 0) | (found >= count), 0, found)


def carriers(previous: Tensor, current: Tensor, drop: float = 3.0) -> Tensor:
    shared = torch.minimum(previous, current)
    padded = nn.functional.pad(shared, (1, 1), value=-math.inf)
    peak = (shared >= padded[..., :-2]) & (shared > padded[..., 2:])
    return nearest(peak & (shared > running_max(current, 12) - drop))


@lru_cache(maxsize=4)
def peak_fit(device: str) -> tuple[Tensor, ...]:
    """`lows.peak_fit` and the bands' centres on a device."""
    return tuple(torch.from_numpy(x).to(device) for x in (*lows.peak_fit(), F.low_centres_hz().astype("float32")))


def low_frequencies(low_db: Tensor, advance: Tensor) -> Tensor:
    middle, left, right = low_db[..., 1:-1], low_db[..., :-2], low_db[..., 2:]
    offset, weights, reach, centres = peak_fit(str(low_db.device))
    shift = torch.minimum(torch.maximum(low_db @ weights + offset, -reach), reach)
    hertz = (centres + shift)[..., 1:-1]
    main_lobe = middle > (running_max(low_db, 14)[..., 1:-1] - 20.0).clamp_min(F.FLOOR_DB + 10)
    peak = (middle >= left) & (middle > right) & main_lobe
    target = torch.where(peak, hertz * (2 * math.pi * phase.HOP / F.RATE_HZ), 1e3)
    own = advance[..., : phase.LOW_BINS]
    best = (target[..., None, :] - own[..., None]).abs().argmin(-1)
    found = target.gather(-1, best)
    near = (found - own).abs() < 1.5 * STEP
    return torch.cat([torch.where(near, found, own), advance[..., phase.LOW_BINS :]], dim=-1)


@torch.no_grad()
def draft(log_magnitude: Tensor, low_db: Tensor) -> Tensor:
    """Phases [B, T, K] in radians of natural-log magnitudes [B, T, K] at hop 256 and lows [B, T, LOW_BANDS]."""
    scale = phase.GAMMA / (phase.HOP * F.WINDOW)
    centre = STEP * torch.arange(log_magnitude.shape[-1], device=log_magnitude.device)
    steer = gradient(log_magnitude, 2) * (phase.HOP * F.WINDOW / phase.GAMMA)
    advance = centre + steer.clamp(-2 * STEP, 2 * STEP)
    advance = low_frequencies(low_db, advance)
    across = (-scale * gradient(log_magnitude, 1)).clamp(-math.pi, math.pi) - math.pi
    ramp = nn.functional.pad((0.5 * (across[..., 1:] + across[..., :-1])).cumsum(-1), (1, 0))
    first = [log_magnitude[:, :1], log_magnitude[:, :-1]]
    source = carriers(torch.cat(first, dim=1), log_magnitude)
    step = 0.5 * (advance + torch.cat([advance[:, :1], advance[:, :-1]], dim=1))
    change = step.gather(-1, source) + ramp - ramp.gather(-1, source)
    last, phases = ramp[:, 0], []
    for index in range(log_magnitude.shape[1]):
        last = last.gather(-1, source[:, index]) + change[:, index]
        last = last - 2 * math.pi * torch.round(last / (2 * math.pi))
        phases.append(last)
    return torch.stack(phases, dim=1)
