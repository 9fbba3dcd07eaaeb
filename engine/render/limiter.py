"""The last stage before a bar leaves: nothing above -0.3 dBFS, nothing non-finite, no pumping."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from engine.types import Audio

CEILING = 0.966
REACH_SECONDS = 0.004


class Limiter:
    """Look-ahead peak limiter on a stream [n, channels]; holds back its reach until the next push.

    The gain is the minimum that the ceiling asks for within +-reach, averaged over the same
    width: it is one (and the signal untouched) wherever the signal stays below the ceiling.
    """

    def __init__(self, rate: int) -> None:
        self.reach = max(1, round(REACH_SECONDS * rate))
        self.past: Audio | None = None
        self.scrubbed = 0

    def push(self, audio: Audio, last: bool = False) -> Audio:
        """Take samples, return those whose gain is final; `last` flushes."""
        finite = np.isfinite(audio)
        if not finite.all():
            self.scrubbed += int((~finite).sum())
            audio = np.where(finite, audio, np.float32(0))
        keep = 4 * self.reach
        if self.past is None:
            self.past, self.done = audio[:0], 0
        whole = np.concatenate([self.past, audio])
        end = len(whole) if last else max(self.done, len(whole) - 2 * self.reach)
        out = whole[self.done : end]
        if len(whole) and float(np.abs(whole).max()) > CEILING:
            out = out * self._gain(whole)[self.done : end, None]
        first = max(0, end - keep)
        self.past, self.done = whole[first:], end - first
        return np.asarray(out, np.float32)

    def _gain(self, audio: Audio) -> NDArray[np.float64]:
        peak = np.abs(audio).max(axis=1)
        needed = np.minimum(1.0, CEILING / np.maximum(peak, 1e-9))
        width = 2 * self.reach + 1
        lowest = minimum_filter1d(needed, width, mode="nearest")
        smooth = uniform_filter1d(lowest, width, mode="nearest")
        return np.asarray(np.minimum(smooth, needed))
