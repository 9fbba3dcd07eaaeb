"""The bass line: the style's pattern on the song's chords, locked with the kick; walking in jazz.

Beats are straight; humanising and swing come later.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest

import numpy as np

from engine.training.corpus.basspattern import LIVE, locked, on_kicks, varied
from engine.training.corpus.drums import DrumTrack
from engine.training.corpus.form import PlannedSection
from engine.training.corpus.song import ChordSpan, NoteEvent
from engine.training.corpus.style import BassNote, BassPattern, Style

_SEMITONES = {"b2": 1, "2": 2, "4": 5, "b6": 8, "6": 9}


class ChordLine:
    """Looks up the chord at a beat."""

    def __init__(self, chords: list[ChordSpan]) -> None:
        self.chords = chords
        self.starts = [c.beat for c in chords]

    def at(self, beat: float) -> ChordSpan:
        """The chord sounding at a beat (the first before the start, the last after the end)."""
        return self.chords[max(0, bisect_right(self.starts, beat + 1e-6) - 1)]

    def after(self, beat: float) -> ChordSpan:
        """The chord that follows the one at `beat`."""
        index = max(0, bisect_right(self.starts, beat + 1e-6) - 1)
        return self.chords[min(index + 1, len(self.chords) - 1)]


@dataclass(slots=True)
class _Line:
    """What one call needs everywhere: style, chords, scale and the range's low end."""

    style: Style
    chords: ChordLine
    scale: frozenset[int]
    low: int
    high: int

    def root(self, chord: ChordSpan) -> int:
        """The chord's bass note in the lowest octave of the range."""
        return self.low + (chord.bass - self.low) % 12

    def fold(self, pitch: int) -> int:
        """Into the range by octaves."""
        while pitch > self.high:
            pitch -= 12
        while pitch < self.low:
            pitch += 12
        return pitch


def interval(degree: str, chord: ChordSpan, scale: frozenset[int] = frozenset(range(12))) -> int:
    """Semitones above the root of a table's degree, fitted to the chord (its own 3rd, 5th and 7th).

    Other degrees take the nearest tone of `scale` (pitch classes); the chromatic #4 passes as it is.
    """
    tones = {(p - chord.root) % 12 for p in chord.pitch_classes}
    third = 3 if 3 in tones and 4 not in tones else 4 if 4 in tones else 5 if 5 in tones else 2 if 2 in tones else 7
    fifth = 7 if 7 in tones else 6 if 6 in tones else 8 if 8 in tones else 7
    seventh = next((s for s in (10, 11, 9) if s in tones), None)
    match degree:
        case "1" | "x":
            return 0
        case "8":
            return 12
        case "3" | "b3":
            return third
        case "10":
            return 12 + third
        case "5":
            return fifth
        case "-5":
            return fifth - 12
        case "7" | "b7":
            return seventh if seventh is not None else fifth
        case "9":
            return 14
        case "#4":
            return 6
        case _:
            inside = scale | {p % 12 for p in chord.pitch_classes}
            wanted = _SEMITONES[degree]
            near = [wanted + d for d in (0, -1, 1) if (chord.root + wanted + d) % 12 in inside]
            return near[0] if near else fifth


def _approach(degree: str, target: int, here: int, line: _Line) -> int:
    """The note before `target`: chromatic below, above, or the nearest scale step towards it."""
    if degree == "<":
        return target - 1
    if degree == ">":
        return target + 1
    side = -1 if here <= target else 1
    pitch = target + side
    while pitch % 12 not in line.scale and abs(pitch - target) < 3:
        pitch += side
    return pitch


