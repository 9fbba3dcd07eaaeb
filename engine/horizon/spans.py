"""A set of frames as sorted half-open spans. Pure; plain ints."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class Spans:
    """Which frames belong to a set. Every operation is O(log n) plus the spans that it touches."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._starts, self._ends, strict=True)))

    def add(self, first: int, end: int) -> None:
        """Frames first..end belong to the set from now on; neighbours merge."""
        if first >= end:
            return
        low, high = bisect_left(self._ends, first), bisect_right(self._starts, end)
        if low < high:
            first, end = min(first, self._starts[low]), max(end, self._ends[high - 1])
        self._starts[low:high], self._ends[low:high] = [first], [end]

    def remove(self, first: int, end: int) -> None:
        """Frames first..end no longer belong to it."""
        if first >= end:
            return
        low, high = bisect_right(self._ends, first), bisect_left(self._starts, end)
        kept = [
            (a, b)
            for start, stop in zip(self._starts[low:high], self._ends[low:high], strict=True)
            for a, b in ((start, min(stop, first)), (max(start, end), stop))
            if a < b
        ]
        self._starts[low:high], self._ends[low:high] = [a for a, _ in kept], [b for _, b in kept]

    def clear(self) -> None:
        self._starts, self._ends = [], []

    def until(self, frame: int) -> int:
        """The end of the span that holds `frame`; `frame` itself where none does."""
        at = bisect_right(self._starts, frame) - 1
        return max(frame, self._ends[at]) if at >= 0 else frame

    def holds(self, first: int, end: int) -> bool:
        """Whether all of first..end belongs to it."""
        return first >= end or self.until(first) >= end

    def gap(self, first: int, end: int) -> int | None:
        """The first frame of first..end that does not belong to it."""
        at = self.until(first)
        return at if at < end else None

    def missing(self, first: int, end: int) -> list[tuple[int, int]]:
        """The spans of first..end that do not belong to it."""
        found, at = [], first
        while (gap := self.gap(at, end)) is not None:
            at = self.start_after(gap, end)
            found.append((gap, at))
        return found

    def start_after(self, frame: int, limit: int) -> int:
        """Where the next span after `frame` begins, at most `limit`."""
        at = bisect_right(self._starts, frame)
        return min(limit, self._starts[at]) if at < len(self._starts) else limit
