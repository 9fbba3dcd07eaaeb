"""The timeline cache as the host reads it: one of its own that an engine fills, or that of a plugin, read only.

Threading
    The player thread reads (`play`, `known`, `segments`), counts and reports; the main thread changes knobs and
    words and reads the status. Each block of a cache has one writing thread; nothing waits for the engine.
"""

from __future__ import annotations

import mmap
import os
import time
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Protocol

from bridge.timeline import files, layout
from bridge.timeline.cache import BoolMask, EngineStatus, PluginSide, Segment, Transport, discover
from bridge.timeline.memory import Memory, known_cache, read_cache
from engine import errors
from engine.timing import TempoMap
from engine.types import Audio

STALE_NS: Final = 3_000_000_000
"""An engine whose heart has not beaten for so long is gone."""
Map = tuple[int, list[Segment]]


class Timeline(Protocol):
    """Rendered sound by project frame, at `rate_hz`."""

    @property
    def rate_hz(self) -> int: ...

    @property
    def name(self) -> str: ...

    def play(self, first_frame: int, frames: int) -> tuple[Audio, BoolMask]:
        """Sound [frames, 2], zero where the mask [frames] is false."""
        ...

    def known(self, first_frame: int, frames: int) -> BoolMask: ...

    def segments(self) -> Map:
        """The map and its generation; (0, []) before the first."""
        ...

    def status(self) -> EngineStatus: ...

    def report(self, frame: int, playing: bool, block_frames: int, jumps: int) -> None:
        """Where the play head is; read-only timelines say nothing."""
        ...

    def count(self, **counts: int) -> None: ...

    def close(self) -> None: ...


class OwnTimeline:
    """A cache that the host makes: it announces tempo and meter by its reports, and what is to be rendered."""

    def __init__(
        self, instance: str, rate_hz: int, song: TempoMap, minutes: float = 5.0, title: str = "host", **knobs: float
    ) -> None:
        """Raises `errors.BadRequest` (id, rate, minutes) and `errors.Unavailable` (no room)."""
        self._side = PluginSide.create(instance, rate_hz, minutes)
        self._reader = ReadTimeline(self._side.path)
        self.name = self._side.instance
        self.rate_hz = rate_hz
        self.song = song
        self._blocks = 0
        self._panics = 0
        self._side.set_words(title=title)
        self._side.set_knobs(live=1, **knobs)

    def words(self, prompt: str, seed: int = 0, prompt_b: str = "") -> None:
        self._side.set_words(prompt_a=prompt, prompt_b=prompt_b, seed=seed)

    def knobs(self, **changes: float) -> None:
        self._side.set_knobs(**changes)

    def panic(self) -> None:
        """Tell the engine, too, that everything is to be silent."""
        self._panics += 1
        self._side.set_knobs(panics=self._panics)

    def play(self, first_frame: int, frames: int) -> tuple[Audio, BoolMask]:
        return self._side.play(first_frame, frames)

    def known(self, first_frame: int, frames: int) -> BoolMask:
        return self._reader.known(first_frame, frames)

    def segments(self) -> Map:
        return self._side.segments()

    def status(self) -> EngineStatus:
        return self._side.status()

    def report(self, frame: int, playing: bool, block_frames: int, jumps: int) -> None:
        self._blocks += 1
        place = self.place(frame)
        self._side.report(
            Transport(
                frame=frame, monotonic_ns=time.monotonic_ns(), playing=playing, looping=False, musical=True,
                block_frames=block_frames, loop_first=0, loop_last=0, jumps=jumps, blocks=self._blocks, **place,
            )
        )  # fmt: skip

    def place(self, frame: int) -> dict[str, Any]:
        """Bar, quarters into it, tempo and meter at a project frame."""
        quarters = self.song.quarters_at(Fraction(frame, self.rate_hz))
        bar = self.song.bar_at(quarters)
        meter = self.song.meter_at(bar)
        told = {"numerator": meter.numerator, "denominator": meter.denominator}
        quarter = float(quarters - self.song.bar_start_quarters(bar))
        return {"bar": int(bar), "quarter": quarter, "tempo": float(self.song.tempo_at(quarters)), **told}

    def count(self, **counts: int) -> None:
        self._side.count(**counts)

    def close(self) -> None:
        self._side.close()


class ReadTimeline:
    """The cache of a plugin, read beside it: nothing is written, nothing reported."""

    def __init__(self, path: Path) -> None:
        """Raises `errors.Unavailable`."""
        fd = files.open_file(path)
        try:
            header = files.check_header(fd, path)
            pages, self.rate_hz = int(header["pages"]), int(header["rate"])
            size = layout.total_bytes(pages)
            self._memory = Memory(mmap.mmap(fd, size, access=mmap.ACCESS_READ), pages)
        finally:
            os.close(fd)
        self.name = path.name.removeprefix(layout.PREFIX)
        self._map: Map = (0, [])

    def play(self, first_frame: int, frames: int) -> tuple[Audio, BoolMask]:
        return read_cache(self._memory, first_frame, frames, self.segments()[0])

    def known(self, first_frame: int, frames: int) -> BoolMask:
        return known_cache(self._memory, first_frame, frames, self.segments()[0])

    def segments(self) -> Map:
        block = self._memory.blocks["map"]
        before, generation, count = block.tolist()[0]
        table = self._memory.blocks["segment"][: min(count, layout.MAX_SEGMENTS)].tolist()
        if before % 2 == 0 and before == int(block["seq"][0]) and generation != self._map[0]:
            self._map = (generation, [Segment(*row) for row in table])
        return self._map

    def status(self) -> EngineStatus:
        found = self._memory.get("engine")
        return EngineStatus(*found) if found else EngineStatus()

    def report(self, frame: int, playing: bool, block_frames: int, jumps: int) -> None:
        pass

    def count(self, **counts: int) -> None:
        pass

    def close(self) -> None:
        pass


def open_timeline(instance: str) -> ReadTimeline:
    """The cache of a plugin by its id, title or the only one that is there. Raises `errors.BadRequest`."""
    found = [info for info in discover() if info.whole and info.creator_alive and info.version == layout.VERSION]
    named = [info for info in found if instance in (info.instance, info.title)] if instance != "any" else found
    if not found:
        raise errors.BadRequest(
            "no plugin has a timeline cache here: put Attacca on a track of your DAW first, or leave --cache out"
        )
    if len(named) != 1:
        there = ", ".join(f"{info.instance} ({info.title})" for info in found)
        raise errors.BadRequest(f"which timeline cache is meant by {instance!r}? There are: {there}")
    return ReadTimeline(named[0].path)


def song_segments(song: TempoMap, rate_hz: int) -> list[Segment]:
    """A song's tempo and meter as a map of frames: a segment from each change of either on."""
    lines = {song.bar_start_quarters(change.bar) + change.quarters for change in song.changes}
    lines |= {song.bar_start_quarters(bar) for bar, _ in song.meters}
    segments = []
    for quarters in sorted(lines):
        at = song.seconds_at(quarters) * rate_hz
        bar = song.bar_at(quarters)
        meter = song.meter_at(bar)
        inside = float(quarters - song.bar_start_quarters(bar))
        tempo = float(song.tempo_at(quarters))
        whole = at.numerator // at.denominator
        segments.append(Segment(whole, float(at - whole), bar, inside, tempo, meter.numerator, meter.denominator))
    return segments


def engine_there(status: EngineStatus, now_ns: int) -> bool:
    """Whether an engine writes to the cache now."""
    return status.state != layout.OFF and now_ns - status.heartbeat_ns < STALE_NS
