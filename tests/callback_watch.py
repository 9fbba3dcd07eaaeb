"""What a host's audio callback does on the server's own thread: functions, memory, audited events. One line of JSON.

    python -m tests.callback_watch jack|device [array|lock|file|sleep]

The host's output plays a programme through a `RollingPlayer` on the JACK server of the environment: play, a jump, a
panic, play, then the rest of the ring without the player thread, into lateness, and a stop. Each call of its callback
is watched from within: by a profile (every Python and C function that it calls) and an audit hook (files, sockets,
processes); for the rest of the ring, in place of the profile, by tracemalloc (the most that was allocated at any time,
while no other thread does anything). The second word adds something forbidden to the callback, to show that it is
found. A process of its own: hooks are there for good.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bridge.timeline.cache import Segment, position_at
from plugin_host.outputs.device import DeviceOutput
from plugin_host.outputs.jackd import JackOutput
from plugin_host.rolling import RollingPlayer

CHANNELS = 2
SEGMENTS = [Segment(0, 0.0, 0, 0.0, 120.0, 4, 4)]
LOCK = threading.Lock()
SABOTAGE: dict[str, Callable[[], object]] = {
    "array": lambda: np.zeros(4_096, np.float32).sum(),
    "lock": lambda: (LOCK.acquire(), LOCK.release()),
    "file": lambda: open("/dev/null").close(),
    "sleep": lambda: time.sleep(0.0001),
    "": lambda: None,
}


class Watch:
    """What was seen; `call` runs one callback under it."""

    def __init__(self, extra: Callable[[], object]) -> None:
        self.calls = 0
        self.functions: set[str] = set()
        self.events: set[str] = set()
        self.peak_bytes = 0
        self.measuring = False
        self._extra = extra
        self._thread = 0
        sys.addaudithook(self._audit)

    def call(self, callback: Callable[..., Any], *args: Any) -> Any:
        self._thread = threading.get_ident()
        measuring, before = self.measuring, 0
        if measuring:
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
        else:
            sys.setprofile(self._note)
        try:
            self._extra()
            return callback(*args)
        finally:
            if measuring:
                self.peak_bytes = max(self.peak_bytes, tracemalloc.get_traced_memory()[1] - before)
            else:
                sys.setprofile(None)
            self._thread = 0
            self.calls += 1

    def _note(self, frame: Any, event: str, what: Any) -> None:
        if event == "c_call":
            owner = getattr(what, "__self__", None)
            home = what.__module__ or type(owner).__name__
            self.functions.add(f"{home}.{what.__qualname__}")
        elif event == "call":
            self.functions.add(f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}")

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if threading.get_ident() == self._thread and event not in ("sys.setprofile", "object.__getattr__"):
            self.events.add(event)


class Hum:
    """A programme of noise."""

    def __init__(self) -> None:
        self._sound = np.random.default_rng(1).uniform(-0.1, 0.1, (8_192, CHANNELS)).astype(np.float32)

    def locate(self, frame: int) -> None:
        pass

    def block(self, frames: int) -> Any:
        return self._sound[:frames]

    def report(self, frame: int, rolling: bool, jumps: int) -> None:
        pass


def watched(kind: str, watch: Watch) -> Any:
    """An output whose callback goes through the watch."""

    class WatchedJack(JackOutput):
        def _process(self, frames: int) -> None:
            if not self._ending:
                watch.call(super()._process, frames)
            else:
                super()._process(frames)

        def _sync(self, state: int, position: Any) -> bool:
            return bool(watch.call(super()._sync, state, position))

        def _tell(self, state: int, blocksize: int, position: Any, new_position: bool) -> None:
            watch.call(super()._tell, state, blocksize, position, new_position)

    class WatchedDevice(DeviceOutput):
        def _callback(self, out: Any, frames: int, time: Any, status: Any) -> None:
            watch.call(super()._callback, out, frames, time, status)

    if kind == "jack":
        place = partial(position_at, SEGMENTS, 48_000)
        return WatchedJack(None, CHANNELS, "lead", name="watched", connect=False, place=place)
    return WatchedDevice("system", 48_000, CHANNELS)


def until(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.01)


def perform(sink: Any, watch: Watch) -> RollingPlayer:
    """Play, jump, panic, play on; then, measured, the rest of the ring without the player thread, into lateness."""
    player = RollingPlayer(Hum(), sink.rate_hz, CHANNELS, sink.block_frames, 0.5)
    player.open()
    sink.start(player)
    leads = isinstance(sink, JackOutput)
    player.start()
    if leads:
        sink.roll()
    until(lambda: player.frame > 20_000, "to play")
    (sink if leads else player).locate(100_000)
    until(lambda: player.frame > 120_000, "to jump")
    player.panic()
    until(lambda: not player.rolling, "a panic")
    player.start()
    frame = player.frame
    until(lambda: player.frame > frame + 20_000, "to go on")
    until(lambda: player._ready() > 4, "a ring that is full")
    player._stopping = True
    player._thread.join()
    tracemalloc.start()
    watch.measuring = True
    until(lambda: player.underruns > 20, "to be late")
    watch.measuring = False
    until(lambda: player.underruns > 25, "to be late under the profile, too")
    player.stop()
    if leads:
        sink.halt()
    until(lambda: not player._rolling, "a stop")
    return player


def main(kind: str, sabotage: str = "") -> None:
    watch = Watch(SABOTAGE[sabotage])
    sink = watched(kind, watch)
    player = perform(sink, watch)
    tracemalloc.stop()
    sink.stop()
    found = {
        "calls": watch.calls, "functions": sorted(watch.functions), "events": sorted(watch.events),
        "peak_bytes": watch.peak_bytes, "channel_bytes": 4 * sink.block_frames, "underruns": player.underruns,
        "error": repr(player.error),
    }  # fmt: skip
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
