"""What others call of a resident engine: requests in, events out, and how it is.

*Threading*: as `engine.resident`; `start` waits for the warm-up, `close` for the worker's end.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from engine.errors import BadRequest, Refused
from engine.events import Accepted, BarReady, Ended, Event, Health, Listener, Metrics
from engine.resident.canary import Canary, canary_request
from engine.resident.register import Register
from engine.resident.rehearsing import Rehearsal, Rehearses
from engine.resident.worker import Worker
from engine.types import Audio, Renderer, Request

MAX_WAITING = 64
MAX_WAITING_BYTES = 512 << 20


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
        self._check, self._clock = check, clock
        self._canary = Canary()
        self._started_s = clock()
        self._register = Register(max_waiting, max_waiting_bytes, clock)
        self._worker = Worker(renderer, self._register, lambda: self.canary(lambda health: None))

    # ---- life ----------------------------------------------------------------------------

    def start(self) -> None:
        """Warm up, render a canary, freeze the heap; returns when requests will be rendered.

        Raises whatever the warm-up raised. A canary that fails does not raise: `health` says it.
        """
        self._worker.start()

    def close(self, timeout_s: float = 5.0) -> bool:
        """End all requests as cancelled and stop the worker. False when it did not stop in time."""
        ids = self._register.stop()
        if ids is None:
            return True
        for request_id in ids:
            self.cancel(request_id)
        stopped = self._worker.join(timeout_s)
        self._register.close()
        return stopped

    # ---- requests ------------------------------------------------------------------------

    def submit(self, request: Request, inline: Audio | None, listener: Listener) -> bool:
        """Queue a request; True when accepted. A refusal is told to the listener as its end."""
        job = self._register.job(request, inline, listener)
        try:
            if self._check is not None:
                self._check(request)
            ahead = self._register.admit(job)
        except (Refused, BadRequest) as error:
            self._register.refuse(job, error)
            return False
        self._register.tell(job, Accepted(id=request.id, ahead=ahead))
        self._register.enqueue(job)
        return True

    def cancel(self, request_id: str) -> bool:
        """Take a request back. False when no such request waits or renders."""
        return self._register.cancel(request_id)

    def cancel_all(self) -> int:
        """Take everything back (panic). Returns how many requests that were."""
        return sum(self.cancel(request_id) for request_id in self._register.ids())

    def rehearse(self, name: str, request: Request, inline: Audio | None, seconds: float) -> bool:
        """Prepare for a request that may come within `seconds`; replaces what waits under this name.

        False where the renderer rehearses nothing or too much waits. Nobody is told anything of it.
        """
        if not isinstance(self.renderer, Rehearses):
            return False
        return self._register.rehearse(name, Rehearsal(request, inline, self._clock() + seconds))

    @property
    def rehearses(self) -> bool:
        """Whether a rehearsal is under way or waits."""
        return self._register.rehearses

    @property
    def rehearsed(self) -> int:
        """How many rehearsals came to their end."""
        return self._worker.rehearsed

    # ---- what it says about itself ----------------------------------------------------------

    def canary(self, then: Callable[[Health], None]) -> None:
        """Render the canary again, ahead of all that waits; `then` gets the health after it."""
        serial = self._register.serial()
        if serial is None:
            then(self.health())
            return

        def listen(event: Event) -> None:
            if isinstance(event, BarReady):
                self._canary.hear(event.bar)
            elif isinstance(event, Ended):
                failure = None if event.ending == "done" else event.text
                self._canary.judge(self._clock(), failure)
                then(self.health())

        job = self._register.job(canary_request(serial), None, listen, internal=True)
        self._register.admit_own(job)
        self._register.enqueue(job)

    def health(self) -> Health:
        now, register = self._clock(), self._register
        with register.wake:
            job = register.rendering
            return Health(
                state=register.state,
                ok=register.state == "ready" and self._canary.ok,
                canary_ok=self._canary.ok,
                canary_text=self._canary.text,
                canary_age_seconds=max(0.0, min(1e9, now - self._canary.at_s)),
                bundle=self.renderer.bundle,
                runtime=self.renderer.runtime,
                threads=self.renderer.threads,
                uptime_seconds=now - self._started_s,
                waiting=len(register.waiting),
                rendering=None if job is None else job.request.id,
                silent_seconds=0.0 if job is None else now - job.checked_s,
            )

    def metrics(self) -> Metrics:
        with self._register.wake:
            rendering = 0 if self._register.rendering is None else 1
            return self._register.tally.metrics(len(self._register.waiting), rendering)
