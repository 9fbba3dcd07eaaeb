"""Beats: librosa's tracker, told nothing, against the grid that was asked for (DEFINITIONS, Beat-F)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.timing import TempoMap
from engine.types import MODEL_RATE_HZ, Audio

Array = NDArray[np.float64]
TOLERANCE_SECONDS = 0.07
TEMPO_TOLERANCE = 0.02
TRACKER_RATE_HZ = 22_050
LEVELS = {"none": 1.0, "half": 0.5, "double": 2.0}


def beat_f(found: Array, wanted: Array, tolerance: float = TOLERANCE_SECONDS) -> float:
    """F measure of two rising lists of seconds, matched one to one within `tolerance`; 0 if either is empty."""
    if len(found) == 0 or len(wanted) == 0:
        return 0.0
    hits, i, j = 0, 0, 0
    while i < len(found) and j < len(wanted):
        gap = found[i] - wanted[j]
        if abs(gap) <= tolerance + 1e-9:
            hits, i, j = hits + 1, i + 1, j + 1
        elif gap < 0:
            i += 1
        else:
            j += 1
    return 2.0 * hits / (len(found) + len(wanted))


def metrical_levels(wanted: Array) -> list[Array]:
    """The grid, every second beat of it from either phase, and the grid with the middles between its beats."""
    middles = (wanted[1:] + wanted[:-1]) / 2
    return [wanted, wanted[0::2], wanted[1::2], np.sort(np.concatenate([wanted, middles]))]


def best_level_f(found: Array, wanted: Array) -> float:
    """The best `beat_f` over `metrical_levels`: half and double tempo are no mistakes here."""
    return max(beat_f(found, level) for level in metrical_levels(wanted))


def beat_times(tempo_map: TempoMap, bars: int, start_bar: int = 0) -> Array:
    """Seconds of the felt beats of `bars` bars on the exact tempo map, from the first bar line on."""
    origin = tempo_map.seconds_at(tempo_map.bar_start_quarters(start_bar))
    times = []
    for bar in range(start_bar, start_bar + bars):
        at = tempo_map.bar_start_quarters(bar)
        for length in tempo_map.meter_at(bar).beats:
            times.append(float(tempo_map.seconds_at(at) - origin))
            at += length
    return np.array(times)


def beats_a_minute(times: Array) -> float:
    """Slope of a straight line through beat times, in beats a minute; NaN for fewer than three."""
    if len(times) < 3:
        return float("nan")
    period = np.polyfit(np.arange(len(times)), times, 1)[0]
    return float(60.0 / period)


def track(audio: Audio, rate: int = MODEL_RATE_HZ) -> Array:
    """Beat times in seconds of audio [frames, channels] by librosa's tracker with its defaults."""
    import librosa
    import soxr

    mono = soxr.resample(np.asarray(audio.mean(axis=1), np.float32), rate, TRACKER_RATE_HZ, "HQ")
    if float(np.abs(mono).max(initial=0.0)) < 1e-6:
        return np.zeros(0)
    _, times = librosa.beat.beat_track(y=mono, sr=TRACKER_RATE_HZ, units="time")
    return np.asarray(times, np.float64)


@dataclass(frozen=True)
class Score:
    """One clip: F at the grid's own level, at the best level, and the tracker's tempo over the grid's."""

    f: float
    level_f: float
    tempo_ratio: float

    def tempo_right(self, level: float) -> bool:
        return bool(abs(self.tempo_ratio / level - 1.0) < TEMPO_TOLERANCE)


def score(found: Array, wanted: Array) -> Score:
    """Judge tracked beats against the grid."""
    return Score(beat_f(found, wanted), best_level_f(found, wanted), beats_a_minute(found) / beats_a_minute(wanted))
