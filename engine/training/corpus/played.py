"""When the notes of a part are struck and released, for synthesisers that are told frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.training.corpus.placing import event_frame
from engine.training.corpus.song import NoteEvent, Part

_SHORTEST_FRAMES = 480
_MONO = frozenset({"bass", "lead", "counter"})


@dataclass(frozen=True, slots=True)
class Played:
    """Notes in order, one value each: first frame, frames held, key, the key before it, velocity (100 is 1).

    The key before is the note's own where a part does not glide. Starts may lie before frame 0.
    """

    starts: NDArray[np.int64]
    holds: NDArray[np.int64]
    keys: NDArray[np.float64]
    before: NDArray[np.float64]
    velocities: NDArray[np.float64]


def played(part: Part, tempo: float, lag_frames: int) -> Played:
    """The notes of a part that has some, struck `lag_frames` early; a key struck again ends the note before it."""
    notes = sorted(part.notes, key=lambda n: (event_frame(n.beat, n.offset_ms, tempo), n.pitch))
    starts = np.array([event_frame(n.beat, n.offset_ms, tempo) for n in notes]) - lag_frames
    keys = np.array([float(n.pitch) for n in notes])
    before = np.concatenate([keys[:1], keys[:-1]]) if part.name in _MONO else keys
    return Played(starts, _holds(notes, starts, tempo), keys, before, np.array([n.velocity / 100.0 for n in notes]))


def middle_key(part: Part) -> int:
    """The median pitch of a part that has notes."""
    return int(np.median([note.pitch for note in part.notes]))


def _holds(notes: list[NoteEvent], starts: NDArray[np.int64], tempo: float) -> NDArray[np.int64]:
    """Frames each note is held: its length, but not into the next note of its key."""
    holds = np.array([max(_SHORTEST_FRAMES, event_frame(n.length, 0.0, tempo)) for n in notes], np.int64)
    following: dict[int, int] = {}
    for index in range(len(notes) - 1, -1, -1):
        if notes[index].pitch in following:
            holds[index] = min(holds[index], max(1, following[notes[index].pitch] - starts[index]))
        following[notes[index].pitch] = int(starts[index])
    return holds
