"""The receding horizon, a pure state machine: what is rendered ahead of the head, and whatever else comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.horizon import Head, Point
from tests.horizon_helpers import BAR, horizon, move, render, runs, settle


def test_a_standing_head_gets_its_own_bar_and_those_ahead() -> None:
    h = horizon(4700, rolling=False)
    job = render(h)
    assert (job.at, job.end, job.until_bar) == (Point(4000, 2), 10_000, 5)
    assert h.next() is None
    assert h.ready() == (pytest.approx(2 + 1300 / 2000), 10_000)


def test_a_rolling_head_gets_what_can_still_be_heard() -> None:
    h = horizon(4100)
    job = h.next()
    assert job is not None
    assert job.at.frame == 4100 + 2 * 10 + 20 + 300
    assert job.why == "under"
    assert job.until_bar == 3, "what is heard soon is a job by itself"
    assert runs(settle(h)) == [(4440, 10_000)]


def test_a_gap_under_the_head_is_filled_as_soon_as_can_be() -> None:
    h = horizon(4100, least_latency_s=0.1)
    h.latency_s = 0.8
    job = render(h)
    assert job.at.frame == 4100 + 2 * 10 + 20 + 100
    assert h.change("knob", "now").at.frame == 4100 + 2 * 10 + 20 + 800


def test_a_render_that_is_late_is_let_finish_while_some_of_it_can_be_heard() -> None:
    h = horizon(100)
    h.latency_s = h.least_latency_s = 1.2
    job = h.next()
    assert job is not None
    h.began(job)
    for frame in range(100, job.end, 100):
        move(h, frame)
        assert h.wanted(), "it was given up although it can still be heard"
    move(h, job.end + 1)
    assert not h.wanted()


def test_each_bar_line_asks_for_one_bar_more() -> None:
    h = horizon(0)
    settle(h)
    jobs = []
    for frame in range(0, 20_000, 50):
        move(h, frame)
        jobs += settle(h)
        assert h.playable.holds(max(frame, 340), frame + BAR)
    assert [(job.at.bar, job.until_bar) for job in jobs] == [(bar, bar + 1) for bar in range(3, 12)]
    assert {job.why for job in jobs} == {"ahead"}


def test_look_ahead_is_in_bars() -> None:
    h = horizon(0, look_ahead_bars=5)
    settle(h)
    assert h.ready()[0] == 0.0 and h.playable.holds(340, 6 * BAR)


def test_latency_above_a_bar_still_leads_to_a_bar_that_can_be_heard() -> None:
    h = horizon(100, look_ahead_bars=1)
    h.latency_s = h.least_latency_s = 4.5
    job = h.next()
    assert job is not None
    assert job.at.frame >= 100 + 4500
    assert job.end - job.at.frame > 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("play"), st.integers(1, 900)),
        st.tuples(st.just("locate"), st.integers(0, 30_000)),
        st.tuples(st.just("loop"), st.integers(0, 12)),
        st.tuples(st.just("change"), st.sampled_from(["now", "beat", "bar"])),
        st.tuples(st.just("write"), st.integers(1, 1500)),
        st.tuples(st.just("stop"), st.booleans()),
        st.tuples(st.just("late"), st.floats(0.01, 6.0)),
    ),
    max_size=60,
)


@given(STEPS)
def test_whatever_comes_jobs_lie_ahead_and_are_finite(steps: list[tuple[str, object]]) -> None:
    h = horizon(0)
    for what, value in steps:
        if what == "play":
            frame = h.head.frame + int(value)  # type: ignore[call-overload]
            loop = h.head.loop
            jumped = loop is not None and h.head.frame < loop[1] <= frame
            move(h, loop[0] if jumped and loop else frame, jumped)
        elif what == "locate":
            move(h, int(value), jumped=True)  # type: ignore[call-overload]
        elif what == "loop":
            loop = (int(value) * BAR, (int(value) + 2) * BAR) if value else None  # type: ignore[call-overload]
            h.see(Head(h.head.frame, h.head.rolling, loop, 10))
        elif what == "change":
            h.change("knob", value)  # type: ignore[arg-type]
        elif what == "write" and h.running is not None:
            first = max(h.running.at.frame, h._written)
            h.wrote(first, min(h.running.end, first + int(value)))  # type: ignore[call-overload]
        elif what == "stop":
            h.see(Head(h.head.frame, bool(value), h.head.loop, 10))
        elif what == "late":
            h.latency_s = float(value)  # type: ignore[arg-type]
        if h.running is not None and not h.wanted():
            h.ended()
        if (job := h.next()) is not None:
            assert job.at.frame < job.end <= job.until_bar * BAR
            assert job.until_bar - job.at.bar <= 6
            h.began(job)
        assert h.ready()[1] >= h.head.frame
