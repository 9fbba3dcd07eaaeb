"""Keys, chords, parts, and what a schema cannot check."""

from __future__ import annotations

import itertools
import math
from contextlib import suppress
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import controls
from engine.controls.harmony import chord_tones
from engine.errors import AttaccaError, BadRequest
from engine.timing import Meter, TempoMap
from engine.training.corpus.chordnames import parse_numeral, span
from engine.types import CurvePoint, InlineAudio, Note, PromptPart, Request

FOUR = Meter(4, 4)
AT_120 = TempoMap.constant(120, FOUR)


def note(pitch: int, beat: float, length: float) -> Note:
    return Note(pitch=pitch, beat=beat, length=length)


# Harmony ----------------------------------------------------------------------------------


def test_keys() -> None:
    assert controls.parse_key("C").pitch_classes == (0, 2, 4, 5, 7, 9, 11)
    for text, root, mode in [
        ("Am", 9, "minor"), ("F# dorian", 6, "dorian"), ("Bb major", 10, "major"), ("c# min", 1, "minor"),
        ("bb", 10, "major"),
        ("E♭ Mixolydian", 3, "mixolydian"), ("G Harmonic Minor", 7, "harmonic minor"), ("Cb", 11, "major"),
        ("B#", 0, "major"),
    ]:  # fmt: skip
        key = controls.parse_key(text)
        assert (key.root, key.mode) == (root, mode) and key.pitch_classes[0] == root


def test_church_modes_are_the_major_scale_from_its_degrees() -> None:
    major = controls.parse_key("C").pitch_classes
    for degree, mode in enumerate(("major", "dorian", "phrygian", "lydian", "mixolydian", "minor", "locrian")):
        wanted = tuple(sorted((step - major[degree]) % 12 for step in major))
        assert controls.parse_key(f"C {mode}").pitch_classes == wanted
        assert controls.parse_key(f"D {mode}").pitch_classes == tuple((2 + step) % 12 for step in wanted)


@pytest.mark.parametrize(
    ("mode", "like", "raised"),
    [("harmonic minor", "minor", (10,)), ("melodic minor", "minor", (8, 10)), ("phrygian dominant", "phrygian", (3,))],
)
def test_other_modes_raise_degrees_of_a_church_mode(mode: str, like: str, raised: tuple[int, ...]) -> None:
    plain = controls.parse_key(f"C {like}").pitch_classes
    assert controls.parse_key(f"C {mode}").pitch_classes == tuple(s + (s in raised) for s in plain)


@pytest.mark.parametrize("text", ["", "H", "C minorish", "Am7", "C###", "nan", "A" * 10**6, "C\x00", "Ж"])
def test_bad_keys(text: str) -> None:
    with pytest.raises(BadRequest, match="as in"):
        controls.parse_key(text)


NUMERALS = (
    "I ii iii7 IVmaj7 V7 V9sus V13 vi9 viio viio7 iih7 I+ bVII6 i69 IVadd9 iv6 V7b9 V7#9"
    " Imaj9 vsus2 I5 IV/5 ii11 imaj7 bIImaj7#11"
)


@pytest.mark.parametrize("numeral", NUMERALS.split())
@pytest.mark.parametrize("key", range(0, 12, 5))
def test_chord_names_mean_what_the_composer_means(numeral: str, key: int) -> None:
    parsed = parse_numeral(numeral)
    assert parsed is not None
    chord = span(parsed, key, Fraction(0), Fraction(4))
    root, pitch_classes, bass = chord_tones(chord.name)
    assert (root, bass, set(pitch_classes)) == (chord.root, chord.bass, set(chord.pitch_classes)), chord.name


