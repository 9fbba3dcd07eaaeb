"""The play head on its grid: until where a render can still change what is heard, and how far away a frame is."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.horizon.loops import Loop, Loops, wrapped
from engine.horizon.places import Grid, Point, Quantise, up
from engine.horizon.plans import Head
from engine.types import SEAM_SECONDS

MARGIN_BLOCKS = 2


@dataclass
class Way:
    """Where the head is and what it repeats. latency_s: from asking for a render to its sound, as measured."""

    grid: Grid
    rate: int
    latency_s: float = 0.3
    least_latency_s: float = 0.3
    head: Head = field(default_factory=lambda: Head(0, False))
    _loops: Loops = field(init=False)

    def __post_init__(self) -> None:
        self._loops = Loops(self.rate)

    @property
    def reach_frames(self) -> int:
        """How far ahead of a rolling head a render begun now is heard in full."""
        return self.safe_frames + round(self.latency_s * self.rate)

    @property
    def safe_frames(self) -> int:
        """How far ahead of a rolling head the cache may still be written without being heard half way."""
        return MARGIN_BLOCKS * self.head.block_frames + self._seam

    def commit(self, quantise: Quantise = "now") -> Point:
        """The first place on the grid that a render begun now can still change.

        Where the head stands still that is the line of its own bar, so that play starts with whole bars.
        """
        if not self.head.rolling:
            bar = self.grid.bar_at(self.head.frame)
            return Point(self.grid.frame(bar), bar)
        loop = self._loop_at(self.head.frame)
        point = up(self.grid, wrapped(self.head.frame + self.reach_frames, loop), quantise)
        if loop and self.head.frame < loop[1] <= point.frame:
            return up(self.grid, loop[0], "now")
        return point

    def landings(self, quantise: Quantise) -> list[Point]:
        """Where a change asked for now would take hold, and where the next one would that no longer lands there."""
        first = self.commit(quantise)
        if not self.head.rolling:
            return [first]
        loop, second = self._loop_at(self.head.frame), up(self.grid, first.frame + 1, quantise)
        if loop and first.frame < loop[1] <= second.frame:
            second = up(self.grid, loop[0], "now")
        return [first, second]

    def distance(self, frame: int) -> int:
        """How many frames from now a frame is heard, by the loop's way."""
        loop = self._loop_at(self.head.frame)
        if loop and loop[0] <= frame < self.head.frame:
            return loop[1] - self.head.frame + frame - loop[0]
        return frame - self.head.frame

    def _is_ahead(self, first: int, second: int) -> bool:
        """Whether `first` is heard no later than `second`, from the head on."""
        return self.distance(first) <= self.distance(second)

    def _loop_at(self, frame: int) -> Loop | None:
        """The loop that a head at `frame` is going to repeat."""
        return self._loops.at(self.head, frame)

    @property
    def _seam(self) -> int:
        return round(SEAM_SECONDS * self.rate)
