"""The vocoder's way from levels to sound as its equations say it, bin by bin, in float64: slow, and easy to check."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.models import features as F
from engine.models import lows, phase
from engine.models import vocoder as V
from engine.models.noise import NoiseSource

Array = NDArray[Any]


def carriers(previous: Array, current: Array) -> Array:
    """The peak on which each bin hangs [K], of two frames of log-magnitudes [K]."""
    shared, count = np.minimum(previous, current), len(current)
    around = [current[max(0, k - phase.REACH_BINS) : k + phase.REACH_BINS + 1].max() for k in range(count)]
    beside = np.concatenate([[-np.inf], shared, [-np.inf]])
    rises = (shared >= beside[:-2]) & (shared > beside[2:])
    peaks = np.flatnonzero(rises & (shared > np.array(around, np.float32) - np.float32(phase.DROP_NEPERS)))
    if len(peaks) == 0:
        return np.zeros(count, np.intp)
    return peaks[np.abs(np.arange(count)[:, None] - peaks).argmin(1)]


def advance(log: Array, low_db: Array, tuning_cents: float | None) -> Array:
    """Phase advance in radians a hop [T, K]."""
    bin_hop = 2 * math.pi * phase.HOP / F.WINDOW
    steer = np.gradient(log.astype(np.float64), axis=1) * (phase.HOP * F.WINDOW / phase.GAMMA)
    result = bin_hop * np.arange(log.shape[1]) + np.clip(steer, -2 * bin_hop, 2 * bin_hop)
    hertz, there = lows.low_peaks(low_db)
    for row, (found, marks) in enumerate(zip(hertz, there, strict=True)):
        for k in range(phase.LOW_BINS):
            near = found[marks] if tuning_cents is None else lows.in_tune(found[marks], tuning_cents)
            turns = near * (2 * math.pi * phase.HOP / F.RATE_HZ)
            if len(turns) and (apart := np.abs(turns - result[row, k])).min() < 1.5 * bin_hop:
                result[row, k] = turns[apart.argmin()]
    return result


def draft(log: Array, low_db: Array, tuning_cents: float | None = None) -> Array:
    """Phases [T, K] from the first frame of all on, counted from each frame's start."""
    forward = advance(log, low_db, tuning_cents)
    slope = np.gradient(log.astype(np.float64), axis=0) if len(log) > 1 else 0 * log
    across = np.clip(-phase.GAMMA / (phase.HOP * F.WINDOW) * slope, -math.pi, math.pi) - math.pi
    ramp = np.cumsum(0.5 * (across[:, 1:] + across[:, :-1]), axis=1)
    ramp = np.pad(ramp, ((0, 0), (1, 0)))
    last, rows = ramp[0], []
    for t in range(len(log)):
        before = max(0, t - 1)
        peak = carriers(log[before], log[t])
        last = last[peak] + 0.5 * (forward[t] + forward[before])[peak] + ramp[t] - ramp[t][peak]
        rows.append(last)
    return np.stack(rows)


def speak(
    level: Array, spread: Array, low_db: Array, seed: int, tuning_cents: float | None = None, width: float = V.WIDTH
) -> Array:
    """Sound [256 T + 1792, 2] of levels [2, T, BINS] dB, spreads [2, T, SPREADS] dB and lows [T / 2, LOW_BANDS]."""
    log = level.mean(0) / V.NEPER_DB
    turned = np.exp(1j * draft(log, low_db.repeat(2, axis=0), tuning_cents))
    share = V.noise_share(torch.from_numpy(level), torch.from_numpy(spread) @ V.spread_map()).double().numpy()
    common, own = (torch.from_numpy(NoiseSource(2 * seed + n).take(0, level.shape[1])) for n in (1, 2))
    hiss = V.stereo_noise(common, own, V.noise_width(torch.from_numpy(level), width), 2).numpy()
    mixed = np.exp(level.astype(np.float64) / V.NEPER_DB) * (np.sqrt(1 - share**2) * turned + share * hiss)
    window = F.hann().numpy().astype(np.float64)
    frames = np.fft.irfft(mixed * (F.WINDOW / 4.0), axis=-1) * window / 3.0
    out = np.zeros((2, V.HOP * level.shape[1] + F.WINDOW - V.HOP))
    for t in range(level.shape[1]):
        out[:, t * V.HOP : t * V.HOP + F.WINDOW] += frames[:, t]
    return out.T
