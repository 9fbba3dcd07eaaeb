"""Recorded loops: sound that no composer of ours made and no training saw, 4 bars of 4/4 at 120 bpm each.

The one that the project ships, and those of the folder that the environment variable ATTACCA_LOOPS names
(loop_*.flac); none where there are no such files.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np

from engine.errors import BadRequest
from engine.types import MODEL_RATE_HZ, Audio

FOLDER_VARIABLE = "ATTACCA_LOOPS"
SHIPPED = Path(__file__).resolve().parents[3] / "bridge" / "samples"
BARS, TEMPO, METER = 4, Fraction(120), "4/4"


@dataclass(frozen=True)
class Loop:
    """A recorded loop of BARS bars at TEMPO."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @cached_property
    def audio(self) -> Audio:
        """float32 [8 s, 2] at 48 kHz."""
        import soundfile
        import soxr

        sound, rate = soundfile.read(self.path, dtype="float32", always_2d=True)
        sound = np.repeat(sound, 2, axis=1)[:, :2] if sound.shape[1] == 1 else sound[:, :2]
        frames = int(BARS * 4 * 60 * MODEL_RATE_HZ / TEMPO)
        resampled = np.asarray(soxr.resample(sound, rate, MODEL_RATE_HZ, "HQ"), np.float32)
        return np.pad(resampled, ((0, max(0, frames - len(resampled))), (0, 0)))[:frames]


def recorded_loops() -> list[Loop]:
    """The loops that are there, each name once."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named and not Path(named).is_dir():
        raise BadRequest(f"{FOLDER_VARIABLE} names {named}, which is no folder; give one that holds loop_*.flac")
    folders = [SHIPPED, *([Path(named)] if named else [])]
    found = {path.stem: path for folder in folders for path in sorted(folder.glob("loop_*.flac"))}
    return [Loop(path) for path in found.values()]
