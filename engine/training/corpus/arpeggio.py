"""Arpeggios: figures of chord degrees on a grid."""

from __future__ import annotations

from zlib import crc32

import numpy as np

from engine.training.corpus.chordwalk import ChordWalk
from engine.training.corpus.comppattern import velocity_of
from engine.training.corpus.comptable import FIGURES
from engine.training.corpus.song import ChordSpan, NoteEvent
from engine.training.corpus.style import Style
from engine.training.corpus.stylekeys import section_family, style_key
from engine.training.corpus.voicing import chord_members

_SOFT = frozenset({"ambient", "lofi", "piano", "folk", "cinematic", "jazz", "bossa", "downtempo"})


def arpeggios(style: Style, walk: ChordWalk, intensity: list[int], rng: np.random.Generator) -> list[NoteEvent]:
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
    return NoteEvent(start, round(length, 4), pitch, velocity_of(accent, level, rng))


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
