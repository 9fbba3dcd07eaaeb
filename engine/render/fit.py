"""Stage 4: a stream of 48 kHz samples becomes exact bars at the caller's rate and channel count.

The stream starts exactly one second before time zero, which is a whole number of frames at any
rate; a linear-phase resampler keeps it there, and bars are cut at their exact frames. No stretching.
Pieces of bars are cuts of the same stream, so that together they are the bars, bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import soxr

from engine.render.limiter import Limiter
from engine.render.pieces import cuts_of
from engine.types import MODEL_RATE_HZ, Audio, BarAudio


def to_channels(audio: Audio, channels: int) -> Audio:
    """[n, 2] to [n, channels]: mono is the mean, more than two repeat left and right."""
    if channels == 1:
        return np.asarray(audio.mean(axis=1, keepdims=True), np.float32)
    if channels == 2:
        return audio
    return audio if channels == 2 else audio[:, np.arange(channels) % 2]


class Fitter:
    """Collects samples and yields bars, or pieces of bars. lines: bars + 1 frames at `rate`, first 0.

    seam_frames > 0 asks for the lead-in, the sound right before time zero; piece_ms for pieces of at most that length.
    """

    def __init__(
        self, rate: int, channels: int, lines: list[int], seam_frames: int, piece_ms: int | None = None
    ) -> None:
        self.rate, self.channels, self.lines = rate, channels, lines
        self.cuts = cuts_of(lines, seam_frames, rate, piece_ms)
        self.resampler = soxr.ResampleStream(MODEL_RATE_HZ, rate, 2, "float32", "HQ") if rate != MODEL_RATE_HZ else None
        self.limiter = Limiter(rate)
        self.pieces: list[Audio] = []
        self.first = -rate
        self.held = 0
        self.index = 0

    @property
    def frames_out(self) -> int:
        """Frames from time zero on that have been yielded."""
        return 0 if self.index == 0 else self.cuts[self.index - 1].end

    def feed(self, audio: Audio, last: bool = False) -> Iterator[BarAudio]:
        """Take samples [n, 2] at 48 kHz; yield what is complete."""
        if self.resampler is not None:
            audio = np.asarray(self.resampler.resample_chunk(audio, last), np.float32)
        limited = self.limiter.push(audio, last)
        self.pieces.append(limited)
        self.held += len(limited)
        while self.index < len(self.cuts) and self.first + self.held >= self.cuts[self.index].end:
            yield self._cut()

    def _cut(self) -> BarAudio:
        """The next piece; what lies before it is let go."""
        bar, first, end = self.cuts[self.index]
        self.index += 1
        whole = self.pieces[0] if len(self.pieces) == 1 else np.concatenate(self.pieces)
        rest = whole[end - self.first :]
        cut = to_channels(whole[first - self.first : end - self.first], self.channels)
        audio = np.array(cut, np.float32, order="C")
        self.pieces, self.held, self.first = [rest], len(rest), end
        return BarAudio(bar=bar, first_frame=first, rate=self.rate, audio=audio, last=self.index == len(self.cuts))
