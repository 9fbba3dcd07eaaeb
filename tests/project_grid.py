"""A project written down by hand: tempi and meters as lists, bars walked one after the other in Fractions.

The oracle of the tests of requests on a project's grid; it shares no code with `engine.timing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any

from hypothesis import strategies as st

F = Fraction
NONE = Fraction(0)


@dataclass(frozen=True)
class Project:
    """tempi: (bar, quarters into it, tempo); meters: (bar, n, d); bar 0 lies `origin` frames into the project."""

    tempi: tuple[tuple[int, Fraction, Fraction], ...]
    meters: tuple[tuple[int, int, int], ...]
    rate: int
    origin: Fraction

    @property
    def fields(self) -> dict[str, Any]:
        """tempo and meter as a request has them."""
        tempi = [f"{bar}{f'+{at}' if at else ''}:{tempo}" for bar, at, tempo in self.tempi]
        meters = [f"{bar}:{n}/{d}" for bar, n, d in self.meters]
        return {"tempo": ",".join(tempi), "meter": ",".join(meters) if len(meters) > 1 else meters[0][2:]}

    def offset(self, first_frame: int) -> str:
        """source_offset of a window that begins on this frame of the project."""
        return str(first_frame - self.origin)

    def length(self, bar: int) -> Fraction:
        n, d = next((n, d) for first, n, d in reversed(self.meters) if first <= bar)
        return F(4 * n, d)

    def places(self, bars: int) -> list[Fraction]:
        """Exact place in frames of the project of bar lines 0 ... bars."""
        found, now, tempo = [self.origin], self.origin, F(0)
        steps = {}
        for bar, at, value in self.tempi:
            steps.setdefault(bar, []).append((at, value))
        for bar in range(bars):
            at = F(0)
            for until, following in [*steps.get(bar, []), (self.length(bar), None)]:
                if until > at:
                    now += (until - at) * 60 / tempo * self.rate
                at, tempo = until, following or tempo
            found.append(now)
        return found

    def stretches(self, bar: int) -> list[tuple[Fraction, Fraction, Fraction]]:
        """(first quarter, last quarter, frames a quarter) of each stretch of one tempo inside a bar."""
        tempo = [t for b, at, t in self.tempi if (b, at) <= (bar, 0)][-1]
        inside = [(at, t) for b, at, t in self.tempi if b == bar and at > 0]
        edges = [F(0), *(at for at, _ in inside), self.length(bar)]
        paces = [60 / t * self.rate for t in (tempo, *(t for _, t in inside))]
        return list(zip(edges, edges[1:], paces, strict=False))

    def place(self, bar: int, quarters: Fraction) -> Fraction:
        """Exact place in frames of the project of a position inside a bar."""
        cut = ((min(last, quarters) - first, pace) for first, last, pace in self.stretches(bar) if first < quarters)
        return self.places(bar)[bar] + sum(length * pace for length, pace in cut)

    def position(self, place: Fraction, bars: int) -> tuple[int, Fraction]:
        """Bar and quarters into it of an exact place in frames of the project, among bars 0 ... bars - 1."""
        starts = self.places(bars)
        bar = max(k for k in range(bars) if starts[k] <= place)
        left = place - starts[bar]
        for first, last, pace in self.stretches(bar):
            if left < (last - first) * pace:
                return bar, first + left / pace
            left -= (last - first) * pace
        raise AssertionError("past the last bar")

    def lines(self, first: int, bars: int, at_beat: Fraction = NONE) -> list[int]:
        """Project frames of the bars + 1 edges of bars from `first` on, the first one at_beat quarters late."""
        places = self.places(first + bars)[first:]
        places[0] = self.place(first, at_beat)
        return [nearest(place) for place in places]


def nearest(place: Fraction) -> int:
    return floor(place + F(1, 2))


tempi = st.one_of(st.integers(20_000, 400_000).map(lambda n: F(n, 1000)), st.fractions(20, 400, max_denominator=997))
origins = st.one_of(st.just(F(0)), st.fractions(-(10**6), 10**6, max_denominator=10**6))


@st.composite
def projects(draw: st.DrawFn, most_bars: int = 40, rate: int | None = None) -> Project:
    """Tempo and meter changes at random places, tempi also inside of bars."""
    turns = sorted(draw(st.sets(st.integers(1, most_bars), max_size=3)))
    meters = [(bar, draw(st.integers(1, 13)), draw(st.sampled_from((2, 4, 8, 16)))) for bar in [0, *turns]]
    bare = Project((), tuple(meters), 1, F(0))
    spots = {(0, F(0))}
    for bar in draw(st.sets(st.integers(0, most_bars), max_size=5)):
        inside = draw(st.fractions(0, bare.length(bar), max_denominator=10_000))
        spots.add((bar, inside if inside < bare.length(bar) and draw(st.booleans()) else F(0)))
    steps = tuple((bar, at, draw(tempi)) for bar, at in sorted(spots))
    chosen = rate or draw(st.sampled_from((8000, 22_050, 44_100, 48_000, 96_000, 192_000)))
    return Project(steps, tuple(meters), chosen, draw(origins))
