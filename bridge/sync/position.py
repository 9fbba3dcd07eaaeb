"""Where a host's play head is: one struct whatever the source, checked once, here.

A source (plugin, JACK, Ardour, MIDI clock, Link) makes its positions with `host_position`, so that whoever
reads one need not ask whether a number is finite or a meter legal: what is not is None.

*Threading*: pure functions and a counter; `Jumps` belongs to the one thread that feeds it. A `SyncSource` says
itself which threads it has; its `position` never blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

from engine.errors import BadRequest
from engine.timing import TEMPO_RANGE_BPM, Meter
from engine.types import RATE_RANGE_HZ

MAX_FRAME = 2**53
MAX_BAR = 100_000
FOLLOW_NS = 2_000_000_000
"""A report is followed for so long; after it the play head is taken to stand where it led."""
JUMP_S = 0.05
_EDGE_QUARTERS = Fraction(1, 10**6)
Number = float | Fraction


@dataclass(frozen=True, slots=True)
class HostPosition:
    """The play head at one moment.

    source: its name. at_ns: time.monotonic_ns() of the moment. frame: project frame at `rate` (negative in a
    pre-roll). tempo: quarters a minute, 20-400. bar: 0-based; quarter: quarters into it, from 0 up to the bar's
    length. loop: first frame and the frame after the last. jumps: how often the play head was not where it led.
    None: the source does not say, or says nonsense.
    """

    source: str
    at_ns: int
    frame: int
    rate: int
    playing: bool
    tempo: Fraction | None = None
    bar: int | None = None
    quarter: Fraction | None = None
    meter: Meter | None = None
    loop: tuple[int, int] | None = None
    jumps: int = 0


class SyncSource(Protocol):
    """Something that knows where the play head is."""

    @property
    def name(self) -> str: ...

    def position(self) -> HostPosition | None:
        """The newest position; None while nothing is known. From any one thread; never blocks."""
        ...

    def close(self) -> None:
        """Ends threads, sockets and clients. Twice is once."""
        ...


def host_position(
    source: str,
    at_ns: int,
    frame: int,
    rate: int,
    playing: bool,
    *,
    tempo: Number | None = None,
    bar: int | None = None,
    quarter: Number | None = None,
    numerator: float | None = None,
    denominator: float | None = None,
    loop: tuple[int, int] | None = None,
    jumps: int = 0,
) -> HostPosition | None:
    """A checked position of what a source says; None when frame or rate are nonsense.

    quarter of a bar's length or a hair below 0 (1e-6) is carried to the bar line it means. A position that
    lies outside its own bar is no position: bar and quarter are None then.
    """
    if not -MAX_FRAME <= frame <= MAX_FRAME or not RATE_RANGE_HZ[0] <= rate <= RATE_RANGE_HZ[1]:
        return None
    meter = _meter(numerator, denominator)
    place = _place(bar, quarter, meter)
    if loop is not None and not (-MAX_FRAME <= loop[0] < loop[1] <= MAX_FRAME):
        loop = None
    return HostPosition(
        source=source,
        at_ns=int(at_ns),
        frame=int(frame),
        rate=int(rate),
        playing=bool(playing),
        tempo=exact_tempo(tempo),
        bar=place[0],
        quarter=place[1],
        meter=meter,
        loop=loop,
        jumps=jumps,
    )


def exact_tempo(tempo: Number | None) -> Fraction | None:
    """The rational tempo that a host's number means: the nearest 1/1000 within 1e-6, else a close fraction.

    None outside 20-400 or when it is no number.
    """
    if tempo is None or not _finite(tempo):
        return None
    value = Fraction(tempo)
    near = Fraction(round(value * 1000), 1000)
    if abs(near - value) > _EDGE_QUARTERS:
        near = value.limit_denominator(10**6)
    return near if TEMPO_RANGE_BPM[0] <= near <= TEMPO_RANGE_BPM[1] else None


def _finite(number: Number) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a fraction beyond all floats
        return False


def _meter(numerator: float | None, denominator: float | None) -> Meter | None:
    if numerator is None or denominator is None or not (_finite(numerator) and _finite(denominator)):
        return None
    if int(numerator) != numerator or int(denominator) != denominator:
        return None
    try:
        return Meter(int(numerator), int(denominator))
    except BadRequest:
        return None


def _place(bar: int | None, quarter: Number | None, meter: Meter | None) -> tuple[int | None, Fraction | None]:
    if bar is None or quarter is None or not _finite(quarter) or not -MAX_BAR <= bar <= MAX_BAR:
        return None, None
    at = Fraction(quarter).limit_denominator(10**9)
    if -_EDGE_QUARTERS <= at < 0:
        at = Fraction(0)
    if meter is None:
        return (int(bar), at) if 0 <= at <= 128 else (None, None)
    if 0 <= at < meter.bar_quarters:
        return int(bar), at
    if meter.bar_quarters <= at <= meter.bar_quarters + _EDGE_QUARTERS:
        return int(bar) + 1, Fraction(0)
    return None, None


def follow(position: HostPosition, now_ns: int) -> HostPosition:
    """The position now, where nothing has happened since it was told: played on, turned back by its loop.

    For at most 2 s: what has said nothing for longer is taken to stand. Tempo and meter hold; bar and quarter
    are None where they cannot be carried on.
    """
    elapsed_ns = min(max(now_ns - position.at_ns, 0), FOLLOW_NS)
    if not position.playing or elapsed_ns == 0:
        return position
    frame = position.frame + elapsed_ns * position.rate // 10**9
    if position.loop is not None and position.frame < position.loop[1] <= frame:
        first, last = position.loop
        frame = first + (frame - first) % (last - first)
    bar, quarter = _moved(position, frame - position.frame)
    return replace(position, at_ns=position.at_ns + elapsed_ns, frame=frame, bar=bar, quarter=quarter)


def _moved(position: HostPosition, frames: int) -> tuple[int | None, Fraction | None]:
    """Bar and quarter `frames` later (or earlier, when a loop turned back)."""
    if position.bar is None or position.quarter is None or position.tempo is None or position.meter is None:
        return None, None
    at = position.quarter + frames * position.tempo / (60 * position.rate)
    bars, quarter = divmod(at, position.meter.bar_quarters)
    return position.bar + int(bars), quarter


class Jumps:
    """Counts the moments at which a play head is not where its last report led."""

    def __init__(self, tolerance_s: float = JUMP_S) -> None:
        self.count = 0
        self._tolerance_s = tolerance_s
        self._last: tuple[int, int, bool] | None = None

    def seen(self, frame: int, at_ns: int, rate: int, playing: bool) -> int:
        """The count, after a report. While it plays 50 ms (and 1 % of the time since) are no jump."""
        if self._last is not None:
            old_frame, old_ns, old_playing = self._last
            elapsed_s = max(0, at_ns - old_ns) / 1e9
            slack = (self._tolerance_s + 0.01 * elapsed_s) * rate if playing or old_playing else 0
            furthest = old_frame + (elapsed_s * rate if playing or old_playing else 0)
            nearest = furthest if playing and old_playing else old_frame
            if not nearest - slack <= frame <= furthest + slack:
                self.count += 1
        self._last = (frame, at_ns, playing)
        return self.count
