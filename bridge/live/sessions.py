"""Live sessions: finds the caches of plugins, serves each with bars ahead of its host's play head.

*Threading*: `attacca-live` owns all sessions. It looks into the cache folder every 0.5 s and turns every 5 ms, sooner
when a render has something to hand over or, looked at every 2 ms, a note waits; a turn is bounded by the work of 8
sessions (see bridge.live.session). It asks to be scheduled before the renderer, where that is permitted. `command`,
`ask` and `close` may be called from any thread; answers come on the live thread and must only be handed on. A session
that raises is a bug of ours: it is told on stderr, its cache is let go and not taken up again for 5 s.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path

from bridge.hurry import hurry
from bridge.live.leads import NOBODY, Leads
from bridge.live.messages import LiveAudio, LiveCommand, LiveStatus
from bridge.live.report import check_command, obey, status_of
from bridge.live.request import STEPS
from bridge.live.session import LiveSession
from bridge.timeline import cache as caches
from bridge.timeline import layout
from engine.errors import AttaccaError, BadRequest
from engine.resident import Resident
from engine.types import Audio

MAX_SESSIONS = 8
SCAN_NS = 500_000_000
REST_NS = 5_000_000_000
TURN_NS = 5_000_000
PEEK_S = 0.002
IDLE_S = 0.1
MAX_CALLS = 256

Listener = Callable[[LiveAudio, Audio], None]
Answer = Callable[[AttaccaError | None], None]


class Live:
    """All live sessions of an engine."""

    def __init__(
        self,
        resident: Resident,
        folder: Path | None = None,
        listener: Listener | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        steps: int = STEPS,
        leads: Leads = NOBODY,
    ) -> None:
        """folder: where the caches are, else the machine's. listener: hears what is written, on the live thread."""
        self._resident, self._folder, self._listener, self._clock_ns = resident, folder, listener, clock_ns
        self._steps, self._leads = steps, leads
        self._sessions: dict[str, LiveSession] = {}
        self._resting: dict[str, int] = {}
        self._calls: deque[Callable[[], None]] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._scan_ns = self._turned_ns = 0
        self.bugs = 0
        self._thread = threading.Thread(target=self._run, name="attacca-live", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Let go of all caches; their audio stays for the plugins to play."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def command(self, command: LiveCommand, then: Answer) -> None:
        """Obey a command; `then` gets None, or why not."""
        arrived_ns = self._clock_ns()
        self._call(lambda: then(self._obey(command, arrived_ns)))

    def ask(self, traces: int, then: Callable[[LiveStatus], None], notes: int = 0) -> None:
        """`then` gets what all sessions do."""
        self._call(lambda: then(self._status(traces, notes)))

    # ---- the thread ----------------------------------------------------------------------

    def _call(self, call: Callable[[], None]) -> None:
        if len(self._calls) < MAX_CALLS:
            self._calls.append(call)
            self._wake.set()

    def _run(self) -> None:
        hurry()
        while not self._stopping:
            woken = self._wake.wait(PEEK_S if self._sessions else IDLE_S)
            self._wake.clear()
            for _ in range(len(self._calls)):
                self._guard("", self._calls.popleft())
            now_ns = self._clock_ns()
            if now_ns - self._scan_ns >= SCAN_NS:
                self._guard("", self._scan)
            due = woken or now_ns - self._turned_ns >= TURN_NS
            if due:
                self._turned_ns = now_ns
            for instance, session in list(self._sessions.items()):
                self._guard(instance, session.tick if due else session.tick_if_stirred)
        for instance in list(self._sessions):
            self._detach(instance)

    def _guard(self, instance: str, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception:
            self.bugs += 1
            traceback.print_exc()
            if instance:
                self._resting[instance] = self._clock_ns() + REST_NS
                self._detach(instance)

    def _scan(self) -> None:
        """Let go of caches whose plugin is gone; take up those that nobody serves."""
        self._scan_ns = self._clock_ns()
        if self._leads.bindings is not None:
            self._leads.bindings.look()
        for instance, session in list(self._sessions.items()):
            if not session.side.alive:
                self._detach(instance)
        for info in caches.discover(self._folder):
            ours = info.whole and info.creator_alive and not info.engine_attached and info.version == layout.VERSION
            if ours and len(self._sessions) < MAX_SESSIONS and self._resting.get(info.instance, 0) <= self._scan_ns:
                self._attach(info.path)

    def _attach(self, path: Path) -> None:
        try:
            side = caches.EngineSide.attach(path)
        except AttaccaError:
            return
        instance = side.instance

        def tell(generation: int, first_frame: int, audio: Audio) -> None:
            self._tell(instance, side.rate, generation, first_frame, audio)

        self._sessions[instance] = LiveSession(
            side, self._resident, tell, self._wake.set, self._clock_ns, self._steps, self._leads
        )

    def _detach(self, instance: str) -> None:
        session = self._sessions.pop(instance, None)
        if session is not None:
            session.close()

    def _tell(self, instance: str, rate: int, generation: int, first_frame: int, audio: Audio) -> None:
        if self._listener is not None:
            frames, channels = audio.shape
            header = LiveAudio(
                instance=instance, first_frame=first_frame, generation=generation, frames=frames, channels=channels,
                rate=rate,
            )  # fmt: skip
            self._listener(header, audio)

    # ---- what others ask -----------------------------------------------------------------

    def _obey(self, command: LiveCommand, arrived_ns: int) -> AttaccaError | None:
        try:
            check_command(command)
            for session in self._meant(command.instance):
                obey(session, command, arrived_ns)
        except AttaccaError as error:
            return error
        return None

    def _meant(self, instance: str) -> list[LiveSession]:
        if not instance:
            if not self._sessions:
                raise BadRequest("no live session: load the plugin in a host on this machine")
            return list(self._sessions.values())
        if instance not in self._sessions:
            there = ", ".join(self._sessions) or "none"
            raise BadRequest(f"no live session {instance!r}; there are: {there}")
        return [self._sessions[instance]]

    def _status(self, traces: int, notes: int) -> LiveStatus:
        sessions = [self._sessions[instance] for instance in sorted(self._sessions)]
        return LiveStatus(sessions=tuple(status_of(session, traces, notes) for session in sessions))
