"""Mel to waveform: a small network writes magnitudes at hop 256, the phase draft turns them into sound.

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
from engine.models import phase
from engine.models.codec import Residual

HOP = phase.HOP
SPREADS = 64
SPREAD_POINTS_HZ = np.geomspace(60.0, 20_000.0, SPREADS)
FLOOR_DB = -100.0
NOISE_SPREAD_DB = 5.0
TONE_SPREAD_DB = 3.0
STEADY_DB = 2.0
WIDTH = 0.3
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


@lru_cache(maxsize=8)
def noise_spectrum(seed: int) -> tuple[NDArray[np.complex64], np.float32]:
    """(a period of the spectrum of endless white noise at hop 256 [512, BINS], the gain to a median level of 0 dB).

    Not to be changed. 4 MB each; the last few seeds are kept, because a live session keeps its seed.
    """
    wave = torch.randn(NoiseSource.PERIOD, generator=torch.Generator().manual_seed(seed))
    around = torch.cat([wave[-F.WINDOW // 2 :], wave, wave[: F.WINDOW // 2]])
    spectrum = torch.fft.rfft(around.unfold(0, F.WINDOW, HOP)[: NoiseSource.PERIOD // HOP] * F.hann())
    power = spectrum.real.square() + spectrum.imag.square()
    gain = torch.exp(-0.5 * torch.log(power.clamp_min(1e-12)).mean())
    return spectrum.numpy(), np.float32(gain.item())


class NoiseSource:
    """The spectrum of endless white noise at hop 256, the same frames for the same seed and index."""

    PERIOD = 1 << 17

    def __init__(self, seed: int) -> None:
        self.raw, self.gain = noise_spectrum(seed)

    @property
    def frames(self) -> NDArray[np.complex64]:
        """The whole period [512, BINS]."""
        return self.take(0, len(self.raw))

    def take(self, first: int, count: int) -> NDArray[np.complex64]:
        """Frames first ... first + count of the looped spectrum, [count, BINS]; median level 0 dB."""
        return self.raw[np.arange(first, first + count) % len(self.raw)] * self.gain


def noise_share(level: Tensor, spread: Tensor) -> Tensor:
    """Share of a bin's amplitude that is noise, 0-1, from levels and spreads in dB [B, T, BINS].

    Only where the level holds still: noise across an attack would smear it over the whole window,
    which the phase draft does not.
    """
    middle = 0.5 * (TONE_SPREAD_DB + NOISE_SPREAD_DB)
    unsure = torch.sigmoid((spread - middle) * (4.0 / (NOISE_SPREAD_DB - TONE_SPREAD_DB)))
    if level.shape[1] < 2:
        return unsure
    slope = torch.gradient(level.detach(), dim=1)[0].abs()
    smooth = nn.functional.avg_pool1d(slope.transpose(1, 2), 5, 1, padding=2, count_include_pad=False).transpose(1, 2)
    return unsure * torch.exp(-(smooth / STEADY_DB).square())


@lru_cache(maxsize=4)
def _bin_weights(device: str) -> Tensor:
    """Width in mels of each STFT bin, up to a factor [BINS]."""
    return 1.0 / (F.MEL_CORNER_HZ + torch.arange(F.BINS, device=device) * (F.RATE_HZ / F.WINDOW))


def noise_width(level: Tensor) -> Tensor:
    """Share of the noise's power that is a channel's own, 0 to `WIDTH`, [..., T] of levels [..., channels, T, BINS] dB.

    It follows how far left and right are apart where both are heard: what is mono stays mono.
    """
    if level.shape[-3] < 2:
        return torch.zeros(level.shape[:-3] + level.shape[-2:-1], device=level.device)
    left, right = level[..., 0, :, :], level[..., 1, :, :]
    heard = (torch.minimum(left, right) > AUDIBLE_DB) * _bin_weights(str(level.device))
    apart = ((left - right).abs() * heard).sum(-1) / heard.sum(-1).clamp_min(1e-9)
    return WIDTH * ((apart - MONO_DB) / (WIDE_DB - MONO_DB)).clamp(0.0, 1.0)


def stereo_noise(common: Tensor, own: Tensor, width: Tensor, channels: int) -> Tensor:
    """Noise spectra [..., channels, T, BINS]; neighbours share all but `width` [..., T] of their power.

    common, own: independent noise [..., T, BINS].
    """
    shared = (1.0 - width).sqrt()[..., None] * common
    apart = width.sqrt()[..., None] * own
    return torch.stack([shared + apart if index % 2 == 0 else shared - apart for index in range(channels)], dim=-3)


def log_middle(level: NDArray[np.float32]) -> NDArray[np.float32]:
    """Natural-log magnitudes [T, BINS] between the channels, of levels [channels, T, BINS] dB."""
    return np.asarray(level.mean(0) / NEPER_DB, np.float32)


class Synthesis:
    """Streams a waveform from features: call `push` with consecutive chunks, in order.

    Not thread-safe; one per request. Chunk k of T feature frames yields 512 T samples; the
    spectrum's overlap (1792 samples) is carried, so chunks join without a seam.
    """

    def __init__(self, vocoder: Levels, channels: int = 2, seed: int = 0) -> None:
        self.vocoder = vocoder
        self.state = phase.PhaseState()
        self.common, self.own = NoiseSource(2 * seed + 1), NoiseSource(2 * seed + 2)
        self.position = 0
        self.window = F.hann().numpy()
        self.tail = np.zeros((channels, F.WINDOW - HOP), np.float32)
        self.norm = _overlap_norm(self.window)

    def spectra(
        self,
        level: NDArray[np.float32],
        share: NDArray[np.float32],
        low: NDArray[np.float32],
        after: NDArray[np.float32] | None = None,
    ) -> NDArray[np.complex64]:
        """Complex frames [channels, T, BINS] from levels in dB and noise shares of equal shape.

        after [channels, 0 or 1, BINS]: the levels that follow, where they are known.
        """
        following = None if after is None else log_middle(after)
        tone_phase = phase.draft(log_middle(level), low, self.state, following)
        magnitude = np.exp(level / NEPER_DB)
        count = level.shape[1]
        common, own = (torch.from_numpy(n.take(self.position, count)) for n in (self.common, self.own))
        noise = stereo_noise(common, own, noise_width(torch.from_numpy(level)), len(level)).numpy()
        self.position += count
        hiss = magnitude * share
        tone = magnitude * np.sqrt(1.0 - share * share)
        mixed = np.empty(level.shape, np.complex64)
        mixed.real = tone * np.cos(tone_phase) + hiss * noise.real
        mixed.imag = tone * np.sin(tone_phase) + hiss * noise.imag
        return mixed

    def overlap_add(self, spectra: NDArray[np.complex64]) -> NDArray[np.float32]:
        """Windowed inverse transform with the carried tail: [channels, T, BINS] to [256 T, channels]."""
        frames = np.fft.irfft(spectra * (F.WINDOW / 4.0), axis=-1).astype(np.float32)
        frames *= self.window * self.norm
        channels, count, _ = frames.shape
        out = np.zeros((channels, count * HOP + F.WINDOW - HOP), np.float32)
        out[:, : self.tail.shape[1]] += self.tail
        for offset in range(0, F.WINDOW, HOP):
            part = frames[:, :, offset : offset + HOP].reshape(channels, count * HOP)
            out[:, offset : offset + count * HOP] += part
        self.tail = out[:, count * HOP :].copy()
        return out[:, : count * HOP].T

    @torch.no_grad()
    def levels(self, features: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Levels in dB and noise shares [channels, 2 T, BINS] of features [T, CHANNELS]."""
        mel = torch.stack([features[:, : F.MELS], features[:, F.MELS : 2 * F.MELS]])
        low = features[None, :, 2 * F.MELS :].expand(2, -1, -1)
        level, spread = self.vocoder(mel, low)
        share = noise_share(level, spread @ spread_map())
        return level.float().numpy(), share.float().numpy()

    def push(self, features: Tensor) -> NDArray[np.float32]:
        """Samples [512 T, 2] of features [T, CHANNELS] dB; the first lies 1024 before frame 0's centre."""
        level, share = self.levels(features)
        low = features[:, 2 * F.MELS :].numpy().repeat(2, axis=0)
        return self.overlap_add(self.spectra(level, share, low))


def _overlap_norm(window: NDArray[np.float32]) -> float:
    """Gain that makes the overlapped squares of the window sum to one (exact for Hann at hop M/8)."""
    return float(1.0 / np.square(window).reshape(-1, HOP).sum(0).mean())
