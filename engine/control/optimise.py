"""Algorithm 1 of DITTO-2, lines 1-6: search the starting noise by gradient, through few steps of a student.

The search knows neither music nor model: `make` turns noise and a number of passes into latents, `judge` latents
into a loss. Nothing but the noise learns.

*Threading*: runs in its caller's thread. `cancelled` is asked before each pass, between the passes of the way back,
and at each iteration; the search then ends with the best noise that it has seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

RATE = 0.03
"""Adam's step: small, so that the noise goes no further from a random draw than the target asks."""
Check = Callable[[], None]
Make = Callable[[Tensor, int, Check], Tensor]
"""make(noise, passes, check) -> latents; calls check before each pass."""
Terms = dict[str, float]
Ending = Literal["done", "met", "cancelled"]


@dataclass(frozen=True)
class Verdict:
    """loss: what is lowered, a scalar; terms: each target's own loss; met: all targets are near enough."""

    loss: Tensor
    terms: Terms
    met: bool = False


Judge = Callable[[Tensor], Verdict]


@dataclass(frozen=True)
class Budget:
    """Iterations, seconds, or whichever ends first. At least one of them is given."""

    iterations: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Schedule:
    """Passes of the student an iteration: (share of the iterations, passes), in order; shares add up to 1."""

    phases: tuple[tuple[float, int], ...]

    def phase(self, budget: Budget, iteration: int, seconds: float) -> int:
        """The phase of the iteration that comes after `iteration` ones and so many seconds.

        Within a time budget a phase gets the share of time that its share of iterations costs.
        """
        by_time = budget.iterations is None
        cost = [share * (passes if by_time else 1) for share, passes in self.phases]
        done = seconds / (budget.seconds or 1.0) if by_time else iteration / (budget.iterations or 1)
        reached = 0.0
        for index, share in enumerate(cost):
            reached += share / sum(cost)
            if done < reached - 1e-9:
                return index
        return len(self.phases) - 1


SINGLE = Schedule(((1.0, 1),))
"""M = 1 throughout."""
ADAPTIVE = Schedule(((1 / 2, 1), (3 / 8, 2), (1 / 8, 4)))
"""M = 1 for K/2 iterations, 2 for 3K/8, 4 for K/8 (DITTO-2, 5.3)."""


@dataclass(frozen=True)
class Step:
    """What is told after each iteration. share: of the budget that is spent, 0..1."""

    iteration: int
    passes: int
    loss: float
    terms: Terms
    share: float
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """noise: the best that was seen in the last number of passes; bests: of each number of passes, in order.

    start and best are the losses of the first iteration and of `noise`, start_terms and terms their parts.
    """

    noise: Tensor
    bests: tuple[Tensor, ...]
    start: float
    best: float
    start_terms: Terms
    terms: Terms
    iterations: int
    seconds: float
    ended: Ending


class _Stopped(Exception):
    """The search was cancelled in the middle of an iteration."""


@dataclass
class _Best:
    """The best noise in one number of passes."""

    passes: int
    loss: float = float("inf")
    noise: Tensor = field(default_factory=lambda: torch.zeros(0))
    terms: Terms = field(default_factory=dict)
    met: bool = False

    def see(self, noise: Tensor, verdict: Verdict) -> None:
        loss = float(verdict.loss.detach())
        if loss < self.loss:
            self.loss, self.noise, self.terms, self.met = loss, noise.detach().clone(), verdict.terms, verdict.met


