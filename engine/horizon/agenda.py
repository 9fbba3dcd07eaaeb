"""What to render next: what is missing and heard soonest, and whether a running job is still worth its while."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from engine.horizon.places import down, up
from engine.horizon.plans import Change, Hold, Job, Why
from engine.horizon.stock import MAX_WALK, Stock

MAX_JOB_BARS = 4
SOONER_S = 0.25
SHORT_S = 0.5


@dataclass
class Agenda(Stock):
    """A stock and what is asked of it. silent: nothing is to be rendered; running: the job under way, which has written
    until `_written`."""

    look_ahead_bars: int = 2
    silent: bool = False
    hold: Hold | None = None
    running: Job | None = None
    _pending: list[Change] = field(default_factory=list)
    """Changes that no job has followed yet."""
    _written: int = 0
    _serial: int = 0

    @property
    def written(self) -> int:
        """Until where the running job has written."""
        return self._written

    def next(self) -> Job | None:
        """The job to begin now; None while one runs, bars are held, or nothing is missing."""
        return None if self.running or self.hold else self._plan()

    def copy(self) -> tuple[int, int] | None:
        """While bars are held: (the bar to fill, the bar to fill it with); None when all are filled."""
        if self.hold is None or self.silent:
            return None
        for first, end in self.route():
            if (gap := self.fresh.gap(first, end)) is not None:
                bar = self.grid.bar_at(gap)
                return bar, self.hold.source(bar)
        return None

    @property
    def served(self) -> bool:
        """Whether all that the running job was begun for is written; what it still renders is for nobody."""
        job = self.running
        return job is not None and self._written >= job.end + (self._seam if job.seam else 0)

    def wanted(self) -> bool:
        """Whether the running job is still of use. If not: cancel it and drop what it sends.

        It is not where a change, a hold or a jump has made all of its rest worthless, or where
        something else is heard sooner and is not there.
        """
        job = self.running
        if job is None or self.silent or self.hold:
            return False
        if self.served:
            return False
        rest = max(job.at.frame, self._written)
        if any(self._is_ahead(change.at.frame, rest) for change in self._pending):
            return False
        heard = [*islice(self._walk(self.head.frame), self.look_ahead_bars + 2), *self.route()]
        if not any(first < job.end and rest < end for first, end in heard):
            return False
        want = self._plan()
        if want is None or job.at.frame <= want.at.frame < job.end:
            return True
        return self.distance(rest) - self.distance(want.at.frame) <= SOONER_S * self.rate

    def route(self) -> Iterator[tuple[int, int]]:
        """What will be heard from the commit point on, in order: stretches of at most one bar.

        The bar under the head and the next `look_ahead_bars`; at least one stretch, however late renders are. A
        change that takes hold in the stretch behind them is not kept waiting for the head: it counts as well.
        """
        commit = self._soonest()
        reached = False
        for n, (first, end) in enumerate(islice(self._walk(self.head.frame), MAX_WALK)):
            if reached and n > self.look_ahead_bars + self._is_asked_for(first, end):
                return
            if reached or first <= commit < end or not self.head.rolling:
                yield (first if reached else commit), end
                reached = True

    def ready(self) -> tuple[float, int]:
        """How many bars from the head on can be played without a gap, and until which frame."""
        bars, until = 0.0, self.head.frame
        for first, end in islice(self._walk(self.head.frame), MAX_WALK):
            until = min(end, self.playable.until(first))
            bar = self.grid.bar_at(first)
            bars += (until - first) / max(1, self.grid.frame(bar + 1) - self.grid.frame(bar))
            if until < end:
                return bars, until
        return max(bars, float(self.look_ahead_bars)), until

    def protected(self, context_frames: int) -> list[tuple[int, int]]:
        """What eviction must spare: the context of the head's bar, the route, and a whole loop."""
        ranges = list(islice(self._walk(self.head.frame), self.look_ahead_bars + 2))
        bar = self.grid.frame(self.grid.bar_at(self.head.frame))
        loop = self._loop_at(self.head.frame)
        return [(max(0, bar - context_frames), self.head.frame), *ranges, *([loop] if loop else [])]

    def _soonest(self) -> int:
        """Where rendering begins: the commit point; before it in a gap, where each frame in time is one more heard."""
        commit = self.commit().frame
        soon = self.head.frame + self.safe_frames + round(self.least_latency_s * self.rate)
        if self.head.rolling and self.head.frame < soon < commit and self.playable.until(soon) == soon:
            return soon
        return commit

    def _is_asked_for(self, first: int, end: int) -> bool:
        """Whether a change that no job follows yet takes hold in first..end."""
        return any(first <= change.at.frame < end for change in self._pending)

    def _runs_out(self) -> bool:
        """Whether what can be played ends before another render could be heard."""
        left = self.playable.until(self.head.frame) - self.head.frame
        return self.head.rolling and left < 2 * self.reach_frames

    def _plan(self) -> Job | None:
        """What is missing and heard soonest, as if nothing were rendering."""
        if self.silent:
            return None
        stretches = list(self.route())
        for n, (first, end) in enumerate(stretches):
            if (gap := self.fresh.gap(first, end)) is not None:
                return self._job(gap, first, [end, *(b for _, b in stretches[n + 1 :])])
        return None

    def _job(self, gap: int, floor: int, ends: list[int]) -> Job:
        """From a gap to the end of its bar, and on through what is missing behind it.

        What is heard soon is rendered by itself, no more than it takes to be ahead again: a short job is out sooner.
        """
        at = down(self.grid, gap)
        if at.frame < floor:
            at = up(self.grid, floor, "now")
        due = [change for change in self._pending if self._is_ahead(change.at.frame, at.frame)]
        end = min([self._end_of(at.frame, ends), *(c.at.frame for c in self._pending if at.frame < c.at.frame)])
        why: Why = "change" if due else "ahead" if self.playable.until(self.head.frame) >= at.frame else "under"
        loop = self._loop_at(at.frame)
        seam = not (loop and end == loop[1]) and self._meets_bars(end)
        until = self.grid.bar_at(end + (self._seam if seam else 0) - 1) + 1
        self._serial += 1
        return Job(self._serial, at, until, end, why, tuple(change.serial for change in due), seam)

    def _end_of(self, at: int, ends: list[int]) -> int:
        """The end of a job that begins at a frame; `ends` of the stretches from there on."""
        end = self.fresh.start_after(at, ends[0])
        urgent = self.head.rolling and at - self.head.frame <= 2 * self.reach_frames
        for following in ends[1:MAX_JOB_BARS]:
            if self.fresh.gap(end, following) != end or self.grid.bar_at(end) != self.grid.bar_at(end - 1) + 1:
                break
            if urgent and end - at >= max(SHORT_S, 2 * self.latency_s) * self.rate:
                break
            end = self.fresh.start_after(end, following)
        return end

    def _meets_bars(self, end: int) -> bool:
        """Whether bars that stay begin at `end`, long enough for a seam in the bar there."""
        if not self.fresh.holds(end, end + self._seam):
            return False
        return self.grid.bar_at(end + self._seam - 1) - self.grid.bar_at(end - 1) <= 1
