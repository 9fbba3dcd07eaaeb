"""Keys and chords as typed: names to roots and pitch classes (C = 0)."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from engine.controls.chordstack import Stack
from engine.errors import BadRequest
from engine.timing import Meter, shown

MODES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "locrian": (0, 1, 3, 5, 6, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "melodic minor": (0, 2, 3, 5, 7, 9, 11),
    "phrygian dominant": (0, 1, 4, 5, 7, 8, 10),
}
_MODE_NAMES = {"": "major", "maj": "major", "ionian": "major", "m": "minor", "min": "minor", "aeolian": "minor"}
NO_CHORD = ("N.C.", "NC", "-")
MAX_CHORD_QUARTERS = 4096
KEY_SENTENCE = 'A key is a note and a mode, as in "C", "Am", "Bb major" or "F# dorian"'
CHORD_SENTENCE = 'Chords are names like Am, F, C/E, G7, Bbmaj7 or F#m7b5, one a bar or with beats as in "Am:2 F:2"'

_NOTE = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_KEY = re.compile(r"([A-Ga-g])([#b♯♭]{0,2})\s*([A-Za-z ]*)")
_CHORD = re.compile(r"([A-G])([#b♯♭]{0,2})([^/\s]{0,16})(?:/([A-G])([#b♯♭]{0,2}))?")
_TOKEN = re.compile(r"([^:\s]{1,24})(?::([0-9]{1,4}(?:\.[0-9]{0,6})?))?")
_SUFFIX = re.compile(
    r"(?P<six>6/?9|69)|(?:maj|Maj|M|Δ)(?P<major>(?:7|9|11|13)?)|(?:ø7?|h7?|m7b5|min7b5|-7b5)(?P<half>)"
    r"|(?P<minor>min|m|-)|(?:dim|o|°)(?P<dim>7?)|(?P<aug>aug|\+)|(?P<sus>sus[24]?)"
    r"|add(?P<add>9|11|13|2|4|6)|(?P<alter>[b#](?:5|9|11|13))|(?P<ext>13|11|9|7|6|5)"
)
"""Tokens of a suffix; a group's name and text are what `Stack.read` takes."""


