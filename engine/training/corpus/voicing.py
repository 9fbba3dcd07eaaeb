"""Voicings: which notes of a chord sound where, led smoothly from one chord to the next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, product

from engine.training.corpus.song import ChordSpan

# Shapes: tri, op (1-5-10), pw (1-5-8), sh (3-7), rA (3-5-7-9), rB (7-9-3-13), d2 (drop 2), q (wide), cl (added 2), up.
SHAPES = ("tri", "op", "pw", "sh", "rA", "rB", "d2", "q", "cl", "up")
FLOOR = 50  # no comp note below: the bass keeps its octave to itself
_MAX_STEP = 4
_THIRDS, _FIFTHS, _SEVENTHS, _COLOURS = (4, 3, 5, 2), (7, 6, 8), (10, 11, 9), (2, 1, 5, 6, 9, 8, 3)


def _member(intervals: Sequence[int], order: Sequence[int]) -> int | None:
    return next((interval for interval in order if interval in intervals), None)


def chord_members(chord: ChordSpan) -> dict[str, int]:
    """Pitch classes by role: root, third (or sus note), fifth, seventh (or sixth), colour (9, 11, 13...)."""
    intervals = [(pitch - chord.root) % 12 for pitch in chord.pitch_classes]
    found: dict[str, int] = {"root": 0}
    third = _member(intervals, _THIRDS if 4 in intervals or 3 in intervals else (5, 2))
    fifth = _member([i for i in intervals if i != third], _FIFTHS)
    seventh = _member([i for i in intervals if i not in (third, fifth)], _SEVENTHS)
    taken = {0, third, fifth, seventh}
    colour = _member([i for i in intervals if i not in taken], _COLOURS)
    for name, interval in (("third", third), ("fifth", fifth), ("seventh", seventh), ("colour", colour)):
        if interval is not None:
            found[name] = interval
    return {name: (chord.root + interval) % 12 for name, interval in found.items()}


def shape_pitch_classes(chord: ChordSpan, shape: str) -> tuple[int, ...]:
    """The pitch classes a shape takes from a chord, without repeats, most telling first."""
    m = chord_members(chord)
    rich = [m[name] for name in ("third", "seventh", "colour", "fifth") if name in m]
    if shape in ("tri", "up", "op", "q"):
        notes = [m["root"], *(m[n] for n in ("third", "fifth") if n in m)]
        if shape == "up" and "seventh" in m:
            notes = [m[n] for n in ("third", "seventh", "fifth", "root") if n in m][:3]
        if shape == "q" and "colour" in m:
            notes = [*notes, m["colour"]]
    elif shape == "pw":
        notes = [m["root"], m.get("fifth", m["root"])]
    elif shape == "sh":
        notes = [m[n] for n in ("third", "seventh", "fifth", "root") if n in m][:2]
    elif shape == "cl":
        notes = [m[n] for n in ("third", "root", "colour", "fifth") if n in m][:4]
    elif shape in ("rA", "rB"):
        notes = rich if len(rich) >= 3 else [*rich, m["root"]]
    else:  # d2
        notes = [*rich[:3], m["root"]] if "colour" not in m else rich
    return tuple(dict.fromkeys(notes))


def _candidates(pitch_classes: Sequence[int], low: int, high: int, voices: int) -> list[tuple[int, ...]]:
    """All ways to set the pitch classes (each at least once if voices allow) rising between low and high."""
    extra = voices - len(pitch_classes)
    places = [[p for p in range(low, high + 1) if p % 12 == pc] for pc in pitch_classes]
    doubled = [[p for pc in pitch_classes[:2] for p in range(low, high + 1) if p % 12 == pc]] * max(0, extra)
    found = {tuple(sorted(combo)) for combo in product(*places, *doubled)}
    return sorted(combo for combo in found if len(set(combo)) == len(combo))


def _spacing_cost(notes: Sequence[int], chord: ChordSpan, spread: int) -> float:
    """Mud below, clusters and minor ninths, and a width far from what the shape wants."""
    cost = 0.0
    for lower, upper in pairwise(notes):
        gap = upper - lower
        if lower < 52 and gap < 7:
            cost += 6.0 + (7 - gap)
        elif gap < 3:
            cost += 2.5 if gap == 1 else 0.9
        if gap > 12:
            cost += 3.0
    for i, lower in enumerate(notes):
        for upper in notes[i + 1 :]:
            flat_nine = (chord.root + 1) % 12 in chord.pitch_classes
            if (upper - lower) % 12 == 1 and upper - lower > 1 and not flat_nine:
                cost += 5.0
    return cost + 0.25 * abs(notes[-1] - notes[0] - spread)


def _motion_cost(notes: Sequence[int], previous: Sequence[int]) -> float:
    """Semitones moved, dear above 4 in any voice; common tones are free."""
    if len(notes) != len(previous):
        return 0.4 * abs(sum(notes) / len(notes) - sum(previous) / len(previous))
    moves = [abs(a - b) for a, b in zip(notes, previous, strict=True)]
    return sum(moves) + 8.0 * sum(max(0, move - _MAX_STEP) for move in moves) + 2.0 * max(0, sum(moves) - 9)


_SPREAD = {"tri": 8, "op": 16, "pw": 12, "sh": 8, "rA": 11, "rB": 11, "d2": 16, "q": 19, "cl": 8, "up": 8}


def voice_chord(
    chord: ChordSpan, shape: str, low: int, high: int, previous: Sequence[int] = (), voices: int | None = None
) -> tuple[int, ...]:
    """Rising MIDI pitches of a chord in a shape between low and high, close to `previous` when given.

    Power chords (pw) stand on their root, the lowest at or above `low`, and may pass `high`.

    `voices` asks for so many notes (doublings of the first two members); default as the shape has.
    """
    pitch_classes = shape_pitch_classes(chord, shape)
    if shape == "pw":  # power chords move in parallel, root below
        root = low + (pitch_classes[0] - low) % 12
        return (
            (root, root + (pitch_classes[-1] - pitch_classes[0]) % 12, root + 12)
            if len(pitch_classes) > 1
            else (root, root + 12)
        )
    count = voices or (3 if shape in ("op", "pw") else len(pitch_classes))
    pitch_classes = pitch_classes[: max(count, 2)]
    if high - low < 12:
        high = low + 12
    options = _candidates(pitch_classes, low, high, count)
    while not options:  # too few different notes for so many voices in so narrow a range
        count -= 1
        options = _candidates(pitch_classes[:count], low, high, count)
    centre = (low + high) / 2

    def cost(notes: tuple[int, ...]) -> float:
        place = 0.3 * abs(sum(notes) / len(notes) - centre)
        motion = _motion_cost(notes, previous) if previous else 0.0
        rooted = 2.0 if shape == "op" and notes[0] % 12 != chord.root else 0.0
        return place + motion + rooted + _spacing_cost(notes, chord, _SPREAD.get(shape, 10))

    return min(options, key=lambda notes: (cost(notes), notes))


def voice_progression(
    chords: Sequence[ChordSpan], shape: str, low: int, high: int, resets: Sequence[float] = ()
) -> list[tuple[int, ...]]:
    """One voicing per chord, voices led; at the beats in `resets` (section starts) the hand may jump.

    Voice count is even over the progression where the shape allows it, so that voices can be followed.
    """
    low = max(low, 46 if shape == "pw" else FLOOR)
    counts = [3 if shape in ("op", "pw") else len(shape_pitch_classes(c, shape)) for c in chords]
    voices = max(set(counts), key=counts.count) if counts else 3
    out: list[tuple[int, ...]] = []
    fresh = set(resets)
    for chord in chords:
        previous = out[-1] if out and chord.beat not in fresh else ()
        out.append(voice_chord(chord, shape, low, high, previous, voices))
    return out


def guide_tones(chord: ChordSpan) -> tuple[int, ...]:
    """Third and seventh (or fifth) of a chord as pitch classes: the notes that say most."""
    m = chord_members(chord)
    return tuple(m[n] for n in ("third", "seventh", "fifth", "root") if n in m)[:2]
