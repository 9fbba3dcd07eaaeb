"""Filter automation: how far a part's cutoff is open over the sections of a song.

A curve is in octaves against the part's own cutoff, one value per 64 frames. Builds open it,
breakdowns and intros start dark, grooves drift slowly in whole bars; how much is the song's draw.
"""

from __future__ import annotations

from math import pi, tan
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from engine.training.corpus import tempomap
from engine.training.corpus.levels import RATE_HZ
from engine.training.corpus.song import Section, Song

HOP = 64
Curve = NDArray[np.float32]
_BUILDS = ("bd", "build", "rise", "pre")
_DARK = frozenset({"in", "intro", "bk", "breakdown", "out", "outro", "br", "bridge", "quiet", "thin"})


def cutoff_curve(song: Song, frames: int, rng: np.random.Generator, most_octaves: float = 2.5) -> Curve:
    """Octaves [frames // 64 + 2] for one part; all of a song's chance comes from `rng`.

    `most_octaves` bounds the depth below the open position; above it nothing goes over +1.
    """
    beats = np.arange(frames // HOP + 2) * (HOP / RATE_HZ * float(song.tempo) / 60.0)
    if song.slower:
        beats = tempomap.beats_at(song, beats * 60.0 / float(song.tempo))
    bar = float(song.bar_beats)
    depth = float(rng.uniform(0.4, 1.0)) * most_octaves
    drift = float(rng.uniform(0.1, 0.8)) if rng.random() < 0.7 else 0.0
    period = bar * float(rng.choice([2, 4, 8, 16]))
    curve = drift * np.sin(2 * np.pi * (beats / period + rng.random()))
    for index, section in enumerate(song.sections):
        following = song.sections[index + 1] if index + 1 < len(song.sections) else None
        start, length = section.first_bar * bar, section.bars * bar
        inside = (beats >= start) & (beats < start + length)
        first, last = _ends(section, following, depth, rng)
        place = (beats[inside] - start) / length
        curve[inside] = curve[inside] * (0.3 if first != last else 1.0) + first + (last - first) * place**1.5
    return np.clip(_eased(curve), -most_octaves, 1.0).astype(np.float32)


def _ends(section: Section, following: Section | None, depth: float, rng: np.random.Generator) -> tuple[float, float]:
    """Where the cutoff starts and ends in a section, octaves."""
    name = section.name.lower()
    louder = following is not None and following.level_db > section.level_db + 2.5
    if name.startswith(_BUILDS) or (louder and section.bars <= 16 and rng.random() < 0.5):
        return -depth, float(rng.uniform(0.0, 0.8))
    if name in _DARK:
        return (-depth, -0.3 * depth) if rng.random() < 0.6 else (-0.4 * depth, -0.4 * depth)
    if rng.random() < 0.2:
        return -0.5 * depth, 0.3
    return 0.0, 0.0


def _eased(curve: NDArray[np.float64], width: int = 24) -> NDArray[np.float64]:
    """Jumps between sections take 32 ms, so that the filter does not click."""
    padded = np.pad(curve, width // 2, mode="edge")
    return np.convolve(padded, np.full(width, 1.0 / width), "same")[width // 2 : width // 2 + len(curve)]


def swept(stem: NDArray[np.float32], curve: Curve, open_hz: float = 16_000.0, resonance: float = 0.3) -> Curve:
    """stem [2, frames] through a moving 12 dB low-pass: open_hz x 2 ** curve, never above 18 kHz."""
    cutoff = np.clip(open_hz * 2.0 ** curve.astype(float), 60.0, 18_000.0)
    out = np.empty_like(stem)
    _lowpass(np.ascontiguousarray(stem), cutoff, 2.0 * (1.0 - resonance), out)
    return out


@njit(cache=True, fastmath=True)
def _lowpass(stem: Any, cutoff: Any, k: float, out: Any) -> None:
    """State variable low-pass with one cutoff per 64 frames, line by line between them."""
    for channel in range(stem.shape[0]):
        a = b = 0.0
        g = tan(pi * cutoff[0] / RATE_HZ)
        for block in range((stem.shape[1] + HOP - 1) // HOP):
            after = tan(pi * cutoff[min(block + 1, len(cutoff) - 1)] / RATE_HZ)
            slope = (after - g) / HOP
            for i in range(block * HOP, min(stem.shape[1], (block + 1) * HOP)):
                g += slope
                u = (a + g * (stem[channel, i] - b)) / (1.0 + g * (g + k))
                w = b + g * u
                a, b = 2.0 * u - a, 2.0 * w - b
                out[channel, i] = w
            g = after
