"""The search on problems whose answer is known: it ends where and when it should, never worse than it began."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor

from engine.control import optimise as O

SHAPE = (1, 6, 8)


def drawn(seed: int) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def same(noise: Tensor, passes: int, check: O.Check) -> Tensor:
    check()
    return noise


def towards(goal: Tensor, enough: float = 0.0) -> O.Judge:
    def judge(latents: Tensor) -> O.Verdict:
        loss = (latents - goal).square().mean()
        return O.Verdict(loss, {"distance": float(loss.detach())}, float(loss.detach()) <= enough)

    return judge


def goal_of(start: Tensor, seed: int = 9) -> Tensor:
    """Somewhere else of the same length."""
    goal = drawn(seed)
    return goal * start.norm() / goal.norm()


class Clock:
    """Moves a tenth of a second each time it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.1
        return self.now


def test_a_quadratic_is_solved_on_the_sphere_of_its_start() -> None:
    start = drawn(0)
    goal = goal_of(start)
    found = O.optimise(same, towards(goal), start, O.Budget(400), rate=0.05)
    assert found.ended == "done" and found.iterations == 400
    assert found.start == pytest.approx(float((start - goal).square().mean()))
    assert found.best < 1e-3 * found.start
    assert found.terms["distance"] == found.best and found.start_terms["distance"] == found.start
    assert float(found.noise.norm()) == pytest.approx(float(start.norm()), rel=1e-4)


@settings(max_examples=20)
@hypothesis_given(st.floats(1e-3, 50.0), st.integers(1, 12), st.integers(0, 100))
def test_it_is_never_worse_than_the_start(rate: float, iterations: int, seed: int) -> None:
    """Also at rates that overshoot, on a loss with many valleys; the loss told is that of the noise given back."""

    def judge(latents: Tensor) -> O.Verdict:
        return O.Verdict((3 * latents).cos().mean() + 0.1 * latents.square().mean(), {})

    found = O.optimise(same, judge, drawn(seed), O.Budget(iterations), rate=rate)
    assert found.best <= found.start
    assert float(judge(found.noise).loss) == pytest.approx(found.best, abs=1e-6)


def test_it_stops_when_the_target_is_met() -> None:
    start = drawn(0)
    found = O.optimise(same, towards(goal_of(start), enough=0.1), start, O.Budget(1000), rate=0.05)
    assert found.ended == "met" and found.iterations < 200
    assert found.best <= 0.1
    met = O.optimise(same, towards(start, enough=0.1), start, O.Budget(1000))
    assert met.ended == "met" and met.iterations == 1 and torch.equal(met.noise, start)


def passes_seen(budget: O.Budget, schedule: O.Schedule, enough: float = 0.0) -> list[int]:
    seen: list[int] = []
    start = drawn(0)

    def make(noise: Tensor, passes: int, check: O.Check) -> Tensor:
        seen.append(passes)
        return noise

    O.optimise(make, towards(goal_of(start), enough), start, budget, schedule)
    return seen


