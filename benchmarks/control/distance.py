"""How far clips are from real music: Frechet distances of descriptions at one level, to held-out songs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.control.arranging import Parts, arranges, equalised, level_db
from engine.training.metrics.bench import Song
from engine.training.metrics.embed import clip_vector
from engine.training.metrics.frechet import Projection, compare
from engine.types import MODEL_RATE_HZ, Audio

Array = NDArray[np.float64]
Vectors = dict[str, list[float]]
SECONDS = 6.0
A_SONG = 4
DIMENSIONS = 16
RESAMPLES = 200


def vectors(audio: Audio, hear: Callable[[Audio], NDArray[np.float32]] | None) -> Vectors:
    """Descriptions of a clip at one level: "timbre" [118], which nobody trained, and the style judge's hidden layer."""
    sound = equalised(audio)
    found = {"timbre": clip_vector(sound).tolist()}
    if hear is not None:
        found["judge"] = hear(sound).astype(np.float64).tolist()
    return found


def real(songs: list[Song], hear: Callable[[Audio], NDArray[np.float32]] | None, path: Path) -> dict[str, Array]:
    """Descriptions of A_SONG clips of each held-out song, kept in a file."""
    from safetensors.numpy import load_file, save_file

    if path.is_file():
        return dict(load_file(str(path)))
    rows: list[Vectors] = []
    length = round(SECONDS * MODEL_RATE_HZ)
    for song in songs:
        for first in np.linspace(0, song.facts["frames"] - length, A_SONG).astype(int):
            rows.append(vectors(song.audio(int(first), int(first) + length), hear))
    found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    save_file(found, str(path))
    return found


def along(level: Array) -> Callable[[Array], Array]:
    """A level every 10 ms as a curve over seconds."""
    return lambda seconds: np.interp(seconds, np.arange(len(level)) / 100.0, level)


def real_arranging(songs: list[Song], parts: Parts | None, path: Path) -> dict[str, list[float]]:
    """How held-out music arranges its own level: `arranging.arranges` of a clip of each song, kept in a file."""
    if path.is_file():
        kept: dict[str, list[float]] = json.loads(path.read_text(encoding="utf-8"))
        return kept
    found: dict[str, list[float]] = {}
    length = round(SECONDS * MODEL_RATE_HZ)
    for song in songs:
        first = (song.facts["frames"] - length) // 2
        audio = song.audio(first, first + length)
        own = arranges(audio, along(level_db(audio)), parts)
        for name, value in own.items():
            if np.isfinite(value):
                found.setdefault(name, []).append(round(value, 4))
    path.write_text(json.dumps(found), encoding="utf-8")
    return found


def distances(clips: dict[str, Array], held: Array, groups: NDArray[np.int64], baseline: str) -> dict[str, Any]:
    """Each column's distance, with its interval and ratio to the baseline's. clips: [n, d], the same n everywhere.

    Few clips lift all distances alike: they are to be read against each other, and only DIMENSIONS or a quarter of n
    directions are kept.
    """
    count = len(groups)
    projection = Projection.fit(held, max(2, min(DIMENSIONS, count // 4)))
    return compare(
        {name: projection(one) for name, one in clips.items()}, projection(held), groups, baseline, RESAMPLES, 1
    )
