"""Notes read off sound by pYIN (Mauch and Dixon, 2014), and how many of a melody's they are, octave and all."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from engine.training.metrics.control import TimedNote
from engine.types import MODEL_RATE_HZ, Audio

RATE_HZ, HOP, WINDOW = 22_050, 256, 2048
LOWEST_HZ, HIGHEST_HZ = 110.0, 1760.0
SHORTEST_SECONDS, NEAR_SECONDS = 0.06, 0.05


def pitches(audio: Audio) -> NDArray[np.int64]:
    """The nearest MIDI pitch of the mono mix every HOP samples at RATE_HZ; -1 where none is heard."""
    import librosa
    import soxr

    mono = soxr.resample(np.asarray(audio.mean(axis=1), np.float32), MODEL_RATE_HZ, RATE_HZ, "HQ")
    hz, _, _ = librosa.pyin(
        mono, fmin=LOWEST_HZ, fmax=HIGHEST_HZ, sr=RATE_HZ, frame_length=WINDOW, hop_length=HOP, resolution=0.25
    )
    midi = 69.0 + 12.0 * np.log2(np.where(np.isnan(hz), 440.0, hz) / 440.0)
    return np.where(np.isnan(hz), -1, np.round(midi)).astype(np.int64)


def segments(pitch: NDArray[np.int64]) -> list[TimedNote]:
    """Stretches of one pitch of at least SHORTEST_SECONDS."""
    edges = [0, *(np.flatnonzero(np.diff(pitch)) + 1).tolist(), len(pitch)]
    found = []
    for first, last in itertools.pairwise(edges):
        if last > first and pitch[first] >= 0 and (last - first) * HOP / RATE_HZ >= SHORTEST_SECONDS:
            found.append(TimedNote(int(pitch[first]), first * HOP / RATE_HZ, last * HOP / RATE_HZ))
    return found


def f1(found: list[TimedNote], wanted: list[TimedNote]) -> float:
    """F-measure of notes of the same pitch whose starts lie within NEAR_SECONDS, each matched once."""
    left, hits = sorted(found, key=lambda note: note.start), 0
    for note in sorted(wanted, key=lambda note: note.start):
        near = [one for one in left if one.pitch == note.pitch and abs(one.start - note.start) <= NEAR_SECONDS]
        if near:
            left.remove(min(near, key=lambda one: abs(one.start - note.start)))
            hits += 1
    return 2.0 * hits / (len(found) + len(wanted)) if found or wanted else float("nan")


def note_f1(audio: Audio, wanted: list[TimedNote]) -> float:
    """`f1` of the notes that pYIN hears in a mix."""
    return f1(segments(pitches(audio)), wanted)
