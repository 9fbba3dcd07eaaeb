"""Ritards: the last two bars of a song get slower, eighth by eighth, and every annotation knows when.

A song is written in quarters on one grid. `Song.slower` lists where other tempi begin; between two of them the
tempo is constant, so that every time is an exact rational. `even` writes the song as it sounds in the main
tempo's quarters, for renderers that know one tempo; `beats_at` leads from seconds back to the written grid.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.training.corpus.song import NoteEvent, Song

Steps = tuple[tuple[Fraction, Fraction], ...]
STEP = Fraction(1, 2)
SLOWER_BY = (0.10, 0.25)
_CHANCES = {"orchestral": 0.4, "neo-classical piano": 0.6, "folk": 0.25}
_BALLAD_BPM, _BALLAD_CHANCE = 92, 0.6


def draw(style: str, tempo: Fraction, end: Fraction, bar: Fraction, rng: np.random.Generator) -> Steps:
    """A ritard over the last two bars before `end`, by chance and style; no steps where there is none."""
    chance = _BALLAD_CHANCE if style == "folk" and tempo <= _BALLAD_BPM else _CHANCES.get(style, 0.0)
    take, by = float(rng.random()), float(rng.uniform(*SLOWER_BY))
    if take >= chance or end < 4 * bar:
        return ()
    start = end - 2 * bar
    count = int(2 * bar / STEP)
    shares = (by * ((index + 1) / count) ** 1.5 for index in range(count))
    return tuple(
        (start + index * STEP, Fraction(round(1000 * float(tempo) * (1.0 - share)), 1000))
        for index, share in enumerate(shares)
    )


def seconds_at(song: Song, beat: Fraction) -> Fraction:
    """When a place of the written grid sounds; after the last step its tempo goes on."""
    seconds, place, tempo = Fraction(0), Fraction(0), song.tempo
    for start, slower in song.slower:
        if start >= beat:
            break
        seconds += (start - place) * 60 / tempo
        place, tempo = start, slower
    return seconds + (beat - place) * 60 / tempo


def end_seconds(song: Song) -> Fraction:
    """How long the song's bars last."""
    return seconds_at(song, song.bars * song.bar_beats)


def _corners(song: Song) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Written quarters and seconds of the song's start, its steps, and a place 64 quarters behind the last."""
    places = [Fraction(0), *(start for start, _ in song.slower if start > 0)]
    places.append(places[-1] + song.bars * song.bar_beats + 64)
    return np.array([float(p) for p in places]), np.array([float(seconds_at(song, p)) for p in places])


def beats_at(song: Song, seconds: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """The place in written quarters at each time."""
    beats, times = _corners(song)
    return np.asarray(np.interp(seconds, times, beats))


def even(song: Song) -> Song:
    """The song with every beat where it sounds in quarters of the main tempo, and no steps.

    Its bars and sections stay those of the written grid. A song without steps comes back as it is.
    """
    if not song.slower:
        return song
    beats, times = _corners(song)
    quarters = times * float(song.tempo) / 60.0

    def at(beat: float) -> float:
        return float(np.interp(beat, beats, quarters))

    def moved(thing: Any) -> Any:
        return replace(thing, beat=at(thing.beat), length=at(thing.beat + thing.length) - at(thing.beat))

    def notes(written: list[NoteEvent]) -> list[NoteEvent]:
        return [moved(note) for note in written]

    parts = [
        replace(part, notes=notes(part.notes), controls=[replace(c, beat=at(c.beat)) for c in part.controls])
        for part in song.parts
    ]
    return replace(
        song, parts=parts, melody=notes(song.melody), chords=[moved(chord) for chord in song.chords], slower=()
    )


def cut(steps: Steps, first: Fraction, length: Fraction) -> Steps:
    """The steps of an excerpt from place `first` on, `length` quarters long."""
    inside = [(start - first, tempo) for start, tempo in steps if start < first + length]
    before = [(Fraction(0), tempo) for start, tempo in inside if start <= 0][-1:]
    return tuple(before + [(start, tempo) for start, tempo in inside if start > 0])
