"""How long a client waits: a bar over ZeroMQ and into a timeline cache, idle and beside a busy core; starts; memory.

    python -m benchmarks.latency [--bundle DIR | --fake] [--repeats 30] [--starts 3] [--requests 200]

    ping          an empty round trip: the floor
    one bar       4 s of context, 4 steps, over ZeroMQ: from request to the last sample at the client
    into a cache  the same, until a timeline cache holds the last sample
    first bar     of four from a prompt, 4 steps: from request to the first bar's samples
    cancel        of a render that has begun: from cancel to its end
    ready         from the process's start to its ready file; one start before it, for the file cache, does not count
    started       from the process's start to a first bar at the client
    first         the first request of an engine; over the p50 of "one bar" it says what warming up has missed
    memory        of the serving engine over --requests bars, each after a context that it has not heard

"busy": one core is kept busy by a process that spins, pinned to it.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import click
import numpy as np
import soundfile

from benchmarks import line, stage
from benchmarks.line import Found, Told
from benchmarks.machine import busy_core, memory_mb, process_cpu_s
from bridge.client import Engine, generate_request
from bridge.commands import measure
from bridge.demo import LOOP
from bridge.demo_engine import engine_process
from bridge.timeline.cache import EngineSide, PluginSide
from engine.errors import Cancelled
from engine.types import Audio

TEMPO = 120
RATE_HZ = 48_000
CONTEXT_SECONDS = 4
IDLE_SECONDS = 5.0
SAMPLES = 10
"""How often memory is read over all requests."""


def context() -> tuple[Audio, int]:
    """The first 4 s of the shipped loop: [frames, channels] and its rate."""
    return next(contexts())


def contexts() -> Iterator[tuple[Audio, int]]:
    """Stretches of 4 s of the shipped loop, each a little later than the one before, without end, and their rate."""
    audio, rate = soundfile.read(LOOP, dtype="float32", always_2d=True)
    length = CONTEXT_SECONDS * int(rate)
    for turn in itertools.count():
        first = turn * 443 % (len(audio) - length + 1)
        yield np.ascontiguousarray(audio[first : first + length], np.float32), int(rate)


def seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def one_bar(engine: Engine, source: tuple[Audio, int], seed: int) -> float:
    """From request to the last sample of a bar after 4 s, 4 steps."""
    return seconds(lambda: engine.continue_(source, 1, TEMPO, seed=seed))


def into_cache(engine: Engine, cache: EngineSide, source: tuple[Audio, int], seed: int) -> float:
    """The same, its pieces written where a plugin plays from; RuntimeError where the cache does not hold them."""
    request, inline = engine.continue_request(source, 1, TEMPO, seed=seed, rate=RATE_HZ, piece_ms=100)
    begin, frames, at = time.perf_counter(), 0, 0.0
    for piece in engine.stream(request, inline):
        if piece.first_frame >= 0:
            frames += cache.write(piece.first_frame, piece.audio)
            at = time.perf_counter() - begin
    if not cache.read(0, frames)[1].all() or frames != RATE_HZ * 2:
        raise RuntimeError(f"the cache holds {frames} frames of {RATE_HZ * 2}")
    return at


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
    before = process_cpu_s(pid)
    time.sleep(during_seconds)
    return (process_cpu_s(pid) - before) / during_seconds


def repeated(action: Callable[[int], float | None], repeats: int, pid: int) -> Found | None:
    """Figures of `repeats` calls after one that does not count, and the engine's processor time a call."""
    action(0)
    before_s = process_cpu_s(pid)
    values = [value for seed in range(1, repeats + 1) if (value := action(seed)) is not None]
    cpu_s = (process_cpu_s(pid) - before_s) / repeats
    return {**line.figures(values), "cpu_s": line.tidy(cpu_s)} if values else None


def warm(engine: Engine, repeats: int, pid: int, rows: Found, suffix: str = "") -> None:
    """All latencies of a warm engine into `rows`, in seconds; `suffix` follows the name of each."""
    sources = contexts()
    with stage.cache_dir() as folder:
        plugin = PluginSide.create("latency", RATE_HZ, 0.5, folder)
        cache = EngineSide.attach(plugin.path)
        cache.publish_map(())
        actions: dict[str, Callable[[int], float | None]] = {
            "ping": lambda seed: engine.ping(),
            "one bar": lambda seed: one_bar(engine, next(sources), seed),
            "into a cache": lambda seed: into_cache(engine, cache, next(sources), seed),
            "first bar": lambda seed: first_bar(engine, seed),
            "cancel": lambda seed: cancel(engine, seed),
        }
        try:
            for name, action in actions.items():
                if (found := repeated(action, repeats, pid)) is not None:
                    rows[name + suffix] = found
        finally:
            cache.close()
            plugin.close()


