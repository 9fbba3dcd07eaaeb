"""What happens to all lines together: silences before drops, the last hit, the held last chord."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from engine.training.corpus.drums import DrumHit, DrumTrack
from engine.training.corpus.form import PlannedSection
from engine.training.corpus.song import NoteEvent

Lines = dict[str, list[NoteEvent]]


def finish(
    lines: Lines,
    drums: DrumTrack,
    plan: list[PlannedSection],
    bar_beats: Fraction,
    steps: int,
    rng: np.random.Generator,
) -> Lines:
    """Apply the drums' silences to the other parts and write the endings (drums change in place)."""
    step_beats = float(bar_beats) / steps
    for first, end in drums.silences:
        spared = {"pad"} if rng.random() < 0.4 else set()
        for role in lines:
            if role not in spared:
                lines[role] = _silenced(lines[role], first * step_beats, end * step_beats)
    for planned in plan:
        if "hit" in planned.marks:
            lines = _hit(lines, drums, planned, bar_beats, steps)
    return lines


def _silenced(notes: list[NoteEvent], start: float, end: float) -> list[NoteEvent]:
    """No note sounds in [start, end)."""
    out = []
    for note in notes:
        if start - 1e-6 <= note.beat < end - 1e-6:
            continue
        if note.beat < start < note.beat + note.length:
            note = replace(note, length=start - note.beat)
        out.append(note)
    return out


def _hit(lines: Lines, drums: DrumTrack, planned: PlannedSection, bar_beats: Fraction, steps: int) -> Lines:
    """All who play strike together on the first beat of the last two bars and stop."""
    bar = planned.end_bar - min(2, planned.section.bars)
    start = bar * float(bar_beats)
    end = planned.end_bar * float(bar_beats)
    if "drums" in planned.parts:
        first, last = bar * steps, planned.end_bar * steps
        drums.hits[:] = [h for h in drums.hits if not first <= h.step < last]
        drums.hits += [DrumHit(first, "K", 9), DrumHit(first, "Y", 8)]
        drums.kicks[bar : planned.end_bar] = [(0,), *((),) * (planned.end_bar - bar - 1)]
    hold = min(float(bar_beats), end - start)
    return {role: _struck(notes, start, end, hold) for role, notes in lines.items()}


def _struck(notes: list[NoteEvent], start: float, end: float, hold: float) -> list[NoteEvent]:
    kept = [n for n in notes if not start - 1e-6 <= n.beat < end - 1e-6]
    tail = [n for n in notes if start - 1e-6 <= n.beat < end - 1e-6]
    struck = [n for n in tail if n.beat < start + 1e-6] or _first_chord(tail)
    kept = [replace(n, length=min(n.length, start - n.beat)) if n.beat < start else n for n in kept]
    hits = [replace(n, beat=start, length=hold, velocity=min(124, n.velocity + 10)) for n in struck]
    return sorted([*kept, *hits], key=lambda n: (n.beat, n.pitch))


def _first_chord(tail: list[NoteEvent]) -> list[NoteEvent]:
    return [n for n in tail if abs(n.beat - tail[0].beat) < 1e-6]
