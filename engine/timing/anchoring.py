"""How a continuation sits on the grid of what it continues (DEFINITIONS.md, "Continuing")."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from engine.errors import BadRequest
from engine.timing.tempo_map import TempoMap

TOLERANCE_MS = 50
MAX_BARS_BEYOND = 64


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where NEW begins.

    kind: "whole" (IN ends on a bar line), "end" (within 50 ms of one: the grid is moved to IN's
    end), "padded" (silence up to the bar line), "bar" (a bar inside or at the end of IN).
    start_frame: NEW's first frame in ALL; padding_frames of silence lie before it, after IN.
    start_bar, start_quarters: the bar line on which NEW begins, from bar 0 of the grid.
    shift_frames: how much later than the map's bar 0 the grid begins (0 unless kind is "end").
    start_seconds: exact time of NEW's first frame on the tempo map, at most half a frame off
    the bar line. remark: one sentence for the reply, empty where nothing was adjusted.
    """

    kind: Literal["whole", "end", "padded", "bar"]
    start_frame: int
    padding_frames: int
    start_bar: int
    start_quarters: Fraction
    start_seconds: Fraction
    shift_frames: int
    remark: str


def _anchored(
    kind: Literal["whole", "end", "padded", "bar"],
    frames: int,
    rate: int,
    tempo_map: TempoMap,
    bar: int,
    shift: int,
    remark: str = "",
) -> Anchor:
    line = tempo_map.bar_start_quarters(bar)
    on_map = tempo_map.sample_at(line, rate)
    start = on_map + shift
    padding = max(0, start - frames)
    return Anchor(kind, start, padding, bar, line, Fraction(on_map, rate), shift, remark)


def anchor(frames: int, rate: int, tempo_map: TempoMap, at_bar: int | None = None) -> Anchor:
    """Places NEW after (or, with at_bar, inside) IN of `frames` at `rate`, whose frame 0 is bar 0.

    The grid moves by whole frames only, so that chained continuations never drift. frames 0 is
    a generation from nothing. BadRequest when at_bar is more than 64 bars beyond IN's end.
    """
    length = Fraction(frames, rate)
    bar = tempo_map.bar_at(tempo_map.quarters_at(length))
    if at_bar is not None:
        return _at_bar(frames, rate, tempo_map, at_bar, bar)
    edges = tempo_map.bar_boundaries(bar, 1, rate)
    nearest = bar if frames - edges[0] <= edges[1] - frames else bar + 1
    off = frames - edges[nearest - bar]
    if off == 0:
        return _anchored("whole", frames, rate, tempo_map, nearest, 0)
    how = f"{abs(off)} frames ({1000 * abs(off) / rate:.2f} ms) {'longer' if off > 0 else 'shorter'}"
    if abs(off) * 1000 <= TOLERANCE_MS * rate:
        remark = f"The input is {how} than {nearest} whole bars; the grid is taken from its end."
        return _anchored("end", frames, rate, tempo_map, nearest, off, remark)
    padding = edges[1] - frames
    remark = (
        f"The input ends inside bar {bar} (counted from 0); it was padded with {padding} frames"
        f" ({1000 * padding / rate:.1f} ms) of silence up to bar {bar + 1}."
    )
    return _anchored("padded", frames, rate, tempo_map, bar + 1, 0, remark)


def _at_bar(frames: int, rate: int, tempo_map: TempoMap, at_bar: int, end_bar: int) -> Anchor:
    if not 0 <= at_bar <= end_bar + MAX_BARS_BEYOND:
        raise BadRequest(
            f"The new bars can start at bar 0 to {end_bar + MAX_BARS_BEYOND} of this input"
            f" ({MAX_BARS_BEYOND} bars beyond its end at most); got bar {at_bar}."
        )
    start = tempo_map.sample_at(tempo_map.bar_start_quarters(at_bar), rate)
    if start <= frames:
        return _anchored("bar", frames, rate, tempo_map, at_bar, 0)
    padding = start - frames
    remark = (
        f"Bar {at_bar} lies beyond the input's end; it was padded with {padding} frames"
        f" ({1000 * padding / rate:.1f} ms) of silence."
    )
    return _anchored("padded", frames, rate, tempo_map, at_bar, 0, remark)


def new_bar_boundaries(place: Anchor, tempo_map: TempoMap, bars: int, rate: int) -> list[int]:
    """Frames of NEW's bars + 1 bar lines, counted from NEW's first frame; the first is 0.

    Line k is floor(x + 1/2) of its exact position on the (moved) grid, less NEW's first frame. `rate` is
    NEW's and may differ from IN's.
    """
    lines = tempo_map.bar_boundaries(place.start_bar, bars, rate)
    return [line - lines[0] for line in lines]
