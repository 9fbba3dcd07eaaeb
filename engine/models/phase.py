"""Phases for magnitudes: a draft that runs along peaks, with noise where the sound is noise.

The phase gradients follow from the log-magnitude alone (Prusa, Balazs and Soendergaard, "A noniterative
method for reconstruction of phase from STFT magnitude", 2017, for a Hann window gamma = 0.25645 M^2).
Integration takes no heap: each bin hangs on the nearest peak that the last frame can carry on, gets
that peak's phase over time and the frequency gradient from there, so that an onset, which few old
peaks can carry, is integrated across frequency and stays sharp. In the lows the peaks' frequencies
come from the long-window bands.

Phases are *centred*: they count from a frame's middle, so that neighbouring bins of a click agree. Counted from
the frame's start, bin k has pi k less.

*Threading*: an `Outline` belongs to one thread at a time. Of a block of frames only `link` depends on the block
before it: blocks can be outlined and unrolled side by side, and linked in order.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from numpy.typing import NDArray

from engine.models import features as F
from engine.models import lows
from engine.models.lows import NOWHERE, advances, nearest_peak

HOP = lows.HOP
GAMMA = 0.25645 * F.WINDOW**2
LOW_BINS = 15
REACH_BINS = 12
DROP_NEPERS = 3.0
FRAMES = 48
"""Frames of a block: its arrays stay in the caches of a core."""
STRIDE = 1056
LEAD = 16
QUIET = -1e4
"""Rows of a block lie STRIDE floats apart and QUIET fills what is between them, so that what looks at neighbouring
bins is one pass over flat memory. STRIDE is a multiple of 8, the hops of a window: see `Outline._deltas`."""
SERIAL = 31
"""Rows that torch sums on one thread."""
TURN = 2 * math.pi
Array = NDArray[np.float32]
Indices = NDArray[np.intp]


class PhaseState:
    """What streaming carries from frame to frame: the last one's phase [BINS], log-magnitude [BINS] and low peaks [n].

    tuning_cents: take steady lows to the notes of this tuning; None leaves them where they are.
    """

    def __init__(self) -> None:
        self.phase: Array | None = None
        self.log_magnitude: Array | None = None
        self.peaks: Array = np.full(1, NOWHERE, np.float32)
        self.tuning_cents: float | None = None

    def peaks_of(self, low_db: Array, each: int = 1) -> Array:
        """Peaks of the frame before and of those of low_db [T, LOW_BANDS], [1 + each T, n]; see `lows.advances`.

        each: frames for which a row of low_db stands.
        """
        new = advances(low_db, self.tuning_cents).repeat(each, axis=0)
        width = max(new.shape[1], len(self.peaks))
        result = np.full((1 + len(new), width), NOWHERE, np.float32)
        result[0, : len(self.peaks)], result[1:, : new.shape[1]] = self.peaks, new
        if self.log_magnitude is None:
            result[0] = result[1]
        self.peaks = result[-1]
        return result


class Outline:
    """A block of up to FRAMES frames: ramps over frequency, and the peaks on which bins hang.

    Fill `logs`, then `outline`, `link` and `phases`, in this order, once each a block.
    """

    def __init__(self) -> None:
        size = FRAMES * STRIDE
        self._x = np.full((FRAMES + 2) * STRIDE + 2 * LEAD, QUIET, np.float32)
        self._steer, self._step = np.zeros(size + STRIDE, np.float32), np.zeros(size, np.float32)
        self._slope, self._ramp = np.zeros(size, np.float32), np.zeros(size, np.float32)
        self._shared = np.full(size + 2 * LEAD, QUIET, np.float32)
        self._most = (np.full(size + 2 * LEAD, QUIET, np.float32), np.full(size + 2 * LEAD, QUIET, np.float32))
        self._rises, self._peak = np.zeros(size + 1, np.bool_), np.zeros(size, np.bool_)
        self.count = 0

    def logs(self, count: int) -> Array:
        """Where the natural-log magnitudes [count + 2, BINS] of the block are written: one frame before it, one after.

        What comes before the first frame of all is that frame again.
        """
        assert 0 < count <= FRAMES, count
        self.count = count
        rows = self._x[LEAD : LEAD + (count + 2) * STRIDE].reshape(count + 2, STRIDE)
        return rows[:, : F.BINS]

    def outline(self, peaks: Array, first: bool = False, last: bool = False) -> None:
        """Find gradients and peaks. peaks [count + 1, n] in the lows, from the frame before on.

        first: nothing came before. last: what follows is not known.
        """
        x = self.logs(self.count)
        if last:
            x[-1] = x[-2] if first and self.count == 1 else 2.0 * x[-2] - x[-3]
        self._ramps(x, first)
        self._steps(x, peaks)
        self._find_peaks()
        self._deltas()

    def _ramps(self, x: Array, first: bool) -> None:
        """Phase over frequency from bin 0 on, up to a constant a frame: the slope over time, summed by trapezoids."""
        size, flat = self.count * STRIDE, self._x[LEAD:]
        slope, ramp = self._slope[:size], self._ramp[:size]
        np.subtract(flat[2 * STRIDE : 2 * STRIDE + size], flat[:size], out=slope)
        if first:
            np.multiply(x[2] - x[1], 2.0, out=slope[: F.BINS])
        slope *= -0.5 * GAMMA / (HOP * F.WINDOW)
        np.clip(slope, -math.pi, math.pi, out=slope)
        source, target = (torch.from_numpy(a.reshape(self.count, STRIDE)[:, : F.BINS]) for a in (slope, ramp))
        for row in range(0, self.count, SERIAL):
            torch.cumsum(source[row : row + SERIAL], 1, out=target[row : row + SERIAL])
        slope *= 0.5
        ramp -= slope

    def _steps(self, x: Array, peaks: Array) -> None:
        """Phase over time, the mean of this frame's advance and the last one's, beyond a bin's own frequency."""
        size = self.count * STRIDE
        steer = self._steer[: size + STRIDE]
        right, left = self._x[LEAD + 1 :], self._x[LEAD - 1 :]
        np.subtract(right[: size + STRIDE], left[: size + STRIDE], out=steer)
        rows = steer.reshape(self.count + 1, STRIDE)
        rows[:, 0] = 2.0 * (x[:-1, 1] - x[:-1, 0])
        rows[:, F.BINS - 1] = 2.0 * (x[:-1, -1] - x[:-1, -2])
        steer *= 0.25 * HOP * F.WINDOW / GAMMA
        np.clip(steer, -TURN * HOP / F.WINDOW, TURN * HOP / F.WINDOW, out=steer)
        low = rows[:, :LOW_BINS]
        low[:] = 0.5 * (nearest_peak(2.0 * low + LOW_CENTRES, peaks) - LOW_CENTRES)
        np.add(steer[:size], steer[STRIDE:], out=self._step[:size])

    def _find_peaks(self) -> None:
        """A carrier is a peak of what both frames hold, no more than DROP_NEPERS below the loudest bin within
        REACH_BINS. Where a frame has none, bin 0 serves. The bins nearest to each hang on it, on ties the one below.
        """
        size = self.count * STRIDE
        shared = self._shared[: size + 2 * LEAD]
        np.minimum(self._x[LEAD + STRIDE : LEAD + STRIDE + size], self._x[LEAD : LEAD + size], out=shared[LEAD:-LEAD])
        shared[-LEAD:] = QUIET
        rises = self._rises[: size + 1]
        np.greater_equal(shared[LEAD : LEAD + size + 1], shared[LEAD - 1 : LEAD + size], out=rises)
        peak = self._peak[:size]
        np.greater(rises[:-1], rises[1:], out=peak)
        most = self._most_around(size)
        most -= DROP_NEPERS
        loud = np.greater(shared[LEAD:-LEAD], most, out=rises[:-1])
        peak &= loud
        marks = peak.reshape(self.count, STRIDE)
        marks[:, 0] |= ~marks.any(1)
        self.nodes = nodes = np.flatnonzero(peak)
        self.edges = np.searchsorted(nodes, np.arange(self.count + 1) * STRIDE)
        starts = np.empty(len(nodes) + 1, np.intp)
        np.add(nodes[1:], nodes[:-1], out=starts[1:-1])
        starts >>= 1
        starts += 1
        starts[self.edges] = np.arange(self.count + 1) * STRIDE
        self.spans = np.diff(starts)

    def _most_around(self, size: int) -> Array:
        """The loudest of +-REACH_BINS around each bin, by doubling, [size]."""
        here, there = (buffer[: size + 2 * LEAD] for buffer in self._most)
        values = self._x[LEAD + STRIDE - REACH_BINS : LEAD + STRIDE + size + REACH_BINS]
        span, width = 1, 2 * REACH_BINS + 1
        while span < width:
            step = min(span, width - span)
            count = len(values) - step
            np.maximum(values[:-step], values[step:], out=here[:count])
            values, here, there = here[:count], there, here
            span += step
        return values

    def _deltas(self) -> None:
        """Each node's parent, the node of the frame before on which its bin hung, and what its phase gains on it."""
        size = self.count * STRIDE
        gain, ramp = self._step[:size], self._ramp[:size]
        gain -= ramp
        gain[STRIDE:] += ramp[:-STRIDE]
        delta = gain.take(self.nodes)
        delta += (self.nodes & 7) * np.float32(math.pi / 4)
        delta -= TURN * np.rint(delta * (1.0 / TURN))
        self.delta = delta
        owner = np.repeat(np.arange(len(self.nodes)), self.spans)
        self.parents = owner.take(self.nodes[self.edges[1] :] - STRIDE)

    def link(self, before: Array | None) -> Array:
        """Phases [BINS] of the block's last frame, of those of the frame before it; None at the start."""
        edges, delta = self.edges.tolist(), self.delta
        begin, last = edges[1], edges[-2]
        if before is None:
            before = self._ramp[: F.BINS] - self._slope[0]
        self.turned = turned = delta.copy()
        turned[:begin] += before.take(self.nodes[:begin])
        parents = self.parents
        for here, there in itertools.pairwise(edges[1:]):
            turned[here:there] += turned.take(parents[here - begin : there - begin])
        after = np.repeat(turned[last:], self.spans[last:])[: F.BINS]
        after += self._ramp[(self.count - 1) * STRIDE :][: F.BINS]
        after -= TURN * np.rint(after * (1.0 / TURN))
        return after

    def phases(self) -> Array:
        """Centred phases in radians, [count, BINS] with room between rows, within some turns of 0."""
        result = np.repeat(self.turned, self.spans)
        result += self._ramp[: len(result)]
        return result.reshape(self.count, STRIDE)[:, : F.BINS]


