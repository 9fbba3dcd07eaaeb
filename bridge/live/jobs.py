"""A session's renders: one at a time through the resident, with measured latency and patience after failures.

*Threading*: the live thread owns it. The resident's threads append events to a deque and call `wake`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from engine.events import BarReady, Ended, Event, Quantiles
from engine.horizon.plans import Job
from engine.resident import Resident
from engine.resident.tally import quantiles
from engine.types import Audio, Request

LATENCIES = 32
TOLD = 512
LATENCY_QUANTILE = 0.95
FIRST_LATENCY_S = 0.3
MAX_LATENCY_S = 10.0
SPARE = 1.15
"""A promise lies so much further than what nineteen of twenty renders needed, for the twentieth to keep it as well."""
FIRST_PATIENCE_NS = 250_000_000
MAX_PATIENCE_NS = 4_000_000_000


class Jobs:
    """Submits, cancels, and hands on what comes back."""

    def __init__(self, resident: Resident, name: str, wake: Callable[[], None]) -> None:
        self._resident, self._name, self._wake = resident, name, wake
        self._events: deque[Event] = deque()
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self._rehearsed: deque[float] = deque(maxlen=LATENCIES)
        self._measures = self._latencies
        self._told: deque[float] = deque(maxlen=TOLD)
        self._serial = 0
        self._submitted_ns = 0
        self._patience_ns = 0
        self._not_before_ns = 0
        self.job: Job | None = None
        self.request_id = ""
        self.renders = self.cancels = self.failures = 0
        self.error = ""

    def next_id(self) -> str:
        self._serial += 1
        return f"live-{self._name}-{self._serial}"

    def may_begin(self, now_ns: int) -> bool:
        return self.job is None and now_ns >= self._not_before_ns

    def begin(self, job: Job, request: Request, inline: Audio | None, now_ns: int, rehearsed: bool = False) -> None:
        """rehearsed: its context was prepared; it is sooner done, which says nothing of those that are not."""
        self._measures = self._rehearsed if rehearsed else self._latencies
        self.job, self.request_id, self._submitted_ns = job, request.id, now_ns
        self._resident.submit(request, inline, self._listen)

    def rehearse(self, name: str, request: Request, inline: Audio | None, seconds: float) -> bool:
        """Have the engine prepare for a request that may come within `seconds`; False where it cannot."""
        return self._resident.rehearse(name, request, inline, seconds)

    @property
    def rehearses(self) -> bool:
        """Whether the engine prepares for something now."""
        return self._resident.rehearses

    def cancel(self, served: bool = False) -> None:
        """Take the running job back; nothing that it still sends is taken. served: all that was wanted has come."""
        if self.job is not None:
            if served:
                self._went_well()
            else:
                self.cancels += 1
            request_id, self.job, self.request_id = self.request_id, None, ""
            self._resident.cancel(request_id)

    def events(self) -> list[Event]:
        """What the running job has sent since the last call."""
        found = []
        while self._events:
            event = self._events.popleft()
            if event.id == self.request_id:
                found.append(event)
        return found

    def arrived(self, now_ns: int) -> None:
        """The first new frames of the running job are written: one more measure of latency."""
        seconds = (now_ns - self._submitted_ns) / 1e9
        self._measures.append(seconds)
        self._told.append(seconds)

    def ended(self, event: Ended, now_ns: int) -> None:
        """The running job came to an end by itself."""
        self.job, self.request_id = None, ""
        if event.ending == "done":
            self._went_well()
        elif event.ending != "cancelled":
            self.failures += 1
            self.error = event.text[:300]
            self._patience_ns = min(MAX_PATIENCE_NS, max(FIRST_PATIENCE_NS, 2 * self._patience_ns))
            self._not_before_ns = now_ns + self._patience_ns

    def _went_well(self) -> None:
        self.renders += 1
        self._patience_ns, self.error = 0, ""

    @property
    def latency_s(self) -> float:
        """From submit to the first new frames in the cache, with SPARE: the 95th percentile of the last 32 unrehearsed.

        What is promised for a place holds whether it was rehearsed or not.
        """
        if not self._latencies:
            return FIRST_LATENCY_S
        ordered = sorted(self._latencies)
        return min(MAX_LATENCY_S, SPARE * ordered[math.ceil(LATENCY_QUANTILE * len(ordered)) - 1])

    @property
    def first_piece_s(self) -> Quantiles:
        """From submit to the first new frames in the cache, rehearsed or not, of the last 512 renders."""
        return quantiles(list(self._told))

    @property
    def least_latency_s(self) -> float:
        """The shortest of those: how soon a gap under the head may be filled."""
        return min(self._latencies, default=FIRST_LATENCY_S)

    def _listen(self, event: Event) -> None:
        if isinstance(event, BarReady | Ended):
            self._events.append(event)
            self._wake()
