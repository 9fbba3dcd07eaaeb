"""One thread, all sockets: a poll loop with timers and calls from other threads.

*Threading*: `run` owns the poller and runs every callback on its thread. `call` and `stop`
may be called from any thread or signal handler; they append to a deque and write one byte,
and never block. What others hand in is bounded by what they render: the loop itself does no
work longer than one message or one send. Timers that are late run at once, in order.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import socket
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any

import zmq

from bridge.clock import Clock, SystemClock

MAX_TIMERS = 1024
MAX_TOLD_ERRORS = 10
IDLE_POLL_S = 1.0


class Loop:
    """Polls sockets and file descriptors; runs what becomes due."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.callback_errors = 0
        self._poller = zmq.Poller()
        self._readers: dict[Any, Callable[[], None]] = {}
        self._calls: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        self._stopping = False
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self.on_readable(self._wake_in.fileno(), self._drain)

    def on_readable(self, key: Any, callback: Callable[[], None]) -> None:
        """Call `callback` when `key` (a zmq socket or a file descriptor) has something to read."""
        self._readers[key] = callback
        self._poller.register(key, zmq.POLLIN)

    def call(self, callback: Callable[[], None]) -> None:
        """Run `callback` on the loop's thread, soon. From any thread."""
        self._calls.append(callback)
        self._wake()

    def call_in(self, seconds: float, callback: Callable[[], None]) -> bool:
        """Run `callback` after `seconds`; False when too many timers wait. On the loop's thread."""
        if len(self._timers) >= MAX_TIMERS:
            return False
        heapq.heappush(self._timers, (self.clock.now_s() + seconds, next(self._serial), callback))
        return True

    def stop(self) -> None:
        """Make `run` return. From any thread or signal handler."""
        self._stopping = True
        self._wake()

    def run(self) -> None:
        while not self._stopping:
            for key, _ in self._poller.poll(self._timeout_ms()):
                self._guard(self._readers[key])
            for _ in range(len(self._calls)):
                self._guard(self._calls.popleft())
            while self._timers and self._timers[0][0] <= self.clock.now_s():
                self._guard(heapq.heappop(self._timers)[2])

    def drain(self) -> None:
        """Run what was handed in and not yet run. For the end, when `run` has returned."""
        while self._calls:
            self._guard(self._calls.popleft())

    def close(self) -> None:
        self._wake_in.close()
        self._wake_out.close()

    def _guard(self, callback: Callable[[], None]) -> None:
        """A callback that raises is a bug of ours; it is counted and must not end the service."""
        try:
            callback()
        except Exception:
            self.callback_errors += 1
            if self.callback_errors <= MAX_TOLD_ERRORS:
                traceback.print_exc()

    def _timeout_ms(self) -> int:
        if self._calls:
            return 0
        if not self._timers:
            return int(IDLE_POLL_S * 1000)
        return max(0, min(int(IDLE_POLL_S * 1000), int((self._timers[0][0] - self.clock.now_s()) * 1000) + 1))

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            self._wake_out.send(b"\0")

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while len(self._wake_in.recv(4096)) == 4096:
                pass
