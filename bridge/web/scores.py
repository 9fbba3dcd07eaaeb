"""The melody or the plan of a take, over some of its bars, as a MIDI file; what each bar of a take plays."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import msgspec

from engine.controls import monophonic, parse_chords, request_map
from engine.errors import BadRequest
from engine.planning.bars import lines_of, meter_text, over
from engine.planning.midi import to_midi
from engine.timing import Meter
from engine.types import Note, Plan, PlanBar, PlanChord, Request

if TYPE_CHECKING:
    from bridge.web.shelf import Held

What = Literal["melody", "plan"]


def midi_of(held: Held, what: What, first: int, end: int) -> bytes:
    """A MIDI file of bars first to end - 1. Raises BadRequest where there is nothing to write."""
    tempo_map = request_map(held.request)
    begin = 0 if held.origin is not None else held.request.at_bar or 0
    meters = tempo_map.meters_over(begin, held.bars_asked)
    bars = held.played
    if what == "melody":
        bars = tuple(PlanBar(melody=bar.melody) for bar in bars)
        if not any(bar.melody for bar in bars[first:end]):
            raise BadRequest("these bars have no melody: draw one, or have it planned")
    plan = Plan(bars=bars[first:end], meter=meter_text(meters[first:end]))
    return to_midi(plan, tempo_map.tempo_at(tempo_map.bar_start_quarters(begin + first)))


def asked_for(request: Request, plan: Plan | None) -> tuple[PlanBar, ...]:
    """What each new bar of a request plays: by its plan; without one, what was asked for. Raises BadRequest."""
    if plan is not None:
        return plan.bars
    meters = request_map(request).meters_over(request.at_bar or 0, request.bars)
    lines = lines_of(meters)
    melodies = [notes_in(request.melody or (), a, b) for a, b in pairwise(lines)]
    chords = chords_by_bar(request.chords, meters, lines)
    return tuple(
        PlanBar(key=request.key, melody=notes or None, chords=names, parts=request.parts)
        for notes, names in zip(melodies, chords, strict=True)
    )


def put_into(
    whole: tuple[PlanBar, ...], new: tuple[PlanBar, ...], first: int, put: str, anew: bool
) -> tuple[PlanBar, ...]:
    """The bars of a take with those of an edit; anew: nothing of the bars before is left. Empty: not known."""
    if not whole or not new:
        return ()
    if put == "front":
        return new + whole
    here = whole[first : first + len(new)]
    if not anew:
        new = tuple(over(bar, below) for bar, below in zip(new, here, strict=True))
    return whole[:first] + new + whole[first + len(here) :]


def notes_in(notes: tuple[Note, ...], begin: Fraction, end: Fraction) -> tuple[Note, ...]:
    """The notes that begin in a bar, beats from its line."""
    inside = (note for note in monophonic(notes) if begin <= note.beat < end)
    return tuple(msgspec.structs.replace(note, beat=note.beat - float(begin)) for note in inside)


def chords_by_bar(
    text: str | None, meters: tuple[Meter, ...], lines: list[Fraction]
) -> list[tuple[PlanChord, ...] | None]:
    """The chords of each bar; where none sounds, "N.C."."""
    if text is None:
        return [None] * len(meters)
    sounding = parse_chords(text, len(meters), meters)
    found: list[tuple[PlanChord, ...] | None] = []
    for begin, end in pairwise(lines):
        names: list[PlanChord] = []
        now = begin
        for chord in sounding:
            start, stop = max(begin, chord.beat), min(end, chord.beat + chord.length)
            if start >= stop:
                continue
            if start > now:
                names.append(PlanChord(beat=float(now - begin), name="N.C."))
            names.append(PlanChord(beat=float(start - begin), name=chord.name))
            now = stop
        if now < end:
            names.append(PlanChord(beat=float(now - begin), name="N.C."))
        found.append(tuple(names))
    return found
