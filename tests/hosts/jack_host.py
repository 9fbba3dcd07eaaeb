"""A JACK server on the dummy driver, jalv with an LV2 plugin on it, and the rig beside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.jack_server import JackServer
from tests.waiting import wait

ROOT = Path(__file__).resolve().parents[2]


def need_jack() -> None:
    """Skips with the reason where the host cannot be had."""
    if not all(shutil.which(tool) for tool in ("jackd", "jack_wait", "jalv")):
        pytest.skip("needs jackd2 and jalv: sudo apt install jackd2 jalv")
    pytest.importorskip("jack", reason="needs JACK-Client")


@dataclass(frozen=True)
class Heard:
    """What the rig recorded. audio [cycles, inputs, block], frames [cycles]: the transport's, rolling [cycles]."""

    audio: np.ndarray
    frames: np.ndarray
    rolling: np.ndarray

    def runs(self) -> list[tuple[int, np.ndarray]]:
        """Stretches of rolling cycles that follow each other by frame: (first frame, audio [frames, inputs])."""
        block = self.audio.shape[2]
        found: list[tuple[int, list[np.ndarray]]] = []
        expected = None
        for audio, frame, rolling in zip(self.audio, self.frames, self.rolling, strict=True):
            if rolling:
                if frame != expected:
                    found.append((int(frame), []))
                found[-1][1].append(audio.T)
            expected = frame + block if rolling else None
        return [(first, np.concatenate(pieces)) for first, pieces in found]


class HostServer(JackServer):
    """A JACK server with hosts on it; `folder` holds their logs."""

    folder: Path

    def jalv(self, uri: str, name: str, lv2_path: Path, *options: str, **more: str) -> Jalv:
        """jalv with the plugin, as JACK client `name`; `more` goes into its environment."""
        environment = {**self.environment, "LV2_PATH": str(lv2_path), **more}
        log = (self.folder / f"{name}.txt").open("w")
        process = subprocess.Popen(
            ["jalv", "-x", "-n", name, *options, uri],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
        log.close()
        self.processes.append(process)
        wait(lambda: any(port.startswith(f"{name}:") for port in self.ports()), f"jalv to show {name}", pause_s=0.05)
        return Jalv(process, name, [port for port in self.ports() if port.startswith(f"{name}:")])

    def rig(self, parts: list[list[Any]], seconds: float) -> RigClient:
        """The rig, with the song's parts [[bar, tempo, numerator, denominator], ...]; records at most `seconds`."""
        song = self.folder / "song.json"
        song.write_text(json.dumps(parts))
        command = [sys.executable, "-m", "tests.hosts.jack_rig", "rig", str(self.folder), str(song), str(seconds)]
        process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.processes.append(process)
        return RigClient(process, self.folder)


@dataclass
class Jalv:
    """A running jalv. ports: its JACK ports by full name. instance: of its cache, where a test knows it."""

    process: subprocess.Popen[str]
    name: str
    ports: list[str]
    instance: str = ""

    def say(self, line: str) -> None:
        """A line at its prompt, as `gain = 0.5` or `quit`."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()


class RigClient:
    """Commands to the rig, each answered at once with {frame, cycles, xruns, loops, rolling, done}."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process, self.folder = process, folder
        self.about = self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the rig has ended"
        return dict(json.loads(line))

    def do(self, *command: Any) -> dict[str, Any]:
        """One command, and its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self._read()

    def connect(self, source: str, sink: str) -> None:
        """A cable; a client that has its ports already may still have to become active."""
        wait(lambda: self.do("connect", source, sink)["done"], f"{source} to be connected to {sink}", pause_s=0.05)

    def locate(self, frame: int) -> None:
        """Locates, and waits until the transport is less than a second from there."""
        self.do("locate", frame)
        wait(lambda: frame <= self.do("where")["frame"] < frame + self.about["rate"], f"the locate to frame {frame}")

    def play_until(self, frame: int) -> None:
        """Waits until the transport is at `frame` or later."""
        wait(lambda: self.do("where")["frame"] >= frame, f"the transport to reach frame {frame}", pause_s=0.01)

    def loop(self, first: int, last: int, times: int) -> None:
        """Loops from frame `first` to `last` until it went back so many times, and plays on then."""
        before = self.do("loop", first, last)["loops"]
        wait(lambda: self.do("where")["loops"] >= before + times, f"{times} loops", pause_s=0.01)
        self.do("loop", None, None)

    def stop(self) -> None:
        """Stops, and waits until a cycle in which the transport stands was recorded."""
        self.do("stop")
        wait(lambda: not self.do("where")["rolling"], "the transport to stand")

    def heard(self) -> Heard:
        self.do("save")
        with np.load(self.folder / "heard.npz") as saved:
            return Heard(saved["audio"], saved["frames"], saved["rolling"])


@contextmanager
def jack_server(folder: Path, rate: int = 48_000, block: int = 1024) -> Iterator[HostServer]:
    """A server of its own for the length of the block; skips where it does not start."""
    need_jack()
    name = f"attacca-{os.getpid()}-{time.monotonic_ns() % 10**6}"
    with HostServer.or_skip(name, block, rate) as server:
        server.folder = folder
        yield server
