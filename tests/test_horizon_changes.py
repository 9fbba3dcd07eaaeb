"""The receding horizon: where changes land, what is rendered again for them, and what is let finish."""

from __future__ import annotations

import pytest

from engine.horizon import Head
from tests.horizon_helpers import BAR, horizon, move, render, runs, settle


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


def test_landings_are_where_the_next_changes_take_hold() -> None:
    h = horizon(frame=100)
    settle(h)
    for quantise, step in (("beat", BAR // 4), ("bar", BAR)):
        first, second = h.landings(quantise)
        assert first == h.commit(quantise) and second.frame == first.frame + step
        assert h.change("note", quantise).at == first
    h.see(Head(100, False))
    assert h.landings("beat") == [h.commit("beat")] and h.landings("beat")[0].frame == 0


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
