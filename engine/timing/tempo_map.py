"""The tempo map: bars -> quarters -> seconds -> frames and back, exact, in O(log n)."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import accumulate, pairwise

from engine.errors import BadRequest
from engine.timing.tempo import Meter, check_tempo, parse_tempo, round_half_up, shown
from engine.types import MAX_BARS, MAX_SECONDS

MAX_BAR = 100_000
STEPS_PER_QUARTER = 960
MAX_RAMP_STEPS = 2**21
MAP_SENTENCE = (
    'A tempo map is "bar:tempo,bar:tempo,..." with rising bars from 0, as in "0:120,4:90" or "0:120,4+1.5:90"'
)
METERS_SENTENCE = 'A meter map is "bar:n/d,bar:n/d,..." with rising bars from 0, as in "0:4/4,8:7/8"'
MAX_MAP_CHARACTERS = 4000
_MAP_STEP = re.compile(r"\s*([0-9]{1,6})\s*:([^:]{1,48})")
_INSIDE = re.compile(r"\s*([0-9]{1,6})\+([0-9]{1,16}/[0-9]{1,16}|[0-9]{1,3}(?:\.[0-9]{0,24})?)\s*:([^:]{1,48})")
Meters = tuple[tuple[int, Meter], ...]
"""Meters by rising bar, the first at bar 0."""


@dataclass(frozen=True, slots=True)
class TempoChange:
    """From `bar` on, or from `quarters` inside of it, `tempo` holds; or, with `to_tempo`, ramps linearly to reach
    it at `until_bar`.

    A ramp begins on a bar line. It is a staircase over 1/960 quarters: step k of n has the period
    floor(1e9 * 60 / t + 1/2) nanoseconds a quarter, t = tempo + (to_tempo - tempo)(2k+1)/(2n).
    """

    bar: int
    tempo: Fraction
    to_tempo: Fraction | None = None
    until_bar: int = 0
    quarters: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of constant tempo, or a ramp with `ticks`: seconds * 960e9 since its start, per step."""

    quarters: Fraction
    seconds: Fraction
    period: Fraction
    ticks: array[int] = field(default_factory=lambda: array("q"))


TICKS_PER_SECOND = STEPS_PER_QUARTER * 10**9


