"""Finding the way through a song: the chord at a beat, the bars of a section, the steps of a bar."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from fractions import Fraction

from engine.training.corpus.song import ChordSpan, Section

_GROUPS = {16: (4, 4, 4, 4), 12: (4, 4, 4), 14: (4, 4, 6), 18: (4, 4, 4, 6), 20: (4, 4, 4, 4, 4), 8: (4, 4), 10: (4, 6)}


def bar_groups(bar_beats: Fraction, steps: int) -> tuple[int, ...]:
    """Felt beats of a bar in steps where nobody said otherwise (3/4 rather than 6/8; 12/8 in threes)."""
    if steps == 12 and bar_beats == 6:
        return (3, 3, 3, 3)
    return _GROUPS.get(steps, (4,) * (steps // 4) + ((steps % 4,) if steps % 4 else ()))


def groups_of(
    meters: Iterable[tuple[tuple[int, int], float]], bar_beats: Fraction, steps: int, given: Sequence[int] | None
) -> tuple[int, ...]:
    """The groups given; else 6/8 where bars of 12 steps can be nothing else in the style; else the default."""
    if given:
        return tuple(given)
    twelves = {meter for meter, _ in meters if 16 * meter[0] == 12 * meter[1]}
    if steps == 12 and bar_beats == 3 and twelves == {(6, 8)}:
        return (6, 6)
    return bar_groups(bar_beats, steps)


class ChordWalk:
    """Chords, sections and the grid of one song. Beats in quarters, steps within a bar."""

    def __init__(
        self,
        chords: Sequence[ChordSpan],
        sections: Sequence[Section],
        bar_beats: Fraction,
        steps: int,
        groups: tuple[int, ...],
    ) -> None:
        assert sum(groups) == steps, f"groups {groups} do not fill {steps} steps"
        self.chords = list(chords)
        self.sections = list(sections)
        self.bar_beats = bar_beats
        self.steps = steps
        self.groups = groups
        self.step = float(bar_beats / steps)
        self.group_starts = frozenset(sum(groups[:i]) for i in range(len(groups)))
        self._starts = [c.beat for c in self.chords]

    def at(self, beat: float) -> ChordSpan:
        """The chord sounding at a beat."""
        return self.chords[max(0, bisect_right(self._starts, beat + 1e-9) - 1)]

    def beat(self, bar: int, step: int = 0) -> float:
        """Quarters from the song's start."""
        return float(bar * self.bar_beats + step * self.bar_beats / self.steps)

    def section_end(self, section: Section) -> float:
        """Beat where a section ends."""
        return self.beat(section.first_bar + section.bars)

    def in_section(self, section: Section) -> list[ChordSpan]:
        """The chords that sound in a section."""
        begin, end = self.beat(section.first_bar), self.section_end(section)
        return [c for c in self.chords if c.beat < end - 1e-9 and c.beat + c.length > begin + 1e-9]

    def weight(self, pos: int) -> int:
        """Metric strength of a step: 3 bar, 2 group start, 1 other 8th, 0 16th (12/8: 1 = every 8th)."""
        if pos == 0:
            return 3
        if pos in self.group_starts:
            return 2
        return 1 if pos % 2 == 0 or self.bar_beats == 6 else 0
