"""Which loop a play head is in: the host's own, or one learnt from the same jump back twice. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from engine.horizon.places import Grid, nearest_beat
from engine.horizon.plans import Head

TOLERANCE_S = 0.06
WRAP_S = 0.25
Loop = tuple[int, int]


def wrapped(frame: int, loop: Loop | None) -> int:
    """A frame beyond a loop's end, turned back into it."""
    if loop is None or frame < loop[1]:
        return frame
    return loop[0] + (frame - loop[1]) % (loop[1] - loop[0])


@dataclass
class Loops:
    """Reports come a few blocks late, so that the ends of a learnt loop are taken on beats, 60 ms off at most."""

    rate: int
    jump: Loop | None = None
    learnt: Loop | None = None

    @property
    def near(self) -> int:
        return round(TOLERANCE_S * self.rate)

    def at(self, head: Head, frame: int) -> Loop | None:
        """The loop that a head at `frame` is going to repeat."""
        loop = head.loop or self.learnt
        return loop if loop and loop[0] < loop[1] and frame < loop[1] else None

    def rolled_on(self, head: Head) -> None:
        """A head that has left a learnt loop by its end is in none."""
        if self.learnt and not head.loop and head.frame > self.learnt[1] + self.near:
            self.learnt = None

    def jumped(self, before: Head, head: Head, grid: Grid) -> bool:
        """The head jumped; whether that was a loop's own jump, known before."""
        loop = self.at(head, before.frame)
        start = loop and before.frame > head.frame and loop[0] - self.near <= head.frame
        known = bool(loop and start and head.frame <= loop[0] + WRAP_S * self.rate)
        if before.rolling and head.frame < before.frame:
            self._learn(nearest_beat(grid, head.frame, self.near), nearest_beat(grid, before.frame, self.near))
        return known

    def forget(self) -> None:
        self.jump = self.learnt = None

    def _learn(self, first: int, last: int) -> None:
        same = (
            self.jump is not None and abs(self.jump[0] - first) <= self.near and abs(self.jump[1] - last) <= self.near
        )
        self.jump = self.jump if same else (first, last)
        self.learnt = self.jump if same else None
