"""Form: which sections a song has, how loud and dense each is, and who plays in it.

A style's plan names its sections with bars, level and the parts that enter or leave. A song is
shorter than the plan, so sections are dropped (who plays is settled before) and shortened to whole
phrases of four bars.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from engine.training.corpus.song import Section
from engine.training.corpus.style import SectionPlan, Style
from engine.training.corpus.styletable import ROLES

ALL_PARTS = ("drums", *ROLES)
_MARKS = ("build", "hit", "rit")
_FEWEST_BARS = 16
_ASIDES = frozenset({"Bk", "Br", "Inst", "Dub", "Gap", "Pre"})

# The chance that a song has this part at all, unless the style says otherwise.
_PRESENCE = {"comp2": 0.75, "pad": 0.75, "counter": 0.5, "arp": 0.3}
_STYLE_PRESENCE: dict[str, dict[str, float]] = {
    "ambient": {"drums": 0.45, "bass": 0.65, "pad": 1.0, "arp": 0.5, "lead": 0.85},
    "folk": {"drums": 0.65, "bass": 0.85},
    "neo-classical piano": {"drums": 0.15, "arp": 0.2},
    "orchestral": {"arp": 0.6, "pad": 1.0},
    "synthwave": {"arp": 0.8, "pad": 1.0},
    "techno": {"lead": 0.6, "arp": 0.35},
    "reggae": {"arp": 0.0},
    "jazz swing": {"pad": 0.0, "arp": 0.0, "comp2": 0.4},
    "funk": {"arp": 0.0},
    "bossa nova": {"arp": 0.0},
    "afrobeat": {"arp": 0.0},
    "balkan": {"arp": 0.0},
    "drum and bass": {"pad": 1.0},
}


@dataclass(frozen=True, slots=True)
class PlannedSection:
    """A section with who plays in it, its marks (build, hit, rit, roll) and an intensity of 1-5 per bar."""

    section: Section
    parts: frozenset[str]
    marks: frozenset[str]
    intensity: tuple[int, ...]

    @property
    def end_bar(self) -> int:
        """The bar after the last."""
        return self.section.first_bar + self.section.bars


def intensity_of(level_db: float) -> int:
    """Level against the loudest section -> intensity 1-5."""
    return 1 + sum(level_db >= edge for edge in (-13.0, -6.5, -3.5, -1.0))


def plan_form(
    style: Style,
    tempo: Fraction,
    bar_beats: Fraction,
    seconds: float,
    rng: np.random.Generator,
) -> list[PlannedSection]:
    """The sections of a song near `seconds` long: contiguous from bar 0, at least 16 bars in all."""
    present = _present(style, rng)
    rows = [(plan, parts & present) for plan, parts in _who_plays(style.form)]
    target = max(_FEWEST_BARS, round(seconds * float(tempo) / 60 / float(bar_beats)))
    rows = _drop(rows, target, rng)
    bars = _scale([_draw_bars(plan, rng) for plan, _ in rows], target)
    planned: list[PlannedSection] = []
    first = 0
    for (plan, parts), count in zip(rows, bars, strict=True):
        level = min(0.0, plan.level_db + float(rng.normal(0, 0.4)) * (plan.level_db < 0))
        section = Section(plan.name, first, count, round(level, 2))
        marks = frozenset(m for m in _MARKS if m in plan.changes.split())
        planned.append(_planned(section, parts, marks))
        first += count
    return _never_empty([_with_roll(p) if "drums" in present else p for p in planned])


def _with_roll(planned: PlannedSection) -> PlannedSection:
    """A build without drums gets their roll, and nothing else of them."""
    if "build" not in planned.marks or "drums" in planned.parts:
        return planned
    return replace(planned, parts=planned.parts | {"drums"}, marks=planned.marks | {"roll"})


def _present(style: Style, rng: np.random.Generator) -> frozenset[str]:
    chance = _PRESENCE | _STYLE_PRESENCE.get(style.name, {})
    return frozenset(p for p in ALL_PARTS if rng.random() < chance.get(p, 1.0))


def _who_plays(form: tuple[SectionPlan, ...]) -> list[tuple[SectionPlan, frozenset[str]]]:
    """Run the plan's `+x -x =x` from the first section on."""
    playing: set[str] = set()
    rows = []
    for plan in form:
        words = plan.changes.split()
        only = {w[1:] for w in words if w[0] == "="}
        if only:
            playing = set(only)
        playing |= {w[1:] for w in words if w[0] == "+"}
        playing -= {w[1:] for w in words if w[0] == "-"}
        if not playing:
            playing = {"drums", "bass", "comp1"}
        rows.append((plan, frozenset(_with_arp(playing, plan))))
    return rows


