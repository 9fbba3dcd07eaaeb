"""What interrupts a groove: fills at phrase ends, builds, rolls of the hat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.training.corpus.drumgrid import Grid, copy_grid, tidy
from engine.training.corpus.style import Style

SOFT_STYLES = frozenset({"ambient", "neo-classical piano", "bossa nova", "lo-fi hip hop", "folk"})


def fill_chance(bar: int, bars: int, style: Style) -> float:
    """The chance of a fill in bar `bar` (0-based) of a section of `bars` bars: phrase ends only."""
    if (bar + 1) % 4 and bar + 1 != bars:
        return 0.0
    if bars < 4:
        return 0.0
    chance = 0.85 if bar + 1 == bars else 0.6 if (bar + 1) % 8 == 0 else 0.25
    return chance * (0.5 if style.name in SOFT_STYLES or style.number == 2 else 1.0)


def draw_fill(style: Style, steps: int, last: str, longest: int, rng: np.random.Generator) -> tuple[str, int, Grid]:
    """A fill unlike the last one: name, first step, lines. longest: its most steps."""
    fitting = [
        (f.name + str(f.at), f.lines, f.steps, f.at)
        for f in style.fills
        if f.steps == steps or (f.steps == 16 and steps >= 12)
    ]
    fitting = [f for f in fitting if f[0] != last and f[2] - f[3] <= longest]
    if fitting and rng.random() < 0.65:
        name, lines, size, at = fitting[int(rng.integers(len(fitting)))]
        start = steps - (size - at)
        return name, start, {k: _tail(v, start, steps) for k, v in lines.items()}
    name = f"own{int(rng.integers(1000))}"
    return (name, *_own_fill(style, steps, longest, rng))


def _tail(line: str, start: int, steps: int) -> list[int]:
    digits = [0 if c == "." else int(c) for c in line]
    length = steps - start
    return [0] * start + digits[len(digits) - length :]


def _own_fill(style: Style, steps: int, longest: int, rng: np.random.Generator) -> tuple[int, Grid]:
    """Snare to toms, rising, over the last 2 to 8 steps."""
    length = min(longest, int(rng.choice([2, 4, 4, 6, 8])))
    start = steps - length
    soft = 3 if style.name in SOFT_STYLES else 0
    voices = "STML" if style.number in (7, 9, 10, 11, 12, 13, 15, 18, 21) else "SSSL"
    density = float(rng.uniform(0.55, 0.95))
    grid: Grid = {}
    for i in range(length):
        if i % 2 and rng.random() > density:
            continue
        letter = voices[min(3, 4 * i // max(length, 1))]
        digit = int(np.clip(5 + 4 * i // length - soft + rng.integers(-1, 2), 1, 9))
        grid.setdefault(letter, [0] * steps)[start + i] = digit
    return start, grid


def apply_fill(grid: Grid, start: int, fill: Grid) -> Grid:
    """The groove up to `start`, then the fill; the kick goes on unless the fill has one."""
    out = copy_grid(grid)
    for letter, line in out.items():
        if letter != "K" or "K" in fill:
            out[letter] = [v if i < start else 0 for i, v in enumerate(line)]
    for letter, line in fill.items():
        base = out.get(letter, [0] * len(line))
        out[letter] = [v if i < start else f for i, (v, f) in enumerate(zip(base, line, strict=True))]
    return tidy(out)


def build_bar(grid: Grid, steps: int, place: float, letter: str) -> Grid:
    """A bar of a build: `place` 0-1 is how far it has come. Fourths, eighths, sixteenths; kick out at last."""
    out = copy_grid(grid)
    gap = 4 if place < 0.5 and steps % 4 == 0 and steps > 12 else 2 if place < 0.8 else 1
    out[letter] = [int(min(9, 3 + 5 * (place + i / (8 * steps)))) if i % gap == 0 else 0 for i in range(steps)]
    if place >= 0.74:
        out.pop("K", None)
    return tidy(out)


def hat_rolls(grid: Grid, steps: int, rng: np.random.Generator) -> tuple[Grid, list[tuple[float, int]]]:
    """Trap: one or two fast figures in a bar -> the bar without these steps, (step, digit) of the roll."""
    out = copy_grid(grid)
    roll: list[tuple[float, int]] = []
    if "H" not in out or steps != 16 or rng.random() > 0.55:
        return out, roll
    for start in rng.choice([4, 6, 12, 14], size=int(rng.integers(1, 3)), replace=False):
        count = int(rng.choice([4, 3, 8], p=[0.6, 0.34, 0.06]))
        ramp = np.linspace(3, 7, count) if rng.random() < 0.6 else np.linspace(7, 3, count)
        for i in range(count):
            roll.append((float(start) + 2.0 * i / count, round(float(ramp[i]))))
        out["H"][start] = out["H"][start + 1] = 0
    return tidy(out), roll


def jazz_comping(grid: Grid, beats: Sequence[int], steps: int, rng: np.random.Generator) -> Grid:
    """Snare comments on off-beats, a rare kick, the ride's skip notes now and then left out."""
    out = copy_grid(grid)
    off = [b + 2 for b in beats]
    snare = out.setdefault("S", [0] * steps)
    for step in off:
        snare[step] = int(rng.integers(2, 6)) if rng.random() < 0.28 else 0
    if rng.random() < 0.25:
        out.setdefault("K", [0] * steps)[int(rng.choice(off))] = 7
    for letter in "RH":
        for step in off:
            if step < steps and letter in out and out[letter][step] and rng.random() < 0.25:
                out[letter][step] = 0
    return tidy(out)
