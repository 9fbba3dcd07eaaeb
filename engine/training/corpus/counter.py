"""A second voice that answers the lead in its rests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from engine.training.corpus.chordwalk import ChordWalk, groups_of
from engine.training.corpus.ladder import Ladder
from engine.training.corpus.song import ChordSpan, NoteEvent, Section
from engine.training.corpus.style import Style
from engine.training.corpus.stylekeys import style_key
from engine.training.corpus.voicing import guide_tones

_DOUBLED = frozenset({"folk", "afro", "indie", "synthwave", "soul", "rock", "reggae", "balkan", "funk"})
_SUSTAINED = frozenset({"cinematic", "piano", "indie", "soul", "folk", "downtempo", "ambient", "synthwave", "bossa"})
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
    keys: Sequence[tuple[int, str]] | None = None,
) -> list[NoteEvent]:
    """Answers in the lead's rests, with the rhythm it just had, and long guide tones where the gap is wide.

    Arguments as compose_melody; `lead` is its result. Monophonic, in time order.
    """
    beats = groups_of(style.meters, bar_beats, steps_per_bar, groups)
    walk = ChordWalk(chords, sections, bar_beats, steps_per_bar, beats)
    ladder = Ladder(key_root, mode, (_LOW, _HIGH), style_key(style.name))
    notes: list[NoteEvent] = []
    centre = float(np.clip(np.mean([n.pitch for n in lead]) - 5 if lead else 66, 58, 73))
    key = style_key(style.name)
    for index, section in enumerate(sections):
        if keys is not None:
            ladder = Ladder(*keys[index], (_LOW, _HIGH), style_key(style.name))
        begin, end = walk.beat(section.first_bar), walk.section_end(section)
        inside = [n for n in lead if begin - 1e-9 <= n.beat < end]
        level = sorted(intensity[section.first_bar : section.first_bar + section.bars] or [3])[section.bars // 2 - 1]
        draw = rng.random()
        if key in _DOUBLED and level >= 4 and draw < 0.45:
            notes += _second_voice(inside, level, ladder, walk, rng)
        elif key in _SUSTAINED and draw > 0.55:
            notes += _long_tones(begin, end, level, ladder, walk, centre, rng)
        else:
            notes += _answers(inside, begin, end, intensity, ladder, walk, centre, rng)
    return notes


def _answers(
    lead: list[NoteEvent],
    begin: float,
    end: float,
    intensity: list[int],
    ladder: Ladder,
    walk: ChordWalk,
    centre: float,
    rng: np.random.Generator,
) -> list[NoteEvent]:
    """One section's answers, each in a rest of the lead."""
    notes: list[NoteEvent] = []
    for start, stop in _gaps(lead, begin, end, walk):
        level = intensity[min(int((start + 1e-6) / float(walk.bar_beats)), len(intensity) - 1)]
        if stop - start > 2 * float(walk.bar_beats) and rng.random() < 0.6:
            notes += _long_tones(start, stop, level, ladder, walk, centre, rng)
        elif level >= 2 and rng.random() < 0.8:
            notes += _answer(start, stop, level, lead, ladder, walk, centre, rng)
    return notes


def _second_voice(
    lead: list[NoteEvent], level: int, ladder: Ladder, walk: ChordWalk, rng: np.random.Generator
) -> list[NoteEvent]:
    """The lead's own rhythm a third (or what the chord allows near it) below."""
    notes: list[NoteEvent] = []
    previous: int | None = None
    for note in lead:
        firm = note.length >= 2 * walk.step
        pitch = ladder.place(ladder.nearest(note.pitch) - 2, walk.at(note.beat), previous, 0, firm, note.length)
        if pitch < note.pitch:
            notes.append(NoteEvent(note.beat, note.length, pitch, max(20, note.velocity - 10)))
            previous = pitch
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
        options = [
            p for p in range(max(_LOW, previous - 9), min(_HIGH, previous + 9) + 1) if p % 12 in guide_tones(chord)
        ]
        previous = min(options, key=lambda p: (abs(p - previous) + 0.2 * abs(p - centre), p))
        if end - beat >= walk.step:
            notes.append(NoteEvent(beat, end - beat, previous, _velocity(level, rng) - 8))
        beat = end
    return notes


def _velocity(level: int, rng: np.random.Generator) -> int:
    return int(np.clip(68 + 4 * (level - 3) + rng.normal(0, 4), 24, 118))
