"""Follows a plugin's reports, or a sync source: where the play head is, whether it rolls, what that teaches about bars.

*Threading*: the live thread owns it; a report is a bounded read of shared memory, and a source never blocks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bridge.live.learn import Told, agrees, learnt, told_by
from bridge.live.map import ProjectMap, published
from bridge.live.sync import SILENT, Lead, PositionOf
from bridge.sync.plugin import from_transport
from bridge.sync.position import HostPosition
from bridge.timeline.engine import EngineSide
from engine.horizon.plans import Head

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
    """Reads the transport block of one cache; with a `source`, that one instead: its frames are the project's."""

    def __init__(self, side: EngineSide, source: PositionOf | None = None) -> None:
        self._side = side
        self._lead = None if source is None else Lead(source, side.rate)
        self.song = published(side.rate, side.segments())
        self._blocks = -1
        self._jumps: int | None = None
        self._frame = 0
        self._agreed: Told | None = None
        self._position: HostPosition | None = None
        self._block_frames = 0

    def hear(self, now_ns: int) -> Heard | None:
        """The head now; None while plugin or source have reported nothing that can be used."""
        new = self._read() if self._lead is None else self._read_lead(self._lead, now_ns)
        if self._position is None:
            return None
        jumped = new and self._has_jumped(self._position)
        song = self._learn(self._position, jumped) if new else None
        return Heard(self._head(self._position, now_ns), jumped, song, new)

    @property
    def error(self) -> str:
        """Why the head stands though nobody stopped it, in a sentence; else empty."""
        return SILENT if self._lead is not None and self._lead.silent else ""

    def frame_at(self, at_ns: int) -> int:
        """The frame at which the head is (was) at a time (monotonic), by the newest report."""
        position = self._position
        if position is None:
            return 0
        moved = (at_ns - position.at_ns) * position.rate // 10**9 if position.playing else 0
        return max(0, position.frame + moved)

    def announce(self, song: ProjectMap) -> None:
        """A map that was told, not learnt."""
        self.song, self._agreed = song, None

    def _read(self) -> bool:
        """Whether the plugin has told something new."""
        transport = self._side.transport()
        if transport is None or (transport.blocks == self._blocks and self._position is not None):
            return False
        if (position := from_transport(transport, self._side.rate)) is not None:
            self._blocks, self._block_frames, self._position = transport.blocks, transport.block_frames, position
        return True

    def _read_lead(self, lead: Lead, now_ns: int) -> bool:
        """Whether the source has told something new. Where it falls silent the head stands."""
        transport = self._side.transport()
        if transport is not None:
            self._block_frames = transport.block_frames
        before, position = self._position, lead.position(now_ns)
        if position is None and before is not None and before.playing:
            self._position = replace(before, frame=self._head(before, now_ns).frame, playing=False)
        if position is None or position == before:
            return False
        self._position = position
        return True

    def _has_jumped(self, position: HostPosition) -> bool:
        backwards = self._lead is None and position.frame < self._frame
        jumped = self._jumps is not None and (position.jumps != self._jumps or backwards)
        self._jumps, self._frame = position.jumps, position.frame
        return jumped

    def _learn(self, position: HostPosition, jumped: bool) -> ProjectMap | None:
        told = told_by(position)
        if told is None:
            return None
        before = self._agreed = None if jumped else self._agreed
        if self._lead is None:
            song = learnt(self.song, before, told)
            self._agreed, self.song = told, song or self.song
            return song
        told = self._lead.exact(self.song, told)
        song = self._lead.learn(self.song, before, told, position.at_ns)
        self.song = song or self.song
        if self.song is not None and agrees(self.song, told):
            self._agreed = told
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
