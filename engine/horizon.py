"""What to render when: the receding horizon of a live session.

The play head moves over the bars of a project; a timeline cache holds audio by project frame. A
`Horizon` is told where the head is, what the cache holds, how long a render takes and what the
player changed. It answers with the next job, with what a running job is still good for, and with
what eviction must spare.

What lies before the *commit point* (play head, two blocks, the seam, the measured latency) is
too late to change; what lies after it is only planned. A change takes hold at the commit point,
rounded up to its grid, and makes all that is heard after it stale: playable, but to be rendered again.

*Threading*: none; pure state without I/O, clock or threads. One owner calls it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from engine.loops import Loops, wrapped
from engine.places import Grid, Point, Quantise, down, up
from engine.plans import Change, Head, Hold, Job, Why
from engine.spans import Spans
from engine.types import SEAM_SECONDS

__all__ = ["Change", "Grid", "Head", "Hold", "Horizon", "Job", "Point", "Quantise"]

MARGIN_BLOCKS = 2
MAX_JOB_BARS = 4
MAX_WALK = 128
MAX_PENDING = 64
SOONER_S = 0.25
SHORT_S = 0.5
FOREVER = 1 << 62


@dataclass
class Horizon:
    """The state of one session; see the module."""

    grid: Grid
    rate: int
    look_ahead_bars: int = 2
    latency_s: float = 0.3
    least_latency_s: float = 0.3
    silent: bool = False
    head: Head = field(default_factory=lambda: Head(0, False))
    hold: Hold | None = None
    running: Job | None = None
    playable: Spans = field(default_factory=Spans)
    fresh: Spans = field(default_factory=Spans)
    _pending: list[Change] = field(default_factory=list)
    _later: Spans = field(default_factory=Spans)
    _loops: Loops = field(init=False)
    _serial: int = 0
    _written: int = 0

    def __post_init__(self) -> None:
        self._loops = Loops(self.rate)

    # ---- what it is told -----------------------------------------------------------------

    def see(self, head: Head, jumped: bool = False) -> bool:
        """The head is here now. True where it was located elsewhere (a loop's own jump is none)."""
        before, self.head = self.head, head
        if not jumped:
            self._loops.rolled_on(head)
            return False
        for first, end in self._later:
            self.fresh.remove(first, end)
        self._later.clear()
        if self._loops.jumped(before, head, self.grid):
            return False
        self._pending = [replace(change, at=Point(-FOREVER, 0)) for change in self._pending]
        return True

    def wrote(self, first: int, end: int) -> None:
        """The cache now holds what is wanted in first..end."""
        self.playable.add(first, end)
        self.fresh.add(first, end)
        self._advance(first, end)

    def spared(self, first: int, end: int) -> None:
        """The cache had no room for first..end: it is not there, and rendering it again would not help."""
        self.fresh.add(first, end)
        self._advance(first, end)

    def found(self, first: int, end: int) -> None:
        """The cache turned out to hold first..end: from before this engine, or carried over."""
        self.playable.add(first, end)
        self.fresh.add(first, end)

    def lost(self, first: int, end: int) -> None:
        """The cache does not hold first..end any more: evicted, or dropped."""
        self.playable.remove(first, end)
        self.fresh.remove(first, end)

    def compare(self, first: int, end: int, there: Sequence[tuple[int, int]]) -> None:
        """The cache was looked at: of first..end it holds `there`, whoever wrote it. What was known stays as it is."""
        at = first
        for begin, stop in (*there, (end, end)):
            self.lost(at, begin)
            for gap in self.playable.missing(begin, stop):
                self.found(*gap)
            at = stop

    def regrid(self, grid: Grid) -> None:
        """The tempo map changed: nothing in the cache is valid, nothing is held, the running job is void."""
        self.grid, self.hold, self.running = grid, None, None
        self._loops.forget()
        self._pending = [replace(change, at=Point(-FOREVER, 0)) for change in self._pending]
        self.playable.clear()
        self.fresh.clear()

    def change(self, kind: str, quantise: Quantise) -> Change:
        """The player asked for something: where it takes hold. All that is heard after it is stale.

        Where the head is about to run out of bars, the render that is on its way to it comes first.
        """
        at = self.commit(quantise)
        job = self.running
        if job is not None and job.at.frame < at.frame < job.end and self._runs_out():
            at = up(self.grid, job.end, "now")
        self._serial += 1
        full = len(self._pending) >= MAX_PENDING
        old = [c for c in self._pending if c.kind == kind and (full or c.at.frame == at.frame)]
        change = Change(self._serial, kind, at, tuple(c.serial for c in old))
        self._pending = [*(c for c in self._pending if c not in old), change]
        if self.hold is None:
            self._stale_from(at.frame)
        return change

    def began(self, job: Job) -> None:
        """This job was submitted; the changes that it follows are no longer pending."""
        self.running, self._written = job, job.at.frame
        self._pending = [change for change in self._pending if change.serial not in job.obeys]

    def ended(self) -> None:
        """The running job came to its end, whatever way."""
        self.running = None

    def begin_hold(self, bars: int) -> Hold | None:
        """Repeat the last `bars` whole bars before the commit point; None where the cache lacks them."""
        at = self.commit("bar")
        first = at.bar - bars
        if not self.playable.holds(self.grid.frame(first), at.frame):
            return None
        self.hold = Hold(at, first, bars)
        self._stale_from(at.frame)
        return self.hold

    def release(self) -> Change:
        """End the hold: from the next bar on, new bars are rendered that continue the held ones."""
        self.hold = None
        return self.change("release", "bar")

    # ---- what it answers -----------------------------------------------------------------

    @property
    def written(self) -> int:
        """Until where the running job has written."""
        return self._written

    def planned(self, frame: int) -> list[tuple[int, int]]:
        """What could be played from `frame` on without a break: what a panic drops."""
        found = []
        for first, end in islice(self._walk(frame), MAX_WALK):
            until = min(end, self.playable.until(first))
            found.append((first, until))
            if until < end:
                break
        return [(first, until) for first, until in found if first < until]

    @property
    def reach_frames(self) -> int:
        """How far ahead of a rolling head a render begun now is heard in full."""
        return self.safe_frames + round(self.latency_s * self.rate)

    @property
    def safe_frames(self) -> int:
        """How far ahead of a rolling head the cache may still be written without being heard half way."""
        return MARGIN_BLOCKS * self.head.block_frames + self._seam

    def commit(self, quantise: Quantise = "now") -> Point:
        """The first place on the grid that a render begun now can still change.

        Where the head stands still that is the line of its own bar, so that play starts with whole bars.
        """
        if not self.head.rolling:
            bar = self.grid.bar_at(self.head.frame)
            return Point(self.grid.frame(bar), bar)
        loop = self._loop_at(self.head.frame)
        point = up(self.grid, wrapped(self.head.frame + self.reach_frames, loop), quantise)
        if loop and self.head.frame < loop[1] <= point.frame:
            return up(self.grid, loop[0], "now")
        return point

    def landings(self, quantise: Quantise) -> list[Point]:
        """Where a change asked for now would take hold, and where the next one would that no longer lands there."""
        first = self.commit(quantise)
        if not self.head.rolling:
            return [first]
        loop, second = self._loop_at(self.head.frame), up(self.grid, first.frame + 1, quantise)
        if loop and first.frame < loop[1] <= second.frame:
            second = up(self.grid, loop[0], "now")
        return [first, second]

    def distance(self, frame: int) -> int:
        """How many frames from now a frame is heard, by the loop's way."""
        return self._distance(frame)

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

    def wanted(self) -> bool:
        """Whether the running job is still of use. If not: cancel it and drop what it sends.

        It is not where a change, a hold or a jump has made all of its rest worthless, or where
        something else is heard sooner and is not there.
        """
        job = self.running
        if job is None or self.silent or self.hold:
            return False
        if self._written >= job.end + (self._seam if job.seam else 0):
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
        return self._distance(rest) - self._distance(want.at.frame) <= SOONER_S * self.rate

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

    # ---- inside --------------------------------------------------------------------------

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
        end = self.fresh.start_after(at.frame, ends[0])
        urgent = self.head.rolling and at.frame - self.head.frame <= 2 * self.reach_frames
        for following in ends[1:MAX_JOB_BARS]:
            if self.fresh.gap(end, following) != end or self.grid.bar_at(end) != self.grid.bar_at(end - 1) + 1:
                break
            if urgent and end - at.frame >= max(SHORT_S, 2 * self.latency_s) * self.rate:
                break
            end = self.fresh.start_after(end, following)
        due = [change for change in self._pending if self._is_ahead(change.at.frame, at.frame)]
        end = min([end, *(c.at.frame for c in self._pending if at.frame < c.at.frame)])
        why: Why = "change" if due else "ahead" if self.playable.until(self.head.frame) >= at.frame else "under"
        loop = self._loop_at(at.frame)
        last = self.grid.bar_at(end - 1)
        seam = self.fresh.holds(end, end + self._seam) and not (loop and end == loop[1])
        seam = seam and self.grid.bar_at(end + self._seam - 1) - last <= 1
        until = self.grid.bar_at(end + self._seam - 1) + 1 if seam else last + 1
        self._serial += 1
        return Job(self._serial, at, until, end, why, tuple(change.serial for change in due), seam)

    def _advance(self, first: int, end: int) -> None:
        if self.running is not None and self.running.at.frame <= first:
            self._written = max(self._written, end)

    def _stale_from(self, frame: int) -> None:
        """All that is heard from `frame` on is to be rendered again; a running job ends there.

        In a loop, what is heard before `frame` now comes after it in the next turn, and is stale from then on.
        """
        loop = self._loop_at(self.head.frame)
        if loop and loop[0] <= frame < loop[1]:
            turn = max(loop[0], self.head.frame)
            heard_first = (turn, loop[1]) if frame < turn else (turn, frame)
            self.fresh.remove(loop[0] if frame >= turn else frame, turn)
            self.fresh.remove(max(frame, heard_first[1]), FOREVER)
            self._later.add(*heard_first)
        else:
            self.fresh.remove(frame, FOREVER)
        job = self.running
        if job is not None and job.at.frame < frame < job.end:
            self.running = replace(job, end=frame, seam=False)

    def _walk(self, frame: int) -> Iterator[tuple[int, int]]:
        """Stretches of at most one bar in the order in which they are heard; a loop's are told once.

        What was just heard and is stale is left out until the head has left its bar.
        """
        loop, floor = self._loop_at(frame), frame
        if not self.fresh.holds(frame, frame + 1):
            floor = self.grid.frame(self.grid.bar_at(frame))
        at, turned = frame, False
        while not (turned and at >= floor):
            end = self.grid.frame(self.grid.bar_at(at) + 1)
            if loop and at < loop[1]:
                end = min(end, loop[1])
            if turned:
                end = min(end, floor)
            yield at, end
            at = end
            if loop and end == loop[1]:
                at, turned = loop[0], True

    def _is_ahead(self, first: int, second: int) -> bool:
        """Whether `first` is heard no later than `second`, from the head on."""
        return self._distance(first) <= self._distance(second)

    def _distance(self, frame: int) -> int:
        loop = self._loop_at(self.head.frame)
        if loop and loop[0] <= frame < self.head.frame:
            return loop[1] - self.head.frame + frame - loop[0]
        return frame - self.head.frame

    def _loop_at(self, frame: int) -> tuple[int, int] | None:
        """The loop that a head at `frame` is going to repeat."""
        return self._loops.at(self.head, frame)

    @property
    def _seam(self) -> int:
        return round(SEAM_SECONDS * self.rate)
