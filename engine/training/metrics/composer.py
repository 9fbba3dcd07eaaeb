"""The sceptic's composer: a fresh song of the corpus' own composer in a held-out song's style, tempo, meter and key."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from engine.training.corpus.song import Part, Song
from engine.types import MODEL_RATE_HZ, Audio

SEED = 611_953
TRIES = 60


@dataclass(frozen=True)
class Target:
    """What is asked of the composer; `seconds` of music from seed `number`."""

    style: str
    tempo: Fraction
    meter: tuple[int, int]
    key_root: int
    mode: str
    seconds: float
    number: int


def transposed(song: Song, shift: int) -> Song:
    """The song moved by `shift` semitones, drums left alone."""

    def moved(part: Part) -> Part:
        if part.group == "drums":
            return part
        return replace(part, notes=[replace(note, pitch=note.pitch + shift) for note in part.notes])

    chords = [
        replace(
            chord,
            root=(chord.root + shift) % 12,
            bass=(chord.bass + shift) % 12,
            pitch_classes=tuple(sorted((pc + shift) % 12 for pc in chord.pitch_classes)),
        )
        for chord in song.chords
    ]
    melody = [replace(note, pitch=note.pitch + shift) for note in song.melody]
    keys = [(bar, (root + shift) % 12, mode) for bar, root, mode in song.keys]
    parts = [moved(part) for part in song.parts]
    return replace(song, key_root=(song.key_root + shift) % 12, chords=chords, melody=melody, parts=parts, keys=keys)


def seed_for(target: Target) -> int:
    """A seed whose song has the target's meter and, if one of 60 does, its mode; the nearest tempo of those."""
    from engine.training.corpus.compose import sketch_song
    from engine.training.corpus.styletable import load_styles

    style = load_styles()[target.style]
    best: tuple[tuple[bool, bool, float], int] | None = None
    for index in range(TRIES):
        seed = SEED + 1000 * target.number + index
        sketch = sketch_song(seed, style)
        off = abs(math.log2(float(sketch.tempo / target.tempo)))
        rank = ((sketch.meter != target.meter, sketch.mode != target.mode, off), seed)
        best = rank if best is None or rank < best else best
    assert best is not None
    return best[1]


def compose_for(target: Target) -> Song:
    """Whole bars of about the target's seconds from the middle of a fresh song, in its tempo and key."""
    from engine.training.corpus.compose import compose
    from engine.training.corpus.excerpt import excerpt

    song = compose(seed_for(target), target.style)
    shift = (target.key_root - song.key_root + 6) % 12 - 6
    song = replace(transposed(song, shift), tempo=target.tempo)
    bars = min(song.bars, math.ceil(target.seconds / float(song.bar_beats * 60 / song.tempo)))
    first = int(np.random.default_rng(target.number).integers(song.bars - bars + 1))
    return excerpt(song, first, bars)


def play(target: Target) -> Audio:
    """The song's sound, float32 [frames, 2] at 48 kHz, by the instruments of the test split."""
    from engine.training.corpus.mix import render_song
    from engine.training.corpus.sources import Rack, choose

    song = compose_for(target)
    audio = render_song(Rack(song, choose(song, "test")), song).mix
    wanted = math.ceil(target.seconds * MODEL_RATE_HZ)
    return np.asarray(np.pad(audio, ((0, max(0, wanted - len(audio))), (0, 0))), np.float32)
