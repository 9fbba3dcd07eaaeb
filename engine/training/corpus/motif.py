"""Motifs: rhythm cells of the styles, contours on a scale ladder, and what composers do to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

_CELLS_OF_STEPS = {
    12: ("4 2 4 2", "2 2 2 6", "8 4", "4 4 4", "6 6", "@2 2 2 2 4", "6 2 4", "2 2 4 4"),
    14: ("4 4 6", "2 2 4 2 2 2", "4 2 2 6", "6 4 4"),
    18: ("4 4 4 6", "2 2 4 4 6", "4 2 2 4 6"),
    20: ("6 6 4 4", "4 4 4 8", "2 2 4 4 8", "6 2 4 8"),
}
_EITHER_TWELVE = ("12", "2 2 2 6", "4 2 6", "2 2 2 2 4", "6 2 4", "@2 2 2 6")  # at home in 3/4 and in 6/8
_OPERATIONS = (
    ("literal", 0.20), ("transpose", 0.18), ("tail", 0.16), ("pitches", 0.10), ("fragment", 0.09), ("sequence", 0.07),
    ("answer", 0.07), ("displace", 0.04), ("invert", 0.04), ("augment", 0.03), ("diminish", 0.02),
)  # fmt: skip
SCHEMES = (("AaBb", 0.25), ("AaAB", 0.20), ("ABAc", 0.20), ("AAAa", 0.20), ("ABAC", 0.15))


@dataclass(frozen=True, slots=True)
class MotifNote:
    """pos and length in steps of the bar; offset in scale steps from the motif's anchor."""

    pos: int
    length: int
    offset: int


Motif = tuple[MotifNote, ...]
Cell = tuple[tuple[int, int], ...]  # (pos, length) in steps


def parse_cell(text: str) -> tuple[int | None, Cell]:
    """`[12] @2 2 2 r2 3` -> (12, onsets with lengths); the first item is None without a bar length."""
    steps: int | None = None
    pos = 0
    out: list[tuple[int, int]] = []
    for word in text.split():
        if word.startswith("["):
            steps = int(word.strip("[]"))
        elif word[0] in "@r":
            pos += int(word[1:])
        elif word.isdigit():
            out.append((pos, int(word)))
            pos += int(word)
    return steps, tuple(out)


def cells_for(texts: Sequence[str], steps: int, groups: Sequence[int]) -> list[Cell]:
    """The style's cells for bars of so many steps (16-step cells cut to shorter bars when it has none)."""
    parsed = [parse_cell(t) for t in texts]
    own = [cell for tag, cell in parsed if cell and (tag == steps or (tag is None and steps == 16))]
    own = [cell for cell in own if _fits(cell, steps, groups)]
    if own:
        return own
    generic = [parse_cell(t)[1] for t in _CELLS_OF_STEPS.get(steps, ())]
    generic = [cell for cell in generic if _fits(cell, steps, groups)]
    plain = [cell for tag, cell in parsed if cell and tag is None]
    cut = [tuple((p, min(n, steps - p)) for p, n in cell if p < steps) for cell in plain]
    return generic or [cell for cell in cut if cell] or [((0, steps),)]


def neutral_cells() -> list[Cell]:
    """Cells of 12 steps for callers who do not say whether the bar is 3/4 or 6/8."""
    return [parse_cell(text)[1] for text in _EITHER_TWELVE]


def _fits(cell: Cell, steps: int, groups: Sequence[int]) -> bool:
    """In bars of 12: cells of two threes go with 6/8, cells of three twos with 3/4."""
    onsets = {pos for pos, _ in cell}
    if steps != 12 or len(groups) > 3:
        return True
    if groups[0] == 6:
        return not (onsets & {4, 8} and 6 not in onsets)
    return not (10 in onsets and 8 not in onsets) and not (6 in onsets and not onsets & {4, 8})


def reshaped(cell: Cell, rng: np.random.Generator) -> Cell:
    """A relative of a cell: a long note split, or two short ones joined."""
    notes = list(cell)
    i = int(rng.integers(len(notes)))
    pos, length = notes[i]
    if length >= 4 and rng.random() < 0.6:
        cut = length // 4 * 2
        notes[i : i + 1] = [(pos, cut), (pos + cut, length - cut)]
    elif i + 1 < len(notes) and notes[i + 1][0] == pos + length and length + notes[i + 1][1] <= 8 and len(notes) > 2:
        notes[i : i + 2] = [(pos, length + notes[i + 1][1])]
    return tuple(notes)


