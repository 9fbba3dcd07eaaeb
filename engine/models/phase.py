"""Phases for magnitudes: a draft that runs along peaks, with noise where the sound is noise.

The phase gradients follow from the log-magnitude alone (Prusa, Balazs and Soendergaard, "A noniterative
method for reconstruction of phase from STFT magnitude", 2017, for a Hann window gamma = 0.25645 M^2).
Integration takes no heap: each bin hangs on the nearest peak that the last frame can carry on, gets
that peak's phase over time and the frequency gradient from there, so that an onset, which few old
peaks can carry, is integrated across frequency and stays sharp. In the lows the peaks' frequencies
come from the long-window bands.

Phases are counted in turns and *centred*: from a frame's middle, so that neighbouring bins of a click agree.
Counted from the frame's start, bin k has k / 2 turns less.

*Threading*: an `Outline` belongs to one thread at a time. Of a block of frames only `link` depends on the block
before it: blocks can be outlined and filled side by side, and linked in order. All loops run without Python's lock.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.models import features as F
from engine.models import lows
from engine.models.compiled import compiled, inlined
from engine.models.lownotes import LowNotes
from engine.models.lows import NOWHERE, advances

HOP = lows.HOP
GAMMA = 0.25645 * F.WINDOW**2
LOW_BINS = 15
REACH_BINS = 12
DROP_NEPERS = 3.0
FRAMES = 48
"""Frames of a block: its arrays stay in the caches of a core."""
LEAD = 16
QUIET = -1e4
"""Each row of log-magnitudes has LEAD entries of QUIET before and after its bins."""
TURN = 2 * math.pi
Array = NDArray[np.float32]

_BINS, _WIDTH = F.BINS, F.BINS + 2 * LEAD
_DROP, _QUIET, _HALF = np.float32(DROP_NEPERS), np.float32(QUIET), np.float32(0.5)
_SLOPE = np.float32(-0.5 * GAMMA / (HOP * F.WINDOW) / TURN)
_STEER, _MOST_STEER = np.float32(0.25 * HOP * F.WINDOW / GAMMA / TURN), np.float32(HOP / F.WINDOW)
_BIN_TURNS, _NEAR_TURNS = np.float32(HOP / F.WINDOW), np.float32(1.5 * HOP / F.WINDOW)
_TURNS = np.float32(1.0 / TURN)


class PhaseState:
    """What streaming carries from frame to frame: the last one's phase [BINS] in turns, log-magnitude [BINS] and low
    peaks [n].

    tuning_cents: take steady lows to the notes of this tuning; None leaves them where they are.
    notes: which of them, where key or chords are told; None takes the nearest.
    """

    def __init__(self) -> None:
        self.phase: Array | None = None
        self.log_magnitude: Array | None = None
        self.peaks: Array = np.full(1, NOWHERE, np.float32)
        self.tuning_cents: float | None = None
        self.notes: LowNotes | None = None

    def peaks_of(self, low_db: Array, each: int = 1) -> Array:
        """Peaks of the frame before and of those of low_db [T, LOW_BANDS], [1 + each T, n]; see `lows.advances`.

        each: frames for which a row of low_db stands.
        """
        new = advances(low_db, self.tuning_cents, self.notes).repeat(each, axis=0)
        width = max(new.shape[1], len(self.peaks))
        result = np.full((1 + len(new), width), NOWHERE, np.float32)
        result[0, : len(self.peaks)], result[1:, : new.shape[1]] = self.peaks, new
        if self.log_magnitude is None:
            result[0] = result[1]
        self.peaks = result[-1]
        return result


class Outline:
    """A block of up to FRAMES frames: ramps over frequency, and the peaks, *nodes*, on which bins hang.

    Fill `logs`, then `outline`, `link` and `phases`, in this order, once each a block. Nodes lie in one list for all
    frames: frame t's are edges[t] ... edges[t + 1], each with its bin, the first bin that hangs on it, its parent in
    the frame before and what its phase gains on that.
    """

    def __init__(self) -> None:
        most = FRAMES * (F.BINS // 2 + 1)
        self._x = np.full((FRAMES + 2, _WIDTH), QUIET, np.float32)
        self._ramp = np.zeros((FRAMES, F.BINS), np.float32)
        self._nodes, self._starts, self._parents = (np.zeros(most, np.int32) for _ in range(3))
        self._delta, self._turned = np.zeros(most, np.float32), np.zeros(most, np.float32)
        self._edges = np.zeros(FRAMES + 1, np.int32)
        self._room = np.full((3, _WIDTH), QUIET, np.float32)
        self._marks = np.zeros(F.BINS, np.uint8)
        self._phases = np.zeros((FRAMES, F.BINS), np.float32)
        self.count = 0

    def logs(self, count: int) -> Array:
        """Where the natural-log magnitudes [count + 2, BINS] of the block are written: one frame before it, one after.

        What comes before the first frame of all is that frame again.
        """
        assert 0 < count <= FRAMES, count
        self.count = count
        return self._x[: count + 2, LEAD : LEAD + F.BINS]

    def outline(self, peaks: Array, first: bool = False, last: bool = False) -> None:
        """Find gradients and peaks. peaks [count + 1, n] in the lows, from the frame before on.

        first: nothing came before. last: what follows is not known.
        """
        x = self.logs(self.count)
        if last:
            x[-1] = x[-2] if first and self.count == 1 else 2.0 * x[-2] - x[-3]
        _ramps(self._x, self.count, first, self._ramp)
        told = self._nodes, self._starts, self._edges
        _find_nodes(self._x, self.count, self._room, self._marks, *told)
        _gains(
            self._x, self.count, np.ascontiguousarray(peaks), self._room, self._ramp, *told, self._parents, self._delta
        )

    def link(self, before: Array | None) -> Array:
        """Phases [BINS] of the block's last frame, of those of the frame before it; None at the start."""
        if before is None:
            before = self._ramp[0] - self._ramp[0, 0]
        after = np.empty(F.BINS, np.float32)
        told = self._nodes, self._starts, self._edges, self._parents, self._delta
        _link(self.count, self._ramp, *told, before, self._turned, after)
        return after

    def phases(self) -> Array:
        """Centred phases in turns [count, BINS], within some turns of 0. They are valid until the next block's."""
        _fill(self.count, self._ramp, self._starts, self._edges, self._turned, self._phases)
        return self._phases[: self.count]


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
    result -= 0.5 * np.arange(F.BINS, dtype=np.float32)
    result *= np.float32(TURN)
    return result


