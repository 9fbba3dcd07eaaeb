"""Does the sound follow what it was asked for: level curves and melodies (DEFINITIONS, Controls)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.controls import intensity_envelope
from engine.types import MODEL_RATE_HZ, Audio

Array = NDArray[np.float64]
FRAME_RATE_HZ = 20
EDGE_SECONDS = 0.05
CHROMA_RATE_HZ, CHROMA_HOP = 22_050, 512


@dataclass(frozen=True)
class TimedNote:
    """A note of a target in seconds."""

    pitch: int
    start: float
    end: float


def intensity_mse(audio: Audio, seconds: Array, level_db: Array, rate: int = MODEL_RATE_HZ) -> float:
    """Mean squared error in dB^2 of the sound's intensity, every 10 ms, against a curve (linear, ends held)."""
    at, found = intensity_envelope(audio, rate)
    return float(np.square(found - np.interp(at, seconds, level_db)).mean())


def frame_targets(notes: list[TimedNote], seconds: float) -> tuple[Array, NDArray[np.int64], NDArray[np.bool_]]:
    """20 Hz frames of a clip: their times [n], pitch class where exactly one note sounds, else -1; is it a rest.

    Frames within 50 ms of any note edge count as neither.
    """
    times = np.arange(int(seconds * FRAME_RATE_HZ)) / FRAME_RATE_HZ
    edges = np.array([edge for note in notes for edge in (note.start, note.end)])
    near = np.abs(times[:, None] - edges[None]).min(axis=1, initial=np.inf) <= EDGE_SECONDS + 1e-6
    sounding = np.stack([(times >= n.start) & (times < n.end) for n in notes]) if notes else np.zeros((0, len(times)))
    count = sounding.sum(axis=0)
    pitch = np.full(len(times), -1)
    for note, on in zip(notes, sounding, strict=True):
        pitch[on & (count == 1) & ~near] = note.pitch % 12
    return times, pitch, (count == 0) & ~near


def chroma_at(audio: Audio, times: Array, rate: int = MODEL_RATE_HZ) -> Array:
    """CQT chroma [12, n] of the mono mix at `times`, the nearest of librosa's frames."""
    import librosa
    import soxr

    mono = soxr.resample(np.asarray(audio.mean(axis=1), np.float32), rate, CHROMA_RATE_HZ, "HQ")
    chroma = librosa.feature.chroma_cqt(y=mono, sr=CHROMA_RATE_HZ, hop_length=CHROMA_HOP, tuning=0.0)
    frames = np.round(times * CHROMA_RATE_HZ / CHROMA_HOP).astype(int)
    return np.asarray(chroma[:, np.minimum(frames, chroma.shape[1] - 1)], np.float64)


@dataclass(frozen=True)
class MelodyScore:
    """accuracy: share of note frames whose strongest pitch class is the note's; false_in_rests: share of rest
    frames whose strongest class stands out more than the clip's median note frame. NaN without such frames."""

    accuracy: float
    false_in_rests: float


def melody_score(chroma: Array, pitch: NDArray[np.int64], rest: NDArray[np.bool_]) -> MelodyScore:
    """Judge chroma [12, n] against pitch classes [n] (-1: not judged) and rests [n]."""
    judged = pitch >= 0
    share = chroma.max(axis=0) / np.maximum(chroma.sum(axis=0), 1e-9)
    hit = (chroma.argmax(axis=0) == pitch)[judged]
    false = share[rest] > np.median(share[judged]) if judged.any() else np.zeros(0)
    return MelodyScore(
        float(hit.mean()) if len(hit) else float("nan"),
        float(false.mean()) if len(false) else float("nan"),
    )
