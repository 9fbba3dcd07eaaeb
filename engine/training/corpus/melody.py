"""The lead line: motifs of the style's cells, laid over the chords phrase by phrase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from zlib import crc32

import numpy as np

from engine.training.corpus.chordwalk import ChordWalk, groups_of
from engine.training.corpus.ladder import Ladder
from engine.training.corpus.melodybar import MAX_NOTES, Context, capped, closed, laid, level_of
from engine.training.corpus.motif import (
    SCHEMES,
    Cell,
    Motif,
    cells_for,
    make_motif,
    neutral_cells,
    reshaped,
    varied,
)
from engine.training.corpus.song import ChordSpan, NoteEvent, Section
from engine.training.corpus.style import Style
from engine.training.corpus.stylekeys import section_family, style_key

_LITERAL = {"loop": 0.6, "song": 0.35, "through": 0.2, "jazz": 0.05}
_CHORD_TONE = {"jazz": 0.35, "bossa": 0.35, "funk": 0.4, "soul": 0.48, "lofi": 0.5, "boombap": 0.48, "prog": 0.65,
               "downtempo": 0.58, "house": 0.55, "afro": 0.6, "rock": 0.62, "ambient": 0.85, "techno": 0.85, "piano": 0.82, "folk": 0.78, "cinematic": 0.72}  # fmt: skip
_CENTRE = {"verse": 0.42, "chorus": 0.58, "bridge": 0.52, "solo": 0.6, "pre": 0.5}


@dataclass(slots=True)
class _Material:
    """What one section family sings: two motifs, how they follow each other, which bars rest, where it lies."""

    motifs: dict[str, Motif]
    scheme: str
    resting: frozenset[int]
    centre: float
    phrases: dict[int, tuple[tuple[object, ...], int, list[list[NoteEvent]]]] = field(default_factory=dict)


def compose_melody(
    style: Style,
    chords: list[ChordSpan],
    sections: list[Section],
    key_root: int,
    mode: str,
    bar_beats: Fraction,
    steps_per_bar: int,
    intensity: list[int],
    rng: np.random.Generator,
    groups: Sequence[int] | None = None,
    keys: Sequence[tuple[int, str]] | None = None,
) -> list[NoteEvent]:
    """A monophonic lead over the whole song (the caller leaves out sections without it), in time order.

    bar_beats in quarters, key_root 0-11, mode a key of SCALES, intensity 1-5 for every bar, groups: felt
    beats in steps (give (6, 6) for 6/8, (4, 4, 4) for 3/4; without them the rhythms suit both), keys: (root, mode)
    of every section (default: one key throughout). A section family that returns brings its motifs back.
    """
    beats = groups_of(style.meters, bar_beats, steps_per_bar, groups)
    walk = ChordWalk(chords, sections, bar_beats, steps_per_bar, beats)
    key = style_key(style.name)
    ladder = Ladder(key_root, mode, style.melody_range, key)
    unknown = groups is None and beats == (4, 4, 4) and ((6, 8) in {m for m, _ in style.meters})
    cells = neutral_cells() if unknown else cells_for(style.melody_cells, steps_per_bar, walk.groups)
    context = Context(style, key, walk, ladder, intensity, cells, rng, _CHORD_TONE.get(key, 0.72))
    base = int(rng.integers(2**31))
    shared: dict[str, _Material] = {}
    notes: list[NoteEvent] = []
    for index, section in enumerate(sections):
        if keys is not None:
            context.ladder = Ladder(*keys[index], style.melody_range, key)
        family = section_family(section.name)
        if family not in shared:
            shared[family] = _material(context, family, np.random.default_rng([base, crc32(family.encode())]))
        notes += _sing(context, section, shared[family], notes[-1].pitch if notes else None)
    return _monophonic(notes)


def _material(context: Context, family: str, rng: np.random.Generator) -> _Material:
    """New motifs for a section family."""
    cells = [context.cells[i] for i in rng.permutation(len(context.cells))[:2]]
    cells = [reshaped(cell, rng) if rng.random() < 0.45 else cell for cell in cells]
    first, second = cells[0], cells[-1]
    contour = context.style.contour
    motifs = {"A": make_motif(first, contour, rng), "B": make_motif(second, contour, rng)}
    motifs["C"] = make_motif(reshaped(first, rng), contour, rng)
    names, weights = [s for s, _ in SCHEMES], [w for _, w in SCHEMES]
    scheme = str(rng.choice(names, p=weights))
    low, high = context.style.melody_range
    centre = low + (high - low) * (_CENTRE.get(family, 0.48) + float(rng.normal(0, 0.04)))
    return _Material(motifs, scheme, _resting_bars(context, cells, rng), centre)


def _resting_bars(context: Context, cells: Sequence[Cell], rng: np.random.Generator) -> frozenset[int]:
    """Bars of a four-bar phrase that stay empty, so that cells and bars together rest as the style does."""
    steps = context.walk.steps
    sounding = sum(min(1.0, sum(length for _, length in cell) / steps) for cell in cells) / len(cells)
    share = 1.0 - (1.0 - context.style.melody_rest) / max(sounding, 0.05)
    wanted = max(0.0, share) * 4
    count = int(min(3, wanted + rng.random()))
    if count == 2:
        return frozenset({2, 3}) if rng.random() < 0.6 else frozenset({1, 3})
    return {0: frozenset(), 1: frozenset({3 if rng.random() < 0.7 else 1}), 3: frozenset({1, 2, 3})}[count]


def _sing(context: Context, section: Section, material: _Material, last: int | None) -> list[NoteEvent]:
    """One section, four bars at a time; phrases 0 and 1 are question and answer of an eight-bar period."""
    walk, rng = context.walk, context.rng
    notes: list[NoteEvent] = []
    literal = _LITERAL.get(context.style.kind, 0.3)
    for index, start in enumerate(range(0, section.bars, 4)):
        bars = min(4, section.bars - start)
        first = section.first_bar + start
        signature = _harmony(context, first, bars)
        stored = material.phrases.get(index % 2)
        solo = context.style.kind == "jazz" and section_family(section.name) == "solo"
        fresh_lines = context.style.kind == "jazz" and (solo or rng.random() < 0.5)
        if fresh_lines:
            cell = context.cells[int(rng.integers(len(context.cells)))]
            material.motifs["A"] = make_motif(reshaped(cell, rng), context.style.contour, rng)
        if stored and not solo and stored[0] == signature and rng.random() < max(literal, 0.5 if start == 0 else 0.0):
            phrase = _again(context, stored[2], first, _nearest_shift(context.ladder, stored))
        else:
            phrase = _phrase(context, material, first, bars, index % 2, last)
            relative = [[_shifted(n, -walk.beat(first)) for n in bar] for bar in phrase]
            material.phrases[index % 2] = (signature, context.ladder.key_root, relative)
        flat = [n for bar in phrase for n in bar]
        notes += _under_fill(flat, walk, first + bars, index % 2 == 1 or start + bars == section.bars, rng)
        last = flat[-1].pitch if flat else last
    end = walk.section_end(section)
    return [NoteEvent(n.beat, min(n.length, end - n.beat), n.pitch, n.velocity) for n in notes if n.beat < end - 1e-9]


def _shifted(note: NoteEvent, by: float) -> NoteEvent:
    return NoteEvent(note.beat + by, note.length, note.pitch, note.velocity, note.offset_ms)


def _harmony(context: Context, first: int, bars: int) -> tuple[object, ...]:
    """What a phrase's chords are against their key, so that it is known again in another one."""
    walk, root = context.walk, context.ladder.key_root
    spans = [walk.at(walk.beat(first + b, s)) for b in range(bars) for s in (0, walk.steps // 2)]
    return tuple(tuple((p - root) % 12 for p in chord.pitch_classes) for chord in spans)


def _nearest_shift(ladder: Ladder, stored: tuple[tuple[object, ...], int, list[list[NoteEvent]]]) -> int:
    """Semitones to the phrase's new key: the shorter way, an octave away where it would leave the range."""
    pitches = [n.pitch for bar in stored[2] for n in bar] or [ladder.low]
    shift = (ladder.key_root - stored[1] + 6) % 12 - 6
    if max(pitches) + shift > ladder.high:
        shift -= 12
    elif min(pitches) + shift < ladder.low:
        shift += 12
    return shift if ladder.low <= min(pitches) + shift and max(pitches) + shift <= ladder.high else 0


def _again(context: Context, stored: list[list[NoteEvent]], first: int, shift: int = 0) -> list[list[NoteEvent]]:
    """A phrase as before, in the section's key, its loudness following the new bars."""
    start = context.walk.beat(first)
    out = []
    for place, bar in enumerate(stored):
        level = level_of(context, first + place)
        kept = bar if level > 1 else bar[:2]
        velocity = int(context.rng.integers(-4, 5))
        out.append(
            [
                NoteEvent(n.beat + start, n.length, n.pitch + shift, int(np.clip(n.velocity + velocity, 20, 124)))
                for n in kept
            ]
        )
    return out


def _phrase(
    context: Context, material: _Material, first: int, bars: int, half: int, last: int | None
) -> list[list[NoteEvent]]:
    """Up to four bars after the scheme; ends open (half 0) or closed (half 1) on a stable degree."""
    rng, steps = context.rng, context.walk.steps
    anchor = context.ladder.nearest(material.centre)
    sounding = [b for b in range(bars) if b not in material.resting] or [0]
    out: list[list[NoteEvent]] = []
    for place in range(bars):
        level = level_of(context, first + place)
        if place not in sounding or (level == 1 and place % 2 and rng.random() < 0.5):
            out.append([])
            continue
        label = material.scheme[place % 4]
        motif = material.motifs[label.upper()]
        if label.islower() or (half and place == sounding[-1] and rng.random() < 0.5):
            motif = varied(motif, steps, context.style.contour, rng)
        motif = capped(motif, MAX_NOTES[level - 1], context.walk)
        lift = (1 if place == 2 else 0) + (
            1 if half and place in (0, 1) else 0
        )  # the period's peak lies past its middle
        motif = tuple(n for n in motif if n.pos < steps)
        bar = laid(context, motif, first + place, anchor + lift, last)
        if bar and place == sounding[-1]:
            bar = closed(context, bar, first + place, half)
        if bar:
            last = bar[-1].pitch
        out.append(bar)
    return out


def _under_fill(
    notes: list[NoteEvent], walk: ChordWalk, next_bar: int, phrase_end: bool, rng: np.random.Generator
) -> list[NoteEvent]:
    """Where a drum fill may come (the end of eight bars) the lead mostly leaves the last beat free."""
    if not phrase_end or rng.random() > 0.7:
        return notes
    free = walk.beat(next_bar) - walk.groups[-1] * walk.step
    return [
        NoteEvent(n.beat, min(n.length, max(free - n.beat, walk.step)), n.pitch, n.velocity)
        for n in notes
        if n.beat < free
    ]


def _monophonic(notes: list[NoteEvent]) -> list[NoteEvent]:
    """Sorted, one note at a time: each ends where the next begins."""
    ordered = sorted(notes, key=lambda n: n.beat)
    out: list[NoteEvent] = []
    for note in ordered:
        if out and note.beat - out[-1].beat < 1e-6:
            continue
        if out and out[-1].beat + out[-1].length > note.beat:
            out[-1] = NoteEvent(out[-1].beat, note.beat - out[-1].beat, out[-1].pitch, out[-1].velocity)
        out.append(note)
    return out
