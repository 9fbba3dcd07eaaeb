"""One bar of drums as a grid, and the small changes that make it another bar.

A bar is a dict letter -> list of digits 0-9 (see styletable); a digit is 14 MIDI velocities.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Grid = dict[str, list[int]]

PERCUSSION = frozenset("ZNWUGDAQE")
CLAVES = frozenset("AQEUGDXF")  # timelines and ostinatos: they do not change

KEYS = {
    "K": 36, "S": 38, "X": 37, "C": 39, "H": 42, "P": 44, "O": 46, "R": 51, "B": 53, "Y": 49,
    "T": 48, "M": 45, "L": 41, "Z": 70, "N": 54, "W": 56, "U": 62, "G": 63, "D": 64, "A": 75,
    "Q": 67, "E": 68, "J": 40, "F": 36,
}  # fmt: skip


def parse_bar(lines: dict[str, str]) -> Grid:
    """Step strings -> digits."""
    return {k: [0 if c == "." else int(c) for c in v] for k, v in lines.items()}


def copy_grid(grid: Grid) -> Grid:
    """A copy that may be changed."""
    return {k: list(v) for k, v in grid.items()}


def onsets(grid: Grid, letter: str) -> list[int]:
    """The steps where the letter sounds."""
    return [i for i, v in enumerate(grid.get(letter, ())) if v]


def is_four_on_floor(grid: Grid, steps: int) -> bool:
    """A kick on every quarter of a 4/4 bar."""
    kick = grid.get("K")
    return bool(kick) and steps == 16 and all(kick[i] for i in (0, 4, 8, 12))  # type: ignore[index]


def tidy(grid: Grid) -> Grid:
    """Closed and open hat never share a step; silent lines go."""
    open_hat, closed = grid.get("O"), grid.get("H")
    if open_hat and closed:
        grid["H"] = [0 if o else h for o, h in zip(open_hat, closed, strict=True)]
    return {k: v for k, v in grid.items() if any(v)}


def snare_letter(grid: Grid) -> str | None:
    """What plays the backbeat."""
    for letter in "SCXJ":
        if any(v >= 5 for v in grid.get(letter, ())):
            return letter
    return None


def mutate_kick(grid: Grid, steps: int, fine: bool, rng: np.random.Generator) -> None:
    """Move, add or take one kick off the strong steps; the one and the backbeats stay free of it."""
    kick = grid.get("K")
    if not kick or is_four_on_floor(grid, steps):
        return
    letter = snare_letter(grid)
    blocked = set(onsets(grid, letter)) if letter and letter != "X" else set()
    places = [i for i in range(1 if fine else 2, steps, 1 if fine else 2) if i not in blocked]
    added = [i for i in places if not kick[i]]
    taken = [i for i in places if kick[i] and i % 4]
    if taken and rng.random() < 0.5:
        kick[int(rng.choice(taken))] = 0
    if added and rng.random() < 0.7 and sum(map(bool, kick)) < 7:
        kick[int(rng.choice(added))] = int(rng.integers(5, 8))


def mutate_ghosts(grid: Grid, steps: int, density: float, rng: np.random.Generator) -> None:
    """Soft snare strokes on weak sixteenths next to nothing loud."""
    if steps < 14 or "S" not in grid:
        return
    snare, kick = grid["S"], grid.get("K", [0] * steps)
    for step in (3, 7, 9, 10, 13, 15, 17, 19):
        if step < steps and not snare[step] and not kick[step] and rng.random() < density:
            snare[step] = int(rng.integers(1, 4))


def mutate_hats(grid: Grid, steps: int, rng: np.random.Generator) -> None:
    """Another pattern for the closed hat: eighths, sixteenths, off-beats or disco."""
    if "H" not in grid or steps != 16:
        return
    cells = {"8": "7050", "16": "6353", "off": "0060", "disco": "5067", "gallop": "7056", "4": "6000"}
    weights = np.array([0.3, 0.2, 0.15, 0.1, 0.15, 0.1])
    cell = cells[list(cells)[int(rng.choice(6, p=weights))]]
    tilt = int(rng.integers(-1, 2))
    grid["H"] = [max(1, int(c) + tilt) if c != "0" else 0 for c in cell * 4]


def mutate_colour(grid: Grid, steps: int, moves: int, rng: np.random.Generator) -> None:
    """Add or take soft strokes of cymbals, drums and shakers; backbone and timelines stay."""
    letters = sorted(set(grid) & set("HPRSLZNFTJDU"))
    for _ in range(moves if letters else 0):
        letter = letters[int(rng.integers(len(letters)))]
        line = grid[letter]
        soft = [i for i, v in enumerate(line) if 0 < v <= 6 and i and (letter != "R" or i % 4)]
        free = [i for i in range(2, steps, 2) if not line[i]] or [i for i in range(1, steps) if not line[i]]
        if soft and (rng.random() < 0.5 or not free):
            line[int(rng.choice(soft))] = 0
        elif free:
            line[int(rng.choice(free))] = int(rng.integers(2, 6))


def add_percussion(grid: Grid, steps: int, rng: np.random.Generator) -> None:
    """A layer of shaker, tambourine, cowbell or congas."""
    kind = str(rng.choice(["Z", "N", "W", "UG", "Z"]))
    if set(kind) & set(grid):
        return
    if kind == "Z":
        fine = rng.random() < 0.5 and steps >= 14
        grid["Z"] = [5 if i % 4 == 0 else 4 if i % 2 == 0 else 2 * fine for i in range(steps)]
    elif kind == "N":
        offset = 4 if steps == 16 and rng.random() < 0.5 else 2
        grid["N"] = [5 if i % (2 * offset) == offset else 0 for i in range(steps)]
    else:
        for letter, count in zip(kind, (int(rng.integers(2, 5)), 2), strict=False):
            grid[letter] = euclid(count, steps, int(rng.integers(0, steps)), 4)


def euclid(count: int, steps: int, shift: int, digit: int) -> list[int]:
    """`count` hits spread as evenly as the steps allow, turned by `shift`."""
    line = [digit if (i * count) % steps < count else 0 for i in range(steps)]
    return line[shift:] + line[:shift]


def jitter_digits(grid: Grid, rng: np.random.Generator, amount: float = 0.3) -> None:
    """Digits up or down by one here and there; loud ones stay loud."""
    for letter, line in grid.items():
        if letter in "KSC":
            continue
        for i, v in enumerate(line):
            if v and rng.random() < amount:
                line[i] = int(np.clip(v + rng.integers(-1, 2), 1, 9))


def thin(grid: Grid, intensity: int, beats: Sequence[int], steps: int) -> Grid:
    """What is left of a bar at intensity 1-5. beats: the steps where felt beats start."""
    if intensity >= 4:
        return grid
    full, strong = is_four_on_floor(grid, steps), set(beats)
    out = copy_grid(grid)
    for letter, line in out.items():
        for i, v in enumerate(line):
            if v and not _kept(letter, i, v, intensity, strong, full):
                line[i] = 0
            elif v and intensity <= 2:
                line[i] = max(1, v - (2 if letter in "SC" else 1))
    return tidy(out)


def _kept(letter: str, step: int, digit: int, intensity: int, strong: set[int], full: bool) -> bool:
    if intensity == 3:
        return digit > 2 or letter not in "S" or step % 2 == 0
    if letter in "KF":
        return full or step in strong if intensity == 2 else step == 0 or full
    if letter in "SCX":
        return digit >= 5 and intensity == 2
    if letter in CLAVES or letter in "JL":
        return True
    return step % 2 == 0 if intensity == 2 else step in strong and letter in "HRPZ"


def lift(grid: Grid, number: int, rng: np.random.Generator) -> Grid:
    """The loudest sections: ride or open hats instead of closed ones, an open hat before the one."""
    out = copy_grid(grid)
    if "H" in out and number in (7, 9, 10, 11, 21, 3) and "R" not in out and "O" not in out:
        if rng.random() < 0.6:
            out["R"] = [min(9, v + 1) if i % 2 == 0 else 0 for i, v in enumerate(out.pop("H"))]
        elif number == 10:
            out["O"] = [8 if i % 4 == 0 else 0 for i in range(len(out["H"]))]
    elif "H" in out and "O" not in out and rng.random() < 0.5:
        line = [0] * len(out["H"])
        line[-2] = 6
        out["O"] = line
    return tidy(out)
