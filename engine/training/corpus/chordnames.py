"""Roman numerals against the major scale of the tonic: parsing, pitch classes, absolute names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from engine.controls.chordstack import Stack
from engine.controls.harmony import MODES
from engine.controls.keyed import NAMES
from engine.training.corpus.song import ChordSpan

_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6, "vii": 7}
_NUMERAL = re.compile(
    r"^(?P<acc>[b#]?)(?P<num>VII|VI|IV|V|III|II|I|vii|vi|iv|v|iii|ii|i)(?P<tail>[^/]*)(?:/(?P<slash>[b#]?[1-7]))?$"
)
_TAIL = re.compile(
    r"(?P<six>69)|maj(?P<major>(?:7|9|13)?)|o(?P<dim>7?)|h(?P<half>(?:7|9|11)?)|(?P<aug>\+)|(?P<minor>m)|(?P<sus>sus[24]?)"
    r"|add(?P<add>9|11)|(?P<alter>b9|#9|#11|b13|b5|#5)|(?P<ext>13|11|9|7|6|5)"
)


@dataclass(frozen=True, slots=True)
class Numeral:
    """A chord relative to the tonic. Semitone offsets; intervals are above the chord's root, root first."""

    text: str
    root: int
    intervals: tuple[int, ...]
    bass: int
    quality: str


def degree_semitones(degree: str) -> int:
    """Semitones of a scale degree such as 'b3', '#11' or '9' above the tonic's major scale, 0-11."""
    accidental = degree.count("#") - degree.count("b")
    number = int(degree.lstrip("#b"))
    return (MODES["major"][(number - 1) % 7] + accidental) % 12


def parse_numeral(text: str) -> Numeral | None:
    """Parse one roman numeral ('bVImaj7', 'iih7', 'V13sus', 'I/3'); None when it is not one.

    Slash degrees are degrees of the key. 'v6' alone is the old figured bass (first inversion), as in
    the descending bass i v6 bVI iv; every other 6 is an added sixth.
    """
    clean = text.replace("6/9", "69").replace("(", "").replace(")", "")
    found = _NUMERAL.match(clean)
    if found is None:
        return None
    number, tail = found["num"], found["tail"]
    root = degree_semitones(found["acc"] + str(_ROMAN[number.lower()]))
    inverted = number == "v" and tail == "6"
    stack = Stack(third=3 if number.islower() else 4)
    position = 0
    while position < len(tail) and not inverted:
        token = _TAIL.match(tail, position)
        if token is None or token.lastgroup is None:
            return None
        kind, degree = token.lastgroup, token[token.lastgroup]
        if degree == "b13" and stack.fifth == 7:
            stack.fifth = None
        stack.read(kind, degree)
        position = token.end()
    bass = root
    if found["slash"]:
        bass = degree_semitones(found["slash"])
    elif inverted:
        bass = (root + 3) % 12
    return Numeral(text, root, stack.intervals(), bass, _quality(stack, "" if inverted else tail))


def _quality(stack: Stack, tail: str) -> str:
    """Suffix of the absolute name: minor as m, o as dim, h7 as m7b5, + as aug."""
    if "h" in tail:
        return "m" + (tail.replace("h", "") or "7") + "b5"
    if "o" in tail:
        return tail.replace("o", "dim")
    rest = tail.replace("+", "aug")
    if stack.third != 3:
        return rest
    if rest.startswith("m") and not rest.startswith("maj"):
        rest = rest[1:]
    return f"m({rest})" if rest.startswith("maj") else "m" + rest


def span(numeral: Numeral, key_root: int, beat: Fraction, length: Fraction) -> ChordSpan:
    """The numeral sounding in a key (C = 0) from `beat` for `length` quarters."""
    root = (key_root + numeral.root) % 12
    bass = (key_root + numeral.bass) % 12
    pitch_classes = tuple((root + interval) % 12 for interval in numeral.intervals)
    name = NAMES[root] + numeral.quality + (f"/{NAMES[bass]}" if bass != root else "")
    return ChordSpan(float(beat), float(length), root, pitch_classes, bass, name)
