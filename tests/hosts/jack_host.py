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


class JackServer:
    """jackd under a name of its own, with what runs on it. `environment` leads tools to it."""

    def __init__(self, name: str, folder: Path, rate: int, block: int) -> None:
        needed = {"JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1", "JACK_NO_AUDIO_RESERVATION": "1"}
        self.name, self.folder = name, folder
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), **needed}
        self.running: list[subprocess.Popen[str]] = []
        command = ["jackd", "-R", "-n", name, "-d", "dummy", "-r", str(rate), "-p", str(block), "-P", "2", "-C", "2"]
        self.words = folder / "jackd.txt"
        with self.words.open("w") as said:
            self.server = subprocess.Popen(command, env=self.environment, stdout=said, stderr=said)
        waited = subprocess.run(["jack_wait", "-s", name, "-w", "-t", "20"], env=self.environment, capture_output=True)
        self.started = waited.returncode == 0

    def ports(self) -> list[str]:
        listed = subprocess.run(["jack_lsp"], env=self.environment, capture_output=True, text=True, timeout=20)
        return listed.stdout.splitlines()

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
        self.running.append(process)
        self._await(lambda: any(port.startswith(f"{name}:") for port in self.ports()), f"jalv does not show {name}")
        return Jalv(process, name, [port for port in self.ports() if port.startswith(f"{name}:")])

    def rig(self, parts: list[list[Any]], seconds: float) -> RigClient:
        """The rig, with the song's parts [[bar, tempo, numerator, denominator], ...]; records at most `seconds`."""
        song = self.folder / "song.json"
        song.write_text(json.dumps(parts))
        command = [sys.executable, "-m", "tests.hosts.jack_rig", "rig", str(self.folder), str(song), str(seconds)]
        process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.running.append(process)
        return RigClient(process, self.folder)

    @staticmethod
    def _await(true: Any, sentence: str, seconds: float = 20.0) -> None:
        for _ in range(int(seconds / 0.05)):
            if true():
                return
            time.sleep(0.05)
        raise AssertionError(sentence)

    def close(self) -> None:
        for process in reversed(self.running):
            process.terminate()
        for process in (*self.running, self.server):
            if process is self.server:
                process.terminate()
            try:
                process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate(timeout=10)
        for semaphore in Path("/dev/shm").glob(f"jack_sem.*_{self.name}_*"):
            semaphore.unlink()


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
    """Commands to the rig, each answered at once."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process, self.folder = process, folder
        self.about = self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the rig has ended"
        return dict(json.loads(line))

    def do(self, *command: Any) -> dict[str, Any]:
        """One command. Returns {frame, cycles, xruns}."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self._read()

    def locate(self, frame: int, seconds: float = 10.0) -> None:
        """Locates, and waits until the transport is less than a second from there."""
        self.do("locate", frame)
        deadline = time.monotonic() + seconds
        while not frame <= self.do("where")["frame"] < frame + self.about["rate"]:
            assert time.monotonic() < deadline, f"the transport does not go to frame {frame}"
            time.sleep(0.005)

    def play_until(self, frame: int, seconds: float = 60.0) -> None:
        """Waits until the transport is at `frame` or later."""
        deadline = time.monotonic() + seconds
        while self.do("where")["frame"] < frame:
            assert time.monotonic() < deadline, f"the transport does not reach frame {frame}"
            time.sleep(0.01)

    def heard(self) -> Heard:
        self.do("save")
        with np.load(self.folder / "heard.npz") as saved:
            return Heard(saved["audio"], saved["frames"], saved["rolling"])


@contextmanager
def jack_server(folder: Path, rate: int = 48_000, block: int = 1024) -> Iterator[JackServer]:
    """A server of its own for the length of the block; skips where it does not start."""
    need_jack()
    server = JackServer(f"attacca-{os.getpid()}-{time.monotonic_ns() % 10**6}", folder, rate, block)
    try:
        if not server.started:
            said = [line for line in server.words.read_text().splitlines() if line]
            pytest.skip(f"jackd does not start here: {said[-1] if said else 'it says nothing'}")
        yield server
    finally:
        server.close()