# ---- the loops; x [count + 2, BINS + 2 LEAD] is the block's log-magnitude, from the frame before it on ---------------


@compiled
def _ramps(x: Any, count: int, first: bool, ramp: Any) -> None:
    """Phase over frequency from bin 0 on, up to a constant a frame: the slope over time, summed by trapezoids."""
    for t in range(count):
        before, after, row = x[t + 1] if first and t == 0 else x[t], x[t + 2], ramp[t]
        scale = _SLOPE + _SLOPE if first and t == 0 else _SLOPE
        for k in range(_BINS):
            slope = scale * (after[LEAD + k] - before[LEAD + k])
            slope = slope if slope > -_HALF else -_HALF
            row[k] = slope if slope < _HALF else _HALF
        total = 0.0
        for k in range(_BINS):
            slope = row[k]
            row[k] = total + 0.5 * slope
            total += slope


@compiled
def _find_nodes(x: Any, count: int, room: Any, marks: Any, nodes: Any, starts: Any, edges: Any) -> None:
    """A node is a peak of what both frames hold, no more than DROP_NEPERS below the loudest bin within
    REACH_BINS. Where a frame has none, bin 0 serves. The bins nearest to each hang on it, on ties the one below.
    """
    total = 0
    shared, here, there = room[0], room[1], room[2]
    for t in range(count):
        before, row = x[t], x[t + 1]
        for k in range(_WIDTH):  # room to both sides is quiet in both
            shared[k] = before[k] if before[k] < row[k] else row[k]
        _wider(row, 1, here)
        _wider(here, 2, there)
        _wider(there, 4, here)
        _wider(here, 8, there)
        _wider(there, 9, here)
        for k in range(_BINS):
            value = shared[LEAD + k]
            peak = (value >= shared[LEAD + k - 1]) & (value > shared[LEAD + k + 1])
            marks[k] = peak & (value > here[LEAD - REACH_BINS + k] - _DROP)
        begin = total
        for k in range(_BINS):
            nodes[total] = k
            total += marks[k]
        if total == begin:
            nodes[total] = 0
            total += 1
        edges[t], starts[begin] = begin, 0
        for n in range(begin + 1, total):
            starts[n] = ((nodes[n] + nodes[n - 1]) >> 1) + 1
    edges[count] = total


