"""Melodies: the highest voice of played notes, and its place on the model's frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.controls.keyed import NAMES
from engine.errors import BadRequest
from engine.types import Note

LEGATO_QUARTERS = 0.125
RANGE = (48, 96)
"""The pitches that the model sings, an octave around what it was trained on: C3 to C7 (C4 is middle C, 60)."""


def check_range(notes: Sequence[Note]) -> None:
    """BadRequest for notes that the model does not sing."""
    low, high = min(note.pitch for note in notes), max(note.pitch for note in notes)
    if low < RANGE[0] or high > RANGE[1]:
        raise BadRequest(
            f"The melody runs from {pitch_name(low)} to {pitch_name(high)}; {pitch_name(RANGE[0])} to"
            f" {pitch_name(RANGE[1])} can be sung (C4 is middle C): move it by octaves."
        )


def pitch_name(pitch: int) -> str:
    """As in "F#3", with C4 as middle C."""
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


def monophonic(notes: Iterable[Note]) -> tuple[Note, ...]:
    """The highest voice, in order and without overlaps.

    Of notes that begin together the highest stays. A note that begins under a higher one is
    dropped, unless the higher one ends within an eighth of a quarter (legato). Each note ends at
    the latest where the next one of the voice begins; what was cut does not come back.
    """
    voice: list[Note] = []
    for note in sorted(notes, key=lambda n: (n.beat, -n.pitch, -n.length)):
        if voice:
            last = voice[-1]
            overlap = last.beat + last.length - note.beat
            legato = overlap <= LEGATO_QUARTERS and note.length > overlap
            if note.beat == last.beat or (overlap > 0 and note.pitch < last.pitch and not legato):
                continue
            if overlap > 0:
                voice[-1] = Note(pitch=last.pitch, beat=last.beat, length=note.beat - last.beat, velocity=last.velocity)
        voice.append(note)
    return tuple(voice)


def melody_frames(notes: Sequence[Note], quarters: NDArray[np.float64]) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """(pitch [T] int8, -1 where none sounds; onset [T] bool) of the highest voice at rising positions [T].

    A note sounds from the first frame that is not before its beat up to its end, at least for one
    frame; the onset marks the frame nearest its beat, where that lies among the frames.
    """
    pitch, onset = np.full(len(quarters), -1, np.int8), np.zeros(len(quarters), np.bool_)
    if len(quarters) == 0:
        return pitch, onset
    step = (quarters[-1] - quarters[0]) / max(1, len(quarters) - 1)
    for note in monophonic(notes):
        end = note.beat + note.length
        if end <= quarters[0] or note.beat > quarters[-1] + step / 2:
            continue
        first, last = np.searchsorted(quarters, [note.beat - 1e-9, end - 1e-9])
        pitch[first:] = -1
        pitch[first : max(first + 1, last)] = note.pitch
        if note.beat >= quarters[0] - step / 2:
            near = min(int(first), len(quarters) - 1)
            earlier = near > 0 and note.beat - quarters[near - 1] < quarters[near] - note.beat
            onset[near - earlier] = True
    return pitch, onset
