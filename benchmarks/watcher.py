"""Looks into a timeline cache from outside: what it holds, what both sides say. It locks nothing and writes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from bridge.live.listening import Listening
from bridge.timeline import layout
from bridge.timeline.memory import Ints, cache_index, span_slots
from bridge.timeline.structs import EngineStatus
from engine.errors import Unavailable

POLL_S = 0.005


class Watcher(Listening):
    """What is also asked by who judges both sides."""

    def status(self) -> EngineStatus:
        found = self._memory.get("engine")
        return EngineStatus(*found) if found else EngineStatus()

    def same_file(self) -> bool:
        """Whether the path still names the file that was mapped."""
        try:
            return bool(self.path.stat().st_ino == self.inode)
        except FileNotFoundError:
            return False

    def held_until(self, first_frame: int, at_most_frames: int = 4_800_000) -> int:
        """The first frame from `first_frame` on that the cache does not hold."""
        slots, tags = span_slots(first_frame, at_most_frames), self._memory.blocks["tag"]
        index = cache_index(self._memory.page_table, self._memory.pages, slots)
        tag = tags[np.maximum(index, 0)]
        right = (index >= 0) & (tag["slot"] == slots) & (tag["generation"] == self.generation)
        begin = np.where(right, slots * layout.SLOT_FRAMES + tag["begin"], np.int64(2**62))
        end = np.where(right, slots * layout.SLOT_FRAMES + tag["end"], -1)
        at: int = first_frame
        for first, last in zip(begin.tolist(), end.tolist(), strict=True):
            if not first <= at < last:
                return at
            at = last
            if last % layout.SLOT_FRAMES:
                return at
        return at

    def written_ns(self, first_frame: int, frames: int) -> Ints:
        """When each slot from `first_frame`'s on was last written (monotonic); 0 where it is not held."""
        slots, tags = span_slots(first_frame, frames), self._memory.blocks["tag"]
        index = cache_index(self._memory.page_table, self._memory.pages, slots)
        tag = tags[np.maximum(index, 0)]
        right = (index >= 0) & (tag["slot"] == slots) & (tag["generation"] == self.generation)
        return np.where(right, tag["written_ns"], 0).astype(np.int64)

    def wait(self, condition: Callable[[Watcher], bool], what: str, timeout_s: float = 30.0) -> None:
        """Until the condition holds. Raises Unavailable: `what` did not happen."""
        deadline_s = time.monotonic() + timeout_s
        while not condition(self):
            if time.monotonic() > deadline_s:
                raise Unavailable(f"not within {timeout_s:.0f} s: {what}")
            time.sleep(POLL_S)

    def wait_ready(self, bars: float, timeout_s: float = 60.0, since_ns: int = 0) -> None:
        """Until an engine is ready and so many bars are; since_ns: one whose heart beat after that (monotonic)."""

        def ready(watcher: Watcher) -> bool:
            said = watcher.status()
            return said.state == layout.READY and said.bars_ready >= bars and said.heartbeat_ns > since_ns

        self.wait(ready, f"{bars} bars ready", timeout_s)
