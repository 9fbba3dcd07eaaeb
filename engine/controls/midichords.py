"""Chords from a MIDI file: what its notes sound like together, as the text that a request takes.

The file's first track with notes counts, as for a melody. Time is cut into steps of a quarter (two or four where notes
come one after another), each step gets the chord that fits its notes best, and equal neighbours are one.
"""

from __future__ import annotations

from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.controls.harmony import chord_tones
from engine.controls.keyed import NAMES
from engine.controls.midifile import read_notes
from engine.errors import BadMidi
from engine.timing import shown
from engine.types import Note

SUFFIXES = ("", "m", "7", "m7", "maj7", "sus4", "sus2", "dim", "aug", "m7b5", "6", "m6", "9", "m9", "5")
STEPS = (1, 2, 4)
LEAST_TONES = 3
MAX_QUARTERS = 1024
MAX_CHARACTERS = 4000
LEAST_QUARTERS = 0.125
MISSING, WRONG, BASS, PLAIN = 0.35, 1.0, 0.3, 0.02
"""What a chord loses for each tone that does not sound (share of a tone), for each that it lacks (share of all that
sounds), gains where its root is the lowest note, and loses for each place further down the list."""
Weights = NDArray[np.float64]


def read_chords(path: str | Path) -> str:
    """Chords with their lengths, as "Am:4 F:2 G:2". BadMidi where there are no notes or too many changes."""
    notes = read_notes(path)
    name = shown(Path(path).name or str(path))
    end = max(note.beat + note.length for note in notes)
    if end > MAX_QUARTERS:
        raise BadMidi(f"The MIDI file {name} is longer than {MAX_QUARTERS} quarters; cut the chords that you need.")
    text = " ".join(f"{chord}:{length}" for chord, length in chords_of(notes))
    if len(text) > MAX_CHARACTERS:
        raise BadMidi(f"The MIDI file {name} changes its chord too often for a request; cut what you need.")
    return text


def chords_of(notes: tuple[Note, ...]) -> list[tuple[str, int]]:
    """(name, quarters) from beat 0 on; "N.C." before the first note, later gaps hold the chord before."""
    step = next((step for step in STEPS if _tones(notes, step) >= LEAST_TONES), STEPS[-1])
    found: list[tuple[str, int]] = []
    for weights, lowest in _slots(notes, step):
        name = best(weights, lowest) if weights.any() else found[-1][0] if found else "N.C."
        if found and found[-1][0] == name:
            found[-1] = (name, found[-1][1] + step)
        else:
            found.append((name, step))
    return found


def best(weights: Weights, lowest: int) -> str:
    """The name of the chord that fits how long each pitch class [12] sounds; lowest: the bass's pitch class."""
    share = weights / weights.sum()
    present = np.minimum(1.0, 3.0 * share / max(share.max(), 1e-9))
    scores = {}
    for root in range(12):
        for place, suffix in enumerate(SUFFIXES):
            tones = list(chord_tones(NAMES[root] + suffix)[1])
            inside = float(share[tones].sum())
            missing = float((1.0 - present[tones]).sum())
            bass = BASS if root == lowest else 0.0
            scores[NAMES[root] + suffix] = inside - WRONG * (1 - inside) - MISSING * missing + bass - PLAIN * place
    return max(scores, key=lambda name: scores[name])


def _slots(notes: tuple[Note, ...], step: int) -> list[tuple[Weights, int]]:
    """For each step: seconds-like weight of each pitch class [12], and the lowest sounding one's pitch class."""
    count = max(1, ceil(max(note.beat + note.length for note in notes) / step - 1e-6))
    weights, low = np.zeros((count, 12)), np.full(count, 128)
    for note in notes:
        begin, end = note.beat / step, (note.beat + note.length) / step
        for slot in range(int(begin), min(count, ceil(end - 1e-6))):
            held = min(end, slot + 1) - max(begin, slot)
            if held * step >= min(LEAST_QUARTERS, note.length / 2):
                weights[slot, note.pitch % 12] += held
                low[slot] = min(low[slot], note.pitch)
    return [(row, int(pitch) % 12) for row, pitch in zip(weights, low, strict=True)]


def _tones(notes: tuple[Note, ...], step: int) -> float:
    """How many pitch classes a step that sounds has, by its median."""
    counts = [int((row > 0).sum()) for row, _ in _slots(notes, step) if row.any()]
    return float(np.median(counts)) if counts else 0.0
