"""A plan from a Standard MIDI File: one of ours, edited in a DAW, or any other with a melody, block chords or drums.

What sounds comes before what is written: chords are named from their notes unless their text still fits them, drums
are judged by their hits. `midicontents` reads the file.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from typing import cast, get_args

import msgspec

from engine.controls import monophonic
from engine.errors import BadMidi, BadRequest
from engine.planning import chords as C
from engine.planning import drums as D
from engine.planning import midi as M
from engine.planning.bars import check_plan, meter_text, says_nothing
from engine.planning.midicontents import Contents, Sounding, contents
from engine.timing import Meter
from engine.types import MAX_BARS, PART_NAMES, Drums, Note, Part, Plan, PlanBar, PlanChord

TOGETHER = Fraction(1, 16)
"""Notes that begin within so many quarters are one chord."""
TICK = Fraction(1, M.TICKS)


def from_midi(data: bytes) -> Plan:
    """The plan of a file's bytes. BadMidi with what the file "is" or "has"; BadRequest for what the plan says."""
    held = contents(data)
    lines, meters = _grid(held)
    bars = [_bar(held, meters[k], lines[k], lines[k + 1]) for k in range(len(meters))]
    bars = [_with_melody(bar, held, lines, k) for k, bar in enumerate(bars)]
    plan = Plan(bars=tuple(bars), meter=meter_text(meters))
    if says_nothing(plan):
        raise BadMidi("holds nothing to plan by: no melody, chords, drums, sections or levels")
    check_plan(plan)
    return plan


def _grid(held: Contents) -> tuple[list[Fraction], list[Meter]]:
    """Bar lines in quarters, and the meter of each bar."""
    changes = dict(sorted(held.meters))
    lines, meters, meter = [Fraction(0)], list[Meter](), Meter(4, 4)
    while lines[-1] < held.end:
        meter = changes.pop(lines[-1], meter)
        if len(meters) == MAX_BARS:
            raise BadMidi(f"is longer than the {MAX_BARS} bars of a plan")
        meters.append(meter)
        lines.append(lines[-1] + meter.bar_quarters)
    if any(at < held.end for at in changes):
        raise BadMidi("changes its meter inside of a bar; move the change to a bar line")
    if not meters:
        raise BadMidi("is empty: it has no bars")
    return lines, meters


def _bar(held: Contents, meter: Meter, line: Fraction, end: Fraction) -> PlanBar:
    """Everything but the melody."""
    left_open = (_last(held.texts, line, f"{M.OPEN} ") or "").split()
    chords = _chords(held, line, end, "chords" in left_open)
    kind, density = _drums(held, meter, line, end)
    key = _last(held.texts, line, "key ")
    parts = _last(held.texts, line, "parts ")
    section = _last(held.sections, line)
    return PlanBar(
        section=None if section in (None, M.OPEN) else section,
        key=None if key in (None, M.OPEN) else _key(str(key)),
        chords=chords,
        drums=kind,
        drum_density=density,
        parts=None if parts in (None, M.OPEN) else _parts(str(parts)),
        intensity_db=_level(held, line, end, "intensity" in left_open),
    )


def _last(rows: Sequence[tuple[Fraction, str]], at: Fraction, begins: str = "") -> str | None:
    """The last text not after a place, of those that begin with a word; without it."""
    found = [text for when, text in rows if when <= at and text.startswith(begins)]
    return found[-1].removeprefix(begins) if found else None


def _key(text: str) -> str:
    try:
        C.key_of(text)
    except BadRequest as error:
        raise BadMidi(f"names a key that is none: {error}") from None
    return text


def _parts(text: str) -> tuple[Part, ...]:
    names = [] if text == M.NOTHING else text.replace(",", " ").split()
    if not set(names) <= set(PART_NAMES):
        raise BadMidi(f'says "parts {text}"; parts are {", ".join(PART_NAMES)}')
    return cast(tuple[Part, ...], tuple(dict.fromkeys(names)))


