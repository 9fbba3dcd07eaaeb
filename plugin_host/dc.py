"""Takes a constant offset (DC) out of sound, and only where there is one: all else passes bit-exact.

The mean of half a second says whether there is DC: it must exceed -40 dBFS in both halves, with one sign. Then it is
subtracted, gliding over blocks of BLOCK_FRAMES; music has no such mean, so nothing is filtered and no phase is turned.
An offset that goes in a step is let go of within 4 blocks. The player thread alone calls this.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from plugin_host.stage import BLOCK_FRAMES, Planar

WINDOW_SECONDS: Final = 0.5
LEVEL: Final = 0.01
"""A mean above this is DC; once it is subtracted, until it is below a quarter of this."""
STEP: Final = 0.25
"""How far the last RECENT_BLOCKS may lie from the half second's mean; beyond it the offset is another one."""
RECENT_BLOCKS: Final = 4
Means = NDArray[np.float64]


class DcBlock:
    """Holds back what does not fill a block of BLOCK_FRAMES, and shifts nothing."""

    def __init__(self, rate_hz: int, channels: int) -> None:
        blocks = max(2 * RECENT_BLOCKS, round(WINDOW_SECONDS * rate_hz / BLOCK_FRAMES))
        self._means: Means = np.zeros((channels, blocks))
        self._offset: Means = np.zeros(channels)
        self._seen = 0
        self._pending: Planar = np.zeros((channels, 0), np.float32)
        self._glide = np.arange(1, BLOCK_FRAMES + 1) / BLOCK_FRAMES
        self.blocked_frames = 0

    def reset(self) -> None:
        """As if nothing had been heard."""
        self._seen = 0
        self._offset = np.zeros_like(self._offset)
        self._pending = self._pending[:, :0]

    def process(self, audio: Planar) -> Planar:
        """[channels, any frames], all finite, to the whole blocks that are ready."""
        pending = np.concatenate([self._pending, audio], axis=1)
        whole = pending.shape[1] // BLOCK_FRAMES * BLOCK_FRAMES
        self._pending = pending[:, whole:]
        for at in range(0, whole, BLOCK_FRAMES):
            self._block(pending[:, at : at + BLOCK_FRAMES])
        return pending[:, :whole]

    def _block(self, block: Planar) -> None:
        """Subtract, in place, what is there of an offset."""
        self._means = np.roll(self._means, -1, axis=1)
        self._means[:, -1] = block.mean(axis=1, dtype=np.float64)
        self._seen += 1
        offset, self._offset = self._offset, self._found()
        if offset.any() or self._offset.any():
            self.blocked_frames += BLOCK_FRAMES
            block -= (offset[:, None] + (self._offset - offset)[:, None] * self._glide).astype(np.float32)

    def _found(self) -> Means:
        """The offset of each channel, zero where there is none."""
        count = self._means.shape[1]
        heard = self._means[:, -min(self._seen, count) :]
        mean = heard.mean(axis=1)
        if (np.abs(heard[:, -RECENT_BLOCKS:].mean(axis=1) - mean) > STEP).any():
            self._seen = 0
            return np.zeros_like(mean)
        if self._seen < count:
            return self._offset
        halves = np.stack([heard[:, : count // 2].mean(axis=1), heard[:, count // 2 :].mean(axis=1)])
        level = np.where(self._offset != 0, LEVEL / 4, LEVEL)
        constant = (np.abs(halves) > level).all(axis=0) & (halves[0] * halves[1] > 0)
        found: Means = np.where(constant, mean, 0.0)
        return found
