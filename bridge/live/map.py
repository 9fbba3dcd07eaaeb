"""The project's bars among its frames: a tempo map made of what a host reported or announced.

A map is a row of pieces; each says at which exact frame a place lies and which tempo and meter hold from
there on. Before the first piece its own tempo and meter hold. Positions are exact rationals; a frame is floor(x + 1/2).

*Threading*: pure but for a memo of bar lines; one owner uses a map.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import accumulate

from bridge.sync.position import exact_tempo
from bridge.timeline.layout import MAX_SEGMENTS
from bridge.timeline.structs import Segment
from engine.errors import BadRequest
from engine.timing import Meter, TempoMap, format_tempo, parse_meters, round_half_up

MAX_MEMO = 4_096
FINE = 10**9


@dataclass(frozen=True)
class Piece:
    """From exact frame `at` on, which lies `quarter` quarters into `bar`, `tempo` and `meter` hold."""

    at: Fraction
    bar: int
    quarter: Fraction
    tempo: Fraction
    meter: Meter

    @cached_property
    def even(self) -> TempoMap:
        """A map of nothing but this tempo and meter."""
        return TempoMap.constant(self.tempo, self.meter)

    def place(self, bar: int, quarter: Fraction, rate: int) -> Fraction:
        """The exact frame of a place, by this piece alone."""
        quarters = (bar - self.bar) * self.meter.bar_quarters + quarter - self.quarter
        return self.at + self.even.seconds_at(quarters) * rate

    def quarters(self, frame: Fraction, rate: int) -> Fraction:
        """Quarters from the line of this piece's first bar to an exact frame."""
        return self.quarter + self.even.quarters_at((frame - self.at) / rate)


@dataclass(frozen=True)
class ProjectMap:
    """Implements engine.horizon.Grid for a project at `rate`. pieces: by rising frame and place, one at least."""

    rate: int
    pieces: tuple[Piece, ...]
    _memo: dict[tuple[int, Fraction], int] = field(default_factory=dict, compare=False, repr=False)
    _recent: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=16), compare=False, repr=False)

    @cached_property
    def _firsts(self) -> list[int]:
        return [round_half_up(piece.at) for piece in self.pieces]

    @cached_property
    def _places(self) -> list[tuple[int, Fraction]]:
        return [(piece.bar, piece.quarter) for piece in self.pieces]

    def piece_at(self, frame: int) -> Piece:
        """The piece that holds at a frame."""
        return self.pieces[max(0, bisect_right(self._firsts, frame) - 1)]

    def exact(self, bar: int, quarter: Fraction = Fraction(0)) -> Fraction:
        """The exact frame of a place."""
        n = max(0, bisect_right(self._places, (bar, quarter)) - 1)
        at = self.pieces[n].place(bar, quarter, self.rate)
        return min(at, self.pieces[n + 1].at) if n + 1 < len(self.pieces) else at

    def frame(self, bar: int, quarter: Fraction = Fraction(0)) -> int:
        key = (bar, quarter)
        if key not in self._memo:
            if len(self._memo) >= MAX_MEMO:
                self._memo.clear()
            self._memo[key] = round_half_up(self.exact(bar, quarter))
        return self._memo[key]

    def bar_at(self, frame: int) -> int:
        for first, end, bar in self._recent:
            if first <= frame < end:
                return bar
        bar = self._bar_at(frame)
        self._recent.append((self.frame(bar), self.frame(bar + 1), bar))
        return bar

    def _bar_at(self, frame: int) -> int:
        piece = self.piece_at(frame)
        bar = piece.bar + piece.quarters(Fraction(frame), self.rate) // piece.meter.bar_quarters
        while self.frame(bar) > frame:
            bar -= 1
        while self.frame(bar + 1) <= frame:
            bar += 1
        return bar

    def quarter_at(self, frame: int) -> Fraction:
        piece, bar = self.piece_at(frame), self.bar_at(frame)
        quarter = piece.quarters(Fraction(frame), self.rate) - (bar - piece.bar) * piece.meter.bar_quarters
        return max(Fraction(0), quarter)

    def meter(self, bar: int) -> Meter:
        """The meter of a bar."""
        return self.pieces[max(0, bisect_right(self._places, (bar, Fraction(0))) - 1)].meter

    def beats(self, bar: int) -> Sequence[Fraction]:
        lengths = self.meter(bar).beats
        return tuple(accumulate(lengths[:-1], initial=Fraction(0)))

    def quarters_between(self, first_bar: int, bar: int) -> Fraction:
        """Quarters from one bar line to a later one."""
        return sum((self.meter(b).bar_quarters for b in range(first_bar, bar)), Fraction(0))

    # ---- as text of a request ------------------------------------------------------------

    def texts(self, first_bar: int, end_bar: int) -> tuple[str, str]:
        """(tempo, meter) of bars first_bar..end_bar as a request has them, counted from first_bar.

        A bar whose length is not what its tempi make of it (its map was learnt in two goes) is told at its mean tempo.
        """
        steps: list[tuple[str, str]] = []
        meters: list[tuple[str, str]] = []
        for bar in range(first_bar, end_bar):
            for quarter, tempo in self._tempi(bar):
                place = f"{bar - first_bar}" + (f"+{quarter}" if quarter else "")
                _append(steps, place, format_tempo(tempo))
            _append(meters, f"{bar - first_bar}", str(self.meter(bar)))
        return ",".join(":".join(step) for step in steps), ",".join(":".join(step) for step in meters)

    def _tempi(self, bar: int) -> Iterable[tuple[Fraction, Fraction]]:
        """(quarter, tempo) from a bar's line on."""
        start = Fraction(0)
        n = max(0, bisect_right(self._places, (bar, start)) - 1)
        inside = [piece for piece in self.pieces[n + 1 :] if piece.bar == bar and piece.quarter > 0]
        told = [(start, self.pieces[n].tempo), *((piece.quarter, piece.tempo) for piece in inside)]
        meter, length = self.meter(bar), self.exact(bar + 1) - self.exact(bar)
        ends = [*(quarter for quarter, _ in told[1:]), meter.bar_quarters]
        made = sum(
            TempoMap.constant(tempo, meter).seconds_at(end - quarter)
            for (quarter, tempo), end in zip(told, ends, strict=True)
        )
        if made * self.rate == length and len({piece.meter for piece in [self.pieces[n], *inside]}) == 1:
            return told
        seconds = max(length, Fraction(1)) / self.rate
        mean = TempoMap.constant(60, meter).seconds_at(meter.bar_quarters) / seconds * 60
        return [(start, min(max(mean.limit_denominator(FINE), Fraction(20)), Fraction(400)))]

    # ---- made, kept, published -----------------------------------------------------------

    def with_piece(self, piece: Piece) -> ProjectMap:
        """The map up to a piece, and that piece from there on."""
        place = (piece.bar, piece.quarter)
        kept = [old for old in self.pieces if old.at < piece.at and (old.bar, old.quarter) < place]
        return ProjectMap(self.rate, (*kept, piece)[-MAX_SEGMENTS:])

    @cached_property
    def _breaks(self) -> list[int]:
        """Frames at which bars do not follow each other: the map was learnt in two goes with something between."""
        pairs = zip(self.pieces, self.pieces[1:], strict=False)
        return [round_half_up(b.at) for a, b in pairs if a.place(b.bar, b.quarter, self.rate) != b.at]

    def unbroken_from(self, frame: int) -> int:
        """The first frame from which on bars follow each other up to `frame`; of the earliest piece: any."""
        n = bisect_right(self._breaks, frame)
        return self._breaks[n - 1] if n else 0

    def segments(self) -> list[Segment]:
        """As the cache publishes them."""
        found = []
        for piece in self.pieces:
            whole = piece.at // 1
            place = (int(whole), float(piece.at - whole), piece.bar, float(piece.quarter))
            found.append(Segment(*place, float(piece.tempo), piece.meter.numerator, piece.meter.denominator))
        return found


