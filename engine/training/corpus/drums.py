"""Drums of a whole song: grooves by section, variation by bar, fills at phrase ends, builds, drops."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from engine.training.corpus import drumfills as fills
from engine.training.corpus import drumgrid as dg
from engine.training.corpus.drumgrid import Grid
from engine.training.corpus.form import PlannedSection
from engine.training.corpus.style import Groove, Style

LITERAL = {"loop": 0.9, "song": 0.82, "through": 0.6, "jazz": 0.1}
_SCHEMES = ("AAAB", "ABAB", "AAAC", "ABAC", "AABC")
_FINE = frozenset({3, 5, 6, 9, 12, 13, 17, 4})  # kicks on sixteenths are idiomatic
_LAYERED = frozenset({1, 2, 3, 9, 11, 12, 13, 17, 5, 14})  # percussion may join
_COLOURED = {15: 3, 18: 3, 19: 2, 21: 2, 22: 3, 8: 2, 20: 2, 16: 0, 2: 2}  # soft strokes changed
_RIDING = frozenset({3, 7, 9, 10, 11, 12, 13, 21, 22})
_GHOSTED = frozenset({3, 5, 6, 9, 10, 12, 13, 17, 21})
_NO_CRASH = frozenset({5, 6, 8, 15, 16, 20, 14})


@dataclass(frozen=True, slots=True)
class DrumHit:
    """A stroke: step (from the song's start, may be fractional), letter, digit 1-9."""

    step: float
    letter: str
    digit: float


@dataclass(slots=True)
class DrumTrack:
    """The strokes; per bar the kick's steps; silences and fills as (first step, end step)."""

    hits: list[DrumHit] = field(default_factory=list)
    kicks: list[tuple[int, ...]] = field(default_factory=list)
    silences: list[tuple[int, int]] = field(default_factory=list)
    fills: list[tuple[int, int]] = field(default_factory=list)


def song_groove(style: Style, choices: list[Groove], steps: int, rng: np.random.Generator) -> list[Grid]:
    """One of the style's cells, made this song's own."""
    groove = choices[int(rng.integers(len(choices)))]
    bars = [dg.parse_bar(lines) for lines in groove.bars]
    fine = style.number in _FINE
    hats, layer = rng.random() < 0.4 and style.number not in (15, 16), rng.random() < 0.4
    moves = 1 + int(rng.random() < 0.5)
    state = int(rng.integers(2**31))
    for bar in bars:
        same = np.random.default_rng(state)  # all bars of the cell change alike
        if style.kind != "jazz":
            for _ in range(moves):
                dg.mutate_kick(bar, steps, fine, same)
        if hats:
            dg.mutate_hats(bar, steps, same)
        if layer and style.number in _LAYERED:
            dg.add_percussion(bar, steps, same)
        if style.number in (1, 4, 11) and same.random() < 0.3:
            _swap(bar, "S", "C")
        dg.mutate_colour(bar, steps, _COLOURED.get(style.number, 1), same)
        dg.jitter_digits(bar, same)
    return [dg.tidy(bar) for bar in bars]


def _swap(grid: Grid, one: str, other: str) -> None:
    first, second = grid.pop(one, None), grid.pop(other, None)
    if first:
        grid[other] = first
    if second:
        grid[one] = second


def section_template(
    cell: list[Grid], style: Style, intensity: int, beats: list[int], steps: int, rng: np.random.Generator
) -> list[Grid]:
    """Eight bars: a cell, its variation and its answer, by one of the four-bar schemes."""
    base = [dg.lift(b, style.number, rng) if intensity == 5 else b for b in cell]
    ghosts = {12: 0.35, 3: 0.3, 13: 0.25, 17: 0.25, 6: 0.2, 9: 0.2, 5: 0.12, 10: 0.1}.get(style.number, 0.0)
    kinds: dict[str, list[Grid]] = {"A": base}
    for name, moves in (("B", 1), ("C", 2)):
        kinds[name] = [dg.copy_grid(b) for b in base]
        for bar in kinds[name]:
            for _ in range(moves):
                dg.mutate_kick(bar, steps, style.number in _FINE, rng)
            dg.mutate_ghosts(bar, steps, ghosts if intensity >= 3 else 0.0, rng)
    scheme = _SCHEMES[int(rng.integers(len(_SCHEMES)))]
    bars = []
    for i in range(8):
        version = kinds[scheme[i % 4]]
        bars.append(dg.thin(version[i % len(version)], intensity, beats, steps))
    return bars


def compose_drums(
    style: Style,
    choices: list[Groove],
    plan: list[PlannedSection],
    beats: list[int],
    steps: int,
    rng: np.random.Generator,
) -> DrumTrack:
    """The kit and percussion of a song. beats: steps of the bar where felt beats start."""
    first = song_groove(style, choices, steps, rng)
    second = song_groove(style, choices, steps, rng) if rng.random() < 0.6 else first
    roll_seed = rng.integers(2**31)
    track, templates, last_fill = DrumTrack(), {}, ""
    seen: dict[str, int] = {}
    for index, planned in enumerate(plan):
        seen[planned.section.name] = seen.get(planned.section.name, -1) + 1
        turned = [seen[planned.section.name] % 2, (seen[planned.section.name] + (rng.random() < 0.5)) % 2]
        for offset in range(planned.section.bars):
            bar = planned.section.first_bar + offset
            intensity = planned.intensity[offset]
            turn = turned[min(1, offset // 8)]
            key = (planned.section.name, intensity, turn)
            if key not in templates:
                cell = second if intensity >= 4 else first
                templates[key] = section_template(cell, style, intensity, beats, steps, rng)
                if turn and intensity >= 3:
                    _dress(templates[key], style, steps, rng)
            if "drums" not in planned.parts:
                track.kicks.append(())
                continue
            rolls = np.random.default_rng([int(roll_seed), index, offset % 4 + 4 * (offset // 8)])
            grid, extra = _bar(style, templates[key][offset % 8], planned, offset, beats, steps, rng, rolls)
            if longest := _longest_fill(style, planned, offset, index == len(plan) - 1, steps, rng):
                last_fill, start, fill = fills.draw_fill(style, steps, last_fill, longest, rng)
                grid = fills.apply_fill(grid, start, fill)
                extra = [e for e in extra if e[0] < start]
                track.fills.append((bar * steps + start, (bar + 1) * steps))
            if offset == 0 and _crashes(style, intensity, index, rng):
                grid = {**grid, "Y": [7 if intensity > 3 else 5] + [0] * (steps - 1)}
            _emit(track, grid, extra, bar, steps)
    _silences(style, plan, track, steps, rng)
    return track


def _longest_fill(
    style: Style, planned: PlannedSection, offset: int, last: bool, steps: int, rng: np.random.Generator
) -> int:
    """How many steps a fill at the end of a section's bar may have; 0: none comes."""
    bars = planned.section.bars
    comes = rng.random() < fills.fill_chance(offset, bars, style)
    if not comes or planned.intensity[offset] < 2 or "build" in planned.marks or last:
        return 0
    phrase_end = (offset + 1) % 8 == 0 or offset + 1 == bars
    return max(steps // 2, 6) if phrase_end else 4


def _dress(bars: list[Grid], style: Style, steps: int, rng: np.random.Generator) -> None:
    """A section that comes again, or a second half, sounds a little different: a ride, tambourine, shaker or ghosts."""
    kind = rng.random()
    for bar in bars:
        if style.number in _LAYERED and kind < 0.45 and not set("ZN") & set(bar):
            bar["N" if kind < 0.2 else "Z"] = [(4 if i % 4 == 0 else 3) if i % 2 == 0 else 0 for i in range(steps)]
        elif style.number in _RIDING and kind < 0.8 and "H" in bar and "R" not in bar:
            bar["R"] = [min(9, v + 1) if i % 2 == 0 else 0 for i, v in enumerate(bar.pop("H"))]
        elif style.number in _GHOSTED:
            dg.mutate_ghosts(bar, steps, 0.25, rng)


def _crashes(style: Style, intensity: int, index: int, rng: np.random.Generator) -> bool:
    return index > 0 and style.number not in _NO_CRASH and intensity >= 3 and rng.random() < 0.5 + 0.06 * intensity


def _bar(
    style: Style,
    template: Grid,
    planned: PlannedSection,
    offset: int,
    beats: list[int],
    steps: int,
    rng: np.random.Generator,
    rolls: np.random.Generator,
) -> tuple[Grid, list[tuple[float, int]]]:
    """The template's bar, now and then with one small change. rolls: the hat's chance, the same every four bars."""
    grid = dg.copy_grid(template)
    grid.pop("Y", None) if style.number == 10 else None
    extra: list[tuple[float, int]] = []
    if rng.random() > LITERAL[style.kind]:
        dg.jitter_digits(grid, rng, 0.2)
        if style.number in (12, 13, 17, 3, 6, 10, 21):
            dg.mutate_ghosts(grid, steps, 0.12, rng)
        elif offset % 2 and style.number not in (1, 2, 8, 16, 18, 20):
            dg.mutate_kick(grid, steps, style.number in _FINE, rng)
    if style.kind == "jazz":
        grid = fills.jazz_comping(grid, beats, steps, rng)
    if style.number == 4:
        grid, extra = fills.hat_rolls(grid, steps, rolls)
    if "build" in planned.marks and planned.section.bars > 1:
        place = offset / (planned.section.bars - 1)
        grid = {} if "roll" in planned.marks else grid
        grid = fills.build_bar(grid, steps, place, "F" if style.number == 18 else "S")
    return dg.tidy(grid), extra


def _emit(track: DrumTrack, grid: Grid, extra: list[tuple[float, int]], bar: int, steps: int) -> None:
    track.kicks.append(tuple(dg.onsets(grid, "K")))
    for letter, line in grid.items():
        track.hits += [DrumHit(bar * steps + i, letter, v) for i, v in enumerate(line) if v]
    track.hits += [DrumHit(bar * steps + at, "H", digit) for at, digit in extra]


def _silences(style: Style, plan: list[PlannedSection], track: DrumTrack, steps: int, rng: np.random.Generator) -> None:
    """Before a drop everything stops: a beat, half a bar or a bar."""
    if style.number not in (1, 2, 3, 4, 7, 11):
        return
    for before, after in pairwise(plan):
        rise = after.section.level_db - before.section.level_db
        if rise < 2.5 or after.section.level_db < -1.5 or "drums" not in after.parts:
            continue
        length = int(rng.choice([4, steps // 2, steps, 0], p=[0.5, 0.2, 0.1, 0.2]))
        end = after.section.first_bar * steps
        if length:
            track.silences.append((end - length, end))
    track.hits = [h for h in track.hits if not any(a <= h.step < b for a, b in track.silences)]
