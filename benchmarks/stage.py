"""A stage for the live measurements: the block host, an engine of its own, and a watcher of the cache between them.

The block host (`plugin_host/plugin/block_host.cpp`) runs the plugin's player against the clock, without a DAW and
without Python on its audio thread. Caches live in a folder of their own, so that no other engine writes to them.

*Threading*: one thread drives a host, which is a process of its own and ends by itself when its seconds are over.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.watcher import Watcher
from bridge.demo_engine import Engine, engine_process
from engine.errors import Unavailable
from engine.types import Audio

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "plugin_host" / "plugin"
FLAGS = ("-std=c++17", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-pthread")
ROW = np.dtype(
    [
        ("frame", "<i8"), ("miss_frame", "<i8"), ("late_ns", "<i4"), ("work_ns", "<i4"), ("played", "<u4"),
        ("missed", "<u4"), ("flags", "<u4"), ("torn", "<u4"),
    ]
)  # fmt: skip
"""A block of the log, as `BlockRow` in block_rig.hpp has it."""
ROLLING, OFF_GRID, JUMPED = 1, 2, 4
FALLBACKS = ("repeat", "input", "silence")
Rows = NDArray[np.void]


def build_host(folder: Path | None = None) -> Path:
    """Compiles the block host where it is older than its sources. Raises Unavailable without a compiler."""
    target = (folder or ROOT / "build") / "block_host"
    sources = [*PLUGIN.glob("*.hpp"), PLUGIN / "block_host.cpp"]
    if target.exists() and target.stat().st_mtime > max(source.stat().st_mtime for source in sources):
        return target
    if shutil.which("g++") is None:
        raise Unavailable("there is no g++ to build the block host with: apt-get install g++")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".block_host.{os.getpid()}")
    command = ["g++", *FLAGS, str(PLUGIN / "block_host.cpp"), "-o", str(part)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if built.returncode != 0:
        problem = next((line for line in built.stderr.splitlines() if "error" in line), "no word from g++")
        raise Unavailable(f"the block host does not build: {problem}")
    part.replace(target)
    return target


@contextmanager
def cache_dir() -> Iterator[Path]:
    """A folder for caches alone, in memory where there is /dev/shm; ATTACCA_CACHE_DIR names it meanwhile."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    before = os.environ.get("ATTACCA_CACHE_DIR")
    with tempfile.TemporaryDirectory(prefix="attacca-stage.", dir=base) as folder:
        os.environ["ATTACCA_CACHE_DIR"] = folder
        try:
            yield Path(folder)
        finally:
            del os.environ["ATTACCA_CACHE_DIR"]
            if before is not None:
                os.environ["ATTACCA_CACHE_DIR"] = before


@contextmanager
def live_engine(*options: str) -> Iterator[Engine]:
    """`attacca serve --live` on free ports, for the caches of `cache_dir`."""
    with engine_process("--live", *options) as engine:
        yield engine


@dataclass(frozen=True)
class Score:
    """What a block host plays: one tempo, one meter, no file but what is asked for."""

    seconds: float
    instance: str = "stage"
    rate: int = 48_000
    block: int = 128
    tempo: float = 120.0
    meter: str = "4/4"
    look_ahead: int = 2
    fallback: str = "repeat"
    prompt: str = "steady house drums with a round bass and chords"
    seed: int = 1
    minutes: float = 3.0
    keep_audio: bool = False
    ordinary: bool = False

    @property
    def bar_frames(self) -> float:
        numerator, denominator = map(int, self.meter.split("/"))
        return self.rate * 60 / self.tempo * 4 * numerator / denominator

    @property
    def beat_frames(self) -> float:
        """A quarter."""
        return self.rate * 60 / self.tempo

    @property
    def block_s(self) -> float:
        return self.block / self.rate

    def options(self, folder: Path, kept: Path) -> list[str]:
        named = {
            "seconds": self.seconds, "instance": self.instance, "rate": self.rate, "block": self.block,
            "tempo": self.tempo, "meter": self.meter, "prompt": self.prompt, "seed": self.seed,
            "minutes": self.minutes, "folder": folder,
            "log": kept / "log", "control": kept / "control",
            **({"audio": kept / "audio"} if self.keep_audio else {}),
        }  # fmt: skip
        words = [word for name, value in named.items() for word in (f"--{name}", str(value))]
        return [*words, "--ordinary"] if self.ordinary else words


