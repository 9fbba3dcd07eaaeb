"""Blocks on time while the engine renders: block sizes, the shortest safe look-ahead, a JACK graph, cores in use.

    python -m benchmarks.deadlines [--minutes 0.25] [--look-ahead-bars 30] [--graph-seconds 10] [--bundle DIR | --fake]

    blocks      64 to 512 frames against the clock, a change a bar, a second client asking for bars without pause:
                frames missed, and late wake-ups beside those of a thread that does nothing, at equal priority
    look-ahead  one bar after another is asked for over ZeroMQ, 4 s of context, 4 steps, in pieces of 100 ms: how long
                before its first frame a bar must be asked for so that each piece is there when it is due, a block of
                128 frames included. The largest is safe for this run. Idle, with a busy core, with another client
    graph       extra late cycles (xruns) of jackd on its dummy driver with two plugins in jalv, its transport rolling:
                without an engine, and with one that serves them and a second client; in turns
    steady      cores that the engine uses for one plugin that plays on, nothing changed

*Threading*: processes of their own play; one thread here drives them. Each wait is bounded by the seconds asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import click

from benchmarks import jack_graph, line, listening, soak, stage
from benchmarks.latency import RATE_HZ, TEMPO, contexts
from benchmarks.line import Found, Told
from benchmarks.machine import busy_core, process_cpu_s
from benchmarks.soak import START_S, Background
from benchmarks.stage import BlockHost, Score
from bridge.client import Engine
from engine.errors import AttaccaError

BLOCKS = (64, 128, 256, 512)
LOADS = ("idle", "a busy core", "another client")
BLOCK = 128
PIECE_MS = 100


def block_row(options: list[str], block: int, seconds: float) -> Found:
    """One block size against a loaded engine."""
    score = Score(seconds + START_S, f"deadlines-{block}", block=block)
    with stage.cache_dir() as folder, stage.live_engine(*options) as engine:
        pid = engine.ready["pid"]
        with BlockHost(score, folder) as host, Background(engine.zmq) as pressing:
            begin_s, cpu_s = time.monotonic(), process_cpu_s(pid)
            changes, fewest = soak.roll([host], seconds)
            cores = (process_cpu_s(pid) - cpu_s) / (time.monotonic() - begin_s)
            found = soak.report(host.finish())
    kept = {name: found[name] for name in ("fifo", "missed_frames", "played_frames", "player", "control")}
    late, control = (found[who]["over_half_a_block"] for who in ("player", "control"))
    return {
        "block": block, "seconds": seconds, **kept, "changes": changes, "fewest_bars_ready": round(fewest, 2),
        "background_renders": pressing.renders, "engine_cores": line.tidy(cores),
        "late_no_more_than_control": listening.within_chance(late, control),
    }  # fmt: skip


def needed_s(engine: Engine, source: Any, seed: int) -> tuple[float, float]:
    """(how long before its first frame a bar must be asked for, how long until all of it was there)."""
    request, inline = engine.continue_request(source, 1, TEMPO, seed=seed, rate=RATE_HZ, piece_ms=PIECE_MS, priority=9)
    begin, needed, at = time.perf_counter(), 0.0, 0.0
    for piece in engine.stream(request, inline):
        if piece.first_frame >= 0:
            at = time.perf_counter() - begin
            needed = max(needed, at - piece.first_frame / RATE_HZ)
    return needed + BLOCK / RATE_HZ, at


@contextmanager
def loaded(how: str, endpoint: str) -> Iterator[None]:
    with busy_core() if how == "a busy core" else nullcontext():
        with Background(endpoint) if how == "another client" else nullcontext():
            yield


def look_ahead_row(engine: Engine, how: str, bars: int) -> Found:
    """So many bars under one load, a short pause before each."""
    sources, needed, whole = contexts(), [], []
    with loaded(how, engine.endpoint):
        for turn in range(-1, bars):
            time.sleep(0.02 + 0.01 * (turn % 7))
            first_s, bar_s = needed_s(engine, next(sources), turn + 2)
            if turn >= 0:
                needed.append(first_s)
                whole.append(bar_s)
    return {"load": how, "bars": bars, "needed_s": line.figures(needed), "safe_s": line.tidy(max(needed)),
            "bar_s": line.figures(whole)}  # fmt: skip


def steady_cores(options: list[str], seconds: float) -> Found:
    """Processor time over wall time of an engine whose one plugin plays on."""
    score = Score(seconds + START_S, "steady")
    with stage.cache_dir() as folder, stage.live_engine(*options) as engine, BlockHost(score, folder) as host:
        host.watcher.wait_ready(score.look_ahead, START_S / 2)
        host.say(f"@{host.next_block(0.2)} play")
        time.sleep(1.0)
        pid, begin_s, cpu_s = engine.ready["pid"], time.monotonic(), process_cpu_s(engine.ready["pid"])
        time.sleep(seconds)
        cores = (process_cpu_s(pid) - cpu_s) / (time.monotonic() - begin_s)
        missed = soak.report(host.finish())["missed_frames"]
    return {"seconds": seconds, "engine_cores": line.tidy(cores), "missed_frames": missed}


def graph_rows(options: list[str], seconds: float, rounds: int = 2) -> list[Found]:
    """Xruns without and with an engine, in turns."""
    rows: list[Found] = []
    with stage.cache_dir(), jack_graph.graph(BLOCK) as graph:
        for _ in range(rounds):
            rows.append({"engine": False, **_xruns(graph, seconds), "renders": 0})
            with stage.live_engine(*options) as engine, Background(engine.zmq) as pressing:
                time.sleep(2.0)
                before = pressing.renders
                row = {"engine": True, **_xruns(graph, seconds)}
                rows.append({**row, "renders": pressing.renders - before})
            time.sleep(1.0)
    return rows


def _xruns(graph: jack_graph.Graph, seconds: float) -> Found:
    before = graph.xruns
    time.sleep(seconds)
    return {"seconds": seconds, "xruns": graph.xruns - before, "dsp_load_percent": line.tidy(graph.dsp_load)}


def measured(told: Told, minutes: float, bars: int, graph_seconds: float) -> Callable[[Found], None]:
    """The body of a run. What the machine has no tools for is left out, and said."""

    def body(found: Found) -> None:
        found |= {"blocks": [], "look_ahead": [], "left_out": {}}
        stage.build_host()
        for block in BLOCKS:
            found["blocks"].append(block_row(told.engine_options, block, 60 * minutes))
        with stage.live_engine(*told.engine_options) as process, Engine(process.zmq) as engine:
            found["runtime"] = engine.health().runtime
            for how in LOADS:
                found["look_ahead"].append(look_ahead_row(engine, how, bars))
        found["steady"] = steady_cores(told.engine_options, 60 * minutes)
        if graph_seconds:
            try:
                found["graph"] = graph_rows(told.engine_options, graph_seconds)
            except AttaccaError as error:
                found["left_out"]["graph"] = str(error)

    return body


def show(found: Found) -> None:
    line.table(
        f"blocks while the engine renders, {found['bundle']}",
        ("block", "blocks", "missed frames", "late", "the idle thread's", "p99 ms", "its p99 ms", "engine cores"),
        [
            [str(row["block"]), str(row["player"]["n"]), str(row["missed_frames"]),
             str(row["player"]["over_half_a_block"]), str(row["control"]["over_half_a_block"]),
             f"{row['player']['p99_ms']:.2f}", f"{row['control']['p99_ms']:.2f}", f"{row['engine_cores']:.2f}"]
            for row in found.get("blocks", ())
        ],
    )  # fmt: skip
    line.table(
        "look-ahead that a bar needs",
        ("load", "bars", "min ms", "p50", "p95", "p99", "safe here: ms"),
        [
            [row["load"], str(row["bars"]), *line.ms(row["needed_s"], 0), f"{1000 * row['safe_s']:.0f}"]
            for row in found.get("look_ahead", ())
        ],
    )
    line.table(
        "a JACK graph of two plugins",
        ("engine", "seconds", "xruns", "DSP load %", "renders"),
        [
            ["on" if row["engine"] else "off", f"{row['seconds']:g}", str(row["xruns"]),
             f"{row['dsp_load_percent']:.1f}", str(row["renders"])]
            for row in found.get("graph", ())
        ],
    )  # fmt: skip
    if "steady" in found:
        steady = found["steady"]
        click.echo(f"steady live mode: {steady['engine_cores']:.2f} cores, {steady['missed_frames']} frames missed")
    for name, why in found.get("left_out", {}).items():
        click.echo(f"{name} is left out: {why}")


@click.command(help=line.help_text(__doc__))
@click.option(
    "--minutes", type=click.FloatRange(0.02, 100), default=0.25, show_default=True, help="Of each block size."
)
@click.option("--look-ahead-bars", "bars", type=click.IntRange(1, 100_000), default=30, show_default=True)
@click.option("--graph-seconds", type=click.FloatRange(0, 3600), default=10.0, show_default=True, help="0: no graph.")
@line.options(with_fake=True)
def main(minutes: float, bars: int, graph_seconds: float, **shared: Any) -> None:
    told = line.told(**shared)
    line.run("deadlines", told, measured(told, minutes, bars, graph_seconds), show)


if __name__ == "__main__":
    main()
