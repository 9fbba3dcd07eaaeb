"""The page from lines: what counts, what is reached, and the same lines giving the same files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks import line, pages, report, targets

Q = ("min", "p50", "p95", "p99")


def spread(value: float, n: int = 5) -> dict[str, float]:
    """Figures whose p50 is the value, p95 1.2 times it, p99 1.5 times."""
    return {"n": n, **dict(zip(Q, (0.9 * value, value, 1.2 * value, 1.5 * value), strict=True))}


def whole(benchmark: str, commit: str = "aaaa", **fields: Any) -> dict[str, Any]:
    """A line as `benchmarks.line.run` makes it."""
    usage = {"wall_s": 9.0, "cpu_s": 8.0, "steal_s": 0.1, "load_before": 0.2, "load_after": 1.9}
    at_most = {"threads": 2, "gemm_g_per_s": {"float32": 200.0, "int8": 800.0}, "memory_gb_per_s": 20.0}
    return {
        "benchmark": benchmark, "when": "2026-01-02T03:04:05Z", "commit": commit, "bundle": "b1", "device": "CPU",
        "cores": 2, "load": [0.2, 0.1, 0.1], "command": f"python -m benchmarks.{benchmark}", "floor": at_most,
        "usage": usage, **fields,
    }  # fmt: skip


def case(runtime: str, kind: str, window_s: int, steps: int, seconds: float) -> dict[str, Any]:
    new_s = window_s - 4 if kind == "continuing" else window_s
    compute = spread(seconds)
    return {
        "runtime": runtime, "kind": kind, "bars": new_s // 2, "steps": steps, "window_s": window_s,
        "audio_s": float(new_s), "compute_s": compute, "context_s": spread(0.01), "net_s": spread(seconds - 0.01),
        "first_bar_s": spread(seconds / 2), "rtf": {q: compute[q] / new_s for q in Q},
        "times_real_time": {q: new_s / compute[q] for q in Q}, "cpu_s": seconds, "threads": 2,
    }  # fmt: skip


def rtf(commit: str = "aaaa", fast: float = 0.1, lengths: tuple[int, ...] = (2, 8, 12)) -> dict[str, Any]:
    cases = [case("onnx-int8", "plain", seconds, 4, fast * seconds / 12) for seconds in lengths]
    cases += [
        case("onnx-int8", "plain", 12, 1, fast / 2), case("onnx-int8", "controlled", 12, 4, fast),
        case("onnx-int8", "continuing", 12, 4, fast), case("torch-eager", "plain", 12, 4, 0.4),
    ]  # fmt: skip
    taken = {"sample": 0.06, "vocoder": 0.03, "rest": 0.01}
    stages = [
        {"runtime": "onnx-int8", "kind": kind, "steps": steps, "window_s": window_s, "stages_s": taken}
        for kind, window_s, steps in (("plain", 12, 4), ("plain", 12, 1), ("continuing", 6, 4))
    ]
    work = {"denoiser_gflop_a_step": 3.0, "codec_and_vocoder_gflop": 12.0, "floor_s": {"4 steps, int8": 0.03}}
    return whole(
        "rtf", commit, cases=cases, stages=stages, work=work, left_out={"onnx": "not here"},
        quality=[["student, 4 steps: distance", "1.1", "1.2", "yes"]], pick={"runtime": "onnx-int8", "said": ["fast"]},
    )  # fmt: skip


def latency(**changes: Any) -> dict[str, Any]:
    seconds = {
        "ready": spread(2.0), "started": spread(2.1), "first": spread(0.05), "ping": spread(0.0003),
        "one bar": spread(0.04), "into a cache": spread(0.038), "into a cache, busy": spread(0.06),
        "one bar, busy": spread(0.06),
    }  # fmt: skip
    memory = {"requests": 1000, "mb": [[0, 400.0], [500, 401.0], [1000, 402.0]], "peak_mb": 410.0, "mb_in_1000": 2.0}
    return whole("latency", **{"seconds": seconds, "idle_core_share": 0.002, "memory": memory, **changes})


def bridge(ours: float = 40e-6) -> dict[str, Any]:
    seconds = {
        "codec, ping, ours": spread(10e-6), "codec, generate, ours": spread(19e-6),
        "codec, ping, python-osc": spread(40e-6), "OSC, our codec": spread(ours), "OSC, python-osc": spread(90e-6),
        "OSC, the engine, rendering": spread(0.5e-3),
    }  # fmt: skip
    return whole("bridge", seconds=seconds, renders=10, engine_cores=1.4)


def others() -> list[dict[str, Any]]:
    late = {"n": 900, "p50_ms": 0.1, "p95_ms": 0.2, "p99_ms": 0.3, "max_ms": 1.0, "over_half_a_block": 1}
    block = {"block": 64, "seconds": 15, "missed_frames": 0, "player": late, "control": late, "engine_cores": 1.2}
    look = [{"load": name, "bars": 30, "needed_s": spread(0.05), "safe_s": 0.08} for name in ("idle", "a busy core")]
    graph = [{"engine": on, "seconds": 10, "xruns": 0, "dsp_load_percent": 1.5, "renders": 9 * on} for on in (0, 1)]
    deadlines = whole(
        "deadlines", blocks=[block], look_ahead=look, graph=graph, left_out={},
        steady={"seconds": 15, "engine_cores": 0.2, "missed_frames": 0},
    )  # fmt: skip
    recipe = {"recipe": "ours, 4 steps", "seconds": spread(0.3), "sampling_s": spread(0.1), "random_weights": False,
              "rtf": spread(0.03), "times_real_time": spread(40.0), "sampling_gflop": 12.0}  # fmt: skip
    peers = whole("peers", audio_s=12.288, threads=2, parameters={"ours": 11_000_000},
                  recipes=[recipe, {**recipe, "recipe": "tokens", "random_weights": True}])  # fmt: skip
    bars = [{"bars": n, "audio_s": 2.0 * n, "compute_s": spread(0.1 * n), "first_bar_s": spread(0.1), "cpu_s": 0.2,
             "memory_mb": 400.0, "peak_mb": 420.0} for n in (1, 4)]  # fmt: skip
    clients = [{"clients": n, "requests": 6 * n, "ends": {"done": 6 * n}, "accounted": True, "seconds": spread(0.1 * n),
                "bars_a_second": 9.0, "memory_mb": 400.0} for n in (1, 2)]  # fmt: skip
    batch = [{"batch": n, "seconds": spread(0.1 * n), "seconds_each": 0.1, "memory_mb": 400.0} for n in (1, 2)]
    return [deadlines, peers, whole("growth", bars=bars, clients=clients, batch=batch)]


def everything() -> list[dict[str, Any]]:
    return [rtf(), latency(), bridge(), *others()]


def verdict(lines: list[dict[str, Any]], part: str) -> targets.Verdict:
    found = targets.verdicts({one["benchmark"]: one for one in lines})
    (row,) = [one for one in found if part in one.what]
    return row


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "results.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in everything()))
    return path


def test_a_target_is_reached_or_missed_by_its_factor() -> None:
    """12 s in 0.1 s is 120 times real time; in 0.2 s 60 times, which misses 100 by 1.67."""
    fast, slow = verdict([rtf()], "4 steps, decoding included"), verdict([rtf(fast=0.2)], "4 steps, decoding included")
    assert fast.reached == "yes" and fast.found.startswith("120.0 times (RTF 0.0083), onnx-int8, 2 threads")
    assert slow.reached == "no, by a factor of 1.67" and slow.limit.startswith("sample: 60 of 100 ms, then vocoder: 30")
    assert "arithmetic alone: 30 ms in int8 (400 times real time)" in slow.limit
    assert verdict([rtf(fast=0.4)], "torch eager").reached == "no, by a factor of 3.00"
    assert verdict([rtf()], "torch eager").found.startswith("4.00 times")


def test_each_target_reads_its_own_figures() -> None:
    lines = everything()
    assert verdict(lines, "one bar (2 s)").reached == "yes"  # p99 = 1.5 * 38 ms = 57
    assert verdict(lines, "one core kept busy").found == "1.89"  # 1.2 * 60 / 38
    assert verdict(lines, "continuing").reached == "yes" and "context 10 ms apart" in verdict(lines, "continuing").found
    assert verdict(lines, "controlled over").found == "1.00"
    assert verdict(lines, "process start").found == "2.00 s"
    assert verdict(lines, "resident memory").found == "peak 410 MiB, +2.0 MiB in 1000 (over 1000 requests)"
    assert verdict(lines, "OSC codec").found == "28.5 us"  # the slower message's p99
    assert verdict(lines, "socket to socket").reached == "yes"
    assert verdict([bridge(90.1e-6)], "socket to socket").reached.startswith("no")
    assert verdict(lines, "while it renders").found == "0.75 ms"


def test_memory_that_grows_is_not_flat() -> None:
    grown = {"requests": 1000, "mb": [[0, 400.0]], "peak_mb": 500.0, "mb_in_1000": 25.0}
    assert verdict([latency(memory=grown)], "resident memory").reached == "no, by a factor of 2.50"
    shrunk = {**grown, "mb_in_1000": -3.0}
    assert verdict([latency(memory=shrunk)], "resident memory").reached == "yes"


def test_what_no_line_speaks_of_is_unmeasured() -> None:
    found = targets.verdicts({})
    assert len(found) == len(targets.ALL) and {one.reached for one in found} == {"not measured"}
    assert verdict(everything(), "H200").reached == "not measured"
    gpu = whole("gpu", runs_on="H200", cases=[
        {"kind": kind, "steps": 4, "path": "graph", "seconds": spread(seconds)}
        for kind, seconds in (("controlled", 0.002), ("outpainting", 0.0025))
    ])  # fmt: skip
    assert verdict([gpu], "H200").found == "2.50 ms on H200" and verdict([gpu], "H200").reached == "yes"


def test_without_a_pick_the_fastest_counts() -> None:
    line_ = rtf()
    line_["pick"] = {"runtime": "none"}
    assert targets.pick_of(line_) == "onnx-int8"


def test_lines_that_do_not_count_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    bad = [
        {**rtf(), "bundle": "fake"},
        {**rtf(), "stopped": True},
        {"benchmark": "soak"},
        {"benchmark": "rtf", "cases": []},
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in [*bad, latency()]))
    assert [one["benchmark"] for one in report.read(path)] == ["latency"]


def test_the_newest_line_of_a_commit_and_a_benchmark_counts() -> None:
    lines = [rtf("aaaa", 0.5), rtf("bbbb", 0.3), rtf("aaaa", 0.2), latency()]
    kept = report.newest(lines)
    assert set(kept) == {("rtf", "aaaa"), ("rtf", "bbbb"), ("latency", "aaaa")}
    assert kept["rtf", "aaaa"] is lines[2] and report.latest(kept)["rtf"] is lines[2]
    assert "60.0 times" in pages.verdict_table(targets.verdicts(report.latest(kept)))
    past = report.history(kept)
    assert past.index("bbbb") < past.index("aaaa") and "p50 38, p99 57 ms" in past


def test_all_lengths_stay_on_the_page_when_a_quick_run_follows() -> None:
    full, quick = rtf("aaaa", 0.2, (2, 4, 6, 8, 12, 16, 30)), rtf("bbbb", 0.1)
    text = report.page([full, quick], "benchmarks")
    assert report.widest([full, quick]) is full and "### All lengths" in text and "| 30 s |" in text
    assert text.index("commit bbbb") < text.index("commit aaaa")


def test_the_same_lines_give_the_same_files(results: Path, tmp_path: Path) -> None:
    outs = [tmp_path / name / "benchmarks.md" for name in ("one", "two")]
    for out in outs:
        report.write(results, out)
    one, two = ({path.name: path.read_bytes() for path in sorted(out.parent.rglob("*.*"))} for out in outs)
    assert one == two
    assert {name for name in one if name.endswith(".png")} == {
        "rtf.png", "stages.png", "latency.png", "memory.png", "look_ahead.png", "peers.png", "growth.png"
    }  # fmt: skip
    assert all(len(data) < 60_000 for data in one.values())


def test_each_table_says_its_command_machine_and_commit(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "benchmarks.md"
    report.write(results, out)
    text = out.read_text()
    for name in ("rtf", "latency", "bridge", "deadlines", "peers", "growth"):
        assert f"`python -m benchmarks.{name}`, `b1`, CPU, 2 cores, commit aaaa, 2026-01-02" in text
    assert "Floor: float32 200 GFLOP/s, int8 800 GOP/s; memory 20 GB/s; 2 threads" in text
    assert text.count("![") == 7 and "(benchmarks/growth.png)" in text
    assert "student, 4 steps: distance" in text and "picks **onnx-int8** here. It says: fast." in text
    assert "onnx is left out: not here" in text


def test_the_command_writes_and_checks(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "docs" / "benchmarks.md"
    words = ["--results", str(results), "--out", str(out)]
    assert CliRunner().invoke(report.main, [*words, "--check"]).exit_code == 1
    assert CliRunner().invoke(report.main, words).exit_code == 0
    assert CliRunner().invoke(report.main, [*words, "--check"]).exit_code == 0
    with results.open("a") as file:
        file.write(json.dumps(bridge(10e-6)) + "\n")
    assert CliRunner().invoke(report.main, [*words, "--check"]).exit_code == 1


def test_an_empty_or_broken_file_is_said(tmp_path: Path) -> None:
    empty, out = tmp_path / "r.jsonl", tmp_path / "b.md"
    empty.write_text("")
    report.write(empty, out)
    assert "Nothing is measured yet" in out.read_text()
    empty.write_text("{")
    done = CliRunner().invoke(report.main, ["--results", str(empty), "--out", str(out)])
    assert done.exit_code == 2 and "cannot be read as lines of JSON" in done.output


def test_the_page_in_the_repository_is_what_its_lines_say() -> None:
    same = not report.PAGE.exists() or report.up_to_date(line.RESULTS, report.PAGE)
    assert same, "docs/benchmarks.md is older than its lines: python -m benchmarks.report"


def test_a_table_without_rows_is_nothing_and_bars_are_no_columns() -> None:
    assert pages.table(("a", "b"), []) == ""
    assert pages.table(("a", "b"), [["1|2", "3"]]) == "| a | b |\n| --- | --- |\n| 1/2 | 3 |\n"
