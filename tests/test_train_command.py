"""`attacca train` on a folder: what it refuses in a sentence, and what it says about sounds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from bridge.commands import study
from engine.errors import BadBundle, BadRequest
from tests.made_sounds import write


def train(*words):
    return CliRunner().invoke(study.train, list(map(str, words)), standalone_mode=False)


@pytest.mark.parametrize(
    ("words", "kind", "sentence"),
    [
        (["--adapt"], BadRequest, "--adapt needs --data DIR"),
        (["--scan"], BadRequest, "--scan needs --data DIR"),
        ([], BadRequest, "Give --budget-minutes M"),
        (["--data", "/nowhere/at/all", "--adapt"], BadRequest, "is not there"),
        (["--from", "/nowhere/at/all", "--budget-minutes", "5"], BadBundle, "There is no bundle"),
    ],
)
def test_mistakes_are_named_before_anything_is_loaded(words, kind, sentence):
    result = train(*words)
    assert isinstance(result.exception, kind)
    assert sentence in str(result.exception)


def test_a_scan_lists_what_is_left_out_as_json(tmp_path):
    sounds = tmp_path / "sounds"
    write(sounds / "silence.wav", np.zeros(100_000))
    (sounds / "noise.mp3").write_bytes(b"no sound")
    result = train("--data", sounds, "--scan", "--json", "--out", tmp_path / "out")
    assert result.exception is None
    said = json.loads(result.stdout)
    assert said["used"] == [] and said["waiting"] == 0 and said["songs"] == {"train": 0, "valid": 0, "test": 0}
    reasons = {one["file"]: one["reason"].split(":")[0] for one in said["left_out"]}
    assert reasons == {"silence.wav": "silent", "noise.mp3": "unreadable"}
    assert json.loads((tmp_path / "out" / "corpus" / "report.json").read_text())["left_out"] == said["left_out"]
