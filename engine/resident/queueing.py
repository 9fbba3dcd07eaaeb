"""The waiting line of the resident engine: a job, and a bounded queue of jobs.

*Threading*: nothing here locks. The resident calls every method with its one lock held;
all work is bounded by `max_waiting` (64 unless said otherwise), so that a caller never
waits longer than a few microseconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from engine.errors import Refused
from engine.events import Listener
from engine.types import Audio, BarAudio, Rendered, Request

JobState = Literal["new", "waiting", "rendering", "ended"]


@dataclass(eq=False)
class Job:
    """One request on its way. Times are monotonic seconds; `due_s` is infinite without deadline."""

    request: Request
    inline: Audio | None
    listener: Listener
    arrived_s: float
    order: int
    internal: bool = False
    state: JobState = "new"
    cancelled: bool = False
    started_s: float = math.nan
    checked_s: float = math.nan
    told_s: float = -math.inf
    bar_frames: list[int] = field(default_factory=list)
    bar_seconds: list[float] = field(default_factory=list)
    first_audio_s: float = math.nan
    next_frame: int | None = None
    complete: bool = False

    @property
    def due_s(self) -> float:
        ms = self.request.deadline_ms
        return math.inf if ms is None else self.arrived_s + ms / 1000

    @property
    def bytes_held(self) -> int:
        return 0 if self.inline is None else self.inline.nbytes

    def rank(self) -> tuple[int, float, int]:
        """Sort key: higher priority first, then the earlier deadline, then arrival."""
        return (-self.request.priority, self.due_s, self.order)

    def take_bar(self, bar: BarAudio, elapsed_s: float) -> None:
        """Note a bar or a piece of one; hold the renderer to its contract: in order, gapless, finite, exact."""
        audio = bar.audio
        assert not self.complete, "a bar after the last one"
        assert audio.ndim == 2, audio.shape
        assert audio.dtype == np.float32, audio.dtype
        assert bool(np.isfinite(audio).all()), "the render holds non-finite samples"
        if self.next_frame is None and bar.first_frame < 0:
            assert bar.first_frame == -len(audio), "the lead-in must end at frame 0"
            self.next_frame = 0
            return
        expected = self.next_frame or 0
        assert bar.first_frame == expected, f"bar at {bar.first_frame}, expected {expected}"
        self.next_frame = expected + len(audio)
        self.complete = bar.last
        self._count(bar.bar, len(audio), elapsed_s)

    def _count(self, bar: int, frames: int, elapsed_s: float) -> None:
        """Frames and time of a whole bar, from its pieces: it is out when its last piece is."""
        begun = len(self.bar_frames)
        assert bar in (begun - 1, begun), f"a piece of bar {bar} after {begun} bars"
        if bar == begun:
            self.bar_frames.append(0)
            self.bar_seconds.append(elapsed_s)
        if begun == 0:
            self.first_audio_s = elapsed_s
        self.bar_frames[bar] += frames
        self.bar_seconds[bar] = elapsed_s

    def check_rendered(self, rendered: Rendered) -> None:
        """Hold the closing statement to what was emitted."""
        assert self.complete, "the renderer returned before its last bar"
        assert rendered.bar_frames == tuple(self.bar_frames), "bar_frames differ from what came"
        assert rendered.frames == sum(self.bar_frames), "frames differ from what came"


class Waiting:
    """Jobs in rank order, bounded in number and in bytes of audio they hold."""

    def __init__(self, max_waiting: int, max_bytes: int) -> None:
        self._jobs: list[Job] = []
        self.max_waiting = max_waiting
        self.max_bytes = max_bytes

    def __len__(self) -> int:
        return len(self._jobs)

    def check_room(self, job: Job, registered: Iterable[Job]) -> None:
        """Raises Refused when `registered` (new and waiting jobs) leave no room for `job`."""
        held = [other for other in registered if other.state in ("new", "waiting")]
        if len(held) >= self.max_waiting:
            raise Refused(f"the queue is full ({self.max_waiting} requests wait): try again when one ends")
        held_bytes = sum(other.bytes_held for other in held)
        if held_bytes + job.bytes_held > self.max_bytes:
            raise Refused(
                f"the queue holds {held_bytes >> 20} MB of audio and takes "
                f"{self.max_bytes >> 20} MB: try again when a request ends, or send a path"
            )

    def push(self, job: Job) -> None:
        self._jobs.append(job)

    def pop(self) -> Job | None:
        if not self._jobs:
            return None
        best = min(self._jobs, key=Job.rank)
        self._jobs.remove(best)
        return best

    def remove(self, job: Job) -> None:
        self._jobs.remove(job)

    def late(self, now_s: float) -> list[Job]:
        """Jobs whose deadline has passed."""
        return [job for job in self._jobs if job.due_s <= now_s]

    def all(self) -> list[Job]:
        return sorted(self._jobs, key=Job.rank)
