"""A plan as targets of a request. What the request names itself comes first; what the plan leaves open is not told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import msgspec

from engine.controls import monophonic
from engine.errors import BadRequest
from engine.planning import chords as C
from engine.planning.bars import OPEN, check_plan, chords_in, lines_of, melody_of
from engine.timing import Meter
from engine.types import PART_NAMES, CurvePoint, Only, Plan, PlanBar, Request, Stretch

GLIDE_QUARTERS = 0.5
MAX_CHORD_TEXT = 4000


def fitted(plan: Plan, bars: int, meters: Sequence[Meter]) -> Plan:
    """The plan over the new bars: those that it lacks at its end are open. BadRequest where it does not fit them."""
    own = check_plan(plan)
    if len(plan.bars) > bars:
        raise BadRequest(f"The plan has {len(plan.bars)} bars, but {bars} are asked for; ask for as many.")
    for number, (planned, asked) in enumerate(zip(own, meters, strict=False), 1):
        if planned.bar_quarters != asked.bar_quarters:
            raise BadRequest(f"The plan's bar {number} is in {planned}, but the bar to be made is in {asked}.")
    return msgspec.structs.replace(plan, bars=plan.bars + (OPEN,) * (bars - len(plan.bars)))


def conditioned(plan: Plan, request: Request, meters: Sequence[Meter]) -> tuple[Request, list[str]]:
    """(the request with the plan's targets, remarks). The plan has the request's bars; meters: one of each."""
    lines = lines_of(meters)
    fields: dict[str, Any] = {}
    remarks: list[str] = []
    spans: dict[str, Stretch | None] = {}
    if request.chords is None and (text := chord_text(plan.bars, lines)) is not None:
        fields["chords"], spans["chords"] = text, _span(plan.bars, lines, lambda b: b.chords is not None)
    if request.melody is None and (notes := monophonic(melody_of(plan.bars, lines))):
        fields["melody"], spans["melody"] = notes, _span(plan.bars, lines, lambda b: b.melody is not None)
    if request.intensity is None and (points := curve(plan.bars, lines)):
        fields["intensity"], spans["intensity"] = points, _span(plan.bars, lines, lambda b: b.intensity_db is not None)
    if request.parts is None and (parts := parts_of(plan.bars)):
        fields["parts"] = parts
        if any(bar.parts is not None and set(bar.parts) != set(parts) for bar in plan.bars):
            remarks.append(f"Parts act on all bars at once: {', '.join(parts)} play; the plan's changes are not heard.")
    if request.key is None and (key := main_key(plan.bars)) is not None:
        fields["key"] = key
    if holes(plan.bars):
        remarks.append("Where the plan leaves bars open between others, their chords and melody count as rests.")
    only = request.only or Only()
    given = {name: span for name, span in spans.items() if span is not None and getattr(only, name) is None}
    if given:
        fields["only"] = msgspec.structs.replace(only, **given)
    fields["plan"] = False
    return msgspec.structs.replace(request, **fields), remarks


def chord_text(bars: Sequence[PlanBar], lines: Sequence[Fraction]) -> str | None:
    """The chords as a request names them; open bars are no chord, None where all are. BadRequest where too many."""
    rows: list[tuple[Fraction, str]] = []
    for bar, line in zip(bars, lines, strict=False):
        for beat, name in [(c.beat, c.name) for c in chords_in(bar)] or [(0.0, C.NONE)]:
            at = line + Fraction(round(beat * 96), 96)
            if not rows or rows[-1][1] != name:
                rows.append((at, name))
    if all(C.is_none(name) for _, name in rows) and not any(bar.chords for bar in bars):
        return None
    ends = [*(at for at, _ in rows[1:]), lines[-1]]
    words = [f"{name}:{_decimal(end - at)}" for (at, name), end in zip(rows, ends, strict=True) if end > at]
    text = " ".join(words)
    if len(text) > MAX_CHORD_TEXT:
        raise BadRequest("The plan has more chords than one request can name; ask for fewer bars at once.")
    return text


def _decimal(quarters: Fraction) -> str:
    return f"{float(quarters):.6f}".rstrip("0").rstrip(".")


def curve(bars: Sequence[PlanBar], lines: Sequence[Fraction]) -> tuple[CurvePoint, ...]:
    """The level of each bar, held until it glides into the next over the bar's last half beat."""
    told = [(line, end, b.intensity_db) for b, line, end in zip(bars, lines, lines[1:], strict=False)]
    points: list[CurvePoint] = []
    for line, end, level in told:
        if level is not None:
            late = max(float(line), float(end) - GLIDE_QUARTERS)
            points += [CurvePoint(beat=float(line), db=level), CurvePoint(beat=late, db=level)]
    return tuple(points)


def _span(bars: Sequence[PlanBar], lines: Sequence[Fraction], told: Callable[[PlanBar], bool]) -> Stretch | None:
    """From the first bar that says something to the last; None where that is all of them."""
    places = [k for k, bar in enumerate(bars) if told(bar)]
    if not places or (places[0] == 0 and places[-1] == len(bars) - 1):
        return None
    return Stretch(begin=float(lines[places[0]]), end=float(lines[places[-1] + 1]))


def holes(bars: Sequence[PlanBar]) -> bool:
    """Whether chords or melody are open in a bar between bars where they are not."""
    for name in ("chords", "melody"):
        told = [getattr(bar, name) is not None for bar in bars]
        if True in told and False in told[told.index(True) : len(told) - told[::-1].index(True)]:
            return True
    return False


def parts_of(bars: Sequence[PlanBar]) -> tuple[Any, ...]:
    """Everybody who plays in any bar."""
    playing = {part for bar in bars for part in bar.parts or ()}
    return tuple(part for part in PART_NAMES if part in playing)


def main_key(bars: Sequence[PlanBar]) -> str | None:
    """The key that most bars name."""
    named = [bar.key for bar in bars if bar.key is not None]
    return max(named, key=named.count) if named else None
