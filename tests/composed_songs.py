"""Songs of the composer, composed once for all tests, and an independent reading of their grid."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.training.corpus.compose import compose, style_names
from engine.training.corpus.song import NoteEvent, Part, Song

SEEDS = range(5)


@lru_cache(maxsize=1)
def all_songs() -> dict[str, list[Song]]:
    """Five songs of every style, each with its own seed."""
    names = style_names()
    return {name: [compose(1000 * i + seed, name) for seed in SEEDS] for i, name in enumerate(names)}


def flat() -> list[Song]:
    """All songs in one list."""
    return [song for songs in all_songs().values() for song in songs]


def part(song: Song, name: str) -> Part | None:
    """The part of that name, if the song has it."""
    return next((p for p in song.parts if p.name == name), None)


def notes_of(song: Song, name: str) -> list[NoteEvent]:
    """Its notes, or none."""
    found = part(song, name)
    return found.notes if found else []


def sixteenths(song: Song) -> int:
    """Sixteenths in a bar."""
    return int(4 * song.bar_beats)


def bar_vectors(song: Song) -> NDArray[np.float64]:
    """[bars, features]: velocity on every sixteenth of every part, and pitch classes by quarter."""
    steps = sixteenths(song)
    blocks = []
    for p in song.parts:
        rhythm = np.zeros((song.bars, steps))
        colour = np.zeros((song.bars, (steps + 3) // 4, 12))
        for note in p.notes:
            bar, step = divmod(round(4 * note.beat), steps)
            if bar < song.bars:
                rhythm[bar, step] = max(rhythm[bar, step], note.velocity / 127)
                colour[bar, step // 4, note.pitch % 12] += 0.3 * (p.group != "drums")
        blocks += [rhythm, colour.reshape(song.bars, -1)]
    return np.concatenate(blocks, axis=1)


def likeness(song: Song, gap: int) -> float:
    """Mean cosine of bar n and n + gap inside sections (NaN if no section is that long)."""
    vectors = bar_vectors(song)
    values = []
    for section in song.sections:
        for bar in range(section.first_bar, section.first_bar + section.bars - gap):
            one, other = vectors[bar], vectors[bar + gap]
            size = float(np.linalg.norm(one) * np.linalg.norm(other))
            if size > 0:
                values.append(float(one @ other) / size)
    return float(np.mean(values)) if values else float("nan")
