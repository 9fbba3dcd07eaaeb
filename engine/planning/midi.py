"""A plan as a Standard MIDI File that a DAW shows and a producer edits.

    Plan       meters, tempo; markers: sections; texts: "key A minor", "parts drums bass", "drums back 2", "open melody"
    Melody     channel 1: the melody
    Chords     channel 2: block chords, the bass lowest, with their names as texts
    Drums      channel 10: simple hits that stand for the kind of pattern
    Intensity  channel 16, controller 11: (dBFS + 60) x 2, so that steps are half a dB and +3.5 is the loudest

A marker, text or controller holds until the next one. What MIDI holds comes back as it was: beats on 1/960 quarter,
intensity in half dB (JSON keeps it exactly), a monophonic melody. `midiread` reads it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import mido

from engine.controls import monophonic
from engine.planning import chords as C
from engine.planning import drums as D
from engine.planning.bars import check_plan, chords_in, lines_of, melody_of
from engine.timing import Meter, round_half_up
from engine.types import Plan, PlanBar

TICKS = 960
MELODY, CHORDS, DRUMS, INTENSITY = "Melody", "Chords", "Drums", "Intensity"
CHANNELS = {MELODY: 0, CHORDS: 1, DRUMS: 9, INTENSITY: 15}
EXPRESSION = 11
OPEN, NOTHING = "open", "none"
CHORD_VELOCITY = 80
HIT_TICKS = 120
FIELDS = ("chords", "melody", "intensity")
"""Fields whose absence is told by a text, as their tracks cannot tell silence from nothing said."""


@dataclass
class _Track:
    """Messages by tick; at the same tick ends come first, then what is told, then beginnings."""

    name: str
    rows: list[tuple[int, int, int, Any]] = field(default_factory=list)

    def add(self, tick: int, order: int, message: Any) -> None:
        self.rows.append((tick, order, len(self.rows), message))

    def note(self, first: int, end: int, key: int, velocity: int) -> None:
        channel = CHANNELS[self.name]
        self.add(first, 2, mido.Message("note_on", channel=channel, note=key, velocity=velocity))
        self.add(max(first + 1, end), 0, mido.Message("note_off", channel=channel, note=key, velocity=0))

    def messages(self, end: int) -> mido.MidiTrack:
        track, now = mido.MidiTrack(), 0
        track.append(mido.MetaMessage("track_name", name=self.name))
        for tick, _, _, message in sorted(self.rows, key=lambda row: row[:3]):
            track.append(message.copy(time=tick - now))
            now = tick
        track.append(mido.MetaMessage("end_of_track", time=max(0, end - now)))
        return track


def tick_of(quarters: float | Fraction) -> int:
    """The nearest tick."""
    return round_half_up(Fraction(quarters) * TICKS)


def to_midi(plan: Plan, tempo: Fraction | None = None) -> bytes:
    """The bytes of a MIDI file of type 1. tempo: for whoever plays it; BadRequest for a plan that does not hold."""
    meters = check_plan(plan)
    lines = lines_of(meters)
    ends = [tick_of(line) for line in lines]
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS, charset="utf-8")
    for track in (
        _conductor(plan.bars, meters, ends, tempo),
        _melody(plan.bars, lines),
        _chords(plan.bars, meters, lines),
        _drums(plan.bars, meters, lines),
        _levels(plan.bars, ends),
    ):
        file.tracks.append(track.messages(ends[-1]))
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def _text(words: str, kind: str = "text") -> Any:
    return mido.MetaMessage(kind, text=words)


def _conductor(bars: Sequence[PlanBar], meters: Sequence[Meter], ends: Sequence[int], tempo: Fraction | None) -> _Track:
    track = _Track("Plan")
    if tempo is not None:
        track.add(0, 0, mido.MetaMessage("set_tempo", tempo=round_half_up(60_000_000 / tempo)))
    for tick, meter in _changes(ends, meters):
        shape = {"numerator": meter.numerator, "denominator": meter.denominator}
        track.add(tick, 0, mido.MetaMessage("time_signature", **shape))
    for tick, section in _changes(ends, [bar.section or OPEN for bar in bars]):
        track.add(tick, 1, _text(section, "marker"))
    for words in ([f"key {bar.key or OPEN}" for bar in bars], [_parts(bar) for bar in bars], list(map(_beat, bars))):
        for tick, text in _changes(ends, words):
            track.add(tick, 1, _text(text))
    for tick, text in _changes(ends, list(map(_open, bars)), f"{OPEN} {NOTHING}"):
        track.add(tick, 1, _text(text))
    return track


def _parts(bar: PlanBar) -> str:
    return "parts " + (OPEN if bar.parts is None else " ".join(bar.parts) or NOTHING)


def _beat(bar: PlanBar) -> str:
    return "drums " + (OPEN if bar.drums is None else f"{bar.drums} {bar.drum_density or 0}")


def _open(bar: PlanBar) -> str:
    values = (bar.chords, bar.melody, bar.intensity_db)
    return f"{OPEN} " + (" ".join(n for n, v in zip(FIELDS, values, strict=True) if v is None) or NOTHING)


def _changes(ticks: Iterable[int], values: Sequence[Any], before: Any = None) -> Iterator[tuple[int, Any]]:
    """(tick, value) wherever a value differs from the one before."""
    for tick, value in zip(ticks, values, strict=False):
        if value != before:
            yield tick, value
        before = value


def _melody(bars: Sequence[PlanBar], lines: Sequence[Fraction]) -> _Track:
    track = _Track(MELODY)
    for note in monophonic(melody_of(bars, lines)):
        track.note(tick_of(note.beat), tick_of(note.beat + note.length), note.pitch, note.velocity)
    return track


def _chords(bars: Sequence[PlanBar], meters: Sequence[Meter], lines: Sequence[Fraction]) -> _Track:
    track = _Track(CHORDS)
    for bar, meter, line in zip(bars, meters, lines, strict=False):
        chords = chords_in(bar)
        ends = [*(chord.beat for chord in chords[1:]), float(meter.bar_quarters)]
        for chord, end in zip(chords, ends, strict=False):
            first = tick_of(line) + tick_of(chord.beat)
            track.add(first, 1, _text(chord.name))
            for key in C.voicing(chord.name):
                track.note(first, tick_of(line) + tick_of(end), key, CHORD_VELOCITY)
    return track


def _drums(bars: Sequence[PlanBar], meters: Sequence[Meter], lines: Sequence[Fraction]) -> _Track:
    track = _Track(DRUMS)
    for bar, meter, line in zip(bars, meters, lines, strict=False):
        for beat, key, velocity in D.hits_of(bar.drums, bar.drum_density or 0, meter) if bar.drums else ():
            first = tick_of(line) + tick_of(beat)
            track.note(first, first + HIT_TICKS, key, velocity)
    return track


def _levels(bars: Sequence[PlanBar], ends: Sequence[int]) -> _Track:
    track = _Track(INTENSITY)
    for bar, tick in zip(bars, ends, strict=False):
        if bar.intensity_db is not None:
            value = min(127, max(0, round_half_up(Fraction(bar.intensity_db + 60.0) * 2)))
            message = mido.Message("control_change", channel=CHANNELS[INTENSITY], control=EXPRESSION, value=value)
            track.add(tick, 1, message)
    return track
