"""Which notes steady lows are taken to: those of the sounding chord and of the scale have an advantage.

A code of 64 numbers a patch leaves a bass note up to half a semitone off, and what lies between two notes is more
likely the one that belongs. Basses of the corpus leave key and chord in 3 % of their frames.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.models.compiled import compiled

SCALE_CENTS, CHORD_CENTS, HELD_CENTS = 50.0, 70.0, 80.0
"""Advantages over a foreign note: what lies within 25, 15, 10 cents of it stays there."""
SAME_PEAK = np.float32(0.7)
"""Semitones that a peak moves from frame to frame at most."""
_HELD, _NONE = np.float32(HELD_CENTS / 100.0), np.float32(0.0)
Array = NDArray[np.float32]


def leads(scale: NDArray[Any], chords: NDArray[Any]) -> Array | None:
    """Advantages in cents [T, 12], C first, of a scale [12] and sounding chords [T, 12], both 0 or 1.

    None where neither is told.
    """
    found = np.where(chords > 0, CHORD_CENTS, SCALE_CENTS * (scale > 0)).astype(np.float32)
    return found if found.any() else None


class LowNotes:
    """Takes the lows' peaks to notes, frame by frame and in order; what it carries is the last frame's peaks.

    lead_cents [T, 12]: each pitch class' advantage (`leads`); beyond its last frame that one holds on. A peak goes to
    the note that is the fewest cents away, its advantage taken off. One with an advantage on which the peak stood in
    the frame before has HELD_CENTS, so that a held note does not flip. Where nothing is told it is the nearest.
    """

    def __init__(self, lead_cents: Array) -> None:
        self.lead = np.ascontiguousarray(lead_cents, np.float32) / np.float32(100.0)
        self.position = 0
        self.pitch = self.notes = np.zeros(0, np.float32)

    def of(self, pitch: Array) -> Array:
        """The notes of the next frames' peaks; both [n, peaks], in semitones above A4."""
        rows = np.minimum(self.position + np.arange(len(pitch)), len(self.lead) - 1)
        notes = np.round(pitch)
        _take(pitch, self.lead[rows], self.pitch, self.notes, notes)
        self.position += len(pitch)
        self.pitch, self.notes = pitch[-1], notes[-1]
        return notes


@compiled
def _take(pitch: Any, lead: Any, last_pitch: Any, last_notes: Any, notes: Any) -> None:
    """Move `notes`, the nearest ones, to those that the leads [n, 12] say, on from the frame before."""
    for t in range(len(pitch)):
        if lead[t].max() > _NONE:
            for p in range(pitch.shape[1]):
                held, nearest = np.float32(np.nan), SAME_PEAK
                for q in range(len(last_pitch)):
                    apart = abs(last_pitch[q] - pitch[t, p])
                    if apart < nearest:
                        nearest, held = apart, last_notes[q]
                middle, least = notes[t, p], np.float32(np.inf)
                for step in (0, -1, 1):
                    note = middle + np.float32(step)
                    ahead = lead[t, (int(note) + 1209) % 12]
                    if note == held and ahead > _NONE:
                        ahead = max(ahead, _HELD)
                    cost = abs(note - pitch[t, p]) - ahead
                    if cost < least:
                        least, notes[t, p] = cost, note
        last_pitch, last_notes = pitch[t], notes[t]
