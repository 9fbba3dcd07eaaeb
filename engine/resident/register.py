"""The register of a resident engine: every request from its order number to its one end.

*Threading*: any thread may call any method. Each holds the one lock for microseconds; listeners are called without it.
Only `next` waits, in the worker's thread, until there is something to do. Health and metrics are read under `wake`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from engine.errors import AttaccaError, Cancelled, Refused
from engine.events import Ended, Event, Listener, State
from engine.resident.canary import PREFIX
from engine.resident.queueing import Job, Waiting
from engine.resident.rehearsing import Rehearsal, Rehearsals
from engine.resident.tally import Tally
from engine.types import Audio, Ending, Report, Request


class Register:
    """What is under way, what waits, and what was counted. clock: monotonic seconds."""

    def __init__(self, max_waiting: int, max_waiting_bytes: int, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.wake = threading.Condition()
        self.state: State = "starting"
        self.waiting = Waiting(max_waiting, max_waiting_bytes)
        self.rendering: Job | None = None
        self.tally = Tally()
        self._jobs: dict[str, Job] = {}
        self._rehearsals = Rehearsals()
        self._rehearsing = False
        self._order = 0

    # ---- life ----------------------------------------------------------------------------

    @property
    def stopped(self) -> bool:
        """Whether nothing more is rendered."""
        return self.state in ("stopping", "stopped")

    def ready(self) -> None:
        """Warm-up is done."""
        with self.wake:
            if self.state == "starting":
                self.state = "ready"

    def stop(self) -> list[str] | None:
        """No more jobs from now on: the ids of those under way, None where it has stopped already."""
        with self.wake:
            if self.state == "stopped":
                return None
            self.state = "stopping"
            self.wake.notify_all()
            return list(self._jobs)

    def close(self) -> None:
        """The worker is gone, or is not waited for: what is left ends as cancelled."""
        with self.wake:
            left = [job for job in self._jobs.values() if job.state != "new"]
            self.state = "stopped"
        for job in left:
            self.end(job, "cancelled", Cancelled("the engine shuts down"))

    # ---- the way in ------------------------------------------------------------------------

    def job(self, request: Request, inline: Audio | None, listener: Listener, internal: bool = False) -> Job:
        """A request with its order number; nobody knows of it yet."""
        with self.wake:
            self._order += 1
            return Job(request, inline, listener, self.clock(), self._order, internal)

    def admit(self, job: Job) -> int:
        """Claim the id and a place in the queue; how many are ahead. Raises Refused."""
        with self.wake:
            if self.stopped:
                raise Refused("the engine shuts down")
            if job.request.id.startswith(PREFIX):
                raise Refused(f"ids that begin with {PREFIX} belong to the engine")
            if job.request.id in self._jobs:
                raise Refused(f"a request with the id {job.request.id!r} is still under way")
            self.waiting.check_room(job, self._jobs.values())
            self._jobs[job.request.id] = job
            self.tally.submitted += 1
            return len(self._jobs) - 1

    def serial(self) -> int | None:
        """How many jobs there were, to name the next one by; None where it takes no more."""
        with self.wake:
            return None if self.stopped else self._order

    def admit_own(self, job: Job) -> None:
        """A job of the engine itself: there is always room for it."""
        with self.wake:
            self._jobs[job.request.id] = job

    def enqueue(self, job: Job) -> None:
        """Let a new job wait. One that was taken back before it was told accepted ends here."""
        with self.wake:
            if not job.cancelled:
                job.state = "waiting"
                self.waiting.push(job)
                self.wake.notify()
                return
        self.end(job, "cancelled", Cancelled("cancelled while it waited"))

    def rehearse(self, name: str, rehearsal: Rehearsal) -> bool:
        """Let a rehearsal wait in place of the one of this name. False where too much waits."""
        with self.wake:
            self.wake.notify()
            return self._rehearsals.put(name, rehearsal)

    # ---- what the worker asks ------------------------------------------------------------------

    def next(self) -> Job | Rehearsal | None:
        """What to do now: a job, else a rehearsal; None: stop."""
        with self.wake:
            while not self.stopped:
                job = self.waiting.pop()
                rehearsal = self._rehearsals.pop(self.clock()) if job is None else None
                self._rehearsing = rehearsal is not None
                if job is not None:
                    job.state = "rendering"
                    job.started_s = job.checked_s = self.clock()
                    self.rendering = job
                    return job
                if rehearsal is not None:
                    return rehearsal
                self.wake.wait()
            return None

    def is_wanted(self) -> bool:
        """Whether the worker should leave a rehearsal."""
        with self.wake:
            return bool(len(self.waiting)) or self.stopped

    @property
    def rehearses(self) -> bool:
        """Whether a rehearsal is under way or waits."""
        with self.wake:
            return self._rehearsing or len(self._rehearsals) > 0

    def late(self, now_s: float) -> list[Job]:
        """Jobs that wait and whose deadline has passed."""
        with self.wake:
            return self.waiting.late(now_s)

    # ---- the way out: one end ------------------------------------------------------------------

    def cancel(self, request_id: str) -> bool:
        """Take a request back. False when no such request waits or renders."""
        with self.wake:
            job = self._jobs.get(request_id)
            if job is None or job.state == "ended":
                return False
            job.cancelled = True
            waits = job.state == "waiting"
        if waits:
            self.end(job, "cancelled", Cancelled("cancelled while it waited"))
        return True

    def ids(self) -> list[str]:
        """The requests of others that are under way."""
        with self.wake:
            return [job.request.id for job in self._jobs.values() if not job.internal]

    def refuse(self, job: Job, error: AttaccaError) -> None:
        """End a job that was not admitted."""
        with self.wake:
            self.tally.submitted += 1
        self.end(job, "refused", error)

    def end(self, job: Job, ending: Ending, error: AttaccaError | None, report: Report | None = None) -> None:
        """Give a job its end. Two threads may race here; the first wins, the job ends once."""
        with self.wake:
            if job.state == "ended":
                return
            if ending == "done" and job.cancelled:
                ending, error, report = "cancelled", Cancelled("cancelled as it ended"), None
            if job.state == "waiting":
                self.waiting.remove(job)
            if self.rendering is job:
                self.rendering = None
            job.state = "ended"
            if self._jobs.get(job.request.id) is job:
                del self._jobs[job.request.id]
            if not job.internal:
                self.tally.end(ending, report)
        code, text = ("", "") if error is None else (error.code, str(error))
        self.tell(job, Ended(id=job.request.id, ending=ending, code=code, text=text, report=report))

    def tell(self, job: Job, event: Event) -> None:
        """Hand an event to the job's listener; one that raises is counted."""
        try:
            job.listener(event)
        except Exception:
            with self.wake:
                self.tally.listener_errors += 1
