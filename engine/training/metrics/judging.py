"""The judge of an evaluation: trained at first use on the corpus' training split, kept in the cache."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.models.codec import PATCH
from engine.training import data
from engine.training.metrics import judge
from engine.training.metrics.bench import Bench
from engine.training.metrics.clips import WINDOW, Clip
from engine.whole import whole

FEWEST_SONGS = FEWEST_STYLES = 2
MISSING = (
    "No style judge: it learns from the training split of a corpus of two styles or more; none was given (--corpus)."
)


def training_songs(bench: Bench) -> list[Path]:
    return [] if bench.corpus is None else data.song_files(bench.corpus, "train")


def epochs_for(clips: int) -> int:
    """The full recipe from 100 clips on, a quarter of it for a trial."""
    return judge.EPOCHS if clips >= 100 else judge.EPOCHS // 4


def ready(bench: Bench) -> judge.Judge | None:
    """The judge, trained and stored if it was not; None without songs of two styles to learn from."""
    files = training_songs(bench)
    if len(files) < FEWEST_SONGS:
        return None
    epochs = epochs_for(bench.clips)
    path = bench.cache / f"judge-{judge.key_of(files, epochs)}.safetensors"
    if not path.is_file():
        bench.cache.mkdir(parents=True, exist_ok=True)
        shelf = shelf_of(bench)
        if len(shelf.styles) < FEWEST_STYLES:
            return None
        started = time.perf_counter()
        judge.save(judge.fit(shelf, epochs, bench.console), path)
        note = {"seconds": round(time.perf_counter() - started, 1), "epochs": epochs, "songs": len(files)}
        path.with_suffix(".json").write_text(json.dumps(note))
    bench.judge = path
    return judge.load(path)


def training_note(bench: Bench) -> dict[str, Any]:
    """seconds, epochs and songs of the judge's training."""
    assert bench.judge is not None
    note: dict[str, Any] = json.loads(bench.judge.with_suffix(".json").read_text())
    return note


def shelf_of(bench: Bench) -> judge.Shelf:
    """The training split as the judge hears it, from the cache where it is there."""
    from safetensors import safe_open
    from safetensors.numpy import save_file

    files = training_songs(bench)
    path = bench.cache / f"shelf-{judge.key_of(files, 0)}.safetensors"
    if not path.is_file():
        shelf = judge.shelve(files, bench.console)
        lengths = np.array([len(view) for view in shelf.views])
        arrays = {"views": np.concatenate(shelf.views), "lengths": lengths, "labels": shelf.labels}
        with whole(path) as part:
            save_file(arrays, str(part), {"styles": "\n".join(shelf.styles)})
        return shelf
    with safe_open(str(path), "numpy") as file:
        views = np.split(file.get_tensor("views"), np.cumsum(file.get_tensor("lengths"))[:-1])
        return judge.Shelf(views, file.get_tensor("labels"), tuple(file.metadata()["styles"].split("\n")))


def labels_of(bench: Bench, styles: list[str]) -> NDArray[np.int64]:
    """Numbers of style names in the judge's order, -1 for those it never heard."""
    assert bench.judge is not None
    known = judge.load(bench.judge).styles
    return np.array([known.index(style) if style in known else -1 for style in styles])


def hear_stored(model: judge.Judge, clips: list[Clip]) -> dict[str, NDArray[np.float32]]:
    """embedding and logp rows of clips from the corpus' own stored features, without touching sound."""
    found = []
    for clip in clips:
        span = slice(clip.first * PATCH, (clip.first + WINDOW) * PATCH)
        features = data.read(clip.song.path, ("mix",))["mix"][span]
        found.append(model.hear(torch.from_numpy(features.astype(np.float32))))
    return {"embedding": np.stack([row[0] for row in found]), "logp": np.stack([row[1] for row in found])}