def compose_bass(
    style: Style,
    chords: list[ChordSpan],
    plan: list[PlannedSection],
    patterns: list[BassPattern],
    drums: DrumTrack,
    scales: list[frozenset[int]],
    bar_beats: Fraction,
    steps: int,
    beats: list[int],
    rng: np.random.Generator,
) -> list[NoteEvent]:
    """The line over all sections in which the bass plays. scales: pitch classes of each section's key."""
    low, high = style.bass_range
    line = _Line(style, ChordLine(chords), frozenset(), low, high)
    step_beats = float(bar_beats) / steps
    notes: list[NoteEvent] = []
    seen: dict[str, int] = {}
    for planned, scale in zip(plan, scales, strict=True):
        if "bass" not in planned.parts:
            continue
        line.scale = scale
        seen[planned.section.name] = seen.get(planned.section.name, -1) + 1
        choice = 1 if planned.intensity[0] >= 5 else 0
        turned = seen[planned.section.name] % 2 == 1 and rng.random() < 0.5  # it comes again: another figure
        half = planned.section.bars >= 8 and rng.random() < 0.35  # or its second half has one
        for offset in range(planned.section.bars):
            pattern = patterns[
                (choice + (turned != (half and offset >= 4 * (planned.section.bars // 8)))) % len(patterns)
            ]
            bar = planned.section.first_bar + offset
            start = bar * float(bar_beats)
            last = offset + 1 == planned.section.bars or (offset + 1) % 4 == 0
            cell = _bar_notes(style, pattern, planned, offset, drums.kicks[bar], beats, steps, line, start, rng)
            cell = varied(cell, style, planned.intensity[offset], last, beats, rng)
            notes += _realise(cell, line, start, step_beats, steps)
    return _no_overlaps(notes, style)


def _bar_notes(
    style: Style,
    pattern: BassPattern,
    planned: PlannedSection,
    offset: int,
    kicks: tuple[int, ...],
    beats: list[int],
    steps: int,
    line: _Line,
    start: float,
    rng: np.random.Generator,
) -> list[BassNote]:
    """The pattern's bar, with the kick's say in it."""
    intensity = planned.intensity[offset]
    cell = list(pattern.bars[offset % len(pattern.bars)])
    if style.kind == "jazz" and intensity >= 3:
        return _walk(line, start, beats, steps, rng)
    if style.number == 4 and kicks:  # 808: the kick is the rhythm
        return on_kicks(cell, kicks, steps)
    if intensity <= 2:
        cell = [n for n in cell if n.pos in beats or n.pos == cell[0].pos][:3] or cell[:1]
    if style.number in LIVE and kicks and intensity >= 3:
        cell = locked(cell, kicks, rng)
    return cell


def _realise(cell: list[BassNote], line: _Line, start: float, step_beats: float, steps: int) -> list[NoteEvent]:
    """Degrees -> pitches on the chords of the bar; a chord change that no note meets gets its root."""
    notes: list[NoteEvent] = []
    positions = {n.pos for n in cell}
    changes = [
        round((c.beat - start) / step_beats) for c in line.chords.chords if start < c.beat < start + steps * step_beats
    ]
    added = [BassNote(p, 2, "1", 7) for p in changes if p not in positions and p % 4 == 0]
    for note in sorted([*cell, *added], key=lambda n: n.pos):
        beat = start + note.pos * step_beats
        chord = line.chords.at(beat)
        end = min(beat + note.length * step_beats, max(chord.beat + chord.length, beat + 0.9 * step_beats))
        pitch = _pitch(note, beat, chord, notes, line)
        dead = note.degree == "x"
        length = 0.3 * step_beats if dead else (end - beat) * line.style.bass_gate
        velocity = 30 if dead else min(122, 14 * note.accent)
        notes.append(NoteEvent(beat, max(length, 0.06), pitch, velocity))
    return notes


def _pitch(note: BassNote, beat: float, chord: ChordSpan, notes: list[NoteEvent], line: _Line) -> int:
    if note.degree in "<>~":
        here = notes[-1].pitch if notes else line.root(chord)
        return line.fold(_approach(note.degree, line.root(line.chords.after(beat)), here, line))
    if note.degree == "1" or note.degree == "x":
        return line.root(chord)
    step = interval(note.degree, chord, line.scale)
    if note.degree == "8":
        return line.fold(line.root(chord) + 12)
    root = line.low + (chord.root - line.low) % 12
    return line.fold(root + step)


def _walk(line: _Line, start: float, beats: list[int], steps: int, rng: np.random.Generator) -> list[BassNote]:
    """A walking bar: root on one (mostly), steps between, an approach on the last beat."""
    degrees = ["1" if rng.random() < 0.8 else "5"]
    inner = [["3", "5"], ["2", "3"], ["5", "3"], ["5", "8"], ["3", "6"], ["8", "5"]]
    degrees += inner[int(rng.integers(len(inner)))][: max(0, len(beats) - 2)]
    degrees.append(str(rng.choice(["<", ">", "~", "5"], p=[0.35, 0.25, 0.25, 0.15])))
    ends = [*beats[1:], steps]
    cell = [
        BassNote(b, e - b, d, 7 if i % 2 == 0 else 6)
        for i, (b, e, d) in enumerate(zip(beats, ends, degrees, strict=False))
    ]
    if rng.random() < 0.12 and len(cell) > 2:
        at = int(rng.integers(1, len(cell)))
        cell.insert(at, BassNote(cell[at - 1].pos + 2, 1, "x", 3))
    return cell


def _no_overlaps(notes: list[NoteEvent], style: Style) -> list[NoteEvent]:
    """Monophonic: each note ends where the next begins (a little over in legato, never)."""
    out: list[NoteEvent] = []
    for note, following in zip_longest(notes, notes[1:]):
        length = note.length if following is None else min(note.length, following.beat - note.beat)
        if length > 1e-3:
            out.append(NoteEvent(note.beat, length, note.pitch, note.velocity))
    return out
