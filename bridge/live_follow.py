"""Follows a plugin's reports: where the play head is now, whether it rolls, what they teach about the project's bars.

*Threading*: the live thread owns it; a report is a bounded read of shared memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.live_learn import Told, learnt, told_by
from bridge.live_map import ProjectMap, published
from bridge.sync.plugin import from_transport
from bridge.sync.position import HostPosition
from bridge.timeline_engine import EngineSide
from engine.plans import Head

STALLED_NS = 250_000_000
"""A host that plays but reported nothing for so long stands: an offline host that waits for us, a stuck one."""


@dataclass(frozen=True)
class Heard:
    """song: a new map, learnt from this report. told: the report is new, not only carried on."""

    head: Head
    jumped: bool
    song: ProjectMap | None
    told: bool


class Follower:
    """Reads the transport block of one cache."""

    def __init__(self, side: EngineSide) -> None:
        self._side = side
        self.song = published(side.rate, side.segments())
        self._blocks = -1
        self._jumps: int | None = None
        self._frame = 0
        self._agreed: Told | None = None
        self._position: HostPosition | None = None
        self._block_frames = 0

    def hear(self, now_ns: int) -> Heard | None:
        """The head now; None while the plugin has reported nothing that can be used."""
        transport = self._side.transport()
        if transport is None:
            return None
        new = transport.blocks != self._blocks or self._position is None
        if new and (position := from_transport(transport, self._side.rate)) is not None:
            self._blocks, self._block_frames, self._position = transport.blocks, transport.block_frames, position
        if self._position is None:
            return None
        jumped = new and self._has_jumped(self._position)
        song = self._learn(self._position, jumped) if new else None
        return Heard(self._head(self._position, now_ns), jumped, song, new)

    def announce(self, song: ProjectMap) -> None:
        """A map that was told, not learnt."""
        self.song, self._agreed = song, None

    def _has_jumped(self, position: HostPosition) -> bool:
        backwards = position.frame < self._frame
        jumped = self._jumps is not None and (position.jumps != self._jumps or backwards)
        self._jumps, self._frame = position.jumps, position.frame
        return jumped

    def _learn(self, position: HostPosition, jumped: bool) -> ProjectMap | None:
        told = told_by(position)
        if told is None:
            return None
        song = learnt(self.song, None if jumped else self._agreed, told)
        self._agreed, self.song = told, song or self.song
        return song

    def _head(self, position: HostPosition, now_ns: int) -> Head:
        """Carried on to now while it rolls, turned back by the host's loop; never before project frame 0."""
        since_ns = max(0, now_ns - position.at_ns)
        rolling = position.playing and since_ns < STALLED_NS
        frame = position.frame + (since_ns * position.rate // 10**9 if rolling else 0)
        loop = position.loop
        if loop and position.frame < loop[1] <= frame:
            frame = loop[0] + (frame - loop[0]) % (loop[1] - loop[0])
        if loop:
            loop = (max(0, loop[0]), max(0, loop[1]))
        return Head(max(0, frame), rolling, loop, self._block_frames)
