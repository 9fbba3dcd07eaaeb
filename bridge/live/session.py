"""One live session: what a plugin reports becomes jobs, and what they render goes into its timeline cache.

*Threading*: the live thread owns everything here; only `bridge.live.jobs` is reached from the resident's threads.
`tick` takes some microseconds when nothing happens and some milliseconds a bar that is written, copied or looked at; it
waits for nobody. What comes late is written behind the reader, or not at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from typing import Literal

import numpy as np

from bridge.live.asks import Asks
from bridge.live.carry import Carry
from bridge.live.controls import Controls
from bridge.live.follow import Follower, Heard
from bridge.live.hold import HeldBars, held_bars
from bridge.live.jobs import Jobs
from bridge.live.keys import Keys
from bridge.live.leads import NOBODY, Leads
from bridge.live.map import ProjectMap
from bridge.live.melody import Melody
from bridge.live.rehearse import Rehearsing
from bridge.live.request import CONTEXT_S, STEPS, context_of, request_for
from bridge.live.takes import Takes
from bridge.live.writer import Tell, Writer
from bridge.timeline import layout
from bridge.timeline.engine import EngineSide
from engine.errors import BadRequest, Refused
from engine.events import BarReady, Ended
from engine.horizon import Horizon
from engine.horizon.places import Quantise
from engine.horizon.plans import Head, Job
from engine.resident import Resident

STATUS_NS = 10_000_000
DEADLINE_SLACK_S = 2.0
COPIES_A_TICK = 2


class LiveSession:
    """Serves one attached cache. `tick` it often; `close` lets go of the cache and leaves its audio."""

    def __init__(
        self,
        side: EngineSide,
        resident: Resident,
        tell: Tell,
        wake: Callable[[], None],
        clock_ns: Callable[[], int] = time.monotonic_ns,
        steps: int = STEPS,
        leads: Leads = NOBODY,
    ) -> None:
        """leads: head, keys and controllers beside what the plugin says."""
        self.side, self._clock_ns, self._tell, self._steps = side, clock_ns, tell, steps
        self.follower, self.leads = Follower(side, leads.source), leads
        self.keys = None if leads.notes is None else Keys(leads.notes, clock_ns())
        self.jobs = Jobs(resident, side.instance, wake)
        self.asks, self.melody, self.takes = Asks(), Melody(), Takes()
        self.controls, self.rehearsing = Controls(self), Rehearsing(self)
        self.quantise: Quantise | None = None
        self.panicked = False
        self.horizon: Horizon | None = None
        self.writer: Writer | None = None
        self.head = Head(0, False)
        self._held: HeldBars | None = None
        self._carry: Carry | None = None
        self._looked_at: frozenset[int] = frozenset()
        self._orphans: list[str] = []
        self._status_ns = 0
        side.publish_status(state=layout.READY)

    def close(self) -> None:
        self.jobs.cancel()
        self.side.close()

    def now_ns(self) -> int:
        """The session's clock."""
        return self._clock_ns()

    @property
    def song(self) -> ProjectMap | None:
        return self.follower.song

    @property
    def state(self) -> Literal["waiting", "ready", "held", "silent"]:
        if self.horizon is None:
            return "waiting"
        if self.panicked or not self.controls.live:
            return "silent"
        return "held" if self.horizon.hold else "ready"

    # ---- one turn ------------------------------------------------------------------------

    def tick_if_stirred(self) -> None:
        """A turn where a note waits; else next to nothing."""
        if self.side.has_notes() or (self.keys is not None and self.keys.has_news()):
            self.tick()

    def tick(self) -> None:
        """One turn: what was rendered, where the head is, what was asked, what to do about it."""
        now_ns = self._clock_ns()
        heard = self.follower.hear(now_ns)
        if heard is not None:
            self._follow(heard)
        if self.horizon is not None:
            self._take_results(self.horizon)
        self.controls.read(now_ns)
        if self.horizon is not None:
            self._serve(self.horizon, now_ns)
        self._publish(now_ns)

    def _follow(self, heard: Heard) -> None:
        self.head = heard.head
        if heard.song is not None or (self.horizon is None and self.song is not None):
            self.regrid(heard.song)
        if self.horizon is None or self.writer is None:
            return
        rolled = self.horizon.head.rolling
        if self.horizon.see(heard.head, heard.jumped) or (rolled and not heard.head.rolling):
            self._release_keys()
        if heard.head.rolling:
            self.writer.heard(self.horizon.grid.bar_at(heard.head.frame))
        if heard.jumped:
            self._looked_at = frozenset()
        self._look_ahead(self.horizon)

    def regrid(self, song: ProjectMap | None) -> None:
        """Take up a map: a new one is a new generation, to which bars that it leaves in place are carried over.

        None: the one that the cache has already, from an earlier engine.
        """
        before, generation = self.horizon, self.side.generation
        if song is not None:
            self.follower.announce(song)
            self.side.publish_map(song.segments())
        assert self.follower.song is not None
        if before is None:
            self.horizon = Horizon(self.follower.song, self.side.rate, head=self.head)
            self.writer = Writer(self.side, self.horizon, self.takes, self._tell)
            self.controls.begin()
        else:
            assert isinstance(before.grid, ProjectMap)
            self._carry = Carry(generation, before.grid, self.follower.song, list(before.playable), self.head.frame)
            self._drop_job(before)
            before.regrid(self.follower.song)
        self._held, self._looked_at = None, frozenset()

    def _look_ahead(self, horizon: Horizon) -> None:
        """Look once at each bar that comes into reach: the cache may have it from before, or have evicted it."""
        bars = frozenset(horizon.grid.bar_at(first) for first, _ in horizon.route())
        for bar in sorted(bars - self._looked_at):
            first, end = horizon.grid.frame(bar), horizon.grid.frame(bar + 1)
            known = self.side.known(first, end - first)
            edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(np.int8), [0]])))
            there = [(first + int(a), first + int(b)) for a, b in edges.reshape(-1, 2)]
            horizon.compare(first, end, there)
        self._looked_at = bars

    # ---- what comes back -----------------------------------------------------------------

    def _take_results(self, horizon: Horizon) -> None:
        for event in self.jobs.events():
            if isinstance(event, Ended):
                self._ended(horizon, event)
            elif not horizon.wanted():
                self._drop_job(horizon)
                return
            elif isinstance(event, BarReady) and horizon.running is not None:
                assert self.writer is not None
                assert self.follower.song is not None
                changed = self.writer.piece(horizon.running, event.bar, self.follower.song)
                self._took(changed, event.bar.first_frame)

    def _took(self, changed: int | None, first_frame: int) -> None:
        now_ns = self._clock_ns()
        if first_frame == 0:
            self.jobs.arrived(now_ns)
        if changed is not None:
            self.asks.wrote(self.jobs.request_id, changed, now_ns)

    def _ended(self, horizon: Horizon, event: Ended) -> None:
        job = horizon.running
        if event.ending == "done" and job is not None:
            horizon.spared(horizon.written, job.end)
        self._orphans.append(event.id)
        horizon.ended()
        self.jobs.ended(event, self._clock_ns())

    def _drop_job(self, horizon: Horizon) -> None:
        if self.jobs.job is not None:
            self._orphans.append(self.jobs.request_id)
            self.jobs.cancel(horizon.served)
        horizon.ended()

    # ---- what to do ----------------------------------------------------------------------

    def _serve(self, horizon: Horizon, now_ns: int) -> None:
        horizon.latency_s, horizon.least_latency_s = self.jobs.latency_s, self.jobs.least_latency_s
        horizon.silent = self.panicked or not self.controls.live
        if horizon.running is not None and not horizon.wanted():
            self._drop_job(horizon)
        if self._carry is not None and self.writer is not None and not self._carry.step(self.side, horizon, self._tell):
            self._carry = None
        self._copy(horizon)
        if not self.jobs.may_begin(now_ns):
            return
        if (job := horizon.next()) is not None:
            if not self.rehearsing.goes_first(horizon, job, now_ns):
                self._begin(horizon, job, now_ns)
        elif self._carry is None and not (horizon.silent or horizon.hold):
            self.rehearsing.tick(horizon, now_ns)

    def _begin(self, horizon: Horizon, job: Job, now_ns: int) -> None:
        song, request_id = self.follower.song, self.jobs.next_id()
        assert song is not None
        assert self.writer is not None
        kinds = self.asks.obey(job, request_id)
        for orphan in self._orphans:
            self.asks.takeover(request_id, self.asks.again(orphan))
        self._orphans.clear()
        captured = "continue" in kinds
        rehearsed = None if captured else self.rehearsing.context(job)
        context = rehearsed or context_of(self.side, song, job, captured)
        melody = self.melody.targets(job, song)
        deadline_ms = self._deadline_ms(job)
        request, inline = request_for(
            request_id, job, song, self.asks.wishes, context, melody, self._steps, deadline_ms
        )
        self.side.protect(horizon.protected(round(CONTEXT_S * self.side.rate)))
        self.writer.begin()
        horizon.began(job)
        self.jobs.begin(job, request, inline, now_ns, rehearsed is not None)

    def _deadline_ms(self, job: Job) -> int | None:
        """When nothing of a job could be heard any more; None while the head stands."""
        if not self.head.rolling or job.end <= self.head.frame:
            return None
        seconds = (job.end - self.head.frame) / self.side.rate + DEADLINE_SLACK_S
        return min(3_600_000, round(1000 * seconds))

    # ---- hold, recall, panic -------------------------------------------------------------

    def hold(self, bars: int, arrived_ns: int) -> None:
        """Raises Refused where so many bars are not there."""
        horizon = self._ready()
        held = horizon.begin_hold(bars)
        if held is None:
            raise Refused(f"{bars} whole bars before the next one are not in the cache yet: let them play first")
        assert self.follower.song is not None
        self._held = held_bars(self.side, self.follower.song, held)
        if self._held is None:
            horizon.release()
            raise Refused(f"{bars} bars are not in the cache any more: hold fewer")
        self._drop_job(horizon)
        self.asks.done("hold", "bar", arrived_ns, held.at.frame, held.at.frame, self._clock_ns())

    def release(self, arrived_ns: int) -> None:
        horizon = self._ready()
        self.panicked = False
        if horizon.hold is not None:
            self.asks.note(horizon.release(), "bar", arrived_ns, {})
        self._held = None

    def _copy(self, horizon: Horizon) -> None:
        """While bars are held: fill the bars ahead with them."""
        for _ in range(COPIES_A_TICK):
            if self._held is None or self.writer is None or (copy := horizon.copy()) is None:
                return
            bar, source = copy
            assert horizon.hold is not None
            first, end = horizon.grid.frame(bar), horizon.grid.frame(bar + 1)
            self.side.protect(horizon.protected(round(CONTEXT_S * self.side.rate)))
            self.writer.put(first, self._held.bar(source - horizon.hold.first, end - first))
            horizon.spared(first, end)

    def recall(self, bar: int, number: int, arrived_ns: int) -> None:
        """Write a take back. Raises BadRequest and Refused."""
        horizon, take = self._ready(), self.takes.find(bar, number)
        if take is None:
            kept = ", ".join(str(other.number) for other in self.takes.of(bar)) or "none"
            raise BadRequest(f"bar {bar} has no take {number}; kept are: {kept}")
        first, end = horizon.grid.frame(bar), horizon.grid.frame(bar + 1)
        if end - first != len(take.audio):
            raise Refused(f"take {take.number} of bar {bar} was heard in another tempo: it does not fit any more")
        assert self.writer is not None
        assert self.follower.song is not None
        self.writer.begin()
        self.writer.keep_takes(first, end, self.follower.song)
        changed = self.writer.bring_back(first, take.audio)
        if changed is not None:
            self.asks.done("recall", "now", arrived_ns, first, changed, self._clock_ns())

    def panic(self, arrived_ns: int) -> None:
        """Nothing is planned any more, and what was planned is silence."""
        self.panicked = True
        self._release_keys()
        horizon = self.horizon
        if horizon is None or self.writer is None:
            return
        self._drop_job(horizon)
        horizon.hold = self._held = None
        first = horizon.head.frame + (horizon.safe_frames if horizon.head.rolling else 0)
        for begin, end in horizon.planned(first):
            self.writer.put(begin, np.zeros((end - begin, layout.CHANNELS), np.float32), fade_in=begin == first)
            horizon.lost(begin, end)
        self.asks.done("panic", "now", arrived_ns, first, first, self._clock_ns())

    def _release_keys(self) -> None:
        """No key is down any more: the transport stopped or jumped, panic."""
        self.melody.release()
        if self.keys is not None:
            self.keys.release()

    def continue_(self, arrived_ns: int) -> None:
        """The next bar continues what the track carries; ends a panic."""
        self.panicked = False
        if self.horizon is not None:
            self.asks.ask(self.horizon, "continue", "bar", arrived_ns, {})

    def place_at(self, frame: int) -> tuple[int, Fraction]:
        """Bar and quarters of a frame."""
        assert self.follower.song is not None
        return self.follower.song.bar_at(frame), self.follower.song.quarter_at(frame)

    def _ready(self) -> Horizon:
        if self.horizon is None:
            raise Refused("the host has not told its tempo and bars yet: start its transport, or announce a tempo-map")
        return self.horizon

    def _publish(self, now_ns: int) -> None:
        horizon = self.horizon
        if horizon is None or now_ns - self._status_ns < STATUS_NS:
            return
        self._status_ns = now_ns
        bars_ready, until = horizon.ready()
        self.side.publish_status(
            state=layout.READY,
            committed_frame=horizon.commit().frame,
            ready_until_frame=until,
            bars_ready=bars_ready,
            latency_s=self.jobs.latency_s,
            renders=self.jobs.renders,
        )
