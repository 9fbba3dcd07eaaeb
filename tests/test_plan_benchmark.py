"""The plan benchmark's scores against hand-made sound, and one small run of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from benchmarks import plan as bench
from engine.models import planner as P
from engine.planning.bars import opened, transposed
from engine.types import MODEL_RATE_HZ, Note, Plan, PlanBar, PlanChord
from tests.plan_values import song
from tests.tiny_bundle import STYLES, TAGS, make_bundle

BAR = PlanBar(
    chords=(PlanChord(beat=0.0, name="Am"), PlanChord(beat=2.0, name="N.C.")),
    melody=(Note(pitch=71, beat=2.0, length=1.0),),
)


def test_what_is_wanted_is_the_sounding_chord_and_note() -> None:
    found = bench.wanted(BAR, np.array([0.0, 1.9, 2.5, 3.5]))
    assert [np.flatnonzero(column).tolist() for column in found.T] == [[0, 4, 9], [0, 4, 9], [11], []]


def test_accuracy_counts_frames_that_have_a_target() -> None:
    target = bench.wanted(BAR, np.array([0.5, 1.5, 3.5]))
    heard = np.zeros((12, 3))
    heard[9, 0] = heard[1, 1] = heard[5, 2] = 1.0
    assert bench.accuracy(heard, target) == 0.5
    assert np.isnan(bench.accuracy(heard[:, 2:], target[:, 2:]))


@pytest.mark.parametrize("shift", [1, -2, 6])
def test_a_transposed_chord_is_heard_as_such(shift: int) -> None:
    bar = PlanBar(chords=(PlanChord(beat=0.0, name="Am"),))
    at = np.arange(6 * MODEL_RATE_HZ) / MODEL_RATE_HZ
    keys = (57 + shift, 60 + shift, 64 + shift)
    tone = sum(np.sin(2 * np.pi * 440 * 2 ** ((key - 69) / 12) * at) for key in keys) * 0.1
    audio = np.stack([tone, tone], axis=1).astype(np.float32)
    heard, beats = bench.chroma(bench.Take(audio, [0, len(audio) // 3], None), 0)
    assert bench.accuracy(heard, bench.wanted(transposed(bar, shift), beats)) == 1.0
    assert bench.accuracy(heard, bench.wanted(bar, beats)) < 0.5


def test_other_bars_are_counted_and_the_edited_one_is_not() -> None:
    plan = song()
    assert bench.others_changed(plan, opened(plan, [bench.EDITED])) == 0
    assert bench.others_changed(plan, opened(plan, [0, bench.EDITED, 3])) == 2


def test_sound_elsewhere_leaves_the_edited_bar_out() -> None:
    rng = np.random.default_rng(0)
    lines = [k * 24_000 for k in range(5)]
    audio = rng.normal(0, 0.1, (lines[-1], 2)).astype(np.float32)
    other = audio.copy()
    other[lines[2] + 4_000 : lines[3] - 4_000] *= 0.1
    one, two = (bench.Take(sound, lines, None) for sound in (audio, other))
    assert bench.elsewhere_db(one, two) < 0.05
    other[: lines[1]] *= 0.1
    assert bench.elsewhere_db(one, two) > 5


def test_a_small_run_tells_a_table_and_a_line(tmp_path: Path) -> None:
    torch.manual_seed(0)
    P.save_planner(P.Planner(P.PlannerConfig(STYLES, TAGS, width=32, layers=1, heads=2)), tmp_path / "p.safetensors")
    folder, out = make_bundle(tmp_path / "b").folder, tmp_path / "line.jsonl"
    words = [
        "--plans",
        "1",
        "--bundle",
        str(folder),
        "--planner",
        str(tmp_path / "p.safetensors"),
        "--json-out",
        str(out),
    ]
    result = CliRunner().invoke(bench.main, list(map(str, words)))
    assert result.exit_code == 0, result.output
    said = json.loads(out.read_text())
    assert said["benchmark"] == "plan" and said["plans"] == 1 and json.loads(result.output.splitlines()[-2]) == said
    found: Plan | dict[str, object] = said["means"]
    assert isinstance(found, dict)
    assert (found["others_changed_by_the_edit"], found["others_changed_by_rewriting"]) == (0, 0)
    assert (found["edited_bar_changed"], found["midi_round_trip"], found["played_as_edited"]) == (1, 1, 1)
    assert said["rows"][0]["filled"]["elsewhere_db"] < 0.5 < said["rows"][0]["two_seeds_db"]
