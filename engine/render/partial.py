"""Targets that act on a part of the new bars: elsewhere it is as if they had not been given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.models import denoiser as D
from engine.types import Only, Stretch

COLUMNS = {
    "melody": slice(D.BEAT_FEATURES, D.BEAT_FEATURES + D.MELODY_FEATURES),
    "chords": slice(D.BEAT_FEATURES + D.MELODY_FEATURES, D.FRAME_FEATURES - D.INTENSITY_FEATURES),
}


def acting(only: Only | None, name: str, quarters: NDArray[np.float64]) -> NDArray[np.bool_]:
    """At which positions [T] a target acts; everywhere, unless it is said where."""
    stretch: Stretch | None = None if only is None else getattr(only, name)
    if stretch is None:
        return np.ones(len(quarters), bool)
    return (quarters >= stretch.begin) & (quarters < stretch.end)


def restrict(features: NDArray[np.float32], only: Only | None, quarters: NDArray[np.float64]) -> None:
    """Take melody and chords back from frames [T, FRAME_FEATURES] outside of their stretches, in place."""
    if only is None:
        return
    for name, columns in COLUMNS.items():
        features[~acting(only, name, quarters), columns] = 0.0