def start(options: list[str], times: dict[str, list[float]]) -> None:
    """One start of the engine: until ready, until a first bar, and how long that bar took."""
    with engine_process(*options) as process, Engine(process.zmq) as engine:
        took_s = one_bar(engine, context(), 1)
        times["ready"].append(process.start_seconds)
        times["started"].append(process.start_seconds + took_s)
        times["first"].append(took_s)


def memory(engine: Engine, pid: int, requests: int, found: Found) -> None:
    """Resident memory in MiB over so many bars, and how much it grows in 1000 of them, the first tenth left out."""
    sources, every = contexts(), max(1, requests // SAMPLES)
    rows = [[0, round(memory_mb(pid), 1)]]
    found["memory"] = {"requests": 0, "mb": rows}
    for turn in range(1, requests + 1):
        engine.continue_(next(sources), 1 + turn % 2, TEMPO, seed=turn, steps=1 + turn % 4)
        if turn % every == 0:
            rows.append([turn, round(memory_mb(pid), 1)])
            found["memory"] |= {"requests": turn, "peak_mb": round(memory_mb(pid, "VmHWM"), 1), **slope(rows)}


def slope(rows: list[list[float]]) -> Found:
    """{"mb_in_1000"}: the straight line through the readings after the first tenth; nothing where they are too few."""
    late = np.array([row for row in rows if row[0] >= 0.1 * rows[-1][0]], np.float64)
    return {"mb_in_1000": line.tidy(1000 * float(np.polyfit(late[:, 0], late[:, 1], 1)[0]))} if len(late) > 2 else {}


def measured(told: Told, repeats: int, starts: int, requests: int) -> Callable[[Found], None]:
    """The body of a run."""

    def body(found: Found) -> None:
        rows: Found = {}
        times: dict[str, list[float]] = {"ready": [], "started": [], "first": []}
        found["seconds"] = rows
        try:
            start(told.engine_options, {name: [] for name in times})
            for _ in range(starts):
                start(told.engine_options, times)
        finally:
            rows |= {name: line.figures(values) for name, values in times.items() if values}
        with engine_process(*told.engine_options) as process, Engine(process.zmq) as engine:
            pid = process.ready["pid"]
            found["runtime"] = engine.health().runtime
            found["threads"] = engine.health().threads
            warm(engine, repeats, pid, rows)
            found["idle_core_share"] = idle_share(pid)
            with busy_core():
                warm(engine, repeats, pid, rows, ", busy")
            memory(engine, pid, requests, found)

    return body


def show(found: Found) -> None:
    rows = [
        [name, str(row["n"]), *line.ms(row), f"{1000 * row['cpu_s']:.0f}" if "cpu_s" in row else "-"]
        for name, row in found.get("seconds", {}).items()
    ]
    line.table(f"latencies, {found['bundle']}", ("what", "n", "min ms", "p50", "p95", "p99", "cpu ms"), rows)
    if "idle_core_share" in found:
        click.echo(f"idle: {100 * found['idle_core_share']:.2f} % of one core")
    if found.get("memory", {}).get("requests"):
        taken = found["memory"]
        grows = f", {taken['mb_in_1000']:+.1f} MiB in 1000" if "mb_in_1000" in taken else ""
        click.echo(
            f"memory over {taken['requests']} requests: {', '.join(f'{mb:.0f}' for _, mb in taken['mb'])}{grows}"
        )


@click.command(help=line.help_text(__doc__))
@click.option("--repeats", type=click.IntRange(2, 10_000), default=30, show_default=True)
@click.option("--starts", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option(
    "--requests", type=click.IntRange(0, 100_000), default=200, show_default=True, help="Over which memory is watched."
)
@line.options(with_fake=True)
def main(repeats: int, starts: int, requests: int, **shared: Any) -> None:
    told = line.told(**shared)
    line.run("latency", told, measured(told, repeats, starts, requests), show)


if __name__ == "__main__":
    main()