@dataclass(frozen=True, slots=True)
class Key:
    """A tonal centre. root 0-11; mode a key of MODES; pitch_classes rise from the root."""

    root: int
    mode: str
    pitch_classes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord for a stretch of quarters from the first new bar. Pitch classes 0-11, the root first."""

    beat: Fraction
    length: Fraction
    root: int
    pitch_classes: tuple[int, ...]
    bass: int
    name: str


def _pitch_class(letter: str, accidentals: str) -> int:
    shift = sum(1 if c in "#♯" else -1 for c in accidentals)
    return (_NOTE[letter.upper()] + shift) % 12


def parse_key(text: str) -> Key:
    """The key that a text names; BadRequest with examples otherwise."""
    match = _KEY.fullmatch(text.strip()) if len(text) <= 32 else None
    if match:
        word = "minor" if match[3] == "m" else " ".join(match[3].lower().split())
        mode = _MODE_NAMES.get(word, word)
        if mode in MODES:
            root = _pitch_class(match[1], match[2])
            return Key(root, mode, tuple((root + step) % 12 for step in MODES[mode]))
    raise BadRequest(f"{KEY_SENTENCE}; modes are {', '.join(MODES)}; got {shown(text)}.")


def chord_tones(name: str) -> tuple[int, tuple[int, ...], int]:
    """(root, pitch classes with the root first, bass) of a chord name; BadRequest with examples otherwise."""
    match = _CHORD.fullmatch(name.replace("6/9", "69")) if len(name) <= 24 else None
    stack, suffix, position = Stack(), "", 0
    if match:
        suffix = match[3].replace("(", "").replace(")", "").replace(",", "")
    while match and position < len(suffix):
        found = _SUFFIX.match(suffix, position)
        if found is None or found.lastgroup is None:
            match = None
        else:
            stack.read(found.lastgroup, found[found.lastgroup])
            position = found.end()
    if match is None:
        raise BadRequest(f"{CHORD_SENTENCE}; {shown(name)} is not known.")
    root = _pitch_class(match[1], match[2])
    bass = _pitch_class(match[4], match[5]) if match[4] else root
    return root, tuple((root + x) % 12 for x in stack.intervals()), bass


def parse_chords(text: str, bars: int, meter: Meter | Sequence[Meter]) -> tuple[Chord, ...]:
    """Chords over `bars` bars, repeated from the start until they are full, cut at the end.

    meter: of all bars, or of each. Names are separated by spaces or commas. Each lasts a bar (the one in which
    it begins), or the quarters after its colon ("Am:2"); between bar lines ("Am F | C") those without share what
    is left of the bar alike. "%" repeats the chord before, "N.C." is silence. BadRequest for anything else.
    """
    lines = _lines([meter] * bars if isinstance(meter, Meter) else meter)
    cells, end = _cells(text), lines[-1]
    tones = {name: chord_tones(name) for cell in cells for name, _ in cell.chords if name not in NO_CHORD}
    chords: list[Chord] = []
    for once, (name, now, length) in _walked(cells, lines, "|" in text):
        if now >= end and once:
            break
        if name in tones and now < end:
            root, pitch_classes, bass = tones[name]
            chords.append(Chord(now, min(length, end - now), root, pitch_classes, bass, name))
    return tuple(chords)


def check_chords(text: str, meters: Sequence[Meter]) -> None:
    """Refuses what `parse_chords` does in its first pass over bars of these meters; quick however many they are."""
    cells = _cells(text)
    for cell in cells:
        for name, _ in cell.chords:
            if name not in NO_CHORD:
                chord_tones(name)
    for once, _ in _walked(cells, _lines(meters), "|" in text):
        if once:
            break


def _lines(meters: Sequence[Meter]) -> list[Fraction]:
    return [Fraction(0), *accumulate(meter.bar_quarters for meter in meters)]


def _walked(
    cells: list[_Cell], lines: list[Fraction], shares: bool
) -> Iterator[tuple[bool, tuple[str, Fraction, Fraction]]]:
    """For ever: whether the text is through once, and (name, begin, quarters) of each chord."""
    now, once = Fraction(0), False
    while True:
        for cell in cells:
            for name, length in cell.lengths(now, lines, shares):
                yield once, (name, now, length)
                now += length
        once = True


@dataclass(frozen=True, slots=True)
class _Cell:
    """What stands between two bar lines: (name, quarters or None for a share of the bar)."""

    text: str
    chords: tuple[tuple[str, Fraction | None], ...]

    def lengths(self, now: Fraction, lines: list[Fraction], shares: bool) -> Iterator[tuple[str, Fraction]]:
        """(name, quarters) of each chord from `now` on; without bar lines in the text each has a whole bar."""
        timed = [length for _, length in self.chords if length is not None]
        begun = now
        for name, given in self.chords:
            at = begun if shares else now
            bar = min(max(0, bisect_right(lines, at) - 1), len(lines) - 2)
            whole = lines[bar + 1] - lines[bar]
            share = (whole - sum(timed)) / max(1, len(self.chords) - len(timed)) if shares else whole
            length = share if given is None else given
            if not Fraction(1, 8) <= length <= MAX_CHORD_QUARTERS:
                raise BadRequest(f"{CHORD_SENTENCE}, each at least 1/8 of a beat long; got {shown(self.text)}.")
            yield name, length
            now += length


def _cells(text: str) -> list[_Cell]:
    if len(text) > 4000:
        raise BadRequest("Chords take at most 4000 characters.")
    cells: list[_Cell] = []
    before = None
    for cell in text.strip().strip("|").split("|"):
        chords: list[tuple[str, Fraction | None]] = []
        for word in re.split(r"[\s,]+", cell.strip()):
            token = _TOKEN.fullmatch(word)
            if token is None and word:
                raise BadRequest(f"{CHORD_SENTENCE}, each at least 1/8 of a beat long; got {shown(cell.strip())}.")
            if token is not None:
                before = before if token[1] == "%" and before else token[1]
                chords.append((before, Fraction(token[2]) if token[2] else None))
        cells.append(_Cell(cell.strip(), tuple(chords)))
    if not any(cell.chords for cell in cells):
        raise BadRequest(f"{CHORD_SENTENCE}; got {shown(text)}.")
    return cells


def chord_frames(chords: tuple[Chord, ...], quarters: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Pitch classes of the sounding chord at rising positions [T]: [T, 12] of 0 and 1."""
    chroma = np.zeros((len(quarters), 12), np.uint8)
    for chord in chords:
        first, last = np.searchsorted(quarters, [float(chord.beat) - 1e-9, float(chord.beat + chord.length) - 1e-9])
        chroma[first:last, list(chord.pitch_classes)] = 1
    return chroma
