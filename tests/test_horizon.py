"""The receding horizon: what is rendered when, as a pure state machine; a model host turns its jobs into audio."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.horizon import Head, Horizon, Job, Point
from engine.places import down, nearest_beat, up
from engine.spans import Spans

RATE = 1000
BAR = 2000
"""Bars of 2 s at 1 kHz, four beats of 500 frames."""


class EvenGrid:
    """Bars of BAR frames, beats every quarter of a bar; bar 0 at frame 0."""

    def bar_at(self, frame: int) -> int:
        return frame // BAR

    def frame(self, bar: int, quarter: Fraction = Fraction(0)) -> int:
        return int(bar * BAR + quarter * BAR / 4 + Fraction(1, 2))

    def quarter_at(self, frame: int) -> Fraction:
        return Fraction(4 * (frame % BAR), BAR)

    def beats(self, bar: int) -> tuple[Fraction, ...]:
        return tuple(Fraction(k) for k in range(4))


def horizon(frame: int = 0, rolling: bool = True, loop: tuple[int, int] | None = None, **fields: object) -> Horizon:
    made = Horizon(EvenGrid(), RATE, latency_s=0.3, **fields)  # type: ignore[arg-type]
    made.see(Head(frame, rolling, loop, block_frames=10))
    return made


def render(h: Horizon, job: Job | None = None) -> Job:
    """Begin the next job and let it write all that is wanted."""
    job = job or h.next()
    assert job is not None
    h.began(job)
    h.wrote(job.at.frame, job.end)
    h.ended()
    return job


def settle(h: Horizon) -> list[Job]:
    """Render until nothing is missing."""
    jobs = []
    while (job := h.next()) is not None:
        jobs.append(render(h, job))
        assert len(jobs) < 50, "it renders for ever"
    return jobs


def runs(jobs: list[Job]) -> list[tuple[int, int]]:
    """What jobs render, those that follow each other as one."""
    found: list[tuple[int, int]] = []
    for job in jobs:
        follows = bool(found) and found[-1][1] == job.at.frame
        found[-1:] = [(found[-1][0], job.end)] if follows else [*found[-1:], (job.at.frame, job.end)]
    return found


def move(h: Horizon, frame: int, jumped: bool = False) -> bool:
    return h.see(Head(frame, h.head.rolling, h.head.loop, h.head.block_frames), jumped)


# ---- spans and places ------------------------------------------------------------------------

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


# ---- ahead of the head -----------------------------------------------------------------------


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


# ---- changes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("quantise", "at"), [("bar", 2000), ("beat", 500), ("now", 440)])
def test_a_change_renders_everything_after_its_commit_point_again(quantise: str, at: int) -> None:
    h = horizon(100, rolling=True)
    settle(h)
    change = h.change("prompt", quantise)  # type: ignore[arg-type]
    assert change.at.frame == at
    jobs = settle(h)
    assert jobs[0].why == "change"
    assert [job.obeys for job in jobs] == [(change.serial,), *[()] * (len(jobs) - 1)]
    assert runs(jobs) == [(at, 3 * BAR)]


def test_changes_for_the_same_place_become_one() -> None:
    h = horizon(100)
    settle(h)
    first, other, second = h.change("knob", "bar"), h.change("word", "bar"), h.change("knob", "bar")
    assert second.replaces == (first.serial,)
    assert [job.obeys for job in settle(h)] == [(other.serial, second.serial)]


def test_what_is_left_of_a_job_before_a_change_is_let_finish() -> None:
    h = horizon(100)
    settle(h)
    h.change("word", "beat")
    job = h.next()
    assert job is not None
    h.began(job)
    change = h.change("knob", "bar")
    assert h.running is not None
    assert h.running.end == change.at.frame == BAR
    assert h.wanted()
    h.wrote(job.at.frame, BAR)
    assert not h.wanted()
    h.ended()
    following = h.next()
    assert following is not None
    assert following.at.frame == BAR and following.obeys == (change.serial,)


def test_changes_faster_than_renders_do_not_starve_the_head() -> None:
    h = horizon(100)
    h.latency_s = h.least_latency_s = 0.8
    heard, began = 0, 0
    for frame in range(100, 30_000, 50):
        move(h, frame)
        heard += h.playable.holds(frame, frame + 50)
        if frame % 500 == 0:
            h.change("note", "beat")
        if h.running and not h.wanted():
            h.ended()
        if h.running and frame - began >= 800:
            first = max(h.running.at.frame, h.written)
            h.wrote(first, min(h.running.end, first + 500))
        if (job := h.next()) is not None:
            began = frame
            h.began(job)
    assert heard > 0.85 * (30_000 / 50)


def test_a_job_behind_a_change_is_cancelled() -> None:
    h = horizon(100)
    settle(h)
    move(h, 2050)
    job = h.next()
    assert job is not None
    assert job.at.frame == 3 * BAR
    h.began(job)
    h.change("knob", "beat")
    assert not h.wanted()


def test_one_change_a_bar_always_finds_its_bar_rendered() -> None:
    h = horizon(0)
    settle(h)
    for bar in range(1, 30):
        move(h, bar * BAR + 200)
        change = h.change("knob", "bar")
        assert change.at.frame == (bar + 1) * BAR
        jobs = settle(h)
        assert jobs[0].at.frame == change.at.frame and change.serial in jobs[0].obeys
        assert h.playable.holds(h.head.frame, (bar + 3) * BAR)


def test_a_pending_change_does_not_reach_forward_of_its_place() -> None:
    h = horizon(1800)
    late = h.change("knob", "bar")
    assert late.at.frame == 2 * BAR
    job = render(h)
    assert (job.obeys, job.end) == ((), 2 * BAR)
    assert render(h).obeys == (late.serial,)


def test_while_nothing_rolls_a_change_counts_from_the_bar_line() -> None:
    h = horizon(4700, rolling=False)
    settle(h)
    assert h.change("prompt", "bar").at.frame == 4000
    assert [job.at.frame for job in settle(h)] == [4000]


# ---- jumps and loops -------------------------------------------------------------------------


def test_a_visited_bar_is_not_rendered_again() -> None:
    h = horizon(0, rolling=False)
    settle(h)
    assert move(h, 10 * BAR, jumped=True)
    assert [job.at.bar for job in settle(h)] == [10]
    assert move(h, 0, jumped=True)
    assert settle(h) == []


def test_a_jump_gives_up_what_renders_elsewhere() -> None:
    h = horizon(100)
    job = h.next()
    assert job is not None
    h.began(job)
    move(h, 20 * BAR + 100, jumped=True)
    assert not h.wanted()
    h.ended()
    job = h.next()
    assert job is not None
    assert (job.at.frame, job.why) == (20 * BAR + 440, "under")


def test_a_job_that_meets_visited_bars_brings_a_seam() -> None:
    h = horizon(4 * BAR, rolling=False)
    settle(h)
    move(h, 3 * BAR, jumped=True)
    job = h.next()
    assert job is not None
    assert (job.at.frame, job.end, job.seam, job.until_bar) == (3 * BAR, 4 * BAR, True, 5)


def test_changes_that_wait_take_hold_at_once_after_a_jump() -> None:
    h = horizon(100)
    settle(h)
    change = h.change("knob", "bar")
    move(h, 10 * BAR, jumped=True)
    job = h.next()
    assert job is not None
    assert job.obeys == (change.serial,)


def test_near_a_loops_end_its_start_is_ahead() -> None:
    h = horizon(5 * BAR + 300, loop=(2 * BAR, 6 * BAR))
    jobs = settle(h)
    assert runs(jobs) == [(5 * BAR + 640, 6 * BAR), (2 * BAR, 4 * BAR)]
    assert not move(h, 2 * BAR + 5, jumped=True), "a loop's own jump is no locate"
    assert h.ready()[0] == pytest.approx(2 - 5 / BAR)


def test_a_change_near_a_loops_end_lands_on_its_start() -> None:
    h = horizon(5 * BAR + 1500, loop=(2 * BAR, 6 * BAR))
    settle(h)
    assert h.change("knob", "bar").at.frame == 2 * BAR
    assert runs(settle(h)) == [(2 * BAR, 4 * BAR)]
    move(h, 2 * BAR + 5, jumped=True)
    move(h, 3 * BAR + 5)
    assert [(job.at.frame, job.end) for job in settle(h)] == [(4 * BAR, 6 * BAR)]


def test_a_loop_of_one_bar_is_rendered_anew_after_a_change() -> None:
    h = horizon(2 * BAR, rolling=False, loop=(2 * BAR, 3 * BAR))
    settle(h)
    h.see(Head(2 * BAR + 100, True, (2 * BAR, 3 * BAR), 10))
    h.change("knob", "now")
    rendered = Spans()
    for step in range(400):
        move(h, 2 * BAR + (100 + step * 10) % BAR, jumped=(100 + step * 10) % BAR < 10)
        for job in settle(h):
            assert not job.at.frame <= h.head.frame < job.end, "the head's own frames are never rewritten"
            rendered.add(job.at.frame, job.end)
    assert rendered.holds(2 * BAR, 3 * BAR)


def test_the_same_jump_back_twice_is_a_loop() -> None:
    h = horizon(0)
    for lap in range(3):
        for frame in range(2 * BAR + 7, 4 * BAR, 10):
            move(h, frame, jumped=lap > 0 and frame == 2 * BAR + 7)
            settle(h)
    move(h, 3 * BAR + 1500)
    settle(h)
    assert h.change("knob", "bar").at.frame == 2 * BAR
    move(h, 4 * BAR + 100)
    assert h.change("knob", "bar").at.frame == 5 * BAR, "the head went on: no loop any more"


# ---- hold, panic, maps -----------------------------------------------------------------------


def test_held_bars_are_copied_ahead_and_never_rendered() -> None:
    h = horizon(0)
    settle(h)
    move(h, 2 * BAR + 100)
    settle(h)
    held = h.begin_hold(2)
    assert held is not None
    assert (held.at.frame, held.first) == (3 * BAR, 1)
    copies = []
    for bar in range(2, 8):
        move(h, bar * BAR + 100)
        while (copy := h.copy()) is not None:
            copies.append(copy)
            h.wrote(copy[0] * BAR, (copy[0] + 1) * BAR)
        assert h.next() is None
    assert copies == [(bar, 1 + (bar - 3) % 2) for bar in range(3, 10)]
    change = h.release()
    assert change.at.frame == 8 * BAR
    assert [job.at.frame for job in settle(h)] == [8 * BAR]


def test_bars_that_are_not_there_cannot_be_held() -> None:
    h = horizon(100)
    settle(h)
    assert h.begin_hold(1) is None
    assert h.hold is None


def test_silence_plans_nothing_and_cancels() -> None:
    h = horizon(100)
    job = h.next()
    assert job is not None
    h.began(job)
    h.silent = True
    assert not h.wanted()
    h.ended()
    assert h.next() is None and h.copy() is None


def test_a_new_map_begins_anew() -> None:
    h = horizon(100)
    settle(h)
    h.regrid(EvenGrid())
    assert h.ready() == (0.0, 100)
    assert runs(settle(h)) == [(440, 3 * BAR)]


def test_evicted_bars_are_rendered_again() -> None:
    h = horizon(0, rolling=False)
    settle(h)
    h.lost(BAR, BAR + 300)
    jobs = settle(h)
    assert [(job.at.frame, job.end, job.seam) for job in jobs] == [(BAR, BAR + 300, True)]


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


def test_landings_are_where_the_next_changes_take_hold() -> None:
    h = horizon(frame=100)
    settle(h)
    for quantise, step in (("beat", BAR // 4), ("bar", BAR)):
        first, second = h.landings(quantise)
        assert first == h.commit(quantise) and second.frame == first.frame + step
        assert h.change("note", quantise).at == first
    h.see(Head(100, False))
    assert h.landings("beat") == [h.commit("beat")] and h.landings("beat")[0].frame == 0


def test_landings_turn_with_the_loop() -> None:
    h = horizon(frame=3 * BAR - 600, loop=(BAR, 3 * BAR))
    assert [point.frame for point in h.landings("beat")] == [BAR, BAR + 500]
    h = horizon(frame=3 * BAR - 900, loop=(BAR, 3 * BAR))
    assert [point.frame for point in h.landings("beat")] == [3 * BAR - 500, BAR]


def test_a_change_right_behind_the_route_is_not_kept_waiting() -> None:
    """With one bar of look-ahead a change on a bar line may lie a bar further; it is rendered at once, and alone."""
    h = horizon(look_ahead_bars=1)
    h.found(0, 2 * BAR)
    h.see(Head(BAR - 300, True, block_frames=10))
    assert h.next() is None
    change = h.change("note", "bar")
    assert change.at.frame == 2 * BAR
    job = h.next()
    assert job is not None and job.at.frame == 2 * BAR and job.obeys == (change.serial,)
    h.began(job)
    assert h.wanted()
    h.wrote(job.at.frame, job.end)
    h.ended()
    assert h.next() is None
