"""Ableton Link as a sync source, where the optional extra `link` (aalink, GPL-2+) is installed.

Link shares tempo, beat and (with start/stop sync) whether it plays, but no song: bars are counted from Link's own
beat 0, and frames follow the beats (`QuarterAxis`).

*Threading*: `position` reads Link's state from one thread; Link's network thread is its own and never waits for us.
"""

from __future__ import annotations

import math
import time
from fractions import Fraction
from typing import Any

from bridge.sync.position import HostPosition, Jumps, exact_tempo, host_position
from bridge.sync.regress import QuarterAxis
from engine.errors import Unavailable
from engine.timing import Meter

MAX_QUARTERS = 10**7


class LinkSource:
    """A peer of the Link session on this network."""

    def __init__(self, rate: int = 48_000, meter: Meter | None = None, free: bool = False) -> None:
        """free: taken to play whatever Link's start/stop says (peers without start/stop sync). Raises Unavailable."""
        self.name = "link"
        self._rate, self._meter, self._free = rate, meter or Meter(4, 4), free
        self._axis, self._jumps = QuarterAxis(rate), Jumps()
        self._link, self._loop = _open()
        self._link.quantum = float(self._meter.bar_quarters)

    @property
    def peers(self) -> int:
        """How many others there are."""
        return 0 if self._link is None else int(self._link.num_peers)

    def position(self) -> HostPosition | None:
        link = self._link
        if link is None:
            return None
        beat, tempo, playing = link.beat, exact_tempo(link.tempo), self._free or bool(link.playing)
        at_ns = time.monotonic_ns()
        if tempo is None or not math.isfinite(beat) or abs(beat) > MAX_QUARTERS:
            return None
        quarters = Fraction(round(beat * 10**6), 10**6)
        counted = self._jumps.count
        jumps = self._jumps.seen(round(beat * 48_000), at_ns, round(float(tempo) * 800), True)
        if jumps != counted:
            self._axis.jump()
        bar, quarter = divmod(quarters, self._meter.bar_quarters)
        return host_position(
            self.name, at_ns, self._axis.frame(quarters, tempo), self._rate, playing, tempo=tempo,
            bar=int(bar), quarter=quarter, jumps=jumps,
            numerator=self._meter.numerator, denominator=self._meter.denominator,
        )  # fmt: skip

    def close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.enabled = False
            self._loop.close()


def _open() -> tuple[Any, Any]:
    """A Link peer, and the event loop that aalink wants to have one (nothing ever runs on it)."""
    import asyncio

    try:
        import aalink
    except ImportError as error:
        raise Unavailable("Ableton Link needs aalink (GPL-2+): pip install 'attacca-engine[link]'") from error

    async def make() -> Any:
        return aalink.Link(120.0)

    loop = asyncio.new_event_loop()
    link = loop.run_until_complete(make())
    link.start_stop_sync_enabled = True
    link.enabled = True
    return link, loop
