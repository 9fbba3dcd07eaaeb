"""A song's map as a host would hold it: an oracle of its own, written without engine.timing."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property


@dataclass(frozen=True)
class Part:
    """From bar `bar` (0-based) on: tempo in quarters a minute, meter numerator/denominator."""

    bar: int
    tempo: Fraction
    numerator: int = 4
    denominator: int = 4

    @property
    def bar_quarters(self) -> Fraction:
        return Fraction(4 * self.numerator, self.denominator)


@dataclass(frozen=True)
class Place:
    """Where a frame lies: 0-based bar, quarters into it, the part that holds there."""

    bar: int
    quarter: Fraction
    part: Part


@dataclass(frozen=True)
class Song:
    """Parts in order, the first at bar 0; rate in Hz. Frame 0 is bar 0."""

    parts: tuple[Part, ...]
    rate: int = 48_000

    @cached_property
    def lines(self) -> list[Fraction]:
        """The exact frame of each part's first bar."""
        lines = [Fraction(0)]
        for one, after in zip(self.parts, self.parts[1:], strict=False):
            lines.append(lines[-1] + (after.bar - one.bar) * self.bar_frames(one))
        return lines

    def bar_frames(self, part: Part) -> Fraction:
        return part.bar_quarters * 60 * self.rate / part.tempo

    def line(self, bar: int) -> Fraction:
        """The exact frame of a bar line."""
        index = max(i for i, part in enumerate(self.parts) if part.bar <= bar)
        return self.lines[index] + (bar - self.parts[index].bar) * self.bar_frames(self.parts[index])

    def frame(self, bar: int) -> int:
        """The frame of a bar line, rounded half up."""
        return int((self.line(bar) + Fraction(1, 2)) // 1)

    def place(self, frame: int) -> Place:
        index = max((i for i, line in enumerate(self.lines) if line <= frame), default=0)
        part = self.parts[index]
        bars, rest = divmod(frame - self.lines[index], self.bar_frames(part))
        return Place(part.bar + int(bars), rest / self.bar_frames(part) * part.bar_quarters, part)

    def text(self) -> tuple[str, str]:
        """Tempo and meter as the protocol's maps by bars."""
        tempo = ",".join(f"{part.bar}:{float(part.tempo):g}" for part in self.parts)
        return tempo, ",".join(f"{part.bar}:{part.numerator}/{part.denominator}" for part in self.parts)
