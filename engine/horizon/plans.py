"""What a live session's horizon is told and what it answers (engine.horizon), as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.horizon.places import Point

Why = Literal["ahead", "under", "change"]
"""Why a job is due: bars ahead are missing, the head stands in a gap, or something was asked for."""


@dataclass(frozen=True)
class Head:
    """The play head now. rolling: it advances; loop: what the host says it repeats, in frames."""

    frame: int
    rolling: bool
    loop: tuple[int, int] | None = None
    block_frames: int = 0


@dataclass(frozen=True)
class Change:
    """Something the player asked for; it takes hold at `at`. replaces: earlier ones of its kind, now part of it."""

    serial: int
    kind: str
    at: Point
    replaces: tuple[int, ...] = ()


@dataclass(frozen=True)
class Job:
    """Bars to render: from `at` to the end of bar `until_bar` - 1, of which frames before `end` are wanted.

    Its context ends at `at`. obeys: serials of the changes that it is the first to follow. seam: at
    `end` it meets bars that stay; what it renders there for 20 ms fades out over them.
    """

    serial: int
    at: Point
    until_bar: int
    end: int
    why: Why
    obeys: tuple[int, ...] = ()
    seam: bool = False


@dataclass(frozen=True)
class Hold:
    """Bars first..first + bars, repeated from `at` on without rendering."""

    at: Point
    first: int
    bars: int

    def source(self, bar: int) -> int:
        """The held bar that sounds in `bar`."""
        return self.first + (bar - self.at.bar) % self.bars
