"""Live MIDI notes, which become the melody of the next request.

*Threading*: the port's own thread (rtmidi's callback, or the reader of a socket) feeds the
collector; the loop's thread takes from it. Both hold one lock for microseconds. At most 4096
notes are kept, the oldest go first; sysex and everything that is no note is dropped byte by
byte. A note that is never ended is closed when the notes are taken. A pause of 5 s without a
sounding note begins a new phrase, and only the last phrase counts.
"""

from __future__ import annotations

import contextlib
import fnmatch
import socket
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from bridge.clock import Clock, SystemClock
from bridge.quiet import quiet_libraries
from engine.errors import BadRequest, Unavailable
from engine.timing import TempoMap
from engine.types import Note

MAX_NOTES = 4096
PHRASE_PAUSE_S = 5.0
SHORTEST_QUARTERS = Fraction(1, 64)
LONGEST_QUARTERS = 10_000
_LENGTHS = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}


@dataclass
class Played:
    """A note as it came; seconds on the collector's clock, end_s None while it sounds."""

    pitch: int
    velocity: int
    begin_s: float
    end_s: float | None = None


class NoteCollector:
    """Collects notes; `take` hands them out once."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._notes: deque[Played] = deque(maxlen=MAX_NOTES)
        self._sounding: dict[tuple[int, int], Played] = {}

    def feed(self, data: bytes) -> None:
        """One complete channel message (status, data...). Anything else is ignored."""
        if len(data) != 3 or data[0] & 0xF0 not in (0x80, 0x90, 0xB0):
            return
        kind, channel, number, value = data[0] & 0xF0, data[0] & 0x0F, data[1] & 0x7F, data[2] & 0x7F
        now_s = self._clock.now_s()
        with self._lock:
            if kind == 0xB0 and number in (120, 123):
                self._end_all(now_s)
            elif kind == 0x90 and value > 0:
                self._begin(channel, number, value, now_s)
            elif kind != 0xB0:
                self._end((channel, number), now_s)

    def take(self, tempo_map: TempoMap) -> tuple[Note, ...]:
        """The last phrase, first note-on at beat 0, in the tempo of `tempo_map`; then it is gone."""
        with self._lock:
            self._end_all(self._clock.now_s())
            notes = list(self._notes)
            self._notes.clear()
        if not notes:
            return ()
        first_s = notes[0].begin_s
        return tuple(_note(note, first_s, tempo_map) for note in notes)

    def _begin(self, channel: int, pitch: int, velocity: int, now_s: float) -> None:
        self._end((channel, pitch), now_s)
        if not self._sounding and self._notes and now_s - (self._notes[-1].end_s or now_s) > PHRASE_PAUSE_S:
            self._notes.clear()
        note = Played(pitch, velocity, now_s)
        self._notes.append(note)
        self._sounding[(channel, pitch)] = note

    def _end(self, key: tuple[int, int], now_s: float) -> None:
        note = self._sounding.pop(key, None)
        if note is not None:
            note.end_s = now_s

    def _end_all(self, now_s: float) -> None:
        for key in list(self._sounding):
            self._end(key, now_s)


def _note(note: Played, first_s: float, tempo_map: TempoMap) -> Note:
    assert note.end_s is not None
    begin = tempo_map.quarters_at(_micros(note.begin_s - first_s))
    end = tempo_map.quarters_at(_micros(note.end_s - first_s))
    length = min(max(end - begin, SHORTEST_QUARTERS), Fraction(LONGEST_QUARTERS))
    return Note(pitch=note.pitch, beat=float(begin), length=float(length), velocity=note.velocity)


def _micros(seconds: float) -> Fraction:
    return Fraction(round(seconds * 1_000_000), 1_000_000)


class Normaliser:
    """A byte stream to complete channel messages: running status filled in, sysex thrown away.

    (A general parser loses running-status notes, and keeps endless sysex in memory.)
    """

    def __init__(self) -> None:
        self._status = 0
        self._data = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes. Holds two bytes at most between calls."""
        found = []
        for byte in data:
            if byte >= 0xF8:
                continue
            if byte >= 0x80:
                self._status = byte if byte < 0xF0 else 0
                self._data.clear()
            elif self._status:
                self._data.append(byte)
                if len(self._data) == _LENGTHS[self._status & 0xF0]:
                    found.append(bytes((self._status, *self._data)))
                    self._data.clear()
        return found


class MidiInput:
    """An open input; closes as a context manager or by `close`."""

    def __init__(self, name: str, close: Callable[[], None]) -> None:
        self.name = name
        self.close = close

    def __enter__(self) -> MidiInput:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_input(name: str, collector: NoteCollector) -> MidiInput:
    """Open a port and feed `collector` from it.

    name: a port's name or a pattern ("*Keystation*"), `virtual` or `virtual:NAME` for one of our own,
    or `socket:HOST:PORT` to listen for raw MIDI over TCP (as mido.sockets sends it).
    Raises BadRequest (no such port) and Unavailable (no backend, port busy).
    """
    if name.startswith("socket:"):
        return _open_socket(name[len("socket:") :], collector)
    mido = _mido()
    virtual = name == "virtual" or name.startswith("virtual:")
    try:
        with quiet_libraries():
            port_name = name.partition(":")[2] or "Attacca" if virtual else match(name, mido.get_input_names())
            port = mido.open_input(port_name, virtual=virtual, callback=lambda message: _feed(collector, message))
    except (OSError, ImportError, RuntimeError) as error:
        raise _no_backend(error) from error
    return MidiInput(port_name, port.close)


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
            return list(_mido().get_input_names())
    except (OSError, ImportError, RuntimeError) as error:
        raise _no_backend(error) from error


def _mido() -> Any:
    import mido

    return mido


def _no_backend(error: Exception) -> Unavailable:
    return Unavailable(
        f"MIDI ports cannot be used here ({' '.join(str(error).split())[:120]}): "
        "install python-rtmidi and a MIDI system (ALSA or JACK on Linux), or use socket:HOST:PORT"
    )


def _feed(collector: NoteCollector, message: Any) -> None:
    if message.type in ("note_on", "note_off", "control_change"):
        collector.feed(bytes(message.bytes()))


def _open_socket(where: str, collector: NoteCollector) -> MidiInput:
    host, _, port = where.rpartition(":")
    if not host or not port.isdecimal() or host not in ("127.0.0.1", "localhost"):
        raise BadRequest(f"raw MIDI is heard at socket:127.0.0.1:PORT; got socket:{where}")
    try:
        listener = socket.create_server((host, int(port)), backlog=1)
    except (OSError, OverflowError) as error:
        raise Unavailable(f"cannot hear MIDI at {where}: {error}") from error
    stopping = threading.Event()
    thread = threading.Thread(target=_listen, args=(listener, collector, stopping), name="attacca-midi", daemon=True)
    thread.start()

    def close() -> None:
        stopping.set()
        thread.join()
        listener.close()

    return MidiInput(f"socket:{host}:{listener.getsockname()[1]}", close)


def _listen(listener: socket.socket, collector: NoteCollector, stopping: threading.Event) -> None:
    """One sender at a time, until told to stop."""
    listener.settimeout(0.1)
    while not stopping.is_set():
        with contextlib.suppress(TimeoutError):
            connection, _ = listener.accept()
            with connection:
                _read(connection, collector, stopping)


def _read(connection: socket.socket, collector: NoteCollector, stopping: threading.Event) -> None:
    connection.settimeout(0.1)
    normaliser = Normaliser()
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
            collector.feed(message)
