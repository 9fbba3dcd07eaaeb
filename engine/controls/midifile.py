"""Reads notes out of Standard MIDI Files, strictly and in bounded time and memory.

mido's reader collects endless variable-length numbers and system exclusives; files come from
anywhere, so this one reads just what a melody needs: notes by ticks.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.controls.melody import monophonic
from engine.errors import BadMidi
from engine.timing import shown
from engine.types import Note

MAX_BYTES = 4_000_000
MAX_NOTES = 10_000
MAX_QUARTERS = 100_000
MAX_LENGTH = 10_000.0
DRUM_CHANNEL = 9
_DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}
_SYSTEM_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1}


def read_melody(path: str | Path) -> tuple[Note, ...]:
    """The highest voice of the first track with notes; beats are its ticks as quarters.

    The file's own tempo is ignored, as are drums (channel 10). BadMidi where there is nothing to play.
    """
    return monophonic(read_notes(path))


def read_notes(path: str | Path) -> tuple[Note, ...]:
    """All notes of the first track that has any, by beat. BadMidi for anything that is no MIDI file with notes."""
    name = shown(Path(path).name or str(path))
    try:
        if not Path(path).is_file():
            raise BadMidi(f"There is no MIDI file {name}.")
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise BadMidi(f"Cannot read the MIDI file {name}: {why or 'no such file'}.") from None
    if len(data) > MAX_BYTES:
        raise BadMidi(f"The MIDI file {name} is larger than {MAX_BYTES // 1_000_000} MB.")
    try:
        return parse_notes(data)
    except BadMidi as error:
        raise BadMidi(f"The MIDI file {name} {error}.") from None


def check_tracks(data: bytes) -> None:
    """Raises BadMidi, with what the file "is" or "has", unless every track of it can be read to its end."""
    for track in _tracks(data)[1]:
        track.notes()


def parse_notes(data: bytes) -> tuple[Note, ...]:
    """Notes of the first track with notes in a Standard MIDI File's bytes. BadMidi: what it "is" or "has"."""
    division, tracks = _tracks(data)
    for track in tracks:
        notes = track.notes()
        if notes:
            return _as_notes(notes, division)
    raise BadMidi("has no notes (drums on channel 10 do not count)")


def _tracks(data: bytes) -> tuple[int, Iterator[_Track]]:
    """Ticks a quarter, and the tracks as they are asked for."""
    if data[:4] == b"RIFF" and data[8:12] == b"RMID":
        data = data[20:]
    head = int.from_bytes(data[4:8], "big")
    if data[:4] != b"MThd" or not 6 <= head <= len(data) - 8:
        raise BadMidi("is not a Standard MIDI File")
    division = int.from_bytes(data[12:14], "big")
    if division == 0 or division >= 0x8000:
        raise BadMidi("counts time in film frames; export it with ticks per quarter note")
    return division, _chunks(data, 8 + head)


def _chunks(data: bytes, at: int) -> Iterator[_Track]:
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        if data[at : at + 4] == b"MTrk":
            if at + 8 + size > len(data):
                raise BadMidi("is cut short")
            yield _Track(data[at + 8 : at + 8 + size])
        at += 8 + size


def _as_notes(notes: list[_Ticks], division: int) -> tuple[Note, ...]:
    if notes[-1].start > MAX_QUARTERS * division:
        raise BadMidi(f"is longer than {MAX_QUARTERS} quarters")
    return tuple(
        Note(
            pitch=n.pitch,
            beat=n.start / division,
            length=min(MAX_LENGTH, max(1, n.end - n.start) / division),
            velocity=n.velocity,
        )
        for n in notes
    )


@dataclass(slots=True)
class _Ticks:
    """A note in ticks; end -1 while it sounds."""

    start: int
    pitch: int
    velocity: int
    end: int = -1


class _Track:
    """One track's bytes, read once from start to end."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.now = data, 0, 0
        self.found: list[_Ticks] = []
        self.sounding: defaultdict[tuple[int, int], deque[_Ticks]] = defaultdict(deque)

    def notes(self) -> list[_Ticks]:
        """Notes by start; what still sounds at the end ends there."""
        status = 0
        while self.at < len(self.data):
            self.now += self.number()
            if self.byte_ahead() >= 0x80:
                status = self.take(1)[0]
            elif status == 0:
                raise BadMidi("is damaged: data without a status")
            if status >= 0xF0:
                if not self.system(status):
                    break
                status = 0
            else:
                self.channel(status, self.take(_DATA_BYTES[status & 0xF0]))
        for note in self.found:
            note.end = self.now if note.end < 0 else note.end
        return sorted(self.found, key=lambda n: n.start)

    def byte_ahead(self) -> int:
        if self.at >= len(self.data):
            raise BadMidi("is damaged: a track breaks off")
        return self.data[self.at]

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise BadMidi("is damaged: a track breaks off")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self) -> int:
        """A variable-length number of at most four bytes."""
        value = 0
        for _ in range(4):
            byte = self.take(1)[0]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value
        raise BadMidi("is damaged: a number has no end")

    def system(self, status: int) -> bool:
        """Skips a meta event, system exclusive or system message; False at the end of the track."""
        if status == 0xFF:
            kind = self.take(1)[0]
            self.take(self.number())
            return kind != 0x2F
        self.take(self.number() if status in (0xF0, 0xF7) else _SYSTEM_BYTES.get(status, 0))
        return True

    def channel(self, status: int, data: bytes) -> None:
        if max(data) >= 0x80:
            raise BadMidi("is damaged: a data byte is above 127")
        kind, channel = status & 0xF0, status & 0x0F
        if channel == DRUM_CHANNEL or kind not in (0x80, 0x90):
            return
        key = (channel, data[0])
        if kind == 0x90 and data[1] > 0:
            if len(self.found) >= MAX_NOTES:
                raise BadMidi(f"has more than {MAX_NOTES} notes in its first track")
            note = _Ticks(self.now, data[0], data[1])
            self.found.append(note)
            self.sounding[key].append(note)
        elif self.sounding[key]:
            self.sounding[key].popleft().end = self.now
