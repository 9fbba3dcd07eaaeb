"""Drum strokes -> played notes of the kit and of the hand percussion."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from engine.training.corpus.drumgrid import KEYS, PERCUSSION
from engine.training.corpus.drums import DrumHit
from engine.training.corpus.humanise import Feel, humanise
from engine.training.corpus.song import NoteEvent

_ROLES = {"K": "kick", "F": "kick", "S": "snare", "X": "snare", "C": "snare", "J": "snare"}
_MICRO_OF = {"C": "S", "X": "S", "J": "S", "O": "H", "P": "H", "R": "H", "B": "H", "T": "S", "M": "S", "L": "S"}
_BRUSH, _ORCHESTRA = 40, 48


def key_of(letter: str, kit: int) -> int:
    """GM key of a letter; the orchestra kit has timpani where toms are, only brushes swirl."""
    if kit == _ORCHESTRA and letter in "TML":
        return 36
    if letter == "J" and kit != _BRUSH:
        return 42
    return KEYS[letter]


def play(
    hits: Iterable[DrumHit], kit: int, percussion: bool, step_beats: float, feel: Feel, rng: np.random.Generator
) -> list[NoteEvent]:
    """The strokes of the kit (or of the percussion) as notes with timing and velocity."""
    by_voice: dict[tuple[str, str], dict[tuple[float, int], NoteEvent]] = {}
    for hit in hits:
        if (hit.letter in PERCUSSION) is not percussion:
            continue
        role = "percussion" if percussion else _ROLES.get(hit.letter, "hats")
        if role == "snare" and hit.digit <= 3:
            role = "ghost"
        key = key_of(hit.letter, kit)
        velocity = int(min(124, 14 * hit.digit))
        voice = by_voice.setdefault((role, hit.letter), {})
        beat = hit.step * step_beats
        length = min(0.5, 2 * step_beats) if hit.letter in "OYRB" else step_beats
        known = voice.get((beat, key))
        if known is None or known.velocity < velocity:
            voice[(beat, key)] = NoteEvent(beat, length, key, velocity)
    micro = feel.style.micro_ms
    notes: list[NoteEvent] = []
    for (role, letter), voice in sorted(by_voice.items()):
        mean = micro.get(letter, micro.get(_MICRO_OF.get(letter, ""), 0.0))
        notes += humanise(list(voice.values()), role, feel, rng, mean_ms=mean)
    return sorted(_one_a_key(notes), key=lambda n: (n.beat, n.pitch))


def _one_a_key(notes: list[NoteEvent]) -> list[NoteEvent]:
    """Two voices on the same key and beat become the louder one."""
    best: dict[tuple[float, int], NoteEvent] = {}
    for note in notes:
        key = (round(note.beat, 5), note.pitch)
        if key not in best or best[key].velocity < note.velocity:
            best[key] = note
    return list(best.values())
