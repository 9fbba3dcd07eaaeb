"""What it costs when the work grows: more bars in a request, more clients of one engine, larger batches.

    python -m benchmarks.growth [--quick] [--bundle DIR | --fake] [--most-bars 256] [--requests 6]

    bars      1 to 256 in one request, 4 steps: compute time, first bar, the engine's memory now and at its peak
    clients   1 to 16 at once over ZeroMQ, each asking for one bar after the other: latency of each request, bars a
              second over all of them, and whether every request was answered and counted by the engine
    batch     1 to 16 windows of 144 latents in one call of the sampler, 4 steps, PyTorch: time and memory

*Threading*: each client is a thread with an engine connection of its own; they start together, each ends when its
requests have ended, and none waits longer than its connection's own limits.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from benchmarks import line
from benchmarks.line import Found, Told
from benchmarks.machine import memory_mb, process_cpu_s
from bridge.client import Engine, generate_request
from bridge.commands import measure
from bridge.demo_engine import engine_process

BARS = (1, 4, 16, 64, 256)
CLIENTS = (1, 2, 4, 8, 16)
BATCHES = (1, 2, 4, 8, 16)
STEPS = 4


def forget_peak(pid: int) -> None:
    """From here on VmHWM is the peak since now, where the kernel permits that."""
    with suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5")


def bars_row(engine: Engine, pid: int, bars: int, repeats: int) -> Found:
    """Requests of so many bars, their sound dropped as it comes."""
    forget_peak(pid)
    reports, cpu_s = [], process_cpu_s(pid)
    for seed in range(repeats):
        stream = engine.stream(generate_request(measure.PROMPT, bars, measure.TEMPO, seed=seed, steps=STEPS))
        for _ in stream:
            pass
        assert stream.report is not None
        reports.append(stream.report)
    return {
        "bars": bars,
        "audio_s": reports[0].audio_seconds,
        "compute_s": line.figures([report.compute_seconds for report in reports]),
        "first_bar_s": line.figures([report.first_bar_seconds for report in reports]),
        "cpu_s": line.tidy((process_cpu_s(pid) - cpu_s) / repeats),
        "memory_mb": round(memory_mb(pid), 1),
        "peak_mb": round(memory_mb(pid, "VmHWM"), 1),
    }


def client(endpoint: str, requests: int, together: threading.Barrier, times: list[float], ends: Counter[str]) -> None:
    """One client's life; `times` gets the seconds of what was done, `ends` how each request ended."""
    with Engine(endpoint, connect_timeout_s=30.0) as engine:
        together.wait(60)
        for turn in range(requests):
            begin = time.perf_counter()
            try:
                engine.generate(measure.PROMPT, 1, measure.TEMPO, seed=turn, steps=STEPS)
            except Exception as error:
                ends[type(error).__name__] += 1
            else:
                ends["done"] += 1
                times.append(time.perf_counter() - begin)


def clients_row(endpoint: str, pid: int, count: int, requests: int) -> Found:
    """So many clients at once. "accounted": each request ended once, at its client and in the engine's own count."""
    together = threading.Barrier(count + 1)
    times: list[list[float]] = [[] for _ in range(count)]
    ends = [Counter[str]() for _ in range(count)]
    with Engine(endpoint) as watching:
        before = watching.metrics()
        threads = [
            threading.Thread(target=client, args=(endpoint, requests, together, mine, ended), name=f"client-{n}")
            for n, (mine, ended) in enumerate(zip(times, ends, strict=True))
        ]
        for thread in threads:
            thread.start()
        together.wait(60)
        begin = time.perf_counter()
        for thread in threads:
            thread.join()
        wall_s = time.perf_counter() - begin
        after = watching.metrics()
    ended = sum(ends, Counter[str]())
    return {
        "clients": count,
        "requests": count * requests,
        "ends": dict(ended),
        "accounted": ended.total() == count * requests == after.submitted - before.submitted
        and ended["done"] == after.done - before.done,
        "seconds": line.figures([value for mine in times for value in mine] or [0.0]),
        "slowest_client_p50_s": line.tidy(max(line.figures(mine)["p50"] for mine in times if mine)),
        "bars_a_second": line.tidy(ended["done"] / wall_s),
        "memory_mb": round(memory_mb(pid), 1),
    }


