"""MIDI ports of the machine, by name or pattern; a port that vanishes is opened again when it is back.

*Threading*: messages arrive on the port's thread, one at a time. `Port` looks ten times a second, on a thread of its
own (`attacca-midi-watch`), whether its port is still there: when it vanishes its notes are released. One that is not
there is looked for once a second, and opened again when it is back. `close` waits for this thread.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridge.midi.notes import NoteCollector
from bridge.quiet import quiet_libraries
from engine.errors import BadRequest, Unavailable

THERE_S = 0.1
"""How often an open port is looked at: one that comes back sooner would be taken for the one that went."""
WATCH_S = 1.0
Listener = Callable[[bytes, int], None]
"""Called with one complete message and time.monotonic_ns() of its arrival."""


class Fan:
    """Hands each message to the collector and to every listener."""

    def __init__(self, collector: NoteCollector | None) -> None:
        self.collector = collector
        self.listeners: tuple[Listener, ...] = ()

    def message(self, data: bytes) -> None:
        at_ns = time.monotonic_ns()
        if self.collector is not None:
            self.collector.feed(data)
        for listener in self.listeners:
            listener(data, at_ns)

    def release(self) -> None:
        """The sender is gone: what sounds ends."""
        if self.collector is not None:
            self.collector.release()


def match(pattern: str, names: list[str]) -> str:
    """The one port that is called or matched so: exactly, by pattern, or by a part. Raises BadRequest."""
    wanted = pattern.lower()
    for found in (
        [name for name in names if name == pattern],
        [name for name in names if fnmatch.fnmatchcase(name.lower(), wanted)],
        [name for name in names if wanted in name.lower()],
    ):
        if found:
            return found[0]
    there = ", ".join(repr(name) for name in names) or "none (virtual:NAME makes one)"
    raise BadRequest(f"no MIDI input is called {pattern!r}; there are: {there}")


def input_names() -> list[str]:
    """The MIDI inputs of this machine. Raises Unavailable without a backend."""
    try:
        with quiet_libraries():
            return list(backend().get_input_names())
    except (OSError, ImportError, RuntimeError, SystemError) as error:
        raise no_backend(error) from error


def backend() -> Any:
    """What MIDO_BACKEND says; else mido itself, or its JACK backend on a Linux without ALSA's sequencer."""
    import mido

    wanted = os.environ.get("MIDO_BACKEND")
    if wanted:
        return mido.Backend(wanted)
    if sys.platform == "linux" and not os.path.exists("/dev/snd/seq"):
        return mido.Backend("mido.backends.rtmidi/UNIX_JACK")
    return mido


def installed() -> bool:
    """Whether there is a library for ports at all: without one, waiting is in vain."""
    try:
        import rtmidi  # noqa: F401
    except ImportError:
        return False
    return True


def on_jack() -> bool:
    """Whether ports are a JACK server's that listens now, so that one that does not any more is gone with them."""
    try:
        return getattr(backend(), "api", "") == "UNIX_JACK" and jack_listens()
    except (OSError, ImportError, RuntimeError, SystemError):
        return False


def no_backend(error: Exception) -> Unavailable:
    """What is missing, by what the library said: the library itself, or the system under it."""
    if isinstance(error, ImportError):
        way_out = "install python-rtmidi (pip install python-rtmidi)"
    elif sys.platform == "linux":
        way_out = "start JACK (jackd -R -d alsa, or PipeWire's), or load ALSA's sequencer (modprobe snd-seq)"
    else:
        way_out = "look whether this system has a MIDI service"
    return Unavailable(
        f"MIDI ports cannot be used here ({' '.join(str(error).split())[:120]}): {way_out}, or use socket:HOST:PORT"
    )


def opened_port(name: str, fan: Fan, virtual: bool = False) -> Any:
    """A mido port that feeds the fan. Raises what rtmidi raises."""

    def heard(message: Any) -> None:
        fan.message(bytes(message.bytes()))

    return backend().open_input(name, virtual=virtual, callback=heard)


class Port:
    """A named port, opened again when it comes back."""

    def __init__(self, pattern: str, fan: Fan, wait: bool = False) -> None:
        """wait: where it is not there yet it is looked for, too. Raises BadRequest and Unavailable."""
        self._pattern, self._fan = pattern, fan
        self.name = pattern
        self._port: Any = None
        self._jack = on_jack()
        try:
            self._open_first()
        except (BadRequest, Unavailable):
            if not wait or not installed():
                raise
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="attacca-midi-watch", daemon=True)
        self._thread.start()

    @property
    def is_open(self) -> bool:
        """Whether the port is there now."""
        return self._port is not None

    def _open_first(self) -> None:
        self.name = match(self._pattern, input_names())
        try:
            with quiet_libraries():
                self._port = opened_port(self.name, self._fan)
        except (OSError, ImportError, RuntimeError, SystemError) as error:
            raise no_backend(error) from error

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._drop()

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_S if self._port is None else THERE_S):
            try:
                if self._jack and not jack_listens():
                    self._drop()
                else:
                    self._look(self._names())
            except Exception:  # a MIDI system that goes or comes may fail in any way; the next second tells
                self._drop()

    def _names(self) -> list[str]:
        """The inputs there are, asked of the open port where there is one (each other way makes a new client)."""
        return input_names() if self._port is None else list(self._port._rt.get_ports())

    def _look(self, names: list[str]) -> None:
        if self._port is not None and self.name not in names:
            self._drop()
        if self._port is None:
            with contextlib.suppress(BadRequest):
                self.name = match(self._pattern, names)
                with quiet_libraries():
                    self._port = opened_port(self.name, self._fan)
                self._jack = on_jack()

    def _drop(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            with contextlib.suppress(Exception):
                port.close()
            self._fan.release()


def jack_listens() -> bool:
    """Does a JACK server listen, as the kernel sees it? (libjack lists a dead one's ports, and may crash on them.)"""
    name = f"/jack_{os.environ.get('JACK_DEFAULT_SERVER', 'default')}_{os.getuid()}_0"
    try:
        return name in Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