def _move(rng: np.random.Generator, up: float, after: int, leap: float) -> int:
    """One melodic move in scale steps: mostly seconds, few repeats, leaps turned back."""
    if abs(after) >= 3 and rng.random() < 0.7:
        return -1 if after > 0 else 1
    sign = 1 if rng.random() < up else -1
    sizes = (0, 1, 2, 3, 4, 5, 7)
    weights = np.array([0.17, 0.53, 0.15, 0.05, 0.04 + leap / 2, 0.03 + leap / 2, 0.03])
    return sign * int(rng.choice(sizes, p=weights / weights.sum()))


def make_motif(cell: Cell, contour: str, rng: np.random.Generator) -> Motif:
    """Pitches for a cell. contour: words such as 'falling', 'arch', 'leap' of the style table."""
    count = len(cell)
    offset, move = 0, 0
    notes = []
    leap = 0.06 if "leap" in contour or "fifth" in contour else 0.0
    for i, (pos, length) in enumerate(cell):
        if i:
            if "fall" in contour:
                up = 0.35
            elif "arch" in contour or rng.random() < 0.6:
                up = 0.75 if i < count / 2 else 0.25
            else:
                up = 0.5
            move = _move(rng, up if abs(offset) < 4 else (0.15 if offset > 0 else 0.85), move, leap)
            offset += move
        notes.append(MotifNote(pos, length, offset))
    return tuple(notes)


def varied(motif: Motif, steps: int, contour: str, rng: np.random.Generator, strength: float = 1.0) -> Motif:
    """The motif after one operation of the table; `strength` below 1 keeps more of them literal."""
    names = [name for name, _ in _OPERATIONS]
    weights = np.array([w for _, w in _OPERATIONS])
    weights[0] += (1.0 - strength) * 0.5
    name = str(rng.choice(names, p=weights / weights.sum()))
    return tuple(n for n in operate(motif, name, steps, contour, rng) if n.pos < steps)


def operate(motif: Motif, name: str, steps: int, contour: str, rng: np.random.Generator) -> Motif:
    """One named operation on a motif within a bar of `steps`."""
    if not motif or name == "literal":
        return motif
    half = max(1, len(motif) // 2)
    if name == "transpose":
        shift = int(rng.choice([-2, -1, 1, 2, 3, -3]))
        return tuple(replace(n, offset=n.offset + shift) for n in motif)
    if name == "answer":
        shift = int(rng.choice([3, 4, -3]))
        return (*tuple(replace(n, offset=n.offset + shift) for n in motif[:-1]), replace(motif[-1], offset=0))
    if name == "invert":
        return tuple(replace(n, offset=-n.offset) for n in motif)
    if name in ("tail", "pitches"):
        kept = max(1, 2 * len(motif) // 3) if name == "tail" else 0
        fresh = make_motif(tuple((n.pos, n.length) for n in motif[kept:]), contour, rng)
        base = motif[kept - 1].offset + int(rng.choice([-1, 1])) if kept else 0
        return motif[:kept] + tuple(replace(n, offset=n.offset + base) for n in fresh)
    if name == "displace":
        shift = int(rng.choice([2, 4, -2]))
        return tuple(replace(n, pos=n.pos + shift) for n in motif if 0 <= n.pos + shift < steps)
    if name == "augment":
        return tuple(
            replace(n, pos=2 * n.pos, length=min(2 * n.length, steps - 2 * n.pos)) for n in motif if 2 * n.pos < steps
        )
    return _repeated(motif, name, half, steps, rng)


def _repeated(motif: Motif, name: str, half: int, steps: int, rng: np.random.Generator) -> Motif:
    """Fragment (the head alone), sequence (head, then head moved a step), diminish (twice as fast, twice)."""
    if name == "fragment":
        return motif[:half]
    if name == "diminish" and all(n.length >= 2 for n in motif):
        return tuple(replace(n, pos=n.pos // 2, length=max(1, n.length // 2)) for n in motif)
    if name == "sequence":
        head = motif[:half]
        at = steps // 2 if steps % 4 == 0 else (steps // 4) * 2
        head = tuple(replace(n, length=min(n.length, at - n.pos)) for n in head if n.pos < at)
        shift = int(rng.choice([-1, 1, -2]))
        moved = tuple(replace(n, pos=n.pos + at, offset=n.offset + shift) for n in head if n.pos + at < steps)
        return tuple(replace(n, length=min(n.length, steps - n.pos)) for n in head + moved)
    return motif
