"""Where a style's groove puts its drums, and whether onsets are there; downbeats; swing.

A groove is read from written events: their times within a quarter gather at a few positions (the grid,
moved by swing and by each drum's push). Onsets are judged by their distance from the nearest position.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
GAP_MS = 12.0
FEWEST, SMALLEST_SHARE = 3, 0.03
REACH_MS = 40.0
PAIR_FROM, PAIR_TO = 0.38, 0.80
FEWEST_OFFBEATS = 6
PAIR_MISS_PERCENT = 2.5


def positions_ms(events_ms: Array, quarter_ms: float) -> Array:
    """The groove's places in a quarter, in ms from it, rising in [-GAP_MS, quarter_ms): medians of clusters of events.

    Clusters are parted by gaps of GAP_MS; those with under FEWEST events or SMALLEST_SHARE of all are left out.
    """
    if len(events_ms) == 0:
        return np.zeros(0)
    phase = np.sort(np.asarray(events_ms, np.float64) % quarter_ms)
    gaps = np.diff(np.append(phase, phase[0] + quarter_ms))
    start = int(gaps.argmax()) + 1
    ordered = np.concatenate([phase[start:] - quarter_ms, phase[:start]]) if start < len(phase) else phase
    clusters = np.split(ordered, np.flatnonzero(np.diff(ordered) > GAP_MS) + 1)
    fewest = max(min(FEWEST, len(phase)), SMALLEST_SHARE * len(phase))
    centres = np.array([np.median(part) for part in clusters if len(part) >= fewest])
    return np.sort(np.where(centres < -GAP_MS, centres + quarter_ms, centres))


def distances_ms(onsets_ms: Array, positions: Array, quarter_ms: float) -> Array:
    """Signed distance of each onset from the nearest place of the groove; NaN beyond REACH_MS."""
    if len(positions) == 0:
        return np.full(len(onsets_ms), np.nan)
    gaps = (onsets_ms[:, None] - positions + quarter_ms / 2) % quarter_ms - quarter_ms / 2
    best = gaps[np.arange(len(onsets_ms)), np.abs(gaps).argmin(axis=1)]
    return np.where(np.abs(best) <= REACH_MS, best, np.nan)


def chance_reach(positions: Array, quarter_ms: float) -> float:
    """The share of a quarter that lies within REACH_MS of a place: what random onsets would score as near."""
    grid = np.arange(0.0, quarter_ms, 0.5)
    return float(np.isfinite(distances_ms(grid, positions, quarter_ms)).mean())


def swing_percent(onsets_ms: Array, pair_ms: float) -> float:
    """Where in a pair its second note sits, in percent: 50 is straight, 66.7 a triplet. NaN for too few.

    The median phase of onsets between PAIR_FROM and PAIR_TO of the pair, from the pair's own first notes, so
    that a push of everything does not count as swing.
    """
    phase = (np.asarray(onsets_ms, np.float64) / pair_ms) % 1.0
    second = phase[(phase > PAIR_FROM) & (phase < PAIR_TO)]
    centred = (phase + 0.5) % 1.0 - 0.5
    first = centred[np.abs(centred) < 0.12]
    if len(second) < FEWEST_OFFBEATS or len(first) < FEWEST_OFFBEATS:
        return float("nan")
    return float(100.0 * (np.median(second) - np.median(first)))


def swing_pair_ms(events_ms: Array, quarter_ms: float, swing: float) -> float:
    """The pair that swings, a quarter or an eighth: the one in which written events show the swing; NaN: none."""
    pairs = [quarter_ms, quarter_ms / 2]
    misses = [abs(swing_percent(events_ms, pair) - swing) for pair in pairs]
    finite = [miss if np.isfinite(miss) else np.inf for miss in misses]
    best = int(np.argmin(finite))
    return pairs[best] if finite[best] < PAIR_MISS_PERCENT else float("nan")


@dataclass(frozen=True)
class BarProfile:
    """What happens at each half of each felt beat of a bar, on average: values [2 x beats, features], standardised."""

    values: Array

    @property
    def beats(self) -> int:
        return len(self.values) // 2

    def turned(self, beats: int) -> Array:
        return np.roll(self.values, 2 * beats, axis=0)


def bar_profile(features: Array, rate_hz: float, beats_s: Array, in_bar: int) -> BarProfile:
    """Average features [T, F] in 80 ms at the beats and their middles, by place in a bar of `in_bar` beats.

    beats_s: whole bars of beat times in seconds.
    """
    ends = np.append(beats_s, 2 * beats_s[-1] - beats_s[-2])
    places = np.stack([beats_s, (ends[1:] + ends[:-1]) / 2], axis=1).ravel()
    half = round(0.04 * rate_hz)
    at = np.round(places * rate_hz).astype(int)[:, None] + np.arange(-half, half + 1)
    found = features[at.clip(0, len(features) - 1)].max(axis=1)
    bars = found.reshape(-1, 2 * in_bar, features.shape[1]).mean(axis=0)
    return BarProfile((bars - bars.mean(axis=0)) / np.maximum(bars.std(axis=0), 1e-6))


def best_turn(found: BarProfile, wanted: BarProfile) -> int:
    """By how many beats `found` must be turned to be most like `wanted`; 0 if its downbeats are right."""
    likeness = [float((found.turned(-turn) * wanted.values).sum()) for turn in range(found.beats)]
    return int(np.argmax(likeness))
