"""Small critics of waveforms: patches of spectrograms at several resolutions, and periods.

Multi-resolution spectrogram critics see texture and attacks (Jang et al., "UnivNet", 2021); multi-period ones see
the fine structure of tones (Kong, Kim and Bae, "HiFi-GAN", 2020). Each scores every patch it sees, and shows its
hidden layers for feature matching.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

SIZES = (512, 1024, 4096)
PERIODS = (2, 3, 5, 7, 11)
FLOOR = 1e-7
Seen = tuple[Tensor, list[Tensor]]


def conv(width_in: int, width_out: int, kernel: tuple[int, int], stride: tuple[int, int]) -> nn.Module:
    padding = (kernel[0] // 2, kernel[1] // 2)
    normed: nn.Module = weight_norm(nn.Conv2d(width_in, width_out, kernel, stride, padding))
    return normed


class Critic(nn.Module):
    """Convolutions over a picture [N, 1, H, W], a score per patch."""

    def __init__(self, width: int, kernel: tuple[int, int], stride: tuple[int, int], layers: int) -> None:
        super().__init__()
        widths = [1, *(min(width * 2**i, 8 * width) for i in range(layers))]
        pairs = itertools.pairwise(widths)
        self.layers = nn.ModuleList([conv(a, b, kernel, stride) for a, b in pairs])
        self.score = conv(widths[-1], 1, (3, 1), (1, 1))

    def forward(self, picture: Tensor) -> Seen:
        """(scores [N, 1, H', W'], hidden layers)."""
        hidden = []
        for layer in self.layers:
            picture = nn.functional.leaky_relu(layer(picture), 0.1)
            hidden.append(picture)
        return self.score(picture), hidden


class SpectrumCritic(nn.Module):
    """Log-magnitudes of windows of `size` samples at hop size / 4; strides along frequency."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("window", torch.hann_window(size) * (4.0 / size), persistent=False)
        self.critic = Critic(width, (9, 3), (3, 1), 4)

    def forward(self, wave: Tensor) -> Seen:
        window = self.get_buffer("window")
        with torch.autocast(wave.device.type, enabled=False):
            spectrum = torch.stft(
                wave.float(), self.size, self.size // 4, window=window, center=False, return_complex=True
            )
            level = torch.log10(spectrum.real.square() + spectrum.imag.square() + FLOOR)
        seen: Seen = self.critic(level[:, None] / 2.0 + 1.5)
        return seen


class PeriodCritic(nn.Module):
    """The wave folded into rows of `period` samples; strides along time."""

    def __init__(self, period: int, width: int) -> None:
        super().__init__()
        self.period = period
        self.critic = Critic(width, (5, 1), (3, 1), 4)

    def forward(self, wave: Tensor) -> Seen:
        rows = wave.shape[-1] // self.period
        seen: Seen = self.critic(wave[:, None, : rows * self.period].reshape(len(wave), 1, rows, self.period))
        return seen


class Critics(nn.Module):
    """All critics of one wave [N, samples]; `periods` empty leaves the spectra alone, which is enough on a CPU."""

    def __init__(self, width: int = 16, sizes: tuple[int, ...] = SIZES, periods: tuple[int, ...] = PERIODS) -> None:
        super().__init__()
        spectra = [SpectrumCritic(size, width) for size in sizes]
        self.all = nn.ModuleList([*spectra, *(PeriodCritic(period, width) for period in periods)])

    def forward(self, wave: Tensor) -> list[Seen]:
        return [critic(wave) for critic in self.all]