def _chords(held: Contents, line: Fraction, end: Fraction, left_open: bool) -> tuple[PlanChord, ...] | None:
    if held.chords is None:
        return None
    named = {at: name for at, name in held.names if line <= at < end}
    notes = [n for n in held.chords if n.first < end and n.end > line]
    if left_open and not notes and not named:
        return None
    found: dict[Fraction, str] = {}
    for at in _points(notes, named, line):
        slack = Fraction(0) if at in named else TOGETHER
        keys = tuple(sorted(n.key for n in notes if n.first <= at + slack and n.end > at + slack))
        name = _name(named.get(at), keys)
        if at in named or not found or name != found[max(found)]:
            found[at] = name
    if line not in found:
        found[line] = C.NONE
    return tuple(PlanChord(beat=float(at - line), name=name) for at, name in sorted(found.items()))


def _points(notes: Sequence[Sounding], named: dict[Fraction, str], line: Fraction) -> list[Fraction]:
    """Where a chord may begin: its text, the first of notes that begin together, a bar line with notes held over it."""
    points = sorted(named)
    if line not in named and any(n.first < line and n.end > line + TOGETHER for n in notes):
        points.insert(0, line)
    for note in sorted(notes, key=lambda n: n.first):
        if note.first >= line and not any(abs(note.first - p) <= TOGETHER for p in points):
            points.append(note.first)
    return sorted(points)


def _name(text: str | None, keys: tuple[int, ...]) -> str:
    """The text where it still fits the notes, else a name for the notes."""
    if text is not None:
        try:
            if C.voicing(text) == keys:
                return text
        except BadRequest:
            pass
    return C.recognised(keys)


def _drums(held: Contents, meter: Meter, line: Fraction, end: Fraction) -> tuple[Drums | None, int | None]:
    hits = [(float(n.first - line), n.key, n.velocity) for n in held.drums or () if line <= n.first < end]
    words = (_last(held.texts, line, "drums ") or M.OPEN).split()
    if len(words) == 2 and words[0] in get_args(Drums) and words[1] in ("0", "1", "2", "3"):
        said = cast(Drums, words[0]), int(words[1])
        if sorted(hits) == D.hits_of(*said, meter):
            return said
    elif not hits and (held.texts or held.drums is None):
        return None, None
    return D.kind_of(hits, meter)


def _level(held: Contents, line: Fraction, end: Fraction, left_open: bool) -> float | None:
    """The mean over the bar of what the controller says, which holds until it says something else."""
    times = [at for at, _ in held.levels]
    inside = [at for at in times if line <= at < end]
    before = bisect_right(times, line) - 1
    if (left_open and not inside) or (before < 0 and not inside):
        return None
    marks = sorted({max(line, inside[0]) if before < 0 else line, *inside})
    total = Fraction(0)
    for at, until in zip(marks, [*marks[1:], end], strict=True):
        total += (until - at) * held.levels[bisect_right(times, at) - 1][1]
    return float(total / (end - marks[0])) / 2 - 60.0


def _with_melody(bar: PlanBar, held: Contents, lines: Sequence[Fraction], number: int) -> PlanBar:
    """The bar with the notes that begin in it."""
    if held.melody is None:
        return bar
    line, end = lines[number], lines[number + 1]
    voice = [n for n in held.melody if line <= n.first < end]
    if not voice and "melody" in (_last(held.texts, line, f"{M.OPEN} ") or "").split():
        return bar
    notes = [
        Note(pitch=n.key, beat=float(n.first - line), length=float(max(n.end - n.first, TICK)), velocity=n.velocity)
        for n in voice
    ]
    written = {(note.beat, note.pitch): note.length for note in notes}
    found = [
        note if abs(note.length - (own := written[note.beat, note.pitch])) > float(TICK) / 2
        else msgspec.structs.replace(note, length=own)  # not cut: no rounding either
        for note in monophonic(notes)
    ]  # fmt: skip
    return msgspec.structs.replace(bar, melody=tuple(found))
