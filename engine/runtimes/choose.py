"""Which runtime runs: the one that was named, or what is fastest here, measured once for each machine and bundle.

`auto` races what is there: float32 in torch and in ONNX Runtime, int8 in ONNX Runtime, with one thread up to one a
core, in turns and by their best times, because other programs slow down whole stretches. More threads must gain a
tenth to be picked: the core that they would take belongs to the DAW. On a busy machine, where one thread waits for
its core, processor time decides among what takes one thread, and the pick counts until a start on a quiet machine.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from engine.errors import BadRequest
from engine.models import features as F
from engine.models.codec import LATENTS
from engine.models.denoiser import DenoiserConfig
from engine.models.synthesis import cores
from engine.runtimes import probe
from engine.runtimes.base import Runtime

RACED_FRAMES = 72
RACE_SECONDS = 0.8
FEWEST_ROUNDS = 3
THREADS_GAIN = 0.9
BUSY = 1.3
"""Wall time over processor time of one thread, at their best, beyond which the machine is busy."""
QUIET_LOAD = 0.5


ON_CPU = ("torch", "onnx", "onnx-int8")
ON_GPU = ("torch-cuda", "onnx-cuda")


def candidates(name: str, device: str, gpu: bool) -> tuple[str, ...]:
    """The runtimes that a name and a device (auto, cpu, cuda) mean. gpu: whether torch sees one. Raises BadRequest."""
    if device == "cuda":
        found = tuple(other for other in ON_GPU if name in ("auto", other.removesuffix("-cuda")))
        if not found:
            raise BadRequest(f"--runtime {name} is for processors; with --device cuda take auto, torch or onnx")
        return found
    if name != "auto":
        return (name,)
    return (*ON_CPU, *(ON_GPU if gpu and device == "auto" else ()))


class Pick(NamedTuple):
    """A runtime's name and its threads."""

    name: str
    threads: int


def thread_counts() -> list[int]:
    """1, 2, 4 ... and all cores."""
    most = cores()
    return sorted({most, *(1 << n for n in range(most.bit_length()) if 1 << n <= most)})


def machine(name: str) -> str:
    """What a pick holds for: the runtime asked for, the processor, how many cores, torch's threads."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    told = f"{platform.node()} {platform.machine()} {model} {cores()} {torch.get_num_threads()} {torch.__version__}"
    return f"{name} {hashlib.sha256(told.encode()).hexdigest()[:16]}"


class Lap(NamedTuple):
    """How long a lap took, in seconds of the wall and of the processor."""

    wall_s: float
    cpu_s: float


def lap(runtime: Runtime, config: DenoiserConfig) -> Callable[[], Lap]:
    """A function that does one step and its share of decoding, and says how long that took."""
    generator = torch.Generator().manual_seed(3)
    given = probe.conditions(config, generator, RACED_FRAMES)
    noise = torch.randn(1, RACED_FRAMES, LATENTS, generator=generator)
    told = torch.full((2, 104, F.MELS), -50.0), torch.full((2, 104, F.LOW_BANDS), -50.0)
    scale = torch.ones(1)

    def run() -> Lap:
        begin, worked = time.perf_counter(), time.process_time()
        runtime.sample(given, lambda: noise, 1, scale, lambda: None)
        runtime.decode(noise)
        runtime.levels(*told)
        return Lap(time.perf_counter() - begin, time.process_time() - worked)

    return run


def race(laps: dict[Pick, Callable[[], Lap]], seconds: float = RACE_SECONDS) -> dict[Pick, Lap]:
    """The best time of each, run in turns for `seconds` and FEWEST_ROUNDS rounds; a first one does not count."""
    for run in laps.values():
        run()
    best = dict.fromkeys(laps, Lap(float("inf"), float("inf")))
    rounds, begin = 0, time.perf_counter()
    while rounds < FEWEST_ROUNDS or time.perf_counter() - begin < seconds:
        for pick, run in laps.items():
            best[pick] = Lap(*map(min, best[pick], run()))
        rounds += 1
    return best


def judged(best: dict[Pick, Lap]) -> tuple[dict[Pick, float], bool]:
    """The time of each that counts, and whether the machine was quiet enough to believe it for good."""
    alone = {pick: lap for pick, lap in best.items() if pick.threads == 1 and pick.name in ON_CPU}
    if not any(lap.wall_s > BUSY * lap.cpu_s for lap in alone.values()):
        return {pick: lap.wall_s for pick, lap in best.items()}, True
    others = {pick: lap.wall_s for pick, lap in best.items() if pick.name not in ("onnx", "onnx-int8")}
    return {**others, **{pick: lap.cpu_s for pick, lap in alone.items()}}, False


def quiet() -> bool:
    """Whether hardly anything else runs here."""
    return os.getloadavg()[0] < QUIET_LOAD * cores() if hasattr(os, "getloadavg") else False


def fastest(times: dict[Pick, float]) -> Pick:
    """The fastest, but fewer threads where they take hardly longer; torch where nothing else is faster."""
    ordered = sorted(times, key=lambda pick: (pick.threads, pick.name != "torch"))
    best = ordered[0]
    for pick in ordered[1:]:
        needed = THREADS_GAIN if pick.threads > best.threads else 1.0
        if times[pick] < needed * times[best]:
            best = pick
    return best


def because(pick: Pick, times: dict[Pick, float]) -> str:
    """One line: what was picked and what it was compared with."""
    rows = [f"{name} x{n} {1000 * times[Pick(name, n)]:.1f}" for name, n in sorted(times, key=times.__getitem__)]
    return f"runtime {pick.name}, {threads_text(pick.threads)}: the fastest here (ms a lap: {', '.join(rows)})"


def threads_text(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def stored(found: Sequence[object] | None, names: Sequence[str]) -> Pick | None:
    """A pick that was kept, if it still makes sense: [name, threads, whether the machine was quiet]."""
    if not isinstance(found, list) or len(found) != 3:
        return None
    name, threads, sure = found
    if sure is not True and quiet():
        return None
    fits = name in names and isinstance(threads, int) and 1 <= threads <= cores()
    return Pick(str(name), int(str(threads))) if fits else None
