"""Exact musical time: pure functions on ints and Fractions. Nobody else multiplies by 60/bpm.

Four axes and the ways between them:

    bars --(meters)--> quarters --(tempo)--> seconds --(rate)--> frames

A position is an exact rational; a frame is floor(x + 1/2) of it, in Python and C++ alike.
Tempo is quarter notes per minute in every meter. Before bar 0 the first tempo and meter hold,
after the last change the last ones do. Only `phases` uses floats (and numpy).
"""

from engine.timing.anchoring import Anchor, anchor, beginning, new_bar_boundaries, parse_offset, snapped_beat
from engine.timing.grid import (
    Phases,
    frame_centre_seconds,
    frames_covering,
    halved_or_doubled,
    phases,
    quarters_at_centres,
)
from engine.timing.tempo import (
    TEMPO_RANGE_BPM,
    Meter,
    check_tempo,
    format_tempo,
    parse_tempo,
    round_half_up,
    shown,
    tempo_from_length,
)
from engine.timing.tempo_map import STEPS_PER_QUARTER, Meters, TempoChange, TempoMap, check_length, parse_meters

__all__ = [
    "STEPS_PER_QUARTER",
    "TEMPO_RANGE_BPM",
    "Anchor",
    "Meter",
    "Meters",
    "Phases",
    "TempoChange",
    "TempoMap",
    "anchor",
    "beginning",
    "check_length",
    "check_tempo",
    "format_tempo",
    "frame_centre_seconds",
    "frames_covering",
    "halved_or_doubled",
    "new_bar_boundaries",
    "parse_meters",
    "parse_offset",
    "parse_tempo",
    "phases",
    "quarters_at_centres",
    "round_half_up",
    "shown",
    "snapped_beat",
    "tempo_from_length",
]
