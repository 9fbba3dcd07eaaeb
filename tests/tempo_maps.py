"""Tempi, meters, rates and tempo maps for the property tests of time."""

from __future__ import annotations

import itertools
from fractions import Fraction

from hypothesis import strategies as st

from engine.timing import Meter, TempoChange, TempoMap

F = Fraction
FOUR = Meter(4, 4)
RATES = (8000, 11025, 22050, 44100, 48000, 88200, 96000, 192000)

meters = st.builds(Meter, st.integers(1, 32), st.sampled_from((1, 2, 4, 8, 16, 32)))
small_meters = st.builds(Meter, st.integers(1, 12), st.sampled_from((4, 8, 16)))
tempi = st.one_of(
    st.integers(20_000, 400_000).map(lambda n: F(n, 1000)),
    st.fractions(20, 400, max_denominator=997),
)
rates = st.sampled_from(RATES)


@st.composite
def maps(draw: st.DrawFn, most_bars: int = 24, with_meters: bool = True) -> TempoMap:
    """Steps, ramps and meter changes at random bars."""
    bars = sorted(draw(st.sets(st.integers(1, most_bars), max_size=4)))
    edges = [0, *bars, most_bars + 5]
    changes = []
    for start, end in itertools.pairwise(edges):
        if end - start <= 4 and draw(st.booleans()):
            changes.append(TempoChange(start, draw(tempi), draw(tempi), draw(st.integers(start + 1, end))))
        else:
            changes.append(TempoChange(start, draw(tempi)))
    turns = sorted(draw(st.sets(st.integers(1, most_bars), max_size=3))) if with_meters else []
    return TempoMap(tuple(changes), tuple((bar, draw(small_meters)) for bar in [0, *turns]))
