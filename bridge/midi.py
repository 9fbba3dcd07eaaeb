"""MIDI inputs: a port of the machine, one of our own, raw MIDI over TCP, a file played in real time.

What comes in goes to a `NoteCollector` and to listeners (a MIDI clock); notes that still sound are released when
the sender goes, stops or seeks.

*Threading*: messages arrive on the port's thread (rtmidi's, the socket's reader, the file's player), one at a time;
listeners are called there and must not block. A named port is looked for once a second by a thread of its own,
`attacca-midi-watch`: when it vanishes its notes are released, when it is back it is opened again. `close` waits for
these threads, a second at most.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridge.midi_notes import MAX_NOTES, Normaliser, NoteCollector, Played, TimedNote
from bridge.quiet import quiet_libraries
from engine.errors import BadMidi, BadRequest, Unavailable

__all__ = [
    "MAX_NOTES", "Fan", "Listener", "MidiInput", "Normaliser", "NoteCollector", "Played", "TimedNote",
    "input_names", "match", "open_input",
]  # fmt: skip

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


class MidiInput:
    """An open input; closes as a context manager or by `close`."""

    def __init__(self, name: str, close: Callable[[], None], fan: Fan | None = None) -> None:
        self.name = name
        self._end: Callable[[], None] | None = close
        self._fan = fan or Fan(None)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Every message from now on goes to `listener`, too; the answer ends that. From any one thread."""
        self._fan.listeners = (*self._fan.listeners, listener)

        def end() -> None:
            self._fan.listeners = tuple(other for other in self._fan.listeners if other is not listener)

        return end

    def close(self) -> None:
        """Ends it and releases what sounds. Twice is once."""
        end, self._end = self._end, None
        if end is not None:
            end()
            self._fan.release()

    def __enter__(self) -> MidiInput:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_input(name: str, collector: NoteCollector | None = None) -> MidiInput:
    """Open an input and feed `collector` from it.

    name: a port's name or a pattern ("*Keystation*"), `virtual` or `virtual:NAME` for one of our own,
    `socket:HOST:PORT` to listen for raw MIDI over TCP (as mido.sockets sends it), or `file:PATH` for a MIDI file
    that is played from now on in its own tempo.
    Raises BadRequest (no such port), BadMidi (no such file) and Unavailable (no backend, port busy).
    """
    fan = Fan(collector)
    if name.startswith("socket:"):
        return _open_socket(name[len("socket:") :], fan)
    if name.startswith("file:"):
        return _play_file(Path(name[len("file:") :]), fan)
    if name == "virtual" or name.startswith("virtual:"):
        return _open_virtual(name.partition(":")[2] or "Attacca", fan)
    port = _Port(name, fan)
    return MidiInput(port.name, port.close, fan)


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
            return list(_backend().get_input_names())
    except (OSError, ImportError, RuntimeError, SystemError) as error:
        raise _no_backend(error) from error


def _backend() -> Any:
    """What MIDO_BACKEND says; else mido itself, or its JACK backend on a Linux without ALSA's sequencer."""
    import mido

    wanted = os.environ.get("MIDO_BACKEND")
    if wanted:
        return mido.Backend(wanted)
    if sys.platform == "linux" and not os.path.exists("/dev/snd/seq"):
        return mido.Backend("mido.backends.rtmidi/UNIX_JACK")
    return mido


def _no_backend(error: Exception) -> Unavailable:
    return Unavailable(
        f"MIDI ports cannot be used here ({' '.join(str(error).split())[:120]}): "
        "install python-rtmidi and a MIDI system (ALSA or JACK on Linux), or use socket:HOST:PORT"
    )


def _opened(name: str, fan: Fan, virtual: bool = False) -> Any:
    """A mido port that feeds the fan. Raises what rtmidi raises."""

    def heard(message: Any) -> None:
        fan.message(bytes(message.bytes()))

    return _backend().open_input(name, virtual=virtual, callback=heard)


def _open_virtual(name: str, fan: Fan) -> MidiInput:
    try:
        with quiet_libraries():
            port = _opened(name, fan, virtual=True)
    except (OSError, ImportError, RuntimeError, SystemError) as error:
        raise _no_backend(error) from error
    return MidiInput(name, port.close, fan)


