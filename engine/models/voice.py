"""A block of frames from levels to sound, in one thread's buffers.

Tones run along drafted phases, noise sounds where the sound is noise; both are mixed in the spectrum, transformed,
windowed and overlapped. What the equations are is told by `engine.models.vocoder`; here they are worked out in float32
by compiled loops, a frame at a time, into buffers that are made once. One complex transform makes both channels: left
is its real part, right its imaginary one.

*Threading*: a `Voice` belongs to one thread at a time. Voices share a `Piece`: each takes the next block that nobody
has taken, and links its phases when the block before has linked its own. Loops and transform run without Python's lock.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.fft import ifft

from engine.models import features as F
from engine.models import lows, noise, phase
from engine.models.mixing import OVERLAP, ROWS, mean_logs, mix, overlap, points_of_bins, window_in_hops
from engine.models.vocoder import SLOPE_FRAMES, bin_weights

HOP = lows.HOP
FEWEST = 12
"""Frames that are not worth sharing. More are cut into an even number of blocks, for two cores."""
Array = NDArray[np.float32]
Planes = tuple[Array, np.float32]


@dataclass
class Piece:
    """What one call of `speak` shares between threads: frames first ... first + count of level [2, N, BINS] and spread
    [2, N, SPREADS], both in dB.

    peaks [count + 1, n] in the lows; position: of the first frame in the noise, common and own (`noise_planes`);
    width: the most of its power that is own.
    """

    level: Array
    spread: Array
    first: int
    count: int
    peaks: Array
    state: phase.PhaseState
    position: int
    common: Planes
    own: Planes
    width: float
    blocks: list[tuple[int, int]] = field(init=False)
    sound: list[Array] = field(init=False)
    linked: list[threading.Event] = field(init=False)
    turns: Iterator[int] = field(init=False)
    failed: bool = False

    def __post_init__(self) -> None:
        number = 1 if self.count <= FEWEST else 2 * -(-self.count // (2 * phase.FRAMES))
        edges = [self.count * k // number for k in range(number + 1)]
        self.blocks = list(itertools.pairwise(edges))
        self.sound = [self.level[0, 0, :0]] * number
        self.linked = [threading.Event() for _ in self.blocks]
        self.turns = iter(range(number))

    def fail(self) -> None:
        """Let no thread wait for a block that will not come."""
        self.failed = True
        for event in self.linked:
            event.set()


class Voice:
    """The buffers of one thread, and what it does with them: a block of frames of a piece, from levels to sound."""

    def __init__(self) -> None:
        self.outline = phase.Outline()
        self.spectra = np.empty((phase.FRAMES, F.WINDOW), np.complex64)
        self._flat = self.spectra.view(np.float32)
        self._room = np.empty((ROWS + 2 * SLOPE_FRAMES, F.BINS), np.float32)
        self._window = window_in_hops()
        self._tables = bin_weights("cpu").numpy(), *points_of_bins()

    def work(self, piece: Piece) -> None:
        """Take blocks until none is left."""
        try:
            while (index := next(piece.turns, None)) is not None:
                first, last = piece.blocks[index]
                self._outline(piece, first, last)
                if index:
                    piece.linked[index - 1].wait()
                if piece.failed:
                    return
                piece.state.phase = self.outline.link(piece.state.phase)
                piece.linked[index].set()
                piece.sound[index] = self._speak(piece, piece.first + first, piece.first + last)
        except BaseException:
            piece.fail()
            raise

    def _outline(self, piece: Piece, first: int, last: int) -> None:
        """Phases of frames first ... last of the piece, up to those of the frame before."""
        logs = self.outline.logs(last - first)
        begin, end = piece.first + first, piece.first + last
        known = piece.state.log_magnitude
        mean_logs(piece.level, begin - (first > 0), logs[first == 0 :])
        if first == 0:
            logs[0] = logs[1] if known is None else known
        at_end = end == piece.level.shape[1]
        self.outline.outline(piece.peaks[first : last + 1], first == 0 and known is None, at_end)

    def _speak(self, piece: Piece, first: int, last: int) -> Array:
        """Overlapped sound [(last - first + OVERLAP - 1) HOP, 2] of frames first ... last of the levels."""
        count, at = last - first, (piece.position + first - piece.first) % noise.FRAMES
        told = piece.level, piece.spread, first, count, self.outline.phases()
        mix(*told, *piece.common, *piece.own, at, piece.width, *self._tables, self._room, self._flat)
        frames = ifft(self.spectra[:count], norm="forward", overwrite_x=True)
        sound = np.zeros((count + OVERLAP - 1, 2 * HOP), np.float32)
        overlap(frames.view(np.float32).reshape(count, OVERLAP, 2 * HOP), self._window, sound)
        return sound.reshape(-1, 2)
