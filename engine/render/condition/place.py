"""Where the new bars lie: on which grid, at which rate, behind what."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from engine.controls import on_grid
from engine.models import features as F
from engine.models.codec import PATCH
from engine.render.source import Check, Source, check_inside, source_of, unchecked
from engine.timing import Anchor, TempoMap, new_bar_boundaries, phases, quarters_at_centres
from engine.types import MODEL_RATE_HZ, Audio, Request

TAIL_FRAMES = 4


@dataclass
class Place:
    """Where the new bars lie. lines: bars + 1 frames at `rate`, the first 0."""

    source: Source | None
    tempo_map: TempoMap
    anchor: Anchor
    rate: int
    channels: int
    lines: list[int]
    remarks: list[str]

    @property
    def seconds(self) -> Fraction:
        return Fraction(self.lines[-1], self.rate)

    @property
    def latents(self) -> int:
        """Latents from time zero on that cover the new bars and the last windows' reach."""
        frames = math.ceil(self.seconds * F.RATE_HZ / F.HOP) + TAIL_FRAMES
        return -(-frames // PATCH)


def place_of(request: Request, inline: Audio | None, check: Check = unchecked) -> Place:
    """Read the source and put the new bars on the grid; raises `BadRequest` kinds, and what `check` raises."""
    source = source_of(request, inline, check)
    rate = request.rate or (MODEL_RATE_HZ if source is None else source.rate)
    frames, rate_in = (0, rate) if source is None else (len(source.audio), source.rate)
    tempo_map, where = on_grid(request, frames, rate_in)
    if request.edit is not None:
        source = check_inside(request, source, tempo_map, where)
    channels = request.channels or (2 if source is None else source.audio.shape[1])
    lines = new_bar_boundaries(where, tempo_map, request.bars, rate)
    remarks = [where.remark] if where.remark else []
    return Place(source, tempo_map, where, rate, channels, lines, remarks)


def grid_phases(
    place: Place, first: int, count: int, factor: Fraction
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Beat and bar phase [count] at feature frames first ... first + count from time zero."""
    start = place.anchor.start_seconds + Fraction(first * F.HOP, F.RATE_HZ)
    beat, bar = phases(place.tempo_map, start, F.HOP, F.RATE_HZ, count, factor)
    return beat.astype(np.float32), bar.astype(np.float32)


def quarters_of(place: Place, first: int, count: int) -> NDArray[np.float64]:
    """Quarters from the first new bar's line at feature frames first ...; negative before it.

    With at_beat the new bars begin later than that line: what is laid over them stays where it was.
    """
    start = place.anchor.start_seconds + Fraction(first * F.HOP, F.RATE_HZ)
    return quarters_at_centres(place.tempo_map, start, F.HOP, F.RATE_HZ, count, place.anchor.start_quarters)
