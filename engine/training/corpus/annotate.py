"""What is known about each frame of a rendered song, from the score and exact in time.

Frame i is centred at sample 512 i of 48 kHz; a song of `frames` samples has 1 + frames // 512
frames. Everything is evaluated at frame centres.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from engine.training.corpus import tempomap
from engine.training.corpus.levels import RATE_HZ, Stem, block_power
from engine.training.corpus.song import NoteEvent, Song
from engine.types import PART_NAMES

HOP = 512
INTENSITY_FLOOR_DB = -60.0
PRESENT_DB = -40.0
ONSET_KEYS = (35, 36, 37, 38, 39, 40, 42, 44, 46)
_POWER_BLOCK = 64
Array = NDArray[Any]


def centres_beats(song: Song, frames: int) -> NDArray[np.float64]:
    """Position in written quarters of each frame centre [T]: 512 i tempo / (60 x 48000), slower in a ritard."""
    if song.slower:
        return tempomap.beats_at(song, np.arange(1 + frames // HOP) * (HOP / RATE_HZ))
    step = Fraction(HOP) * song.tempo / (60 * RATE_HZ)
    index = np.arange(1 + frames // HOP, dtype=np.float64)
    return np.asarray(index * step.numerator / step.denominator)


def bar_grid(song: Song, frames: int) -> dict[str, Array]:
    """beat_phase, bar_phase [T] f16 in [0, 1), beat_index, bar_index [T] i32 from the start.

    A beat is a felt beat of `beat_groups` (DEFINITIONS: the quarter in x/4, the dotted quarter
    in 6/8, 2 + 2 + 3 in 7/8).
    """
    beats = centres_beats(song, frames)
    bar_beats = float(song.bar_beats)
    bar_index = np.floor(beats / bar_beats + 1e-9).astype(np.int32)
    inside = np.maximum(0.0, beats - bar_index * bar_beats)
    starts = np.array([0.0, *(float(s) for s in accumulate(song.beat_groups))])
    group = np.searchsorted(starts[1:-1], inside + 1e-9, side="right")
    lengths = np.diff(starts)
    return {
        "beat_phase": _phase(np.maximum(0.0, inside - starts[group]) / lengths[group]),
        "bar_phase": _phase(inside / bar_beats),
        "beat_index": (bar_index * len(lengths) + group).astype(np.int32),
        "bar_index": bar_index,
    }


def _phase(phase: NDArray[np.float64]) -> NDArray[np.float16]:
    """float16 that stays below 1."""
    return np.minimum(phase, 0.9995).astype(np.float16)


def _seconds(song: Song, beat: float, offset_ms: float = 0.0) -> float:
    return beat * 60.0 / float(song.tempo) + offset_ms / 1000.0


def _frame_at(seconds: float, count: int) -> int:
    """First frame whose centre is not before `seconds`, inside 0..count."""
    return min(count, max(0, int(np.ceil(seconds * RATE_HZ / HOP - 1e-9))))


def note_line(song: Song, notes: list[NoteEvent], count: int) -> tuple[Array, Array]:
    """(pitch [T] i8, -1 where none sounds; onset [T] u8, 1 at the frame nearest each note-on).

    Monophonic: a later note ends the one before it.
    """
    pitch, onset = np.full(count, -1, np.int8), np.zeros(count, np.uint8)
    for note in sorted(notes, key=lambda n: n.beat):
        start_s = _seconds(song, note.beat, note.offset_ms)
        end_s = start_s + _seconds(song, note.length)
        first = _frame_at(start_s, count)
        pitch[first:] = -1
        pitch[first : max(first + 1, _frame_at(end_s, count))] = note.pitch
        nearest = round(start_s * RATE_HZ / HOP)
        if 0 <= nearest < count:
            onset[nearest] = 1
    return pitch, onset


def chord_frames(song: Song, count: int) -> NDArray[np.uint8]:
    """Pitch classes of the sounding chord [T, 12], 0 or 1."""
    chroma = np.zeros((count, 12), np.uint8)
    for chord in song.chords:
        first = _frame_at(_seconds(song, chord.beat), count)
        last = _frame_at(_seconds(song, chord.beat + chord.length), count)
        chroma[first:last, [pc % 12 for pc in chord.pitch_classes]] = 1
    return chroma


def intensity_db(audio: Stem) -> NDArray[np.float16]:
    """dBFS [T] of audio [frames, 2]: mean power over both channels, 1 s Hann window, floor -60.

    The window is centred on the frame and weighs only what lies inside the audio. Power is
    summed in blocks of 64 samples before the window is applied.
    """
    count, half = 1 + len(audio) // HOP, RATE_HZ // _POWER_BLOCK // 2
    power = block_power(np.ascontiguousarray(audio.T), _POWER_BLOCK)
    window = np.hanning(2 * 2 * half + 1)[1::2]
    need = (count - 1) * (HOP // _POWER_BLOCK) + 2 * half
    step = HOP // _POWER_BLOCK

    def windowed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        padded = np.zeros(need)
        padded[half : half + len(values)] = values[: need - half]
        return np.asarray(sliding_window_view(padded, 2 * half)[::step] @ window)

    mean = windowed(power) / np.maximum(windowed(np.ones(len(power))), 1e-9)
    return np.maximum(INTENSITY_FLOOR_DB, 10.0 * np.log10(mean + 1e-12)).astype(np.float16)


def presence(group_power: NDArray[np.float32], count: int) -> NDArray[np.uint8]:
    """Which groups sound [T, 5]: power in the surrounding second within 40 dB of the sum."""
    width = RATE_HZ // HOP
    sums = np.cumsum(np.vstack([np.zeros((1, group_power.shape[1])), group_power]), axis=0)
    centre = np.arange(count)
    low = np.clip(centre - width // 2, 0, len(group_power))
    high = np.clip(centre + width // 2, 0, len(group_power))
    power = (sums[high] - sums[low]) / np.maximum(1, high - low)[:, None]
    total = power.sum(axis=1, keepdims=True)
    heard = (power > total * 10.0 ** (PRESENT_DB / 10.0)) & (power > 1e-8)
    return np.asarray(heard, np.uint8)


def onset_times(song: Song) -> NDArray[np.float32]:
    """Written drum events [n, 2]: time in ms (with the groove's offset), General MIDI key."""
    last_ms, song = 1000.0 * float(tempomap.end_seconds(song)), tempomap.even(song)
    rows = [
        (1000.0 * _seconds(song, note.beat, note.offset_ms), float(note.pitch))
        for part in song.parts if part.group == "drums"
        for note in part.notes if note.pitch in ONSET_KEYS
    ]  # fmt: skip
    kept = sorted(row for row in rows if 0.0 <= row[0] < last_ms)
    return np.array(kept, np.float32).reshape(-1, 2)


def multi_hot(groups: tuple[str, ...]) -> NDArray[np.uint8]:
    """Group names as a [5] vector in PART_NAMES order."""
    return np.array([name in groups for name in PART_NAMES], np.uint8)


def annotate(song: Song, frames: int) -> dict[str, Array]:
    """All labels that need no audio, by the name they have on disk."""
    count, written, song = 1 + frames // HOP, song, tempomap.even(song)
    melody, onset = note_line(song, song.melody, count)
    bass = [n for part in song.parts if part.group == "bass" for n in part.notes]
    return bar_grid(written, frames) | {
        "melody": melody,
        "melody_onset": onset,
        "chroma": chord_frames(song, count),
        "bass_pitch": note_line(song, bass, count)[0],
        "onsets_ms": onset_times(written),
    }
