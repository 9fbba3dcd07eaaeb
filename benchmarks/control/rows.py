"""Clips that were made and what was found of them: a line of JSON and a FLAC file each, so that a run can be stopped
and goes on where it was.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import soundfile

from benchmarks.control.systems import BASELINE, Column
from engine.bundle import Bundle
from engine.training.metrics.rows import bundle_key, digest
from engine.types import MODEL_RATE_HZ, Audio

Row = dict[str, Any]
FORM = 2
"""Counts up when a clip of the same request would sound otherwise."""


STUDENT = "student.safetensors"


def key_of(bundle: Bundle, column: Column) -> str:
    """What a clip depends on: the bundle (the teacher's clips: all of it but the student), the request and the rest."""
    own = bundle_key(bundle)
    if column.name == BASELINE:
        files = {name: mark for name, mark in bundle.manifest["files"].items() if name.endswith(".safetensors")}
        own = digest([{name: mark for name, mark in files.items() if name != STUDENT}, bundle.config])
    return digest([FORM, own, column.name, msgspec.to_builtins(column.request), column.about])


class Store:
    """Rows by key in OUT/rows.jsonl; the newest of a key counts. Clips in OUT/clips."""

    def __init__(self, out: Path) -> None:
        self.path, self.clips = out / "rows.jsonl", out / "clips"
        self.clips.mkdir(parents=True, exist_ok=True)
        self.rows: dict[str, Row] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read what another process has added. A line that was cut off is passed over."""
        if not self.path.is_file():
            return
        for text in self.path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(text)
            except json.JSONDecodeError:
                continue
            self.rows[row["key"]] = row

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows.values())

    def has(self, key: str) -> bool:
        return key in self.rows and self._clip(key).is_file()

    def get(self, key: str) -> Row:
        return self.rows[key]

    def put(self, row: Row, audio: Audio | None = None) -> None:
        """Keep a row, and its sound."""
        if audio is not None:
            soundfile.write(self._clip(row["key"]), audio, MODEL_RATE_HZ, subtype="PCM_24")
        self.rows[row["key"]] = row
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(tidy(row), allow_nan=False) + "\n")

    def audio(self, key: str) -> Audio:
        """The sound of a row, float32 [frames, 2]."""
        return np.asarray(soundfile.read(self._clip(key), dtype="float32", always_2d=True)[0])

    def _clip(self, key: str) -> Path:
        return self.clips / f"{key}.flac"


def tidy(value: Any) -> Any:
    """Five digits; None for what JSON cannot say."""
    if isinstance(value, dict):
        return {name: tidy(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [tidy(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value