def _with_arp(playing: set[str], plan: SectionPlan) -> set[str]:
    """Styles that never name the arpeggio have it (if the song has one) in their fuller sections."""
    return playing | {"arp"} if plan.level_db >= -4.5 and "comp1" in playing else set(playing)


def _drop(
    rows: list[tuple[SectionPlan, frozenset[str]]], target: int, rng: np.random.Generator
) -> list[tuple[SectionPlan, frozenset[str]]]:
    """Drop inner sections until an average of 5 or 6 bars each fits; the loudest one stays."""
    rows = list(rows)
    while len(rows) > 3 and 5.4 * len(rows) > target:
        weights = _dispensable([plan for plan, _ in rows])
        del rows[int(rng.choice(len(rows), p=weights))]
    falls = [b[0].level_db <= a[0].level_db for a, b in pairwise(rows)]
    idle = [i for i, fall in enumerate(falls) if rows[i][0].name == "Bd" and fall]
    return [row for i, row in enumerate(rows) if i not in idle]  # no build leads down


def _dispensable(plans: list[SectionPlan]) -> NDArray[np.float64]:
    """Probabilities of leaving each section out: rather one that comes again, never first, last, loudest."""
    names = [plan.name for plan in plans]
    loudest = max(range(len(plans)), key=lambda i: plans[i].level_db)
    last_loud = max(i for i in range(len(plans)) if plans[i].level_db >= plans[loudest].level_db - 1.0)
    weights = np.zeros(len(plans))
    for i in range(1, len(plans) - 1):
        if i == loudest:
            continue
        weights[i] = 3.0 if names.count(names[i]) > 1 else 2.0 if names[i] in _ASIDES else 1.0
        if i == last_loud:
            weights[i] *= 0.15  # the song comes home once more
        if names[i - 1] == names[i + 1]:
            weights[i] *= 0.15  # the neighbours would run into each other
        if names[i] == "Bd" and plans[i + 1].level_db > -1.5:
            weights[i] *= 0.1  # a drop wants its build
        if names[i - 1] == "Bd":
            weights[i] *= 0.03  # and a build its drop
    share: NDArray[np.float64] = weights / weights.sum()
    return share


def _draw_bars(plan: SectionPlan, rng: np.random.Generator) -> int:
    low, high = plan.bars
    return low if low == high else int(rng.choice(np.arange(low, high + 1, 4)))


def _scale(bars: list[int], target: int) -> list[int]:
    """Shorten (or keep) to about `target` bars: phrases of 4, 8, 12 or 16; short tags as they are."""
    factor = min(1.0, target / sum(bars))
    scaled = [b if b <= 2 else int(min(16, max(4, 4 * round(b * factor / 4)))) for b in bars]
    while sum(scaled) < min(_FEWEST_BARS, target):
        scaled[scaled.index(max(scaled))] += 4
    return scaled


def _planned(section: Section, parts: frozenset[str], marks: frozenset[str]) -> PlannedSection:
    level = intensity_of(section.level_db)
    bars = section.bars
    if "build" in marks:
        curve = tuple(min(5, level + (2 * i) // bars) for i in range(bars))
    elif section.name in ("Fade", "Out", "Thin"):
        curve = tuple(max(1, level - (2 * i) // bars) for i in range(bars))
    else:
        curve = (level,) * bars
    return PlannedSection(section, parts, marks, curve)


def _never_empty(planned: list[PlannedSection]) -> list[PlannedSection]:
    """A section whose parts all fell away borrows chords: silence is no section."""
    rhythm = frozenset({"drums", "bass"})
    return [
        replace(p, parts=p.parts | {"comp1"}) if not p.parts or (p.parts <= rhythm and "drums" not in p.parts) else p
        for p in planned
    ]
