"""Rows of described clips, kept in the cache, so that sections share them and an interrupted run goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from engine.bundle import Bundle
from engine.training.metrics.bench import Bench
from engine.training.metrics.voices import Rows
from engine.whole import whole


def digest(about: Any) -> str:
    """24 hex digits of anything that JSON can say."""
    return hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()[:24]


def bundle_key(bundle: Bundle) -> str:
    """Hash of all modules and the config: everything of a bundle that is heard."""
    files = {name: mark for name, mark in bundle.manifest["files"].items() if name.endswith(".safetensors")}
    return digest([files, bundle.config])


def sound_key(bench: Bench) -> str:
    """As `bundle_key`, apart for each runtime but torch: what is heard of the bench's bundle as it is run."""
    own, runtime = bundle_key(bench.renderer.source), bench.renderer.runtime
    return own if runtime == "torch" else digest([own, runtime])


@lru_cache(maxsize=8)
def _file_key(path: str, size: int, changed_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_key(path: Path | None) -> str:
    """SHA-256 of a file, empty for None."""
    if path is None:
        return ""
    stat = path.stat()
    return _file_key(str(path), stat.st_size, stat.st_mtime_ns)


def kept(bench: Bench, about: Any, make: Callable[[], Rows]) -> Rows:
    """Rows from the cache, or made and put there. `about`: all that they depend on but who listens."""
    from safetensors.numpy import load_file, save_file

    judge = bench.judge.stem if bench.judge is not None else ""
    ears = file_key(bench.ears / "listener.safetensors") if bench.ears is not None else ""
    path = bench.cache / f"rows-{digest([about, judge, ears])}.safetensors"
    if path.is_file():
        return load_file(str(path))
    rows = {name: np.ascontiguousarray(value) for name, value in make().items()}
    bench.cache.mkdir(parents=True, exist_ok=True)
    with whole(path) as part:
        save_file(rows, str(part))
    return rows
