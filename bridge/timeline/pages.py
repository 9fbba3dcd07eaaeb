"""Which page of a cache's audio holds which page of the project, and which one goes when none is free.

*Threading*: used under the engine side's write lock. A reader may look at any time: a page leaves the table
and its tags are emptied before it is used again, so that it finds either the old audio or none.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np

from bridge.timeline import layout
from bridge.timeline.memory import Memory


class Pages:
    """Physical pages, least recently written first. Taken over from what an earlier engine left in the file."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._of: dict[int, int] = {}  # project page -> physical page, least recently written first
        self._generation: dict[int, int] = {}  # project page -> generation last written there
        used = np.flatnonzero(memory.page_table)
        tags = memory.blocks["tag"].reshape(memory.pages, layout.PAGE_SLOTS)
        found: list[tuple[int, int, int]] = []
        taken: set[int] = set()
        for page in used.tolist():
            physical = int(memory.page_table[page]) - 1
            if not 0 <= physical < memory.pages or physical in taken:
                memory.page_table[page] = 0
                continue
            taken.add(physical)
            found.append((int(tags["written_ns"][physical].max()), page, physical))
        for _, page, physical in sorted(found):
            self._of[page] = physical
            self._generation[page] = int(tags["generation"][physical].max())
        self._free = [n for n in range(memory.pages - 1, -1, -1) if n not in taken]

    def place(self, page: int, generation: int, spared: Iterable[tuple[int, int]]) -> int | None:
        """The physical page for a project page that is about to be written; evicts one where none is free.

        spared: ranges of project pages (first, last + 1) to keep. None: all that there are must be kept.
        """
        physical = self._of.pop(page, None)
        if physical is None:
            physical = self._free.pop() if self._free else self._evict(generation, tuple(spared))
            if physical is None:
                return None
            self._empty(physical)
            self._memory.page_table[page] = physical + 1
        self._of[page] = physical
        self._generation[page] = generation
        return physical

    def _evict(self, generation: int, spared: tuple[tuple[int, int], ...]) -> int | None:
        """Frees the oldest page of an earlier generation, else the oldest one that is not spared."""
        stale = (page for page in self._of if self._generation[page] != generation)
        unneeded = (page for page in self._of if not any(first <= page < last for first, last in spared))
        page = next(stale, next(unneeded, None))
        if page is None:
            return None
        self._memory.page_table[page] = 0
        del self._generation[page]
        return self._of.pop(page)

    def _empty(self, physical: int) -> None:
        first = physical * layout.PAGE_SLOTS
        tags = self._memory.blocks["tag"][first : first + layout.PAGE_SLOTS]
        odd = tags["seq"] | np.uint64(1)
        tags["seq"] = odd
        tags["slot"] = -1
        tags["begin"] = tags["end"] = 0
        tags["written_ns"] = time.monotonic_ns()
        tags["seq"] = odd + np.uint64(1)
