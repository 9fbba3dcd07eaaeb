"""Bass patterns of a style: chosen by meter and kick, moved onto the kick, varied."""

from __future__ import annotations

import numpy as np

from engine.training.corpus.drums import DrumTrack
from engine.training.corpus.style import BassNote, BassPattern, Style

LITERAL = {"loop": 0.85, "song": 0.55, "through": 0.3, "jazz": 0.02}
LIVE = frozenset({9, 10, 11, 12, 13, 14, 17, 19, 21, 22, 5, 6})


def choose_patterns(
    style: Style, steps: int, meter: tuple[int, int], label: str, drums: DrumTrack, rng: np.random.Generator
) -> list[BassPattern]:
    """The patterns that fit the meter, the ones that meet the kick best more often first."""
    fitting = [b for b in style.basses if b.steps == steps and b.meter in (None, meter)]
    if label:
        fitting = [b for b in fitting if not _grouping(b.name) or _grouping(b.name) == label] or fitting
    if not fitting:
        fitting = [_plain_pattern(steps)]
    kicks = {s for bar in drums.kicks for s in bar}
    scores = [
        len(kicks & {n.pos for n in b.bars[0]}) / max(1, len(b.bars[0])) * (style.number in LIVE) + rng.uniform(0, 0.8)
        for b in fitting
    ]
    return [fitting[i] for i in np.argsort(scores)[::-1]]


def _grouping(name: str) -> str:
    label = name.partition(" ")[2]
    return label if label.isdigit() else ""


def _plain_pattern(steps: int) -> BassPattern:
    half = steps // 2
    notes = (BassNote(0, half, "1"), BassNote(half, steps - half, "5", 6))
    return BassPattern("plain", steps, (notes,))


def on_kicks(cell: list[BassNote], kicks: tuple[int, ...], steps: int) -> list[BassNote]:
    degrees = [n.degree for n in cell]
    ends = [*kicks[1:], steps]
    return [
        BassNote(k, max(1, end - k), degrees[i % len(degrees)] if k else "1", 9 if k == 0 else 8)
        for i, (k, end) in enumerate(zip(kicks, ends, strict=True))
    ]


def locked(cell: list[BassNote], kicks: tuple[int, ...], rng: np.random.Generator) -> list[BassNote]:
    """Onsets on at least 60 % of the kicks: a neighbour moves onto the kick, or a root joins it."""
    taken = {n.pos: n for n in cell}
    needed = int(np.ceil(0.6 * len(kicks))) - sum(k in taken for k in kicks)
    for kick in (k for k in kicks if k not in taken):
        if needed <= 0:
            break
        near = next((taken[k] for k in (kick + 1, kick - 1) if k in taken and k not in kicks), None)
        if near is not None:
            del taken[near.pos]
            taken[kick] = BassNote(kick, near.length, near.degree, near.accent)
        else:
            taken[kick] = BassNote(kick, 2, "1", 7 if rng.random() < 0.7 else 6)
        needed -= 1
    return [taken[k] for k in sorted(taken)]


def varied(
    cell: list[BassNote],
    style: Style,
    intensity: int,
    phrase_end: bool,
    beats: list[int],
    rng: np.random.Generator,
) -> list[BassNote]:
    """One small change where the bar is not literal; at phrase ends an approach to the next root."""
    if rng.random() < LITERAL[style.kind] - 0.25 * phrase_end or not cell or style.kind == "jazz":
        return cell
    out, at = list(cell), int(rng.integers(len(cell)))
    note, kind = out[at], rng.random()
    if phrase_end and intensity >= 3 and note.length <= 8 and style.number not in (2, 8, 20):
        last = out[-1]
        out[-1] = BassNote(last.pos, last.length, str(rng.choice(["~", "<", "5", "~"])), last.accent)
    elif kind < 0.35 and note.pos > 0 and note.degree in ("1", "5"):
        out[at] = BassNote(note.pos, note.length, "5" if note.degree == "1" else "1", note.accent)
    elif kind < 0.55 and note.degree == "1" and note.pos > 0 and note.length <= 4:
        out[at] = BassNote(note.pos, note.length, "8", note.accent)
    elif kind < 0.75 and len(out) > 2 and note.pos > 0 and note.pos not in beats:
        del out[at]
    elif kind < 0.9 and note.length >= 4 and intensity >= 3 and style.number not in (8, 20, 18):
        half = note.length // 2
        out[at] = BassNote(note.pos, half, note.degree, note.accent)
        out.insert(at + 1, BassNote(note.pos + half, note.length - half, note.degree, 5))
    return out
