"""Learning a project's tempo map from a host's reports, block by block. Pure.

A report that agrees with the map teaches nothing. One that does not makes the map new from there on: where the head
rolled on from an agreeing report, the change is solved for its frame, so that the map stays exact; elsewhere the
report itself is the new beginning. Old pieces before it are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from bridge.live.map import Piece, ProjectMap
from bridge.sync.position import HostPosition
from engine.timing import Meter, TempoMap

AGREES_FRAMES = 1
"""A report this near its place agrees; the plugin plays up to 1.5 frames off."""
NOISE_QUARTERS = Fraction(2, 10**6)
"""What a host's floats may be off."""
TICKS = 1920
"""Of a beat: what JACK, LV2 and Ardour count in. They cut or round to whole ones."""
SAME_BPM = Fraction(1, 10**5)
LEAST_SNAP_FRAMES = Fraction(1, 50)
MOST_SNAP_FRAMES = Fraction(1, 4)


@dataclass(frozen=True)
class Told:
    """A host's position whose music can be used: all of it is there."""

    frame: int
    rate: int
    bar: int
    quarter: Fraction
    tempo: Fraction
    meter: Meter
    rolling: bool = True

    @property
    def noise_quarters(self) -> Fraction:
        """What the place may be off: a tick where it is a whole number of ticks, else what floats are off."""
        ticks = self.quarter * self.meter.denominator / 4 * TICKS
        whole = abs(ticks - round(ticks)) < Fraction(1, 100)
        return Fraction(4, self.meter.denominator * TICKS) if whole else NOISE_QUARTERS


def told_by(position: HostPosition) -> Told | None:
    """The musical report in a position; None where the host does not say, or says what no map takes."""
    bar, quarter, tempo, meter = position.bar, position.quarter, position.tempo, position.meter
    if bar is None or quarter is None or tempo is None or meter is None:
        return None
    return Told(position.frame, position.rate, bar, quarter, tempo, meter, position.playing)


def agrees(known: ProjectMap, told: Told) -> bool:
    """Whether a report lies where the map says, in the same tempo and meter."""
    off = known.piece_at(told.frame).place(told.bar, told.quarter, known.rate) - told.frame
    return same_music(known, told) and abs(off) <= AGREES_FRAMES + _frames(told, told.noise_quarters)


def same_music(known: ProjectMap, told: Told) -> bool:
    """Whether tempo and meter are the map's at that frame. Some hosts, when they stand, tell the place of before."""
    piece = known.piece_at(told.frame)
    return abs(piece.tempo - told.tempo) <= SAME_BPM and piece.meter == told.meter


def learnt(known: ProjectMap | None, before: Told | None, told: Told) -> ProjectMap | None:
    """The map that a report leads to; None where it changes nothing.

    before: the last report that agreed, where the head has rolled on from it without a jump.
    """
    if known is None:
        return ProjectMap(told.rate, (_from_the_start(told),))
    if agrees(known, told) or (not told.rolling and same_music(known, told)):
        return None
    if before is not None and (piece := _solved(known, before, told)) is not None:
        better = known.with_piece(piece)
        if agrees(better, told):
            return better
    return known.with_piece(_beginning(told))


def _frames(told: Told, quarters: Fraction) -> Fraction:
    """Frames of a stretch in the tempo of a report."""
    return TempoMap.constant(told.tempo, told.meter).seconds_at(quarters) * told.rate


def _snapped(at: Fraction, told: Told) -> Fraction:
    """The whole frame that a noisy place means, if one is near; else the place as a short fraction."""
    near = min(max(LEAST_SNAP_FRAMES, _frames(told, NOISE_QUARTERS)), MOST_SNAP_FRAMES)
    whole = Fraction(round(at))
    return whole if abs(at - whole) <= near else at.limit_denominator(10**6)


def _beginning(told: Told) -> Piece:
    """A piece from the line of the reported bar on."""
    at = _snapped(told.frame - _frames(told, told.quarter), told)
    return Piece(at, told.bar, Fraction(0), told.tempo, told.meter)


def _from_the_start(told: Told) -> Piece:
    """A first report: its tempo is taken back to bar 0, which mostly lies at a whole frame, or before frame 0."""
    bar_quarters = told.meter.bar_quarters
    at = _snapped(told.frame - _frames(told, told.bar * bar_quarters + told.quarter), told)
    bars_before = max(0, -(-at // _frames(told, bar_quarters)))
    return Piece(at - _frames(told, bars_before * bar_quarters), -bars_before, Fraction(0), told.tempo, told.meter)


def _solved(known: ProjectMap, before: Told, told: Told) -> Piece | None:
    """Where between two reports tempo or meter changed, so that both are true; None if there is no such place."""
    piece = known.piece_at(told.frame)
    line = known.exact(told.bar)
    old, new = _frames_a_quarter(piece.tempo, told), _frames_a_quarter(told.tempo, told)
    if old == new:
        change, slack = line, Fraction(AGREES_FRAMES)
    else:
        missing = told.quarter - (told.frame - line) / old
        change = told.frame - missing / (1 / new - 1 / old)
        slack = 2 + told.noise_quarters / abs(1 / new - 1 / old)
    if not before.frame - slack <= change <= told.frame + slack:
        return None
    if abs(change - line) <= slack:
        return Piece(line, told.bar, Fraction(0), told.tempo, told.meter)
    if told.meter != piece.meter:
        return None
    quarter = _near_step((change - line) / old, slack / old)
    return Piece(known.exact(told.bar, quarter), told.bar, quarter, told.tempo, told.meter) if quarter > 0 else None


def _frames_a_quarter(tempo: Fraction, told: Told) -> Fraction:
    return TempoMap.constant(tempo, told.meter).seconds_at(1) * told.rate


def _near_step(quarter: Fraction, slack: Fraction) -> Fraction:
    """The plainest place near a noisy one: a quarter, a 1/24, a 1/960; else the place itself."""
    for parts in (1, 2, 4, 24, 960):
        near = Fraction(round(quarter * parts), parts)
        if abs(near - quarter) <= slack:
            return near
    return quarter.limit_denominator(10**6)
