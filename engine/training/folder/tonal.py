"""Key, melody and chords of a sound, by ear: the chroma that the controls are judged by, and templates over it.

Melody is the dominant pitch class of the CQT chroma of the mono mix (as in `metrics.control`), in the octave in which
it is strongest; where nothing dominates there is none. Drums have a flat chroma: a sound that is mostly without pitch
gets no key, no melody and no chords at all, rather than wrong ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import librosa
import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from engine.training.corpus.annotate import HOP
from engine.training.folder.grid import Grid
from engine.training.folder.hints import KeyHint
from engine.types import MODEL_RATE_HZ, Audio

Array = NDArray[np.float64]
RATE_HZ, CQT_HOP = 22_050, 512
LOWEST, OCTAVES = 36, 5
MELODY_LOWEST = 48
TONAL_SHARE = 0.17
TONAL_FRAMES = 0.3
QUIET_DB = 40.0
SHORTEST_NOTE_SECONDS = 0.09
CHORD_MATCH = 0.72
# Probe-tone ratings of Krumhansl and Kessler (1982), major and minor, from the tonic up.
PROFILES = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}
TRIADS = {"major": (0, 4, 7), "minor": (0, 3, 7)}


@dataclass(frozen=True)
class Pitches:
    """levels [60, T]: CQT magnitudes from C2 up, every 512 samples of 22.05 kHz; chroma [12, T], each frame's sum 1."""

    levels: Array
    chroma: Array

    @property
    def dominance(self) -> Array:
        """Share of the strongest class [T]; 0 where it is quiet."""
        loud = self.levels.sum(axis=0)
        audible = loud > loud.max(initial=0.0) * 10.0 ** (-QUIET_DB / 20.0)
        return np.asarray(self.chroma.max(axis=0, initial=0.0) * audible)

    @property
    def tonal(self) -> bool:
        return bool((self.dominance > TONAL_SHARE).mean() > TONAL_FRAMES)


def hear_pitches(audio: Audio) -> Pitches:
    """Pitches of audio [frames, 2] at 48 kHz."""
    mono = soxr.resample(np.asarray(audio.mean(axis=1), np.float32), MODEL_RATE_HZ, RATE_HZ, "HQ")
    low = float(librosa.midi_to_hz(LOWEST))
    bands = librosa.cqt(mono, sr=RATE_HZ, hop_length=CQT_HOP, fmin=low, n_bins=12 * OCTAVES, tuning=0.0)
    levels = np.abs(bands).astype(np.float64)
    chroma = levels.reshape(OCTAVES, 12, -1).sum(axis=0)
    return Pitches(levels, chroma / np.maximum(chroma.sum(axis=0), 1e-9))


def find_key(pitches: Pitches, said: KeyHint | None) -> tuple[int, str, float] | None:
    """(root, mode, how sure 0 to 1): what is said, or the profile that the mean chroma correlates with best.

    Krumhansl's key-finding: Pearson's r of the 12 mean chroma values with each of 24 rotated profiles. Sure is
    the margin to the best key of another root, full at 0.25. None where the sound has no pitch.
    """
    if said is not None and said[1] is not None:
        return said[0], said[1], 1.0
    if not pitches.tonal:
        return None
    loudness = np.sqrt(pitches.levels.sum(axis=0))
    mean = (pitches.chroma * loudness).sum(axis=1)
    scores = {
        (root, mode): float(np.corrcoef(np.roll(profile, root), mean)[0, 1])
        for mode, profile in PROFILES.items()
        for root in range(12)
        if said is None or said[0] == root
    }
    (root, mode), best = max(scores.items(), key=lambda item: item[1])
    others = [score for (other, _), score in scores.items() if other != root]
    margin = (best - max(others)) if others else 0.25
    return root, mode, round(float(np.clip(margin / 0.25, 0.0, 1.0) * np.clip(best, 0.0, 1.0)), 2)


def frame_index(count: int) -> NDArray[np.int64]:
    """Nearest CQT frame of each feature frame [count]."""
    return np.round(np.arange(count) * HOP / MODEL_RATE_HZ * RATE_HZ / CQT_HOP).astype(np.int64)


def find_melody(pitches: Pitches, count: int) -> tuple[NDArray[np.int8], NDArray[np.uint8]] | None:
    """(MIDI pitch or -1 [count], onset 0/1 [count]) at the feature frames; None where the sound has no pitch."""
    if not pitches.tonal:
        return None
    upper = pitches.levels[MELODY_LOWEST - LOWEST :]
    chroma = upper.reshape(-1, 12, upper.shape[1]).sum(axis=0)
    share = chroma.max(axis=0) / np.maximum(chroma.sum(axis=0), 1e-9)
    octave = upper.reshape(-1, 12, upper.shape[1])[:, chroma.argmax(axis=0), np.arange(upper.shape[1])].argmax(axis=0)
    loud = upper.sum(axis=0)
    sounding = (share > TONAL_SHARE) & (loud > loud.max() * 10.0 ** (-QUIET_DB / 20.0))
    pitch = np.where(sounding, MELODY_LOWEST + 12 * octave + chroma.argmax(axis=0), -1)
    pitch = median_filter(pitch, 5)[np.minimum(frame_index(count), upper.shape[1] - 1)]
    pitch = _without_short(pitch, round(SHORTEST_NOTE_SECONDS * MODEL_RATE_HZ / HOP))
    changed = np.concatenate([[True], pitch[1:] != pitch[:-1]]) & (pitch >= 0)
    return pitch.astype(np.int8), changed.astype(np.uint8)


def _without_short(pitch: NDArray[np.int64], shortest: int) -> NDArray[np.int64]:
    """The line with every run of fewer than `shortest` frames silenced."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(pitch)) + 1, [len(pitch)]])
    short = np.repeat(np.diff(edges) < shortest, np.diff(edges))
    return np.where(short, -1, pitch)


def find_chords(pitches: Pitches, grid: Grid, first_seconds: float, count: int) -> NDArray[np.uint8] | None:
    """Pitch classes of the triad of each beat [count, 12], 0 where none fits; None where the sound has no pitch.

    The mean chroma of a beat is compared by cosine with the 24 major and minor triads. first_seconds: a beat.
    """
    if not pitches.tonal:
        return None
    names = [(root, mode) for mode in TRIADS for root in range(12)]
    templates = np.zeros((len(names), 12))
    for row, (root, mode) in zip(templates, names, strict=True):
        row[[(root + step) % 12 for step in TRIADS[mode]]] = 1.0 / np.sqrt(3.0)
    seconds = np.arange(count) * HOP / MODEL_RATE_HZ
    beat = np.floor((seconds - first_seconds) / grid.beat_seconds + 1e-6).astype(int)
    nearest = np.minimum(frame_index(count), pitches.chroma.shape[1] - 1)
    result = np.zeros((count, 12), np.uint8)
    for one in np.unique(beat):
        rows = np.flatnonzero(beat == one)
        mean = pitches.chroma[:, nearest[rows]].mean(axis=1)
        match = templates @ (mean / (np.linalg.norm(mean) + 1e-9))
        if match.max() >= CHORD_MATCH:
            result[rows] = templates[match.argmax()] > 0
    return result
