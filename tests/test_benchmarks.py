"""The measuring tools, held against sums by hand and run on the fake engine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks import first_piece, latency
from bridge import serve
from bridge.client import Engine
from bridge.commands import measure
from bridge.commands.player import collect_from
from engine.errors import AttaccaError, BadRequest
from engine.fake import FakeRenderer
from engine.resident import Resident
from engine.types import Report

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def slow_fake() -> Resident:
    """A warm engine that takes 20 ms a bar."""
    resident = Resident(FakeRenderer(seconds_per_bar=0.02))
    resident.start()
    return resident


def test_quantiles_are_those_of_a_sorted_list() -> None:
    """Oracle: 101 values 0..100 in any order, so that the q-quantile is 100 q."""
    assert measure.figures([float((37 * k) % 101) for k in range(101)]) == (101, 50.0, 95.0, 99.0)


def test_a_case_is_measured_as_its_renderer_works(slow_fake: Resident) -> None:
    def ask(request: measure.Request) -> Report:
        return collect_from(slow_fake, request).report

    result = measure.measure(ask, measure.Case(bars=4, steps=4), repeats=3)
    slow_fake.close()
    assert result["audio_seconds"] == 8.0
    assert 0.08 <= result["compute_seconds"]["p50"] < 0.5
    assert 0.02 <= result["first_bar_seconds"]["p50"] < result["compute_seconds"]["p50"]
    assert result["real_time_factor"]["p50"] == pytest.approx(result["compute_seconds"]["p50"] / 8)
    assert result["times_real_time"]["p95"] == pytest.approx(8 / result["compute_seconds"]["p95"])


def test_a_refusal_is_raised_with_its_code(slow_fake: Resident) -> None:
    request = measure.request(measure.Case(1, 4), 1)
    bad = measure.Request(id="x", kind="generate", bars=1, tempo="5")
    with pytest.raises(AttaccaError) as refused:
        collect_from(slow_fake, bad)
    assert refused.value.code == BadRequest.code
    assert collect_from(slow_fake, request).report.frames == 96_000
    slow_fake.close()


def test_facts_name_commit_device_and_versions() -> None:
    facts = measure.facts("x")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    assert facts["commit"] is None if not head else head.startswith(str(facts["commit"]).rstrip("+"))
    assert facts["versions"]["torch"].startswith("2.13.0") and facts["device"]
    json.dumps(facts, allow_nan=False)


def test_results_are_appended_one_line_a_run(tmp_path: Path) -> None:
    for run in range(2):
        measure.append(tmp_path / "r.jsonl", {"run": run})
    assert [json.loads(line)["run"] for line in (tmp_path / "r.jsonl").read_text().splitlines()] == [0, 1]


def test_the_floor_is_a_plausible_speed() -> None:
    assert 0.1 < measure.gemm_gflops(256, 0.05) < 1e5


def test_latencies_are_what_a_client_sees() -> None:
    """A fake at 10 ms a bar, served in a thread of this process."""
    options = serve.Options(fake=True, zmq="tcp://127.0.0.1:0", osc="off", fake_seconds_per_bar=0.01)
    seconds: dict[str, Any] = {}
    with serve.serving(options) as server, Engine(server.ready()["zmq"]) as engine:
        latency.warm(engine, 2, os.getpid(), seconds)
        latency.warm(engine, 2, os.getpid(), seconds, ", busy")
    names = {"ping", "one bar", "into a cache", "first bar", "cancel"}
    assert set(seconds) == names | {f"{name}, busy" for name in names}
    assert all(0 < row["min"] <= row["p50"] <= row["p99"] < 10 and row["n"] == 2 for row in seconds.values())
    assert min(seconds[name]["min"] for name in ("one bar", "into a cache", "first bar")) >= 0.01


def test_memory_is_read_over_requests() -> None:
    options = serve.Options(fake=True, zmq="tcp://127.0.0.1:0", osc="off", fake_seconds_per_bar=0.001)
    found: dict[str, Any] = {}
    with serve.serving(options) as server, Engine(server.ready()["zmq"]) as engine:
        latency.memory(engine, os.getpid(), 20, found)
    assert [count for count, _ in found["memory"]["mb"]] == list(range(0, 21, 2))
    assert found["memory"]["peak_mb"] >= max(mb for _, mb in found["memory"]["mb"]) - 0.1


def test_growth_is_the_slope_after_the_first_tenth() -> None:
    """100 MiB come at once, then 2 in each 100 requests."""
    rows = [[0, 300.0], *([100 * k, 400.0 + 2 * k] for k in range(1, 11))]
    assert latency.slope(rows) == {"mb_in_1000": pytest.approx(20.0)}
    assert latency.slope(rows[:2]) == {}


@pytest.mark.parametrize("known", [True, False])
def test_first_pieces_come_before_their_bar(slow_fake: Resident, known: bool) -> None:
    """A fake takes 20 ms a bar and then has all of its pieces."""
    found = first_piece.case(slow_fake, 2, known, 4, 100)
    slow_fake.close()
    assert found["case"] == f"{'known' if known else 'new'} context, 2 steps" and found["bar_seconds"]["n"] == 4
    for name in first_piece.QUANTILES:
        assert 0.02 <= found["first_piece_seconds"][name] <= found["bar_seconds"][name] < 5
    assert len(first_piece.row(found)) == len(first_piece.HEADINGS)


def test_contexts_that_are_new_are_all_different() -> None:
    audio, rate = first_piece.contexts()
    assert len(audio) > 300 and all(one.shape == (4 * rate, 2) for one in audio)
    assert len({one[:2000].tobytes() for one in audio}) == len(audio)


def test_a_process_that_sleeps_is_idle() -> None:
    sleeper = subprocess.Popen(["sleep", "20"])
    try:
        assert latency.idle_share(sleeper.pid, 0.2) < 0.2
    finally:
        sleeper.kill()
        sleeper.wait()
