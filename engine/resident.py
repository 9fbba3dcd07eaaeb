"""The resident engine: one warm renderer, one queue, one end for every request.

*Threading*: one worker thread owns the renderer, and warms it up itself, because thread
pools belong to the thread that made them. `submit`, `cancel`, `cancel_all`, `canary`,
`health` and `metrics` may be called from any thread; they hold one lock for microseconds and
never wait for a render. The listener is called from the submitting thread (Accepted,
refusals), the cancelling thread (a request that waited) or the worker (all else), never with
the lock held; it must only hand the event on. What waits is bounded (64 requests, 512 MB of
inline audio): beyond that a request is refused. A deadline that passes ends the request as
expired, whether it waits or renders. A cancel of a waiting request is answered in the call;
of a rendering one at the renderer's next check, at most 80 ms later.

What somebody expects to ask soon can be rehearsed: the worker does it while nothing waits, and leaves it at the
renderer's next check when something comes. One rehearsal of each name waits, 16 in all; newer ones replace older.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

from engine.canary import PREFIX, Canary, canary_request
from engine.errors import AttaccaError, BadRequest, Cancelled, Expired, Refused
from engine.events import (
    Accepted,
    BarReady,
    Ended,
    Event,
    Health,
    Listener,
    Metrics,
    Progress,
    State,
)
from engine.queueing import Job, Waiting
from engine.rehearsing import Rehearsal, Rehearsals, Rehearses
from engine.runtimes.memory import freeze
from engine.tally import Tally, make_report
from engine.types import Audio, BarAudio, Ending, Rendered, Renderer, Report, Request

MAX_WAITING = 64
MAX_WAITING_BYTES = 512 << 20
PROGRESS_INTERVAL_S = 0.02


class Resident:
    """Holds one renderer and ends every request exactly once."""

    def __init__(
        self,
        renderer: Renderer,
        *,
        check: Callable[[Request], object] | None = None,
        max_waiting: int = MAX_WAITING,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`check` looks at a request before it queues and raises BadRequest (engine.controls)."""
        self.renderer = renderer
        self._check = check
        self._clock = clock
        self._wake = threading.Condition()
        self._waiting = Waiting(max_waiting, max_waiting_bytes)
        self._jobs: dict[str, Job] = {}
        self._rendering: Job | None = None
        self._rehearsals = Rehearsals()
        self._rehearsing = False
        self.rehearsed = 0
        self._state: State = "starting"
        self._order = 0
        self._canary = Canary()
        self._started_s = clock()
        self._tally = Tally()
        self._warm = threading.Event()
        self._warm_error: BaseException | None = None
        self._worker = threading.Thread(target=self._work, name="attacca-worker", daemon=True)

    # ---- life ----------------------------------------------------------------------------

    def start(self) -> None:
        """Warm up, render a canary, freeze the heap; returns when requests will be rendered.

        Raises whatever the warm-up raised. A canary that fails does not raise: `health` says it.
        """
        self._worker.start()
        self._warm.wait()
        if self._warm_error is not None:
            raise self._warm_error

    def close(self, timeout_s: float = 5.0) -> bool:
        """End all requests as cancelled and stop the worker. False when it did not stop in time."""
        with self._wake:
            if self._state == "stopped":
                return True
            self._state = "stopping"
            ids = list(self._jobs)
            self._wake.notify_all()
        for request_id in ids:
            self.cancel(request_id)
        if self._worker.ident is not None:
            self._worker.join(timeout_s)
        with self._wake:
            left = [job for job in self._jobs.values() if job.state != "new"]
            stopped = not self._worker.is_alive()
            self._state = "stopped"
        for job in left:
            self._end(job, "cancelled", Cancelled("the engine shuts down"))
        return stopped

    # ---- requests ------------------------------------------------------------------------

    def submit(self, request: Request, inline: Audio | None, listener: Listener) -> bool:
        """Queue a request; True when accepted. A refusal is told to the listener as its end."""
        job = self._job(request, inline, listener)
        try:
            if self._check is not None:
                self._check(request)
            ahead = self._register(job)
        except (Refused, BadRequest) as error:
            self._refuse(job, error)
            return False
        self._tell(job, Accepted(id=request.id, ahead=ahead))
        self._enqueue(job)
        return True

    def cancel(self, request_id: str) -> bool:
        """Take a request back. False when no such request waits or renders."""
        with self._wake:
            job = self._jobs.get(request_id)
            if job is None or job.state == "ended":
                return False
            job.cancelled = True
            waits = job.state == "waiting"
        if waits:
            self._end(job, "cancelled", Cancelled("cancelled while it waited"))
        return True

    def cancel_all(self) -> int:
        """Take everything back (panic). Returns how many requests that were."""
        with self._wake:
            ids = [job.request.id for job in self._jobs.values() if not job.internal]
        return sum(self.cancel(request_id) for request_id in ids)

    def canary(self, then: Callable[[Health], None]) -> None:
        """Render the canary again, ahead of all that waits; `then` gets the health after it."""
        with self._wake:
            stopped = self._state in ("stopping", "stopped")
            serial = self._order
        if stopped:
            then(self.health())
            return

        def listen(event: Event) -> None:
            if isinstance(event, BarReady):
                self._canary.hear(event.bar)
            elif isinstance(event, Ended):
                failure = None if event.ending == "done" else event.text
                self._canary.judge(self._clock(), failure)
                then(self.health())

        job = self._job(canary_request(serial), None, listen, internal=True)
        with self._wake:
            self._jobs[job.request.id] = job
        self._enqueue(job)

    def rehearse(self, name: str, request: Request, inline: Audio | None, seconds: float) -> bool:
        """Prepare for a request that may come within `seconds`; replaces what waits under this name.

        False where the renderer rehearses nothing or too much waits. Nobody is told anything of it.
        """
        if not isinstance(self.renderer, Rehearses):
            return False
        with self._wake:
            self._wake.notify()
            return self._rehearsals.put(name, Rehearsal(request, inline, self._clock() + seconds))

    @property
    def rehearses(self) -> bool:
        """Whether a rehearsal is under way or waits."""
        with self._wake:
            return self._rehearsing or len(self._rehearsals) > 0

    # ---- what it says about itself ----------------------------------------------------------

    def health(self) -> Health:
        now = self._clock()
        with self._wake:
            job = self._rendering
            return Health(
                state=self._state,
                ok=self._state == "ready" and self._canary.ok,
                canary_ok=self._canary.ok,
                canary_text=self._canary.text,
                canary_age_seconds=max(0.0, min(1e9, now - self._canary.at_s)),
                bundle=self.renderer.bundle,
                runtime=self.renderer.runtime,
                threads=self.renderer.threads,
                uptime_seconds=now - self._started_s,
                waiting=len(self._waiting),
                rendering=None if job is None else job.request.id,
                silent_seconds=0.0 if job is None else now - job.checked_s,
            )

    def metrics(self) -> Metrics:
        with self._wake:
            return self._tally.metrics(len(self._waiting), 0 if self._rendering is None else 1)

    # ---- the worker ------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self.renderer.warm_up()
            self._first_canary()
            freeze()
        except BaseException as error:  # handed to start(), which raises it
            self._warm_error = error
        else:
            with self._wake:
                if self._state == "starting":
                    self._state = "ready"
        finally:
            self._warm.set()
        while self._warm_error is None and (job := self._next()) is not None:
            if isinstance(job, Job):
                self._run(job)
            else:
                self._rehearse(job)

    def _rehearse(self, rehearsal: Rehearsal) -> None:
        """Prepare until something waits; a rehearsal that fails is forgotten, for its render will say why."""
        assert isinstance(self.renderer, Rehearses)
        with contextlib.suppress(Exception):
            self.renderer.rehearse(rehearsal.request, rehearsal.inline, self._is_wanted)
            self.rehearsed += 1

    def _is_wanted(self) -> bool:
        with self._wake:
            return bool(len(self._waiting)) or self._state in ("stopping", "stopped")

    def _first_canary(self) -> None:
        self.canary(lambda health: None)
        job = self._next()
        if isinstance(job, Job):
            self._run(job)

    def _next(self) -> Job | Rehearsal | None:
        """What to do now: a job, else a rehearsal; None: stop."""
        with self._wake:
            while self._state not in ("stopping", "stopped"):
                job = self._waiting.pop()
                rehearsal = self._rehearsals.pop(self._clock()) if job is None else None
                self._rehearsing = rehearsal is not None
                if job is not None:
                    job.state = "rendering"
                    job.started_s = job.checked_s = self._clock()
                    self._rendering = job
                    return job
                if rehearsal is not None:
                    return rehearsal
                self._wake.wait()
            return None

    def _run(self, job: Job) -> None:
        """Render one job and give it its end, whatever the renderer does."""
        try:
            if job.due_s <= job.started_s:
                raise Expired("the deadline passed before the render began")
            rendered = self._render(job)
        except Cancelled as error:
            self._end_stopped(job, error)
        except BadRequest as error:
            self._end(job, "refused", error)
        except AttaccaError as error:
            self._end(job, "expired" if isinstance(error, Expired) else "failed", error)
        except Exception as error:
            self._end(job, "failed", AttaccaError(f"the render failed: {_sentence(error)}"))
        else:
            if job.cancelled:
                self._end_stopped(job, Cancelled("cancelled while it rendered"))
            else:
                self._finish(job, rendered)

    def _render(self, job: Job) -> Rendered:
        rendered = self.renderer.render(
            job.request,
            job.inline,
            emit=lambda bar: self._emit(job, bar),
            progress=lambda fraction: self._progress(job, fraction),
            cancelled=lambda: self._must_stop(job),
        )
        if not job.cancelled:
            job.check_rendered(rendered)
        return rendered

    def _emit(self, job: Job, bar: BarAudio) -> None:
        job.take_bar(bar, self._clock() - job.started_s)
        if not job.cancelled:
            self._tell(job, BarReady(id=job.request.id, bar=bar))

    def _progress(self, job: Job, fraction: float) -> None:
        now = self._clock()
        if now - job.told_s >= PROGRESS_INTERVAL_S and not job.cancelled:
            job.told_s = now
            self._tell(job, Progress(id=job.request.id, fraction=min(1.0, max(0.0, fraction))))

    def _must_stop(self, job: Job) -> bool:
        """The renderer's check: cancelled, or too late. Also ends what expired while it waited."""
        now = self._clock()
        if not job.internal:
            self._tally.longest_gap_s = max(self._tally.longest_gap_s, now - job.checked_s)
        job.checked_s = now
        with self._wake:
            late = self._waiting.late(now)
        for waiting in late:
            self._end(waiting, "expired", Expired("the deadline passed while it waited"))
        return job.cancelled or job.due_s <= now

    # ---- the one end --------------------------------------------------------------------------

    def _end_stopped(self, job: Job, error: Cancelled) -> None:
        if job.cancelled:
            self._end(job, "cancelled", error)
        elif job.due_s <= self._clock():
            self._end(job, "expired", Expired("the deadline passed while it rendered"))
        else:
            self._end(job, "failed", AttaccaError("the renderer stopped without being asked"))

    def _finish(self, job: Job, rendered: Rendered) -> None:
        report = make_report(job, rendered, self.renderer, self._clock())
        self._end(job, "done", None, report)

    def _refuse(self, job: Job, error: AttaccaError) -> None:
        with self._wake:
            self._tally.submitted += 1
        self._end(job, "refused", error)

    def _end(self, job: Job, ending: Ending, error: AttaccaError | None, report: Report | None = None) -> None:
        """Give a job its end. Two threads may race here; the first wins, the job ends once."""
        with self._wake:
            if job.state == "ended":
                return
            if ending == "done" and job.cancelled:
                ending, error, report = "cancelled", Cancelled("cancelled as it ended"), None
            if job.state == "waiting":
                self._waiting.remove(job)
            if self._rendering is job:
                self._rendering = None
            job.state = "ended"
            if self._jobs.get(job.request.id) is job:
                del self._jobs[job.request.id]
            if not job.internal:
                self._tally.end(ending, report)
        code, text = ("", "") if error is None else (error.code, str(error))
        self._tell(job, Ended(id=job.request.id, ending=ending, code=code, text=text, report=report))

    # ---- small parts ------------------------------------------------------------------------

    def _job(self, request: Request, inline: Audio | None, listener: Listener, internal: bool = False) -> Job:
        with self._wake:
            self._order += 1
            return Job(request, inline, listener, self._clock(), self._order, internal)

    def _register(self, job: Job) -> int:
        """Claim the id and a place in the queue. Raises Refused."""
        with self._wake:
            if self._state in ("stopping", "stopped"):
                raise Refused("the engine shuts down")
            if job.request.id.startswith(PREFIX):
                raise Refused(f"ids that begin with {PREFIX} belong to the engine")
            if job.request.id in self._jobs:
                raise Refused(f"a request with the id {job.request.id!r} is still under way")
            self._waiting.check_room(job, self._jobs.values())
            self._jobs[job.request.id] = job
            self._tally.submitted += 1
            return len(self._jobs) - 1

    def _enqueue(self, job: Job) -> None:
        """Let a new job wait. One that was taken back before it was told accepted ends here."""
        with self._wake:
            if not job.cancelled:
                job.state = "waiting"
                self._waiting.push(job)
                self._wake.notify()
                return
        self._end(job, "cancelled", Cancelled("cancelled while it waited"))

    def _tell(self, job: Job, event: Event) -> None:
        try:
            job.listener(event)
        except Exception:
            with self._wake:
                self._tally.listener_errors += 1


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
