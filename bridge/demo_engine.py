"""An engine in its own process, and an OSC peer, for whoever wants to be a DAW: demo, benchmarks, tests."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from engine.errors import AttaccaError, NoEngine

START_SECONDS = 180.0
STOP_SECONDS = 15.0
REPLY_SECONDS = 120.0


class Engine(NamedTuple):
    """A running engine: where it listens, what it said when it was ready, how long it took to."""

    zmq: str
    osc: tuple[str, int]
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
            host, _, port = ready["osc"].rpartition(":")
            yield Engine(ready["zmq"], (host, int(port)), ready, time.monotonic() - begin)
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


class OscPeer:
    """Sends OSC messages from one UDP socket and hears the replies that come back to it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))

    def __enter__(self) -> OscPeer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, address: str, *arguments: str | int | float) -> None:
        builder = OscMessageBuilder(address)
        for argument in arguments:
            builder.add_arg(argument)
        self.socket.sendto(builder.build().dgram, self.address)

    def receive(self, timeout_seconds: float) -> tuple[str, list[Any]]:
        """The next reply: address and arguments. NoEngine when none comes in time."""
        self.socket.settimeout(timeout_seconds)
        try:
            message = OscMessage(self.socket.recv(65_536))
        except TimeoutError as error:
            raise NoEngine("The engine does not answer over OSC.") from error
        return message.address, list(message.params)

    def ping(self, token: str, timeout_seconds: float = 5.0) -> float:
        """Round trip in seconds."""
        begin = time.monotonic()
        self.send("/attacca/ping", token)
        while self.receive(timeout_seconds) != ("/attacca/pong", [token]):
            pass
        return time.monotonic() - begin

    def ending(self, request_id: str, timeout_seconds: float = REPLY_SECONDS) -> tuple[str, int, int, float]:
        """Waits for a request's `done`: path, frames, rate, compute seconds. Raises what `fail` says."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            address, arguments = self.receive(max(0.01, deadline - time.monotonic()))
            if address == "/attacca/fail" and arguments[0] == request_id:
                raise AttaccaError(arguments[2])
            if address == "/attacca/done" and arguments[0] == request_id:
                path, frames, rate, compute_seconds = arguments[1:5]
                return str(path), int(frames), int(rate), float(compute_seconds)
