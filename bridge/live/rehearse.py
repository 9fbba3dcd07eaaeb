"""Rehearsals of a live session: while nothing is to be rendered soon, the engine prepares the contexts of the places
where a note or a knob would take hold next, so that the answer to one need not wait for its context.

Where nobody has asked for anything for QUIET_NS, only bar lines are prepared: some 40 ms of work a bar.

A context is known again by its samples: one whose bars are written anew meanwhile, or whose place the head has passed,
is of no use and does no harm.

*Threading*: the live thread owns it. A look costs some microseconds, at most every LOOK_NS; a place that is new, or
whose sound was written anew, one reading of the cache (under a millisecond), at most one a look. What waits in the
engine is bounded (engine.resident.rehearsing) and is dropped when its place is passed.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from bridge.live.request import Context, context_of, request_for
from engine.horizon import Horizon
from engine.horizon.places import Point, Quantise
from engine.horizon.plans import Job

if TYPE_CHECKING:
    from bridge.live.session import LiveSession

LOOK_NS = 20_000_000
WAIT_NS = 200_000_000
QUIET_NS = 30_000_000_000
STANDING_S = 10.0
PLACES = 4
REMEMBERED = 32
Key = tuple[int, int, int]


class Rehearsing:
    """Which places are prepared, and which is next."""

    def __init__(self, session: LiveSession) -> None:
        self._session = session
        self._done: deque[Key] = deque(maxlen=REMEMBERED)
        self._contexts: dict[Key, Context] = {}
        self._look_ns = self._until_ns = 0
        self._waits_for: int | None = None
        self.asked = 0

    def tick(self, horizon: Horizon, now_ns: int) -> None:
        """Nothing is to be rendered now: prepare one place more, where there is one."""
        if now_ns >= self._look_ns:
            self._look_ns = now_ns + LOOK_NS
            self._prepare_next(horizon)

    def goes_first(self, horizon: Horizon, job: Job, now_ns: int) -> bool:
        """Whether a job that is due much later waits, WAIT_NS at most, until the next places are prepared.

        A note that comes while it renders then finds them so.
        """
        spare = horizon.distance(job.at.frame) - 2 * horizon.reach_frames
        if job.why != "ahead" or not horizon.head.rolling or spare * 1_000_000_000 < 2 * WAIT_NS * horizon.rate:
            return False
        if self._waits_for != job.at.frame:
            self._waits_for, self._until_ns = job.at.frame, now_ns + WAIT_NS
        if now_ns >= self._until_ns:
            return False
        return self._session.jobs.rehearses or self._prepare_next(horizon)

    def context(self, job: Job) -> Context | None:
        """The context of a job's place as it was rehearsed, where it is still what the cache holds."""
        return self._contexts.get(self._key(job.at))

    def places(self, horizon: Horizon) -> list[Point]:
        """Where notes and knobs would take hold, the likeliest first; none on a grid too fine to foresee."""
        found: list[Point] = []
        for quantise in self._grids():
            if quantise != "now":
                found += [point for point in horizon.landings(quantise) if point not in found]
        return found[:PLACES]

    def _grids(self) -> tuple[Quantise, ...]:
        """Of notes, then of knobs and words."""
        session = self._session
        if not session.asks.since(session.now_ns() - QUIET_NS):
            return ("bar",)
        notes: Quantise = "beat" if session.melody.policy == "now" else "bar"
        if session.melody.policy != "echo":
            notes = session.quantise or notes
        return notes, session.quantise or "bar"

    def _key(self, point: Point) -> Key:
        writer = self._session.writer
        return point.frame, self._session.side.generation, 0 if writer is None else writer.stores

    def _prepare_next(self, horizon: Horizon) -> bool:
        """Have the first place prepared that is not; False where all are, or it has nothing that could be."""
        for number, point in enumerate(self.places(horizon)):
            key = self._key(point)
            if key not in self._done:
                self._done.append(key)
                return self._prepare(horizon, number, point)
        return False

    def _prepare(self, horizon: Horizon, number: int, point: Point) -> bool:
        session, song = self._session, self._session.song
        assert song is not None
        job = Job(0, point, point.bar + 1, horizon.grid.frame(point.bar + 1), "change")
        context = context_of(session.side, song, job)
        if context is None:
            return False
        if context.own:
            self._contexts[self._key(point)] = context
            while len(self._contexts) > PLACES:
                del self._contexts[next(iter(self._contexts))]
        name = f"{session.side.instance}-{number}"
        request, inline = request_for(f"rehearse-{name}", job, song, session.asks.wishes, context, None)
        asked = session.jobs.rehearse(name, request, inline, self._seconds(horizon, point))
        self.asked += asked
        return asked

    def _seconds(self, horizon: Horizon, point: Point) -> float:
        """For how long a change could still take hold there."""
        if not horizon.head.rolling:
            return STANDING_S
        return max(0.0, (horizon.distance(point.frame) - horizon.reach_frames) / horizon.rate)
