"""The benchmarks themselves, on the fake engine: real sockets, real shared memory, real JACK."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from benchmarks import bridge, deadlines, growth, jack_graph, rtf, runtimes, stage
from bridge import serve
from bridge.client import Engine
from engine import bundle
from engine.errors import Unavailable
from engine.fake import FakeRenderer
from engine.resident import Resident
from tests.jack_server import jack_or_skip
from tests.waiting import wait

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def engine() -> Iterator[tuple[Engine, dict[str, Any]]]:
    """A fake at 10 ms a bar, served in a thread of this process, and what it said."""
    options = serve.Options(fake=True, zmq="tcp://127.0.0.1:0", osc="127.0.0.1:0", fake_seconds_per_bar=0.01)
    with serve.serving(options) as server, Engine(server.ready()["zmq"]) as client:
        yield client, server.ready()


@pytest.fixture
def pair() -> Iterator[dict[str, Resident]]:
    """Two runtimes, one twice as fast as the other."""
    warm = {name: Resident(FakeRenderer(seconds_per_bar=cost)) for name, cost in (("slow", 0.02), ("fast", 0.01))}
    for resident in warm.values():
        resident.start()
    yield warm
    for resident in warm.values():
        resident.close()


def test_runtimes_take_turns_and_each_case_has_its_repeats(pair: dict[str, Resident]) -> None:
    cases = (rtf.HEAD[0], rtf.Case("continuing", 6, 4), rtf.Case("plain", 2, 1))
    rows: rtf.Rows = defaultdict(list)
    rtf.measure_all(pair, cases, 3, 1, rows)
    counts = {(name, case): len(heard) for (name, case), heard in rows.items()}
    assert counts == {(name, case): 3 if case in rtf.HEAD else 1 for name in pair for case in cases}
    slow, fast = (rtf.row(name, cases[0], rows[name, cases[0]]) for name in ("slow", "fast"))
    assert slow["audio_s"] == 12.0 and slow["compute_s"]["min"] >= 0.12 > 0.06 <= fast["compute_s"]["min"]
    assert slow["rtf"]["p50"] == pytest.approx(slow["compute_s"]["p50"] / 12, rel=1e-3)
    assert slow["times_real_time"]["p50"] == pytest.approx(12 / slow["compute_s"]["p50"], rel=1e-3)
    follows = rtf.row("fast", cases[1], rows["fast", cases[1]])
    assert (follows["window_s"], follows["audio_s"], follows["bars"]) == (12, 8.0, 4)
    json.dumps([slow, fast, follows], allow_nan=False)
    assert len(rtf.cells(slow)) == len(rtf.HEADINGS)


def test_requests_are_what_their_kinds_say() -> None:
    requests = runtimes.Requests()
    plain, nothing = requests.make("plain", 6, 4, 1)
    told, _ = requests.make("controlled", 6, 4, 1)
    after, audio = requests.make("continuing", 6, 4, 1)
    again, other = requests.make("continuing", 6, 4, 1)
    assert nothing is None and (plain.bars, told.bars, after.bars) == (6, 6, 4)
    assert told.key == "A minor" and told.chords and len(told.melody or ()) == 24 and told.intensity is not None
    assert audio is not None and other is not None and after.inline is not None and again.inline is not None
    assert after.inline.frames == 4 * after.inline.rate == len(audio) and not (audio == other).all()
    assert len({plain.id, told.id, after.id, again.id}) == 4


def test_the_full_set_has_all_lengths_at_all_steps() -> None:
    """2, 6, 12 and 30 s, and 1, 2, 4 and 8 bars of 2 s, each at 1, 2, 4 and 8 steps."""
    plain = {(case.audio_s, case.steps) for case in rtf.FULL if case.kind == "plain"}
    wanted = {(s, n) for s in (2, 6, 12, 30, 4, 8, 16) for n in (1, 2, 4, 8)}
    assert plain == wanted and set(rtf.QUICK) <= set(rtf.FULL) and len(set(rtf.FULL)) == len(rtf.FULL)


def test_stages_of_a_renderer_without_any_are_all_rest(pair: dict[str, Resident]) -> None:
    found = rtf.stages({"fast": pair["fast"]}, 2)
    assert [(row["kind"], row["window_s"], row["steps"]) for row in found] == [
        ("plain", 12, 4), ("plain", 12, 1), ("continuing", 6, 4)
    ]  # fmt: skip
    assert all(row["stages_s"]["rest"] > 0.005 for row in found)


def test_quality_is_read_from_the_model_card(tmp_path: Path) -> None:
    head = "| student, 4 steps: distance | 1.1 [1.0, 1.2] | - | 0 to 1.2 | yes |"
    card = f"{head}\n| student, 2 steps: x | 1 | - | 2 | no |\n| a |\n"
    assert rtf.quality(tmp_path) == []
    (tmp_path / "MODEL_CARD.md").write_text(card)
    assert rtf.quality(tmp_path) == [["student, 4 steps: distance", "1.1 [1.0, 1.2]", "0 to 1.2", "yes"]]
    assert len(rtf.quality(bundle.DEFAULT)) == 6, "the shipped card says it in the same way"


def test_both_codecs_say_the_same() -> None:
    rows: dict[str, Any] = {}
    bridge.in_turn(bridge.codecs(), 20, rows)
    assert set(rows) == {f"codec, {m}, {w}" for m in ("ping", "generate") for w in ("ours", "python-osc")}
    assert all(0 < row["min"] <= row["p50"] < 10 and row["n"] == 20 for row in rows.values())
    address, tags, values = bridge.MESSAGES["generate"]
    from pythonosc.osc_message import OscMessage

    assert OscMessage(bridge.osc_codec.encode(address, tags, values)).params == list(values)


def test_pings_go_round_all_three_servers(engine: tuple[Engine, dict[str, Any]]) -> None:
    rows: dict[str, Any] = {}
    with bridge.pings(int(engine[1]["osc"].rpartition(":")[2])) as actions:
        bridge.in_turn(actions, 5, rows, ", rendering")
    assert set(rows) == {f"OSC, {who}, rendering" for who in ("our codec", "python-osc", "the engine")}
    assert all(0 < row["p99"] < 60 for row in rows.values())


def test_audio_arrives_by_every_way() -> None:
    rows: dict[str, Any] = {}
    with bridge.audio_ways() as ways:
        bridge.in_turn(ways, 2, rows)
    assert {name.partition(",")[0] for name in rows} == {"ZeroMQ ipc", "ZeroMQ tcp", "cache", "one copy"}
    assert all(row["n"] == 2 and row["min"] > 0 for row in rows.values())


def test_every_client_is_accounted_for(engine: tuple[Engine, dict[str, Any]]) -> None:
    client, ready = engine
    found = growth.clients_row(client.endpoint, ready["pid"], 3, 2)
    assert found["accounted"] and found["ends"] == {"done": 6} and found["seconds"]["n"] == 6
    assert found["seconds"]["min"] >= 0.01 and found["bars_a_second"] < 101
    bars = growth.bars_row(client, ready["pid"], 4, 2)
    assert (bars["audio_s"], bars["compute_s"]["n"]) == (8.0, 2) and bars["peak_mb"] >= bars["memory_mb"] - 1
    forgotten = growth.bars_row(client, ready["pid"], 1, 1)
    assert forgotten["peak_mb"] <= bars["peak_mb"] + 200


def test_a_bars_look_ahead_covers_its_latest_piece(engine: tuple[Engine, dict[str, Any]]) -> None:
    """A fake gives all pieces of a bar after 10 ms: the first one decides, and a block is added."""
    row = deadlines.look_ahead_row(engine[0], "idle", 3)
    assert row["bars"] == 3 == row["needed_s"]["n"]
    assert 0.01 + 128 / 48_000 <= row["needed_s"]["min"] <= row["safe_s"] < 60
    assert row["safe_s"] <= row["bar_s"]["p99"] * 1.5 + 0.01


def test_a_jack_graph_rolls_and_counts_xruns() -> None:
    jack_or_skip()
    with stage.cache_dir() as folder:
        try:
            graph = jack_graph.graph(1024, 1)
            running = graph.__enter__()
        except Unavailable as error:
            pytest.skip(str(error))
        try:
            wait(lambda: list(folder.iterdir()), "the plugin's cache")
            assert [path.name.startswith("attacca-") for path in folder.iterdir()] == [True]
            row = deadlines._xruns(running, 0.2)
            assert row["xruns"] >= 0 and 0 <= row["dsp_load_percent"] <= 100 and running.server_alive
        finally:
            graph.__exit__(None, None, None)
    assert not running.server_alive


@pytest.mark.timeout(200)
def test_a_whole_benchmark_runs_from_its_command(tmp_path: Path) -> None:
    results = tmp_path / "r.jsonl"
    words = [
        "--fake",
        "--most-bars",
        "4",
        "--most-clients",
        "2",
        "--requests",
        "1",
        "--results",
        str(results),
        "--json",
    ]
    done = CliRunner().invoke(growth.main, words)
    assert done.exit_code == 0, done.output
    (found,) = [json.loads(text) for text in results.read_text().splitlines()]
    assert json.loads(done.output) == found and found["bundle"] == "fake"
    assert [row["bars"] for row in found["bars"]] == [1, 4] and [row["clients"] for row in found["clients"]] == [1, 2]


@pytest.mark.timeout(200)
def test_ctrl_c_ends_a_benchmark_and_its_engine(tmp_path: Path) -> None:
    """As from a terminal, for the benchmark alone; its engine is ended by it."""
    command = [sys.executable, "-m", "benchmarks.growth", "--fake", "--requests", "1000", "--most-bars", "1"]
    results = tmp_path / "r.jsonl"
    process = subprocess.Popen(
        [*command, "--results", str(results)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("floor:")
        engines = wait(psutil.Process(process.pid).children, "its engine to start", pause_s=0.2)
        process.send_signal(signal.SIGINT)
        said = process.stdout.read()
        assert process.wait(60) == 130, said
    finally:
        process.kill()
        process.communicate()
    assert "stopped" in said and not results.exists()
    assert engines and not any(one.is_running() for one in engines)


@pytest.mark.parametrize("name", ["rtf", "latency", "bridge", "deadlines", "peers", "growth", "report", "floor"])
def test_help_shows_the_call_and_the_options(name: str) -> None:
    module = __import__(f"benchmarks.{name}", fromlist=["main"])
    said = CliRunner().invoke(module.main, ["--help"])
    assert said.exit_code == 0 and f"python -m benchmarks.{name}" in said.output and "--" in said.output
    assert "\b" not in said.output