@inlined
def _wider(row: Any, step: int, out: Any) -> None:
    """The larger of each entry and the one `step` after it."""
    for k in range(_WIDTH - step):
        out[k] = row[k] if row[k] > row[k + step] else row[k + step]


@compiled
def _gains(
    x: Any,
    count: int,
    peaks: Any,
    room: Any,
    ramp: Any,
    nodes: Any,
    starts: Any,
    edges: Any,
    parents: Any,
    delta: Any,
) -> None:
    """Each node's parent, the node of the frame before on which its bin hung, and what its phase gains on it."""
    here, there = room[0], room[1]
    _steps(x[0], peaks[0], here)
    for t in range(count):
        here, there = there, here
        _steps(x[t + 1], peaks[t + 1], here)
        parent = edges[t - 1] if t else 0
        for n in range(edges[t], edges[t + 1]):
            k = nodes[n]
            gain = here[k] + there[k] + np.float32(k & 7) * _MOST_STEER - ramp[t, k]
            if t:
                gain += ramp[t - 1, k]
                while parent + 1 < edges[t] and starts[parent + 1] <= k:
                    parent += 1
            parents[n] = parent
            delta[n] = gain - np.rint(gain)


@inlined
def _steps(row: Any, peaks: Any, out: Any) -> None:
    """Half of each bin's phase over time, beyond the bin's own frequency; in the lows its nearest peak's."""
    row[LEAD - 1] = row[LEAD] + row[LEAD] - row[LEAD + 1]
    row[LEAD + _BINS] = row[LEAD + _BINS - 1] + row[LEAD + _BINS - 1] - row[LEAD + _BINS - 2]
    for k in range(_BINS):
        steer = (row[LEAD + k + 1] - row[LEAD + k - 1]) * _STEER
        steer = steer if steer > -_MOST_STEER else -_MOST_STEER
        out[k] = steer if steer < _MOST_STEER else _MOST_STEER
    row[LEAD - 1] = row[LEAD + _BINS] = _QUIET
    for k in range(LOW_BINS):
        centre = _BIN_TURNS * np.float32(k)
        own = out[k] + out[k] + centre
        least, nearest = np.float32(1e9), own
        for n in range(len(peaks)):
            apart = abs(peaks[n] * _TURNS - own)
            if apart < least:
                least, nearest = apart, peaks[n] * _TURNS
        if least < _NEAR_TURNS:
            out[k] = _HALF * (nearest - centre)


@compiled
def _link(
    count: int,
    ramp: Any,
    nodes: Any,
    starts: Any,
    edges: Any,
    parents: Any,
    delta: Any,
    before: Any,
    turned: Any,
    after: Any,
) -> None:
    """Each node's phase less the ramp, of phases `before`; and all phases `after` the block's last frame."""
    for n in range(edges[1]):
        phase = delta[n] + before[nodes[n]]
        turned[n] = phase - np.rint(phase)
    for n in range(edges[1], edges[count]):
        phase = delta[n] + turned[parents[n]]
        turned[n] = phase - np.rint(phase)
    for n in range(edges[count - 1], edges[count]):
        end = starts[n + 1] if n + 1 < edges[count] else _BINS
        for k in range(starts[n], end):
            phase = turned[n] + ramp[count - 1, k]
            after[k] = phase - np.rint(phase)


@compiled
def _fill(count: int, ramp: Any, starts: Any, edges: Any, turned: Any, out: Any) -> None:
    """Phases of all bins."""
    for t in range(count):
        row, target = ramp[t], out[t]
        for n in range(edges[t], edges[t + 1]):
            end, offset = starts[n + 1] if n + 1 < edges[t + 1] else _BINS, turned[n]
            for k in range(starts[n], end):
                target[k] = offset + row[k]
