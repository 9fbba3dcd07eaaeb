"""Levels to sound, streamed: tones along drafted phases, noise where the sound is noise, overlapped and added.

*Threading*: a `Synthesis` belongs to one thread, a request's; it is not thread-safe. It cuts what it is to speak into
blocks of some 30 frames and shares them with helper threads of its own, threads - 1 of them, which end with `close` or
when it is let go. `speak` returns when all of its blocks are done, so nothing is queued beyond one call; what one
thread raises ends the others at their next block. Blocks are worked on side by side; only their phases are linked in
order, as soon as the block before has linked its own. Which thread takes a block changes no sample. A helper that is
late (another program has its core) costs no more than the one block that it has begun.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray
from torch import Tensor

from engine.models import features as F
from engine.models import lows, noise, phase
from engine.models.vocoder import (
    AUDIBLE_DB,
    MIDDLE_SPREAD_DB,
    MONO_DB,
    NEPER_DB,
    NOISE_SPREAD_DB,
    SLOPE_FRAMES,
    STEADY_DB,
    TONE_SPREAD_DB,
    WIDE_DB,
    WIDTH,
    Levels,
    bin_weights,
    spread_bands,
)

HOP = lows.HOP
OVERLAP = F.WINDOW // HOP
MOST_THREADS = 4
FEWEST = 12
"""Frames that are not worth sharing. More are cut into an even number of blocks, for two cores."""
SHARPNESS = 2.0 / (NOISE_SPREAD_DB - TONE_SPREAD_DB)
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


class Synthesis:
    """Streams a waveform from features: call `push` with consecutive chunks, in order.

    Chunk k of T feature frames yields 512 T samples; the spectrum's overlap (1792 samples) is carried, so chunks
    join without a seam. threads: as many as torch has unless told, MOST_THREADS at most.
    """

    def __init__(self, vocoder: Levels, seed: int = 0, threads: int | None = None) -> None:
        self.vocoder = vocoder
        self.state = phase.PhaseState()
        self.position = 0
        self.tail = np.zeros((2, F.WINDOW - HOP), np.float32)
        self.voices = [Voice()]
        number = min(torch.get_num_threads() if threads is None else threads, MOST_THREADS)
        self._helpers = ThreadPoolExecutor(number - 1, "synthesis") if number > 1 else None
        self._helpers_count = number - 1
        self._seeds = (2 * seed + 1, 2 * seed + 2)
        self._noise: list[Future[Planes]] = []
        if self._helpers is not None:
            self._noise = [self._helpers.submit(noise.noise_planes, one) for one in self._seeds]

    def close(self) -> None:
        """End the helpers; what was spoken stays valid."""
        if self._helpers is not None:
            self._helpers.shutdown(cancel_futures=True)

    @torch.no_grad()
    def levels(self, features: Tensor) -> tuple[Array, Array]:
        """Levels in dB and doubts [2, 2 T, BINS] of features [T, CHANNELS]; see `doubts`."""
        mel = torch.stack([features[:, : F.MELS], features[:, F.MELS : 2 * F.MELS]])
        low = features[None, :, 2 * F.MELS :].expand(2, -1, -1)
        level, spread = self.vocoder(mel, low)
        return level.float().numpy(), doubts(spread.float())

    def speak(self, level: Array, doubt: Array, low: Array, first: int = 0, count: int | None = None) -> Array:
        """The sound [256 count, 2] of frames first ... first + count of levels and doubts [2, N, BINS].

        The frames around them are looked at, and where there are none the levels hold still. low [count / 2,
        LOW_BANDS]: long-window levels of the feature frames that are spoken.
        """
        count = level.shape[1] - first if count is None else count
        peaks = self.state.peaks_of(low, 2)
        common, own = self._planes()
        piece = Piece(level, doubt, first, count, peaks, self.state, self.position, common, own)
        self._share_out(piece)
        last = level[:, first + count - 1]
        self.state.log_magnitude = (last[0] + last[1]) * np.float32(0.5 / NEPER_DB)
        self.position += count
        return self._joined(piece)

    def _planes(self) -> tuple[Planes, Planes]:
        ready = [future.result() for future in self._noise] or [noise.noise_planes(seed) for seed in self._seeds]
        return ready[0], ready[1]

    def _share_out(self, piece: Piece) -> None:
        """All blocks of a piece, on this thread and as many helpers as there are blocks for."""
        helpers = min(self._helpers_count, len(piece.blocks) - 1)
        while len(self.voices) <= helpers:
            self.voices.append(Voice())
        begun = [self._helpers.submit(voice.work, piece) for voice in self.voices[1 : helpers + 1] if self._helpers]
        try:
            self.voices[0].work(piece)
        finally:
            for future in begun:
                if not future.cancel():
                    future.result()

    def _joined(self, piece: Piece) -> Array:
        """The blocks' sound one over the other, [256 count, 2]; the rest is kept for the next piece."""
        whole = np.zeros((2, piece.count * HOP + F.WINDOW - HOP), np.float32)
        whole[:, : self.tail.shape[1]] = self.tail
        for (first, _), sound in zip(piece.blocks, piece.sound, strict=True):
            whole[:, first * HOP : first * HOP + sound.shape[1]] += sound
        self.tail = whole[:, piece.count * HOP :].copy()
        return whole[:, : piece.count * HOP].T

    def push(self, features: Tensor) -> Array:
        """Samples [512 T, 2] of features [T, CHANNELS] dB; the first lies 1024 before frame 0's centre."""
        level, doubt = self.levels(features)
        return self.speak(level, doubt, features[:, 2 * F.MELS :].numpy())


def doubts(spread: Tensor) -> Array:
    """How unsure levels are, [2, T, BINS], of spreads in dB [2, T, SPREADS]: tanh is -1 for a tone and 1 for noise.

    The spreads are interpolated onto bins, band by band: a bin lies between two of their points.
    """
    result = torch.empty(*spread.shape[:-1], F.BINS)
    flat, source = result.view(-1, F.BINS), ((spread - MIDDLE_SPREAD_DB) * SHARPNESS).reshape(-1, spread.shape[-1])
    for band in spread_bands():
        torch.mm(source[:, band.points], band.weights, out=flat[:, band.bins])
    return result.numpy()
