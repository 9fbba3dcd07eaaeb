"""What leads into a drop besides the drums: a line of chord tones that climbs and gets denser."""

from __future__ import annotations

import numpy as np

from engine.training.corpus.bass import ChordLine
from engine.training.corpus.form import PlannedSection
from engine.training.corpus.song import ChordSpan, NoteEvent

RISING_STYLES = frozenset({1, 2, 3, 7, 11})
_LOW, _HIGH = 57, 84


def risers(
    plan: list[PlannedSection], chords: list[ChordSpan], bar_beats: float, steps: int, rng: np.random.Generator
) -> list[NoteEvent]:
    """The arpeggio's notes over the last four bars (or all) of builds where it does not play anyway; some songs have none."""
    if rng.random() < 0.35:
        return []
    line, notes = ChordLine(chords), []
    for planned in plan:
        if "build" not in planned.marks or "arp" in planned.parts or planned.section.bars < 2:
            continue
        bars = min(4, planned.section.bars)
        notes += _climb((planned.end_bar - bars) * bar_beats, bars, bar_beats, steps, line)
    return notes


def _climb(start: float, bars: int, bar_beats: float, steps: int, line: ChordLine) -> list[NoteEvent]:
    """Quarters, eighths, then sixteenths, from low to high, from soft to loud."""
    step, out = bar_beats / steps, []
    at = 0
    while at < bars * steps:
        place = at / (bars * steps)
        gap = 4 if place < 0.25 else 2 if place < 0.75 else 1
        chord = line.at(start + at * step)
        wanted = _LOW + (_HIGH - _LOW) * place
        pitch = min(
            (p for p in range(_LOW - 6, _HIGH + 1) if p % 12 in chord.pitch_classes), key=lambda p: abs(p - wanted)
        )
        out.append(NoteEvent(start + at * step, 0.8 * gap * step, pitch, round(48 + 52 * place)))
        at += gap
    return out
