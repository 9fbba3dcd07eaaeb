"""A block of frames from levels to sound, in one thread's buffers.

Tones run along drafted phases, noise sounds where the sound is noise; both are mixed in the spectrum, transformed,
windowed and overlapped. What the equations are is told by `engine.models.vocoder`; here they are worked out in float32,
each pass over arrays that stay in a core's cache, into buffers that are made once.

*Threading*: a `Voice` belongs to one thread at a time. Voices share a `Piece`: each takes the next block that nobody
has taken, and links its phases when the block before has linked its own.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from engine.models import features as F
from engine.models import lows, noise, phase
from engine.models.vocoder import (
    AUDIBLE_DB,
    MONO_DB,
    NEPER_DB,
    SLOPE_FRAMES,
    STEADY_DB,
    WIDE_DB,
    WIDTH,
    bin_weights,
)

HOP = lows.HOP
OVERLAP = F.WINDOW // HOP
FEWEST = 12
"""Frames that are not worth sharing. More are cut into an even number of blocks, for two cores."""
Array = NDArray[np.float32]
Planes = tuple[Array, np.float32]


def segments() -> Array:
    """The window in OVERLAP parts [OVERLAP, HOP], scaled so that centred frames overlap to their wave.

    Centred frames begin in their middle. The squares of a Hann window at hop M/8 add up to 3; half of the gain
    belongs to noise shares that are told twice over.
    """
    window = F.hann().numpy()
    norm = float(1.0 / np.square(window).reshape(-1, HOP).sum(0).mean())
    return np.asarray(window * (norm * F.WINDOW / 8.0), np.float32).reshape(OVERLAP, HOP)


@dataclass
class Piece:
    """What one call of `speak` shares between threads: frames first ... first + count of level and doubt [2, N, BINS].

    peaks [count + 1, n] in the lows; position: of the first frame in the noise, common and own (`noise_planes`).
    """

    level: Array
    doubt: Array
    first: int
    count: int
    peaks: Array
    state: phase.PhaseState
    position: int
    common: Planes
    own: Planes
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
        shape = (phase.FRAMES, F.BINS)
        self.outline = phase.Outline()
        self.a, self.b, self.c, self.d, self.cos, self.sin = (np.empty(shape, np.float32) for _ in range(6))
        self.hiss = [np.empty((2, *shape), np.float32) for _ in range(2)]
        self.slope = np.empty((phase.FRAMES + SLOPE_FRAMES, F.BINS), np.float32)
        self.spectrum = np.empty(shape, np.complex64)
        self.frames = np.zeros((phase.FRAMES + 2 * OVERLAP - 2, F.WINDOW), np.float32)
        self.segments = segments()
        self.weights = bin_weights("cpu").numpy()

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
        level, known = piece.level[:, begin - (first > 0) : end + 1], piece.state.log_magnitude
        rows = logs[first == 0 :][: level.shape[1]]
        np.add(level[0], level[1], out=rows)
        rows *= 0.5 / NEPER_DB
        if first == 0:
            logs[0] = logs[1] if known is None else known
        at_end = end == piece.level.shape[1]
        peaks = piece.peaks[first : last + 1]
        peaks = peaks[:, : max(1, int((peaks < lows.NOWHERE).sum(1).max()))]
        self.outline.outline(peaks, first == 0 and known is None, at_end)

    def _speak(self, piece: Piece, first: int, last: int) -> Array:
        """Overlapped sound [2, (last - first + OVERLAP - 1) HOP] of frames first ... last of the levels."""
        count = last - first
        phases = self.outline.phases()
        np.cos(phases, out=self.cos[:count])
        np.sin(phases, out=self.sin[:count])
        self._hiss(piece, first, last)
        out = np.empty((2, count + OVERLAP - 1, HOP), np.float32)
        frames, spectrum = self.frames[OVERLAP - 1 :][:count], self.spectrum[:count]
        self.frames[OVERLAP - 1 + count : 2 * OVERLAP - 2 + count] = 0.0
        for channel, hiss in enumerate(self.hiss):
            share = self._share(piece.level[channel], piece.doubt[channel], first, last)
            self._mix(piece.level[channel, first:last], share, hiss[:, :count], spectrum)
            np.fft.irfft(spectrum, axis=-1, out=frames)  # type: ignore[arg-type]
            self._overlap(out[channel])
        return out.reshape(2, -1)

    def _overlap(self, out: Array) -> None:
        """Add up the windowed frames: hop t of `out` [T, HOP] holds part p of frame t - p, for each p.

        Centred frames begin with their second half.
        """
        half, shape = OVERLAP // 2, (len(out), OVERLAP // 2, HOP)
        strides = (self.frames.strides[0], 4 * HOP - self.frames.strides[0], 4)
        first = as_strided(self.frames[OVERLAP - 1 :, F.WINDOW // 2 :], shape, strides, writeable=False)
        second = as_strided(self.frames[OVERLAP - 1 - half :], shape, strides, writeable=False)
        np.einsum("tph,ph->th", first, self.segments[:half], out=out)
        out += np.einsum("tph,ph->th", second, self.segments[half:])

    def _mix(self, level: Array, share: Array, hiss: Array, out: NDArray[np.complex64]) -> None:
        """Twice the spectrum [T, BINS] of levels in dB, twice the noise's share of them, and noise [2, T, BINS]."""
        count = len(level)
        tone, noisy, one, two = self.b[:count], self.c[:count], self.d[:count], self.slope[:count]
        magnitude = np.multiply(level, 1.0 / NEPER_DB, out=noisy)
        np.exp(magnitude, out=magnitude)
        np.multiply(share, share, out=tone)
        np.subtract(4.0, tone, out=tone)
        np.sqrt(tone, out=tone)
        tone *= magnitude
        noisy *= share
        np.multiply(tone, self.cos[:count], out=one)
        np.multiply(noisy, hiss[0], out=two)
        np.add(one, two, out=out.real)
        np.multiply(tone, self.sin[:count], out=one)
        np.multiply(noisy, hiss[1], out=two)
        np.add(one, two, out=out.imag)

    def _share(self, level: Array, doubt: Array, first: int, last: int) -> Array:
        """Twice `vocoder.noise_share` of frames first ... last, [T, BINS]."""
        count, reach = last - first, SLOPE_FRAMES // 2
        slope = self.slope[: count + 2 * reach]
        weight = _slopes(level, first - reach, slope)
        steady = self.a[:count]
        np.add(slope[:count], slope[1 : count + 1], out=steady)
        for frame in range(2, SLOPE_FRAMES):
            steady += slope[frame : frame + count]
        steady *= weight if isinstance(weight, float) else weight[reach : reach + count]
        np.square(steady, out=steady)
        np.negative(steady, out=steady)
        np.exp(steady, out=steady)
        noisy = np.tanh(doubt[first:last], out=self.b[:count])
        noisy += 1.0
        steady *= noisy
        return steady

    def _hiss(self, piece: Piece, first: int, last: int) -> None:
        """Noise of left and right; neighbours share all but `vocoder.noise_width` of their power."""
        count, at = last - first, (piece.position + first - piece.first) % noise.FRAMES
        width = self._width(piece.level[:, first:last])
        (common, loud), (own, own_loud) = piece.common, piece.own
        shared, apart = loud * np.sqrt(1.0 - width)[:, None], own_loud * np.sqrt(width)[:, None]
        left, right = (hiss[:, :count] for hiss in self.hiss)
        for part in range(2):
            one = np.multiply(common[part, at : at + count], shared, out=self.a[:count])
            two = np.multiply(own[part, at : at + count], apart, out=self.b[:count])
            np.add(one, two, out=left[part])
            np.subtract(one, two, out=right[part])

    def _width(self, level: Array) -> Array:
        """`vocoder.noise_width` [T] of levels [2, T, BINS]."""
        count = level.shape[1]
        apart, heard = self.a[:count], self.b[:count]
        np.minimum(level[0], level[1], out=apart)
        np.copyto(heard, (apart > AUDIBLE_DB).view(np.uint8))
        np.subtract(level[0], level[1], out=apart)
        np.abs(apart, out=apart)
        apart *= heard
        mean = np.einsum("tk,k->t", apart, self.weights) / np.maximum(np.einsum("tk,k->t", heard, self.weights), 1e-9)
        return np.asarray(WIDTH * np.clip((mean - MONO_DB) / (WIDE_DB - MONO_DB), 0.0, 1.0), np.float32)


