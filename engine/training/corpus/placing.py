"""Sounds at the exact sample: where an event lies, where a sound attacks, one-shots placed by their attacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import floor

import numpy as np

from engine.training.corpus.levels import RATE_HZ, Stem
from engine.training.corpus.song import NoteEvent

_CHOKES = {42: 0, 44: 0, 46: 0, 80: 1, 81: 1}


def event_frame(beat: float, offset_ms: float, tempo: float) -> int:
    """Sample of an event: round(48000 (60 / tempo beat + offset / 1000)), halves up."""
    return floor(RATE_HZ * (60.0 / tempo * beat + offset_ms / 1000.0) + 0.5)


def attack_frame(audio: Stem, within_frames: int = 3840) -> int:
    """First frame of audio [2, frames] at a tenth of the peak of its first `within_frames`."""
    level = np.abs(audio[:, :within_frames]).max(axis=0)
    return int(np.argmax(level >= 0.1 * level.max())) if len(level) and level.max() > 0 else 0


@dataclass(frozen=True, slots=True)
class Hit:
    """A drum one-shot [2, frames], calibrated; `onset` is the frame of its attack."""

    audio: Stem
    onset: int


def place_hits(notes: list[NoteEvent], hit: Callable[[int, int], Hit], tempo: float, frames: int) -> Stem:
    """One-shots [2, frames] of `hit(key, velocity)` with their attacks at the notes' exact samples; hats choke."""
    out = np.zeros((2, frames), np.float32)
    placed = [(event_frame(n.beat, n.offset_ms, tempo), n) for n in notes]
    placed.sort(key=lambda item: item[0])
    stops = _choke_frames(placed)
    for index, (frame, note) in enumerate(placed):
        struck = hit(note.pitch, note.velocity)
        audio = struck.audio
        if index in stops:
            audio = _faded(audio, struck.onset + stops[index] - frame)
        _add_at(out, audio, frame - struck.onset)
    return out


def trimmed(audio: Stem) -> Stem:
    """Without what lies 60 dB below the peak at the end; the cut is faded over 10 ms."""
    level = np.abs(audio).max(axis=0)
    heard = np.flatnonzero(level > level.max() * 1e-3)
    return _faded(audio, int(heard[-1]) + 480) if len(heard) else audio[:, :1]


def _faded(audio: Stem, end: int, fade: int = 480) -> Stem:
    """Copy that ends at frame `end` with a linear fade of up to 10 ms."""
    end = max(1, min(end, audio.shape[1]))
    fade = min(fade, end)
    cut = audio[:, :end].copy()
    cut[:, end - fade :] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return cut


def _add_at(target: Stem, audio: Stem, start: int) -> None:
    first, last = max(0, start), min(target.shape[1], start + audio.shape[1])
    if last > first:
        target[:, first:last] += audio[:, first - start : last - start]


def _choke_frames(placed: list[tuple[int, NoteEvent]]) -> dict[int, int]:
    """Index of a hit -> frame at which the next one of its choke group silences it."""
    stops: dict[int, int] = {}
    sounding: dict[int, int] = {}
    for index, (frame, note) in enumerate(placed):
        group = _CHOKES.get(note.pitch)
        if group is None:
            continue
        if group in sounding:
            stops[sounding[group]] = frame + 240
        sounding[group] = index
    return stops