def _ramp_ticks(start: Fraction, end: Fraction, steps: int) -> array[int]:
    """Cumulated ticks at the edges of a staircase's steps, steps + 1 long, in integers."""
    scale = start.denominator * end.denominator
    low, high = int(start * scale), int(end * scale)
    top, first, slope = 60 * 10**9 * 2 * steps * scale, 2 * steps * low + high - low, 2 * (high - low)
    tempi = range(first, first + slope * steps, slope) if slope else [first] * steps
    return array("q", accumulate(((2 * top + t) // (2 * t) for t in tempi), initial=0))


@dataclass(frozen=True)
class TempoMap:
    """Tempo and meter over bars, 0-based. Immutable; lookups are O(log n), all results exact.

    changes: by rising bar, the first at bar 0. meters: (bar, meter), likewise.
    """

    changes: tuple[TempoChange, ...]
    meters: Meters = field(default=((0, Meter(4, 4)),))

    def __post_init__(self) -> None:
        _check_rising([(c.bar, c.quarters) for c in self.changes])
        _check_rising([(bar, Fraction(0)) for bar, _ in self.meters], METERS_SENTENCE)
        _check_inside(self)
        ends = [c.until_bar if c.to_tempo is not None else c.bar for c in self.changes]
        for change, end, following in zip(self.changes, ends, [*self.changes[1:], None], strict=True):
            check_tempo(change.tempo)
            if change.to_tempo is not None:
                check_tempo(change.to_tempo)
                if end <= change.bar or (following is not None and following.bar < end):
                    raise BadRequest("A tempo ramp must end after it begins and before the next change.")

    @staticmethod
    def constant(tempo: Fraction | int, meter: Meter) -> TempoMap:
        """One tempo, one meter."""
        return TempoMap((TempoChange(0, Fraction(tempo)),), ((0, meter),))

    @staticmethod
    def ramp(first_bar: int, last_bar: int, tempo: Fraction, to_tempo: Fraction, meter: Meter) -> TempoMap:
        """`tempo` up to first_bar, then a linear ramp that reaches `to_tempo` at last_bar."""
        lead = (TempoChange(0, tempo),) if first_bar > 0 else ()
        return TempoMap((*lead, TempoChange(first_bar, tempo, to_tempo, last_bar)), ((0, meter),))

    @staticmethod
    def parse(text: str, meter: Meter | Meters) -> TempoMap:
        """A tempo ("120", "7200/61") or a map by bars ("0:120,4:90"), in one meter or several. BadRequest otherwise.

        "4+1.5:90" or "4+3/2:90" changes 1.5 quarters into bar 4.
        """
        meters = ((0, meter),) if isinstance(meter, Meter) else meter
        if ":" not in text:
            return TempoMap((TempoChange(0, parse_tempo(text)),), meters)
        return TempoMap(tuple(_changes(text)), meters)

    @cached_property
    def _meter_starts(self) -> tuple[tuple[int, ...], tuple[Fraction, ...], tuple[int, ...]]:
        """Where each meter begins: bars, quarters, felt beats."""
        quarters, beats = [Fraction(0)], [0]
        for (bar, meter), (following, _) in zip(self.meters, self.meters[1:], strict=False):
            quarters.append(quarters[-1] + (following - bar) * meter.bar_quarters)
            beats.append(beats[-1] + (following - bar) * len(meter.beats))
        return tuple(bar for bar, _ in self.meters), tuple(quarters), tuple(beats)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        segments = [Segment(Fraction(0), Fraction(0), 60 / self.changes[0].tempo)]
        for change in self.changes:
            start, now = self.bar_start_quarters(change.bar) + change.quarters, segments[-1]
            at = now.seconds + (start - now.quarters) * now.period
            segments.append(Segment(start, at, 60 / change.tempo))
            if change.to_tempo is not None:
                end = self.bar_start_quarters(change.until_bar)
                steps = int((end - start) * STEPS_PER_QUARTER)
                if steps > MAX_RAMP_STEPS:
                    raise BadRequest(f"A tempo ramp spans at most {MAX_RAMP_STEPS // STEPS_PER_QUARTER} quarters.")
                ticks = _ramp_ticks(change.tempo, change.to_tempo, steps)
                segments[-1] = Segment(start, at, 60 / change.tempo, ticks)
                end_seconds = at + Fraction(ticks[-1], TICKS_PER_SECOND)
                segments.append(Segment(end, end_seconds, 60 / change.to_tempo))
        return tuple(segments[1:])

    @cached_property
    def _starts(self) -> tuple[list[Fraction], list[Fraction]]:
        return [s.quarters for s in self.segments], [s.seconds for s in self.segments]

    def meter_at(self, bar: int) -> Meter:
        """The meter of a bar."""
        return self.meters[max(0, bisect_right(self._meter_starts[0], bar) - 1)][1]

    def meters_over(self, first_bar: int, bars: int) -> tuple[Meter, ...]:
        """The meter of each of `bars` bars."""
        return tuple(self.meter_at(first_bar + k) for k in range(bars))

    def bar_start_quarters(self, bar: int) -> Fraction:
        """Where a bar begins, in quarters from bar 0."""
        bars, quarters, _ = self._meter_starts
        i = max(0, bisect_right(bars, bar) - 1)
        return quarters[i] + (bar - bars[i]) * self.meters[i][1].bar_quarters

    def bar_start_beats(self, bar: int) -> int:
        """How many felt beats lie between bar 0 and the start of `bar`."""
        bars, _, beats = self._meter_starts
        i = max(0, bisect_right(bars, bar) - 1)
        return beats[i] + (bar - bars[i]) * len(self.meters[i][1].beats)

    def bar_at(self, quarters: Fraction) -> int:
        """The bar that holds a position; a bar line belongs to the bar that it begins."""
        bars, starts, _ = self._meter_starts
        i = max(0, bisect_right(starts, quarters) - 1)
        return bars[i] + (quarters - starts[i]) // self.meters[i][1].bar_quarters

    def seconds_at(self, quarters: Fraction | int) -> Fraction:
        """Exact time of a musical position, in seconds from bar 0."""
        s = self.segments[max(0, bisect_right(self._starts[0], quarters) - 1)]
        steps = (quarters - s.quarters) * STEPS_PER_QUARTER
        if not s.ticks or steps < 0:
            return s.seconds + (quarters - s.quarters) * s.period
        k = min(int(steps), len(s.ticks) - 2)
        return s.seconds + (s.ticks[k] + (steps - k) * (s.ticks[k + 1] - s.ticks[k])) / TICKS_PER_SECOND

    def quarters_at(self, seconds: Fraction | int) -> Fraction:
        """Exact musical position of a time: the inverse of `seconds_at`."""
        s = self.segments[max(0, bisect_right(self._starts[1], seconds) - 1)]
        ticks = (Fraction(seconds) - s.seconds) * TICKS_PER_SECOND
        if not s.ticks or ticks < 0:
            return s.quarters + (seconds - s.seconds) / s.period
        k = min(bisect_right(s.ticks, ticks) - 1, len(s.ticks) - 2)
        return s.quarters + (k + (ticks - s.ticks[k]) / (s.ticks[k + 1] - s.ticks[k])) / STEPS_PER_QUARTER

    def tempo_at(self, quarters: Fraction | int) -> Fraction:
        """Quarters per minute at a position (just after it, where it steps)."""
        s = self.segments[max(0, bisect_right(self._starts[0], quarters) - 1)]
        k = int((quarters - s.quarters) * STEPS_PER_QUARTER)
        if not s.ticks or quarters < s.quarters:
            return 60 / s.period
        return Fraction(60 * 10**9, s.ticks[k + 1] - s.ticks[k])

    def sample_at(self, quarters: Fraction | int, rate: int) -> int:
        """The frame of a musical position: floor(x + 1/2)."""
        return round_half_up(self.seconds_at(quarters) * rate)

    def bar_boundaries(self, first_bar: int, bars: int, rate: int) -> list[int]:
        """Frames of `bars` + 1 bar lines from that of `first_bar` on, counted from bar 0."""
        return [self.sample_at(self.bar_start_quarters(first_bar + k), rate) for k in range(bars + 1)]

    def bar_frames(self, first_bar: int, bars: int, rate: int) -> list[int]:
        """Length in frames of each of `bars` bars."""
        edges = self.bar_boundaries(first_bar, bars, rate)
        return [end - start for start, end in pairwise(edges)]


def parse_meters(text: str) -> Meters:
    """A meter ("7/8") or a map by bars ("0:4/4,8:7/8"). BadRequest otherwise."""
    if ":" not in text:
        return ((0, Meter.parse(text)),)
    if len(text) > MAX_MAP_CHARACTERS:
        raise BadRequest(f"A meter map has at most {MAX_MAP_CHARACTERS} characters.")
    matches = [_MAP_STEP.fullmatch(step) for step in text.split(",")]
    if not all(matches):
        raise BadRequest(f"{METERS_SENTENCE}; got {shown(text)}.")
    meters = tuple((int(m[1]), Meter.parse(m[2])) for m in matches if m)
    _check_rising([(bar, Fraction(0)) for bar, _ in meters], METERS_SENTENCE)
    return meters


def _changes(text: str) -> Iterator[TempoChange]:
    """The steps of a tempo map in text."""
    if len(text) > MAX_MAP_CHARACTERS:
        raise BadRequest(f"A tempo map has at most {MAX_MAP_CHARACTERS} characters.")
    for step in text.split(","):
        if on_line := _MAP_STEP.fullmatch(step):
            yield TempoChange(int(on_line[1]), parse_tempo(on_line[2]))
        elif (inside := _INSIDE.fullmatch(step)) and not re.search(r"/0+$", inside[2]):
            yield TempoChange(int(inside[1]), parse_tempo(inside[3]), quarters=Fraction(inside[2]))
        else:
            raise BadRequest(f"{MAP_SENTENCE}; got {shown(text)}.")


def _check_rising(places: list[tuple[int, Fraction]], sentence: str = MAP_SENTENCE) -> None:
    rising = all(a < b for a, b in pairwise(places))
    if not places or any(places[0]) or not rising or places[-1][0] > MAX_BAR:
        raise BadRequest(f"{sentence}, at most bar {MAX_BAR}.")


def _check_inside(tempo_map: TempoMap) -> None:
    """Changes inside of a bar lie before its end; those that ramp begin on a bar line."""
    for change in tempo_map.changes:
        if change.quarters and change.to_tempo is not None:
            raise BadRequest("A tempo ramp begins on a bar line.")
        length = tempo_map.meter_at(change.bar).bar_quarters if change.quarters else Fraction(1)
        if not 0 <= change.quarters < length:
            raise BadRequest(
                f"The tempo changes {float(change.quarters):g} quarters into bar {change.bar}, which has"
                f" {float(length):g}; name the bar in which it changes."
            )


def check_length(tempo_map: TempoMap, bars: int, first_bar: int = 0) -> Fraction:
    """Exact seconds of a request's new bars; BadRequest beyond 256 bars or 15 minutes."""
    if not 1 <= bars <= MAX_BARS:
        raise BadRequest(f"A request makes 1 to {MAX_BARS} bars; got {bars}.")
    edges = [tempo_map.seconds_at(tempo_map.bar_start_quarters(first_bar + k)) for k in (0, bars)]
    seconds = edges[1] - edges[0]
    if seconds > MAX_SECONDS:
        raise BadRequest(
            f"A request makes at most {MAX_SECONDS // 60} minutes of audio; {bars} bars at this tempo and"
            f" meter are {float(seconds) / 60:.1f} minutes."
        )
    return seconds
