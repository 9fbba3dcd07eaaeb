"""Chords over a whole song: progressions by section, cadences, the mode they speak, changes of key."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from engine.training.corpus.chordnames import Numeral, parse_numeral, span
from engine.training.corpus.keyplan import SectionKey, plan_keys
from engine.training.corpus.progressions import (
    EXTRA,
    MINOR_MODES,
    Progression,
    is_minor,
    mode_name,
    mode_of,
    parse_progressions,
)
from engine.training.corpus.song import ChordSpan, Section
from engine.training.corpus.style import Style
from engine.training.corpus.stylekeys import section_family, style_key

Timed = list[tuple[Numeral, Fraction]]
FUNCTIONAL = frozenset({"jazz", "bossa", "soul", "folk", "cinematic", "piano", "indie", "rock"})
_COLOURED = frozenset({"indie", "folk", "piano", "cinematic", "ambient", "synthwave", "rock", "house", "trap"})
_COLOURS = {
    "I": "Iadd9",
    "IV": "IVmaj7",
    "vi": "vi7",
    "ii": "ii7",
    "i": "iadd9",
    "bVI": "bVImaj7",
    "iv": "iv7",
    "V": "Vsus4",
}
_ALTERNATIVE = {  # probability that a section of this family gets a progression of its own, by kind
    "loop": {"bridge": 0.5, "break": 0.35, "chorus": 0.2},
    "song": {"chorus": 0.75, "bridge": 0.9, "pre": 0.8, "solo": 0.2, "break": 0.4},
    "through": {"chorus": 0.5, "bridge": 0.95, "pre": 0.6, "solo": 0.4, "break": 0.5},
    "jazz": {"bridge": 1.0},
}


@dataclass(frozen=True, slots=True)
class Harmony:
    """A song's chords without gaps, its home mode, and (root, mode) of every section."""

    chords: list[ChordSpan]
    mode: str
    keys: list[tuple[int, str]]


def harmonise(
    style: Style,
    key_root: int,
    mode_hint: str,
    sections: list[Section],
    bar_beats: Fraction,
    rng: np.random.Generator,
    *,
    modulating: bool = True,
) -> Harmony:
    """Chords over every bar of a song.

    key_root 0-11 (C = 0); bar_beats in quarters. Sections of one family share their progression. modulating: sections
    may stand in other keys; a functional style leads there by a dominant.
    """
    mode_hint = mode_name(mode_hint)
    pool = parse_progressions(style.progressions) + parse_progressions(EXTRA[style_key(style.name)])
    main = _choose([p for p in pool if not p.bridge], mode_hint, rng)
    mode = mode_of(main, mode_hint)
    plan = _plan(style.kind, main, pool, sections, rng)
    colours = _colours(style_key(style.name), rng)
    places = [SectionKey(key_root)] * len(sections)
    if modulating:
        places = plan_keys(style_key(style.name), sections, key_root, mode, rng)
    other_side = [p for p in pool if is_minor(p) is (mode not in MINOR_MODES) and not p.bridge]
    away = other_side[int(rng.integers(len(other_side)))] if other_side else None
    if away is None:
        places = [SectionKey(key_root) if place.flipped else place for place in places]
    chords: list[ChordSpan] = []
    keys: list[tuple[int, str]] = []
    for index, section in enumerate(sections):
        key = places[index]
        own = away if key.flipped and away is not None else plan[section_family(section.name)]
        here = mode_of(own) if key.flipped else mode
        timed = _fill(style, own, plan, section, bar_beats)
        timed = [(colours.get(numeral.text, numeral), length) for numeral, length in timed]
        last = index + 1 == len(sections)
        timed = _cadence(timed, style, here, last, bar_beats, section, rng)
        if not last and places[index + 1].root != key.root:
            timed = _led_over(timed, style, places[index + 1], key, bar_beats, section)
        chords += _spans(timed, key.root, section.first_bar * bar_beats)
        keys.append((key.root, here))
    return Harmony(chords, mode, keys)


