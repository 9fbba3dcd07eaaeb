"""The receding horizon: bars that are held, silence, new maps, evicted bars."""

from __future__ import annotations

from tests.horizon_helpers import BAR, EvenGrid, horizon, move, runs, settle


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
