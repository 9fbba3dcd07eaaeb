"""The last stage before a bar leaves: nothing above -0.3 dBFS, nothing non-finite, no pumping."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.types import Audio

CEILING = 0.966
REACH_SECONDS = 0.004
Gain = NDArray[np.float32]


class Limiter:
    """Look-ahead peak limiter on a stream [n, channels]; holds back its reach until the next push.

    The gain is the minimum that the ceiling asks for within +-reach, averaged over the same
    width: it is one (and the signal untouched) wherever the signal stays below the ceiling. Sound below the ceiling
    costs no more than a look at its extremes.
    """

    def __init__(self, rate: int) -> None:
        self.reach = max(1, round(REACH_SECONDS * rate))
        self.past: Audio | None = None
        self.scrubbed = 0

    def push(self, audio: Audio, last: bool = False) -> Audio:
        """Take samples, return those whose gain is final; `last` flushes."""
        if not math.isfinite(peak_of(audio)):
            audio = self._scrub(audio)
        if self.past is None:
            self.past, self.done = audio[:0], 0
        whole = np.concatenate([self.past, audio])
        end = len(whole) if last else max(self.done, len(whole) - 2 * self.reach)
        out = whole[self.done : end]
        if peak_of(whole) > CEILING:
            out = out * self._gain(whole)[self.done : end, None]
        first = max(0, end - 4 * self.reach)
        self.past, self.done = whole[first:], end - first
        return np.asarray(out, np.float32)

    def _scrub(self, audio: Audio) -> Audio:
        finite = np.isfinite(audio)
        self.scrubbed += int((~finite).sum())
        return np.where(finite, audio, np.float32(0))

    def _gain(self, audio: Audio) -> Gain:
        """One gain a frame [n]; ends are held."""
        needed = np.full(len(audio), CEILING, np.float32)
        for channel in audio.T:
            np.maximum(needed, np.abs(channel), out=needed)
        np.divide(CEILING, needed, out=needed)
        width = 2 * self.reach + 1
        lowest = window_min(np.pad(needed, self.reach, mode="edge"), width)
        smooth = window_sum(np.pad(lowest, self.reach, mode="edge"), width)
        smooth /= width
        return np.minimum(smooth, needed, out=smooth)


def peak_of(audio: Audio) -> float:
    """The largest magnitude of samples [n, channels], 0 without any; NaN or infinite where one of them is."""
    return 0.0 if audio.size == 0 else max(float(audio.max()), -float(audio.min()), key=abs)


def window_min(values: Gain, width: int) -> Gain:
    """Minimum of each `width` neighbours [n - width + 1] of values [n], by doubling."""
    span = 1
    while span < width:
        step = min(span, width - span)
        values = np.minimum(values[:-step], values[step:])
        span += step
    return values


def window_sum(values: Gain, width: int) -> Gain:
    """Sum of each `width` neighbours [n - width + 1] of values [n], by doubling: the same wherever they lie."""
    total, first, span = np.zeros(len(values) - width + 1, np.float32), 0, 1
    while span <= width:
        if width & span:
            total += values[first : first + len(total)]
            first += span
        values = values[:-span] + values[span:]
        span *= 2
    return total
