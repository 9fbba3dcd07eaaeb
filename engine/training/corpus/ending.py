"""What happens to all lines together: silences before drops, and how the song ends.

The tempo stays as it is (bar lines are exact), so no ending slows down: a hit, a held chord, layers that
leave one by one, a fade, or a plain stop.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from engine.training.corpus.drums import DrumHit, DrumTrack
from engine.training.corpus.form import PlannedSection
from engine.training.corpus.song import ChordSpan, NoteEvent

Lines = dict[str, list[NoteEvent]]
_ENDINGS = {  # chances of hold, strip, fade; else the song just stops
    "loop": (0.15, 0.45, 0.20),
    "song": (0.40, 0.10, 0.20),
    "through": (0.60, 0.05, 0.15),
    "jazz": (0.85, 0.0, 0.0),
}
_LEAVING = ("counter", "lead", "arp", "comp2", "bass", "pad")  # who goes first
_FADED = 0.3


def finish(
    lines: Lines,
    drums: DrumTrack,
    plan: list[PlannedSection],
    chords: list[ChordSpan],
    kind: str,
    bar_beats: Fraction,
    steps: int,
    rng: np.random.Generator,
) -> Lines:
    """Apply the drums' silences to the other parts and write the ending (drums change in place).

    kind: the style's (loop, song, through, jazz), which says how songs of it like to end.
    """
    step_beats = float(bar_beats) / steps
    for first, end in drums.silences:
        spared = {"pad"} if rng.random() < 0.4 else set()
        for role in lines:
            if role not in spared:
                lines[role] = _silenced(lines[role], first * step_beats, end * step_beats)
    for planned in plan:
        if "hit" in planned.marks:
            lines = _hit(lines, drums, planned, min(2, planned.section.bars), bar_beats, steps)
    if "hit" in plan[-1].marks or plan[-1].section.bars < 2:
        return lines
    return _ended(lines, drums, plan[-1], chords, kind, bar_beats, steps, rng)


def _ended(
    lines: Lines,
    drums: DrumTrack,
    last: PlannedSection,
    chords: list[ChordSpan],
    kind: str,
    bar_beats: Fraction,
    steps: int,
    rng: np.random.Generator,
) -> Lines:
    """One of the endings; a chord is held only where the last bar has one chord."""
    draw = float(rng.random())
    hold, strip, fade = np.cumsum(_ENDINGS[kind]).tolist()
    if draw < hold:
        alone = chords[-1].beat <= (last.end_bar - 1) * float(bar_beats) + 1e-6
        return _hit(lines, drums, last, 1, bar_beats, steps) if alone else lines
    if draw < strip:
        return _stripped(lines, last, float(bar_beats))
    return _faded(lines, drums, last, float(bar_beats), steps) if draw < fade else lines


def _stripped(lines: Lines, last: PlannedSection, bar: float) -> Lines:
    """After each quarter of the last section one of its layers is gone; at least one stays."""
    playing = [role for role in _LEAVING if role in last.parts and lines.get(role)]
    leaving = playing[: min(3, len(last.parts) - 1)]
    out = dict(lines)
    for place, role in enumerate(leaving, start=1):
        leaves = (last.section.first_bar + max(1, place * last.section.bars // 4)) * bar
        out[role] = _silenced(out[role], leaves, last.end_bar * bar)
    return out


def _faded(lines: Lines, drums: DrumTrack, last: PlannedSection, bar: float, steps: int) -> Lines:
    """Everything gets softer to the end."""
    start, length = last.section.first_bar * bar, last.section.bars * bar

    def share(beat: float) -> float:
        return 1.0 - (1.0 - _FADED) * min(1.0, max(0.0, (beat - start) / length))

    drums.hits[:] = [replace(h, digit=max(1.0, h.digit * share(h.step * bar / steps))) for h in drums.hits]
    return {
        role: [replace(n, velocity=max(12, round(n.velocity * share(n.beat)))) for n in notes]
        for role, notes in lines.items()
    }


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


def _hit(lines: Lines, drums: DrumTrack, planned: PlannedSection, bars: int, bar_beats: Fraction, steps: int) -> Lines:
    """All who play strike together on the first beat of the last bars and hold for a bar."""
    bar = planned.end_bar - bars
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
