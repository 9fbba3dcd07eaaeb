"""Loudness of the new bars: carried over from the context, or ridden along a curve.

Everything is read off the decoded log-mels before they are spoken, so it costs nothing and needs no look back
at the sound. The trained intensity condition arranges; the ride takes what is left, slowly and within limits.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.models import features as F

REACH_FRAMES = 47
MAX_CARRY_DB = 6.0
MAX_RIDE_DB = 9.0
QUIET_DB = -55.0
PART_BELOW_DB, MAX_PART_DB, FAINT_DB = 3.0, 12.0, 6.0
FAINT = (
    "The model plays next to nothing under this input: the part is {:.0f} dB quieter than it should be. Name --parts, a"
    " --prompt or --chords, or try another seed."
)


@lru_cache(maxsize=1)
def mel_widths() -> Tensor:
    """Bandwidths in STFT bins of the 2 x 128 mels, so that weighted powers add up; not to be changed in place."""
    edges = F.mel_edges_hz()
    width = torch.from_numpy((edges[2:] - edges[:-2]) / 2 * F.WINDOW / F.RATE_HZ).float()
    return torch.cat([width, width])


def frame_power(features: Tensor) -> Tensor:
    """Mean power over both channels [T] of log-mels [T, CHANNELS], full-scale square = 1.

    A Hann window spreads a sine's power over bins that add up to 1.5 of its squared amplitude, and
    white noise alike; hence a third of the sum, and half of that for two channels.
    """
    return (features[:, : 2 * F.MELS] * (math.log(10.0) / 10.0)).exp() @ mel_widths() / 6.0


def power_db(features: Tensor) -> float:
    """Level in dBFS over all frames; the floor without any."""
    if len(features) == 0:
        return F.FLOOR_DB
    return float(10.0 * torch.log10(frame_power(features).mean() + 1e-9))


def carried_gain_db(context_db: float, made: Tensor) -> float:
    """The constant gain that brings frames `made` to the context's level, within 6 dB."""
    return float(np.clip(context_db - power_db(made), -MAX_CARRY_DB, MAX_CARRY_DB))


@lru_cache(maxsize=1)
def second() -> NDArray[np.float64]:
    """A Hann window of 1 s in frames; not to be changed."""
    return np.asarray(np.hanning(2 * REACH_FRAMES + 3)[1:-1])


def smoothed_db(features: Tensor) -> NDArray[np.float32]:
    """Level in dBFS at each frame [T] of log-mels [T, CHANNELS], under a 1 s Hann window."""
    window = second()
    power = frame_power(features).numpy().astype(np.float64)
    inside = slice(REACH_FRAMES, REACH_FRAMES + len(power))
    weight = np.convolve(np.ones(len(power)), window)[inside]
    return np.asarray(10.0 * np.log10(np.convolve(power, window)[inside] / weight + 1e-9), np.float32)


def part_gain_db(beside_db: float, made: Tensor) -> tuple[float, str | None]:
    """The constant gain that brings a part a little below what it plays with; a remark on one that stays faint."""
    missing = beside_db - PART_BELOW_DB - power_db(made)
    gain = float(np.clip(missing, -MAX_PART_DB, MAX_PART_DB))
    return gain, FAINT.format(missing - gain) if missing - gain > FAINT_DB else None


def ride_gain_db(features: Tensor, target_db: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gain in dB at each frame [T] towards target_db [T], from the level under a 1 s Hann window.

    At most 9 dB; where next to nothing sounds it is left alone. NaN targets ask for no gain.
    """
    level = smoothed_db(features)
    gain = np.clip(np.nan_to_num(target_db - level), -MAX_RIDE_DB, MAX_RIDE_DB)
    trust = np.clip((level - QUIET_DB) / 10.0, 0.0, 1.0)
    return np.asarray(gain * trust, np.float32)
