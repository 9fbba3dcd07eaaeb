"""A sync source as a live session follows it: at the cache's rate, silent where it is stuck, ticks made exact. Pure
but for the source.

Bars and beats of JACK and Ardour come in ticks, some frames apart. A place that a plain map explains to within such
a tick is taken to be that map's: the one that is known; a change on the line of its bar; one tempo from frame 0 on.
Frame and bar may also be told from two moments (JACK, right after a locate): what contradicts the map makes a new one
only once reports have agreed with that for 50 ms.

*Threading*: the live thread owns it; a source never blocks (bridge.sync.position.SyncSource).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from bridge.live.learn import AGREES_FRAMES, SAME_BPM, Told, agrees, learnt
from bridge.live.map import Piece, ProjectMap
from bridge.sync.position import HostPosition
from engine.timing import round_half_up

COARSEST_QUARTERS = Fraction(1, 192)
STUCK_NS = 250_000_000
DOUBT_NS = 50_000_000
SILENT = "the sync source says nothing, so the play head stands: start it and, where it stays so, attacca serve again"

PositionOf = Callable[[], HostPosition | None]


class Lead:
    """What a source says, for one cache of `rate`."""

    def __init__(self, source: PositionOf, rate: int) -> None:
        self._source, self._rate = source, rate
        self._seen: tuple[int, bool] | None = None
        self._moved_ns = 0
        self._parts = 1
        self._doubt: tuple[ProjectMap, int] | None = None
        self.silent = True

    def position(self, now_ns: int) -> HostPosition | None:
        """The position now; None where the source is silent, or plays and has not moved for 250 ms."""
        position = self._source()
        if position is not None:
            seen = (position.frame, position.playing)
            if seen != self._seen:
                self._seen, self._moved_ns = seen, now_ns
            if position.playing and now_ns - self._moved_ns > STUCK_NS:
                position = None
        self.silent = position is None
        return None if position is None else at_rate(position, self._rate)

    def learn(self, known: ProjectMap | None, before: Told | None, told: Told, at_ns: int) -> ProjectMap | None:
        """The new map that reports agree on by now; None where there is none (yet). See bridge.live.learn.learnt."""
        new, doubt = learnt(known, before, told), self._doubt
        if new is None or doubt is None or not agrees(doubt[0], self._settled(doubt[0], told)):
            self._doubt = None if new is None else (new, at_ns)
            return None
        if at_ns - doubt[1] < DOUBT_NS:
            return None
        self._doubt = None
        return doubt[0]

    def exact(self, known: ProjectMap | None, told: Told) -> Told:
        """The report, its place made exact where a plain map explains it."""
        self._parts = max(self._parts, told.quarter.denominator)
        return self._settled(known, told)

    def _settled(self, known: ProjectMap | None, told: Told) -> Told:
        tick = min(Fraction(1, self._parts), COARSEST_QUARTERS)
        slack = AGREES_FRAMES + tick * 60 * told.rate / told.tempo
        for piece in _plain(known, told):
            if abs(piece.place(told.bar, told.quarter, told.rate) - told.frame) <= slack:
                quarters = piece.quarters(Fraction(told.frame), told.rate)
                bars, quarter = divmod(quarters, piece.meter.bar_quarters)
                return replace(told, bar=piece.bar + int(bars), quarter=quarter)
        return told


def at_rate(position: HostPosition, rate: int) -> HostPosition:
    """The position with its frames counted at another rate."""
    if position.rate == rate:
        return position

    def moved(frame: int) -> int:
        return round_half_up(Fraction(frame * rate, position.rate))

    loop = None if position.loop is None else (moved(position.loop[0]), moved(position.loop[1]))
    return replace(position, frame=moved(position.frame), rate=rate, loop=loop)


def _plain(known: ProjectMap | None, told: Told) -> list[Piece]:
    """What a report may mean, the likeliest first."""
    start = Piece(Fraction(0), 0, Fraction(0), told.tempo, told.meter)
    if known is None:
        return [start]
    here = known.piece_at(told.frame)
    same = abs(here.tempo - told.tempo) <= SAME_BPM and here.meter == told.meter
    line = replace(start, at=known.exact(told.bar), bar=told.bar)
    return [*([here] if same else []), line, start]
