"""The vocoder's way from features to a wave, for batches and with gradients.

Phases are drafted without gradient; levels and noise shares get theirs through the inverse transform. What is
shipped is `engine.models.synthesis.Synthesis`; the tests hold this to it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from engine.models import features as F
from engine.models import phase
from engine.models import vocoder as V
from engine.models.noise import NoiseSource
from engine.models.vocoder import Vocoder
from engine.training import devices, drafting

EDGE = F.WINDOW - V.HOP


def levels(model: Vocoder, features: Tensor) -> tuple[Tensor, Tensor]:
    """Levels in dB and spreads in dB [B, 2, 2 T, BINS], of features [B, T, CHANNELS] dB."""
    batch, frames, _ = features.shape
    mel = features[..., : 2 * F.MELS].reshape(batch, frames, 2, F.MELS).transpose(1, 2).flatten(0, 1)
    low = features[..., 2 * F.MELS :].repeat_interleave(2, dim=0)
    with devices.autocast(features.device):
        level, spread = model(mel, low)
    shape = (batch, 2, 2 * frames, F.BINS)
    return level.float().reshape(shape), (spread.float() @ model.spread_map).reshape(shape)


def shares(level: Tensor, spread: Tensor) -> Tensor:
    """Noise shares of levels and spreads [B, 2, T, BINS]."""
    return V.noise_share(level.flatten(0, 1), spread.flatten(0, 1)).reshape(level.shape)


@torch.no_grad()
def drafted(level: Tensor, low: Tensor) -> Tensor:
    """Phases [B, 2 T, BINS] of levels [B, 2, 2 T, BINS] and lows [B, T, LOW_BANDS], without gradient.

    On a CPU the shipped draft, clip by clip, is the faster one.
    """
    middle, lows = level.detach().mean(1) / V.NEPER_DB, low.detach().float().repeat_interleave(2, dim=1)
    if level.device.type != "cpu":
        return drafting.draft(middle, lows)
    pairs = zip(middle.numpy(), lows.numpy(), strict=True)
    return torch.from_numpy(np.stack([phase.draft(*pair, phase.PhaseState()) for pair in pairs]))


def spoken(level: Tensor, share: Tensor, phases: Tensor, noise: Tensor) -> Tensor:
    """The whole part of the wave, [B, 2, 512 T - EDGE], of levels in dB and shares [B, 2, 2 T, BINS].

    phases [B, 2 T, BINS] radians; noise: complex spectra shaped as the levels. The first sample lies
    EDGE - 1024 after the first frame's centre.
    """
    magnitude = torch.exp(level / V.NEPER_DB)
    hiss = magnitude * share
    tone = magnitude * (1.0 - share.square()).clamp_min(1e-6).sqrt()
    turned = phases[:, None]
    mixed = torch.complex(tone * turned.cos() + hiss * noise.real, tone * turned.sin() + hiss * noise.imag)
    window = F.hann(str(level.device))
    frames = torch.fft.irfft(mixed * (F.WINDOW / 4.0), dim=-1) * (window / 3.0)
    batch, channels, count, _ = frames.shape
    columns = frames.reshape(batch * channels, count, F.WINDOW).transpose(1, 2)
    length = F.WINDOW + (count - 1) * V.HOP
    wave = nn.functional.fold(columns, (1, length), (1, F.WINDOW), stride=(1, V.HOP))
    return wave.reshape(batch, channels, length)[..., EDGE : count * V.HOP]


class Hiss:
    """Noise for `spoken` from random places of two endless noises on `device`."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self.rng, self.device = np.random.default_rng(seed), device
        tables = [torch.from_numpy(NoiseSource(2 * seed + which).frames) for which in (1, 2)]
        self.noise = devices.to_device(torch.stack(tables), device)

    def draw(self, level: Tensor) -> Tensor:
        """Noise spectra shaped as levels [B, 2, T, BINS], as wide as those ask for."""
        batch, channels, count, _ = level.shape
        total = self.noise.shape[1]
        starts = torch.from_numpy(self.rng.integers(total, size=(2, batch, 1)))
        index = devices.to_device((starts + torch.arange(count)) % total, self.device)
        common, own = self.noise[0][index[0]], self.noise[1][index[1]]
        return V.stereo_noise(common, own, V.noise_width(level.detach()), channels)
