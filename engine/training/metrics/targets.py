"""Targets for the control section: level curves, and melodies and chords read back from held-out songs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from engine.controls import intensity_envelope, parse_chords
from engine.controls.harmony import MODES
from engine.models import conditions as K
from engine.timing import Meter
from engine.training.metrics.bench import FRAME_SAMPLES, Song
from engine.training.metrics.control import TimedNote
from engine.types import MODEL_RATE_HZ, CurvePoint, Note

Array = NDArray[np.float64]
FRAME_SECONDS = FRAME_SAMPLES / MODEL_RATE_HZ
KINDS = ("ramp up", "ramp down", "swell", "drop", "step", "envelope")
ENVELOPE_STEP_SECONDS = 0.25
ROOTS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
SUFFIXES = (
    "", "m", "7", "maj7", "m7", "9", "m9", "maj9", "6", "m6", "sus4", "sus2", "7sus4", "dim", "m7b5", "dim7", "aug",
    "add9", "69", "11", "m11", "13", "5",
)  # fmt: skip
Rng = np.random.Generator


def curve(kind: str, seconds: float, rng: Rng) -> tuple[Array, Array]:
    """(seconds [n], dBFS [n]) of a made-up curve. A step takes a second, as the 1 s window cannot show less."""
    low, high = float(rng.uniform(-34, -24)), float(rng.uniform(-18, -11))
    middle = float(rng.uniform(0.35, 0.65)) * seconds
    shapes = {
        "ramp up": ([0.0, seconds], [low, high]),
        "ramp down": ([0.0, seconds], [high, low]),
        "swell": ([0.0, middle, seconds], [low, high, low]),
        "drop": ([0.0, middle - 1.5, middle - 0.5, middle + 0.5, middle + 1.5], [high, high, low, low, high]),
        "step": ([middle - 0.5, middle + 0.5], [low, high]),
    }
    at, level = shapes[kind]
    return np.array(at), np.array(level)


def envelope(song: Song, first_bar: int, bars: int) -> tuple[Array, Array]:
    """A held-out clip's own intensity every quarter of a second."""
    at, level = intensity_envelope(song.audio(song.line(first_bar), song.line(first_bar + bars)), MODEL_RATE_HZ)
    step = round(ENVELOPE_STEP_SECONDS * 100)
    return at[::step], level[::step]


def points(at: Array, level: Array, tempo: float) -> tuple[CurvePoint, ...]:
    """A curve in seconds as a request's points."""
    return tuple(CurvePoint(beat=max(0.0, float(s) * tempo / 60), db=float(d)) for s, d in zip(at, level, strict=True))


def notes_of(pitch: NDArray[np.int64], onset: NDArray[np.int64]) -> list[TimedNote]:
    """Notes of per-frame labels [T], in seconds from frame 0. Repeated notes are parted at their onsets."""
    found: list[TimedNote] = []
    start = 0
    for frame in range(1, len(pitch) + 1):
        ends = frame == len(pitch) or pitch[frame] != pitch[frame - 1]
        again = (
            not ends and onset[frame] and frame - start > 2 and pitch[min(frame + 1, len(pitch) - 1)] == pitch[frame]
        )
        if ends or again:
            if pitch[start] >= 0:
                found.append(TimedNote(int(pitch[start]), start * FRAME_SECONDS, frame * FRAME_SECONDS))
            start = frame
    return found


@dataclass(frozen=True)
class Lead:
    """A held-out song's lead over `bars` bars from `first_bar`."""

    song: Song
    first_bar: int
    bars: int
    notes: list[TimedNote]

    @property
    def seconds(self) -> float:
        return (self.song.line(self.first_bar + self.bars) - self.song.line(self.first_bar)) / MODEL_RATE_HZ

    def melody(self) -> tuple[Note, ...]:
        """For a request at the song's own tempo."""
        quarters = float(self.song.tempo) / 60
        return tuple(
            Note(pitch=n.pitch, beat=n.start * quarters, length=max(0.05, (n.end - n.start) * quarters))
            for n in self.notes
        )


def leads(song: Song, seconds: float, count: int) -> list[Lead]:
    """The `count` stretches of about `seconds` that the lead fills most, without overlap, at least a third full."""
    bars = max(1, min(song.bars, round(seconds / song.bar_seconds)))
    pitch, onset = song.array("melody").astype(np.int64), song.array("melody_onset").astype(np.int64)
    found = []
    for first_bar in range(0, song.bars - bars + 1, bars):
        first, last = (round(song.line(bar) / FRAME_SAMPLES) for bar in (first_bar, first_bar + bars))
        share = float((pitch[first:last] >= 0).mean())
        if share > 1 / 3:
            found.append((share, Lead(song, first_bar, bars, notes_of(pitch[first:last], onset[first:last]))))
    return [lead for _, lead in sorted(found, key=lambda pair: -pair[0])[:count]]


@lru_cache(maxsize=1)
def chord_names() -> dict[frozenset[int], str]:
    """Pitch-class sets to a name of ours that means them; simpler names win."""
    names: dict[frozenset[int], str] = {}
    for suffix, root in product(SUFFIXES, ROOTS):
        chord = parse_chords(root + suffix, 1, Meter(4, 4))[0]
        names.setdefault(frozenset(chord.pitch_classes), root + suffix)
    return names


def key_name(root: int, mode: str) -> str:
    """A key as a request names it, as in "F# dorian"; modes it has no name for count as minor, as in training."""
    known = K.MODE_ALIASES.get(mode, mode)
    return f"{ROOTS[root]} {known if known in MODES else 'minor'}"


def chords_of(song: Song, first_bar: int, bars: int, shift: int = 0) -> str:
    """The chords of a stretch of a song as a request would name them, on half quarters, `shift` semitones up.

    Empty if none has a name.
    """
    step = 0.5
    chroma = song.array("chroma")
    count = round(bars * float(song.tempo_map.meters[0][1].bar_quarters) / step)
    origin = first_bar * float(song.tempo_map.meters[0][1].bar_quarters)
    centres = (origin + (np.arange(count) + 0.5) * step) * 60 / float(song.tempo) / FRAME_SECONDS
    rows = np.roll(chroma[np.minimum(np.round(centres).astype(int), len(chroma) - 1)], shift, axis=1)
    names = [chord_names().get(frozenset(np.flatnonzero(row).tolist()), "N.C.") for row in rows]
    if all(name == "N.C." for name in names):
        return ""
    edges = [0, *(i for i in range(1, count) if names[i] != names[i - 1]), count]
    return " ".join(f"{names[a]}:{(b - a) * step:g}" for a, b in pairwise(edges))