class _Port:
    """A named port, opened again when it comes back."""

    def __init__(self, pattern: str, fan: Fan) -> None:
        self._pattern, self._fan = pattern, fan
        self.name = match(pattern, input_names())
        try:
            with quiet_libraries():
                self._port: Any = _opened(self.name, fan)
        except (OSError, ImportError, RuntimeError, SystemError) as error:
            raise _no_backend(error) from error
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="attacca-midi-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._drop()

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_S):
            try:
                self._look(self._names())
            except Exception:  # a MIDI system that goes or comes may fail in any way; the next second tells
                self._drop()

    def _names(self) -> list[str]:
        """The inputs there are, asked of the open port where there is one (each other way makes a new client)."""
        if self._port is not None:
            return list(self._port._rt.get_ports())
        return input_names()

    def _look(self, names: list[str]) -> None:
        if self._port is not None and self.name not in names:
            self._drop()
        if self._port is None:
            with contextlib.suppress(BadRequest):
                self.name = match(self._pattern, names)
                with quiet_libraries():
                    self._port = _opened(self.name, self._fan)

    def _drop(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            with contextlib.suppress(Exception):
                port.close()
            self._fan.release()


def _play_file(path: Path, fan: Fan) -> MidiInput:
    """Plays a file once, in its own tempo; at its end nothing sounds any more."""
    timed = _timed_messages(path)
    stopping = threading.Event()

    def play() -> None:
        due_s = time.monotonic()
        for wait_s, data in timed:
            due_s += wait_s
            if stopping.wait(max(0.0, due_s - time.monotonic())):
                break
            fan.message(data)
        fan.release()

    thread = threading.Thread(target=play, name="attacca-midi-file", daemon=True)
    thread.start()

    def close() -> None:
        stopping.set()
        thread.join()

    return MidiInput(f"file:{path}", close, fan)


def _timed_messages(path: Path) -> list[tuple[float, bytes]]:
    """Seconds since the message before, and the message; no sysex. The strict reader looks at the file first."""
    from engine.controls.midifile import read_notes

    read_notes(path)
    import mido

    try:
        timed, wait_s = [], 0.0
        for message in mido.MidiFile(str(path)):
            wait_s += message.time
            if not message.is_meta and message.type != "sysex":
                timed.append((wait_s, bytes(message.bytes())))
                wait_s = 0.0
    except Exception as error:  # mido's reader of other tracks and events raises whatever it meets
        raise BadMidi(f"cannot play {path} ({' '.join(str(error).split())[:80]}): export it again") from error
    return timed


def _open_socket(where: str, fan: Fan) -> MidiInput:
    host, _, port = where.rpartition(":")
    if not host or not port.isdecimal() or host not in ("127.0.0.1", "localhost"):
        raise BadRequest(f"raw MIDI is heard at socket:127.0.0.1:PORT; got socket:{where}")
    try:
        listener = socket.create_server((host, int(port)), backlog=1)
    except (OSError, OverflowError) as error:
        raise Unavailable(f"cannot hear MIDI at {where}: {error}") from error
    stopping = threading.Event()
    thread = threading.Thread(target=_listen, args=(listener, fan, stopping), name="attacca-midi", daemon=True)
    thread.start()

    def close() -> None:
        stopping.set()
        thread.join()
        listener.close()

    return MidiInput(f"socket:{host}:{listener.getsockname()[1]}", close, fan)


def _listen(listener: socket.socket, fan: Fan, stopping: threading.Event) -> None:
    """One sender at a time, until told to stop."""
    listener.settimeout(0.1)
    while not stopping.is_set():
        with contextlib.suppress(TimeoutError):
            connection, _ = listener.accept()
            with connection:
                _read(connection, fan, stopping)
            fan.release()


def _read(connection: socket.socket, fan: Fan, stopping: threading.Event) -> None:
    connection.settimeout(0.1)
    normaliser = Normaliser(system=True)
    while not stopping.is_set():
        try:
            data = connection.recv(1024)
        except TimeoutError:
            continue
        except OSError:
            return
        if not data:
            return
        for message in normaliser.feed(data):
            fan.message(message)