@dataclass(frozen=True)
class Played:
    """What a block host wrote down. rows [blocks]; control_ns [blocks]; audio [blocks * block, 2] or None."""

    score: Score
    start: dict[str, Any]
    end: dict[str, Any]
    rows: Rows
    control_ns: NDArray[np.int32]
    audio: Audio | None

    def events(self, what: str) -> list[dict[str, Any]]:
        return [event for event in self.end["events"] if event["what"] == what]

    def due_ns(self, block: int) -> int:
        """When a block was due, on the monotonic clock."""
        return int(self.start["start_ns"]) + block * self.score.block * 10**9 // self.score.rate

    def block_at(self, monotonic_ns: int) -> int:
        """The block that was due last at a time."""
        return (monotonic_ns - int(self.start["start_ns"])) * self.score.rate // (self.score.block * 10**9)


class BlockHost:
    """A running block host; `finish` it, or leave the `with` block, which ends it."""

    def __init__(self, score: Score, folder: Path) -> None:
        """Starts it and waits for its cache. Raises Unavailable."""
        self.score = score
        self._kept = tempfile.TemporaryDirectory(prefix="attacca-host.")
        command = [str(build_host()), *score.options(folder, Path(self._kept.name))]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        line = self._process.stdout.readline()
        if not line:
            problem = self._process.stderr.read().strip()
            self.close()
            raise Unavailable(f"the block host did not start: {problem or 'no word from it'}")
        self.start: dict[str, Any] = json.loads(line)
        self.watcher = Watcher(Path(self.start["path"]))
        self.say(f"set look_ahead {score.look_ahead}", f"set fallback {FALLBACKS.index(score.fallback)}")

    def say(self, *lines: str) -> None:
        """Commands; each is obeyed in the next block."""
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{line}\n" for line in lines))
        self._process.stdin.flush()

    def head(self) -> int:
        """The project frame of the newest block."""
        transport = self.watcher.transport()
        return transport.frame if transport else 0

    def wait_past(self, frame: int) -> None:
        """Until the play head has passed a frame."""
        seconds = max(0.0, (frame - self.head()) / self.score.rate)
        self.watcher.wait(lambda _: self.head() > frame, f"play head past {frame}", seconds + 10)

    def next_block(self, ahead_s: float = 0.1) -> int:
        """The first block that is due `ahead_s` from now, for commands at a block."""
        since_ns = time.monotonic_ns() - int(self.start["start_ns"]) + round(ahead_s * 1e9)
        return max(0, -(-since_ns * self.score.rate // (self.score.block * 10**9)))

    def finish(self, wait: bool = False) -> Played:
        """Ends it (wait: lets it play its seconds first) and gives what it wrote down. Raises Unavailable."""
        try:
            words, problem = self._process.communicate(None if wait else "quit\n", self.score.seconds + 60)
        except subprocess.TimeoutExpired:
            self.close()
            raise Unavailable("the block host does not end") from None
        if self._process.returncode != 0:
            raise Unavailable(f"the block host failed: {problem.strip()}")
        kept = Path(self._kept.name)
        rows, control = np.fromfile(kept / "log", ROW), np.fromfile(kept / "control", "<i4")
        audio = np.fromfile(kept / "audio", "<f4").reshape(-1, 2) if self.score.keep_audio else None
        self.close()
        return Played(self.score, self.start, json.loads(words), rows, control, audio)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._kept.cleanup()

    def __enter__(self) -> BlockHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
