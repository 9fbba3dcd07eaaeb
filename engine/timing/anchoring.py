"""How new bars sit on the grid of what they continue, or of a project (DEFINITIONS.md, "Continuing").

The grid is the tempo map's. IN's frame 0 lies on its bar 0, or `offset_frames` after it: then IN is a window of a
project, and each bar line lies on the project frame floor(x + 1/2) wherever the window begins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from engine.errors import BadRequest
from engine.timing.tempo import round_half_up, shown
from engine.timing.tempo_map import STEPS_PER_QUARTER, TempoMap

TOLERANCE_MS = 50
MAX_BARS_BEYOND = 64
MAX_OFFSET_HOURS = 24
OFFSET_SENTENCE = 'A source_offset is a rational number of frames, as in "96000", "-1/3" or "0.5"'

_OFFSET = re.compile(r"[+-]?(?:[0-9]{1,40}/[0-9]{1,40}|[0-9]{1,40}(?:\.[0-9]{0,24})?)")
Kind = Literal["whole", "end", "padded", "bar"]


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where NEW begins.

    kind: "whole" (IN ends on a bar line, or there is no IN), "end" (within 50 ms of one: the grid is moved
    to IN's end), "padded" (silence up to where NEW begins), "bar" (a place inside or at the end of IN).
    start_frame: NEW's first frame in ALL; padding_frames of silence lie before it, after IN.
    start_bar, start_quarters: the first new bar and its line, from bar 0 of the grid.
    start_seconds: exact time of NEW's first frame on the tempo map, at most half a frame off
    its place. shift_frames: how much later than the map says the grid begins (0 unless kind is
    "end"). remark: one sentence for the reply, empty where nothing was adjusted.
    at_beat: how many quarters after its bar line NEW begins. offset_seconds: time of IN's frame 0 (of a
    generation: of what new frames are counted from) on the tempo map.
    """

    kind: Kind
    start_frame: int
    padding_frames: int
    start_bar: int
    start_quarters: Fraction
    start_seconds: Fraction
    shift_frames: int
    remark: str
    at_beat: Fraction = Fraction(0)
    offset_seconds: Fraction = Fraction(0)

    @property
    def begin_quarters(self) -> Fraction:
        """Where NEW begins, in quarters from bar 0 of the grid."""
        return self.start_quarters + self.at_beat

    def frame_of(self, quarters: Fraction, tempo_map: TempoMap, rate: int) -> int:
        """The frame at `rate` of a position, floor(x + 1/2), from IN's frame 0 of a grid that was not moved."""
        return _Grid(tempo_map, rate, self.offset_seconds).frame(quarters)


@dataclass(frozen=True, slots=True)
class _Grid:
    """A tempo map's lines in frames of IN."""

    tempo_map: TempoMap
    rate: int
    offset_seconds: Fraction

    def line(self, bar: int) -> int:
        return self.frame(self.tempo_map.bar_start_quarters(bar))

    def frame(self, quarters: Fraction) -> int:
        return round_half_up((self.tempo_map.seconds_at(quarters) - self.offset_seconds) * self.rate)

    def bar_holding(self, frame: int) -> int:
        return self.tempo_map.bar_at(self.tempo_map.quarters_at(self.offset_seconds + Fraction(frame, self.rate)))

    def anchored(
        self,
        kind: Kind,
        frames: int,
        bar: int,
        at_beat: Fraction = Fraction(0),
        shift: int = 0,
        remark: str = "",
    ) -> Anchor:
        quarters = self.tempo_map.bar_start_quarters(bar)
        on_map = self.frame(quarters + at_beat)
        start = on_map + shift
        seconds = Fraction(on_map, self.rate) + self.offset_seconds
        padding = max(0, start - frames)
        return Anchor(kind, start, padding, bar, quarters, seconds, shift, remark, at_beat, self.offset_seconds)


def parse_offset(text: str) -> Fraction:
    """Frames from bar 0 of the grid to IN's frame 0: "96000", "-1/3", "0.5"; BadRequest for anything else."""
    bare = text.strip() if len(text) <= 90 else ""
    _, _, denominator = bare.partition("/")
    if _OFFSET.fullmatch(bare) is None or (denominator and int(denominator) == 0):
        raise BadRequest(f"{OFFSET_SENTENCE}; got {shown(text)}.")
    return Fraction(bare)


def snapped_beat(tempo_map: TempoMap, bar: int, at_beat: float) -> Fraction:
    """`at_beat` on the nearest 1/960 quarter; BadRequest where that is not inside `bar`."""
    snapped = Fraction(round_half_up(Fraction(at_beat) * STEPS_PER_QUARTER), STEPS_PER_QUARTER)
    meter = tempo_map.meter_at(bar)
    if not 0 <= snapped < meter.bar_quarters:
        raise BadRequest(
            f"at_beat counts quarters from 0 to before {float(meter.bar_quarters):g} in bar {bar} ({meter}), in steps"
            f" of 1/{STEPS_PER_QUARTER}; got {at_beat:g}."
        )
    return snapped


def check_offset(offset_frames: Fraction, rate: int) -> Fraction:
    """The offset in seconds; BadRequest beyond 24 hours."""
    seconds = offset_frames / rate
    if abs(seconds) > MAX_OFFSET_HOURS * 3600:
        raise BadRequest(
            f"source_offset is at most {MAX_OFFSET_HOURS} hours to both sides, {MAX_OFFSET_HOURS * 3600 * rate} frames"
            f" at {rate} Hz; got about {float(offset_frames):.9g}."
        )
    return seconds


