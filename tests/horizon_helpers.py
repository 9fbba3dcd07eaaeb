"""For the tests of the receding horizon: an even grid, and a model host that turns jobs into audio."""

from __future__ import annotations

from fractions import Fraction

from engine.horizon import Head, Horizon, Job

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
