"""Pads: held chords whose voices are tied where they stay."""

from __future__ import annotations

import numpy as np

from engine.training.corpus.chordwalk import ChordWalk
from engine.training.corpus.comppattern import velocity_of
from engine.training.corpus.song import NoteEvent
from engine.training.corpus.style import Style
from engine.training.corpus.stylekeys import style_key
from engine.training.corpus.voicing import voice_progression

_PAD_STYLE = {"ambient": ("q", 50, 79), "lofi": ("d2", 55, 74), "jazz": ("d2", 55, 74), "soul": ("rA", 55, 76),
              "rock": ("op", 52, 76), "techno": ("cl", 52, 70), "balkan": ("pw", 52, 69)}  # fmt: skip


def pads(style: Style, walk: ChordWalk, intensity: list[int], rng: np.random.Generator) -> list[NoteEvent]:
    """Held chords; a voice that stays on its note is tied, for at most four bars."""
    shape, low, high = _PAD_STYLE.get(style_key(style.name), ("d2", 52, 76))
    notes: list[NoteEvent] = []
    for section in walk.sections:
        chords = walk.in_section(section)
        voiced = voice_progression(chords, shape, low, high)
        sounding: dict[int, float] = {}
        end = walk.section_end(section)
        level = intensity[min(section.first_bar, len(intensity) - 1)]
        limit = 4 * float(walk.bar_beats)

        def release(pitch: int, stop: float, sounding: dict[int, float] = sounding, level: int = level) -> None:
            begin = sounding.pop(pitch)
            notes.append(NoteEvent(begin, stop - begin, pitch, velocity_of(5, level, rng)))

        for chord, pitches in zip(chords, voiced, strict=True):
            for pitch in sorted(sounding):
                if pitch not in pitches or chord.beat - sounding[pitch] >= limit:
                    release(pitch, chord.beat)
            for pitch in pitches:
                sounding.setdefault(pitch, chord.beat)
            beat = chord.beat + limit
            while beat < min(chord.beat + chord.length, end) - 1e-9:  # a long chord breathes every four bars
                for pitch in pitches:
                    release(pitch, beat)
                    sounding[pitch] = beat
                beat += limit
        for pitch in sorted(sounding):
            release(pitch, end)
    return sorted(notes, key=lambda n: (n.beat, n.pitch))
