"""The receding horizon under jumps and in loops."""

from __future__ import annotations

import pytest

from engine.horizon import Head
from engine.horizon.spans import Spans
from tests.horizon_helpers import BAR, horizon, move, runs, settle


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


def test_landings_turn_with_the_loop() -> None:
    h = horizon(frame=3 * BAR - 600, loop=(BAR, 3 * BAR))
    assert [point.frame for point in h.landings("beat")] == [BAR, BAR + 500]
    h = horizon(frame=3 * BAR - 900, loop=(BAR, 3 * BAR))
    assert [point.frame for point in h.landings("beat")] == [3 * BAR - 500, BAR]
