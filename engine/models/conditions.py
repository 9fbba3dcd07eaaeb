"""Musical conditions as numbers: the one place where training and rendering agree on their layout.

Everything here is per feature frame (93.75 Hz, T = 8 N frames for N latents); `pack_frames` groups
eight of them under each latent. A group that is not given is all zeros, its flag included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.controls.harmony import MODES
from engine.models import denoiser as D
from engine.types import PART_NAMES

INTENSITY_CENTRE_DB = -22.0
INTENSITY_SPAN_DB = 12.0
MODE_ALIASES = {"ionian": "major", "aeolian": "minor", "hijaz": "phrygian dominant"}


def mode_pitch_classes(root: int, mode: str) -> tuple[int, ...]:
    """Pitch classes of a mode on `root` 0-11; unknown modes count as minor."""
    name = mode.lower().replace("_", " ")
    steps = MODES.get(MODE_ALIASES.get(name, name), MODES["minor"])
    return tuple((root + step) % 12 for step in steps)


@dataclass
class FrameTargets:
    """Per-frame targets [T]; None means not given.

    beat_phase, bar_phase in [0, 1); melody MIDI pitch or -1; melody_onset 0/1; chroma [T, 12] 0/1;
    intensity_db dBFS.
    """

    beat_phase: NDArray[np.float32] | None = None
    bar_phase: NDArray[np.float32] | None = None
    melody: NDArray[np.int64] | None = None
    melody_onset: NDArray[np.float32] | None = None
    chroma: NDArray[np.float32] | None = None
    intensity_db: NDArray[np.float32] | None = None


def beat_features(targets: FrameTargets, out: NDArray[np.float32]) -> None:
    if targets.beat_phase is None or targets.bar_phase is None:
        return
    beat, bar = 2 * np.pi * targets.beat_phase, 2 * np.pi * targets.bar_phase
    columns = (np.sin(beat), np.cos(beat), np.sin(bar), np.cos(bar), np.sin(4 * beat), np.cos(4 * beat))
    out[:, : D.BEAT_FEATURES] = np.stack([np.ones_like(beat), *columns], axis=1)


def melody_features(targets: FrameTargets, out: NDArray[np.float32]) -> None:
    if targets.melody is None:
        return
    first = D.BEAT_FEATURES
    sounding = targets.melody >= 0
    out[:, first] = 1.0
    rows = np.flatnonzero(sounding)
    out[rows, first + 1 + targets.melody[rows] % 12] = 1.0
    out[rows, first + 13] = (targets.melody[rows] - 66) / 12.0
    if targets.melody_onset is not None:
        out[:, first + 14] = targets.melody_onset


def frame_features(targets: FrameTargets, count: int) -> NDArray[np.float32]:
    """Feature matrix [count, FRAME_FEATURES]: beat, melody, chords, intensity."""
    out = np.zeros((count, D.FRAME_FEATURES), np.float32)
    beat_features(targets, out)
    melody_features(targets, out)
    chord = D.BEAT_FEATURES + D.MELODY_FEATURES
    if targets.chroma is not None:
        out[:, chord] = 1.0
        out[:, chord + 1 : chord + 13] = targets.chroma
    if targets.intensity_db is not None:
        last = chord + D.CHORD_FEATURES
        out[:, last] = 1.0
        out[:, last + 1] = scaled_db(targets.intensity_db)
    return out


def scaled_db(level_db: NDArray[np.float32]) -> NDArray[np.float32]:
    """A level in dBFS as the denoiser is told it."""
    return np.asarray((level_db - INTENSITY_CENTRE_DB) / INTENSITY_SPAN_DB, np.float32)


def withhold_notes(features: NDArray[np.float32], first: int, last: int) -> None:
    """Clear melody and chords outside frames first to last, in place: nothing is said of the context."""
    notes = slice(D.BEAT_FEATURES, D.BEAT_FEATURES + D.MELODY_FEATURES + D.CHORD_FEATURES)
    features[:first, notes] = 0.0
    features[last:, notes] = 0.0


def withhold_level(features: NDArray[np.float32], first: int, last: int) -> None:
    """Clear intensity in frames first to last, in place: the context's level is known, the new bars' is free."""
    features[first:last, -D.INTENSITY_FEATURES :] = 0.0


def pack_frames(features: NDArray[np.float32]) -> Tensor:
    """[8 N, FRAME_FEATURES] to [N, 8, FRAME_FEATURES]."""
    return torch.from_numpy(features).reshape(-1, D.SUB_FRAMES, D.FRAME_FEATURES)


def global_features(
    prompt_width: int,
    prompt: NDArray[np.float32] | None = None,
    parts: tuple[str, ...] | None = None,
    key: tuple[int, str] | None = None,
    tempo: float | None = None,
) -> NDArray[np.float32]:
    """Global vector: prompt and flag, parts and flag, key (scale, root, flag), log tempo and flag.

    key: root 0-11 and a mode name; tempo: quarters per minute.
    """
    out = np.zeros(prompt_width + 1 + D.PART_FEATURES + D.KEY_FEATURES + D.TEMPO_FEATURES, np.float32)
    if prompt is not None:
        out[0], out[1 : prompt_width + 1] = 1.0, prompt
    at = prompt_width + 1
    if parts is not None:
        out[at] = 1.0
        for part in parts:
            out[at + 1 + PART_NAMES.index(part)] = 1.0
    at += D.PART_FEATURES
    if key is not None:
        root, mode = key
        out[at], out[at + 1 + root] = 1.0, 1.0
        out[at + 13 + np.array(mode_pitch_classes(root, mode))] = 1.0
    at += D.KEY_FEATURES
    if tempo is not None:
        out[at], out[at + 1] = 1.0, np.log2(tempo / 110.0)
    return out


def told_notes(frames: NDArray[np.float32], overall: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
    """(scale [12], chord notes [T, 12]), C first, as `global_features` and `frame_features` told them; 0 where not."""
    key = len(overall) - D.TEMPO_FEATURES - D.KEY_FEATURES
    chord = D.BEAT_FEATURES + D.MELODY_FEATURES
    return overall[key + 13 : key + 25], frames[:, chord + 1 : chord + 13]
