"""Used by the tests of live sessions: a host that plays a cache, and a ledger of what the engine says it wrote."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from bridge.client import Engine
from bridge.live.map import ProjectMap, announced
from bridge.live.messages import LiveAudio, LiveSessionStatus, LiveTrace
from bridge.serve import Options, Server, serving
from bridge.timeline.cache import PluginSide, Transport, position_at
from engine.errors import AttaccaError
from engine.fake import FakeRenderer
from engine.types import Audio, BarAudio, Rendered, Request
from tests.waiting import wait

RATE = 48_000
THREE_TEMPI = ("0:120,3:97.3,6:140", "0:4/4,4:7/8,7:4/4")


class Coloured(FakeRenderer):
    """The fake engine with noise that depends on what was asked for, so that renders differ; keeps the requests."""

    def __init__(self, seconds_per_bar: float = 0.0) -> None:
        super().__init__(seconds_per_bar)
        self.requests: list[Request] = []
        self.contexts: list[Audio | None] = []

    def render(
        self,
        request: Request,
        inline: Audio | None,
        emit: Callable[[BarAudio], None],
        progress: Callable[[float], None],
        cancelled: Callable[[], bool],
    ) -> Rendered:
        if request.id.startswith("live-"):
            self.requests.append(request)
            self.contexts.append(inline)
        seed = crc32(repr((request.prompts, request.intensity, request.melody, request.seed)).encode())

        def coloured(piece: BarAudio) -> None:
            noise = np.random.default_rng((seed, abs(piece.first_frame))).normal(0, 0.05, piece.audio.shape)
            audio = (piece.audio + noise).astype(np.float32)
            emit(BarAudio(bar=piece.bar, first_frame=piece.first_frame, rate=piece.rate, audio=audio, last=piece.last))

        return super().render(request, inline, coloured, progress, cancelled)


@dataclass
class Block:
    """What a host played at a time."""

    frame: int
    audio: Audio
    there: bool
    generation: int


@dataclass
class Host:
    """A host with one plugin: reports its transport, plays its cache on the grid alone, as the native plugin does."""

    folder: Path
    song: ProjectMap
    instance: str = "test"
    block: int = 512
    frame: int = 0
    playing: bool = True
    loop: tuple[int, int] | None = None
    played: list[Block] = field(default_factory=list)
    jumps: int = 0
    blocks: int = 0
    tone: float = 0.0

    def __post_init__(self) -> None:
        self.side = PluginSide.create(self.instance, self.song.rate, 2.0, self.folder)
        self.side.set_knobs(live=1)

    def close(self) -> None:
        self.side.close()

    def report(self) -> None:
        """Tell the transport at the current frame, as a DAW does at the begin of a block."""
        place = position_at(self.song.segments(), self.song.rate, self.frame)
        assert place is not None
        self.blocks += 1
        self.side.report(
            Transport(
                frame=self.frame, monotonic_ns=time.monotonic_ns(), playing=self.playing, looping=self.loop is not None,
                musical=True, block_frames=self.block, bar=place.bar, quarter=place.quarter, tempo=place.tempo,
                numerator=place.numerator, denominator=place.denominator,
                loop_first=self.loop[0] if self.loop else 0, loop_last=self.loop[1] if self.loop else 0,
                jumps=self.jumps, blocks=self.blocks,
            )
        )  # fmt: skip

    def on_grid(self) -> bool:
        """Whether the engine's map has this block where the host has it."""
        _, segments = self.side.segments()
        here, told = (position_at(s, self.song.rate, self.frame) for s in (self.song.segments(), segments))
        if here is None or told is None or (here.numerator, here.denominator) != (told.numerator, told.denominator):
            return False
        off_quarters = (here.bar - told.bar) * here.numerator * 4 / here.denominator + here.quarter - told.quarter
        return abs(here.tempo - told.tempo) < 1e-4 and abs(off_quarters) * 60 * self.song.rate / here.tempo <= 1.5

    def look(self) -> Block:
        """The block at the play head; there: all of it, on the grid of the one map that it was rendered for."""
        generation = self.side.segments()[0]
        audio, known = self.side.play(self.frame, self._frames())
        there = bool(known.all()) and self.on_grid() and self.side.segments()[0] == generation
        return Block(self.frame, audio, there, generation)

    def step(self, seen: Block | None = None) -> Block:
        """One block: report, capture the track's input, play (what was seen, if it was looked at), move on."""
        self.report()
        frames = self._frames()
        if self.tone:
            sound = self.tone * np.sin(np.arange(self.frame, self.frame + frames) * 0.05)
            self.side.capture(self.frame, np.repeat(sound.astype(np.float32)[:, None], 2, axis=1))
        block = seen or self.look()
        self.played.append(block)
        if self.playing:
            self.frame += frames
            if self.loop and self.frame == self.loop[1]:
                self.frame, self.jumps = self.loop[0], self.jumps + 1
        return block

    def _frames(self) -> int:
        if self.loop and self.frame < self.loop[1]:
            return min(self.block, self.loop[1] - self.frame)
        return self.block

    def play(self, frames: int, speed: float | None = None) -> list[Block]:
        """Play on. With `speed` by the clock (1: as heard); without, an offline host that waits for each block.

        A machine that holds this host up for a while holds its play head up, too: it never hurries to catch up.
        """
        begin, start, played = time.monotonic(), len(self.played), 0
        while played < frames:
            seen = self._wait_for_block() if speed is None else None
            played += self._frames()
            self.step(seen)
            if speed is not None:
                early = begin + played / self.song.rate / speed - time.monotonic()
                begin -= min(0.0, early)
                time.sleep(max(0.0, early))
        return self.played[start:]

    def _wait_for_block(self) -> Block:
        """As an offline host does: the block at the play head, once it is there."""
        seen = self.look()
        if not seen.there:
            self.report()

            def there() -> bool:
                nonlocal seen
                seen = self.look()
                return seen.there

            wait(there, f"frame {self.frame} to be there")
        return seen

    def locate(self, frame: int) -> None:
        self.frame, self.jumps = frame, self.jumps + 1
        self.report()

    def ready(self, bars: float = 2.0, timeout_s: float = 60.0) -> None:
        """Wait until so many bars are there from the play head on; an offline host stands meanwhile."""
        line = self.song.frame(self.song.bar_at(self.frame) + int(bars))
        self.report()

        def there() -> bool:
            return self.on_grid() and bool(self.side.play(self.frame, line - self.frame)[1].all())

        wait(there, f"{bars} bars from frame {self.frame}", timeout_s)


