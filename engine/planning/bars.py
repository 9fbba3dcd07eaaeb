"""Plans as values: where their bars lie, what is wrong with one, bars laid over others, bars transposed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise

import msgspec

from engine.controls import parse_key
from engine.errors import BadRequest
from engine.planning import chords as C
from engine.timing import Meter, TempoMap, parse_meters
from engine.types import Note, Plan, PlanBar, PlanChord

OPEN = PlanBar()
PITCHES = (21, 108)
FIELDS = PlanBar.__struct_fields__


def meters_of(plan: Plan) -> tuple[Meter, ...]:
    """The meter of each bar."""
    return TempoMap.parse("120", parse_meters(plan.meter)).meters_over(0, len(plan.bars))


def lines_of(meters: Iterable[Meter]) -> list[Fraction]:
    """Bar lines in quarters, one more than there are bars."""
    return [Fraction(0), *accumulate(meter.bar_quarters for meter in meters)]


def meter_text(meters: Sequence[Meter]) -> str:
    """The meters of bars as a request writes them: "4/4", or "0:4/4,8:7/8" where they change."""
    changes = [(0, meters[0])]
    changes += [(k, b) for k, (a, b) in enumerate(pairwise(meters), 1) if a != b]
    return str(meters[0]) if len(changes) == 1 else ",".join(f"{bar}:{meter}" for bar, meter in changes)


def check_plan(plan: Plan) -> tuple[Meter, ...]:
    """The meters of a plan that holds together; BadRequest names the bar (from 1) and what is wrong with it."""
    try:
        msgspec.convert(msgspec.to_builtins(plan), Plan)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The plan is not valid: {str(error)[:200]}.") from None
    meters = meters_of(plan)
    for number, (bar, meter) in enumerate(zip(plan.bars, meters, strict=True), 1):
        _check_bar(bar, number, float(meter.bar_quarters))
    return meters


def _check_bar(bar: PlanBar, number: int, quarters: float) -> None:
    if bar.key is not None:
        parse_key(bar.key)
    beats = [chord.beat for chord in bar.chords or ()]
    for chord in bar.chords or ():
        C.check_name(chord.name)
    if any(b <= a for a, b in pairwise(beats)):
        raise BadRequest(f"The chords of the plan's bar {number} must rise from beat to beat.")
    late = [beat for beat in [*beats, *(note.beat for note in bar.melody or ())] if beat >= quarters]
    if late:
        raise BadRequest(f"The plan's bar {number} has {quarters:g} quarters; something in it begins at {late[0]:g}.")
    for note in bar.melody or ():
        if not PITCHES[0] <= note.pitch <= PITCHES[1]:
            raise BadRequest(
                f"The melody of the plan's bar {number} has pitch {note.pitch}; notes are {PITCHES[0]} to {PITCHES[1]}."
            )


def says_nothing(plan: Plan) -> bool:
    """Whether nothing at all is planned."""
    return all(all(getattr(bar, name) in (None, ()) for name in FIELDS) for bar in plan.bars)


def has_open(bars: Iterable[PlanBar]) -> bool:
    """Whether any field of any bar is left open."""
    return any(getattr(bar, name) is None for bar in bars for name in FIELDS)


def over(bar: PlanBar, below: PlanBar) -> PlanBar:
    """What `bar` says, and where it says nothing what `below` says."""
    return PlanBar(**{n: v if (v := getattr(bar, n)) is not None else getattr(below, n) for n in FIELDS})


def opened(plan: Plan, bars: Iterable[int]) -> Plan:
    """The plan with some of its bars (from 0) open, to be written anew; BadRequest for bars that it does not have."""
    chosen = set(bars)
    if not chosen <= set(range(len(plan.bars))):
        raise BadRequest(f"The plan has bars 0 to {len(plan.bars) - 1}.")
    kept = tuple(OPEN if k in chosen else bar for k, bar in enumerate(plan.bars))
    return msgspec.structs.replace(plan, bars=kept, fill=True)


def transposed(bar: PlanBar, semitones: int) -> PlanBar:
    """The bar with key, chords and melody moved; what would leave the range of pitches moves by octaves."""
    key = C.key_of(bar.key)
    return msgspec.structs.replace(
        bar,
        key=None if key is None else C.key_name((key[0] + semitones) % 12, key[1]),
        chords=None if bar.chords is None
        else tuple(PlanChord(beat=c.beat, name=C.moved(c.name, semitones)) for c in bar.chords),
        melody=None if bar.melody is None
        else tuple(msgspec.structs.replace(n, pitch=within(n.pitch + semitones)) for n in bar.melody),
    )  # fmt: skip


def within(pitch: int) -> int:
    """The pitch, or its nearest octave inside PITCHES."""
    while pitch < PITCHES[0]:
        pitch += 12
    while pitch > PITCHES[1]:
        pitch -= 12
    return pitch


def chords_in(bar: PlanBar) -> tuple[PlanChord, ...]:
    """The bar's chords from its line on: what comes before the first one is none. Empty where they are open."""
    if bar.chords is None or (bar.chords and bar.chords[0].beat == 0):
        return bar.chords or ()
    return (PlanChord(beat=0.0, name=C.NONE), *bar.chords)


def melody_of(bars: Sequence[PlanBar], lines: Sequence[Fraction]) -> list[Note]:
    """All notes with beats from the first bar's line; none is longer than the bars."""
    end, found = float(lines[-1]), []
    for bar, line in zip(bars, lines, strict=False):
        for note in bar.melody or ():
            beat = float(line) + note.beat
            found.append(msgspec.structs.replace(note, beat=beat, length=min(note.length, end - beat)))
    return found
