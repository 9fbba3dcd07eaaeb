"""Progressions: reading the style tables' harmony lines, our own further ones, and their modes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from engine.controls.harmony import MODES
from engine.training.corpus.chordnames import Numeral, parse_numeral

_MODES = ("major", "minor", "dorian", "mixolydian", "lydian", "phrygian", "harmonic minor", "phrygian dominant")
SCALES = {**{name: MODES[name] for name in _MODES}, "dorian sharp4": (0, 2, 3, 6, 7, 9, 10)}
"""Modes that the composer writes in: semitones over the tonic."""
MINOR_MODES = ("minor", "dorian", "phrygian", "harmonic minor", "dorian sharp4")
_PREFERENCE = ("major", "minor", "dorian", "mixolydian", "harmonic minor", "lydian", "phrygian", "phrygian dominant")
_TOKEN = re.compile(r"^(?P<chord>[^:]+?)(?::(?P<bars>\d*\.?\d+))?$")
_PROSE = re.compile(r"^.*?:\s")


@dataclass(frozen=True, slots=True)
class Progression:
    """Chords with their lengths in bars (Fraction; None = the style's usual one bar)."""

    chords: tuple[tuple[Numeral, Fraction], ...]
    bridge: bool = False

    @property
    def bars(self) -> Fraction:
        """Length of one pass, bars."""
        return sum((bars for _, bars in self.chords), Fraction(0))


def parse_progression(raw: str) -> Progression | None:
    """Read one progression of the tables; words that are no chords are skipped. None if nothing is left."""
    text = _PROSE.sub("", raw.strip()) if _PROSE.match(raw.strip()) else raw.strip()
    default = Fraction(1, 2) if re.search(r"\(\.5( each)?\)", text) else Fraction(1)
    repeats = 2 if re.search(r"\bx2\b", text) else 1
    bridge = "bridge" in text
    text = text.split("bridge", 1)[1] if bridge else text
    text = re.sub(r"(?<![\w])\([^)]*\)", " ", text)
    chords: list[tuple[Numeral, Fraction]] = []
    for word in text.replace("|", " ").split():
        token = _TOKEN.match(word)
        numeral = parse_numeral(token["chord"]) if token else None
        if token and numeral:
            chords.append((numeral, Fraction(token["bars"]) if token["bars"] else default))
    return Progression(tuple(chords * repeats), bridge) if chords else None


def parse_progressions(raw: str | Iterable[str]) -> list[Progression]:
    """All progressions of a harmony line or of a list of them, in order, duplicates dropped."""
    lines = [raw] if isinstance(raw, str) else list(raw)
    found: dict[Progression, None] = {}
    for line in lines:
        for piece in line.split(";"):
            parsed = parse_progression(piece)
            if parsed is not None:
                found.setdefault(parsed)
    return list(found)


def mode_name(hint: str) -> str:
    """Our name of a mode by any of its names: 'aeolian' -> 'minor', 'harmonic_minor' -> 'harmonic minor'."""
    clean = hint.lower().replace("_", " ").strip()
    return {"aeolian": "minor", "ionian": "major"}.get(clean, clean)


def is_minor(progression: Progression) -> bool | None:
    """Whether the tonic triad heard is minor (True), major (False), or undecided (None)."""
    stable = [numeral for numeral, _ in progression.chords if 6 not in numeral.intervals]
    for numeral in stable:
        if numeral.root == 0:
            if 3 in numeral.intervals and 4 not in numeral.intervals:
                return True
            if 4 in numeral.intervals:
                return False
    roots = {numeral.root for numeral in stable}
    if roots & {3, 8}:
        return True
    return False if roots & {4, 9} else None


def mode_of(progression: Progression, hint: str = "") -> str:
    """The mode whose scale holds most of the progression, by sounding time; the hint decides ties."""
    weights: dict[int, float] = {}
    for numeral, bars in progression.chords:
        if "o" in numeral.text:
            continue  # passing diminished chords say nothing about the mode
        for place, interval in enumerate(numeral.intervals):
            pitch = (numeral.root + interval) % 12
            weights[pitch] = weights.get(pitch, 0.0) + float(bars) * (1.0 if place < 3 else 0.6)
    minor = is_minor(progression)
    if minor is None and hint in SCALES:
        minor = hint in MINOR_MODES
    candidates = [m for m in _PREFERENCE if minor is None or (m in MINOR_MODES) == minor]
    if not any(numeral.root == 1 for numeral, _ in progression.chords):
        candidates = [m for m in candidates if not m.startswith("phrygian") or m == hint]

    def score(mode: str) -> float:
        inside = sum(w for pitch, w in weights.items() if pitch in SCALES[mode])
        return inside + (0.05 if mode == hint else 0.0) - 0.01 * _PREFERENCE.index(mode)

    return max(candidates, key=score)


# Further progressions, written for this composer, by style key (see stylekeys.style_key).
EXTRA: dict[str, tuple[str, ...]] = {
    "house": ("i7:2 bVII:2 iv9:2 v7:2", "vi9 ii9 Imaj9:2", "i9 bIIImaj7 iv9 v7", "IVmaj9:2 vi9 v7", "i7:2 IV9:2"),
    "techno": ("i:16", "i:8 bII:4 i:4", "i5:4 bVII5:2 i5:2", "i:12 bIII:4", "i:8 v:8", "i7:16 bVImaj7:16"),
    "dnb": (
        "i9:2 bVImaj7:2 bIIImaj7:2 v7:2",
        "i:2 bVI:2 iv:2 bVII:2",
        "iv9:4 i9:4",
        "vi9:2 IVmaj9:2 I:2 V:2",
        "bVImaj9:2 bVII:2 i9:4",
    ),
    "trap": ("i:1 bVI:1 bIII:1 bVII:1", "i:2 v:2", "iv i bVI V", "i:2 bVI:1 V:1", "bVI:1 iv:1 i:2", "i bIII bVI bII"),
    "lofi": (
        "ii7 V7 Imaj7 VI7b9",
        "Imaj9 IVmaj9",
        "vi7 ii7 IVmaj7 V9sus",
        "IVmaj9 IVmaj9 iii7 vi9",
        "Imaj7 iii7 IVmaj9 ivm6",
        "i9 bVII9 bVImaj9 v7",
    ),
    "boombap": (
        "i9 iv9",
        "i7 bVII9 bVImaj7 v7",
        "iv9 i9",
        "vi7 ii7 V7 Imaj7",
        "i9:2 bVImaj9:1 bVII9:1",
        "iih7 V7b9 i7:2",
    ),
    "synthwave": (
        "i bVII bVI bVII",
        "bVI bIII bVII i",
        "i:2 bIII:2 bVI:2 bVII:2",
        "iv:2 bVI:2 i:2 bVII:2",
        "vi IV I V",
        "i:2 iv:2 bVI:2 v:2",
    ),
    "ambient": (
        "Imaj9:4 vi9:4",
        "IVmaj9:4 Imaj7/3:4",
        "i9:4 IVadd9:4",
        "bVImaj9:4 bVII:2 i9:2",
        "Iadd9:4 IIadd9/1:4",
        "vi9:2 iii7:2 IVmaj9:4",
    ),
    "downtempo": (
        "i7:1 bVII9:1 iv9:2",
        "i9:2 v7:2",
        "iv9:2 i9:2 bVImaj7:2 V7#9:2",
        "i9 bIIImaj7 bVImaj7 iv9",
        "i6:2 iv9:2",
    ),
    "rock": (
        "I IV I V",
        "vi V IV V",
        "i bIII bVII IV",
        "I V bVII IV",
        "i iv bVI V",
        "i bVI iv V",
        "IV V vi I",
        "i5 bIII5 IV5 i5",
    ),
    "indie": (
        "I vi IV V",
        "IV V vi:2",
        "Imaj7 IVmaj7",
        "vi I/3 IV V",
        "I V/7 vi IV",
        "IVadd9 I V vi",
        "ii7 vi IV I",
        "I I/3 IV V",
    ),
    "funk": ("i9:2 IV9:2", "I9:2 bVII9:2", "i7:3 v7:1", "i7 bIII bVII IV9", "ii9:2 V13:2", "i9:4"),
    "soul": (
        "Imaj9 vi9 ii9 V13sus",
        "IVmaj9 iii7 vi9 V9sus",
        "ii9 iii7 IVmaj9 V13sus",
        "Imaj7 III7 vi9 I9:.5 IV9:.5",
        "i9 bVImaj9 iv9 V7#9",
        "I V/7 vi9 ii9:.5 V13sus:.5",
    ),
    "reggae": ("I V vi IV", "i bVI", "I:2 ii:2", "i iv i v", "I IV V IV", "vi IV I V", "i bVII bVI bVII"),
    "jazz": (
        "Imaj9 vi9 ii9 V13",
        "iii7 bIIIo7 ii9 V13",
        "Imaj7:.5 vi7:.5 ii9:.5 V7b9:.5 Imaj9:2",
        "i6 iih7:.5 V7b9:.5 i6:2",
        "IVmaj7 iv6 Imaj9:.5 VI7b9:.5 ii9:.5 V13:.5",
        "vih7 II7b9 ii9 V13 Imaj9:2 iii7 VI7b9",
        "bridge IVmaj9:2 iv7 bVII13 Imaj9:2 ii9 V13",
    ),
    "bossa": (
        "Imaj9:2 ii9 V13",
        "Imaj7 VI7b13 ii9 V7b9",
        "i9:2 iv9:2 iih7 V7b9 i6:2",
        "Imaj9 bII7#11 ii9 V13",
        "vi9 II13 ii9 V7b9",
        "Imaj7:2 Im7 IV9 bVIImaj7:2 iih7 V7b9",
    ),
    "afro": ("i7:2 IV7:2", "i7:4", "i7:3 v7:1", "I7:2 IV7:2", "i9:2 bVII:2 bVI:2 bVII:2", "i7:2 bVII9:2"),
    "cinematic": (
        "i bVI iv V",
        "i v bVI bIII iv i iih7 V",
        "i:2 bVII:2 bVI:2 V:2",
        "vi IV I V",
        "I iii IV V",
        "i iv/1 bII/1 i",
        "bVI bVII i:2",
        "I:2 bIII:2 IV:2 iv:2",
        "i bVI bIII bVII iv i bVI V",
    ),
    "folk": (
        "I IV vi V",
        "I ii IV I",
        "vi V IV I",
        "I iii IV V",
        "i bVII i bVII",
        "I V IV I",
        "i bIII bVII i",
        "I:2 IV I V",
    ),
    "piano": (
        "I V/7 vi I/5 IV I/3 ii7 V",
        "i bVII/2 bIII/5 bVI",
        "vi iii IV I",
        "IVadd9:2 Iadd9/3:2",
        "i iv bVII bIII bVI iih7 V i",
        "Iadd9 vi7 IVmaj7 Vsus4",
        "vi IVmaj7 I V/7",
    ),
    "prog": (
        "i:2 bVII:2",
        "i bIII IV bVI",
        "Isus2:2 bIIIsus2:1 bVIIsus2:1",
        "i v bVI IV",
        "I bVII IV I",
        "i:2 IV:1 bVII:1",
        "I:2 II:2 iv:2 I:2",
    ),
    "balkan": (
        "I:4 bII:2 I:2",
        "i:2 iv:2 bII:2 i:2",
        "i iv V i",
        "I bII I bvii",
        "i bVII bVI V",
        "i:2 bIII bVII i:2 V i",
        "i:2 V:1 i:1",
    ),
}
