"""Plans as values, as tokens and as targets of a request."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.controls import parse_chords
from engine.controls.harmony import chord_tones
from engine.errors import BadRequest
from engine.planning import bars as B
from engine.planning import chords as C
from engine.planning import drums as D
from engine.planning import tokens as T
from engine.planning import wishes as W
from engine.planning.conditions import conditioned, fitted
from engine.timing import Meter
from engine.types import CurvePoint, Note, Only, Plan, PlanBar, PlanChord, Request, Stretch
from tests.plan_values import CHORD_NAMES, METERS, plans, song

FOUR = Meter(4, 4)


def asked(bars: int = 4, **fields: object) -> Request:
    return Request(id="a", kind="generate", bars=bars, tempo="120", **fields)  # type: ignore[arg-type]


# ---- edits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("semitones", [-14, -1, 0, 4, 12])
def test_one_bar_transposed_changes_that_bar_and_no_other(semitones: int) -> None:
    plan = song()
    moved = (*plan.bars[:2], B.transposed(plan.bars[2], semitones), plan.bars[3])
    changed = msgspec.structs.replace(plan, bars=moved)
    told, before = (conditioned(p, asked(), (FOUR,) * 4)[0] for p in (changed, plan))
    assert [n.pitch - m.pitch for n, m in zip(told.melody or (), before.melody or (), strict=True)] == (
        [0] * 8 + [semitones] * 4 + [0] * 4
    )
    chords = [parse_chords(r.chords or "", 4, FOUR) for r in (told, before)]
    same = [a == b for a, b in zip(*chords, strict=True)]
    assert same == [True, True, semitones % 12 == 0, True]
    assert told.intensity == before.intensity


NAMED = [name for name in CHORD_NAMES if not C.is_none(name)]


@pytest.mark.parametrize("semitones", [1, 5, 11])
def test_transposing_a_chord_moves_all_of_it(semitones: int) -> None:
    for name in NAMED:
        root, tones, bass = chord_tones(name)
        moved = chord_tones(C.moved(name, semitones))
        assert moved == ((root + semitones) % 12, tuple((t + semitones) % 12 for t in tones), (bass + semitones) % 12)
    assert C.moved("N.C.", semitones) == "N.C."


def test_a_chord_is_recognised_from_its_voicing() -> None:
    assert (C.voicing("N.C."), C.recognised(())) == ((), C.NONE)
    for name in NAMED:
        keys = C.voicing(name)
        _, tones, bass = chord_tones(name)
        assert keys[0] % 12 == bass
        _, found, found_bass = chord_tones(C.recognised(keys))
        assert set(found) == {key % 12 for key in keys} == set(tones) | {bass}
        assert found_bass == bass


@pytest.mark.parametrize("meter", ["4/4", "5/4", "12/8"])
@pytest.mark.parametrize("kind", D.KINDS)
def test_simple_hits_are_of_the_kind_that_they_stand_for(kind: str, meter: str) -> None:
    for density in range(4):
        hits = D.hits_of(kind, density, Meter.parse(meter))  # type: ignore[arg-type]
        found, busy = D.kind_of(hits, Meter.parse(meter))
        assert found == kind
        assert busy == (0 if kind == "none" else max(density, 1 if kind == "fill" else 0))
        assert all(0 <= beat < Meter.parse(meter).bar_quarters for beat, _, _ in hits)


# ---- tokens ----------------------------------------------------------------------------------


def in_key(plan: Plan, key: str) -> Plan:
    """The plan with every bar in one key, as tokens have one mode."""
    return msgspec.structs.replace(plan, bars=tuple(msgspec.structs.replace(bar, key=key) for bar in plan.bars))


def on_grid(bar: PlanBar, key: T.Key, steps: int) -> PlanBar:
    """What tokens say that they keep of a bar."""
    low = key.centre + T.LOWEST_PITCH
    melody = bar.melody and tuple(
        Note(
            pitch=B.within(next(p for p in range(low, low + T.PITCHES) if (p - n.pitch) % 12 == 0 and (
                p == n.pitch or not low <= n.pitch < low + T.PITCHES))
                if n.pitch < low else n.pitch if n.pitch < low + T.PITCHES
                else max(p for p in range(low, low + T.PITCHES) if (p - n.pitch) % 12 == 0)),
            beat=n.beat,
            length=min(8.0, max(0.25, n.length)),
        )
        for n in bar.melody
    )  # fmt: skip
    chords = bar.chords and tuple(
        PlanChord(beat=c.beat, name=C.absolute(*C.relative(c.name, key.root), key.root)) for c in bar.chords
    )
    level = bar.intensity_db
    if level is not None:
        level = float(T.LOWEST_DB + T.LEVEL_DB * np.clip(round((level - T.LOWEST_DB) / T.LEVEL_DB), 0, T.LEVELS - 1))
    section = T.LETTERS.get(bar.section or "", bar.section)
    return msgspec.structs.replace(
        bar,
        melody=melody,
        chords=chords,
        intensity_db=level,
        section=section if section in T.SECTIONS else None,
        key=C.key_name(key.root, key.mode),
    )


@settings(max_examples=80, deadline=None)
@given(plans(grid=4), st.integers(0, 11), st.sampled_from(["major", "dorian"]))
def test_tokens_keep_what_they_say_that_they_keep(plan: Plan, root: int, mode: str) -> None:
    key = T.Key(root, mode)
    plan = in_key(plan, C.key_name(root, mode))
    meters = B.meters_of(plan)
    found = T.decode(T.encode(plan.bars, meters, key), key)
    assert found == tuple(on_grid(bar, key, T.steps_of(m)) for bar, m in zip(plan.bars, meters, strict=True))
    assert np.array_equal(T.encode(found, meters, key), T.encode(plan.bars, meters, key))


def test_a_transposed_song_reads_alike() -> None:
    plan, key = song(), T.Key(9, "minor")
    for semitones in range(-5, 6):
        moved = [B.transposed(bar, semitones) for bar in plan.bars]
        other = T.Key((9 + semitones) % 12, "minor")
        shift = other.centre - key.centre
        lower = [
            msgspec.structs.replace(
                bar,
                melody=tuple(msgspec.structs.replace(n, pitch=n.pitch - semitones + shift) for n in bar.melody or ()),
            )
            for bar in moved
        ]
        assert np.array_equal(T.encode(lower, (FOUR,) * 4, other), T.encode(plan.bars, (FOUR,) * 4, key))


def test_a_change_of_key_is_told_as_a_move() -> None:
    bars = [PlanBar(key="C major"), PlanBar(), PlanBar(key="D major"), PlanBar(key="D major")]
    events = T.encode(bars, (FOUR,) * 4, T.Key(0, "major"))
    assert events[:, 2].tolist() == [0, 0, 2, 0]
    assert [bar.key for bar in T.decode(events, T.Key(0, "major"))] == ["C major", "C major", "D major", "D major"]


def test_bars_that_are_too_long_are_refused() -> None:
    with pytest.raises(BadRequest, match="up to 8 quarters"):
        T.encode([PlanBar()], [Meter(9, 4)], T.Key(0, "major"))


# ---- targets of a request --------------------------------------------------------------------


def test_a_plan_becomes_targets() -> None:
    told, remarks = conditioned(song(), asked(), (FOUR,) * 4)
    assert told.chords == "Am:4 F:4 C:4 G:4" and told.key == "A minor" and told.only is None
    assert told.melody is not None and [n.beat for n in told.melody] == list(range(16))
    assert told.parts == ("drums", "bass", "chords", "lead")
    assert told.intensity is not None and told.intensity[:3] == (
        CurvePoint(beat=0.0, db=-20.0),
        CurvePoint(beat=3.5, db=-20.0),
        CurvePoint(beat=4.0, db=-18.0),
    )
    assert (told.plan, remarks) == (False, [])


def test_what_the_request_names_comes_first() -> None:
    own = {"chords": "E", "key": "E minor", "parts": ("bass",), "melody": (Note(pitch=50, beat=0.0, length=1.0),)}
    told, _ = conditioned(song(), asked(intensity=(CurvePoint(beat=0.0, db=-30.0),), **own), (FOUR,) * 4)
    assert {name: getattr(told, name) for name in own} == own
    assert told.intensity == (CurvePoint(beat=0.0, db=-30.0),)


def test_open_bars_are_not_told() -> None:
    plan = msgspec.structs.replace(song(), bars=(B.OPEN, *song().bars[1:3], B.OPEN))
    told, _ = conditioned(plan, asked(), (FOUR,) * 4)
    middle = Stretch(begin=4.0, end=12.0)
    assert told.only == Only(intensity=middle, melody=middle, chords=middle)
    open_, _ = conditioned(Plan(bars=(B.OPEN,) * 4), asked(), (FOUR,) * 4)
    assert open_ == asked()


def test_holes_and_changing_parts_are_remarked() -> None:
    bars = (*song().bars[:1], B.OPEN, msgspec.structs.replace(song().bars[2], parts=("drums",)))
    _, remarks = conditioned(Plan(bars=bars), asked(3), (FOUR,) * 3)
    assert [remark.split()[0] for remark in remarks] == ["Parts", "Where"]


def test_a_shorter_plan_leaves_the_rest_open_and_others_do_not_fit() -> None:
    assert fitted(song(2), 4, (FOUR,) * 4).bars == (*song(2).bars, B.OPEN, B.OPEN)
    with pytest.raises(BadRequest, match="The plan has 4 bars, but 3 are asked for"):
        fitted(song(), 3, (FOUR,) * 3)
    with pytest.raises(BadRequest, match="bar 3 is in 4/4, but the bar to be made is in 3/4"):
        fitted(song(), 4, (FOUR, FOUR, Meter(3, 4), FOUR))


def test_a_long_plan_with_few_chords_fits_and_one_with_too_many_is_refused() -> None:
    assert conditioned(song(256), asked(256), (FOUR,) * 256)[0].chords
    busy = PlanBar(chords=tuple(PlanChord(beat=k / 2, name=f"{'CD'[k % 2]}maj9#11") for k in range(8)))
    with pytest.raises(BadRequest, match="more chords than one request can name"):
        conditioned(Plan(bars=(busy,) * 64), asked(64), (FOUR,) * 64)


@pytest.mark.parametrize("meter", METERS)
def test_chords_lie_where_the_plan_has_them(meter: str) -> None:
    shape = Meter.parse(meter)
    quarters = float(shape.bar_quarters)
    bar = PlanBar(chords=(PlanChord(beat=0.0, name="Am"), PlanChord(beat=quarters / 2, name="G")))
    told, _ = conditioned(Plan(bars=(bar, bar), meter=meter), asked(2, meter=meter), (shape,) * 2)
    found = parse_chords(told.chords or "", 2, shape)
    assert [(float(c.beat), c.name) for c in found] == [
        (0.0, "Am"), (quarters / 2, "G"), (quarters, "Am"), (1.5 * quarters, "G")
    ]  # fmt: skip


# ---- wishes ----------------------------------------------------------------------------------


def test_a_requests_targets_are_bars_that_stay() -> None:
    request = asked(
        chords="Am | F G",
        melody=(Note(pitch=60, beat=1.0, length=2.0), Note(pitch=62, beat=9.0, length=1.0)),
        intensity=(CurvePoint(beat=0.0, db=-20.0), CurvePoint(beat=4.0, db=-10.0)),
        only=Only(chords=Stretch(begin=0.0, end=8.0)),
    )
    found = W.wishes_of(request, (B.OPEN,) * 4, (FOUR,) * 4)
    assert [bar.chords and [(c.beat, c.name) for c in bar.chords] for bar in found] == [
        [(0.0, "Am")], [(0.0, "F"), (2.0, "G")], None, None
    ]  # fmt: skip
    assert [[(n.beat, n.pitch) for n in bar.melody or ()] for bar in found] == [[(1.0, 60)], [], [(1.0, 62)], []]
    assert [bar.intensity_db for bar in found] == [pytest.approx(-15.16, abs=0.01), -10.0, -10.0, -10.0]


def test_letters_that_come_again_bring_their_bars_back() -> None:
    assert W.repeats("AABA", 8) == {2: 0, 3: 1, 6: 0, 7: 1}
    assert W.repeats(None, 8) == W.repeats("ABCD", 4) == {}
    first = song().bars[1]
    again = W.repeated(PlanBar(key="C major", intensity_db=-6.0), first)
    assert (again.melody, again.chords, again.parts) == (first.melody, first.chords, first.parts)
    assert (again.key, again.intensity_db) == ("C major", -6.0)
    assert W.repeated(PlanBar(melody=()), first).melody == ()


def test_bars_are_opened_by_number() -> None:
    plan = B.opened(song(), [1, 3])
    assert plan.fill and [bar == B.OPEN for bar in plan.bars] == [False, True, False, True]
    with pytest.raises(BadRequest, match="bars 0 to 3"):
        B.opened(song(), [4])
    assert B.lines_of((FOUR, Meter(7, 8))) == [0, 4, Fraction(15, 2)]