def _slopes(level: Array, first: int, out: Array) -> float | Array:
    """Twice how fast each level [N, BINS] moves at frames first ... first + len(out), 0 outside; written to `out`.

    Returns what a sum of SLOPE_FRAMES of them is to be multiplied by: a number, or one a frame [len(out), 1] near the
    ends, where fewer count.
    """
    scale, count, total = 0.5 / SLOPE_FRAMES / STEADY_DB, len(out), len(level)
    if first >= 1 and first + count < total:
        np.subtract(level[first + 1 : first + count + 1], level[first - 1 : first + count - 1], out=out)
        np.abs(out, out=out)
        return scale
    out[:] = 0.0
    frames = np.arange(max(first, 0), min(first + count, total))
    after, before = np.minimum(frames + 1, total - 1), np.maximum(frames - 1, 0)
    steps = np.maximum(after - before, 1)[:, None]
    out[frames - first] = np.abs(level[after] - level[before]) * (2.0 / steps)
    inside = np.zeros(count + SLOPE_FRAMES - 1)
    inside[frames - first + SLOPE_FRAMES // 2] = 1.0
    heard = np.convolve(inside, np.ones(SLOPE_FRAMES), "valid")
    return np.asarray(scale * SLOPE_FRAMES / np.maximum(heard, 1.0), np.float32)[:, None]