def _led_over(
    timed: Timed,
    style: Style,
    goal: SectionKey,
    key: SectionKey,
    bar_beats: Fraction,
    section: Section,
) -> Timed:
    """The section's last half bar (a whole one in three) on the dominant of the key that comes."""
    if style_key(style.name) not in FUNCTIONAL or section.bars < 4:
        return timed
    numeral = parse_numeral("V7" if style_key(style.name) not in ("cinematic", "rock") else "V")
    assert numeral is not None
    shift = goal.root - key.root
    dominant = replace(numeral, root=(numeral.root + shift) % 12, bass=(numeral.bass + shift) % 12)
    half = _on_eighths(Fraction(1, 2), bar_beats)
    tail = bar_beats if half in (0, bar_beats) else bar_beats - half
    total = sum((length for _, length in timed), Fraction(0))
    return [*_cut(timed, total - tail), (dominant, tail)]


def _choose(pool: list[Progression], hint: str, rng: np.random.Generator) -> Progression:
    """One progression, of the hinted mode or at least of its minor or major side when there is one."""
    exact = [p for p in pool if mode_of(p) == hint]
    wants_minor = hint in MINOR_MODES
    side = [p for p in pool if is_minor(p) in (wants_minor, None)] if hint else pool
    choices = exact if len(exact) >= 3 else side or pool
    return choices[int(rng.integers(len(choices)))]


def _plan(
    kind: str, main: Progression, pool: list[Progression], sections: list[Section], rng: np.random.Generator
) -> dict[str, Progression]:
    """A progression for every section family of the song, all on the main one's minor or major side."""
    side = is_minor(main)
    fitting = [p for p in pool if p != main and not p.bridge and is_minor(p) in (side, None)]
    bridges = [p for p in pool if p.bridge and is_minor(p) in (side, None)]
    chances = _ALTERNATIVE.get(kind, _ALTERNATIVE["song"])
    plan = {"bridge": main}
    families = dict.fromkeys(["verse"] + [section_family(s.name) for s in sections] + ["bridge"])
    for family in families:
        options = bridges if family == "bridge" and bridges and rng.random() < 0.6 else fitting
        own = options and rng.random() < chances.get(family, 0.0)
        plan[family] = options[int(rng.integers(len(options)))] if own else main
    return plan


def _colours(key: str, rng: np.random.Generator) -> dict[str, Numeral]:
    """Chords this piece always plays with an added note, such as IV as IVmaj7."""
    if key not in _COLOURED:
        return {}
    picked = {plain: parse_numeral(rich) for plain, rich in _COLOURS.items() if rng.random() < 0.16}
    return {plain: numeral for plain, numeral in picked.items() if numeral is not None}


