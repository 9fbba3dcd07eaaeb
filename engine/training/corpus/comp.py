"""Comping: chord hits, held pads and arpeggios over the chords, in the style's patterns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from engine.training.corpus.chordwalk import ChordWalk, groups_of
from engine.training.corpus.comptable import ANY_METER, COMPS, FIGURES
from engine.training.corpus.song import ChordSpan, NoteEvent, Section
from engine.training.corpus.stylekeys import section_family, style_key
from engine.training.corpus.voicing import chord_members, voice_progression

if TYPE_CHECKING:
    from engine.training.corpus.styletable import Style

_MAX_HITS = (1, 3, 8, 16, 16)  # by intensity; what is over goes, weakest first
_LITERAL = {"loop": 0.85, "song": 0.6, "through": 0.35, "jazz": 0.05}
_PUSHING = frozenset({"lofi", "soul", "bossa", "jazz", "funk", "afro", "boombap"})
_SPREAD_MS = {"folk": (9.0, 20.0), "rock": (3.0, 9.0), "indie": (4.0, 10.0), "lofi": (8.0, 16.0), "piano": (4.0, 11.0),
              "soul": (4.0, 10.0), "bossa": (5.0, 10.0), "ambient": (20.0, 60.0)}  # fmt: skip
_LONGEST_ROLL_MS = 70.0
_PAD_STYLE = {"ambient": ("q", 50, 79), "lofi": ("d2", 55, 74), "jazz": ("d2", 55, 74), "soul": ("rA", 55, 76),
              "rock": ("op", 52, 76), "techno": ("cl", 52, 70), "balkan": ("pw", 52, 69)}  # fmt: skip
_SOFT = frozenset({"ambient", "lofi", "piano", "folk", "cinematic", "jazz", "bossa", "downtempo"})
_HIT = re.compile(r"(\d+)/(\d+)(?:/(\d))?([lht]?)")


@dataclass(frozen=True, slots=True)
class Hit:
    """A chord hit in steps of the bar; accent 1-9; pick '' all, l lowest, h the rest, t top."""

    pos: int
    length: int
    accent: int = 7
    pick: str = ""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A comping pattern: voicing shape, MIDI range, hits by bar."""

    shape: str
    low: int
    high: int
    bars: tuple[tuple[Hit, ...], ...]


def parse_pattern(text: str) -> Pattern:
    """`rA 55-72: 3/1/8 6/1 | ...` -> Pattern (see comptable)."""
    head, body = text.split(": ", 1)
    shape, span = head.split()[-2:]
    low, high = map(int, span.split("-"))
    bars = tuple(
        tuple(Hit(int(p), int(n), int(a or 7), pick) for p, n, a, pick in _HIT.findall(bar)) for bar in body.split("|")
    )
    return Pattern(shape, low, high, bars)


def _meter_tag(steps: int, groups: Sequence[int]) -> str:
    if steps != 12:
        return str(steps)
    return "12" + {6: "a", 4: "b", 3: "c"}.get(groups[0], "b")


def patterns_for(key: str, role: str, steps: int, groups: Sequence[int]) -> list[Pattern]:
    """The style's patterns of a role that fit the bar; fitted ones of 16 steps when it has none."""
    tag = _meter_tag(steps, groups)
    texts = COMPS[key].get(role) or COMPS[key]["comp1"]
    own = [t for t in texts if t.startswith(f"[{tag}]")]
    plain = [t for t in texts if not t.startswith("[")]
    if steps == 16:
        return [parse_pattern(t) for t in plain]
    if not own and tag in ANY_METER:
        low, high = parse_pattern(plain[0]).low, parse_pattern(plain[0]).high
        generic = [parse_pattern(t) for t in ANY_METER[tag]]
        return [Pattern(p.shape, max(p.low, low), max(p.high, high), p.bars) for p in generic]
    return [parse_pattern(t) for t in own] or [_fitted(parse_pattern(t), steps) for t in plain]


