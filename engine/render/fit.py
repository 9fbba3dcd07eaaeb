"""Stage 4: a stream of 48 kHz samples becomes exact bars at the caller's rate and channel count.

The stream starts exactly one second before time zero, which is a whole number of frames at any
rate; a linear-phase resampler keeps it there, and bars are cut at their exact frames. No stretching.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import soxr

from engine.render.limiter import Limiter
from engine.types import MODEL_RATE_HZ, Audio, BarAudio


def to_channels(audio: Audio, channels: int) -> Audio:
    """[n, 2] to [n, channels]: mono is the mean, more than two repeat left and right."""
    if channels == 1:
        return np.asarray(audio.mean(axis=1, keepdims=True), np.float32)
    return audio[:, np.arange(channels) % 2]


class Fitter:
    """Collects samples and yields bars. lines: bars + 1 frames at `rate`, first 0.

    seam_frames > 0 asks for the lead-in, the sound right before time zero.
    """

    def __init__(self, rate: int, channels: int, lines: list[int], seam_frames: int) -> None:
        self.rate, self.channels, self.lines, self.seam = rate, channels, lines, seam_frames
        self.resampler = soxr.ResampleStream(MODEL_RATE_HZ, rate, 2, "float32", "HQ") if rate != MODEL_RATE_HZ else None
        self.limiter = Limiter(rate)
        self.pieces: list[Audio] = []
        self.first = -rate
        self.held = 0
        self.bar = -1 if seam_frames else 0

    def feed(self, audio: Audio, last: bool = False) -> Iterator[BarAudio]:
        """Take samples [n, 2] at 48 kHz; yield what is complete."""
        if self.resampler is not None:
            audio = np.asarray(self.resampler.resample_chunk(audio, last), np.float32)
        limited = self.limiter.push(audio, last)
        self.pieces.append(limited)
        self.held += len(limited)
        while self.bar < len(self.lines) - 1 and self.first + self.held >= self._end(self.bar):
            yield self._cut(self.bar)
            self.bar += 1

    def _start(self, bar: int) -> int:
        return -self.seam if bar < 0 else self.lines[bar]

    def _end(self, bar: int) -> int:
        return 0 if bar < 0 else self.lines[bar + 1]

    def _cut(self, bar: int) -> BarAudio:
        whole = np.concatenate(self.pieces)
        start, end = self._start(bar) - self.first, self._end(bar) - self.first
        self.pieces, self.held, self.first = [whole[end:]], len(whole) - end, self._end(bar)
        audio = np.ascontiguousarray(to_channels(whole[start:end], self.channels), np.float32)
        last = bar == len(self.lines) - 2
        return BarAudio(bar=bar, first_frame=self._start(bar), rate=self.rate, audio=audio, last=last)
