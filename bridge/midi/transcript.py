"""What was played, and where it lies in what was heard, as a MIDI file. Pure.

A *tape* is what a play head passed, in the order in which it did: stretches of project frames, one behind another.
Where the head jumped or the tempo map changed, a new stretch begins. The MIDI file has the tape's time: its tempi
and meters are the project's, stretch by stretch, so that it lies on the recorded audio from the first sample on.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from bridge.live.map import ProjectMap
from bridge.live.messages import LiveNote
from engine.timing import round_half_up

TICKS = 960
"""A quarter."""
LATE_NS = 500_000_000
"""So much before a stretch was seen to begin a note may have been played in it."""
OPEN_QUARTERS = 1.0
"""The length of a note whose key never came up."""


@dataclass
class Stretch:
    """Project frames `first` .. `first + frames` on the tape from its frame `tape_frame` on; begun at begin_ns."""

    tape_frame: int
    first: int
    song: ProjectMap
    begin_ns: int
    frames: int = 0

    @property
    def end(self) -> int:
        return self.first + self.frames


@dataclass(frozen=True)
class Placed:
    """A note on the tape; frames from its begin."""

    note: LiveNote
    tape_frame: int


def place(note: LiveNote, tape: Sequence[Stretch]) -> int | None:
    """Where a note was played on the tape; None where the head did not roll over it (it stood, or was elsewhere)."""
    for stretch in reversed(tape):
        if note.arrived_ns and stretch.begin_ns - LATE_NS > note.arrived_ns:
            continue
        if stretch.first <= note.frame < stretch.end:
            return stretch.tape_frame + note.frame - stretch.first
    return None


def placed(notes: Iterable[LiveNote], tape: Sequence[Stretch]) -> list[Placed]:
    """The notes that lie on the tape, in its order."""
    found = [(place(note, tape), note) for note in notes]
    there = [Placed(note, at) for at, note in found if at is not None]
    return sorted(there, key=lambda one: (one.tape_frame, one.note.pitch))


def answers(notes: Iterable[Placed], tape: Sequence[Stretch]) -> dict[int, list[Placed]]:
    """Tape frame of each bar line that was heard after notes which that bar answers -> these notes."""
    found: dict[int, list[Placed]] = {}
    for one in notes:
        if one.note.answer_bar is None:
            continue
        for stretch in tape:
            line = stretch.song.frame(one.note.answer_bar)
            at = stretch.tape_frame + line - stretch.first
            if stretch.first <= line < stretch.end and at >= one.tape_frame:
                found.setdefault(at, []).append(one)
                break
    return dict(sorted(found.items()))


class Axis:
    """Tape frames as ticks of a MIDI file, by the tempi of the stretches."""

    def __init__(self, tape: Sequence[Stretch]) -> None:
        self._parts: list[tuple[int, Fraction, Stretch]] = []
        """(tape frame, its quarters from the tape's begin, the stretch that holds there)"""
        quarters = Fraction(0)
        for stretch in tape:
            for first, end in _pieces(stretch):
                self._parts.append((stretch.tape_frame + first - stretch.first, quarters, stretch))
                quarters += (end - first) / _frames_a_quarter(stretch.song, first)

    def tick(self, tape_frame: int) -> int:
        """The nearest tick of a frame of the tape."""
        at, quarters, stretch = next((part for part in reversed(self._parts) if part[0] <= tape_frame), self._parts[0])
        project_frame = stretch.first + at - stretch.tape_frame
        return round((quarters + (tape_frame - at) / _frames_a_quarter(stretch.song, project_frame)) * TICKS)

    def changes(self) -> Iterator[tuple[int, Fraction, Any]]:
        """(tick, tempo, meter) where either changes."""
        before: tuple[Fraction, Any] | None = None
        for at, _, stretch in self._parts:
            piece = stretch.song.piece_at(stretch.first + at - stretch.tape_frame)
            if (piece.tempo, piece.meter) != before:
                before = (piece.tempo, piece.meter)
                yield self.tick(at), piece.tempo, piece.meter


def midi_file(notes: Sequence[Placed], tape: Sequence[Stretch]) -> bytes:
    """A Standard MIDI File of two tracks: tempi, meters and marked answers; the played notes."""
    import mido

    file = mido.MidiFile(type=1, ticks_per_beat=TICKS)
    axis = Axis(tape)
    events: list[tuple[int, Any]] = []
    for tick, tempo, meter in axis.changes() if tape else ():
        events.append((tick, mido.MetaMessage("set_tempo", tempo=round(60_000_000 / tempo))))
        signature = {"numerator": meter.numerator, "denominator": meter.denominator}
        events.append((tick, mido.MetaMessage("time_signature", **signature)))
    for at, answered in answers(notes, tape).items():
        count = "a note" if len(answered) == 1 else f"{len(answered)} notes"
        text = f"answers {count} of bar {answered[0].note.bar + 1}"
        events.append((axis.tick(at), mido.MetaMessage("marker", text=text)))
    file.tracks.append(_track("Attacca: tempo and answers", events))
    file.tracks.append(_track("played", [event for one in notes for event in _note_events(one, axis)]))
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def _note_events(one: Placed, axis: Axis) -> list[tuple[int, Any]]:
    import mido

    note, begin = one.note, axis.tick(one.tape_frame)
    end = begin + max(1, round((note.length or OPEN_QUARTERS) * TICKS))
    return [
        (begin, mido.Message("note_on", note=note.pitch, velocity=note.velocity)),
        (end, mido.Message("note_off", note=note.pitch)),
    ]


def _track(name: str, events: list[tuple[int, Any]]) -> Any:
    import mido

    track = mido.MidiTrack([mido.MetaMessage("track_name", name=name)])
    before = 0
    for tick, message in sorted(events, key=lambda event: (event[0], event[1].type != "note_off")):
        track.append(message.copy(time=tick - before))
        before = tick
    return track


def _pieces(stretch: Stretch) -> list[tuple[int, int]]:
    """A stretch cut where the tempo changes: project frames (first, end)."""
    inside = [at for piece in stretch.song.pieces if stretch.first < (at := round_half_up(piece.at)) < stretch.end]
    lines = [stretch.first, *inside, stretch.end]
    return list(itertools.pairwise(lines))


def _frames_a_quarter(song: ProjectMap, frame: int) -> Fraction:
    return Fraction(60 * song.rate) / song.piece_at(frame).tempo
