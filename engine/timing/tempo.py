"""Meters and tempi: parsing, felt beats, the one rounding rule."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from engine.errors import BadRequest
from engine.types import MAX_BARS

TEMPO_RANGE_BPM = (20, 400)
MAX_NUMERATOR = 32
DENOMINATORS = (1, 2, 4, 8, 16, 32)
TEMPO_SENTENCE = 'A tempo is a number from 20 to 400 quarters per minute, as in "120", "119.98" or "7200/61"'
METER_SENTENCE = 'A meter is "n/d" with n from 1 to 32 and d one of 1, 2, 4, 8, 16, 32, as in "4/4" or "7/8"'

_DECIMAL = re.compile(r"[0-9]{1,6}(\.[0-9]{0,24})?")
_RATIO = re.compile(r"([0-9]{1,16})/([0-9]{1,16})")
_METER = re.compile(r"([0-9]{1,3})/([0-9]{1,3})")


def round_half_up(x: Fraction) -> int:
    """floor(x + 1/2), the one rounding of positions to frames."""
    return (2 * x.numerator + x.denominator) // (2 * x.denominator)


def shown(text: str) -> str:
    """User text as it may stand in a sentence: quoted, escaped, short."""
    return ascii(text if len(text) <= 40 else text[:37] + "...")


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter n/d. n 1-32, d in 1, 2, 4, 8, 16, 32."""

    numerator: int
    denominator: int

    def __post_init__(self) -> None:
        if not 1 <= self.numerator <= MAX_NUMERATOR or self.denominator not in DENOMINATORS:
            raise BadRequest(f"{METER_SENTENCE}; got {self.numerator}/{self.denominator}.")

    @staticmethod
    def parse(text: str) -> Meter:
        """The meter that "n/d" names; BadRequest for anything else."""
        match = _METER.fullmatch(text.strip()) if len(text) <= 16 else None
        if match is None:
            raise BadRequest(f"{METER_SENTENCE}; got {shown(text)}.")
        return Meter(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"

    @property
    def bar_quarters(self) -> Fraction:
        """Length of a bar in quarters."""
        return Fraction(4 * self.numerator, self.denominator)

    @property
    def beats(self) -> tuple[Fraction, ...]:
        """Lengths of a bar's felt beats in quarters, in order; their sum is `bar_quarters`.

        Down to quarters (d <= 4) the unit is the beat. Below, threes where n divides by three
        (6/8: 3+3), else pairs with the odd one in the last beat (7/8: 2+2+3, 5/8: 2+3, 8/8:
        2+2+2+2). x/16 groups its sixteenths alike; x/32 groups twice as many units.
        """
        n, unit = self.numerator, Fraction(4, self.denominator)
        if self.denominator <= 4:
            return (unit,) * n
        scale = 2 if self.denominator == 32 else 1
        group = 3 * scale if n % (3 * scale) == 0 else 2 * scale
        count = max(1, n // group)
        return (group * unit,) * (count - 1) + ((n - group * (count - 1)) * unit,)


def check_tempo(tempo: Fraction) -> Fraction:
    """The tempo itself, or BadRequest when it lies outside 20-400 quarters per minute."""
    if not TEMPO_RANGE_BPM[0] <= tempo <= TEMPO_RANGE_BPM[1]:
        raise BadRequest(f"{TEMPO_SENTENCE}; got about {float(tempo):.9g}.")
    return tempo


def parse_tempo(text: str) -> Fraction:
    """Quarters per minute. Decimals are snapped to 1/1000 (halves up), "a/b" is kept exactly."""
    bare = text.strip() if len(text) <= 48 else ""
    if ratio := _RATIO.fullmatch(bare):
        if int(ratio[2]) > 0:
            return check_tempo(Fraction(int(ratio[1]), int(ratio[2])))
    elif _DECIMAL.fullmatch(bare):
        check_tempo(Fraction(bare))
        return check_tempo(Fraction(round_half_up(Fraction(bare) * 1000), 1000))
    raise BadRequest(f"{TEMPO_SENTENCE}; got {shown(text)}.")


def format_tempo(tempo: Fraction) -> str:
    """Text that `parse_tempo` reads back exactly: "120", "119.98" or "7200/61"."""
    thousandths = tempo * 1000
    if thousandths.denominator != 1:
        return f"{tempo.numerator}/{tempo.denominator}"
    whole, rest = divmod(thousandths.numerator, 1000)
    return f"{whole}.{rest:03d}".rstrip("0").rstrip(".")


def tempo_from_length(frames: int, rate: int, bars: int, meter: Meter) -> Fraction:
    """The tempo at which `frames` at `rate` hold exactly `bars` bars; BadRequest outside 20-400."""
    if frames < 1 or not 1 <= bars <= MAX_BARS:
        raise BadRequest(f"The length in bars must be 1 to {MAX_BARS} of audio that is not empty; got {bars}.")
    tempo = bars * meter.bar_quarters * 60 * rate / frames
    if not TEMPO_RANGE_BPM[0] <= tempo <= TEMPO_RANGE_BPM[1]:
        raise BadRequest(
            f"{frames / rate:.3f} s as {bars} bars of {meter} would be {float(tempo):.1f} quarters per"
            f" minute; give a number of bars that leads to a tempo from 20 to 400."
        )
    return tempo
