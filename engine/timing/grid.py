"""The model's frames on the musical grid: centres, counts, beat and bar phases."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from engine.timing.tempo import format_tempo
from engine.timing.tempo_map import STEPS_PER_QUARTER, TICKS_PER_SECOND, TempoMap
from engine.types import MODEL_RATE_HZ


def halved_or_doubled(tempo: Fraction, lo: int = 50, hi: int = 190) -> tuple[Fraction, str | None]:
    """The power of two that brings a tempo into [lo, hi] for the beat condition, and a remark."""
    assert 2 * lo <= hi
    factor = Fraction(1)
    while tempo * factor > hi:
        factor /= 2
    while tempo * factor < lo:
        factor *= 2
    if factor == 1:
        return factor, None
    return factor, (
        f"Tempo {format_tempo(tempo)} is outside what the model was trained on ({lo}-{hi}): its beat"
        f" condition runs at {format_tempo(tempo * factor)}; bar lengths are as asked."
    )


def frame_centre_seconds(i: int, hop: int = 512, rate: int = MODEL_RATE_HZ) -> Fraction:
    """Centre of frame i: sample i * hop, the convention of `engine.models.features` (a centred STFT)."""
    return Fraction(i * hop, rate)


def frames_covering(seconds: Fraction, hop: int = 512, rate: int = MODEL_RATE_HZ) -> int:
    """The least number of frames whose last centre is at `seconds` or later: 1 + ceil(seconds * rate / hop)."""
    return 1 - (-(seconds * rate) // hop)


Phases = tuple[NDArray[np.float64], NDArray[np.float64]]


def quarters_at_centres(
    tempo_map: TempoMap,
    start_seconds: Fraction,
    hop: int,
    rate: int,
    count: int,
    origin_quarters: Fraction | None = None,
) -> NDArray[np.float64]:
    """Quarters of frame centres i * hop after start_seconds, counted from origin_quarters; float64 [count].

    Without an origin (`Anchor.start_quarters` for NEW), from the start of the bar that holds
    start_seconds, which may be negative. Within 1e-11 of exact: interpolated between exact tempo segment
    edges, then snapped to 2**-36 quarters so that a centre on a beat is on it (bar lines and beats are dyadic).
    """
    m, start = tempo_map, Fraction(start_seconds)
    base, end = m.bar_start_quarters(m.bar_at(m.quarters_at(start))), start + Fraction(hop * (count + 1), rate)
    times, quarters = [np.array([float(m.seconds_at(base) - start)])], [np.zeros(1)]
    for s in m.segments:
        ticks = np.asarray(s.ticks or (0,), np.int64)
        times.append(float(s.seconds - start) + ticks / TICKS_PER_SECOND)
        quarters.append(float(s.quarters - base) + np.arange(ticks.size) / STEPS_PER_QUARTER)
    times.append(np.array([float(end - start)]))
    quarters.append(np.array([float(m.quarters_at(end) - base)]))
    all_times, all_quarters = np.concatenate(times), np.concatenate(quarters)
    keep = (all_times >= all_times[0]) & (all_times <= times[-1][0])
    order = np.argsort(all_times[keep], kind="stable")
    centres = np.arange(count) * hop / rate
    found = np.interp(centres, all_times[keep][order], all_quarters[keep][order])
    moved = 0.0 if origin_quarters is None else float(base - origin_quarters)
    return np.asarray(np.round(found * 2.0**36) / 2.0**36 + moved, np.float64)


def phases(
    tempo_map: TempoMap,
    start_seconds: Fraction,
    hop: int,
    rate: int,
    count: int,
    factor: Fraction = Fraction(1),
) -> Phases:
    """Beat and bar phase in [0, 1) at `count` frame centres; float64 [count] each.

    Frame 0 is centred at start_seconds of the map (`Anchor.start_seconds` for NEW), frame i i * hop later.

    Phases run evenly through each felt beat and each bar in quarters; within 1e-9 of exact.
    factor (see `halved_or_doubled`) scales both: at 1/2, two beats and two bars make one cycle,
    counted from bar 0 so that chained continuations agree.
    """
    first_bar = tempo_map.bar_at(tempo_map.quarters_at(start_seconds))
    base = tempo_map.bar_start_quarters(first_bar)
    quarters = quarters_at_centres(tempo_map, start_seconds, hop, rate, count)
    last_bar = tempo_map.bar_at(base + Fraction(quarters[-1] if count else 0)) + 1
    lines, edges = [Fraction(0)], [Fraction(0)]
    for bar in range(first_bar, last_bar + 1):
        meter = tempo_map.meter_at(bar)
        for length in meter.beats:
            edges.append(edges[-1] + length)
        lines.append(lines[-1] + meter.bar_quarters)
    scale = float(factor)
    cycle = factor.denominator
    beat = _progress(quarters, edges) + tempo_map.bar_start_beats(first_bar) % cycle
    bar_position = _progress(quarters, lines) + first_bar % cycle
    return np.mod(beat * scale, 1.0), np.mod(bar_position * scale, 1.0)


def _progress(quarters: NDArray[np.float64], edges: list[Fraction]) -> NDArray[np.float64]:
    """Index of the cell between edges, plus the way through it; [count]."""
    at = np.array([float(edge) for edge in edges])
    cell = np.searchsorted(at, quarters, side="right") - 1
    return np.asarray(cell + (quarters - at[cell]) / (at[cell + 1] - at[cell]), np.float64)
