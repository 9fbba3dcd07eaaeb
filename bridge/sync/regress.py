"""Straight lines through noisy times, and a tempo that stands still while it is not known better.

*Threading*: pure functions and small states, each of one thread. A fit takes a fraction of a millisecond.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bridge.sync.position import exact_tempo
from engine.timing import TEMPO_RANGE_BPM, round_half_up

OUTLIER_SIGMAS = 3.0


@dataclass(frozen=True, slots=True)
class Line:
    """y = middle_y + slope * (x - middle_x), with standard errors of slope and middle, and of one point."""

    middle_x: float
    middle_y: float
    slope: float
    slope_error: float
    sigma: float

    def at(self, x: float) -> float:
        return self.middle_y + self.slope * (x - self.middle_x)

    def where(self, y: float) -> float:
        """The x of a y. The slope must not be 0."""
        return self.middle_x + (y - self.middle_y) / self.slope


def line(x: NDArray[np.float64], y: NDArray[np.float64], least_sigma: float = 0.0) -> Line:
    """The least-squares line through [n] points, n >= 2, outliers beyond three (robust) sigmas left out, twice.

    least_sigma: an error of a point that is assumed at least (what a clock cannot resolve).
    """
    keep = np.ones(x.size, bool)
    for _ in range(2):
        found, residuals = _fit(x, y, keep)
        robust = 1.4826 * float(np.median(np.abs(residuals[keep])))
        inside = np.abs(residuals) <= OUTLIER_SIGMAS * max(robust, least_sigma, 1e-12)
        if inside.sum() < max(2, x.size // 2) or (inside == keep).all():
            break
        keep = inside
    found, residuals = _fit(x, y, keep)
    count = int(keep.sum())
    sigma = max(math.sqrt(float(np.sum(residuals[keep] ** 2)) / max(1, count - 2)), least_sigma)
    spread = float(np.sum((x[keep] - found.middle_x) ** 2))
    error = sigma / math.sqrt(spread) if spread > 0 else math.inf
    return Line(found.middle_x, found.middle_y, found.slope, error, sigma)


def _fit(x: NDArray[np.float64], y: NDArray[np.float64], keep: NDArray[np.bool_]) -> tuple[Line, NDArray[np.float64]]:
    kept_x, kept_y = x[keep], y[keep]
    middle_x, middle_y = float(kept_x.mean()), float(kept_y.mean())
    offset = kept_x - middle_x
    spread = float(offset @ offset)
    slope = float(offset @ (kept_y - middle_y)) / spread if spread > 0 else 0.0
    return Line(middle_x, middle_y, slope, math.inf, 0.0), y - (middle_y + slope * (x - middle_x))


class SteadyTempo:
    """A measured tempo, told as the simplest number that the measurement allows, and kept until it does not.

    Measurements of one steady clock move by their error all the time; who follows them re-renders all the time.
    """

    CHANGE_ERRORS = 5.0

    def __init__(self) -> None:
        self.held: Fraction | None = None

    def offer(self, tempo: float, error: float) -> Fraction | None:
        """The tempo to tell after a measurement and its standard error, quarters a minute; None before the first."""
        if not (math.isfinite(tempo) and math.isfinite(error) and TEMPO_RANGE_BPM[0] <= tempo <= TEMPO_RANGE_BPM[1]):
            return self.held
        if self.held is None or abs(tempo - float(self.held)) > self.CHANGE_ERRORS * error + 1e-6:
            self.held = simplest(tempo, error)
        return self.held


def simplest(tempo: float, error: float) -> Fraction | None:
    """The roundest tempo within two errors: a whole number, a half, a tenth, a hundredth, a thousandth."""
    for grid in (1, 2, 10, 100):
        near = Fraction(round(tempo * grid), grid)
        if abs(float(near) - tempo) <= 2 * error:
            return exact_tempo(near)
    return exact_tempo(Fraction(round(tempo * 1000), 1000))


class QuarterAxis:
    """Project frames for a source that only counts quarters.

    While it plays on, frames follow the quarters at the tempo that is told, without a step where that changes.
    After a jump, frame 0 is where quarter 0 would be at the tempo of that moment.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._tempo: Fraction | None = None
        self._frame = Fraction(0)
        self._quarters = Fraction(0)

    def jump(self) -> None:
        """The next position does not follow from the last."""
        self._tempo = None

    def frame(self, quarters: Fraction, tempo: Fraction) -> int:
        """The project frame of a position in quarters from the song's beginning."""
        if self._tempo is None:
            self._frame, self._quarters = quarters * 60 * self._rate / tempo, quarters
        elif tempo != self._tempo:
            exact = self._exact(quarters, self._tempo)
            self._frame, self._quarters = Fraction(round_half_up(exact)), quarters
        self._tempo = tempo
        return round_half_up(self._exact(quarters, tempo))

    def _exact(self, quarters: Fraction, tempo: Fraction) -> Fraction:
        return self._frame + (quarters - self._quarters) * 60 * self._rate / tempo
