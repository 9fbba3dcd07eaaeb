"""A part played by a patch: exact times, the patch's measured lag and level, glides, a sweep."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.training.corpus.levels import RATE_HZ, block_power, from_db, k_weighted
from engine.training.corpus.patches import Patch
from engine.training.corpus.song import NoteEvent, Part
from engine.training.corpus.synth import MAX_LAG_FRAMES, REFERENCE_DB, Calibration, attack_frame, event_frame
from engine.training.corpus.voice import SWEEP_HOP, play

Stem = NDArray[np.float32]
Curve = NDArray[np.float32]
_TEST_FRAMES = 24_000
_SHORTEST_FRAMES = 480
_MONO = frozenset({"bass", "lead", "counter"})


def render_patch(patch: Patch, part: Part, tempo: float, frames: int, sweep: Curve) -> Stem:
    """Stereo stem [2, frames] at 48 kHz of a part, calibrated like the sampled instruments.

    sweep: octaves of cutoff, one per 64 frames; it never closes below the part's usual fundamental.
    A key struck again ends the note before it.
    """
    out = np.zeros((2, frames), np.float32)
    if not part.notes:
        return out
    middle = int(np.median([note.pitch for note in part.notes]))
    measured = calibration(patch, min(8, max(2, (middle + 6) // 12)))
    notes = sorted(part.notes, key=lambda n: (event_frame(n.beat, n.offset_ms, tempo), n.pitch))
    starts = np.array([event_frame(n.beat, n.offset_ms, tempo) for n in notes]) - measured.lag_frames
    holds = _holds(notes, starts, tempo)
    keys = np.array([float(n.pitch) for n in notes])
    before = np.concatenate([keys[:1], keys[:-1]]) if part.name in _MONO else keys
    velocities = np.array([n.velocity / 100.0 for n in notes])
    shut = np.maximum(sweep, np.float32(min(0.0, _lowest_octaves(patch, middle))))
    play(patch.voice, starts, holds, keys, before, velocities, shut, 60.0 / tempo * RATE_HZ, out)
    return out * np.float32(measured.gain)


def _lowest_octaves(patch: Patch, key: int) -> float:
    """How far a sweep may close until the cutoff is at the fundamental of a key."""
    fundamental_hz = 440.0 * 2.0 ** ((key - 69) / 12.0)
    return float(np.log2(fundamental_hz / patch.voice.cutoff_hz)) - patch.voice.track * (key - 60) / 12.0


def _holds(notes: list[NoteEvent], starts: NDArray[np.int64], tempo: float) -> NDArray[np.int64]:
    """Frames each note is held: its length, but not into the next note of its key."""
    holds = np.array([max(_SHORTEST_FRAMES, event_frame(n.length, 0.0, tempo)) for n in notes], np.int64)
    following: dict[int, int] = {}
    for index in range(len(notes) - 1, -1, -1):
        if notes[index].pitch in following:
            holds[index] = min(holds[index], max(1, following[notes[index].pitch] - starts[index]))
        following[notes[index].pitch] = int(starts[index])
    return holds


@lru_cache(maxsize=1024)
def calibration(patch: Patch, octave: int) -> Calibration:
    """Lag and gain of a patch around the C of an octave, from one held note."""
    note = np.zeros((2, _TEST_FRAMES), np.float32)
    key, open_ = np.array([12.0 * octave]), np.zeros(_TEST_FRAMES // SWEEP_HOP + 2, np.float32)
    first, hold = np.zeros(1, np.int64), np.array([_TEST_FRAMES], np.int64)
    play(patch.voice, first, hold, key, key, np.ones(1), open_, RATE_HZ / 2.0, note)
    level_db = float(10.0 * np.log10(block_power(k_weighted(note), 4800).max() + 1e-12))
    gain_db = min(24.0, max(-24.0, REFERENCE_DB - level_db))
    return Calibration(min(MAX_LAG_FRAMES, attack_frame(note)), from_db(gain_db))
