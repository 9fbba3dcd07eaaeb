"""Live notes as melody targets: *echo* (what was played guides the bar after it) and *now* (it goes on from here).

*Threading*: the live thread owns it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from bridge.live.map import ProjectMap
from engine.horizon.plans import Job
from engine.types import Note

Policy = Literal["echo", "now", "off"]
MAX_PLAYED = 256
UNENDED_QUARTERS = Fraction(1, 2)
LEAST_QUARTERS = Fraction(1, 16)
NOTE_OFF, NOTE_ON, CONTROL = 0x80, 0x90, 0xB0
ALL_OFF = (120, 123)
Place = tuple[int, Fraction]


@dataclass
class Played:
    """A note as it was played: bar and quarters into it; length in quarters once its key is up; its echo's bar.

    serial: counted from 1. arrived_ns: when it was heard (time.monotonic_ns).
    """

    pitch: int
    velocity: int
    bar: int
    quarter: Fraction
    length: Fraction | None = None
    echo_bar: int | None = None
    serial: int = 0
    arrived_ns: int = 0


class Melody:
    """Remembers the last 256 notes and which keys are down."""

    def __init__(self, policy: Policy = "echo") -> None:
        self.policy: Policy = policy
        self._played: deque[Played] = deque(maxlen=MAX_PLAYED)
        self._down: dict[int, Played] = {}
        self._serial = 0

    def newest(self, count: int) -> list[Played]:
        """The last `count` notes, oldest first."""
        return list(self._played)[-count:] if count > 0 else []

    def hear(self, data: bytes, place: Place, song: ProjectMap, at_ns: int = 0) -> bool:
        """A MIDI message at a place and a time (time.monotonic_ns); True where it asks for new bars."""
        kind, pitch, value = data[0] & 0xF0, *(byte & 0x7F for byte in data.ljust(3, b"\0")[1:3])
        if kind == NOTE_ON and value > 0:
            self._up(pitch, place, song)
            self._serial += 1
            self._down[pitch] = Played(pitch, value, *place, serial=self._serial, arrived_ns=at_ns)
            self._played.append(self._down[pitch])
            return self.policy != "off"
        if kind in (NOTE_OFF, NOTE_ON):
            return self._up(pitch, place, song) and self.policy == "now"
        if kind == CONTROL and pitch in ALL_OFF:
            self.release()
        return False

    def aim(self, bar: int) -> None:
        """The notes without an echo yet guide `bar`."""
        for note in self._played:
            if note.echo_bar is None:
                note.echo_bar = bar

    def release(self) -> None:
        """All keys are up: the transport stopped or jumped, its port is gone, panic."""
        for note in self._down.values():
            note.length = note.length or UNENDED_QUARTERS
        self._down.clear()

    def targets(self, job: Job, song: ProjectMap) -> tuple[Note, ...] | None:
        """What guides a job: beats in quarters from the line of its first bar. None: nothing was played."""
        if self.policy == "off":
            return None
        total = song.quarters_between(job.at.bar, job.until_bar)
        found = self._echoes(job, song) if self.policy == "echo" else self._continued(job, song, total)
        notes = [
            Note(pitch=pitch, beat=float(beat), length=float(max(length, LEAST_QUARTERS)), velocity=velocity)
            for pitch, beat, length, velocity in found
            if job.at.quarter <= beat + length and 0 <= beat < total
        ]
        return tuple(sorted(notes, key=lambda note: (note.beat, note.pitch))) or None

    def _up(self, pitch: int, place: Place, song: ProjectMap) -> bool:
        note = self._down.pop(pitch, None)
        if note is not None:
            bars = song.quarters_between(note.bar, place[0]) if place[0] >= note.bar else Fraction(0)
            note.length = max(LEAST_QUARTERS, bars + place[1] - note.quarter)
        return note is not None

    def _echoes(self, job: Job, song: ProjectMap) -> list[tuple[int, Fraction, Fraction, int]]:
        found = []
        for note in self._played:
            if note.echo_bar is None or not job.at.bar <= note.echo_bar < job.until_bar:
                continue
            if note.quarter < song.meter(note.echo_bar).bar_quarters:
                beat = song.quarters_between(job.at.bar, note.echo_bar) + note.quarter
                found.append((note.pitch, beat, note.length or UNENDED_QUARTERS, note.velocity))
        return found

    def _continued(self, job: Job, song: ProjectMap, total: Fraction) -> list[tuple[int, Fraction, Fraction, int]]:
        """Keys that are down go on to the end; else what was played in the bar so far is played again from here."""
        start = job.at.quarter
        if self._down:
            return [(note.pitch, start, total - start, note.velocity) for note in self._down.values()]
        last = self._played[-1].bar if self._played else None
        phrase = [note for note in self._played if note.bar == last]
        if last is None or not job.at.bar - 1 <= last <= job.at.bar:
            return []
        return [
            (note.pitch, start + note.quarter - phrase[0].quarter, note.length or UNENDED_QUARTERS, note.velocity)
            for note in phrase
        ]
