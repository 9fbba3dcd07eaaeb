"""Comping patterns: hits of a bar as the tables write them, fitted to a meter, varied and thinned."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.training.corpus.chordwalk import ChordWalk
from engine.training.corpus.comptable import ANY_METER, COMPS

_MAX_HITS = (1, 3, 8, 16, 16)  # by intensity; what is over goes, weakest first
_HIT = re.compile(r"(\d+)/(\d+)(?:/(\d))?([lht]?)")


@dataclass(frozen=True, slots=True)
class Hit:
    """A chord hit in steps of the bar; accent 1-9; pick '' all, l lowest, h the rest, t top."""

    pos: int
    length: int
    accent: int = 7
    pick: str = ""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A comping pattern: voicing shape, MIDI range, hits by bar."""

    shape: str
    low: int
    high: int
    bars: tuple[tuple[Hit, ...], ...]


def parse_pattern(text: str) -> Pattern:
    """`rA 55-72: 3/1/8 6/1 | ...` -> Pattern (see comptable)."""
    head, body = text.split(": ", 1)
    shape, span = head.split()[-2:]
    low, high = map(int, span.split("-"))
    bars = tuple(
        tuple(Hit(int(p), int(n), int(a or 7), pick) for p, n, a, pick in _HIT.findall(bar)) for bar in body.split("|")
    )
    return Pattern(shape, low, high, bars)


def _meter_tag(steps: int, groups: Sequence[int]) -> str:
    if steps != 12:
        return str(steps)
    return "12" + {6: "a", 4: "b", 3: "c"}.get(groups[0], "b")


def patterns_for(key: str, role: str, steps: int, groups: Sequence[int]) -> list[Pattern]:
    """The style's patterns of a role that fit the bar; fitted ones of 16 steps when it has none."""
    tag = _meter_tag(steps, groups)
    texts = COMPS[key].get(role) or COMPS[key]["comp1"]
    own = [t for t in texts if t.startswith(f"[{tag}]")]
    plain = [t for t in texts if not t.startswith("[")]
    if steps == 16:
        return [parse_pattern(t) for t in plain]
    if not own and tag in ANY_METER:
        low, high = parse_pattern(plain[0]).low, parse_pattern(plain[0]).high
        generic = [parse_pattern(t) for t in ANY_METER[tag]]
        return [Pattern(p.shape, max(p.low, low), max(p.high, high), p.bars) for p in generic]
    return [parse_pattern(t) for t in own] or [_fitted(parse_pattern(t), steps) for t in plain]


def _fitted(pattern: Pattern, steps: int) -> Pattern:
    """A 16-step pattern cut to fewer steps, or grown by its own beginning."""
    bars = []
    for bar in pattern.bars:
        longer = list(bar) + [Hit(h.pos + 16, h.length, h.accent, h.pick) for h in bar]
        bars.append(tuple(Hit(h.pos, min(h.length, steps - h.pos), h.accent, h.pick) for h in longer if h.pos < steps))
    return Pattern(pattern.shape, pattern.low, pattern.high, tuple(bars))


def varied(hits: list[Hit], steps: int, rng: np.random.Generator) -> list[Hit]:
    """One small change: a weak hit left out, moved by a step or an 8th, added at the end, or cut short."""
    kind = int(rng.integers(4))
    if len(hits) < 2 and kind == 0:
        kind = 2
    if kind == 0:
        weak = min(range(len(hits)), key=lambda i: (hits[i].accent, -hits[i].pos))
        return hits[:weak] + hits[weak + 1 :]
    at = int(rng.integers(len(hits))) if hits else 0
    taken = {h.pos for h in hits}
    if kind == 1 and hits and hits[at].pos:
        moved = hits[at].pos + int(rng.choice([-2, 2]))
        if 0 < moved < steps and moved not in taken:
            length = min(hits[at].length, steps - moved)
            hits = [*hits[:at], Hit(moved, length, hits[at].accent, hits[at].pick), *hits[at + 1 :]]
    elif kind == 2 and steps - 2 not in taken:
        hits = [*hits, Hit(steps - 2, 2, 6, hits[-1].pick if hits else "")]
    elif hits:
        h = hits[at]
        hits = [*hits[:at], Hit(h.pos, max(1, h.length // 2), min(9, h.accent + 1), h.pick), *hits[at + 1 :]]
    return _no_overlap(sorted(hits, key=lambda h: h.pos))


def _no_overlap(hits: list[Hit]) -> list[Hit]:
    """Whole-chord hits end where the next begins."""
    out = []
    for hit, following in zip(hits, [*hits[1:], None], strict=True):
        room = following.pos - hit.pos if following is not None and not hit.pick else hit.length
        out.append(Hit(hit.pos, max(1, min(hit.length, room)), hit.accent, hit.pick))
    return out


def thinned(hits: list[Hit], level: int, walk: ChordWalk) -> list[Hit]:
    """At low intensity only the strongest hits stay, and sing on."""
    keep = _MAX_HITS[level - 1]
    if len(hits) <= keep:
        return hits
    strong = sorted(hits, key=lambda h: (-h.accent - (2 if h.pos in walk.group_starts else 0), h.pos))[:keep]
    strong.sort(key=lambda h: h.pos)
    ends = [h.pos for h in strong[1:]] + [walk.steps]
    return [
        Hit(h.pos, max(h.length, min(end - h.pos, 2 * h.length)), h.accent, "" if level == 1 else h.pick)
        for h, end in zip(strong, ends, strict=True)
    ]


def velocity_of(accent: int, intensity: int, rng: np.random.Generator) -> int:
    scale = 0.70 + 0.07 * intensity
    return int(np.clip(round(14 * accent * scale + rng.normal(0, 2.5)), 12, 124))
