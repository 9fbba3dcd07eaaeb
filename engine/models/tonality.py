"""In which key? Features to a root and a mode, the same in every transposition.

The lows have 24 bands an octave up to 330 Hz, so that a semitone is two bands; above that the mel bands are
read at the same quarter-tone steps. On this scale a transposition is a shift: convolutions along pitch,
folded into twelve pitch classes and convolved around their circle, answer a transposed song with the
answer transposed (Korzeniowski and Widmer, "Genre-agnostic key classification", 2018, made circular).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from engine.models import features as F
from engine.models.codec import PATCH

C1_HZ = 440.0 * 2.0 ** (-45 / 12)
OCTAVES = 8
SEMITONES = 88
STEPS = 2
ROOTS = 12
LOW_STEPS = 80
FLOOR_DB = -70.0
NEIGHBOURHOOD = 12


def steps_hz() -> np.ndarray:
    """The quarter tones from C1 on [SEMITONES x STEPS], in Hz."""
    return np.asarray(C1_HZ * 2.0 ** (np.arange(SEMITONES * STEPS) / (12 * STEPS)))


@lru_cache(maxsize=1)
def scale_matrix() -> Tensor:
    """Linear interpolation from [mel, lows] levels to quarter tones [MELS + LOW_BANDS, SEMITONES x STEPS]."""
    matrix = np.zeros((F.MELS + F.LOW_BANDS, SEMITONES * STEPS), np.float32)
    hz = steps_hz()
    in_low = F.LOW_BANDS_PER_OCTAVE * np.log2(hz / F.LOW_FIRST_HZ)
    in_mel = np.interp(hz, F.mel_edges_hz()[1:-1], np.arange(F.MELS))
    for step in range(len(hz)):
        position, base, last = (in_low[step], F.MELS, F.LOW_BANDS) if step < LOW_STEPS else (in_mel[step], 0, F.MELS)
        lower = min(int(position), last - 2)
        matrix[base + lower, step] += 1.0 - (position - lower)
        matrix[base + lower + 1, step] += position - lower
    return torch.from_numpy(matrix)


def pitch_levels(features: Tensor) -> Tensor:
    """Features [B, 8 N + r, CHANNELS] dB to levels at quarter tones [B, N, SEMITONES, STEPS] in dB."""
    whole = features[:, : features.shape[1] // PATCH * PATCH]
    loudest = torch.maximum(whole[..., : F.MELS], whole[..., F.MELS : 2 * F.MELS])
    levels = torch.cat([loudest, whole[..., 2 * F.MELS :]], dim=-1)
    power = (10.0 ** (torch.unflatten(levels, 1, (-1, PATCH)) / 10.0)).mean(2)
    return torch.unflatten(10.0 * torch.log10(power) @ scale_matrix().to(power), -1, (SEMITONES, STEPS))


def prominence(levels: Tensor) -> Tensor:
    """How far each quarter tone stands out of its octave, in units of 10 dB; quiet ones count less."""
    flat = levels.clamp_min(FLOOR_DB).flatten(-2)
    shape = flat.shape
    rows = flat.reshape(-1, 1, shape[-1])
    around = nn.functional.avg_pool1d(rows, 2 * NEIGHBOURHOOD + 1, 1, NEIGHBOURHOOD, count_include_pad=False).reshape(
        shape
    )
    audible = ((flat - flat.amax((-1, -2), keepdim=True) + 50.0) / 50.0).clamp(0.0, 1.0)
    return torch.unflatten((flat - around) / 10.0 * audible, -1, (SEMITONES, STEPS))


class Tonality(nn.Module):
    """Levels at quarter tones [B, N, SEMITONES, STEPS] to logits of keys [B, 12 roots, modes]; any N from 1 on."""

    def __init__(self, modes: int, width: int = 24, hidden: int = 48) -> None:
        super().__init__()
        self.first = nn.Conv1d(STEPS, width, 13, padding=6, bias=False)
        self.second = nn.Conv1d(width, width, 13, padding=6, bias=False)
        self.octaves = nn.Parameter(torch.full((width, OCTAVES), 1.0 / OCTAVES))
        self.circle = nn.Conv1d(2 * width, hidden, ROOTS, padding=0)
        self.keys = nn.Conv1d(hidden, modes, ROOTS, padding=0)
        self.drop = nn.Dropout(0.2)

    def forward(self, levels: Tensor) -> Tensor:
        batch, count = levels.shape[:2]
        x = prominence(levels).flatten(0, 1).transpose(1, 2)
        x = nn.functional.gelu(self.first(x))
        x = nn.functional.gelu(self.second(x))
        x = torch.unflatten(nn.functional.pad(x, (0, OCTAVES * ROOTS - SEMITONES)), -1, (OCTAVES, ROOTS))
        folded = torch.unflatten((x * self.octaves[..., None]).sum(2), 0, (batch, count))
        pooled = self.drop(torch.cat([folded.mean(1), folded.square().mean(1).add(1e-6).sqrt()], dim=1))
        around = self.drop(nn.functional.gelu(self.circle(_wrapped(pooled))))
        keys: Tensor = self.keys(_wrapped(around)).transpose(1, 2)
        return keys


def _wrapped(x: Tensor) -> Tensor:
    """Pitch classes once around: entry p of a convolution of width 12 sees p, p + 1, ... p + 11."""
    return torch.cat([x, x[..., : ROOTS - 1]], dim=-1)
