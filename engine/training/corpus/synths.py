"""A part played by a patch: exact times, the patch's measured lag and level, glides, a sweep."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.training.corpus.levels import RATE_HZ, Stem, block_power, from_db, k_weighted
from engine.training.corpus.patches import Patch
from engine.training.corpus.placing import attack_frame
from engine.training.corpus.played import middle_key, played
from engine.training.corpus.song import Part
from engine.training.corpus.synth import MAX_LAG_FRAMES, REFERENCE_DB, Calibration
from engine.training.corpus.voice import SWEEP_HOP, play

Curve = NDArray[np.float32]
TEST_FRAMES = 24_000


def render_patch(patch: Patch, part: Part, tempo: float, frames: int, sweep: Curve) -> Stem:
    """Stereo stem [2, frames] at 48 kHz of a part, calibrated like the sampled instruments.

    sweep: octaves of cutoff, one per 64 frames; it never closes below the part's usual fundamental.
    A key struck again ends the note before it.
    """
    out = np.zeros((2, frames), np.float32)
    if not part.notes:
        return out
    middle = middle_key(part)
    measured = calibration(patch, octave_of(middle))
    notes = played(part, tempo, measured.lag_frames)
    shut = np.maximum(sweep, np.float32(min(0.0, _lowest_octaves(patch, middle))))
    beat_frames = 60.0 / tempo * RATE_HZ
    play(patch.voice, notes.starts, notes.holds, notes.keys, notes.before, notes.velocities, shut, beat_frames, out)
    return out * np.float32(measured.gain)


def octave_of(key: int) -> int:
    """The octave whose C stands for a key when an instrument is measured."""
    return min(8, max(2, (key + 6) // 12))


def _lowest_octaves(patch: Patch, key: int) -> float:
    """How far a sweep may close until the cutoff is at the fundamental of a key."""
    return lowest_octaves(patch.voice.cutoff_hz, patch.voice.track, key)


def lowest_octaves(cutoff_hz: float, track: float, key: int) -> float:
    """Octaves from a cutoff that follows keys by `track` (0 at C4) down to the fundamental of `key`."""
    fundamental_hz = 440.0 * 2.0 ** ((key - 69) / 12.0)
    return float(np.log2(fundamental_hz / cutoff_hz)) - track * (key - 60) / 12.0


@lru_cache(maxsize=1024)
def calibration(patch: Patch, octave: int) -> Calibration:
    """Lag and gain of a patch around the C of an octave, from one held note."""
    note = np.zeros((2, TEST_FRAMES), np.float32)
    key, open_ = np.array([12.0 * octave]), np.zeros(TEST_FRAMES // SWEEP_HOP + 2, np.float32)
    first, hold = np.zeros(1, np.int64), np.array([TEST_FRAMES], np.int64)
    play(patch.voice, first, hold, key, key, np.ones(1), open_, RATE_HZ / 2.0, note)
    return measured_of(note)


def measured_of(note: Stem) -> Calibration:
    """Lag and gain that a held note [2, frames], struck at frame 0 with velocity 100, asks for."""
    level_db = float(10.0 * np.log10(block_power(k_weighted(note), 4800).max() + 1e-12))
    gain_db = min(24.0, max(-24.0, REFERENCE_DB - level_db))
    return Calibration(min(MAX_LAG_FRAMES, attack_frame(note)), from_db(gain_db))
