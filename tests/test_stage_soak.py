"""Seconds of each long measurement, on the fake engine: real processes, sockets, shared memory and signals.

What they measure on a busy machine is not judged here, only what holds at any speed.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks import control_latency, jump, kill, soak, stage
from bridge.commands import measure

SLOW = ["--fake", "--fake-seconds-per-bar", "0.1"]
FAST = ["--fake", "--fake-seconds-per-bar", "0.02"]


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    if shutil.which("g++") is None:
        pytest.skip("the block host needs: apt-get install g++")
    stage.build_host()


def own_share(row: dict[str, Any]) -> float:
    """The share of played frames that equal the cache afterwards: what a busy machine wrote too late differs."""
    return 1 - row["own_cache"]["different"] / row["own_cache"]["compared"]


def test_ten_seconds_of_blocks_miss_no_frame() -> None:
    """A change a bar, a second client that asks for bars all the time, two bars ahead."""
    found, (played,) = soak.run(SLOW, 10 / 60, keep_audio=True)
    (row,) = found["instances"]
    assert row["blocks"] >= 3_600
    assert row["missed_frames"] == 0
    assert row["played_frames"] == row["blocks"] * 128
    assert row["off_grid_blocks"] == 0
    assert row["own_cache"]["compared"] > 300_000
    assert own_share(row) > 0.95
    assert found["changes"] == 5 and len(played.events("set")) >= 2 + 4
    assert found["live_renders"] >= 4 and found["background_renders"] >= 5
    assert row["player"]["n"] == row["blocks"]
    assert abs(row["control"]["n"] - row["blocks"]) < 100


def test_two_instances_share_an_engine_and_hear_only_themselves() -> None:
    """The fake's tone comes from prompt and seed: each plays its own cache's samples, and those differ."""
    found, (one, other) = soak.run(FAST, 6 / 60, instances=2, background=False, keep_audio=True)
    assert found["asked_for"]["no_frame_missed"] and found["asked_for"]["instances_differ"]
    assert min(own_share(row) for row in found["instances"]) > 0.95
    assert one.start["path"] != other.start["path"]
    assert found["instances"][1]["same_as_first"] < 0.1


def test_killed_engines_leave_bars_that_play_on() -> None:
    found = kill.run(FAST, 2, tempo=240)
    assert found["count"] == 2
    assert all(so for asked, so in found["asked_for"].items() if asked != "back_within_2_bars"), found["turns"]
    assert all(0 < turn["back_bars"] < 8 for turn in found["turns"])


def test_a_jump_is_covered_and_a_visited_bar_is_there_at_once() -> None:
    found = jump.run(FAST, 2, tempo=240)
    assert found["asked_for"]["visited_bars_at_once"], found
    assert all(turn["cached_s"] < 1 and turn["heard_s"] < 1.5 for turn in found["turns"]), found
    assert all(turn["cached_s"] <= turn["heard_s"] for turn in found["turns"])


def test_a_note_is_traced_to_its_first_sample() -> None:
    cases = (control_latency.CASES[1], control_latency.CASES[4])
    found = control_latency.run(FAST, 3, (1,), 240, cases)
    assert [row["case"] for row in found["cases"]] == ["1 beat", "echo"]
    for row in found["cases"]:
        assert 0 < row["control_s"]["p50"] <= row["own_s"]["p50"] + 0.001 < 5, row
        assert row["landed"] > 0 and row["confirmed"] == 1, row
        assert 0 < row["answer_beats"]["p50"] < 12
    assert found["own_s"]["1"]["n"] == 6


def test_a_measurement_is_one_line_of_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "facts", lambda bundle: {"bundle": bundle})
    results = tmp_path / "r.jsonl"
    words = ["--fake", "--minutes", "0.05", "--no-background", "--json", "--results", str(results)]
    ran = CliRunner().invoke(soak.main, words)
    line = json.loads(ran.stdout)
    assert json.loads(results.read_text()) == line
    assert (line["benchmark"], line["bundle"]) == ("soak", "fake")
    assert ran.exit_code == (0 if all(line["asked_for"].values()) else 1)
