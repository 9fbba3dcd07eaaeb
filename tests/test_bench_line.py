"""What all benchmarks share: the line, its figures, the clean stop, what the system says, and the floors."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

from benchmarks import floor, line, machine
from benchmarks.breakdown import Clock
from bridge.commands.bundles import bundle_path
from engine.errors import Unavailable
from tests.waiting import wait

FLOOR = {"threads": 1, "gemm_g_per_s": {"float32": 100.0, "int8": 400.0}, "memory_gb_per_s": 10.0}


@pytest.fixture(autouse=True)
def quick_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floor, "machine", lambda seconds=0.4: FLOOR)


def called(words: list[str], body: Any, with_fake: bool = True) -> Result:
    """A benchmark with this body, called with these words."""

    @click.command()
    @line.options(with_fake)
    def main(**shared: Any) -> None:
        line.run("toy", line.told(**shared), body, lambda found: click.echo(f"saw {found.get('got')}"))

    return CliRunner().invoke(main, words)


def measure(found: dict[str, Any]) -> None:
    assert found["floor"] == FLOOR
    found["got"] = 7


def stop_half_way(found: dict[str, Any]) -> None:
    found["got"] = 1
    raise KeyboardInterrupt


def fail(found: dict[str, Any]) -> None:
    raise Unavailable("there is no engine: start one")


def test_a_run_appends_one_whole_line(tmp_path: Path) -> None:
    results = tmp_path / "r.jsonl"
    done = called(["--results", str(results)], measure)
    assert done.exit_code == 0 and "saw 7" in done.output and "floor: float32 100 GFLOP/s" in done.output
    (found,) = [json.loads(text) for text in results.read_text().splitlines()]
    assert (found["benchmark"], found["got"], found["floor"]) == ("toy", 7, FLOOR)
    assert found["bundle"] == bundle_path().name
    assert {"wall_s", "cpu_s", "steal_s", "load_before", "load_after"} == set(found["usage"])
    assert {"commit", "device", "versions", "when", "command"} <= set(found)


def test_json_is_the_line_alone_and_a_trial_appends_nothing(tmp_path: Path) -> None:
    results = tmp_path / "r.jsonl"
    done = called(["--json", "--no-append", "--results", str(results)], measure)
    assert json.loads(done.output)["got"] == 7 and not results.exists()


def test_ctrl_c_shows_what_there_is_and_appends_nothing(tmp_path: Path) -> None:
    results = tmp_path / "r.jsonl"
    done = called(["--results", str(results)], stop_half_way)
    assert done.exit_code == 130 and "saw 1" in done.output and "stopped" in done.output and not results.exists()
    told = called(["--json", "--results", str(results)], stop_half_way)
    assert json.loads(told.output.splitlines()[0])["stopped"] is True and told.exit_code == 130


def test_a_mistake_is_one_sentence(tmp_path: Path) -> None:
    done = called(["--results", str(tmp_path / "r.jsonl")], fail)
    assert done.exit_code == 2 and done.output.splitlines()[-1] == "there is no engine: start one"
    lost = called(["--bundle", str(tmp_path / "none"), "--no-append"], measure)
    assert lost.exit_code == 2 and "There is no bundle" in lost.output


def test_the_fakes_line_goes_only_where_it_is_sent(tmp_path: Path) -> None:
    said = {"bundle": None, "as_json": False, "no_append": False, "fake": True}
    assert line.told(results=None, **said).results is None
    assert line.told(results=tmp_path / "r", **said).results == tmp_path / "r"
    assert line.told(results=None, **{**said, "fake": False}).results == line.RESULTS
    assert line.told(results=None, **said).engine_options == ["--fake"]


def test_the_environment_names_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTACCA_RESULTS", str(tmp_path / "mine.jsonl"))
    assert called([], measure).exit_code == 0 and (tmp_path / "mine.jsonl").exists()


def test_figures_are_quantiles_and_the_least() -> None:
    """Oracle: 101 values 0..100 in any order, so that the q-quantile is 100 q."""
    found = line.figures([float((37 * k) % 101) for k in range(101)])
    assert found == {"n": 101, "min": 0.0, "p50": 50.0, "p95": 95.0, "p99": 99.0}
    assert line.tidy(0.00012345678) == 0.00012346 and line.ms(found)[1] == "50000.0"


def test_help_keeps_tables_as_they_stand() -> None:
    doc = "Speaks.\n\n    python -m x\n\n    a   one\n    b   two\n\nMore words."
    text = line.help_text(doc)
    assert text.split("\n\n")[0] == "Speaks." and text.count("\b\n") == 2 and text.endswith("More words.")


def test_the_command_leaves_out_paths_and_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["x", "--full", "--results", "/tmp/a", "--bundle", "b", "--json", "--repeats", "3"])
    assert line.command().endswith(" --full --repeats 3") and line.command().startswith("python -m ")


def test_processor_time_and_memory_are_those_of_the_process() -> None:
    before_s, began_s = machine.process_cpu_s(os.getpid()), time.process_time()
    while time.process_time() - began_s < 0.2:
        sum(range(1000))
    spent = machine.process_cpu_s(os.getpid()) - before_s
    assert 0.1 < spent < 5
    assert 10 < machine.memory_mb() <= machine.memory_mb("self", "VmHWM") < 1e5
    kept = np.ones(30 << 20, np.uint8)
    assert machine.memory_mb("self", "VmHWM") > 30 and kept.all()
    with pytest.raises(ValueError, match="VmNothing"):
        machine.memory_mb("self", "VmNothing")


def test_usage_counts_from_where_it_was_made() -> None:
    usage = machine.Usage()
    time.sleep(0.05)
    found = usage.figures()
    assert 0.04 <= found["wall_s"] < 60 and 0 <= found["cpu_s"] <= 60 and found["steal_s"] >= 0


def test_a_busy_core_is_busy_until_the_block_ends() -> None:
    core = min(os.sched_getaffinity(0))
    with machine.busy_core(core) as chosen:
        (pid,) = (int(path.name) for path in Path("/proc").glob("[0-9]*") if _spins(path))
        assert chosen == core and os.sched_getaffinity(pid) == {core}
        wait(lambda: machine.process_cpu_s(pid) > 0, "it to get the core")
    assert not (Path("/proc") / str(pid)).exists()


def _spins(process: Path) -> bool:
    """Whether it is a child of ours that runs the spinning line."""
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
        parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return False
    return machine.SPIN.encode() in words and parent == os.getpid()


def test_the_best_rate_is_that_of_the_shortest_call() -> None:
    waits = iter([0.05, 0.01, 0.03, 0.05, 0.05])
    rate = floor.best_rate(lambda: time.sleep(next(waits)), 1.0, 0.0)
    assert 5 < rate <= 100


def test_work_is_counted_by_hand() -> None:
    """Linear 3 -> 5 over 7 rows: 2 * 7 * 3 * 5. Convolution 2 -> 4, kernel 3, over 10 frames: 2 * 10 * 4 * 2 * 3."""
    layer, conv = nn.Linear(3, 5), nn.Conv1d(2, 4, 3, padding=1)
    both = nn.ModuleList([layer, conv])
    work = floor.work_of(both, lambda: (layer(torch.zeros(7, 3)), conv(torch.zeros(1, 2, 10))))
    assert work.operations == 2 * 7 * 3 * 5 + 2 * 10 * 4 * 2 * 3
    assert work.weight_bytes == 4 * (15 + 5 + 24 + 4)
    assert not layer._forward_hooks


def test_a_floor_is_arithmetic_or_memory_whichever_is_longer() -> None:
    arithmetic, memory = floor.Work(1e11, 4.0), floor.Work(1.0, 1e10)
    assert arithmetic.floor_s(FLOOR, "float32") == pytest.approx(1.0)
    assert arithmetic.times(3).floor_s(FLOOR, "int8") == pytest.approx(0.75)
    assert memory.floor_s(FLOOR, "float32") == pytest.approx(1.0)
    assert memory.floor_s(FLOOR, "int8") == pytest.approx(0.25)
    assert (arithmetic + memory).operations == 1e11 + 1


def test_the_machines_floor_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(floor, "SIZE", 128)
    monkeypatch.setattr(floor, "COPY_BYTES", 8 << 20)
    found = floor.machine(0.01)
    assert found["gemm_g_per_s"]["float32"] > 0.1 and found["memory_gb_per_s"] > 0.01
    assert "float32" in floor.sentence(found) and "GB/s" in floor.sentence(found)


def test_a_stage_stands_still_while_one_inside_it_runs() -> None:
    clock = Clock()
    inner = clock.wrap("inner", lambda: time.sleep(0.05))

    def work() -> None:
        time.sleep(0.02)
        inner()

    begin = time.perf_counter()
    clock.wrap("outer", work)()
    whole_s, spent = time.perf_counter() - begin, clock.take()
    assert spent["inner"] >= 0.05 and spent["outer"] >= 0.02 and spent["inner"] + spent["outer"] <= whole_s
    assert clock.take() == {}


def test_what_yields_is_timed_between_its_values_alone() -> None:
    clock = Clock()

    def values() -> Any:
        for value in range(3):
            time.sleep(0.01)
            yield value

    begin, got = time.perf_counter(), []
    for value in clock.wrap("makes", values)():
        time.sleep(0.03)
        got.append(value)
    whole_s = time.perf_counter() - begin
    assert got == [0, 1, 2] and 0.03 <= clock.take()["makes"] <= whole_s - 0.09
