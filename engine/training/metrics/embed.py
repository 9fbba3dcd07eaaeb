"""Descriptions of sound that no training of ours has seen: MFCC, chroma, spectral contrast.

All from one power spectrogram at 24 kHz (window 2048, hop 512) by librosa's filter banks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.types import MODEL_RATE_HZ, Audio

Array = NDArray[np.float64]
RATE_HZ, WINDOW, HOP = 24_000, 2048, 512
MELS, COEFFICIENTS = 64, 20


@dataclass(frozen=True)
class Description:
    """Per frame: mfcc [20, T], chroma [12, T] (each frame's maximum 1), contrast [7, T] dB."""

    mfcc: Array
    chroma: Array
    contrast: Array


@lru_cache(maxsize=1)
def _banks() -> tuple[Array, Array]:
    import librosa

    mel = librosa.filters.mel(sr=RATE_HZ, n_fft=WINDOW, n_mels=MELS)
    chroma = librosa.filters.chroma(sr=RATE_HZ, n_fft=WINDOW, tuning=0.0)
    return np.asarray(mel, np.float64), np.asarray(chroma, np.float64)


def describe(audio: Audio, rate: int = MODEL_RATE_HZ) -> Description:
    """Describe audio [frames, channels] of at least 0.1 s."""
    import librosa
    import soxr

    mono = soxr.resample(np.asarray(audio.mean(axis=1), np.float32), rate, RATE_HZ, "HQ")
    magnitude = np.abs(librosa.stft(mono, n_fft=WINDOW, hop_length=HOP)).astype(np.float64)
    mel, chroma_bank = _banks()
    level = 10.0 * np.log10(mel @ magnitude**2 + 1e-8)
    chroma = chroma_bank @ magnitude**2
    contrast = librosa.feature.spectral_contrast(S=magnitude + 1e-6, sr=RATE_HZ)
    return Description(
        mfcc=np.asarray(librosa.feature.mfcc(S=level, n_mfcc=COEFFICIENTS)),
        chroma=chroma / np.maximum(chroma.max(axis=0, keepdims=True), 1e-9),
        contrast=np.asarray(contrast),
    )


def clip_vector(audio: Audio, rate: int = MODEL_RATE_HZ) -> Array:
    """Statistics of a clip [118]: mean and deviation of MFCC, chroma and contrast; deviation of two deltas."""
    import librosa

    d = describe(audio, rate)
    parts = [d.mfcc.mean(1), d.mfcc.std(1), d.chroma.mean(1), d.chroma.std(1), d.contrast.mean(1), d.contrast.std(1)]
    width = min(9, d.mfcc.shape[1] - 1 + d.mfcc.shape[1] % 2)
    parts += [librosa.feature.delta(d.mfcc, width=width, order=order).std(1) for order in (1, 2)]
    return np.concatenate(parts)


def timbre_vector(audio: Audio, rate: int = MODEL_RATE_HZ) -> list[Array]:
    """Loudness removed: MFCC 2-20 mean and deviation, chroma mean, contrast mean, as separate groups."""
    loud = float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))
    d = describe(np.asarray(audio * np.float32(0.1 / max(loud, 1e-6)), np.float32), rate)
    return [d.mfcc[1:].mean(1), d.mfcc[1:].std(1), d.chroma.mean(1), d.contrast.mean(1)]