def sampler(folder: Path, batch: int) -> Callable[[], object]:
    """The student on so many windows at once, 4 steps."""
    import torch

    from benchmarks.gpu import WINDOW, conditions, jump
    from engine import bundle
    from engine.models.codec import LATENTS
    from engine.models.load import load_networks
    from engine.models.packed import pack

    student = load_networks(bundle.load(folder)).student
    pack(student)
    generator = torch.Generator().manual_seed(1)
    given = conditions("controlled", student.config.globals_width, generator)
    given = given.map(lambda tensor: tensor.expand(batch, *tensor.shape[1:]).contiguous())
    noise = torch.randn(batch, WINDOW, LATENTS, generator=generator)

    @torch.no_grad()
    def sample() -> object:
        return jump(student, given, noise, STEPS)

    return sample


def batch_row(folder: Path, batch: int, repeats: int) -> Found:
    sample = sampler(folder, batch)
    sample()
    forget_peak(os.getpid())
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        sample()
        times.append(time.perf_counter() - begin)
    found = line.figures(times)
    each = line.tidy(found["p50"] / batch)
    return {"batch": batch, "seconds": found, "seconds_each": each, "memory_mb": round(memory_mb(), 1)}


def measured(
    told: Told, bars: tuple[int, ...], clients: tuple[int, ...], batches: tuple[int, ...], requests: int
) -> Any:
    """The body of a run."""

    def body(found: Found) -> None:
        found |= {"steps": STEPS, "bars": [], "clients": [], "batch": []}
        with engine_process(*told.engine_options) as process, Engine(process.zmq) as engine:
            pid = process.ready["pid"]
            found["runtime"] = engine.health().runtime
            bars_row(engine, pid, 4, 1)
            for count in bars:
                found["bars"].append(bars_row(engine, pid, count, max(1, min(8, 16 // count))))
            for count in clients:
                found["clients"].append(clients_row(process.zmq, pid, count, requests))
        for count in batches if not told.fake else ():
            found["batch"].append(batch_row(told.folder, count, 3))

    return body


def show(found: Found) -> None:
    line.table(
        f"bars, {found['bundle']}",
        ("bars", "audio", "p50 s", "x real time", "first bar s", "cpu s", "memory MiB", "peak MiB"),
        [
            [str(row["bars"]), f"{row['audio_s']:g} s", f"{row['compute_s']['p50']:.2f}",
             f"{row['audio_s'] / row['compute_s']['p50']:.1f}", f"{row['first_bar_s']['p50']:.3f}",
             f"{row['cpu_s']:.1f}", f"{row['memory_mb']:.0f}", f"{row['peak_mb']:.0f}"]
            for row in found.get("bars", ())
        ],
    )  # fmt: skip
    line.table(
        "clients",
        ("clients", "requests", "min ms", "p50", "p95", "p99", "bars a second", "all accounted for"),
        [
            [str(row["clients"]), str(row["requests"]), *line.ms(row["seconds"], 0), f"{row['bars_a_second']:.1f}",
             "yes" if row["accounted"] else f"NO: {row['ends']}"]
            for row in found.get("clients", ())
        ],
    )  # fmt: skip
    line.table(
        "batch",
        ("batch", "min ms", "p50", "p95", "p99", "ms each", "memory MiB"),
        [
            [str(row["batch"]), *line.ms(row["seconds"], 0), f"{1000 * row['seconds_each']:.0f}",
             f"{row['memory_mb']:.0f}"]
            for row in found.get("batch", ())
        ],
    )  # fmt: skip


@click.command(help=line.help_text(__doc__))
@click.option("--quick", is_flag=True, help="64 bars, 8 clients and a batch of 8 at most.")
@click.option("--most-bars", type=click.IntRange(1, 256), default=256, show_default=True)
@click.option("--most-clients", type=click.IntRange(1, 64), default=16, show_default=True)
@click.option("--most-batch", type=click.IntRange(1, 64), default=16, show_default=True)
@click.option("--requests", type=click.IntRange(1, 1000), default=6, show_default=True, help="Of each client.")
@line.options(with_fake=True)
def main(quick: bool, most_bars: int, most_clients: int, most_batch: int, requests: int, **shared: Any) -> None:
    told = line.told(**shared)
    bars = tuple(n for n in BARS if n <= (min(64, most_bars) if quick else most_bars))
    clients = tuple(n for n in CLIENTS if n <= (min(8, most_clients) if quick else most_clients))
    batches = tuple(n for n in BATCHES if n <= (min(8, most_batch) if quick else most_batch))
    line.run("growth", told, measured(told, bars, clients, batches, requests), show)


if __name__ == "__main__":
    main()
