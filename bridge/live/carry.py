"""Bars that a new tempo map leaves where they were are carried into its generation, a second of audio at a time.

Seconds end where slots do: a slot belongs to one generation, and writing half of it drops the other half.

*Threading*: the live thread owns it; a step takes about a millisecond.
"""

from __future__ import annotations

import numpy as np

from bridge.live.map import ProjectMap
from bridge.live.writer import Tell
from bridge.timeline.engine import EngineSide
from bridge.timeline.layout import SLOT_FRAMES
from engine.horizon import Horizon
from engine.timing import round_half_up

MAX_SECONDS = 128
FOREVER = 1 << 62
Span = tuple[int, int]


def agree_until(old: ProjectMap, new: ProjectMap) -> int:
    """The first frame on which two maps may differ."""
    for n in range(max(len(old.pieces), len(new.pieces))):
        pieces = [song.pieces[n] for song in (old, new) if n < len(song.pieces)]
        if len(pieces) < 2 or pieces[0] != pieces[1]:
            return min(round_half_up(piece.at) for piece in pieces)
    return FOREVER


class Carry:
    """What is still to be carried over, nearest to the head first."""

    def __init__(self, generation: int, old: ProjectMap, new: ProjectMap, there: list[Span], near: int) -> None:
        limit, step = agree_until(old, new), old.rate // SLOT_FRAMES * SLOT_FRAMES
        parts = [
            (max(at, first), min(at + step, end, limit))
            for first, end in there
            for at in range(first // step * step, min(end, limit), step)
        ]
        self._generation = generation
        self._parts = sorted(parts, key=lambda part: -abs(part[0] - near))[-MAX_SECONDS:]

    def step(self, side: EngineSide, horizon: Horizon, tell: Tell) -> bool:
        """Carry one part over. False when none is left."""
        if not self._parts:
            return False
        first, end = self._parts.pop()
        for begin, stop in horizon.playable.missing(first, end):
            audio, known = side.read(begin, stop - begin, self._generation)
            if known.all() and side.write(begin, audio) == len(audio):
                horizon.found(begin, stop)
                tell(side.generation, begin, np.ascontiguousarray(audio))
        return True
