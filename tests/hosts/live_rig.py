"""The other half of the tests of hosts: a real engine process, everything that it told over ZeroMQ, and who compares.

Threading: a daemon thread of ours hears `live-audio` and appends; the test's thread reads under a lock.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from benchmarks.watcher import Watcher
from bridge.client import Engine, connect
from bridge.demo_engine import engine_process
from bridge.live.messages import LiveSessionStatus
from bridge.timeline import layout
from bridge.timeline.memory import load, span_slots
from engine.errors import AttaccaError
from tests.hosts.attacca_plugin import await_caches
from tests.waiting import within

LONGEST_S = 300.0


@dataclass(frozen=True)
class Piece:
    """One message: what was written from a project frame on. audio [frames, 2]."""

    first: int
    generation: int
    audio: np.ndarray


class Told:
    """All `live-audio` by instance, in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: dict[str, list[Piece]] = {}

    def add(self, instance: str, piece: Piece) -> None:
        with self._lock:
            self._pieces.setdefault(instance, []).append(piece)

    def pieces(self, instance: str) -> list[Piece]:
        with self._lock:
            return list(self._pieces.get(instance, ()))

    def equals(self, instance: str, first: int, heard: np.ndarray) -> np.ndarray:
        """[frames] bool: the heard frame is, bit by bit, what was told of its project frame (the first is `first`)."""
        same = np.zeros(len(heard), bool)
        for piece in self.pieces(instance):
            begin, end = max(first, piece.first), min(first + len(heard), piece.first + len(piece.audio))
            if begin < end:
                mine, theirs = heard[begin - first : end - first], piece.audio[begin - piece.first : end - piece.first]
                same[begin - first : end - first] |= (mine == theirs).all(axis=1)
        return same

    def covered(self, instance: str, first: int, frames: int) -> np.ndarray:
        """[frames] bool: something was told of the frame."""
        there = np.zeros(frames, bool)
        for piece in self.pieces(instance):
            there[max(0, piece.first - first) : max(0, piece.first + len(piece.audio) - first)] = True
        return there


class Sight(Watcher):
    """A watcher that also sees what the track carried."""

    def context(self, first_frame: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Audio [frames, 2], and which frames are there [frames]."""
        index = span_slots(first_frame, frames) % layout.CONTEXT_SLOTS
        tags = self._memory.blocks["context_tag"]
        return load(tags, self._memory.context_audio, index, first_frame, frames)

    def segments(self) -> list[tuple[float, int, float]]:
        """Exact frame, bar and tempo of each segment of the published map."""
        count = int(self._memory.blocks["map"]["count"][0])
        rows = self._memory.blocks["segment"][:count]
        return [(row["frame"] + row["fraction"], int(row["bar"]), float(row["tempo"])) for row in rows]


class Live:
    """A running engine with its client, what it tells, and the caches of one folder."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.folder, self.told = engine, folder, Told()
        self._thread = threading.Thread(target=self._hear, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _hear(self) -> None:
        """Listens without a pause: who asks again in between misses what is told meanwhile."""
        try:
            for header, audio in self.engine.watch_live(LONGEST_S):
                piece = Piece(header.first_frame, header.generation, np.array(audio, np.float32))
                self.told.add(header.instance, piece)
        except AttaccaError:
            return  # the engine has ended

    def watch(self, count: int = 1) -> list[Sight]:
        """Watchers of the caches, as soon as there are `count` of them, by instance."""
        return [Sight(info.path) for info in await_caches(self.folder, count)]

    def assert_told(self, instance: str, first: int, heard: np.ndarray, seconds: float = 40.0) -> None:
        """Every heard frame [frames, 2] is bit by bit what was told of its project frame; messages may still come."""
        deadline = time.monotonic() + seconds
        while not (same := self.told.equals(instance, first, heard)).all() and time.monotonic() < deadline:
            time.sleep(0.05)
        wrong = first + np.flatnonzero(~same)
        there = self.told.covered(instance, first, len(heard))[wrong - first]
        assert not len(wrong), (
            f"{len(wrong)} of {len(heard)} frames differ: {wrong[0]}..{wrong[-1]}, told of: {there.mean():.0%}"
        )

    def session(self, instance: str) -> LiveSessionStatus | None:
        found = [session for session in self.engine.live_status().sessions if session.instance == instance]
        return found[0] if found else None

    def await_session(self, instance: str, true: Callable[[LiveSessionStatus], bool], seconds: float = 60.0) -> None:
        """Waits until the engine says so of a session."""

        def is_so() -> bool:
            found = self.session(instance)
            return found is not None and true(found)

        assert within(seconds, is_so), f"not within {seconds} s: {self.session(instance)}"


def instance_of(watcher: Watcher) -> str:
    return watcher.path.name.removeprefix("attacca-")


@contextmanager
def cache_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for caches alone, in memory where there is /dev/shm; ATTACCA_CACHE_DIR names it."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="attacca-host.", dir=base) as folder:
        monkeypatch.setenv("ATTACCA_CACHE_DIR", folder)
        yield Path(folder)


@contextmanager
def live_engine(folder: Path, *options: str) -> Iterator[Live]:
    """An engine of its own on free ports, for the caches that ATTACCA_CACHE_DIR (= folder) names."""
    with engine_process(*(options or ("--fake",))) as running, connect(running.zmq) as engine:
        live = Live(engine, folder)
        live.start()
        yield live


def smooth(frames: int) -> np.ndarray:
    """The plugin's ramp from 0 to 1. [frames, 1]"""
    x = np.arange(frames, dtype=np.float64)[:, None] / frames
    return x * x * (3 - 2 * x)
