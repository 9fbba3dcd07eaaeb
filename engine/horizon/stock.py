"""What the cache holds of the way ahead: what can be played, and what of it is still as it is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from engine.horizon.spans import Spans
from engine.horizon.way import Way

MAX_WALK = 128
FOREVER = 1 << 62


@dataclass
class Stock(Way):
    """A way and the frames that are there. playable: in the cache; fresh: and not to be rendered again."""

    playable: Spans = field(default_factory=Spans)
    fresh: Spans = field(default_factory=Spans)
    _later: Spans = field(default_factory=Spans)
    """Fresh until the head turns in its loop: heard before a change takes hold in the next turn."""

    def found(self, first: int, end: int) -> None:
        """The cache turned out to hold first..end: from before this engine, or carried over."""
        self.playable.add(first, end)
        self.fresh.add(first, end)

    def lost(self, first: int, end: int) -> None:
        """The cache does not hold first..end any more: evicted, or dropped."""
        self.playable.remove(first, end)
        self.fresh.remove(first, end)

    def compare(self, first: int, end: int, there: Sequence[tuple[int, int]]) -> None:
        """The cache was looked at: of first..end it holds `there`, whoever wrote it. What was known stays as it is."""
        at = first
        for begin, stop in (*there, (end, end)):
            self.lost(at, begin)
            for gap in self.playable.missing(begin, stop):
                self.found(*gap)
            at = stop

    def planned(self, frame: int) -> list[tuple[int, int]]:
        """What could be played from `frame` on without a break: what a panic drops."""
        found = []
        for first, end in islice(self._walk(frame), MAX_WALK):
            until = min(end, self.playable.until(first))
            found.append((first, until))
            if until < end:
                break
        return [(first, until) for first, until in found if first < until]

    def _walk(self, frame: int) -> Iterator[tuple[int, int]]:
        """Stretches of at most one bar in the order in which they are heard; a loop's are told once.

        What was just heard and is stale is left out until the head has left its bar.
        """
        loop, floor = self._loop_at(frame), frame
        if not self.fresh.holds(frame, frame + 1):
            floor = self.grid.frame(self.grid.bar_at(frame))
        at, turned = frame, False
        while not (turned and at >= floor):
            end = self.grid.frame(self.grid.bar_at(at) + 1)
            if loop and at < loop[1]:
                end = min(end, loop[1])
            if turned:
                end = min(end, floor)
            yield at, end
            at = end
            if loop and end == loop[1]:
                at, turned = loop[0], True

    def _spoil(self, frame: int) -> None:
        """All that is heard from `frame` on is to be rendered again.

        In a loop, what is heard before `frame` now comes after it in the next turn, and is stale from then on.
        """
        loop = self._loop_at(self.head.frame)
        if loop and loop[0] <= frame < loop[1]:
            turn = max(loop[0], self.head.frame)
            heard_first = (turn, loop[1]) if frame < turn else (turn, frame)
            self.fresh.remove(loop[0] if frame >= turn else frame, turn)
            self.fresh.remove(max(frame, heard_first[1]), FOREVER)
            self._later.add(*heard_first)
        else:
            self.fresh.remove(frame, FOREVER)
