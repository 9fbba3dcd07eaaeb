"""Live MIDI notes as they come, and bytes made into whole messages.

*Threading*: the port's own thread (rtmidi's callback, the reader of a socket, a file's player) feeds the collector;
the loop's and the live session's threads read from it. All hold one lock for microseconds. At most 4096 notes are
kept, the oldest go first; sysex and everything that is no note is dropped byte by byte.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from bridge.clock import Clock, SystemClock
from engine.timing import TempoMap
from engine.types import Note

MAX_NOTES = 4096
PHRASE_PAUSE_S = 5.0
SHORTEST_QUARTERS = Fraction(1, 64)
LONGEST_QUARTERS = 10_000
SONG_POSITION, STOP, RESET = 0xF2, 0xFC, 0xFF
_LENGTHS = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}
_SYSTEM_LENGTHS = {0xF1: 1, SONG_POSITION: 2, 0xF3: 1, 0xF6: 0}
_REALTIME = {0xF8, 0xFA, 0xFB, STOP, RESET}


@dataclass
class Played:
    """A note as it came; seconds on the collector's clock, end_s None while it sounds."""

    pitch: int
    velocity: int
    begin_s: float
    end_s: float | None = None


class TimedNote(NamedTuple):
    """A note in monotonic nanoseconds; end_ns None while it sounds."""

    pitch: int
    velocity: int
    begin_ns: int
    end_ns: int | None


class NoteCollector:
    """Collects notes; `take` hands out the last phrase once, `since` looks without taking."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._notes: deque[Played] = deque(maxlen=MAX_NOTES)
        self._history: deque[Played] = deque(maxlen=MAX_NOTES)
        self._sounding: dict[tuple[int, int], Played] = {}
        self._changes = 0

    def feed(self, data: bytes) -> None:
        """One complete message (status, data...). What is neither note, panic, stop, seek nor reset is ignored."""
        if data[:1] and data[0] in (STOP, SONG_POSITION, RESET):
            self.release()
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

    def release(self) -> None:
        """Ends all sounding notes: on stop, disconnect, seek and panic."""
        with self._lock:
            self._end_all(self._clock.now_s())

    @property
    def changes(self) -> int:
        """A count that steps up with every note that begins or ends."""
        return self._changes

    def since(self, ns: int) -> tuple[TimedNote, ...]:
        """Notes that sound at `ns` (time.monotonic_ns) or begin later, oldest first. They stay."""
        with self._lock:
            found = []
            for note in self._history:
                end_ns = None if note.end_s is None else round(note.end_s * 1e9)
                if end_ns is None or end_ns > ns or note.begin_s * 1e9 >= ns:
                    found.append(TimedNote(note.pitch, note.velocity, round(note.begin_s * 1e9), end_ns))
        return tuple(found)

    def take(self, tempo_map: TempoMap) -> tuple[Note, ...]:
        """The last phrase, first note-on at beat 0, in the tempo of `tempo_map`; then it is gone.

        A note that was never ended is closed now. A pause of 5 s without a sounding note begins a new phrase.
        """
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
        self._history.append(note)
        self._sounding[(channel, pitch)] = note
        self._changes += 1

    def _end(self, key: tuple[int, int], now_s: float) -> None:
        note = self._sounding.pop(key, None)
        if note is not None:
            note.end_s = now_s
            self._changes += 1

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
    """A byte stream to complete messages: running status filled in, sysex thrown away.

    (A general parser loses running-status notes, and keeps endless sysex in memory.)
    """

    def __init__(self, system: bool = False) -> None:
        """system: song position, clock, start, continue, stop and reset are handed out, too."""
        self._system = system
        self._status = 0
        self._data = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes. Holds two bytes at most between calls."""
        found = []
        for byte in data:
            if byte >= 0xF8:
                if self._system and byte in _REALTIME:
                    found.append(bytes((byte,)))
            elif byte >= 0x80:
                self._status = byte if byte < 0xF0 or _SYSTEM_LENGTHS.get(byte) else 0
                self._data.clear()
            elif self._status:
                self._data.append(byte)
                if len(self._data) == self._length():
                    self._complete(found)
        return found

    def _length(self) -> int:
        return _SYSTEM_LENGTHS[self._status] if self._status >= 0xF0 else _LENGTHS[self._status & 0xF0]

    def _complete(self, found: list[bytes]) -> None:
        if self._status < 0xF0 or (self._system and self._status == SONG_POSITION):
            found.append(bytes((self._status, *self._data)))
        self._data.clear()
        if self._status >= 0xF0:
            self._status = 0  # system messages have no running status
