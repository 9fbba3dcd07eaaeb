"""An engine in its own process, for whoever wants to be a DAW: demo, benchmarks, tests."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import NoEngine

START_SECONDS = 180.0
STOP_SECONDS = 15.0


class Engine(NamedTuple):
    """A running engine: where it listens, what it said when it was ready, how long it took to."""

    zmq: str
    osc: str
    ready: dict[str, Any]
    start_seconds: float


@contextmanager
def engine_process(*options: str) -> Iterator[Engine]:
    """`attacca serve` on free ports with further options, until the block ends. NoEngine if it does not start."""
    with tempfile.TemporaryDirectory(prefix="attacca-") as folder:
        ready_file, log = Path(folder) / "ready.json", Path(folder) / "log.txt"
        places = ["--zmq", "tcp://127.0.0.1:0", "--osc", "127.0.0.1:0", "--ready-file", str(ready_file)]
        begin = time.monotonic()
        with open(log, "wb") as sink:
            command = [sys.executable, "-m", "bridge.cli", "serve", *options, *places]
            process = subprocess.Popen(command, stdout=sink, stderr=sink)
        try:
            ready = wait_ready(process, ready_file, log)
            yield Engine(ready["zmq"], ready["osc"], ready, time.monotonic() - begin)
        finally:
            stop(process)


def wait_ready(process: subprocess.Popen[bytes], ready_file: Path, log: Path) -> dict[str, Any]:
    """What the engine says when it is ready. NoEngine, with its last words, when it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not ready_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            words = log.read_text(errors="replace").strip().splitlines() or ["no word from it"]
            raise NoEngine(f"The engine did not start: {words[-1]}")
        time.sleep(0.01)
    found: dict[str, Any] = json.loads(ready_file.read_text())
    return found


def stop(process: subprocess.Popen[bytes]) -> int:
    """Asks the engine to end, and after a while makes it. Returns its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
