"""A melody from a recording of one voice: pitch by pYIN (Mauch and Dixon 2014), cut into notes.

librosa finds the pitch and is imported only here, when a recording is given.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.controls.melody import monophonic
from engine.errors import BadAudio, Unavailable
from engine.timing import TempoMap, shown
from engine.types import Note

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")
RATE_HZ, FRAME, HOP = 22_050, 2048, 256
LOWEST_HZ, HIGHEST_HZ = 65.0, 1050.0
LONGEST_SECONDS = 120.0
SILENT = 1e-3
SURE = 0.1
LEAST_SECONDS, GAP_SECONDS, STEADY_FRAMES = 0.08, 0.06, 7
Track = NDArray[np.float64]


def is_recording(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def read_hummed(path: Path, tempo_map: TempoMap, first_bar: int, bars: int) -> tuple[Note, ...]:
    """The notes that are sung or played in a file, its time zero on the first new bar's line, cut at the end.

    BadAudio where it cannot be read, is silent or holds no steady pitch; Unavailable without librosa.
    """
    name = shown(path.name or str(path))
    audio = _read(path, name)
    notes = notes_in_seconds(pitch_track(audio))
    begin = tempo_map.bar_start_quarters(first_bar)
    start, length = tempo_map.seconds_at(begin), float(tempo_map.bar_start_quarters(first_bar + bars) - begin)

    def beat(seconds: float) -> float:
        return float(tempo_map.quarters_at(start + Fraction(seconds).limit_denominator(10**6)) - begin)

    placed = [(pitch, beat(a), beat(b)) for pitch, a, b in notes]
    kept = [Note(pitch=pitch, beat=a, length=b - a) for pitch, a, b in placed if a < length]
    if not kept:
        raise BadAudio(f"No melody is heard in {name}: sing or play one voice, clearly, without a band.")
    return monophonic(kept)


def pitch_track(audio: NDArray[np.float32]) -> Track:
    """MIDI pitch [n] every HOP samples of mono audio at RATE_HZ; NaN where none is heard."""
    try:
        import librosa
    except ImportError as missing:
        raise Unavailable(
            "To read a melody from a recording librosa is needed: pip install librosa, or give a MIDI file."
        ) from missing
    hertz, _, sure = librosa.pyin(
        audio, fmin=LOWEST_HZ, fmax=HIGHEST_HZ, sr=RATE_HZ, frame_length=FRAME, hop_length=HOP, fill_na=math.nan
    )
    pitch = np.full(len(hertz), math.nan)
    heard = np.isfinite(hertz) & (sure >= SURE)
    pitch[heard] = 69 + 12 * np.log2(hertz[heard] / 440.0)
    return pitch


def notes_in_seconds(pitch: Track) -> list[tuple[int, float, float]]:
    """(MIDI pitch, begin, end) of the steady stretches of a track, on the scale that the singer's own tuning gives."""
    heard = np.isfinite(pitch)
    if not heard.any():
        return []
    off = np.angle(np.exp(2j * np.pi * pitch[heard]).mean()) / (2 * np.pi)
    steps = np.where(heard, np.round(np.nan_to_num(_steadied(pitch)) - off), -1).astype(int)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(steps)) + 1, [len(steps)]])
    runs = [[int(steps[a]), int(a), int(b)] for a, b in itertools.pairwise(edges) if steps[a] >= 0]
    joined: list[list[int]] = []
    for run in runs:
        short = (run[2] - run[1]) * HOP < LEAST_SECONDS * RATE_HZ
        near = joined and (run[1] - joined[-1][2]) * HOP < GAP_SECONDS * RATE_HZ
        if near and (short or run[0] == joined[-1][0]):
            joined[-1][2] = run[2]
        elif not short:
            joined.append(run)
    return [(min(127, step), a * HOP / RATE_HZ, b * HOP / RATE_HZ) for step, a, b in joined]


def _steadied(pitch: Track) -> Track:
    """The median over STEADY_FRAMES around each frame, of those that are heard."""
    half = STEADY_FRAMES // 2
    padded = np.pad(pitch, half, constant_values=math.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, STEADY_FRAMES)
    result = np.full(len(pitch), math.nan)
    some = np.isfinite(windows).any(axis=1)
    result[some] = np.nanmedian(windows[some], axis=1)
    return result


def _read(path: Path, name: str) -> NDArray[np.float32]:
    """Mono [n] at RATE_HZ."""
    import soundfile
    import soxr

    try:
        if not path.is_file():
            raise BadAudio(f"There is no file {name}.")
        with soundfile.SoundFile(path) as file:
            if file.frames > LONGEST_SECONDS * file.samplerate:
                raise BadAudio(f"{name} is longer than {LONGEST_SECONDS:g} s; cut the melody that you need.")
            audio, rate = file.read(dtype="float32", always_2d=True), int(file.samplerate)
    except (soundfile.SoundFileError, OSError, ValueError, TypeError):
        raise BadAudio(f"Cannot read {name} as audio; give a WAV or FLAC file, or MIDI.") from None
    if len(audio) < FRAME or not np.isfinite(audio).all() or float(np.abs(audio).max()) < SILENT:
        raise BadAudio(f"{name} is silent, too short or damaged: no melody can be heard in it.")
    return np.asarray(soxr.resample(audio.mean(axis=1), rate, RATE_HZ, "HQ"), np.float32)
