"""The spectrum of endless white noise at hop 256, made once a seed and looked up ever after."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from engine.models import features as F
from engine.models.lows import HOP

PERIOD = 1 << 17
"""Samples after which noise repeats."""
FRAMES = PERIOD // HOP
SPARE = 64
"""Frames of the next period behind each table, so that a block of frames is one slice wherever it begins."""
QUIETEST = 1e-12


def _spectrum(seed: int) -> tuple[NDArray[np.complex64], np.float32]:
    """(a period of the noise [FRAMES, BINS], the gain to a median level of 0 dB)."""
    wave = torch.randn(PERIOD, generator=torch.Generator().manual_seed(seed)).numpy()
    around = np.concatenate([wave[-F.WINDOW // 2 :], wave, wave[: F.WINDOW // 2]])
    spectrum = np.fft.rfft(sliding_window_view(around, F.WINDOW)[:PERIOD:HOP] * F.hann().numpy())
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    level = np.log(np.maximum(power, QUIETEST, out=power), out=power).mean(dtype=np.float64)
    return np.asarray(spectrum, np.complex64), np.float32(np.exp(-0.5 * level))


@lru_cache(maxsize=8)
def noise_planes(seed: int) -> NDArray[np.float32]:
    """Real and imaginary part [2, FRAMES + SPARE, BINS], median level 0 dB, phases centred (see `engine.models.phase`).

    Not to be changed. 4.5 MB each; the last few seeds are kept, because a live session keeps its seed.
    """
    spectrum, gain = _spectrum(seed)
    turns = np.where(np.arange(F.BINS) % 2, -gain, gain).astype(np.float32)
    planes = np.empty((2, FRAMES + SPARE, F.BINS), np.float32)
    np.multiply(spectrum.real, turns, out=planes[0, :FRAMES])
    np.multiply(spectrum.imag, turns, out=planes[1, :FRAMES])
    planes[:, FRAMES:] = planes[:, :SPARE]
    return planes


class NoiseSource:
    """The same frames for the same seed and index, phases counted from each frame's start."""

    def __init__(self, seed: int) -> None:
        self.raw, self.gain = _spectrum(seed)

    @property
    def frames(self) -> NDArray[np.complex64]:
        """The whole period [FRAMES, BINS]."""
        return self.take(0, FRAMES)

    def take(self, first: int, count: int) -> NDArray[np.complex64]:
        """Frames first ... first + count of the looped spectrum, [count, BINS]; median level 0 dB."""
        return self.raw[np.arange(first, first + count) % FRAMES] * self.gain