def _fill(
    style: Style, progression: Progression, plan: dict[str, Progression], section: Section, bar_beats: Fraction
) -> Timed:
    """Repeat a progression over a section; long jazz choruses become AABA in eights."""
    bars = Fraction(section.bars)
    if style.kind == "jazz" and section.bars >= 32 and progression.bars in (4, 8):
        block = _cycle(progression, Fraction(8), bar_beats)
        bridge = _cycle(plan["bridge"], Fraction(8), bar_beats)
        return _cut((block + block + bridge + block) * (1 + section.bars // 32), bars * bar_beats)
    return _cycle(progression, bars, bar_beats)


def _cycle(progression: Progression, bars: Fraction, bar_beats: Fraction) -> Timed:
    """The progression again and again for so many bars, the last pass cut; lengths in quarters."""
    once = _in_quarters(progression, bar_beats)
    length = sum((quarters for _, quarters in once), Fraction(0))
    total = bars * bar_beats
    return _cut(once * (int(total / length) + 1), total)


def _in_quarters(progression: Progression, bar_beats: Fraction) -> Timed:
    """Lengths in quarters. Half bars of odd meters split on an 8th, long half first; bars of three stay whole."""
    timed: Timed = []
    within = Fraction(0)
    for numeral, bars in progression.chords:
        end = within + bars
        start_q, end_q = _on_eighths(within, bar_beats), _on_eighths(end, bar_beats)
        if end_q > start_q:
            timed.append((numeral, end_q - start_q))
        within = end
    total = sum((length for _, length in timed), Fraction(0))
    if total % bar_beats:
        timed[-1] = (timed[-1][0], timed[-1][1] + bar_beats - total % bar_beats)
    return timed


def _on_eighths(bars: Fraction, bar_beats: Fraction) -> Fraction:
    whole, part = divmod(bars, 1)
    if not part:
        return whole * bar_beats
    if bar_beats == 3:
        return (whole + 1) * bar_beats
    eighths = (part * bar_beats * 2 + Fraction(1, 2)).__floor__()
    return whole * bar_beats + Fraction(eighths, 2)


def _cut(timed: Timed, total: Fraction) -> Timed:
    """The first `total` quarters."""
    out: Timed = []
    left = total
    for numeral, length in timed:
        if left <= 0:
            break
        out.append((numeral, min(length, left)))
        left -= length
    return out


def _split_last_bar(timed: Timed, bar_beats: Fraction) -> Timed:
    """The same chords without the section's last bar."""
    total = sum((length for _, length in timed), Fraction(0))
    return _cut(timed, total - bar_beats)


def _cadence(
    timed: Timed, style: Style, mode: str, last: bool, bar_beats: Fraction, section: Section, rng: np.random.Generator
) -> Timed:
    """End a section: the song's end on the tonic, sections of functional styles often on the dominant."""
    key = style_key(style.name)
    functional = key in FUNCTIONAL
    if section.bars < 4:
        return timed
    if last:
        return _final(timed, key, mode, bar_beats) if functional or rng.random() < 0.4 else timed
    ends_on_dominant = timed[-1][0].root == 7
    if not functional or ends_on_dominant or rng.random() > 0.4:
        return timed
    dominant = _dominant(key, mode, rng)
    head = _split_last_bar(timed, bar_beats)
    if timed[-1][1] >= bar_beats and rng.random() < 0.5 and bar_beats != 3:
        half = _on_eighths(Fraction(1, 2), bar_beats)
        return [*head, (timed[-1][0], half), (dominant, bar_beats - half)]
    return [*head, (dominant, bar_beats)]


def _dominant(key: str, mode: str, rng: np.random.Generator) -> Numeral:
    minor = mode in MINOR_MODES
    if key in ("jazz", "bossa", "soul"):
        names = ("V7b9", "V7#9") if minor else ("V13", "V9sus", "V7b9")
    elif mode in ("mixolydian", "dorian") or key == "rock":
        names = ("bVII", "V")
    else:
        names = ("V", "V7", "Vsus4") if key != "cinematic" else ("V", "Vsus4")
    numeral = parse_numeral(names[int(rng.integers(len(names)))])
    assert numeral is not None
    return numeral


def _final(timed: Timed, key: str, mode: str, bar_beats: Fraction) -> Timed:
    minor = mode in MINOR_MODES
    rich = {"jazz": ("i6", "I69"), "bossa": ("i9", "I69"), "soul": ("i9", "Imaj9"), "lofi": ("i9", "Imaj9")}
    minor_name, major_name = rich.get(key, ("i", "I"))
    numeral = parse_numeral(minor_name if minor else major_name)
    assert numeral is not None
    return [*_split_last_bar(timed, bar_beats), (numeral, bar_beats)]


def _spans(timed: Timed, key_root: int, beat: Fraction) -> list[ChordSpan]:
    """Absolute chords; equal neighbours of one section become one span."""
    out: list[ChordSpan] = []
    for numeral, length in timed:
        chord = span(numeral, key_root, beat, length)
        if out and out[-1].name == chord.name:
            out[-1] = replace(out[-1], length=out[-1].length + chord.length)
        else:
            out.append(chord)
        beat += length
    return out
