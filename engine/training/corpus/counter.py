"""A second voice that answers the lead in its rests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from engine.training.corpus.chordwalk import ChordWalk, bar_groups
from engine.training.corpus.ladder import Ladder
from engine.training.corpus.song import ChordSpan, NoteEvent, Section
from engine.training.corpus.stylekeys import style_key
from engine.training.corpus.voicing import guide_tones

if TYPE_CHECKING:
    from engine.training.corpus.styletable import Style

_LOW, _HIGH = 52, 79
_MAX_NOTES = (0, 2, 3, 4, 5)  # an answer's notes, by intensity


def compose_counter(
    style: Style,
    chords: list[ChordSpan],
    sections: list[Section],
    key_root: int,
    mode: str,
    bar_beats: Fraction,
    steps_per_bar: int,
    intensity: list[int],
    rng: np.random.Generator,
    lead: list[NoteEvent],
    groups: Sequence[int] | None = None,
) -> list[NoteEvent]:
    """Answers in the lead's rests, with the rhythm it just had, and long guide tones where the gap is wide.

    Arguments as compose_melody; `lead` is its result. Monophonic, in time order.
    """
    walk = ChordWalk(chords, sections, bar_beats, steps_per_bar, tuple(groups or bar_groups(bar_beats, steps_per_bar)))
    ladder = Ladder(key_root, mode, (_LOW, _HIGH), style_key(style.name))
    notes: list[NoteEvent] = []
    centre = float(np.clip(np.mean([n.pitch for n in lead]) - 5 if lead else 66, 58, 73))
    for section in sections:
        end = walk.section_end(section)
        inside = [n for n in lead if walk.beat(section.first_bar) - 1e-9 <= n.beat < end]
        for begin, stop in _gaps(inside, walk.beat(section.first_bar), end, walk):
            level = intensity[min(int((begin + 1e-6) / float(bar_beats)), len(intensity) - 1)]
            if stop - begin > 2 * float(bar_beats) and rng.random() < 0.6:
                notes += _long_tones(begin, stop, level, ladder, walk, centre, rng)
            elif level >= 2 and rng.random() < 0.8:
                notes += _answer(begin, stop, level, inside, ladder, walk, centre, rng)
    return notes


def _gaps(lead: list[NoteEvent], begin: float, end: float, walk: ChordWalk) -> list[tuple[float, float]]:
    """Rests of the lead of at least four steps, on the grid."""
    edges = [begin]
    out = []
    for note in [*lead, NoteEvent(end, 0.0, 0, 1)]:
        start = np.ceil((edges[-1] - 1e-6) / (2 * walk.step)) * 2 * walk.step
        if note.beat - start >= 4 * walk.step - 1e-6:
            out.append((float(start), note.beat))
        edges.append(max(edges[-1], note.beat + note.length))
    return out


def _answer(
    begin: float,
    stop: float,
    level: int,
    lead: list[NoteEvent],
    ladder: Ladder,
    walk: ChordWalk,
    centre: float,
    rng: np.random.Generator,
) -> list[NoteEvent]:
    """The rhythm of the lead's last notes again, from a chord tone, mostly by step against its direction."""
    heard = [n for n in lead if n.beat + n.length <= begin + 1e-6][-_MAX_NOTES[level - 1] :]
    if not heard:
        return []
    span = min(stop - begin, 2 * float(walk.bar_beats))
    shift = begin - heard[0].beat
    direction = -1 if heard[-1].pitch >= heard[0].pitch else 1
    rung = ladder.nearest(centre)
    previous: int | None = None
    notes: list[NoteEvent] = []
    for i, model in enumerate(heard):
        beat = model.beat + shift
        if beat >= begin + span - walk.step:
            break
        rung += 0 if i == 0 else direction * int(rng.choice([1, 1, 1, 2, 0])) * (1 if i < 3 else -1)
        strong = i == 0 or i == len(heard) - 1
        pitch = ladder.place(rung, walk.at(beat), previous, 0, strong, model.length)
        length = min(model.length, stop - beat)
        notes.append(NoteEvent(round(beat, 6), length, pitch, _velocity(level, rng)))
        previous = pitch
    return notes


def _long_tones(
    begin: float, stop: float, level: int, ladder: Ladder, walk: ChordWalk, centre: float, rng: np.random.Generator
) -> list[NoteEvent]:
    """Guide tones held chord by chord, each near the one before."""
    notes: list[NoteEvent] = []
    beat, previous = begin, round(centre)
    while beat < stop - 2 * walk.step:
        chord = walk.at(beat)
        end = min(stop, chord.beat + chord.length, beat + 2 * float(walk.bar_beats))
        options = [p for p in range(max(_LOW, previous - 9), min(_HIGH, previous + 9) + 1) if p % 12 in guide_tones(chord)]
        previous = min(options, key=lambda p: (abs(p - previous) + 0.2 * abs(p - centre), p))
        if end - beat >= walk.step:
            notes.append(NoteEvent(beat, end - beat, previous, _velocity(level, rng) - 8))
        beat = end
    return notes


def _velocity(level: int, rng: np.random.Generator) -> int:
    return int(np.clip(68 + 4 * (level - 3) + rng.normal(0, 4), 24, 118))