def test_chords_fill_the_bars() -> None:
    chords = controls.parse_chords("Am F C/E G7", 6, Meter(7, 8))
    assert [(c.name, c.beat, c.length) for c in chords] == [
        (name, k * Fraction(7, 2), Fraction(7, 2)) for k, name in enumerate(["Am", "F", "C/E", "G7", "Am", "F"])
    ]
    timed = controls.parse_chords("Am:2 F:2 C/E N.C. %:1.5 G7", 4, FOUR)
    assert [(c.name, c.beat, c.length) for c in timed] == [
        ("Am", 0, 2), ("F", 2, 2), ("C/E", 4, 4), ("G7", Fraction(27, 2), Fraction(5, 2)),
    ]  # fmt: skip
    lines = controls.parse_chords("| Am F | C:1 G | % |", 3, FOUR)
    assert [(c.name, c.beat, c.length) for c in lines] == [
        ("Am", 0, 2),
        ("F", 2, 2),
        ("C", 4, 1),
        ("G", 5, 3),
        ("G", 8, 4),
    ]


@given(
    st.lists(st.sampled_from(["Am", "F:2", "C/E:0.5", "G7:3", "N.C.:1"]), min_size=1, max_size=6), st.integers(1, 20)
)
def test_chords_are_gapless_and_end_on_time(names: list[str], bars: int) -> None:
    chords = controls.parse_chords(" ".join(names), bars, FOUR)
    silent = any(n.startswith("N") for n in names)
    for a, b in itertools.pairwise(chords):
        assert a.beat + a.length <= b.beat if silent else a.beat + a.length == b.beat
    assert all(0 <= c.beat < c.beat + c.length <= 4 * bars for c in chords)
    frames = controls.chord_frames(chords, np.arange(0, 4 * bars, 0.25))
    if not silent:
        assert chords[-1].beat + chords[-1].length == 4 * bars and frames.any(axis=1).all()
    for chord in chords:
        row = frames[math.ceil(chord.beat * 4)]
        assert set(np.flatnonzero(row)) == set(chord.pitch_classes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "|",
        "H",
        "Am Q",
        "Am:0",
        "Am:",
        "Am:x",
        "C/H",
        "Am:0.01",
        "%",
        "Cxyz",
        "Am:99999",
        "C" * 10**6,
    ],
)
def test_bad_chords(text: str) -> None:
    with pytest.raises(BadRequest):
        controls.parse_chords(text, 256, Meter(32, 1))


def test_chords_follow_a_map_of_meters() -> None:
    """Each lasts the bar in which it begins; between bar lines those without beats share the bar that they are in."""
    meters = (FOUR, Meter(3, 4), Meter(7, 8), FOUR)
    beats = [
        [chord.beat for chord in controls.parse_chords(text, 4, meters)] for text in ("C G", "C F | G:1 A", "C:2 G")
    ]
    assert beats == [[0, 4, 7, Fraction(21, 2)], [0, 2, 4, 5, 7, 8.75, 10.5, 11.5], [0, 2, 6, 8, 11.5, 13.5]]
    assert controls.parse_chords("C F | G:1 A", 3, FOUR) == controls.parse_chords("C F | G:1 A", 3, (FOUR,) * 3)
    whole = controls.parse_chords("C F | G:1 A", 4, meters)
    assert sum(chord.length for chord in whole) == sum(meter.bar_quarters for meter in meters)


def test_an_overfull_bar_is_refused() -> None:
    with pytest.raises(BadRequest, match="one a bar"):
        controls.parse_chords("A:1 | B:9 C", 4, FOUR)


def test_parts() -> None:
    assert controls.parse_parts("drums, Bass") == ("drums", "bass")
    for text in ("", "drums,", "drums,drums", "kazoo", "," * 10**6):
        with pytest.raises(BadRequest, match="drums, bass, chords, lead, other"):
            controls.parse_parts(text)


@settings(max_examples=200)
@given(st.text(max_size=40) | st.from_regex(r"[A-G#b0-9mM:|/.,% ajdsuo+-]{0,40}", fullmatch=True), st.integers(1, 256))
def test_any_text(text: str, bars: int) -> None:
    for parse in (
        controls.parse_key,
        controls.parse_parts,
        lambda t: controls.parse_chords(t, bars, FOUR),
        lambda t: controls.parse_curve(t, AT_120, bars),
    ):
        with suppress(AttaccaError):
            parse(text)


