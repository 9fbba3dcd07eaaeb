"""Bars that were heard and are about to be overwritten, for *recall*. Bounded.

*Threading*: the live thread owns it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from engine.types import Audio

MAX_TAKES = 64


@dataclass(frozen=True)
class Take:
    """A bar [frames, 2] as it was heard. number: counts from 0 within its bar."""

    bar: int
    number: int
    audio: Audio


class Takes:
    """The last 64 takes, whatever bars they are of."""

    def __init__(self, most: int = MAX_TAKES) -> None:
        self._kept: deque[Take] = deque(maxlen=most)
        self._counts: dict[int, int] = {}

    def keep(self, bar: int, audio: Audio) -> Take:
        take = Take(bar, self._counts.get(bar, 0), audio)
        self._counts[bar] = take.number + 1
        self._kept.append(take)
        return take

    def of(self, bar: int) -> list[Take]:
        """What is kept of a bar, oldest first."""
        return [take for take in self._kept if take.bar == bar]

    def all(self) -> list[Take]:
        """What is kept, oldest first."""
        return list(self._kept)

    def find(self, bar: int, number: int) -> Take | None:
        """A take by its number; -1: the newest of its bar."""
        found = [take for take in self.of(bar) if number in (take.number, -1)]
        return found[-1] if found else None

    def __len__(self) -> int:
        return len(self._kept)
