"""Latencies of a running engine, as a client sees them over ZeroMQ.

    python -m benchmarks.latency [--bundle DIR | --fake] [--repeats 30] [--starts 3]

    ping          an empty round trip: the floor
    one bar       4 s of context, 4 steps: from request to the last sample
    first bar     of four from a prompt, 4 steps: from request to the first bar's samples
    cancel        of a render that has begun: from cancel to its end
    cold start    from the process's start to its ready file
    idle          share of one core that a waiting engine uses

Prints p50, p95 and p99 and appends one line to results.jsonl.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import soundfile

from benchmarks.rtf import RESULTS
from bridge.client import Engine, generate_request
from bridge.commands import measure
from bridge.commands.bundles import bundle_path
from bridge.demo import LOOP
from bridge.demo_engine import engine_process
from engine.errors import Cancelled
from engine.types import Audio

TEMPO = 120
CONTEXT_SECONDS = 4
IDLE_SECONDS = 5.0


def context() -> tuple[Audio, int]:
    """The first 4 s of the shipped loop: [frames, channels] and its rate."""
    audio, rate = soundfile.read(LOOP, dtype="float32", always_2d=True)
    return np.asarray(audio[: CONTEXT_SECONDS * rate], np.float32), int(rate)


def seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def first_bar(engine: Engine, seed: int) -> float:
    """From request to the first of four bars; the rest is waited for outside the time."""
    begin, found = time.perf_counter(), 0.0
    for bar in engine.stream(generate_request(measure.PROMPT, 4, TEMPO, seed=seed)):
        if bar.first_frame >= 0 and not found:
            found = time.perf_counter() - begin
    return found


def cancel(engine: Engine, seed: int) -> float | None:
    """From cancel to the end of a render of 32 bars that has begun; None where it was done sooner."""
    stream = engine.stream(generate_request(measure.PROMPT, 32, TEMPO, seed=seed))
    begin: list[float] = []

    def stop() -> None:
        begin.append(time.perf_counter())
        stream.cancel()

    timer = threading.Timer(0.05, stop)
    timer.start()
    try:
        for _ in stream:
            pass
    except Cancelled:
        return time.perf_counter() - begin[0]
    finally:
        timer.join()
    return None


def idle_share(pid: int, during_seconds: float = IDLE_SECONDS) -> float:
    """Processor time over wall time of a process that is not asked anything."""

    def used() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = used()
    time.sleep(during_seconds)
    return (used() - before) / during_seconds


def warm(engine: Engine, repeats: int) -> dict[str, Any]:
    """All latencies of a warm engine, in seconds."""
    source = context()
    actions: dict[str, Callable[[int], float | None]] = {
        "ping": lambda seed: engine.ping(),
        "one bar": lambda seed: seconds(lambda: engine.continue_(source, 1, TEMPO, seed=seed)),
        "first bar": lambda seed: first_bar(engine, seed),
        "cancel": lambda seed: cancel(engine, seed),
    }
    results = {}
    for name, action in actions.items():
        action(0)
        values = [value for seed in range(1, repeats + 1) if (value := action(seed)) is not None]
        if values:
            results[name] = measure.figures(values)._asdict()
    return results


def measure_all(options: list[str], repeats: int, starts: int) -> dict[str, Any]:
    cold = []
    for turn in range(starts):
        with engine_process(*options) as process, Engine(process.zmq) as engine:
            cold.append(process.start_seconds)
            if turn == starts - 1:
                results = warm(engine, repeats)
                share = idle_share(process.ready["pid"])
    return {"seconds": {**results, "cold start": measure.figures(cold)._asdict()}, "idle_core_share": share}


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path))
@click.option("--fake", is_flag=True, help="The protocol alone; counts for no figure.")
@click.option("--repeats", type=click.IntRange(2, 10_000), default=30, show_default=True)
@click.option("--starts", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option("--results", type=click.Path(path_type=Path), help="Where the line is appended.")
def main(bundle: Path | None, fake: bool, repeats: int, starts: int, results: Path | None) -> None:
    path = None if fake else bundle_path(bundle)
    where = measure.facts(path.name if path else "fake")
    found = measure_all(["--bundle", str(path)] if path else ["--fake"], repeats, starts)
    rows = [
        [name, str(row["n"]), *(f"{1000 * row[q]:.1f}" for q in ("p50", "p95", "p99"))]
        for name, row in found["seconds"].items()
    ]
    measure.print_table(f"latencies, {where['bundle']}", ("what", "n", "p50 ms", "p95 ms", "p99 ms"), rows)
    click.echo(f"idle: {100 * found['idle_core_share']:.2f} % of one core; load before {where['load'][0]}")
    if results or not fake:
        measure.append(results or RESULTS, {"benchmark": "latency", **where, **found})


if __name__ == "__main__":
    main()
