"""Tempo and phase of a stream of clock ticks: a regression over the last ones, not the last interval.

Ticks arrive late by what a port, a kernel and an interpreter take (the jitter), some never arrive. The line
through the last 192 (two bars of 4/4 at 24 a quarter) tells when tick n was meant; ticks that are far off
are not believed until six of them agree: then they say that ticks were lost (all late by whole periods) or that
the tempo is another one (the line begins anew with them). A change too small for that shows as two
different slopes, of the last 12 or 48 ticks and of those before.

*Threading*: one thread (or one lock around it). A tick takes less than a millisecond. Memory: 192 ticks.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from bridge.sync.regress import Line, line
from engine.timing import TEMPO_RANGE_BPM

TICKS_PER_QUARTER = 24
WINDOW = 192
AGREEING = 6
FEW = 12
"""Of fewer ticks the spread says little about their error: it is taken to be a millisecond at least."""
LEAST_SIGMA_S, LEAST_SIGMA_OF_FEW_S = 50e-6, 1e-3
CHANGE_SIGMAS = 5.0
BEYOND_TICKS = 24
"""How far the phase is led beyond the last tick: a quarter."""
_SLOPES = (FEW, 48)


class TickFit:
    """When the ticks are meant to be."""

    def __init__(self) -> None:
        self.index = 0
        """What the next tick will be called."""
        self.corrected = 0
        """Ticks that were lost (or doubled, negative) and have been made up for."""
        self._points: deque[tuple[int, float]] = deque(maxlen=WINDOW)
        self._odd: list[tuple[int, float]] = []
        self._line: Line | None = None
        self._prior = False
        self._origin_ns = 0

    def start(self, index: int) -> None:
        """The next tick is number `index` and begins a new phase. The tempo is kept until it is known better."""
        self.index = index
        self._prior = self._line is not None and (self._prior or len(self._points) >= FEW)
        self._points.clear()
        self._odd.clear()

    def feed(self, at_ns: int) -> None:
        """A tick that came at `at_ns` (monotonic)."""
        if not self._points:
            self._origin_ns = at_ns
        point = (self.index, (at_ns - self._origin_ns) / 1e9)
        self.index += 1
        period = self.period_s
        if period is not None and len(self._points) >= 2 and abs(self._late(point)) > 0.5 * period:
            self._odd.append(point)
            if len(self._odd) >= AGREEING:
                self._decide(period)
            return
        self._odd.clear()
        self._points.append(point)
        self._refit()

    @property
    def period_s(self) -> float | None:
        """Seconds a tick; None before two ticks."""
        return None if self._line is None else self._line.slope

    @property
    def tempo(self) -> tuple[float, float] | None:
        """Quarters a minute and the standard error of that; None before two ticks."""
        if self._line is None:
            return None
        tempo = 60 / (TICKS_PER_QUARTER * self._line.slope)
        return tempo, tempo * self._line.slope_error / self._line.slope

    @property
    def settled(self) -> bool:
        """Is the tempo more than a guess from a handful of ticks?"""
        return self._prior or len(self._points) >= FEW

    def at(self, now_ns: int) -> float | None:
        """The position in ticks, fractional; None before the first tick of this phase."""
        if not self._points:
            return None
        if self._line is None:
            return float(self._points[-1][0])
        found = self._line.where((now_ns - self._origin_ns) / 1e9)
        return min(max(found, self._points[0][0]), self.index - 1 + BEYOND_TICKS)

    def _late(self, point: tuple[int, float]) -> float:
        assert self._line is not None
        return point[1] - self._line.at(point[0])

    def _decide(self, period: float) -> None:
        """Six ticks in a row are off: lost ticks, or another tempo."""
        late = np.array([self._late(point) for point in self._odd])
        lost = round(float(np.median(late)) / period)
        if lost and np.abs(late - lost * period).max() < 0.45 * period and np.ptp(late) < 0.6 * period:
            self._points.extend((index + lost, at) for index, at in self._odd)
            self.index += lost
            self.corrected += lost
        else:
            fresh = _line(self._odd)
            if _is_tempo(fresh.slope):
                self._points, self._prior = deque(self._odd, maxlen=WINDOW), False
        self._odd.clear()
        self._refit()

    def _refit(self) -> None:
        """The line through all points; through the newest ones alone when these say another tempo."""
        points = list(self._points)
        if len(points) < 2 or (len(points) < FEW and self._prior):
            if self._line is not None:
                self._line = _moved(self._line, points)
            return
        for count in _SLOPES if self.index % AGREEING == 0 else ():
            if len(points) >= 2 * count and _differ(_line(points[:-count]), _line(points[-count:])):
                self._points = deque(points[-count:], maxlen=WINDOW)
                points = points[-count:]
                break
        fresh = _line(points)
        if _is_tempo(fresh.slope):
            self._line = fresh


def _line(points: list[tuple[int, float]]) -> Line:
    at = np.array(points, np.float64)
    return line(at[:, 0], at[:, 1], LEAST_SIGMA_S if len(points) >= FEW else LEAST_SIGMA_OF_FEW_S)


def _moved(known: Line, points: list[tuple[int, float]]) -> Line:
    """The known tempo through the middle of the first few points of a new phase."""
    at = np.array(points, np.float64)
    x, y = float(at[:, 0].mean()), float(np.median(at[:, 1] - known.slope * at[:, 0]))
    return Line(x, y + known.slope * x, known.slope, known.slope_error, known.sigma)


def _differ(before: Line, after: Line) -> bool:
    sigma = max(before.sigma, LEAST_SIGMA_S)
    error = np.hypot(before.slope_error, after.slope_error * sigma / after.sigma)
    return bool(abs(before.slope - after.slope) > CHANGE_SIGMAS * error)


def _is_tempo(period_s: float) -> bool:
    """Is this the period of a tempo that we follow (20-400, and a little beyond for the error)?"""
    low, high = TEMPO_RANGE_BPM
    return 60 / (TICKS_PER_QUARTER * high * 1.05) <= period_s <= 60 / (TICKS_PER_QUARTER * low * 0.95)