def beginning(
    rate: int,
    tempo_map: TempoMap,
    at_bar: int = 0,
    at_beat: float = 0.0,
    offset_frames: Fraction | None = None,
) -> Anchor:
    """Places a generation at `rate` on bar `at_bar`, `at_beat` quarters into it. There is no IN: NEW is ALL.

    Bar lines are rounded on the frames that `offset_frames` counts.
    """
    grid = _Grid(tempo_map, rate, check_offset(offset_frames or Fraction(0), rate))
    beat = snapped_beat(tempo_map, at_bar, at_beat)
    on_map = grid.frame(tempo_map.bar_start_quarters(at_bar) + beat)
    place = grid.anchored("whole", 0, at_bar, beat, shift=-on_map)
    return replace(place, shift_frames=0)


def anchor(
    frames: int,
    rate: int,
    tempo_map: TempoMap,
    at_bar: int | None = None,
    at_beat: float = 0.0,
    offset_frames: Fraction | None = None,
) -> Anchor:
    """Places NEW after (or, with at_bar, inside) IN of `frames` at `rate`, whose frame 0 is bar 0.

    The grid moves by whole frames only, so that chained continuations never drift; with `offset_frames` (from
    bar 0 to IN's frame 0) it is a project's and never moves. frames 0 is a generation from nothing. at_beat
    quarters into bar at_bar (alone it is refused). BadRequest when NEW would begin before IN or more than 64
    bars beyond IN's end.
    """
    grid = _Grid(tempo_map, rate, check_offset(offset_frames or Fraction(0), rate))
    if at_bar is not None:
        return _at_bar(grid, frames, at_bar, snapped_beat(tempo_map, at_bar, at_beat))
    if at_beat:
        raise BadRequest("at_beat counts from a bar line: give at_bar, too.")
    if offset_frames is not None:
        return _on_project(grid, frames)
    bar = grid.bar_holding(frames)
    edges = grid.line(bar), grid.line(bar + 1)
    nearest = bar if frames - edges[0] <= edges[1] - frames else bar + 1
    off = frames - edges[nearest - bar]
    if off == 0:
        return grid.anchored("whole", frames, nearest)
    how = f"{abs(off)} frames ({1000 * abs(off) / rate:.2f} ms) {'longer' if off > 0 else 'shorter'}"
    if abs(off) * 1000 <= TOLERANCE_MS * rate:
        remark = f"The input is {how} than {nearest} whole bars; the grid is taken from its end."
        return grid.anchored("end", frames, nearest, shift=off, remark=remark)
    return _padded(grid, frames, bar + 1)


def _padded(grid: _Grid, frames: int, bar: int) -> Anchor:
    padding = grid.line(bar) - frames
    remark = (
        f"The input ends inside bar {bar - 1} (counted from 0); it was padded with {padding} frames"
        f" ({1000 * padding / grid.rate:.1f} ms) of silence up to bar {bar}."
    )
    return grid.anchored("padded", frames, bar, remark=remark)


def _on_project(grid: _Grid, frames: int) -> Anchor:
    """At the bar line that IN ends on, runs past by 50 ms at most, or comes before; never before bar 0."""
    bar = grid.bar_holding(frames)
    if bar < 0:
        return _at_bar(grid, frames, 0, Fraction(0))
    for line in (bar, bar + 1):
        if grid.line(line) == frames:
            return grid.anchored("whole", frames, line)
    past = frames - grid.line(bar)
    if past * 1000 > TOLERANCE_MS * grid.rate or grid.line(bar) < 0:
        return _padded(grid, frames, bar + 1)
    remark = (
        f"The input runs {past} frames ({1000 * past / grid.rate:.2f} ms) past bar line {bar}; the new bars begin"
        " on the line."
    )
    return grid.anchored("bar", frames, bar, remark=remark)


def _at_bar(grid: _Grid, frames: int, at_bar: int, at_beat: Fraction) -> Anchor:
    last = grid.bar_holding(frames) + MAX_BARS_BEYOND
    if last < 0:
        raise BadRequest(f"The input ends more than {MAX_BARS_BEYOND} bars before bar 0; continue something later.")
    if not 0 <= at_bar <= last:
        raise BadRequest(
            f"The new bars can start at bar 0 to {last} of this input"
            f" ({MAX_BARS_BEYOND} bars beyond its end at most); got bar {at_bar}."
        )
    start = grid.frame(grid.tempo_map.bar_start_quarters(at_bar) + at_beat)
    if start < 0:
        raise BadRequest(
            f"Bar {at_bar} would begin {-start} frames before the input's first frame; give an input that begins"
            " earlier, or a later bar."
        )
    if start <= frames:
        return grid.anchored("bar", frames, at_bar, at_beat)
    padding = start - frames
    remark = (
        f"Bar {at_bar} lies beyond the input's end; it was padded with {padding} frames"
        f" ({1000 * padding / grid.rate:.1f} ms) of silence."
    )
    return grid.anchored("padded", frames, at_bar, at_beat, remark=remark)


def new_bar_boundaries(place: Anchor, tempo_map: TempoMap, bars: int, rate: int) -> list[int]:
    """Frames of NEW's bars + 1 edges, counted from NEW's first frame; the first is 0, the others bar lines.

    Line k is floor(x + 1/2) of its exact position on the (moved) grid, less NEW's first frame. `rate` is
    NEW's and may differ from IN's.
    """
    lines = [tempo_map.bar_start_quarters(place.start_bar + k) for k in range(1, bars + 1)]
    first = place.frame_of(place.begin_quarters, tempo_map, rate)
    return [0, *(place.frame_of(line, tempo_map, rate) - first for line in lines)]
