"""What is controlled, read off decoded features: gradients reach the features, and through them the noise.

Features are [B, T, CHANNELS] in dB at 93.75 Hz, frame i centred at sample 512 i (`engine.models.features`); nothing is
spoken for this. How close each is to the same reading of the final sound stands in tests/test_control_extract.py.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from engine.models import features as F
from engine.models.codec import PATCH
from engine.models.joint import ATTENTION, Joint
from engine.render.level import mel_widths

FLOOR_DB = -60.0
HALF_WINDOW_FRAMES = 0.5 * F.FRAME_RATE_HZ
LOWEST_PITCH, PITCHES = 24, 84
CHROMA_FRAMES, CHROMA_HOP = 8, 4
UPDATES = 10
QUIETEST_SHARE = 1e-4
ROWS_HZ = 2
ROW_FRAMES = F.FRAME_RATE_HZ / ROWS_HZ
MFCC_FIRST, MFCC_LAST = 2, 20


# ---- intensity -------------------------------------------------------------------------------------


def power(features: Tensor) -> Tensor:
    """Mean power over both channels [B, T], full-scale square = 1 (see `engine.render.level.frame_power`)."""
    return (10.0 ** (features[..., : 2 * F.MELS] / 10.0)) @ mel_widths().to(features) / 6.0


def intensity_db(features: Tensor) -> Tensor:
    """dBFS [B, T] as `engine.controls.intensity_envelope`: mean power under a 1 s Hann window that weighs only what
    is there, floor -60; here at each feature frame, every 10.7 ms."""
    reach = math.ceil(HALF_WINDOW_FRAMES) - 1
    at = torch.arange(-reach, reach + 1, dtype=features.dtype, device=features.device)
    window = (0.5 + 0.5 * torch.cos(math.pi * at / HALF_WINDOW_FRAMES))[None, None]
    found = power(features)[:, None]
    summed = nn.functional.conv1d(found, window, padding=reach)
    weight = nn.functional.conv1d(torch.ones_like(found), window, padding=reach)
    mean: Tensor = (summed / weight)[:, 0]
    return 10.0 * torch.log10(mean.clamp_min(10.0 ** (FLOOR_DB / 10.0)))


# ---- melody ----------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def tones() -> Tensor:
    """How a sine of each pitch from C1 on shows in mels and lows [PITCHES, MELS + LOW_BANDS]: power, at most 1."""
    seconds = np.arange(F.RATE_HZ // 4) / F.RATE_HZ
    rows = []
    for pitch in range(LOWEST_PITCH, LOWEST_PITCH + PITCHES):
        wave = np.sin(2.0 * np.pi * 440.0 * 2.0 ** ((pitch - 69) / 12.0) * seconds)
        seen = F.analyse_tensor(torch.from_numpy(np.stack([wave, wave], axis=1).astype(np.float32)))
        middle = len(seen) // 2
        rows.append(_levels(seen[None, middle - 4 : middle + 4]).mean((0, 1)))
    found = torch.stack(rows)
    return found / found.amax(dim=1, keepdim=True)


def _levels(features: Tensor) -> Tensor:
    """Power of mid mels and lows [B, T, MELS + LOW_BANDS]."""
    left, right, low = features[..., : F.MELS], features[..., F.MELS : 2 * F.MELS], features[..., 2 * F.MELS :]
    mid = 0.5 * (10.0 ** (left / 10.0) + 10.0 ** (right / 10.0))
    return torch.cat([mid, 10.0 ** (low / 10.0)], dim=-1)


def pitch_power(features: Tensor) -> Tensor:
    """How much of each pitch C1..B7 sounds [B, n, PITCHES], n = T // 4 - 1, at feature frames 4 i + 3.5.

    The bands of 85 ms are taken for a sum of tones of unknown power, found by a few multiplicative updates that lower
    the Kullback-Leibler divergence (Lee and Seung, 2001): overtones and the bands' own width are told apart by it.
    """
    seen = nn.functional.avg_pool1d(_levels(features).transpose(1, 2), CHROMA_FRAMES, CHROMA_HOP).transpose(1, 2)
    atoms = tones().to(seen)
    weight = atoms.sum(1)
    found = seen @ atoms.T / weight.square()
    for _ in range(UPDATES):
        found = found * ((seen / (found @ atoms + 1e-12)) @ atoms.T) / weight
    return found + 1e-10


def chroma_frames(count: int) -> Tensor:
    """Feature frames [n] at which `pitch_power` of `count` feature frames stands."""
    made = (count - CHROMA_FRAMES) // CHROMA_HOP + 1
    return CHROMA_HOP * torch.arange(made) + (CHROMA_FRAMES - 1) / 2


def log_classes(pitches: Tensor, sharpness: float = 2.0) -> Tensor:
    """Log-probabilities of pitch classes [B, n, 12] of `pitch_power`: shares of chroma^sharpness."""
    amplitude = torch.unflatten(pitches, -1, (PITCHES // 12, 12)).sqrt().sum(-2)
    return (sharpness * torch.log(amplitude + QUIETEST_SHARE * amplitude.detach().amax())).log_softmax(-1)


def log_octaves(pitches: Tensor, pitch: Tensor) -> Tensor:
    """Log-share [B, n] of the octave that MIDI pitch [n] lies in, among the octaves of its class; both of C1..B7."""
    octaves = torch.unflatten(pitches, -1, (PITCHES // 12, 12))
    own = octaves.gather(-1, (pitch % 12)[None, :, None, None].expand(*octaves.shape[:3], 1))[..., 0]
    share = torch.log(own / own.sum(-1, keepdim=True))
    index = ((pitch - LOWEST_PITCH) // 12).clamp(0, PITCHES // 12 - 1)
    return share.gather(-1, index[None, :, None].expand(len(share), -1, 1))[..., 0]


# ---- structure -------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _cosines() -> Tensor:
    """Orthonormal DCT-II [MELS, coefficients], MFCC_FIRST to MFCC_LAST counted from 0: without level and tilt."""
    band = torch.arange(F.MELS) + 0.5
    order = torch.arange(MFCC_FIRST, MFCC_LAST + 1)
    return math.sqrt(2.0 / F.MELS) * torch.cos(math.pi / F.MELS * band[:, None] * order)


def row_edges(count: int) -> list[int]:
    """First feature frames of the half-second rows from time zero on, and the end of the last; `count` frames."""
    return [round(k * ROW_FRAMES) for k in range(int(count / ROW_FRAMES) + 1)]


def mfcc_rows(features: Tensor, edges: list[int]) -> Tensor:
    """MFCC 2-20 of the mid [B, len(edges) - 1, 19], each the mean of the frames between two edges."""
    left, right = features[..., : F.MELS], features[..., F.MELS : 2 * F.MELS]
    mid = 10.0 * torch.log10(0.5 * (10.0 ** (left / 10.0) + 10.0 ** (right / 10.0)))
    rows = [mid[:, a:b].mean(1) for a, b in itertools.pairwise(edges)]
    return torch.stack(rows, dim=1) @ _cosines().to(features)


def self_similarity(rows: Tensor, others: Tensor | None = None) -> Tensor:
    """Cosines [B, n, m] of rows [B, n, d] with others [B, m, d], or with themselves."""
    unit = nn.functional.normalize(rows, dim=-1)
    return unit @ (unit if others is None else nn.functional.normalize(others, dim=-1)).transpose(1, 2)


# ---- words -----------------------------------------------------------------------------------------


def embedding(joint: Joint, features: Tensor) -> Tensor:
    """Unit vectors [B, SPACE] of clips, as `engine.models.similarity` hears them: in equal pieces of at most 5.5 s."""
    patches = features.shape[1] // PATCH
    count = -(-patches // ATTENTION)
    length = patches // count * PATCH
    heard = [joint.listen(features[:, k * length : (k + 1) * length]).embedding for k in range(count)]
    return nn.functional.normalize(torch.stack(heard).mean(0), dim=-1)