def _append(steps: list[tuple[str, str]], place: str, value: str) -> None:
    if not steps or steps[-1][1] != value:
        steps.append((place, value))


def published(rate: int, segments: Sequence[Segment]) -> ProjectMap | None:
    """The map that a cache holds from an earlier engine; None where it holds none that can be used."""
    pieces = []
    for segment in segments:
        tempo = exact_tempo(segment.tempo)
        if tempo is None:
            return None
        try:
            meter = Meter(segment.numerator, segment.denominator)
        except BadRequest:
            return None
        at = segment.frame + Fraction(segment.fraction).limit_denominator(FINE)
        quarter = Fraction(segment.quarter).limit_denominator(10**6)
        pieces.append(Piece(at, segment.bar, quarter, tempo, meter))
    return ProjectMap(rate, tuple(pieces)) if pieces else None


def announced(rate: int, tempo: str, meter: str) -> ProjectMap:
    """A whole map in text, as requests take it; bar 0 lies at project frame 0. Raises BadRequest."""
    tempo_map = TempoMap.parse(tempo, parse_meters(meter))
    places = {(change.bar, change.quarters) for change in tempo_map.changes} | {
        (b, Fraction(0)) for b, _ in tempo_map.meters
    }
    if len(places) > MAX_SEGMENTS:
        raise BadRequest(f"A tempo map of a project has at most {MAX_SEGMENTS} changes; this one has {len(places)}.")
    pieces = []
    for bar, quarter in sorted(places):
        quarters = tempo_map.bar_start_quarters(bar) + quarter
        at = tempo_map.seconds_at(quarters) * rate
        pieces.append(Piece(at, bar, quarter, tempo_map.tempo_at(quarters), tempo_map.meter_at(bar)))
    return ProjectMap(rate, tuple(pieces))
