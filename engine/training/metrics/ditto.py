"""Scores of structure: self-similarity of a clip against a form, by the optimised reading and by one that was not."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from engine.control import extract
from engine.models import features as F
from engine.types import MODEL_RATE_HZ, Audio

Array = NDArray[np.float64]


def similarity_of(audio: Audio) -> Array:
    """Cosines [n, n] of MFCC 2-20 at 2 Hz of audio [frames, 2] at 48 kHz, in the mels of our features."""
    features = F.analyse_tensor(torch.from_numpy(np.ascontiguousarray(audio)))[None]
    rows = extract.mfcc_rows(features, extract.row_edges(features.shape[1]))
    return np.asarray(extract.self_similarity(rows)[0].double().numpy())


def similarity_by_librosa(audio: Audio) -> Array:
    """The same of librosa's own MFCC (Slaney mels to 24 kHz), which no optimiser goes through."""
    import librosa

    hop = MODEL_RATE_HZ // (2 * 50)
    mono = np.asarray(audio.mean(axis=1), np.float32)
    found = librosa.feature.mfcc(y=mono, sr=MODEL_RATE_HZ, n_mfcc=21, n_fft=2048, hop_length=hop)[2:]
    count = len(mono) * 2 // MODEL_RATE_HZ
    rows = found[:, : count * 50].reshape(len(found), count, 50).mean(axis=2).T
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return np.asarray(unit @ unit.T, np.float64)


def structure_mse(found: Array, wanted: Array) -> float:
    """Mean squared error over the rows that both have."""
    count = min(len(found), len(wanted))
    return float(np.square(found[:count, :count] - wanted[:count, :count]).mean())