@pytest.mark.parametrize("iterations", [8, 16, 40, 80])
def test_the_adaptive_schedule_is_the_papers(iterations: int) -> None:
    """M = 1 for K/2 iterations, 2 for 3K/8, 4 for K/8."""
    seen = passes_seen(O.Budget(iterations), O.ADAPTIVE)
    assert seen == [1] * (iterations // 2) + [2] * (3 * iterations // 8) + [4] * (iterations // 8)


def test_a_phase_that_is_met_makes_room_for_the_next() -> None:
    seen = passes_seen(O.Budget(800), O.ADAPTIVE, enough=0.1)
    assert sorted(seen) == seen and set(seen) == {1, 2, 4} and seen.count(4) == 1 and len(seen) < 200


def test_a_later_phase_begins_from_the_best_of_the_one_before() -> None:
    """Two passes see another landscape: what counts is the best noise in it, the start's loss stays the first."""
    start = drawn(0)
    near, far = goal_of(start, 1), goal_of(start, 2)
    begun: list[Tensor] = []

    def make(noise: Tensor, passes: int, check: O.Check) -> Tensor:
        if passes == 2 and not begun:
            begun.append(noise.detach().clone())
        return noise - (near if passes == 1 else far)

    found = O.optimise(
        make, towards(torch.zeros(SHAPE)), start, O.Budget(60), O.Schedule(((0.5, 1), (0.5, 2))), rate=0.2
    )
    assert len(found.bests) == 2 and torch.equal(begun[0], found.bests[0])
    assert torch.equal(found.noise, found.bests[1])
    assert found.start == pytest.approx(float((start - near).square().mean()))
    assert found.best == pytest.approx(float((found.noise - far).square().mean()))


@pytest.mark.parametrize("seconds", [0.5, 3.0, 10.0])
def test_a_time_budget_is_kept(seconds: float) -> None:
    """On a clock that jumps a tenth at every look; an iteration that would not fit any more is not begun."""
    clock, start = Clock(), drawn(0)
    ends: list[float] = []
    found = O.optimise(
        same, towards(goal_of(start)), start, O.Budget(seconds=seconds), clock=clock,
        told=lambda step: ends.append(step.seconds),
    )  # fmt: skip
    assert found.iterations == len(ends) >= 1
    assert max(ends) <= max(seconds, 0.6) + 0.3
    if seconds > 1:
        assert max(ends) > seconds - 1.2


def test_time_is_shared_by_what_the_phases_cost() -> None:
    """Of 1.75 units a share of K: 0.5 at one pass, 0.75 at two, 0.5 at four."""
    budget, counted = O.Budget(seconds=1.75), []
    for tick in range(175):
        counted.append(O.ADAPTIVE.phases[O.ADAPTIVE.phase(budget, 0, tick / 100)][1])
    assert [counted.count(passes) for passes in (1, 2, 4)] == [50, 75, 50]


@pytest.mark.parametrize("after", [0, 1, 2, 5, 11, 30])
def test_a_cancel_gives_the_best_so_far(after: int) -> None:
    start, looks = drawn(0), [0]
    goal = goal_of(start)
    seen: list[float] = []

    def cancelled() -> bool:
        looks[0] += 1
        return looks[0] > after

    judge = towards(goal)

    def heard(latents: Tensor) -> O.Verdict:
        verdict = judge(latents)
        seen.append(float(verdict.loss.detach()))
        return verdict

    found = O.optimise(same, heard, start, O.Budget(1000), cancelled=cancelled)
    assert found.ended == "cancelled"
    if seen:
        assert found.best == min(seen) == pytest.approx(float((found.noise - goal).square().mean()))
    else:
        assert torch.equal(found.noise, start) and math.isinf(found.best)


def test_the_way_back_is_looked_at_too() -> None:
    """A cancel that comes after the loss is known is seen between the passes of the gradient."""
    start, back = drawn(0), [0]
    judged = [False]

    def make(noise: Tensor, passes: int, check: O.Check) -> Tensor:
        def look() -> None:
            back[0] += judged[0]
            check()

        z = noise
        for _ in range(4):
            z = O.watched(1.1 * z, look)
        return z

    def judge(latents: Tensor) -> O.Verdict:
        judged[0] = True
        return O.Verdict(latents.square().mean(), {})

    found = O.optimise(make, judge, start, O.Budget(5), cancelled=lambda: back[0] >= 2)
    assert found.ended == "cancelled" and back[0] == 2
    assert torch.equal(found.noise, start)


def test_progress_tells_every_iteration() -> None:
    start = drawn(0)
    steps: list[O.Step] = []
    told: Callable[[O.Step], None] = steps.append
    O.optimise(same, towards(goal_of(start)), start, O.Budget(16), O.ADAPTIVE, told=told)
    assert [step.iteration for step in steps] == list(range(1, 17))
    assert [step.share for step in steps] == pytest.approx([k / 16 for k in range(1, 17)])
    assert steps[0].loss > steps[-1].loss == pytest.approx(steps[-1].terms["distance"])
