"""Sound ahead of time: a thread prepares it, the audio callback only copies and counts.

Threading
    The *player thread* runs `_produce`: it draws blocks from an iterator (file, resampler, effects,
    safety), copies them into a ring of slots and sleeps while the ring is full. The *audio callback*
    calls `pull`, and nothing else may: it copies one prepared slot into the device's buffer. They
    share two slot numbers; each is written by one side alone, after the data it announces (single
    producer, single consumer). `pull` takes no lock, allocates no array, does no I/O and never
    waits: every view and ramp it needs is made in `__init__`, and slot numbers stay below 256,
    where CPython keeps its integers ready. Everybody else may read `ready`, `drained`, `error` and
    `underruns` at any time. The ring is never reset while the callback may run. The order of the
    writes is the one that CPython's interpreter lock gives.

A missing slot counts as one underrun: the last frame fades to silence over 5 ms, and the next
slot that arrives fades in over 5 ms. The same fade follows the last frame of all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Final

import numpy as np

from engine.types import Audio

FADE_SECONDS: Final = 0.005
MAX_SLOTS: Final = 200
MIN_SLOTS: Final = 4


class Player:
    """Plays `blocks` (float32 [any frames, channels]) through slots of `block_frames`.

    `start` once, `pull` from the audio callback, `stop` at the end; an exception of the iterator
    ends the sound and is kept in `error`.
    """

    def __init__(
        self, blocks: Iterator[Audio], rate_hz: int, channels: int, block_frames: int, ahead_seconds: float = 0.5
    ) -> None:
        slots = int(np.clip(round(ahead_seconds * rate_hz / block_frames), MIN_SLOTS, MAX_SLOTS)) + 1
        self.channels = channels
        self.block_frames = block_frames
        self.rate_hz = rate_hz
        self.underruns = 0
        self.error: BaseException | None = None
        self._blocks = blocks
        self._slots = [np.zeros((block_frames, channels), np.float32) for _ in range(slots)]
        self._ends = [slot[-1] for slot in self._slots]
        self._valid = [0] * slots
        self._next = [(slot + 1) % slots for slot in range(slots)]
        self._read = 0
        self._write = 0
        self._ended = False
        self._stopping = False
        self._gap = False
        self._last = np.zeros(channels, np.float32)
        rise = fade_in(block_frames, round(FADE_SECONDS * rate_hz))
        self._fade_in = np.repeat(rise[:, None], channels, axis=1)
        self._fade_out = np.ascontiguousarray(1.0 - self._fade_in)
        self._thread = threading.Thread(target=self._produce, name="attacca-player", daemon=True)

    @property
    def ready(self) -> bool:
        """A slot waits to be pulled."""
        return self._read != self._write

    @property
    def drained(self) -> bool:
        """The sound is over and everything has been pulled."""
        return self._ended and self._read == self._write

    @property
    def stopping(self) -> bool:
        """`stop` was called: what `blocks` waits for is not wanted any more."""
        return self._stopping

    def start(self) -> None:
        """Start the player thread; return when the ring is full or the sound is shorter than it."""
        self._thread.start()
        while not self._ended and self._next[self._write] != self._read:
            time.sleep(0.001)

    def stop(self) -> None:
        """End the player thread. The callback may go on pulling: it gets silence."""
        self._stopping = True
        if self._thread.is_alive():
            self._thread.join()

    def pull(self, out: Audio) -> int:
        """Fill out [block_frames, channels] in the audio callback; return how many frames are sound."""
        ended = self._ended
        slot = self._read
        if slot == self._write:
            self._starve(out)
            if not ended:
                self.underruns += 1
            return 0
        np.copyto(out, self._slots[slot])
        np.copyto(self._last, self._ends[slot])
        if self._gap:
            np.multiply(out, self._fade_in, out=out)
            self._gap = False
        self._read = self._next[slot]
        return self._valid[slot]

    def _starve(self, out: Audio) -> None:
        if self._gap:
            out.fill(0.0)
        else:
            np.copyto(out, self._last)  # in two steps: a broadcasting product would allocate a block
            np.multiply(out, self._fade_out, out=out)
            self._gap = True

    def _produce(self) -> None:
        try:
            filled = 0
            for block in self._blocks:
                filled = self._fill(block, filled)
                if self._stopping:
                    break
            if filled and not self._stopping:
                slot = self._slots[self._write]
                slot[filled:] = slot[filled - 1] * self._fade_out[: self.block_frames - filled]
                self._publish(filled)
        except BaseException as error:
            self.error = error
        finally:
            self._ended = True

    def _fill(self, block: Audio, filled: int) -> int:
        """Copy a block into slots, publishing each one that is full; return how full the open one is."""
        at = 0
        while at < len(block) and not self._stopping:
            count = min(self.block_frames - filled, len(block) - at)
            self._slots[self._write][filled : filled + count] = block[at : at + count]
            at, filled = at + count, filled + count
            if filled == self.block_frames:
                self._publish(filled)
                filled = 0
        return filled

    def _publish(self, frames: int) -> None:
        """Hand the open slot to the callback, when the slot after it is free to be opened."""
        self._valid[self._write] = frames
        following = self._next[self._write]
        while following == self._read and not self._stopping:
            time.sleep(self.block_frames / self.rate_hz / 4)
        if not self._stopping:
            self._write = following


def fade_in(block_frames: int, fade_frames: int) -> Audio:
    """Raised cosine from 0 to 1 over at most `fade_frames`, then 1: [block_frames]."""
    count = min(block_frames, max(1, fade_frames))
    ramp = np.ones(block_frames, np.float32)
    ramp[:count] = 0.5 - 0.5 * np.cos(np.pi * np.arange(count) / count)
    return ramp