def _fitted(pattern: Pattern, steps: int) -> Pattern:
    """A 16-step pattern cut to fewer steps, or grown by its own beginning."""
    bars = []
    for bar in pattern.bars:
        longer = list(bar) + [Hit(h.pos + 16, h.length, h.accent, h.pick) for h in bar]
        bars.append(tuple(Hit(h.pos, min(h.length, steps - h.pos), h.accent, h.pick) for h in longer if h.pos < steps))
    return Pattern(pattern.shape, pattern.low, pattern.high, tuple(bars))


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
        return _pad(style, walk, intensity, rng)
    if role == "arp":
        return _arp(style, walk, intensity, rng)
    return _hits(style, role, walk, intensity, rng)


def _velocity(accent: int, intensity: int, rng: np.random.Generator) -> int:
    scale = 0.70 + 0.07 * intensity
    return int(np.clip(round(14 * accent * scale + rng.normal(0, 2.5)), 12, 124))


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
                hits = _varied(hits, walk.steps, rng)
            hits = _thinned(hits, level, walk)
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


def _varied(hits: list[Hit], steps: int, rng: np.random.Generator) -> list[Hit]:
    """One small change: a weak hit left out, moved by a step or an 8th, added at the end, or cut short."""
    kind = int(rng.integers(4))
    if len(hits) < 2 and kind == 0:
        kind = 2
    if kind == 0:
        weak = min(range(len(hits)), key=lambda i: (hits[i].accent, -hits[i].pos))
        return hits[:weak] + hits[weak + 1 :]
    at = int(rng.integers(len(hits))) if hits else 0
    taken = {h.pos for h in hits}
    if kind == 1 and hits and hits[at].pos:
        moved = hits[at].pos + int(rng.choice([-2, 2]))
        if 0 < moved < steps and moved not in taken:
            length = min(hits[at].length, steps - moved)
            hits = [*hits[:at], Hit(moved, length, hits[at].accent, hits[at].pick), *hits[at + 1 :]]
    elif kind == 2 and steps - 2 not in taken:
        hits = [*hits, Hit(steps - 2, 2, 6, hits[-1].pick if hits else "")]
    elif hits:
        h = hits[at]
        hits = [*hits[:at], Hit(h.pos, max(1, h.length // 2), min(9, h.accent + 1), h.pick), *hits[at + 1 :]]
    return _no_overlap(sorted(hits, key=lambda h: h.pos))


def _no_overlap(hits: list[Hit]) -> list[Hit]:
    """Whole-chord hits end where the next begins."""
    out = []
    for hit, following in zip(hits, [*hits[1:], None], strict=True):
        room = following.pos - hit.pos if following is not None and not hit.pick else hit.length
        out.append(Hit(hit.pos, max(1, min(hit.length, room)), hit.accent, hit.pick))
    return out


def _thinned(hits: list[Hit], level: int, walk: ChordWalk) -> list[Hit]:
    """At low intensity only the strongest hits stay, and sing on."""
    keep = _MAX_HITS[level - 1]
    if len(hits) <= keep:
        return hits
    strong = sorted(hits, key=lambda h: (-h.accent - (2 if h.pos in walk.group_starts else 0), h.pos))[:keep]
    strong.sort(key=lambda h: h.pos)
    ends = [h.pos for h in strong[1:]] + [walk.steps]
    return [
        Hit(h.pos, max(h.length, min(end - h.pos, 2 * h.length)), h.accent, "" if level == 1 else h.pick)
        for h, end in zip(strong, ends, strict=True)
    ]


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
    velocity = _velocity(hit.accent, level, rng)
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


def _pad(style: Style, walk: ChordWalk, intensity: list[int], rng: np.random.Generator) -> list[NoteEvent]:
    """Held chords; a voice that stays on its note is tied, for at most four bars."""
    shape, low, high = _PAD_STYLE.get(style_key(style.name), ("d2", 52, 76))
    notes: list[NoteEvent] = []
    for section in walk.sections:
        chords = walk.in_section(section)
        voiced = voice_progression(chords, shape, low, high)
        sounding: dict[int, float] = {}
        end = walk.section_end(section)
        level = intensity[min(section.first_bar, len(intensity) - 1)]
        limit = 4 * float(walk.bar_beats)

        def release(pitch: int, stop: float, sounding: dict[int, float] = sounding, level: int = level) -> None:
            begin = sounding.pop(pitch)
            notes.append(NoteEvent(begin, stop - begin, pitch, _velocity(5, level, rng)))

        for chord, pitches in zip(chords, voiced, strict=True):
            for pitch in sorted(sounding):
                if pitch not in pitches or chord.beat - sounding[pitch] >= limit:
                    release(pitch, chord.beat)
            for pitch in pitches:
                sounding.setdefault(pitch, chord.beat)
            beat = chord.beat + limit
            while beat < min(chord.beat + chord.length, end) - 1e-9:  # a long chord breathes every four bars
                for pitch in pitches:
                    release(pitch, beat)
                    sounding[pitch] = beat
                beat += limit
        for pitch in sorted(sounding):
            release(pitch, end)
    return sorted(notes, key=lambda n: (n.beat, n.pitch))


def _ladder(chord: ChordSpan, low: int) -> dict[int, int]:
    """Pitches by chord degree: 1, 3, 5, 7, 8, 10, 12, 15 from the first root at or above `low`."""
    m = chord_members(chord)
    root = low + (m["root"] - low) % 12

    def above(name: str, other: str) -> int:
        return root + (m.get(name, m[other]) - root) % 12

    third, fifth = above("third", "root"), above("fifth", "root")
    fifth = fifth if fifth > third else fifth + 12 if "fifth" in m else root + 12
    third = third if "third" in m else fifth
    seventh = root + (m["seventh"] - root) % 12 if "seventh" in m else fifth
    return {1: root, 3: third, 5: fifth, 7: seventh, 8: root + 12, 10: third + 12, 12: fifth + 12, 15: root + 24}


def _arp(style: Style, walk: ChordWalk, intensity: list[int], rng: np.random.Generator) -> list[NoteEvent]:
    """A figure of chord degrees; it starts anew with each section, or with each bar where it fits one."""
    key = style_key(style.name)
    base = int(rng.integers(2**31))
    main = str(rng.choice(np.array(FIGURES[key])))
    low = 57 + int(rng.integers(0, 5))
    notes: list[NoteEvent] = []
    for section in walk.sections:
        family = section_family(section.name)
        chosen = np.random.default_rng([base, crc32(family.encode())])
        text = main if chosen.random() < 0.6 else str(chosen.choice(np.array(FIGURES[key])))
        grid, degrees = text.split(":")
        figure = [int(d) for d in degrees.split()]
        for bar in range(section.first_bar, section.first_bar + section.bars):
            level = intensity[bar] if bar < len(intensity) else 3
            spacing = int(grid) * (4 if level == 1 else 2 if level == 2 and int(grid) == 1 else 1)
            for place, pos in enumerate(range(0, walk.steps, spacing)):
                per_bar = -(-walk.steps // spacing)
                index = place if per_bar % len(figure) == 0 else place + per_bar * (bar - section.first_bar)
                notes.append(
                    _arp_note(figure[index % len(figure)], bar, pos, spacing, low, level, key in _SOFT, walk, rng)
                )
    return notes


def _arp_note(
    degree: int,
    bar: int,
    pos: int,
    spacing: int,
    low: int,
    level: int,
    soft: bool,
    walk: ChordWalk,
    rng: np.random.Generator,
) -> NoteEvent:
    start = walk.beat(bar, pos)
    pitch = _ladder(walk.at(start), low)[degree]
    while pitch > 86:
        pitch -= 12
    accent = (7 if pos in walk.group_starts else 5) - soft
    length = walk.step * min(spacing, walk.steps - pos) * 0.9
    return NoteEvent(start, round(length, 4), pitch, _velocity(accent, level, rng))
