"""What the system says while something is measured: processor time, time stolen by the hypervisor, memory, load.

All of it is read from /proc, so that a process that is measured does nothing for it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TICKS_HZ = os.sysconf("SC_CLK_TCK")
SPIN = "while True:\n    pass"


def process_cpu_s(pid: int) -> float:
    """Processor time of a running process so far, all its threads, its children left out."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_HZ


def own_cpu_s() -> float:
    """Processor time of this process and of all its children that have ended."""
    return sum(os.times()[:4])


def steal_s() -> float:
    """Time that the hypervisor kept from this machine so far, over all cores."""
    return int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]) / TICKS_HZ


def memory_mb(pid: int | str = "self", what: str = "VmRSS") -> float:
    """VmRSS (resident now) or VmHWM (its peak) of a process, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"/proc/{pid}/status has no {what}")


def load() -> float:
    """Load average over the last minute."""
    return round(os.getloadavg()[0], 2)


class Usage:
    """Wall time, processor time, load and steal from here to `figures`."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s, self._steal_s, self._load = time.monotonic(), own_cpu_s(), steal_s(), load()

    def figures(self) -> dict[str, Any]:
        """cpu_s counts this process and its ended children."""
        return {
            "wall_s": round(time.monotonic() - self._wall_s, 2),
            "cpu_s": round(own_cpu_s() - self._cpu_s, 2),
            "steal_s": round(steal_s() - self._steal_s, 2),
            "load_before": self._load,
            "load_after": load(),
        }


@contextmanager
def busy_core(core: int | None = None) -> Iterator[int]:
    """One core kept busy by a process that spins, pinned to `core` (the last one that we may use). -> the core."""
    chosen = max(os.sched_getaffinity(0)) if core is None else core
    spinning = subprocess.Popen([sys.executable, "-c", SPIN])
    try:
        os.sched_setaffinity(spinning.pid, {chosen})
        time.sleep(0.2)
        yield chosen
    finally:
        spinning.kill()
        spinning.wait()
