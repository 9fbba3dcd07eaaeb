"""The spectrum of endless white noise at hop 256, made once a seed and looked up ever after."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import rfft

from engine.models import features as F
from engine.models.lows import HOP

PERIOD = 1 << 17
"""Samples after which noise repeats."""
FRAMES = PERIOD // HOP
SPARE = 64
"""Frames of the next period behind each table, so that a block of frames is one slice wherever it begins."""
AT_ONCE = 32
QUIETEST = 1e-12


@lru_cache(maxsize=8)
def noise_planes(seed: int) -> tuple[NDArray[np.float32], np.float32]:
    """(real and imaginary part [2, FRAMES + SPARE, BINS] of a period, the gain to a median level of 0 dB).

    Phases are centred, see `engine.models.phase`. Not to be changed. 4.5 MB each; the last few seeds are kept, because
    a live session keeps its seed.
    """
    wave = torch.randn(PERIOD, generator=torch.Generator().manual_seed(seed)).numpy()
    around = sliding_window_view(np.concatenate([wave[-F.WINDOW // 2 :], wave, wave[: F.WINDOW // 2]]), F.WINDOW)
    window, signs = F.hann().numpy(), np.where(np.arange(F.BINS) % 2, -1.0, 1.0).astype(np.float32)
    planes, level = np.empty((2, FRAMES + SPARE, F.BINS), np.float32), 0.0
    for first in range(0, FRAMES, AT_ONCE):
        rows = slice(first, first + AT_ONCE)
        spectrum = rfft(around[first * HOP : (first + AT_ONCE) * HOP : HOP] * window)
        np.multiply(spectrum.real, signs, out=planes[0, rows])
        np.multiply(spectrum.imag, signs, out=planes[1, rows])
        power = np.square(planes[0, rows]) + np.square(planes[1, rows])
        level += float(np.log(np.maximum(power, QUIETEST, out=power), out=power).sum(dtype=np.float64))
    planes[:, FRAMES:] = planes[:, :SPARE]
    return planes, np.float32(np.exp(-0.5 * level / (FRAMES * F.BINS)))


class NoiseSource:
    """The same frames for the same seed and index, phases counted from each frame's start."""

    def __init__(self, seed: int) -> None:
        self.planes, self.gain = noise_planes(seed)

    @property
    def frames(self) -> NDArray[np.complex64]:
        """The whole period [FRAMES, BINS]."""
        return self.take(0, FRAMES)

    def take(self, first: int, count: int) -> NDArray[np.complex64]:
        """Frames first ... first + count of the looped spectrum, [count, BINS]; median level 0 dB."""
        real, imaginary = self.planes[:, np.arange(first, first + count) % FRAMES]
        signs = np.where(np.arange(F.BINS) % 2, -self.gain, self.gain)
        return np.asarray((real + 1j * imaginary) * signs, np.complex64)
