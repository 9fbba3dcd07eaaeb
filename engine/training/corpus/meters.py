"""Meters: how a bar is felt, and which of a style's grooves fit it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from engine.training.corpus.style import Groove, Style

_DOTTED = Fraction(3, 2)
_ONE = Fraction(1)


def bar_beats_of(meter: tuple[int, int]) -> Fraction:
    """Length of a bar in quarters."""
    return Fraction(4 * meter[0], meter[1])


def draw_meter(style: Style, rng: np.random.Generator) -> tuple[tuple[int, int], str, tuple[Fraction, ...]]:
    """Meter, the name of its grouping ('223', '322', '2223' or ''), felt beats in quarters."""
    weights = np.array([w for _, w in style.meters])
    meter = style.meters[int(rng.choice(len(weights), p=weights / weights.sum()))][0]
    grouping = ""
    if meter == (7, 8):
        grouping = "322" if style.name == "balkan" and rng.random() < 0.45 else "223"
    elif meter == (9, 8):
        grouping = "2223" if style.name == "balkan" else ""
    return meter, grouping, felt_beats(meter, grouping)


def felt_beats(meter: tuple[int, int], grouping: str = "") -> tuple[Fraction, ...]:
    """Lengths of the felt beats of a bar: quarters in x/4, dotted quarters in 6/8, 2+2+3 in 7/8."""
    if grouping:
        return tuple(Fraction(int(c), 2) for c in grouping)
    if meter[1] == 8 and meter[0] % 3 == 0:
        return (_DOTTED,) * (meter[0] // 3)
    if meter == (7, 8):
        return (_ONE, _ONE, _DOTTED)
    return (Fraction(4, meter[1]),) * meter[0]


def beats_in_steps(groups: tuple[Fraction, ...], bar_beats: Fraction, steps: int) -> list[int]:
    """The steps of the bar where felt beats start."""
    starts = [sum(groups[:i], Fraction(0)) for i in range(len(groups))]
    return [int(start * steps / bar_beats) for start in starts]


def fitting_grooves(style: Style, meter: tuple[int, int], steps: int, grouping: str) -> list[Groove]:
    """The style's grooves for this meter and grouping; else its 4/4 grooves, cut or grown to the bar."""
    fitting = [g for g in style.grooves if g.steps == steps and g.meter in (None, meter)]
    if grouping:
        labels = {grouping, "43"} if grouping == "223" else {grouping}
        fitting = [g for g in fitting if labels & set(g.name.split())] or fitting
    return fitting or [_resized(g, steps) for g in style.grooves if g.steps == 16]


def _resized(groove: Groove, steps: int) -> Groove:
    bars = tuple({k: (v + v)[:steps] for k, v in bar.items()} for bar in groove.bars)
    return Groove(groove.name, steps, bars)
