"""How fast a bundle renders here, and what the machine could do at most. Used by bench and benchmarks/."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.types import PromptPart, Report, Request

TEMPO, METER, SECONDS_PER_BAR = "120", "4/4", 2
PROMPT = "steady house drums with a round bass and chords"
VERSIONS = ("attacca-engine", "torch", "onnxruntime", "onnxruntime-gpu", "numpy", "pyzmq")
Ask = Callable[[Request], Report]


class Case(NamedTuple):
    """What is rendered: bars of 2 s (4/4 at 120), from a prompt, at a number of steps."""

    bars: int
    steps: int

    @property
    def name(self) -> str:
        bars, steps = ("bar", "bars")[self.bars > 1], ("step", "steps")[self.steps > 1]
        return f"{self.bars} {bars} ({self.bars * SECONDS_PER_BAR} s), {self.steps} {steps}"


class Figures(NamedTuple):
    """p50, p95 and p99 of `n` values, in the values' unit."""

    n: int
    p50: float
    p95: float
    p99: float


QUICK = (Case(1, 4), Case(4, 1), Case(4, 4), Case(6, 4))
FULL = tuple(Case(bars, steps) for bars in (1, 2, 3, 4, 6, 8, 15) for steps in (1, 2, 4, 8))
"""1, 2, 4 and 8 bars and 2, 6, 12 and 30 s (1, 3, 6 and 15 bars), each at 1, 2, 4 and 8 steps."""


def figures(values: Sequence[float]) -> Figures:
    p50, p95, p99 = np.quantile(np.asarray(values, np.float64), (0.5, 0.95, 0.99))
    return Figures(len(values), float(p50), float(p95), float(p99))


def gemm_gflops(size: int = 1024, seconds: float = 1.0) -> float:
    """float32 matrix product of the runtime's own library, in 1e9 operations a second, best of all rounds."""
    import torch

    a = torch.ones(size, size)
    best, begin = 0.0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        torch.mm(a, a)
        best = max(best, 2 * size**3 / (time.perf_counter() - start) / 1e9)
    return best


@contextmanager
def resident(bundle: Path, device: str, runtime: str | None = None) -> Iterator[Ask]:
    """A warm engine in this process, as a function from a request to its report."""
    from bridge.commands.player import collect_from
    from engine.render.load import load_renderer
    from engine.resident import Resident

    warm = Resident(load_renderer(bundle, device, runtime))
    warm.start()
    try:
        yield lambda request: collect_from(warm, request).report
    finally:
        warm.close()


def request(case: Case, seed: int) -> Request:
    return Request(
        id=f"bench-{case.bars}-{case.steps}-{seed}",
        kind="generate",
        bars=case.bars,
        tempo=TEMPO,
        meter=METER,
        seed=seed,
        steps=case.steps,
        prompts=(PromptPart(text=PROMPT),),
    )


def measure(ask: Ask, case: Case, repeats: int) -> dict[str, Any]:
    """Renders a case `repeats` times after one that does not count."""
    ask(request(case, 0))
    reports = [ask(request(case, seed)) for seed in range(1, repeats + 1)]
    audio_seconds = reports[0].audio_seconds
    compute = figures([report.compute_seconds for report in reports])
    return {
        "case": case.name,
        "bars": case.bars,
        "steps": case.steps,
        "audio_seconds": audio_seconds,
        "repeats": repeats,
        "compute_seconds": compute._asdict(),
        "real_time_factor": {q: getattr(compute, q) / audio_seconds for q in ("p50", "p95", "p99")},
        "times_real_time": {q: audio_seconds / getattr(compute, q) for q in ("p50", "p95", "p99")},
        "first_bar_seconds": figures([report.first_bar_seconds for report in reports])._asdict(),
        "runtime": reports[0].runtime,
        "threads": reports[0].threads,
    }


def facts(bundle: str) -> dict[str, Any]:
    """Where and with what something was measured: commit, device, versions, load."""
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit(),
        "bundle": bundle,
        "device": device_name(),
        "cores": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        "versions": {name: found for name in VERSIONS if (found := version(name))},
    }


def version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def commit() -> str | None:
    """The commit of the checkout this runs from, "+" where files differ from it; None outside one."""
    here = Path(__file__).resolve().parents[2]

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def device_name() -> str:
    """The processor's name, and the GPU's where torch has one."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    import torch

    return f"{name} + {torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else name


def append(path: Path, result: Mapping[str, Any]) -> None:
    """One JSON line at the end of a file of results."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(result, allow_nan=False) + "\n")


def print_table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*headings, title=title)
    for cells in rows:
        table.add_row(*cells)
    Console(width=120).print(table)


def rtf_row(result: Mapping[str, Any]) -> list[str]:
    compute, times, factor = result["compute_seconds"], result["times_real_time"], result["real_time_factor"]
    milliseconds = [f"{1000 * compute[q]:.0f}" for q in ("p50", "p95", "p99")]
    return [result["case"], *milliseconds, f"{factor['p50']:.4f}", f"{times['p50']:.1f}", f"{times['p95']:.1f}"]


RTF_HEADINGS = ("case", "p50 ms", "p95 ms", "p99 ms", "RTF p50", "x real time p50", "p95")


def bench(bundle: Path, device: str, full: bool, as_json: bool, runtime: str | None = None) -> None:
    """`attacca bench`: real-time factors of the quick or the full set, printed."""
    gflops = gemm_gflops()
    with resident(bundle, device, runtime) as ask:
        results = [measure(ask, case, 20 if full else 10) for case in (FULL if full else QUICK)]
    if as_json:
        print(json.dumps({"benchmark": "rtf", **facts(bundle.name), "gemm_gflops": gflops, "cases": results}))
        return
    print(f"floor: matrix products run at {gflops:.0f} GFLOP/s here")
    print_table(f"{bundle.name} on {device_name()}", RTF_HEADINGS, map(rtf_row, results))