class Ledger:
    """All that an engine told of what it wrote to caches, from a thread of its own."""

    def __init__(self, endpoint: str) -> None:
        self.told: list[tuple[LiveAudio, Audio]] = []
        self._engine = Engine(endpoint)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with contextlib.suppress(AttaccaError):  # the end of the connection
            for header, audio in self._engine.watch_live():
                self.told.append((header, audio))

    def close(self) -> None:
        self._engine.close()
        self._thread.join(30)

    def unexplained(self, host: Host) -> list[int]:
        """Frames of blocks that a host played and whose samples were never told for that frame and generation."""
        told = [(header, audio) for header, audio in list(self.told) if header.instance == host.side.instance]
        wrong = []
        for block in host.played:
            if not block.there:
                continue
            end = block.frame + len(block.audio)
            right = np.zeros(len(block.audio), bool)
            for header, audio in told:
                a, b = max(block.frame, header.first_frame), min(end, header.first_frame + header.frames)
                if a < b and header.generation == block.generation:
                    same = block.audio[a - block.frame : b - block.frame]
                    right[a - block.frame : b - block.frame] |= (
                        same == audio[a - header.first_frame : b - header.first_frame]
                    ).all(axis=1)
            if not right.all():
                wrong.append(block.frame)
        return wrong


@dataclass
class Stage:
    """An engine with live sessions, somebody who listens, and hosts."""

    server: Server
    engine: Engine
    ledger: Ledger
    renderer: FakeRenderer
    folder: Path

    def status(self, instance: str = "test", traces: int = 0) -> LiveSessionStatus | None:
        found = [s for s in self.engine.live_status(traces).sessions if s.instance == instance]
        return found[0] if found else None

    def traces(self, instance: str = "test") -> tuple[LiveTrace, ...]:
        status = self.status(instance, 1000)
        return status.traces if status else ()

    def explained(self, *hosts: Host) -> None:
        """Every played frame equals what was told."""
        for host in hosts:
            wait(lambda host=host: not self.ledger.unexplained(host), "the ledger to explain all that was played")


@contextmanager
def stage(folder: Path, renderer: FakeRenderer | None = None, **more: Any) -> Iterator[Stage]:
    """A live engine in this process, on free ports, with caches in `folder`; `more` are its options."""
    made = renderer or Coloured()
    options = Options(
        fake=True, zmq="tcp://127.0.0.1:*", osc="127.0.0.1:0", cache_dir=folder, render_dir=folder, **more
    )
    with serving(options, made) as server:
        assert server.zeromq is not None
        ledger = Ledger(server.zeromq.endpoint)
        with Engine(server.zeromq.endpoint) as engine:
            try:
                yield Stage(server, engine, ledger, made, folder)
            finally:
                ledger.close()
                assert server.live is not None
                assert server.live.bugs == 0
                assert server.loop.callback_errors == 0


@contextmanager
def engine_of(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A fake engine in its own process for the caches in `folder`, and what it said when it was ready."""
    command = [sys.executable, "-m", "bridge.cli", "serve", "--fake", "--zmq", "tcp://127.0.0.1:*", "--osc", "off"]
    env = os.environ | {"ATTACCA_CACHE_DIR": str(folder)}
    process = subprocess.Popen([*command, *options], env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready ")
        yield process, json.loads(line.removeprefix("ready "))
    finally:
        process.kill()
        process.communicate(timeout=60)


@contextmanager
def host(folder: Path, tempo: str = "120", meter: str = "4/4", **fields: Any) -> Iterator[Host]:
    made = Host(folder, announced(RATE, tempo, meter), **fields)
    try:
        yield made
    finally:
        made.close()


def measured(s: Stage, h: Host, below_s: float) -> None:
    """Renders under a standing head until its latency is known to be short: a busy machine's first one may be late."""
    live = s.server.live
    assert live is not None
    jobs = wait(lambda: h.instance in live._sessions and live._sessions[h.instance], "the session").jobs
    for turn in range(1, 40):
        told = wait(lambda: len(jobs._told), "the first sound of a render")
        if jobs._latencies and jobs.latency_s < below_s:
            return
        jobs._latencies.clear()
        h.side.set_knobs(guidance=2.0 + turn / 100)
        wait(lambda told=told: len(jobs._told) > told, "that of one render more")
        h.ready(2)
    raise AssertionError(f"no render is told within {below_s} s")


def missed(blocks: list[Block]) -> list[int]:
    """Frames of the blocks that were not all there."""
    return [block.frame for block in blocks if not block.there]


def beat(song: ProjectMap, bar: int, quarter: float = 0.0) -> int:
    return song.frame(bar, Fraction(quarter))
