"""Clocks: a monotonic one to live by, the wall-clock offset of OSC time tags, an offline twin.

*Threading*: reading a clock is safe from any thread. `OfflineClock.advance` is for tests and
offline runs, which drive it from one thread.
"""

from __future__ import annotations

import time
from typing import Protocol

NTP_EPOCH_OFFSET_S = 2_208_988_800
NTP_FRACTION = 2**32


class Clock(Protocol):
    def now_s(self) -> float:
        """Monotonic seconds from an arbitrary origin."""
        ...

    def unix_s(self) -> float:
        """Seconds since 1970, read only to place OSC time tags on `now_s`."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_s(self) -> float:
        return time.monotonic()

    def unix_s(self) -> float:
        return time.time()


class OfflineClock:
    """A clock that stands still until it is told to move."""

    def __init__(self, now_s: float = 0.0, unix_s: float = 1.0e9) -> None:
        self._now_s = now_s
        self._offset_s = unix_s - now_s

    def now_s(self) -> float:
        return self._now_s

    def unix_s(self) -> float:
        return self._now_s + self._offset_s

    def advance(self, seconds: float) -> None:
        assert seconds >= 0, "time does not run backwards"
        self._now_s += seconds


def seconds_until(tag: int, clock: Clock) -> float:
    """How far an OSC time tag (64-bit NTP) lies ahead, in seconds; 0 for "immediately" (tag 1)."""
    if tag <= 1:
        return 0.0
    return tag / NTP_FRACTION - NTP_EPOCH_OFFSET_S - clock.unix_s()


class Deadline:
    """A span of time that runs out; None never does."""

    def __init__(self, seconds: float | None, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._end_s = None if seconds is None else self._clock.now_s() + seconds

    def left_s(self, at_most: float) -> float:
        """Seconds left, 0 when past, never more than `at_most`."""
        if self._end_s is None:
            return at_most
        return min(at_most, max(0.0, self._end_s - self._clock.now_s()))

    def past(self) -> bool:
        return self._end_s is not None and self._clock.now_s() >= self._end_s
