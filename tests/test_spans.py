"""Spans are sets of frames; places lie next to their frame."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.horizon.places import down, nearest_beat, up
from engine.horizon.spans import Spans
from tests.horizon_helpers import BAR, EvenGrid

EDITS = st.lists(st.tuples(st.booleans(), st.integers(0, 60), st.integers(0, 60)), max_size=25)


@given(EDITS, st.integers(0, 60), st.integers(0, 60))
def test_spans_are_sets_of_frames(edits: list[tuple[bool, int, int]], first: int, end: int) -> None:
    spans, oracle = Spans(), set()
    for add, a, b in edits:
        (spans.add if add else spans.remove)(a, b)
        oracle = oracle | set(range(a, b)) if add else oracle - set(range(a, b))
    assert {f for a, b in spans for f in range(a, b)} == oracle
    assert all(a < b for a, b in spans) and all(b < c for (_, b), (c, _) in pairwise(spans))
    assert spans.holds(first, end) == set(range(first, end)).issubset(oracle)
    assert spans.gap(first, end) == min(set(range(first, end)) - oracle, default=None)
    assert {f for a, b in spans.missing(first, end) for f in range(a, b)} == set(range(first, end)) - oracle
    starts = [a for a, _ in spans if a > first]
    assert spans.start_after(first, 60) == min([60, *starts])


@given(st.integers(0, 20_000))
def test_places_are_next_to_their_frame(frame: int) -> None:
    grid = EvenGrid()
    for quantise, step in (("now", 1), ("beat", 500), ("bar", BAR)):
        point = up(grid, frame, quantise)  # type: ignore[arg-type]
        assert 0 <= point.frame - frame < step
        assert grid.frame(point.bar, point.quarter) == point.frame
    assert 0 <= frame - down(grid, frame).frame <= 1


def test_a_frame_near_a_beat_is_taken_for_it() -> None:
    assert nearest_beat(EvenGrid(), 2490, 20) == 2500
    assert nearest_beat(EvenGrid(), 1990, 20) == 2000
    assert nearest_beat(EvenGrid(), 2450, 20) == 2450
