"""What a player asked of a session: wishes that wait for their place, and the trace of each change.

*Threading*: the live thread owns it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import msgspec

from bridge.live.messages import MAX_TRACES, LiveTrace
from bridge.live.request import Wishes, obeyed
from engine.horizon import Horizon
from engine.horizon.places import Quantise
from engine.horizon.plans import Change, Job


@dataclass
class Trace:
    """A change on its way: what is told of it so far."""

    told: LiveTrace

    def note(self, **fields: Any) -> None:
        """These fields are known now."""
        self.told = msgspec.structs.replace(self.told, **fields)


class Asks:
    """Wishes now in force, those that wait, and the last 1000 traces."""

    def __init__(self) -> None:
        self.wishes = Wishes()
        self.traces: deque[Trace] = deque(maxlen=MAX_TRACES)
        self._patches: dict[int, dict[str, Any]] = {}
        self._waiting: dict[int, list[Trace]] = {}
        self._written: dict[str, list[Trace]] = {}

    def ask(self, horizon: Horizon, kind: str, quantise: Quantise, arrived_ns: int, patch: dict[str, Any]) -> Change:
        """Announce a change to the horizon; its wishes come into force with the job that obeys it."""
        change = horizon.change(kind, quantise)
        self.note(change, quantise, arrived_ns, patch)
        return change

    def note(self, change: Change, quantise: Quantise, arrived_ns: int, patch: dict[str, Any]) -> None:
        """A change that the horizon has announced already."""
        traces: list[Trace] = []
        merged: dict[str, Any] = {}
        for serial in change.replaces:
            traces += self._waiting.pop(serial, [])
            merged |= self._patches.pop(serial, {})
        trace = Trace(
            LiveTrace(
                serial=change.serial,
                kind=change.kind,
                quantise=quantise,
                arrived_ns=arrived_ns,
                announced_frame=change.at.frame,
            )
        )
        self.traces.append(trace)
        self._waiting[change.serial] = [*traces, trace]
        self._patches[change.serial] = merged | patch

    def obey(self, job: Job, request_id: str) -> set[str]:
        """A job begins: what it obeys is in force. Returns the kinds of what it obeys."""
        kinds: set[str] = set()
        traces: list[Trace] = []
        for serial in sorted(job.obeys):
            self.wishes = obeyed(self.wishes, self._patches.pop(serial, {}))
            traces += self._waiting.pop(serial, [])
        for trace in traces:
            trace.note(request_id=request_id)
            kinds.add(trace.told.kind)
        if traces:
            self._written[request_id] = traces
        return kinds

    def since(self, at_ns: int) -> bool:
        """Whether the newest change came after a time."""
        return bool(self.traces) and self.traces[-1].told.arrived_ns > at_ns

    def again(self, request_id: str) -> list[Trace]:
        """The traces of a request that ended before it wrote: the next job takes them over."""
        return self._written.pop(request_id, [])

    def takeover(self, request_id: str, traces: list[Trace]) -> None:
        for trace in traces:
            trace.note(request_id=request_id)
        if traces:
            self._written[request_id] = [*self._written.get(request_id, []), *traces]

    def wrote(self, request_id: str, frame: int, at_ns: int) -> None:
        """The first frames of a request stand in the cache."""
        for trace in self._written.pop(request_id, []):
            trace.note(first_written_ns=at_ns, first_changed_frame=frame)

    def done(self, kind: str, quantise: str, arrived_ns: int, announced: int, frame: int, at_ns: int) -> None:
        """A change without a render: a hold, a recall, a panic."""
        told = LiveTrace(
            serial=0,
            kind=kind,
            quantise=quantise,
            arrived_ns=arrived_ns,
            announced_frame=announced,
            first_written_ns=at_ns,
            first_changed_frame=frame,
        )
        self.traces.append(Trace(told))
