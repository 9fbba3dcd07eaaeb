"""How a song's groups are dealt to the two sub-mixes that contexts are trained on."""

from __future__ import annotations

import numpy as np

from engine.training.corpus.song import Song
from engine.types import PART_NAMES

_FIRST_SIDES = (
    (frozenset({"drums", "bass"}), 0.30),
    (frozenset({"lead"}), 0.20),
    (frozenset({"drums"}), 0.15),
    (frozenset({"bass"}), 0.10),
    (frozenset({"chords"}), 0.05),
)


def groups_of(song: Song) -> tuple[str, ...]:
    """Names of the groups that have notes, in PART_NAMES order."""
    return tuple(g for g in PART_NAMES if any(p.group == g and p.notes for p in song.parts))


def split_groups(song: Song, rng: np.random.Generator) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Groups of side A and of side B: disjoint, together all; B is empty only in a one-group song.

    One side is a usual one (rhythm section, lead, drums, bass, chords) or, in a fifth of the
    songs, any random half; which side is called A is a coin's choice.
    """
    groups = groups_of(song)
    if len(groups) < 2:
        return groups, ()
    usual = [(side & set(groups), weight) for side, weight in _FIRST_SIDES]
    usual = [(side, weight) for side, weight in usual if 0 < len(side) < len(groups)]
    draw = rng.random()
    chosen: set[str] | frozenset[str] = frozenset()
    for side, weight in usual:
        draw -= weight
        if draw < 0.0:
            chosen = side
            break
    while not 0 < len(chosen) < len(groups):
        chosen = {group for group in groups if rng.random() < 0.5}
    one = tuple(g for g in groups if g in chosen)
    other = tuple(g for g in groups if g not in chosen)
    return (one, other) if rng.random() < 0.5 else (other, one)
