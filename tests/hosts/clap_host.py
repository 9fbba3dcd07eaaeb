"""Our own CLAP host (clap_host.cpp) as a Python object: every block's transport is said by the test."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from tests.hosts.song import Song

SOURCE = Path(__file__).resolve().parent / "clap_host.cpp"
BUILT = Path(__file__).resolve().parents[2] / "build" / "probes"
HEADERS = Path("/usr/share/dpf/distrho/src")
TEMPO, BEATS, SECONDS, METER, PLAYING, LOOPING = 1, 2, 4, 8, 16, 64
KNOWN = TEMPO | BEATS | SECONDS | METER
BLOCK = struct.Struct("<qII6diHH")
PARAMETER = struct.Struct("<I256s3d")


@dataclass(frozen=True)
class Parameter:
    id: int
    name: str
    lowest: float
    highest: float
    now: float


@dataclass(frozen=True)
class Moment:
    """What the host says at a block's start. quarters, bar_start, loop_*: quarters from the project's start."""

    seconds: float
    quarters: float
    tempo: float
    bar: int
    bar_start: float
    numerator: int = 4
    denominator: int = 4
    flags: int = KNOWN | PLAYING
    loop_start: float = 0.0
    loop_end: float = 0.0


def build_clap_host() -> Path:
    """Builds once per state of the source, about 2 s; skips where g++ or the CLAP headers are missing."""
    if shutil.which("g++") is None or not (HEADERS / "clap/entry.h").exists():
        pytest.skip("needs g++ and dpf-source (its CLAP headers): sudo apt install g++ dpf-source")
    binary = BUILT / f"clap_host-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]}"
    if not binary.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        handle, fresh = tempfile.mkstemp(dir=BUILT)
        os.close(handle)
        warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
        command = ["g++", "-std=c++17", "-O1", *warnings, "-isystem", str(HEADERS), str(SOURCE), "-o", fresh, "-ldl"]
        subprocess.run(command, check=True, timeout=100)
        Path(fresh).rename(binary)
    return binary


def moment(song: Song, frame: int, flags: int = KNOWN | PLAYING, loop: tuple[int, int] = (0, 0)) -> Moment:
    """What an exact host says at `frame` of `song`. loop: first and last bar."""
    place = song.place(frame)
    at_line = quarters_at(song, place.bar)
    return Moment(
        seconds=frame / song.rate,
        quarters=float(at_line + place.quarter),
        tempo=float(place.part.tempo),
        bar=place.bar,
        bar_start=float(at_line),
        numerator=place.part.numerator,
        denominator=place.part.denominator,
        flags=flags,
        loop_start=float(quarters_at(song, loop[0])),
        loop_end=float(quarters_at(song, loop[1])),
    )


def quarters_at(song: Song, bar: int) -> float:
    """Quarters from the project's start to a bar line."""
    ends = [*(part.bar for part in song.parts[1:]), max(bar, song.parts[-1].bar)]
    spans = [(max(min(bar, end) - part.bar, 0), part) for part, end in zip(song.parts, ends, strict=True)]
    return float(sum(bars * part.bar_quarters for bars, part in spans))


class ClapHost:
    """One plugin in a process of its own; use as a context manager."""

    def __init__(self, file: Path, plugin_id: str, rate: int = 48_000, most_frames: int = 1024, **more: str) -> None:
        command = [str(build_clap_host()), str(file), plugin_id, str(rate), str(most_frames)]
        environment = {**os.environ, **more}
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.steady_frame = 0

    def __enter__(self) -> ClapHost:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        return self.process.stdin, self.process.stdout

    def _send(self, data: bytes) -> None:
        into, _ = self._pipes
        into.write(data)
        into.flush()

    def _take(self, size: int) -> bytes:
        data = self._pipes[1].read(size)
        assert len(data) == size, f"the CLAP host has ended with {self.process.wait(10)}"
        return data

    def block(self, at: Moment, frames: int, audio: np.ndarray | None = None) -> np.ndarray:
        """Runs one block with `audio` [frames, 2] at the input (silence without). Returns [frames, 2] float32."""
        given = np.zeros((frames, 2), np.float32) if audio is None else np.ascontiguousarray(audio, np.float32)
        times = (at.seconds, at.quarters, at.tempo, at.bar_start, at.loop_start, at.loop_end)
        head = BLOCK.pack(self.steady_frame, frames, at.flags, *times, at.bar, at.numerator, at.denominator)
        self._send(b"B" + head + given.T.tobytes())
        self.steady_frame += frames
        return np.frombuffer(self._take(8 * frames), np.float32).reshape(2, frames).T.copy()

    def parameters(self) -> dict[str, Parameter]:
        self._send(b"I")
        (count,) = struct.unpack("<I", self._take(4))
        found = {}
        for _ in range(count):
            ident, name, lowest, highest, now = PARAMETER.unpack(self._take(PARAMETER.size))
            text = name.split(b"\0")[0].decode()
            found[text] = Parameter(ident, text, lowest, highest, now)
        return found

    def set(self, values: Mapping[int, float]) -> None:
        """Parameter values (plain, by id) at the start of the next block."""
        for ident, value in values.items():
            self._send(b"V" + struct.pack("<Id", ident, value))

    def note(self, offset: int, key: int, velocity: float = 0.8, on: bool = True) -> None:
        """A note event `offset` frames into the next block."""
        self._send(b"N" + struct.pack("<IidI", offset, key, velocity, on))

    def save(self) -> bytes:
        self._send(b"S")
        (size,) = struct.unpack("<I", self._take(4))
        return self._take(size)

    def load(self, state: bytes) -> bool:
        self._send(b"L" + struct.pack("<I", len(state)) + state)
        return bool(struct.unpack("<I", self._take(4))[0])

    def close(self) -> int:
        """Returns the host's exit status."""
        if self.process.poll() is None:
            self._send(b"Q")
        into, out = self._pipes
        into.close()
        status = self.process.wait(20)
        out.close()
        return status
