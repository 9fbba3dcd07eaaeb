"""Where a song changes key: lifts of the last chorus, relative keys, mediants, fourths.

A plan gives every section a key. Changes fall on section starts only, so that a bar has one key. Chances follow the
style: most songs stay at home.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.training.corpus.progressions import MINOR_MODES
from engine.training.corpus.song import Section
from engine.training.corpus.stylekeys import section_family

KINDS = ("lift", "relative", "mediant", "fourth")
_USUAL = (0.08, 0.10, 0.02, 0.03)
_CHANCES: dict[str, tuple[float, float, float, float]] = {
    "house": (0.05, 0.10, 0.02, 0.03), "techno": (0.03, 0.0, 0.03, 0.04), "trap": (0.05, 0.08, 0.02, 0.02),
    "boombap": (0.04, 0.06, 0.02, 0.04), "synthwave": (0.12, 0.10, 0.04, 0.02), "ambient": (0.0, 0.08, 0.12, 0.04),
    "rock": (0.12, 0.10, 0.02, 0.03), "indie": (0.18, 0.10, 0.02, 0.02), "soul": (0.2, 0.08, 0.02, 0.03),
    "funk": (0.05, 0.06, 0.03, 0.10), "jazz": (0.04, 0.04, 0.03, 0.14), "bossa": (0.03, 0.06, 0.06, 0.10),
    "afro": (0.02, 0.04, 0.0, 0.10), "cinematic": (0.10, 0.06, 0.20, 0.03), "folk": (0.12, 0.12, 0.0, 0.03),
    "piano": (0.08, 0.12, 0.06, 0.03), "prog": (0.05, 0.06, 0.18, 0.06), "balkan": (0.05, 0.04, 0.02, 0.2),
}  # fmt: skip
_SHIFTS: dict[str, tuple[int, ...]] = {"lift": (1, 2, 2), "mediant": (3, 4, -3, -4), "fourth": (5, 5, 7)}
_ASIDE = frozenset({"bridge", "break", "solo", "pre"})


@dataclass(frozen=True, slots=True)
class SectionKey:
    """A section's tonic (0-11), how far that is from home in semitones, and whether major and minor change places."""

    root: int
    shift: int = 0
    flipped: bool = False


def plan_keys(
    style_key: str, sections: Sequence[Section], root: int, mode: str, rng: np.random.Generator
) -> list[SectionKey]:
    """A key for every section; mostly the home key throughout. root 0-11, mode a key of SCALES."""
    home = SectionKey(root)
    keys = [home] * len(sections)
    chances = np.array(_CHANCES.get(style_key, _USUAL))
    draw = float(rng.random())
    kind = next((k for k, edge in zip(KINDS, np.cumsum(chances), strict=True) if draw < edge), None)
    if kind is None:
        return keys
    if kind == "lift":
        first = _last_return(sections)
        if first is None:
            return keys
        lifted = _shifted(root, int(rng.choice(_SHIFTS[kind])))
        return keys[:first] + [lifted] * (len(keys) - first)
    places = _asides(sections) or _inner(sections)
    if not places:
        return keys
    place = places[int(rng.integers(len(places)))]
    if kind == "relative":
        away = 3 if mode in MINOR_MODES else -3
        keys[place] = SectionKey((root + away) % 12, away, flipped=True)
    else:
        keys[place] = _shifted(root, int(rng.choice(_SHIFTS[kind])))
    return keys


def _shifted(root: int, shift: int) -> SectionKey:
    return SectionKey((root + shift) % 12, shift)


def _last_return(sections: Sequence[Section]) -> int | None:
    """The last loud section whose family was there before; everything from it on is lifted."""
    families = [section_family(s.name) for s in sections]
    for index in range(len(sections) - 1, 0, -1):
        if sections[index].level_db > -2.0 and sections[index].bars >= 4 and families[index] in families[:index]:
            return index
    return None


def _asides(sections: Sequence[Section]) -> list[int]:
    return [i for i in _inner(sections) if section_family(sections[i].name) in _ASIDE]


def _inner(sections: Sequence[Section]) -> list[int]:
    """Sections of four bars and more that are neither the first nor the last two, but not builds."""
    return [
        i for i in range(1, len(sections) - 1)
        if sections[i].bars >= 4 and section_family(sections[i].name) not in ("build", "outro")
    ]  # fmt: skip


def changes(sections: Sequence[Section], keys: Sequence[tuple[int, str]]) -> list[tuple[int, int, str]]:
    """(first bar, root, mode) wherever the key begins or changes."""
    out: list[tuple[int, int, str]] = []
    for section, key in zip(sections, keys, strict=True):
        if not out or out[-1][1:] != key:
            out.append((section.first_bar, *key))
    return out


def main_key(keys: Sequence[tuple[int, int, str]], bars: int) -> tuple[int, str]:
    """The root and mode with most bars; the first of equals. keys as in Song.keys, from bar 0 on."""
    ends = [*(first for first, _, _ in keys[1:]), bars]
    totals: dict[tuple[int, str], int] = {}
    for (first, root, mode), end in zip(keys, ends, strict=True):
        totals[root, mode] = totals.get((root, mode), 0) + end - first
    return max(totals, key=lambda key: totals[key])


def cut(keys: Sequence[tuple[int, int, str]], first_bar: int, bars: int) -> list[tuple[int, int, str]]:
    """The keys of an excerpt, its bars counted from 0."""
    out: list[tuple[int, int, str]] = []
    for first, root, mode in keys:
        if first >= first_bar + bars:
            break
        at = max(0, first - first_bar)
        out = [(at, root, mode)] if at == 0 else [*out, (at, root, mode)]
    return out
