"""What a style's songs should measure: ranges by style, and ranges that hold for all of them.

SYN share of syncopated onsets; POS percent of onsets on beats, other eighths, sixteenths; S4, S8 likeness of bars four
and eight apart; PCE entropy of pitch classes in bits; CT share of chord tones on heavy places of the lead.
"""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]
POSITION_SLACK = 10.0  # percent points around the figure of POS

_TABLE = """
house .30-.50 45/35/20 .80-.96 .78-.97 2.3-2.8 .70-.92
techno .20-.45 40/30/30 .85-.98 .82-.97 0.8-2.2 .75-1
drum and bass .30-.50 40/35/25 .65-.90 .70-.93 2.3-2.8 .70-.92
trap .25-.45 40/38/22 .70-.93 .75-.96 2.0-2.7 .70-.92
lo-fi hip hop .35-.55 42/35/23 .75-.95 .75-.96 2.6-3.1 .60-.88
boom bap .35-.55 42/36/22 .78-.96 .78-.97 2.4-3.0 .60-.88
synthwave .15-.35 42/38/20 .65-.92 .70-.94 2.4-2.8 .72-.92
ambient .05-.35 60/28/12 .15-.60 .20-.65 1.8-2.6 .75-1
downtempo .30-.50 45/36/19 .70-.92 .70-.94 2.4-2.9 .65-.90
rock .18-.38 52/40/8 .60-.88 .62-.90 2.3-2.8 .65-.90
indie pop .20-.42 50/40/10 .60-.90 .65-.92 2.4-2.8 .68-.92
funk .42-.62 34/32/34 .72-.93 .72-.94 2.4-2.9 .58-.85
soul .35-.55 42/33/25 .50-.82 .55-.86 2.7-3.2 .60-.88
reggae .38-.60 36/50/14 .75-.95 .75-.95 2.2-2.7 .70-.92
jazz swing .38-.60 58/40/2 .15-.45 .15-.50 3.0-3.45 .55-.80
bossa nova .45-.65 48/50/2 .40-.75 .40-.78 2.9-3.3 .60-.85
afrobeat .42-.62 34/34/32 .80-.96 .80-.96 2.2-2.7 .62-.88
orchestral .08-.28 55/32/13 .35-.75 .40-.80 2.6-3.1 .68-.92
folk .12-.32 55/38/7 .55-.85 .60-.88 2.3-2.7 .72-.94
neo-classical piano .05-.25 48/42/10 .55-.88 .50-.85 2.3-2.8 .75-.96
prog rock .25-.48 44/44/12 .50-.82 .50-.84 2.6-3.1 .60-.86
balkan .15-.35 42/46/12 .50-.85 .55-.90 2.5-3.0 .65-.90
"""
_LITERAL = {
    "loop": (0.85, 0.85, 0.85),
    "song": (0.65, 0.55, 0.60),
    "through": (0.45, 0.30, 0.35),
    "jazz": (0.1, 0.02, 0.05),
}
LIVE_BASS = frozenset({"rock", "indie pop", "funk", "soul", "reggae", "folk", "prog rock", "boom bap", "trap"})
DROPPING = frozenset({"house", "techno", "drum and bass", "trap", "synthwave"})
REGISTERS: dict[str, Range] = {
    "bass": (24, 55), "comp1": (43, 84), "comp2": (48, 84), "pad": (43, 84), "arp": (55, 88), "lead": (55, 91), "counter": (50, 81),
}  # fmt: skip
MODULATING: Range = (0.10, 0.34)
INTERVALS: dict[str, Range] = {"unison": (0.13, 0.30), "step": (0.38, 0.62), "leap": (0.03, 0.10)}


@dataclass(frozen=True, slots=True)
class Target:
    """One style's ranges."""

    syncopation: Range
    positions: tuple[float, float, float]
    s4: Range
    s8: Range
    entropy: Range
    chord_tones: Range


def _range(text: str) -> Range:
    low, _, high = text.partition("-")
    return float(low), float(high)


def targets() -> dict[str, Target]:
    """Ranges by style name."""
    found = {}
    for line in _TABLE.strip().splitlines():
        words = line.split()
        name, (syn, pos, s4, s8, entropy, tones) = " ".join(words[:-6]), words[-6:]
        beats, eighths, sixteenths = map(float, pos.split("/"))
        found[name] = Target(_range(syn), (beats, eighths, sixteenths), *map(_range, (s4, s8, entropy, tones)))
    return found


def literal_ranges(kind: str) -> tuple[Range, Range, Range]:
    """Share of literally repeated bars of drums, bass and comping: the table's figure and 0.2 to either side."""
    drums, bass, comp = _LITERAL[kind]
    return _around(drums), _around(bass), _around(comp)


def _around(value: float) -> Range:
    return max(0.0, round(value - 0.2, 2)), min(1.0, round(value + 0.2, 2))
