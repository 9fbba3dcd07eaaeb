"""Used by the tests of plans: random plans of all kinds, and one that is easy to read."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

from engine.planning import chords as C
from engine.planning import drums as D
from engine.planning.bars import PITCHES
from engine.timing import Meter
from engine.types import PART_NAMES, Note, Plan, PlanBar, PlanChord

METERS = ("4/4", "3/4", "6/8", "7/8", "5/4", "12/8", "2/4", "1/4", "7/32", "3/2")
KEYS = ("C major", "A minor", "F# dorian", "Bb phrygian dominant", "G mixolydian")
SECTIONS = ("verse", "chorus", "A", "drop 2", "Strophe äöü")
ROOTS = ("C", "Eb", "F#", "B")
CHORD_NAMES = (*(root + kind for root in ROOTS for kind in C.QUALITIES), "C/E", "Am7/G", "N.C.", "G6/9")


def places(quarters: float, grid: int, most: int) -> st.SearchStrategy[list[int]]:
    """Rising steps inside of a bar."""
    count = max(1, int(quarters * grid))
    return st.sets(st.integers(0, count - 1), max_size=most).map(sorted)


@st.composite
def chords(draw: st.DrawFn, meter: Meter, grid: int) -> tuple[PlanChord, ...]:
    """At least one, from the bar line on."""
    steps = sorted({0, *draw(places(float(meter.bar_quarters), grid, 3))})
    return tuple(PlanChord(beat=step / grid, name=draw(st.sampled_from(CHORD_NAMES))) for step in steps)


@st.composite
def melody(draw: st.DrawFn, meter: Meter, grid: int) -> tuple[Note, ...]:
    """One voice, each note at most as long as until the next and the bar's end."""
    quarters = float(meter.bar_quarters)
    steps = draw(places(quarters, grid, 6))
    ends = [*steps[1:], int(quarters * grid)][: len(steps)]
    return tuple(
        Note(
            pitch=draw(st.integers(*PITCHES)),
            beat=step / grid,
            length=draw(st.integers(1, max(1, end - step))) / grid,
            velocity=draw(st.integers(1, 127)),
        )
        for step, end in zip(steps, ends, strict=True)
        if end > step
    )


@st.composite
def bars(draw: st.DrawFn, meter: Meter, grid: int, full: bool = False) -> PlanBar:
    """A bar, or with `full` one that leaves nothing open."""
    nothing = st.nothing() if full else st.none()
    kind = draw(nothing | st.sampled_from(D.KINDS))
    parts = st.sets(st.sampled_from(PART_NAMES)).map(lambda s: tuple(p for p in PART_NAMES if p in s))
    return PlanBar(
        section=draw(nothing | st.sampled_from(SECTIONS)),
        key=draw(nothing | st.sampled_from(KEYS)),
        chords=draw(nothing | chords(meter, grid)),
        melody=draw(nothing | melody(meter, grid)),
        drums=kind,
        drum_density=None if kind is None else draw(st.integers(0, 3)),
        parts=draw(nothing | parts),
        intensity_db=draw(nothing | st.integers(-120, 7).map(lambda n: n / 2)),
    )


@st.composite
def plans(draw: st.DrawFn, grid: int = 24, most: int = 5, full: bool = False) -> Plan:
    """Plans in one meter or two."""
    first, second = (Meter.parse(draw(st.sampled_from(METERS))) for _ in range(2))
    count = draw(st.integers(1, most))
    turn = draw(st.integers(1, count)) if count > 1 else 1
    meters = [first] * turn + [second] * (count - turn)
    changes = [k for k, (a, b) in enumerate(pairwise(meters), 1) if a != b]
    text = str(first) if not changes else f"0:{first},{changes[0]}:{second}"
    return Plan(bars=tuple(draw(bars(meter, grid, full)) for meter in meters), meter=text)


def song(count: int = 4) -> Plan:
    """Am F C G with a rising line, a bar of each."""
    names = ("Am", "F", "C", "G")
    return Plan(
        bars=tuple(
            PlanBar(
                section="verse",
                key="A minor",
                chords=(PlanChord(beat=0.0, name=names[k % 4]),),
                melody=tuple(Note(pitch=69 + k % 4 + step, beat=float(step), length=1.0) for step in range(4)),
                drums="back",
                drum_density=1,
                parts=("drums", "bass", "chords", "lead"),
                intensity_db=-20.0 + 2 * (k % 4),
            )
            for k in range(count)
        )
    )
