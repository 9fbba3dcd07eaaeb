"""Measuring a composed song on its grid, without ears: syncopation, repetition, harmony, swing, fills, drops.

Everything is read off the finished song's notes, not off the composer's plans. Steps are sixteenths from the
song's start; levels of a step: 0 bar, 1 half bar, 2 felt beat, 3 eighth, 4 sixteenth.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from engine.training.corpus.song import ChordSpan, NoteEvent, Part, Section, Song

KICKS, SNARES, TOMS = frozenset({35, 36}), frozenset({37, 38, 39, 40}), frozenset({41, 43, 45, 47, 48, 50})


@dataclass(slots=True)
class Grid:
    """A song's bar as a grid: steps in a bar and the level of each."""

    steps: int
    levels: list[int]

    @staticmethod
    def of(song: Song) -> Grid:
        """The grid of a song's meter and felt beats."""
        steps = int(4 * song.bar_beats)
        starts = [int(4 * sum(song.beat_groups[:i])) for i in range(len(song.beat_groups))]
        half = starts[len(starts) // 2] if len(starts) in (2, 4) else -1

        def level(place: int) -> int:
            if place in (0, half):
                return 0 if place == 0 else 1
            return 2 if place in starts else 3 if place % 2 == 0 else 4

        return Grid(steps, [level(i) for i in range(steps)])

    def level(self, step: int) -> int:
        """0 bar ... 4 sixteenth."""
        return self.levels[step % self.steps]


def step_of(note: NoteEvent) -> int:
    """The sixteenth a note is written on."""
    return round(4 * note.beat)


def named(song: Song, name: str) -> list[NoteEvent]:
    """The notes of the part of that name, or none."""
    return next((p.notes for p in song.parts if p.name == name), [])


def onsets(notes: list[NoteEvent], keys: frozenset[int] | None = None) -> set[int]:
    """Steps where a note (of these keys) begins."""
    return {step_of(n) for n in notes if keys is None or n.pitch in keys}


def syncopated(steps: set[int], grid: Grid) -> float:
    """Share of onsets on a step weaker than the next stronger one, that one being empty. NaN without onsets."""
    count = 0
    for step in steps:
        following, level = step + 1, grid.level(step)
        while level and grid.level(following) >= level:
            following += 1
        count += level > 0 and following not in steps
    return count / len(steps) if steps else float("nan")


def syncopation(song: Song) -> float:
    """SYN: mean over the pitched parts, the kick and the snare."""
    grid, drums = Grid.of(song), named(song, "drums")
    lines = [onsets(p.notes) for p in song.parts if p.group != "drums"]
    lines += [onsets(drums, KICKS), onsets(drums, SNARES)]
    return float(np.mean([syncopated(line, grid) for line in lines if line] or [np.nan]))


def positions(song: Song) -> tuple[float, float, float]:
    """POS: percent of onsets on felt beats, other eighths, sixteenths (chords count once)."""
    grid = Grid.of(song)
    levels = [grid.level(s) for p in song.parts for s in _strokes(p)]
    total = max(1, len(levels))
    beats, fine = sum(v <= 2 for v in levels), sum(v == 4 for v in levels)
    return 100 * beats / total, 100 * (total - beats - fine) / total, 100 * fine / total


def _strokes(part: Part) -> list[int]:
    """Steps of a part's onsets; every drum of its own, a chord once."""
    if part.group == "drums":
        return [s for s, _ in {(step_of(n), n.pitch) for n in part.notes}]
    return sorted(onsets(part.notes))


def bar_vectors(song: Song) -> NDArray[np.float64]:
    """[bars, features]: velocity on every step of every part, and pitch classes by quarter; both weigh the same."""
    steps = int(4 * song.bar_beats)
    rhythm = np.zeros((song.bars, len(song.parts), steps))
    colour = np.zeros((song.bars, (steps + 3) // 4, 12))
    for row, part in enumerate(song.parts):
        for note in part.notes:
            bar, step = divmod(step_of(note), steps)
            if bar < song.bars:
                rhythm[bar, row, step] = max(rhythm[bar, row, step], note.velocity / 127)
                if part.group != "drums":
                    colour[bar, step // 4, note.pitch % 12] += note.velocity / 127
    return np.concatenate([_unit(rhythm.reshape(song.bars, -1)), _unit(colour.reshape(song.bars, -1))], axis=1)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every row of length 1, empty ones as they are."""
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(size, 1e-12))


def likeness(vectors: NDArray[np.float64], sections: list[Section], lag: int) -> float:
    """S4, S8 ...: mean cosine of bar n with bar n + lag inside sections. NaN if no section is that long."""
    values = []
    size = np.linalg.norm(vectors, axis=1)
    for section in sections:
        first = np.arange(section.first_bar, section.first_bar + section.bars - lag)
        both = size[first] * size[first + lag]
        dots = np.einsum("ij,ij->i", vectors[first], vectors[first + lag])
        values += (dots[both > 0] / both[both > 0]).tolist()
    return float(np.mean(values)) if values else float("nan")


def literal(song: Song, names: tuple[str, ...]) -> float:
    """Share of a part's bars that are exactly as the bar one, two or four before: rhythm, and pitches of drums and bass."""
    steps = int(4 * song.bar_beats)
    same = total = 0
    for part in song.parts:
        if part.name not in names:
            continue
        pitched = part.group in ("drums", "bass")
        rhythm: dict[int, set[tuple[int, int]]] = {}
        for note in part.notes:
            bar, step = divmod(step_of(note), steps)
            rhythm.setdefault(bar, set()).add((step, note.pitch if pitched else 0))
        for bar in sorted(rhythm):
            if bar - 4 in rhythm:
                total += 1
                same += rhythm[bar] in (rhythm.get(bar - 1), rhythm.get(bar - 2), rhythm[bar - 4])
    return same / total if total else float("nan")


def pitch_entropy(song: Song) -> float:
    """PCE: bits of the pitch classes of all pitched parts, by sounding time."""
    weight = np.zeros(12)
    for part in song.parts:
        for note in part.notes if part.group != "drums" else ():
            weight[note.pitch % 12] += note.length
    share = weight[weight > 0] / max(weight.sum(), 1e-9)
    return float(-(share * np.log2(share)).sum())


def _chord_at(chords: list[ChordSpan], starts: list[float], beat: float) -> ChordSpan:
    return chords[max(0, bisect_right(starts, beat + 1e-6) - 1)]


def chord_tones(song: Song) -> float:
    """CT: share of lead notes on the bar's two heavy places that belong to the chord. NaN without a lead."""
    grid, starts = Grid.of(song), [c.beat for c in song.chords]
    heavy = {0, *(i for i, v in enumerate(grid.levels) if v == 1 or (v == 2 and 1 not in grid.levels))}
    inside = [
        n.pitch % 12 in _chord_at(song.chords, starts, n.beat).pitch_classes
        for n in named(song, "lead") if step_of(n) % grid.steps in heavy
    ]  # fmt: skip
    return float(np.mean(inside)) if inside else float("nan")


def swing_heard(song: Song, grid: int) -> float:
    """Percent of the pair where its second note sounds: median over all parts. grid 8 or 16; NaN if nothing is there."""
    pair = 1.0 if grid == 8 else 0.5
    on, off = [], []
    for part in song.parts:
        by_place = {round((n.beat / pair) % 1.0, 3): [] for n in part.notes}  # type: dict[float, list[float]]
        for note in part.notes:
            by_place[round((note.beat / pair) % 1.0, 3)].append(note.offset_ms)
        if len(by_place.get(0.5, ())) >= 8 and len(by_place.get(0.0, ())) >= 8:
            on.append(float(np.median(by_place[0.0])))
            off.append(float(np.median(by_place[0.5])))
    if not on:
        return float("nan")
    late_ms = float(np.median(np.array(off) - np.array(on)))
    return 50.0 + 100.0 * late_ms * float(song.tempo) / 60_000.0 / pair


def kick_bass(song: Song) -> tuple[float, float]:
    """(share of kicks that a bass onset meets, share of bass onsets that meet no kick), in bars with both."""
    steps = int(4 * song.bar_beats)
    kicks, bass = onsets(named(song, "drums"), KICKS), onsets(named(song, "bass"))
    bars = {k // steps for k in kicks} & {b // steps for b in bass}
    kicks = {k for k in kicks if k // steps in bars}
    bass = {b for b in bass if b // steps in bars}
    if not kicks or not bass:
        return float("nan"), float("nan")
    return len(kicks & bass) / len(kicks), len(bass - kicks) / len(bass)


def covered(song: Song) -> float:
    """OVL: share of the comping's sounding time below the bass's 95th percentile."""
    bass = [n.pitch for n in named(song, "bass")]
    comp = [n for name in ("comp1", "comp2", "pad", "arp") for n in named(song, name)]
    total = sum(n.length for n in comp)
    if not bass or not total:
        return float("nan")
    return sum(n.length for n in comp if n.pitch < np.percentile(bass, 95)) / total


def notes_a_bar(song: Song, names: tuple[str, ...]) -> float:
    """Mean onsets (a chord once) of these parts in the bars where they play. NaN if they never do."""
    steps = int(4 * song.bar_beats)
    counts: dict[tuple[str, int], int] = {}
    for part in song.parts:
        for step in _strokes(part) if part.name in names else ():
            counts[part.name, step // steps] = counts.get((part.name, step // steps), 0) + 1
    bars = len({bar for _, bar in counts})
    return sum(counts.values()) / bars if bars else float("nan")


def chord_rate(song: Song) -> float:
    """Changes of chord in a bar."""
    return sum(a.name != b.name for a, b in pairwise(song.chords)) / song.bars


def intervals(song: Song) -> list[int]:
    """Sizes of the lead's moves in semitones, over rests of less than two beats."""
    return [
        abs(b.pitch - a.pitch) for a, b in pairwise(named(song, "lead")) if b.beat - a.beat - a.length < 2.0
    ]  # fmt: skip


def fills(song: Song) -> tuple[float, float]:
    """(share of sections' last bars, share of bars inside phrases) where snare and toms depart from the groove.

    A bar departs when toms sound that the bar before lacks, or three strokes that neither bar before it has.
    """
    steps = int(4 * song.bar_beats)
    strokes: dict[int, set[tuple[int, bool]]] = {}
    for note in named(song, "drums"):
        if note.pitch in SNARES | TOMS and note.velocity > 45:
            bar, step = divmod(step_of(note), steps)
            strokes.setdefault(bar, set()).add((step, note.pitch in TOMS))
    playing = {step_of(n) // steps for n in named(song, "drums")}

    def departs(bar: int) -> bool:
        now, before = strokes.get(bar, set()), strokes.get(bar - 1, set()) | strokes.get(bar - 2, set())
        new = now - before
        return len(new) >= 3 or any(tom for _, tom in new)

    ends = [s.first_bar + s.bars - 1 for s in song.sections[:-1] if s.bars >= 4]
    ends = [bar for bar in ends if {bar, bar - 1} <= playing]
    inner = [s.first_bar + i for s in song.sections for i in range(2, s.bars - 1) if i % 4 != 3]
    inner = [bar for bar in inner if {bar, bar - 1} <= playing]
    return _share([departs(b) for b in ends]), _share([departs(b) for b in inner])


def _share(hits: list[bool]) -> float:
    return float(np.mean(hits)) if hits else float("nan")


@dataclass(frozen=True, slots=True)
class Drop:
    """A rise into a loud section with drums: quarters of near silence before it, whether strokes got denser."""

    gap_beats: float
    builds: bool


def drops(song: Song) -> list[Drop]:
    """Every place where the level rises by 2.5 dB or more into a section within 1.5 dB of the loudest."""
    found = []
    sounding = sorted(n.beat for p in song.parts if p.name != "pad" for n in p.notes)
    strokes = [step_of(n) for p in song.parts if p.group == "drums" for n in p.notes if n.pitch in SNARES | TOMS]
    steps = int(4 * song.bar_beats)
    for before, after in pairwise(song.sections):
        at = float(after.first_bar * song.bar_beats)
        if after.level_db < -1.5 or after.level_db - before.level_db < 2.5:
            continue
        earlier = [b for b in sounding if b < at - 1e-6]
        counts = [_count(strokes, bar, steps) for bar in range(before.first_bar, after.first_bar)]
        found.append(Drop(at - earlier[-1] if earlier else 0.0, max(counts) >= 1.4 * counts[0] + 2))
    return found


def _count(strokes: list[int], bar: int, steps: int) -> int:
    return sum(bar * steps <= s < (bar + 1) * steps for s in strokes)
