"""A timeline cache looked into from outside: what plays where, and its audio. It locks nothing and writes nothing.

*Threading*: one thread uses a `Listening`. Every call is a bounded read of shared memory, which outlives the file's
name and both sides.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from bridge.live.map import ProjectMap, published
from bridge.timeline import files, layout
from bridge.timeline.memory import BoolMask, Memory, read_cache
from bridge.timeline.structs import Counters, Segment, Transport
from engine.types import Audio


class Listening:
    """A mapped cache, read only."""

    def __init__(self, path: Path) -> None:
        """Raises Unavailable where there is no whole cache of our layout."""
        fd = files.open_file(path)
        try:
            header = files.check_header(fd, path)
            pages = int(header["pages"])
            self.rate = int(header["rate"])
            self.inode = os.fstat(fd).st_ino
            mapped = mmap.mmap(fd, layout.total_bytes(pages), access=mmap.ACCESS_READ)
        finally:
            os.close(fd)
        self.path = path
        self.instance = path.name.removeprefix(layout.PREFIX)
        self._memory = Memory(mapped, pages)

    def transport(self) -> Transport | None:
        """The host's newest report; None before the first."""
        found = self._memory.get("transport")
        if found is None:
            return None
        frame, at_ns, flags, *rest = found
        said = (bool(flags & bit) for bit in (layout.PLAYING, layout.LOOPING, layout.MUSICAL))
        return Transport(frame, at_ns, *said, *rest)

    def counters(self) -> Counters:
        """What the plugin has counted."""
        return Counters(*self._memory.blocks["counters"].tolist()[0])

    def song(self) -> tuple[int, ProjectMap | None]:
        """The published map and its generation; None where there is none yet, or it changes just now."""
        block = self._memory.blocks["map"]
        seq, generation, count = block.tolist()[0]
        rows = self._memory.blocks["segment"][: min(count, layout.MAX_SEGMENTS)].tolist()
        if seq % 2 or int(block["seq"][0]) != seq:
            return generation, None
        return generation, published(self.rate, [Segment(*row) for row in rows])

    @property
    def generation(self) -> int:
        """The published map's."""
        return int(self._memory.blocks["map"]["generation"][0])

    def read(self, first_frame: int, frames: int, generation: int | None = None) -> tuple[Audio, BoolMask]:
        """What the plugin plays there: audio [frames, 2], zero where the mask [frames] is false; None: now."""
        return read_cache(self._memory, first_frame, frames, self.generation if generation is None else generation)