# Requests ---------------------------------------------------------------------------------


def generate(**fields: Any) -> Request:
    return Request(**{"id": "a", "kind": "generate", "bars": 4, "tempo": "120", **fields})


def follow(**fields: Any) -> Request:
    return Request(**{"id": "a", "kind": "continue", "bars": 4, "tempo": "120", "source": "/x.wav", **fields})


GOOD = [
    generate(),
    generate(meter="7/8", tempo="0:120,2:60", key="Am", chords="Am F"),
    generate(parts=("drums",), prompts=(PromptPart(text="x"),)),
    generate(intensity=(CurvePoint(beat=16, db=-20),), melody=(note(60, 15.9, 4),)), follow(at_bar=7, under=True),
    follow(tempo=None, source_bars=4), follow(source=None, inline=InlineAudio(rate=48000, channels=2, frames=9)),
]  # fmt: skip


@pytest.mark.parametrize("request_", GOOD)
def test_good_requests(request_: Request) -> None:
    controls.check(request_)
    assert controls.check(msgspec.msgpack.decode(msgspec.msgpack.encode(request_), type=Request)) is None


NAN = float("nan")
BAD = [
    (generate(tempo=None), "20 to 400"), (generate(tempo="19"), "20 to 400"), (generate(tempo="nan"), "20 to 400"),
    (generate(tempo="0:120,1:900"), "20 to 400"), (generate(meter="4/5"), "n from 1 to 32"), (generate(bars=0), ">= 1"),
    (generate(bars=257), "<= 256"), (generate(bars=256, tempo="60"), "15 minutes"), (generate(rate=7999), ">= 8000"),
    (generate(steps=9), "<= 8"), (generate(guidance=NAN), "guidance"), (generate(guidance=float("inf")), "guidance"),
    (generate(intensity=(CurvePoint(beat=NAN, db=0),)), "intensity"),
    (generate(intensity=(CurvePoint(beat=0, db=NAN),)), "intensity"),
    (generate(intensity=(CurvePoint(beat=16.1, db=0),)), "0 to 16"), (generate(intensity=()), "1 to 10000"),
    (generate(intensity=(CurvePoint(beat=4, db=0), CurvePoint(beat=3, db=0))), "do not fall"),
    (generate(melody=(note(60, 16, 1),)), "before 16"), (generate(melody=()), "at least one"),
    (generate(melody=(note(128, 0, 1),)), "127"),
    (generate(melody=(note(60, 0, NAN),)), "melody"), (generate(melody=(note(60, NAN, 1),)), "melody"),
    (generate(prompts=(PromptPart(text="x", weight=0.0),)), "above 0"),
    (generate(prompts=(PromptPart(text="x", weight=NAN),)), "prompts"),
    (generate(key="H"), "key"), (generate(chords="H"), "Chords"), (generate(parts=("drums", "drums")), "Parts"),
    (generate(source="x.wav"), "continuation"),
    (generate(under=True), "continuation"),
    (generate(source_bars=3), "continuation"), (follow(source=None), "exactly one"),
    (follow(tempo=None), "exactly one"),
    (follow(source_bars=4), "exactly one"),
    (follow(inline=InlineAudio(rate=48000, channels=2, frames=9)), "exactly one"),
    (follow(at_bar=-1), ">= 0"), (follow(at_bar=8, tempo="0:120,8:20", bars=80), "15 minutes"), (generate(id=""), "id"),
    (generate(tempo=120), "str"), (generate(melody="x"), "melody"),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "words"), BAD)
def test_bad_requests(request_: Request, words: str) -> None:
    with pytest.raises(BadRequest, match=words) as error:
        controls.check(request_)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_request_map() -> None:
    assert controls.request_map(follow(tempo=None, source_bars=4), 48_000 * 8).tempo_at(0) == 120
    assert controls.request_map(generate(tempo="0:120,4:7200/61")).tempo_at(16) == Fraction(7200, 61)
    with pytest.raises(BadRequest, match="20 to 400"):
        controls.request_map(follow(tempo=None, source_bars=200), 48_000)
