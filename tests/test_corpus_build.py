"""The corpus builder end to end: two songs by a worker process, then nothing left to do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from safetensors import safe_open

from engine.training.corpus import sheet
from engine.training.corpus.build import build, jobs

HOURS = 2 * 46.0 / 3600.0
STYLES = ("boom bap", "house")


def test_build_is_complete_resumable_and_described(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    environment = dict(os.environ)
    report = build(tmp_path, HOURS, 1, 4, lambda done, total: seen.append((done, total)), STYLES)
    assert dict(os.environ) == environment
    assert report["failures"] == {}
    assert seen == [(1, 2), (2, 2)]
    paths = [job.path for job in jobs(tmp_path, HOURS, 4, STYLES)]
    stamps = [path.stat().st_mtime_ns for path in paths]
    assert build(tmp_path, HOURS, 1, 4, None, STYLES)["rendered_seconds"] == 0.0
    assert [path.stat().st_mtime_ns for path in paths] == stamps
    assert not list(tmp_path.rglob("*.tmp"))
    for path, style in zip(paths, STYLES, strict=True):
        _check_song(path, style)
    found = sheet.entries(tmp_path)
    figures = sheet.statistics(found)
    assert figures["songs"] == 2 and figures["silent_songs"] == [] and set(figures["styles"]) == set(STYLES)
    sheet.contact_sheet(found, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 20_000


def _check_song(path: Path, style: str) -> None:
    with safe_open(path, "numpy") as stored:
        about = json.loads(stored.metadata()["song"])
        audio, mix = stored.get_tensor("audio"), stored.get_tensor("mix")
        onsets, present = stored.get_tensor("onsets_ms"), stored.get_tensor("presence")
        bars = stored.get_tensor("bar_index")
    assert about["style"] == style
    assert len(about["captions"]) == 6 and all(about["captions"])
    assert len(audio) == about["frames"]
    assert mix.shape[0] == 1 + len(audio) // 512 == len(present)
    assert bars.max() in (about["bars"] - 1, about["bars"])
    assert np.abs(audio).max() < 32767 * 0.9
    assert len(onsets) > 40 and present[:, 0].mean() > 0.2
