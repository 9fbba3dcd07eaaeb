"""Mel to levels: a small network writes magnitudes at hop 256; `engine.models.synthesis` turns them into sound.

Where the network cannot say what a bin's level is, the sound is noise: it predicts the spread of
each level beside the level, and that share of a bin is taken from the spectrum of white noise,
whose texture and phase are natural, instead of from the smooth mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.models import features as F
from engine.models import lows
from engine.models.codec import Residual

HOP = lows.HOP
SPREADS = 64
SPREAD_POINTS_HZ = np.geomspace(60.0, 20_000.0, SPREADS)
FLOOR_DB = -100.0
NOISE_SPREAD_DB = 5.0
TONE_SPREAD_DB = 3.0
MIDDLE_SPREAD_DB = 0.5 * (TONE_SPREAD_DB + NOISE_SPREAD_DB)
STEADY_DB = 2.0
SLOPE_FRAMES = 5
WIDTH = 0.3
"""The most of the noise's power that is a channel's own, where a bundle names no `noise_width`."""
MONO_DB = 0.35
WIDE_DB = 0.9
AUDIBLE_DB = -60.0
NEPER_DB = 20.0 / math.log(10.0)
Levels = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""levels(mel, low) -> (level, spread): a `Vocoder`, or a runtime's."""


def bin_interpolation(points_hz: NDArray[np.float64]) -> Tensor:
    """Matrix [len(points), BINS] that interpolates values at `points_hz` linearly onto STFT bins."""
    bins = np.arange(F.BINS) * F.RATE_HZ / F.WINDOW
    rows = [np.interp(bins, points_hz, row) for row in np.eye(len(points_hz))]
    return torch.from_numpy(np.stack(rows)).float()


@lru_cache(maxsize=1)
def spread_map() -> Tensor:
    """Matrix [SPREADS, BINS] from spreads to bins; not to be changed in place."""
    return bin_interpolation(SPREAD_POINTS_HZ)


class Vocoder(nn.Module):
    """Levels and spreads of STFT bins from one channel's mel and the long-window lows.

    forward: mel [B, T, MELS] dB and low [B, T, LOW_BANDS] dB at 93.75 Hz to
    (level [B, 2 T, BINS] dB, spread [B, 2 T, SPREADS] dB) at 187.5 Hz.
    """

    level_map: Tensor
    spread_map: Tensor

    def __init__(self, width: int = 352, blocks: int = 3) -> None:
        super().__init__()
        self.input = nn.Conv1d(F.MELS + F.LOW_BANDS, width, 3, padding=1)
        self.blocks = nn.Sequential(*[Residual(width) for _ in range(blocks)])
        self.norm = nn.LayerNorm(width)
        self.level = nn.Linear(width, 2 * F.BINS)
        self.spread = nn.Linear(width, 2 * SPREADS)
        nn.init.zeros_(self.level.weight)
        nn.init.zeros_(self.level.bias)
        nn.init.zeros_(self.spread.weight)
        nn.init.zeros_(self.spread.bias)
        edges = F.mel_edges_hz()
        self.register_buffer("level_map", bin_interpolation(edges[1:-1]), persistent=False)
        self.register_buffer("spread_map", bin_interpolation(SPREAD_POINTS_HZ), persistent=False)

    def forward(self, mel: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([mel, low], dim=-1) / 40.0 + 1.0
        hidden = self.input(x.transpose(1, 2)).transpose(1, 2)
        hidden = self.norm(self.blocks(hidden))
        batch, frames, _ = mel.shape
        base = (mel @ self.level_map).repeat_interleave(2, dim=1)
        level = base + self.level(hidden).reshape(batch, 2 * frames, F.BINS) * 20.0
        spread = self.spread(hidden).reshape(batch, 2 * frames, SPREADS)
        return level.clamp(FLOOR_DB, 6.0), nn.functional.softplus(spread + 4.0)


def noise_share(level: Tensor, spread: Tensor) -> Tensor:
    """Share of a bin's amplitude that is noise, 0-1, from levels and spreads in dB [B, T, BINS].

    Only where the level holds still: noise across an attack would smear it over the whole window,
    which the phase draft does not.
    """
    unsure = torch.sigmoid((spread - MIDDLE_SPREAD_DB) * (4.0 / (NOISE_SPREAD_DB - TONE_SPREAD_DB)))
    if level.shape[1] < 2:
        return unsure
    slope = torch.gradient(level.detach(), dim=1)[0].abs()
    pool = nn.AvgPool1d(SLOPE_FRAMES, 1, padding=SLOPE_FRAMES // 2, count_include_pad=False)
    smooth = pool(slope.transpose(1, 2)).transpose(1, 2)
    return unsure * torch.exp(-(smooth / STEADY_DB).square())


@lru_cache(maxsize=4)
def bin_weights(device: str) -> Tensor:
    """Width in mels of each STFT bin, up to a factor [BINS]."""
    return 1.0 / (F.MEL_CORNER_HZ + torch.arange(F.BINS, device=device) * (F.RATE_HZ / F.WINDOW))


def noise_width(level: Tensor, most: float = WIDTH) -> Tensor:
    """Share of the noise's power that is a channel's own, 0 to `most`, [..., T] of levels [..., channels, T, BINS] dB.

    It follows how far left and right are apart where both are heard: what is mono stays mono.
    """
    if level.shape[-3] < 2:
        return torch.zeros(level.shape[:-3] + level.shape[-2:-1], device=level.device)
    left, right = level[..., 0, :, :], level[..., 1, :, :]
    heard = (torch.minimum(left, right) > AUDIBLE_DB) * bin_weights(str(level.device))
    apart = ((left - right).abs() * heard).sum(-1) / heard.sum(-1).clamp_min(1e-9)
    return most * ((apart - MONO_DB) / (WIDE_DB - MONO_DB)).clamp(0.0, 1.0)


def stereo_noise(common: Tensor, own: Tensor, width: Tensor, channels: int) -> Tensor:
    """Noise spectra [..., channels, T, BINS]; neighbours share all but `width` [..., T] of their power.

    common, own: independent noise [..., T, BINS].
    """
    shared = (1.0 - width).sqrt()[..., None] * common
    apart = width.sqrt()[..., None] * own
    return torch.stack([shared + apart if index % 2 == 0 else shared - apart for index in range(channels)], dim=-3)
