"""Comping: chord hits, held pads and arpeggios over the chords, in the style's patterns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from zlib import crc32

import numpy as np

from engine.training.corpus.arpeggio import arpeggios
from engine.training.corpus.chordwalk import ChordWalk, groups_of
from engine.training.corpus.comppattern import Hit, Pattern, patterns_for, thinned, varied, velocity_of
from engine.training.corpus.pads import pads
from engine.training.corpus.song import ChordSpan, NoteEvent, Section
from engine.training.corpus.style import Style
from engine.training.corpus.stylekeys import section_family, style_key
from engine.training.corpus.voicing import voice_progression

_LITERAL = {"loop": 0.85, "song": 0.6, "through": 0.35, "jazz": 0.05}
_PUSHING = frozenset({"lofi", "soul", "bossa", "jazz", "funk", "afro", "boombap"})
_SPREAD_MS = {"folk": (9.0, 20.0), "rock": (3.0, 9.0), "indie": (4.0, 10.0), "lofi": (8.0, 16.0), "piano": (4.0, 11.0),
              "soul": (4.0, 10.0), "bossa": (5.0, 10.0), "ambient": (20.0, 60.0)}  # fmt: skip
_LONGEST_ROLL_MS = 70.0


def compose_comp(
    style: Style,
    role: str,
    chords: list[ChordSpan],
    sections: list[Section],
    bar_beats: Fraction,
    steps_per_bar: int,
    intensity: list[int],
    rng: np.random.Generator,
    groups: Sequence[int] | None = None,
) -> list[NoteEvent]:
    """Notes of one accompanying part ('comp1', 'comp2', 'pad' or 'arp') over the whole song, in time order.

    bar_beats in quarters; intensity 1-5 for every bar; groups: felt beats of a bar in steps (default by
    the bar's length; give (6, 6) for 6/8). On the straight grid; offset_ms only where a chord is rolled.
    """
    beats = groups_of(style.meters, bar_beats, steps_per_bar, groups)
    walk = ChordWalk(chords, sections, bar_beats, steps_per_bar, beats)
    if role == "pad":
        return pads(style, walk, intensity, rng)
    if role == "arp":
        return arpeggios(style, walk, intensity, rng)
    return _hits(style, role, walk, intensity, rng)


def _hits(style: Style, role: str, walk: ChordWalk, intensity: list[int], rng: np.random.Generator) -> list[NoteEvent]:
    """Chord hits: a pattern by section family, varied by bar, thinned by intensity."""
    key = style_key(style.name)
    pool = patterns_for(key, role, walk.steps, walk.groups)
    base = int(rng.integers(2**31))
    main = int(rng.integers(len(pool)))
    notes: list[NoteEvent] = []
    seen: dict[str, int] = {}
    for section in walk.sections:
        family = section_family(section.name)
        seen[family] = seen.get(family, -1) + 1
        chosen = np.random.default_rng([base, crc32(family.encode())])
        home = main if family in ("verse", "intro", "outro", "break", "build") or chosen.random() < 0.3 else None
        pattern = pool[int(chosen.integers(len(pool))) if home is None else home]
        if seen[family] and rng.random() < 0.6:
            pattern = _turned(pattern, pool, rng)
        voicings = _section_voicings(walk, section, pattern)
        half = _half_bar(style, section, rng)
        for bar in range(section.first_bar, section.first_bar + section.bars):
            if bar == half:
                pattern = replace(pattern, bars=pool[int(rng.integers(len(pool)))].bars)
            level = intensity[bar] if bar < len(intensity) else 3
            source = pool[int(rng.integers(len(pool)))] if style.kind == "jazz" and rng.random() < 0.8 else pattern
            hits = list(source.bars[(bar - section.first_bar) % len(source.bars)])
            phrase_end = (bar - section.first_bar) % 4 == 3
            if rng.random() > _LITERAL.get(style.kind, 0.6) * (0.8 if phrase_end else 1.1):
                hits = varied(hits, walk.steps, rng)
            hits = thinned(hits, level, walk)
            for hit in hits:
                notes += _play(hit, bar, level, key, walk, section, voicings, rng)
    return sorted(notes, key=lambda n: (n.beat, n.pitch))


def _half_bar(style: Style, section: Section, rng: np.random.Generator) -> int:
    """The bar, on a phrase's start, from which the section has another rhythm; -1 for none."""
    if section.bars < 8 or rng.random() > {"loop": 0.15, "song": 0.4, "through": 0.5}.get(style.kind, 0.0):
        return -1
    return section.first_bar + 4 * (section.bars // 8)


def _turned(pattern: Pattern, pool: list[Pattern], rng: np.random.Generator) -> Pattern:
    """For a section that comes again: another rhythm for the same voicing, or the same one a third higher."""
    if rng.random() < 0.5 and pattern.high <= 79:
        return replace(pattern, low=pattern.low + 3, high=pattern.high + 3)
    other = pool[int(rng.integers(len(pool)))]
    return other if rng.random() < 0.4 else replace(pattern, bars=other.bars)


def _section_voicings(walk: ChordWalk, section: Section, pattern: Pattern) -> dict[float, tuple[int, ...]]:
    chords = walk.in_section(section)
    voiced = voice_progression(chords, pattern.shape, pattern.low, pattern.high)
    return {chord.beat: notes for chord, notes in zip(chords, voiced, strict=True)}


def _play(
    hit: Hit,
    bar: int,
    level: int,
    key: str,
    walk: ChordWalk,
    section: Section,
    voicings: dict[float, tuple[int, ...]],
    rng: np.random.Generator,
) -> list[NoteEvent]:
    """The notes of one hit, cut at the section's end; restruck when the chord changes under it."""
    start = walk.beat(bar, hit.pos)
    end = min(start + hit.length * walk.step, walk.section_end(section))
    chord = walk.at(start)
    change = chord.beat + chord.length
    pushed = key in _PUSHING and change - start <= 2 * walk.step + 1e-9 and change < walk.section_end(section)
    pieces = []
    if pushed:
        pieces.append((start, min(end, start + 2 * walk.step), walk.at(change)))
    else:
        pieces.append((start, min(end, change), chord))
        while end - change > 1.5 * walk.step:
            chord = walk.at(change)
            pieces.append((change, min(end, chord.beat + chord.length), chord))
            change = chord.beat + chord.length
    notes: list[NoteEvent] = []
    for begin, stop, sounding in pieces:
        pitches = _picked(voicings[sounding.beat], hit.pick, level, key)
        notes += _strike(pitches, begin, stop, hit, level, key, rng)
    return notes


def _picked(voicing: tuple[int, ...], pick: str, level: int, key: str) -> tuple[int, ...]:
    if pick == "l":
        return voicing[:1]
    if pick == "t":
        return voicing[-1:]
    if pick == "h":
        return voicing[1:-1] or voicing[-1:]
    lift = level == 5 and voicing[-1] <= 74 and key not in ("funk", "reggae", "jazz", "bossa", "lofi", "rock", "prog")
    return (*voicing, voicing[0] + 12) if lift and voicing[0] + 12 > voicing[-1] else voicing


def _strike(
    pitches: tuple[int, ...], begin: float, stop: float, hit: Hit, level: int, key: str, rng: np.random.Generator
) -> list[NoteEvent]:
    velocity = velocity_of(hit.accent, level, rng)
    low_ms, high_ms = _SPREAD_MS.get(key, (0.0, 0.0))
    spread = float(rng.uniform(low_ms, high_ms)) if len(pitches) > 2 else 0.0
    order = pitches if hit.pos % 4 != 2 or key not in ("folk", "rock", "indie") else pitches[::-1]
    return [
        NoteEvent(
            begin,
            stop - begin,
            pitch,
            int(np.clip(velocity + rng.integers(-3, 4), 8, 126)),
            round(min(i * spread, _LONGEST_ROLL_MS), 2),
        )
        for i, pitch in enumerate(order)
    ]
