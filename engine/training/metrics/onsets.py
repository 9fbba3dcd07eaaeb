"""When drums are heard: an onset detector for one band, with a hop of half a millisecond, and its own error.

The band's power envelope is taken without phase shift; an onset is where a rise of at least RISE_DB
crosses half of its height. Nothing is corrected: what the detector itself is off by is measured on
clicks and on rendered drums whose event times are known (`measured_bias`) and stands beside every figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import butter as butterworth
from scipy.signal import hilbert, resample_poly, sosfiltfilt

from engine.types import MODEL_RATE_HZ, Audio

Times = NDArray[np.float64]
STEP = 24
HOP_MS = 1000.0 * STEP / MODEL_RATE_HZ
RISE_DB = 6.0
QUIET_DB = 25.0
APART_MS = 45.0
REACH_MS = 40.0


@dataclass(frozen=True)
class Band:
    """A frequency band and how long an attack in it may take. keys: the drums it is meant for (General MIDI)."""

    name: str
    attack_ms: float
    keys: tuple[int, ...]


KICK = Band("kick, below 150 Hz", 30.0, (35, 36))
CLICK = Band("click, above 2 kHz", 12.0, (35, 36, 37, 38, 39, 40, 42, 44, 46))
BANDS = (KICK, CLICK)


def power(audio: Audio, band: Band) -> Times:
    """Power envelope of audio [frames, channels] at 48 kHz, one value every HOP_MS; value i is centred at STEP i."""
    mono = audio.mean(axis=1, dtype=np.float64)
    if band is KICK:
        slow = resample_poly(mono, 1, STEP)
        low = sosfiltfilt(butterworth(2, 150.0, fs=MODEL_RATE_HZ / STEP, output="sos"), slow)
        return np.asarray(np.abs(hilbert(low)) ** 2)
    high = sosfiltfilt(butterworth(2, 2000.0, "highpass", fs=MODEL_RATE_HZ, output="sos"), mono)
    return np.asarray(uniform_filter1d(high**2, 2 * STEP)[::STEP])


def onsets_ms(audio: Audio, band: Band) -> Times:
    """Times in ms from the first frame at which something begins in a band.

    The level before is the mean power of 40 ms that end where the attack may have begun, so that the
    beating of two low notes is no onset; of crossings within APART_MS the one with the highest rise counts.
    """
    p = power(audio, band) + 1e-14
    ahead, behind = round(band.attack_ms / HOP_MS), round(40.0 / HOP_MS)
    top = maximum_filter1d(p, ahead + 1, origin=-(ahead // 2))
    mean = uniform_filter1d(p, behind, mode="nearest")
    gap = behind // 2 + round(0.7 * ahead)
    floor = np.concatenate([np.full(gap, mean[0]), mean[:-gap]])
    half = 0.5 * (top + floor)
    crosses = (p[1:] >= half[1:]) & (p[:-1] < half[1:])
    strong = (top > floor * 10 ** (RISE_DB / 10)) & (top > np.quantile(top, 0.98) * 10 ** (-QUIET_DB / 10))
    at = np.flatnonzero(crosses & strong[1:]) + 1
    share = (half[at] - p[at - 1]) / (p[at] - p[at - 1])
    return strongest((at - 1 + share) * HOP_MS, top[at] - floor[at])


def strongest(times: Times, heights: Times) -> Times:
    """Rising times, of those within APART_MS of each other the highest (the first of equals)."""
    kept: list[float] = []
    for index in np.argsort(-heights, kind="stable"):
        if all(abs(times[index] - other) > APART_MS for other in kept):
            kept.append(float(times[index]))
    return np.array(sorted(kept))


def offsets_ms(found: Times, lines: Times) -> Times:
    """For each line the signed distance to the onset nearest to it; NaN where none is within REACH_MS."""
    if len(found) == 0:
        return np.full(len(lines), np.nan)
    right = np.searchsorted(found, lines).clip(1, max(1, len(found) - 1))
    near = np.stack([found[right - 1], found[right.clip(max=len(found) - 1)]]) - lines
    best = np.where(np.abs(near[0]) <= np.abs(near[1]), near[0], near[1])
    return np.where(np.abs(best) <= REACH_MS, best, np.nan)


def summary(values: Times, rng: np.random.Generator) -> dict[str, Any]:
    """Of signed offsets in ms, NaN where nothing was heard: share heard, p50 and p95 absolute, median with its
    95 % interval (bootstrap); None for what cannot be said of no onset at all."""
    heard = values[np.isfinite(values)]
    row: dict[str, Any] = {"lines": len(values), "heard": len(heard)}
    if len(heard) == 0:
        return {**row, "p50_ms": None, "p95_ms": None, "median_ms": None, "median_interval_ms": None}
    picked = np.median(rng.choice(heard, (1000, len(heard))), axis=1)
    size = np.abs(heard)
    return {
        **row,
        "p50_ms": rounded(np.median(size)),
        "p95_ms": rounded(np.quantile(size, 0.95)),
        "median_ms": rounded(np.median(heard)),
        "median_interval_ms": [rounded(q) for q in np.quantile(picked, (0.025, 0.975))],
    }


def rounded(value: np.floating[Any] | float) -> float:
    return round(float(value), 3)


def clicks(times_ms: Times, seconds: float, rng: np.random.Generator) -> Audio:
    """Noise bursts that begin at once and fall by 1/e in 5 ms over a floor at -60 dB, with a 55 Hz thump each."""
    time = np.arange(round(seconds * MODEL_RATE_HZ)) / MODEL_RATE_HZ
    wave = 1e-3 * rng.normal(size=len(time))
    for start_s in times_ms / 1000.0:
        since = time - start_s
        span = (since >= 0) & (since < 0.2)
        thump = np.sin(2 * np.pi * 55.0 * since[span]) * np.exp(-since[span] / 0.06)
        wave[span] += 0.3 * rng.normal(size=int(span.sum())) * np.exp(-since[span] / 0.005) + 0.5 * thump
    return np.repeat(wave[:, None], 2, axis=1).astype(np.float32)


def click_bias(rng: np.random.Generator, count: int = 200) -> dict[str, dict[str, Any]]:
    """The detector's error on clicks at known times, by band."""
    times = 500.0 + 400.0 * np.arange(count) + rng.uniform(0.0, 50.0, count)
    audio = clicks(times, 0.4 * count + 1.5, rng)
    return {band.name: summary(offsets_ms(onsets_ms(audio, band), times), rng) for band in BANDS}


def event_offsets(audio: Audio, events: NDArray[np.float32], band: Band, found: Times | None = None) -> Times:
    """The detector's error at drum events [n, 2] (ms, General MIDI key) that a band is meant for, each time once."""
    times = np.unique(events[np.isin(events[:, 1], band.keys), 0].astype(np.float64))
    return offsets_ms(onsets_ms(audio, band) if found is None else found, times)


def pooled(parts: Sequence[Times], rng: np.random.Generator) -> dict[str, Any]:
    return summary(np.concatenate([np.zeros(0), *parts]), rng)
