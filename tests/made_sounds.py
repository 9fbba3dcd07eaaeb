"""Small loops made by the tests: a kick on each beat, a snare on two and four, a bass and a melody of sines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
MELODY = (69, 72, 76, 72, 74, 77, 76, 72)
BASS = (45, 41)


def place(into: Array, at: float, sound: Array) -> None:
    first = round(at)
    part = sound[: max(0, len(into) - first)]
    into[first : first + len(part)] += part


def tone(pitch: float, seconds: float, rate: int, level: float) -> Array:
    time = np.arange(round(seconds * rate)) / rate
    hz = 440.0 * 2.0 ** ((pitch - 69) / 12)
    shape = np.minimum(1.0, time / 0.004) * np.minimum(1.0, (seconds - time) / 0.02)
    return level * shape * (np.sin(2 * np.pi * hz * time) + 0.3 * np.sin(4 * np.pi * hz * time))


def drum(rate: int, low: bool) -> Array:
    time = np.arange(round(0.15 * rate)) / rate
    if low:
        return 0.5 * np.exp(-time / 0.05) * np.cos(2 * np.pi * (55 * time - 4 * np.exp(-time / 0.02)))
    return 0.25 * np.exp(-time / 0.04) * np.random.default_rng(5).normal(size=len(time))


def made_loop(
    bpm: float,
    bars: int,
    rate: int = 44_100,
    lead_in: float = 0.0,
    drums: bool = True,
    notes: bool = True,
    beats: int = 4,
) -> Array:
    """Mono [frames]: `lead_in` seconds of silence, then `bars` bars, in A minor."""
    beat = 60.0 / bpm * rate
    sound = np.zeros(round(lead_in * rate + bars * beats * beat))
    for index in range(bars * beats):
        at = lead_in * rate + index * beat
        bar, place_in_bar = divmod(index, beats)
        if drums:
            place(sound, at, drum(rate, low=place_in_bar % 2 == 0) * (1.3 if place_in_bar == 0 else 0.8))
            place(sound, at + beat / 2, 0.15 * drum(rate, low=False))
        if notes:
            place(sound, at, tone(MELODY[index % len(MELODY)], 0.9 * beat / rate, rate, 0.15))
            if place_in_bar == 0:
                place(sound, at, tone(BASS[bar % 2], 0.95 * beats * beat / rate, rate, 0.12))
    return sound


def write(path: Path, sound: Array, rate: int = 44_100, subtype: str | None = None) -> Path:
    """Write [frames] or [frames, channels] in the format of the suffix."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, rate, subtype=subtype)
    return path
