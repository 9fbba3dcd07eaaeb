"""Levels to sound, streamed: the network's levels become blocks, and blocks one wave.

*Threading*: a `Synthesis` belongs to one thread, a request's; it is not thread-safe. It cuts what it is to speak into
blocks of some 40 frames (`engine.models.voice`) and shares them with helper threads of its own, threads - 1 of them,
which end with `close` or when it is let go. What one thread raises ends the others at their next block, and nothing is
queued beyond one piece: `begin` puts it before the helpers and returns, `finish` takes part until all blocks are
done, `speak` is both. Which thread takes a block changes no sample. A helper that is late (another program has its
core) costs no more than the one block that it has begun.
"""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from engine.models import features as F
from engine.models import noise, phase
from engine.models.vocoder import NEPER_DB, WIDTH, Levels
from engine.models.voice import HOP, Array, Piece, Planes, Voice

MOST_THREADS = 4


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Synthesis:
    """Streams a waveform from features: call `push` with consecutive chunks, in order.

    Chunk k of T feature frames yields 512 T samples; the spectrum's overlap (1792 samples) is carried, so chunks
    join without a seam. threads: one a core unless told, MOST_THREADS at most. width: the most of the noise's power
    that is a channel's own, 0 to 1.
    """

    def __init__(self, vocoder: Levels, seed: int = 0, threads: int | None = None, width: float = WIDTH) -> None:
        self.vocoder, self.width = vocoder, width
        self.state = phase.PhaseState()
        self.position = 0
        self.tail = np.zeros((F.WINDOW - HOP, 2), np.float32)
        self.voices = [Voice()]
        number = min(cores() if threads is None else threads, MOST_THREADS)
        self._helpers = ThreadPoolExecutor(number - 1, "synthesis") if number > 1 else None
        self._helpers_count = number - 1
        self._seeds = (2 * seed + 1, 2 * seed + 2)
        self._begun: list[Future[None]] = []
        self._noise: list[Future[Planes]] = []
        if self._helpers is not None:
            self._noise = [self._helpers.submit(noise.noise_planes, one) for one in self._seeds]

    def close(self) -> None:
        """End the helpers; what was spoken stays valid."""
        if self._helpers is not None:
            self._helpers.shutdown(cancel_futures=True)

    @torch.no_grad()
    def levels(self, features: Tensor) -> tuple[Array, Array]:
        """Levels [2, 2 T, BINS] and spreads [2, 2 T, SPREADS] in dB of features [T, CHANNELS]."""
        mel = torch.stack([features[:, : F.MELS], features[:, F.MELS : 2 * F.MELS]])
        low = features[None, :, 2 * F.MELS :].expand(2, -1, -1)
        level, spread = self.vocoder(mel, low)
        return level.float().numpy(), spread.float().numpy()

    def speak(self, level: Array, spread: Array, low: Array, first: int = 0, count: int | None = None) -> Array:
        """The sound [256 count, 2] of frames first ... first + count of levels [2, N, BINS] and spreads
        [2, N, SPREADS] in dB.

        The frames around them are looked at, and where there are none the levels hold still. low [count / 2,
        LOW_BANDS]: long-window levels of the feature frames that are spoken.
        """
        return self.finish(self.begin(level, spread, low, first, count))

    def begin(self, level: Array, spread: Array, low: Array, first: int = 0, count: int | None = None) -> Piece:
        """Put a piece before the helpers; `finish` it before the next begins. See `speak`."""
        count = level.shape[1] - first if count is None else count
        peaks = self.state.peaks_of(low, 2)
        common, own = self._planes()
        level, spread = np.ascontiguousarray(level), np.ascontiguousarray(spread)
        piece = Piece(
            np.ascontiguousarray(level),
            np.ascontiguousarray(spread),
            first,
            count,
            peaks,
            self.state,
            self.position,
            common,
            own,
            self.width,
        )
        helpers = min(self._helpers_count, len(piece.blocks) - 1)
        while len(self.voices) <= helpers:
            self.voices.append(Voice())
        self._begun = [
            self._helpers.submit(voice.work, piece) for voice in self.voices[1 : helpers + 1] if self._helpers
        ]
        return piece

    def finish(self, piece: Piece) -> Array:
        """Take part in what is left of a piece; its sound [256 count, 2]."""
        try:
            self.voices[0].work(piece)
        finally:
            for future in self._begun:
                if not future.cancel():
                    future.result()
        last = piece.level[:, piece.first + piece.count - 1]
        self.state.log_magnitude = (last[0] + last[1]) * np.float32(0.5 / NEPER_DB)
        self.position += piece.count
        return self._joined(piece)

    def _planes(self) -> tuple[Planes, Planes]:
        ready = [future.result() for future in self._noise] or [noise.noise_planes(seed) for seed in self._seeds]
        return ready[0], ready[1]

    def _joined(self, piece: Piece) -> Array:
        """The blocks' sound one over the other, [256 count, 2]; the rest is kept for the next piece."""
        whole = np.zeros((piece.count * HOP + F.WINDOW - HOP, 2), np.float32)
        whole[: len(self.tail)] = self.tail
        for (first, _), sound in zip(piece.blocks, piece.sound, strict=True):
            whole[first * HOP : first * HOP + len(sound)] += sound
        self.tail = whole[piece.count * HOP :].copy()
        return whole[: piece.count * HOP]

    def push(self, features: Tensor) -> Array:
        """Samples [512 T, 2] of features [T, CHANNELS] dB; the first lies 1024 before frame 0's centre."""
        level, spread = self.levels(features)
        return self.speak(level, spread, features[:, 2 * F.MELS :].numpy())
