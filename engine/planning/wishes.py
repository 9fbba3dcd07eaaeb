"""What a request says of each bar, and what a form repeats: bars whose open fields a planner writes. Pure."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction

import msgspec
import numpy as np

from engine.controls import monophonic, parse_chords, sample_curve
from engine.controls.form import parse_form
from engine.planning import chords as C
from engine.planning.bars import lines_of, over
from engine.timing import Meter
from engine.types import CurvePoint, Note, PlanBar, PlanChord, Request, Stretch

LEVEL_POINTS = 32
REPEATED = ("section", "chords", "melody", "drums", "drum_density", "parts")
"""What a letter of a form that comes again brings back; level and key are free."""


def wishes_of(request: Request, bars: Sequence[PlanBar], meters: Sequence[Meter]) -> tuple[PlanBar, ...]:
    """The plan's bars with the request's own targets laid over them."""
    lines = lines_of(meters)
    chords, melody, levels = _chords(request, meters), _melody(request, lines), _levels(request, lines)
    letters = parse_form(request.form, len(bars)) if request.form is not None else (None,) * len(bars)
    asked = [
        PlanBar(chords=chords[k], melody=melody[k], intensity_db=levels[k], key=request.key, section=letters[k])
        for k in range(len(bars))
    ]
    return tuple(over(own, bar) for own, bar in zip(asked, bars, strict=True))


def repeats(form: str | None, bars: int) -> dict[int, int]:
    """Of bars in a section whose letter was there before: the bar that they repeat. "AA" of 4: {2: 0, 3: 1}."""
    letters = () if form is None else parse_form(form, bars)
    each = bars // len(form.strip()) if form else 1
    first: dict[str, int] = {}
    found: dict[int, int] = {}
    for section in range(0, len(letters), each):
        source = first.setdefault(letters[section], section)
        found |= {section + k: source + k for k in range(each) if source != section}
    return found


def repeated(wish: PlanBar, before: PlanBar) -> PlanBar:
    """The wish of a bar that repeats one that is written."""
    kept = PlanBar(**{name: getattr(before, name) for name in REPEATED})
    return over(wish, kept)


def _inside(span: Stretch | None, line: Fraction, end: Fraction) -> bool:
    return span is None or (span.begin <= line and end <= span.end)


def _chords(request: Request, meters: Sequence[Meter]) -> list[tuple[PlanChord, ...] | None]:
    """Chords of the bars where the request's own act; one that is held stands on the line."""
    if request.chords is None:
        return [None] * len(meters)
    lines, span = lines_of(meters), None if request.only is None else request.only.chords
    found: list[dict[Fraction, str]] = [{Fraction(0): C.NONE} for _ in meters]
    for chord in parse_chords(request.chords, len(meters), meters):
        for bar, (line, end) in enumerate(itertools.pairwise(lines)):
            if chord.beat < end and chord.beat + chord.length > line:
                found[bar][max(Fraction(0), chord.beat - line)] = chord.name
    rows = [tuple(PlanChord(beat=float(b), name=n) for b, n in sorted(bar.items())) for bar in found]
    return [row if _inside(span, a, b) else None for row, a, b in zip(rows, lines, lines[1:], strict=False)]


def _melody(request: Request, lines: Sequence[Fraction]) -> list[tuple[Note, ...] | None]:
    if request.melody is None:
        return [None] * (len(lines) - 1)
    found: defaultdict[int, list[Note]] = defaultdict(list)
    for note in monophonic(request.melody):
        bar = int(np.searchsorted([float(line) for line in lines], note.beat, side="right")) - 1
        found[bar].append(msgspec.structs.replace(note, beat=note.beat - float(lines[bar])))
    span = None if request.only is None else request.only.melody
    told = [_inside(span, a, b) for a, b in itertools.pairwise(lines)]
    return [tuple(found[bar]) if on else None for bar, on in enumerate(told)]


def _levels(request: Request, lines: Sequence[Fraction]) -> list[float | None]:
    """The mean of the curve over each bar where it acts."""
    if request.intensity is None:
        return [None] * (len(lines) - 1)
    span = None if request.only is None else request.only.intensity
    means = [_mean(request.intensity, a, b) for a, b in itertools.pairwise(lines)]
    ends = itertools.pairwise(lines)
    return [m if _inside(span, a, b) else None for m, (a, b) in zip(means, ends, strict=True)]


def _mean(points: Sequence[CurvePoint], line: Fraction, end: Fraction) -> float:
    places = np.linspace(float(line), float(end), LEVEL_POINTS, endpoint=False)
    return round(float(sample_curve(points, places).mean()), 2)