LOW_CENTRES = (TURN * HOP / F.WINDOW * np.arange(LOW_BINS)).astype(np.float32)


def draft(log_magnitude: Array, low_db: Array, state: PhaseState, after: Array | None = None) -> Array:
    """Phases [T, K] in radians, counted from each frame's start, of natural-log magnitudes [T, K] at hop 256.

    Advances `state`. low_db: long-window levels [T, LOW_BANDS] at the same frames. T >= 1. after [1 or 0, K]: the
    frame that follows (None: not known), so that chunks of any length give the same slopes over time.
    """
    outline, peaks = Outline(), state.peaks_of(low_db)
    begin = log_magnitude[:1] if state.log_magnitude is None else state.log_magnitude[None]
    known = after is not None and len(after) > 0
    whole = np.concatenate([begin, log_magnitude, after if known and after is not None else log_magnitude[-1:]])
    result = np.empty(log_magnitude.shape, np.float32)
    for first in range(0, len(result), FRAMES):
        count = min(FRAMES, len(result) - first)
        outline.logs(count)[:] = whole[first : first + count + 2]
        at_end = first + count == len(result) and not known
        outline.outline(peaks[first : first + count + 1], first == 0 and state.phase is None, at_end)
        state.phase = outline.link(state.phase)
        result[first : first + count] = outline.phases()
    state.log_magnitude = whole[-2]
    result -= math.pi * np.arange(F.BINS, dtype=np.float32)
    return result
