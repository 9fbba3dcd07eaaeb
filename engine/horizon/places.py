"""Places on a project's grid: bars, beats and 1/960 quarters, and the frames where they begin. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

STEPS_PER_QUARTER = 960
Quantise = Literal["now", "beat", "bar"]
"""A grid for changes: 1/960 quarter, felt beat, bar line."""


class Grid(Protocol):
    """Where bars lie among project frames (bridge.live.map.ProjectMap)."""

    def bar_at(self, frame: int) -> int:
        """The bar that sounds at a frame."""
        ...

    def frame(self, bar: int, quarter: Fraction = ...) -> int:
        """The first frame of a place: floor(x + 1/2)."""
        ...

    def quarter_at(self, frame: int) -> Fraction:
        """Quarters from the line of `bar_at(frame)` to the frame, exact."""
        ...

    def beats(self, bar: int) -> Sequence[Fraction]:
        """Where a bar's felt beats begin, in quarters; the first is 0."""
        ...


@dataclass(frozen=True)
class Point:
    """A place where something may begin."""

    frame: int
    bar: int
    quarter: Fraction = Fraction(0)


def up(grid: Grid, frame: int, quantise: Quantise) -> Point:
    """The first place of the grid at or after a frame."""
    bar = grid.bar_at(frame)
    end = grid.frame(bar + 1)
    for quarter in _marks(grid, bar, frame, quantise):
        if frame <= (at := grid.frame(bar, quarter)) < end:
            return Point(at, bar, quarter)
    return Point(end, bar + 1)


def down(grid: Grid, frame: int) -> Point:
    """The last place of 1/960 quarter at or before a frame."""
    bar = grid.bar_at(frame)
    step = grid.quarter_at(frame) * STEPS_PER_QUARTER // 1
    for k in (1, 0):
        quarter = Fraction(max(0, step + k), STEPS_PER_QUARTER)
        if (at := grid.frame(bar, quarter)) <= frame:
            return Point(at, bar, quarter)
    return Point(grid.frame(bar), bar)


def nearest_beat(grid: Grid, frame: int, within: int) -> int:
    """A beat's frame at most `within` frames from a frame; else the frame itself."""
    bar = grid.bar_at(frame)
    beats = [grid.frame(bar, quarter) for quarter in grid.beats(bar)] + [grid.frame(bar + 1)]
    best = min(beats, key=lambda place: abs(place - frame))
    return best if abs(best - frame) <= within else frame


def _marks(grid: Grid, bar: int, frame: int, quantise: Quantise) -> Sequence[Fraction]:
    if quantise == "bar":
        return (Fraction(0),)
    if quantise == "beat":
        return grid.beats(bar)
    step = -(-grid.quarter_at(frame) * STEPS_PER_QUARTER // 1)
    return tuple(Fraction(step + k, STEPS_PER_QUARTER) for k in (-1, 0, 1) if step + k >= 0)
