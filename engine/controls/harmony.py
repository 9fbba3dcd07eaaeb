"""Keys and chords as typed: names to roots and pitch classes (C = 0)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

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
    r"(?P<six>6/?9|69)|(?P<major>(?:maj|Maj|M|Δ)(?P<tall>7|9|11|13)?)|(?P<half>ø7?|h7?|m7b5|min7b5|-7b5)"
    r"|(?P<minor>min|m|-)|(?P<dim>(?:dim|o|°)(?P<dim7>7)?)|(?P<aug>aug|\+)|(?P<sus>sus[24]?)"
    r"|add(?P<add>9|11|13|2|4|6)|(?P<alter>[b#](?:5|9|11|13))|(?P<ext>13|11|9|7|6|5)"
)
_EXTENSIONS = {"7": (), "9": (2,), "11": (2, 5), "13": (2, 9)}


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


@dataclass(slots=True)
class _Stack:
    """Semitones over the root while a suffix is read; None where a degree is left out."""

    third: int | None = 4
    fifth: int | None = 7
    seventh: int | None = None
    extras: tuple[int, ...] = ()

    def intervals(self) -> tuple[int, ...]:
        core = [0, *(x for x in (self.third, self.fifth, self.seventh) if x is not None)]
        return tuple(dict.fromkeys([*core, *self.extras]))


def _apply(stack: _Stack, found: re.Match[str]) -> None:
    """Reads one token of a suffix into the stack."""
    kind, text = found.lastgroup, found.group()
    if found["six"]:
        stack.extras += (9, 2)
    elif found["major"]:
        stack.seventh = 11 if found["tall"] else stack.seventh
        stack.extras += _EXTENSIONS[found["tall"] or "7"]
    elif found["half"]:
        stack.third, stack.fifth, stack.seventh = 3, 6, 10
    elif found["dim"]:
        stack.third, stack.fifth = 3, 6
        stack.seventh = 9 if found["dim7"] else stack.seventh
    elif found["add"]:
        stack.extras += ({"9": 2, "2": 2, "11": 5, "4": 5, "13": 9, "6": 9}[found["add"]],)
    elif kind == "minor":
        stack.third = 3
    elif kind == "aug":
        stack.fifth = 8
    elif kind == "sus":
        stack.third = 2 if text == "sus2" else 5
    elif kind == "alter":
        _alter(stack, text)
    else:
        _extend(stack, text)


def _alter(stack: _Stack, text: str) -> None:
    if text in ("b5", "#5"):
        stack.fifth = 6 if text == "b5" else 8
    else:
        stack.extras += ({"b9": 1, "#9": 3, "b11": 4, "#11": 6, "b13": 8, "#13": 10}[text],)


def _extend(stack: _Stack, text: str) -> None:
    if text == "5":
        stack.third = None
    elif text == "6":
        stack.extras += (9,)
    else:
        stack.seventh = 10 if stack.seventh is None else stack.seventh
        stack.extras += _EXTENSIONS[text]


def chord_tones(name: str) -> tuple[int, tuple[int, ...], int]:
    """(root, pitch classes with the root first, bass) of a chord name; BadRequest with examples otherwise."""
    match = _CHORD.fullmatch(name.replace("6/9", "69")) if len(name) <= 24 else None
    stack, suffix, position = _Stack(), "", 0
    if match:
        suffix = match[3].replace("(", "").replace(")", "").replace(",", "")
    while match and position < len(suffix):
        found = _SUFFIX.match(suffix, position)
        if found is None:
            match = None
        else:
            _apply(stack, found)
            position = found.end()
    if match is None:
        raise BadRequest(f"{CHORD_SENTENCE}; {shown(name)} is not known.")
    root = _pitch_class(match[1], match[2])
    bass = _pitch_class(match[4], match[5]) if match[4] else root
    return root, tuple((root + x) % 12 for x in stack.intervals()), bass


def parse_chords(text: str, bars: int, meter: Meter) -> tuple[Chord, ...]:
    """Chords over `bars` bars, repeated from the start until they are full, cut at the end.

    Names are separated by spaces or commas. Each lasts a bar, or the quarters after its colon
    ("Am:2"); between bar lines ("Am F | C") those without share what is left of the bar alike.
    "%" repeats the chord before, "N.C." is silence. BadRequest for anything else.
    """
    if len(text) > 4000:
        raise BadRequest("Chords take at most 4000 characters.")
    once = _lengths(text, meter.bar_quarters)
    chords: list[Chord] = []
    tones = {name: chord_tones(name) for name, _ in once if name not in NO_CHORD}
    now, end = Fraction(0), bars * meter.bar_quarters
    for name, length in cycle(once):
        if now >= end:
            break
        if name in tones:
            root, pitch_classes, bass = tones[name]
            chords.append(Chord(now, min(length, end - now), root, pitch_classes, bass, name))
        now += length
    return tuple(chords)


def _lengths(text: str, bar: Fraction) -> list[tuple[str, Fraction]]:
    """(name, quarters) of one pass."""
    found: list[tuple[str, Fraction]] = []
    for cell in text.strip().strip("|").split("|"):
        tokens = [_TOKEN.fullmatch(word) for word in re.split(r"[\s,]+", cell.strip()) if word]
        timed = [Fraction(t[2]) for t in tokens if t and t[2]]
        free = len(tokens) - len(timed)
        share = (bar - sum(timed)) / max(1, free) if "|" in text else bar
        for token in tokens:
            length = Fraction(token[2]) if token and token[2] else share
            if token is None or not Fraction(1, 8) <= length <= MAX_CHORD_QUARTERS:
                raise BadRequest(f"{CHORD_SENTENCE}, each at least 1/8 of a beat long; got {shown(cell.strip())}.")
            name = found[-1][0] if token[1] == "%" and found else token[1]
            found.append((name, length))
    if not found:
        raise BadRequest(f"{CHORD_SENTENCE}; got {shown(text)}.")
    return found


def chord_frames(chords: tuple[Chord, ...], quarters: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Pitch classes of the sounding chord at rising positions [T]: [T, 12] of 0 and 1."""
    chroma = np.zeros((len(quarters), 12), np.uint8)
    for chord in chords:
        first, last = np.searchsorted(quarters, [float(chord.beat) - 1e-9, float(chord.beat + chord.length) - 1e-9])
        chroma[first:last, list(chord.pitch_classes)] = 1
    return chroma