def optimise(
    make: Make,
    judge: Judge,
    start: Tensor,
    budget: Budget,
    schedule: Schedule = SINGLE,
    rate: float = RATE,
    told: Callable[[Step], None] = lambda step: None,
    cancelled: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.perf_counter,
) -> Outcome:
    """Search from noise `start` [B, N, D] by Adam. Each iteration judges the noise first and moves it then.

    The noise keeps the length that it began with, that of a random draw: off it, the student was never trained.
    A phase begins from the best noise of the one before. One whose targets are met ends early.
    """
    assert budget.iterations is not None or budget.seconds is not None
    began = clock()
    bests: list[_Best] = []
    first: _Best | None = None
    ended: Ending = "done"
    iteration, latest, phase = 0, 0.0, 0
    noise, adam = _leaf(start, rate)
    try:
        while not _spent(budget, iteration, clock() - began, latest):
            _look(cancelled)
            at = clock()
            phase = max(phase, schedule.phase(budget, iteration, at - began))
            passes = schedule.phases[phase][1]
            if not bests or bests[-1].passes != passes:
                noise, adam = _leaf(bests[-1].noise if bests else start, rate)
                bests.append(_Best(passes))
            verdict = _iterate(make, judge, noise, adam, passes, bests[-1], cancelled)
            first = first or replace(bests[-1])
            iteration += 1
            latest = clock() - at
            share = _share(budget, iteration, clock() - began)
            told(Step(iteration, passes, float(verdict.loss.detach()), verdict.terms, share, clock() - began))
            if verdict.met and phase == len(schedule.phases) - 1:
                ended = "met"
                break
            phase += verdict.met
            _rescale(noise, start)
    except _Stopped:
        ended = "cancelled"
    return _outcome([best for best in bests if best.noise.numel()], first, start, iteration, clock() - began, ended)


def _iterate(
    make: Make,
    judge: Judge,
    noise: Tensor,
    adam: torch.optim.Adam,
    passes: int,
    best: _Best,
    cancelled: Callable[[], bool],
) -> Verdict:
    """Judge the noise, and move it where it falls short."""

    def check() -> None:
        _look(cancelled)

    with torch.enable_grad():
        latents = make(noise, passes, check)
        check()
        verdict = judge(latents)
        best.see(noise, verdict)
        if not verdict.met:
            check()
            adam.zero_grad(set_to_none=True)
            torch.autograd.backward(verdict.loss)
            adam.step()
    return verdict


def watched(z: Tensor, check: Check) -> Tensor:
    """z, with a look at `check` on the way back through it."""
    if z.requires_grad:
        z.register_hook(lambda _: check())  # type: ignore[no-untyped-call]
    return z


def _look(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise _Stopped


def _leaf(noise: Tensor, rate: float) -> tuple[Tensor, torch.optim.Adam]:
    leaf = noise.detach().clone().requires_grad_(True)
    return leaf, torch.optim.Adam([leaf], lr=rate)


@torch.no_grad()
def _rescale(noise: Tensor, start: Tensor) -> None:
    """Back to the length of the start, clip by clip, in place."""
    size = start.flatten(1).norm(dim=1) / noise.flatten(1).norm(dim=1).clamp_min(1e-12)
    noise.mul_(size.reshape(-1, *[1] * (noise.dim() - 1)))


def _share(budget: Budget, iteration: int, seconds: float) -> float:
    shares = [iteration / budget.iterations] if budget.iterations else []
    shares += [seconds / budget.seconds] if budget.seconds else []
    return min(1.0, max(shares, default=1.0))


def _spent(budget: Budget, iteration: int, seconds: float, latest: float) -> bool:
    """Whether no further iteration fits, if it takes as long as the latest; the first always does."""
    if budget.iterations is not None and iteration >= budget.iterations:
        return True
    return budget.seconds is not None and iteration > 0 and seconds + latest > budget.seconds


def _outcome(
    bests: Sequence[_Best], first: _Best | None, start: Tensor, iterations: int, seconds: float, ended: Ending
) -> Outcome:
    """What was found; the start itself where nothing was judged."""
    if first is None or not bests:
        noise, unknown = start.detach().clone(), float("inf")
        return Outcome(noise, (noise,), unknown, unknown, {}, {}, iterations, seconds, ended)
    last = bests[-1]
    found = tuple(best.noise for best in bests)
    return Outcome(last.noise, found, first.loss, last.loss, first.terms, last.terms, iterations, seconds, ended)
