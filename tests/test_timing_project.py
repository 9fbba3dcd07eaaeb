"""New bars on a project's grid: every bar line on the project frame floor(x + 1/2), wherever the window begins."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine import controls
from engine.errors import AttaccaError, BadRequest
from engine.timing import (
    Meter,
    TempoChange,
    TempoMap,
    anchor,
    beginning,
    new_bar_boundaries,
    parse_meters,
    parse_offset,
    phases,
    snapped_beat,
)
from engine.types import CurvePoint, Note, Request
from tests.project_grid import Project, nearest, projects
from tests.tempo_maps import FOUR, F

AT_120 = TempoMap.constant(120, FOUR)
LONG = Project(
    tuple((bar, F(bar % 3, 7), F(60_000 + 37 * bar % 200_000, 1000)) if bar else (0, F(0), F(12_345, 100))
          for bar in range(0, 1500, 29)),
    tuple((bar, 3 + bar % 7, (4, 8, 16)[bar % 3]) for bar in range(0, 1500, 113)),
    44_100, F(-1, 3),
)  # fmt: skip


def asked(project: Project, kind: str = "continue", **fields: object) -> Request:
    source = {"source": "/x.wav"} if kind == "continue" else {"rate": project.rate}
    return Request(id="a", kind=kind, **{"bars": 4, **project.fields, **source, **fields})  # type: ignore[arg-type]


@settings(max_examples=150)
@given(st.data(), projects(), st.integers(0, 45), st.integers(1, 8), st.integers(-30_000, 200_000))
def test_every_line_lies_on_its_project_frame(
    data: st.DataObject, project: Project, at_bar: int, bars: int, ahead: int
) -> None:
    """A window that begins `ahead` frames before bar at_bar and ends anywhere near it."""
    beat = F(data.draw(st.integers(0, int(project.length(at_bar) * 960) - 1)), 960)
    lines = project.lines(at_bar, bars, beat)
    first = lines[0] - ahead
    frames = data.draw(st.integers(max(1, ahead - 40_000), max(1, ahead) + 40_000))
    request = asked(project, at_bar=at_bar, at_beat=float(beat), bars=bars, source_offset=project.offset(first))
    controls.check(request)
    if ahead < 0:
        with pytest.raises(BadRequest, match="before the input's first frame"):
            controls.on_grid(request, frames, project.rate)
        return
    tempo_map, place = controls.on_grid(request, frames, project.rate)
    assert (place.start_bar, place.start_frame) == (at_bar, ahead)
    assert place.padding_frames == max(0, ahead - frames) and place.kind == ("padded" if ahead > frames else "bar")
    new = new_bar_boundaries(place, tempo_map, bars, project.rate)
    assert [first + place.start_frame + edge for edge in new] == lines
    assert place.start_seconds == (lines[0] - project.origin) / project.rate


@settings(max_examples=60)
@given(st.data(), projects(), st.integers(0, 45), st.integers(1, 8), st.integers(-(10**7), 10**7))
def test_a_generation_takes_up_the_grid_at_any_bar(
    data: st.DataObject, project: Project, at_bar: int, bars: int, first: int
) -> None:
    beat = F(data.draw(st.integers(0, int(project.length(at_bar) * 960) - 1)), 960)
    fields = {"at_bar": at_bar, "at_beat": float(beat), "bars": bars, "source_offset": project.offset(first)}
    request = asked(project, "generate", **fields)
    controls.check(request)
    tempo_map, place = controls.on_grid(request, 0, project.rate)
    assert (place.kind, place.start_frame, place.padding_frames, place.remark) == ("whole", 0, 0, "")
    lines = project.lines(at_bar, bars, beat)
    assert new_bar_boundaries(place, tempo_map, bars, project.rate) == [line - lines[0] for line in lines]
    assert place.start_seconds == (lines[0] - project.origin) / project.rate


def test_fifteen_hundred_bars_asked_for_in_pieces_meet_at_their_lines() -> None:
    """Windows of 1 to 9 bars, each with its own first frame: each ends where the next begins."""
    lines, bar, size = LONG.lines(0, 1500), 0, 1
    tempo_map = controls.request_map(asked(LONG))
    while bar + size <= 1500:
        first = max(0, lines[bar] - 4 * LONG.rate + 17 * bar)
        place = anchor(lines[bar] - first, LONG.rate, tempo_map, bar, 0.0, first - LONG.origin)
        new = new_bar_boundaries(place, tempo_map, size, LONG.rate)
        assert [first + place.start_frame + edge for edge in new] == lines[bar : bar + size + 1]
        bar, size = bar + size, 1 + (bar + size) % 9
    assert bar > 1490 and len({b - a for a, b in pairwise(lines)}) > 100


def exact_phases(project: Project, place: Fraction) -> tuple[Fraction, Fraction]:
    """Beat and bar phase at a place in frames of the project."""
    bar, quarters = project.position(place, 120)
    bar_phase = quarters / project.length(bar)
    n, d = next((n, d) for first, n, d in reversed(project.meters) if first <= bar)
    for length in Meter(n, d).beats:
        if quarters < length:
            return quarters / length, bar_phase
        quarters -= length
    raise AssertionError("past the bar")


def gap(a: float, b: Fraction) -> Fraction:
    off = abs(F(float(a)) - b) % 1
    return min(off, 1 - off)


@settings(max_examples=40)
@given(st.data(), projects(rate=48_000, most_bars=12), st.integers(0, 12), st.integers(0, 200_000))
def test_phases_at_frame_centres_are_the_projects_own(
    data: st.DataObject, project: Project, at_bar: int, ahead: int
) -> None:
    """Centre i of NEW is frame 512 i after its first one, whatever the window and wherever in its bar it begins."""
    beat = F(data.draw(st.integers(0, int(project.length(at_bar) * 960) - 1)), 960)
    begun = project.lines(at_bar, 1, beat)[0]
    assume(begun >= project.origin)
    request = asked(project, at_bar=at_bar, at_beat=float(beat), source_offset=project.offset(begun - ahead))
    tempo_map, place = controls.on_grid(request, ahead + 1, 48_000)
    beat_phase, bar_phase = phases(tempo_map, place.start_seconds, 512, 48_000, 30)
    for i in range(30):
        exact = exact_phases(project, F(begun + 512 * i))
        assert gap(beat_phase[i], exact[0]) < F(1, 10**9) and gap(bar_phase[i], exact[1]) < F(1, 10**9)
    other = asked(project, at_bar=at_bar, at_beat=float(beat), source_offset=project.offset(begun - 77))
    _, moved = controls.on_grid(other, 1, 48_000)
    assert moved.start_seconds == place.start_seconds and moved.start_quarters == place.start_quarters


@settings(max_examples=80)
@given(projects(), st.integers(0, 30), st.integers(-60_000, 60_000))
def test_without_a_bar_the_grid_of_a_project_is_not_moved(project: Project, bars_in: int, off: int) -> None:
    """IN ends near line bars_in: NEW begins on a line, at IN's end, up to 50 ms before it, or after silence."""
    first = nearest(project.origin) - 500
    lines = project.lines(0, bars_in + 66)
    frames = lines[bars_in] - first + off
    assume(frames > 0)
    request = asked(project, source_offset=project.offset(first))
    controls.check(request)
    _, place = controls.on_grid(request, frames, project.rate)
    at = first + place.start_frame
    assert at == lines[place.start_bar] and place.shift_frames == 0
    assert place.start_frame + 0.05 * project.rate >= frames and (place.padding_frames > 0) == (place.kind == "padded")
    if off == 0:
        assert (place.kind, place.start_frame) == ("whole", frames)
    if place.start_bar:
        before = lines[place.start_bar - 1] - first
        assert before < frames - 0.05 * project.rate or before < 0 or place.start_frame == frames
    assert (place.remark == "") == (place.start_frame == frames)


def test_an_offset_of_nothing_only_fixes_the_grid() -> None:
    moved, fixed = (anchor(96_300, 48_000, AT_120, None, 0.0, offset) for offset in (None, F(0)))
    assert (moved.kind, moved.start_frame, moved.shift_frames) == ("end", 96_300, 300)
    assert (fixed.kind, fixed.start_frame, fixed.shift_frames) == ("bar", 96_000, 0) and "300 frames" in fixed.remark
    for frames in (96_000, 150_000):
        assert anchor(frames, 48_000, AT_120) == anchor(frames, 48_000, AT_120, None, 0.0, F(0))
    assert beginning(48_000, AT_120) == anchor(0, 48_000, AT_120)


def test_an_input_before_the_first_bar_waits_for_it() -> None:
    place = anchor(48_000, 48_000, AT_120, None, 0.0, F(-100_000))
    assert (place.kind, place.start_bar, place.start_frame, place.padding_frames) == ("padded", 0, 100_000, 52_000)
    inside = anchor(48_000, 48_000, AT_120, None, 0.0, F(-100, 3))
    assert (inside.kind, inside.start_bar, inside.start_frame) == ("padded", 1, 96_033)
    with pytest.raises(BadRequest, match="64 bars before bar 0"):
        anchor(48_000, 48_000, AT_120, 0, 0.0, F(-96_000 * 66))
    with pytest.raises(BadRequest, match="bar 0 to 3 "):
        anchor(48_000, 48_000, AT_120, 4, 0.0, F(-96_000 * 61 - 1))


def test_new_bars_at_another_rate_keep_the_grid() -> None:
    """24 kHz bars of a 48 kHz window: lines are rounded on the window's frames at 24 kHz."""
    place = anchor(100_000, 48_000, AT_120, 1, 0.0, F(1, 2))
    assert place.start_frame == 96_000 and place.offset_seconds == F(1, 96_000)
    assert new_bar_boundaries(place, AT_120, 2, 24_000) == [0, 48_000, 96_000]
    odd = TempoMap.constant(F(7200, 61), FOUR)
    for offset in (F(0), F(7, 3), F(-22, 7)):
        lines = new_bar_boundaries(anchor(200_000, 48_000, odd, 1, 0.0, offset), odd, 5, 11_025)
        exact = [F(244, 120) * k * 11_025 - offset * 11_025 / 48_000 for k in range(1, 7)]
        assert lines == [nearest(x) - nearest(exact[0]) for x in exact]


def test_the_tempo_may_change_inside_a_bar() -> None:
    tempo_map = TempoMap.parse("0:120,1+1.5:60,1+7/3:240", FOUR)
    assert tempo_map == TempoMap(
        (TempoChange(0, F(120)), TempoChange(1, F(60), quarters=F(3, 2)), TempoChange(1, F(240), quarters=F(7, 3))),
        ((0, FOUR),),
    )
    assert tempo_map.seconds_at(F(8)) == 2 + F(3, 4) + F(5, 6) + F(5, 12)
    assert [tempo_map.tempo_at(F(q, 2)) for q in (0, 10, 11, 12, 13, 40)] == [120, 120, 60, 60, 240, 240]


@pytest.mark.parametrize(
    "text",
    ["0+1:120", "0:120,1+4:90", "0:120,1+2:90,1+2:80", "0:120,1+2:90,1+1:80", "0:120,1+1/0:90", "0:120,1+-1:90",
     "0:120,1+:90", "0:120,1+nan:90", "0:120,1+1e1:90", "0:120,+1:90", "0:120,1+1/99:9"],
)  # fmt: skip
def test_bad_changes_inside_a_bar(text: str) -> None:
    with pytest.raises(BadRequest, match="tempo") as error:
        TempoMap.parse(text, FOUR)
    assert len(str(error.value)) < 300
    with pytest.raises(BadRequest, match="on a bar line"):
        TempoMap((TempoChange(0, F(120)), TempoChange(1, F(100), F(120), 4, F(1))))


def test_meter_maps() -> None:
    assert parse_meters("7/8") == ((0, Meter(7, 8)),)
    assert parse_meters(" 0:4/4, 8 : 7/8 ,12:3/4") == ((0, FOUR), (8, Meter(7, 8)), (12, Meter(3, 4)))
    tempo_map = TempoMap.parse("0:120,2:60", parse_meters("0:4/4,1:7/8,3:3/4"))
    assert [tempo_map.bar_start_quarters(k) for k in range(5)] == [0, 4, F(15, 2), 11, 14]
    assert [m.numerator for m in tempo_map.meters_over(0, 5)] == [4, 7, 7, 3, 3]
    assert tempo_map.bar_boundaries(0, 4, 1000) == [0, 2000, 3750, 7250, 10_250]


@pytest.mark.parametrize(
    "text",
    ["1:4/4", "0:4/4,0:3/4", "0:4/4,8:3/4,4:7/8", "0:", ":4/4", "0:4/4,", "0:4/4;8:7/8", "0:4/5", "0:4/4,100001:3/4",
     "0:33/4", "0:4/4,8+1:7/8", "0:4/4," * 900, "0:nan"],
)  # fmt: skip
def test_bad_meter_maps(text: str) -> None:
    with pytest.raises(BadRequest, match=r"[Mm]eter") as error:
        parse_meters(text)
    assert len(str(error.value)) < 300 and "\n" not in str(error.value)


@given(st.fractions(max_denominator=10**9).filter(lambda f: abs(f.numerator) < 10**40))
def test_offsets_survive_text(offset: Fraction) -> None:
    assert parse_offset(str(offset)) == parse_offset(f" {offset.numerator}/{offset.denominator} ") == offset


@settings(max_examples=200)
@given(st.text(max_size=40) | st.from_regex(r"[0-9:.,/+ -]{0,40}", fullmatch=True))
def test_any_text_is_read_or_refused_in_a_sentence(text: str) -> None:
    """What is read can be walked; nothing but our own refusals comes out."""
    with suppress(AttaccaError):
        parse_offset(text)
    with suppress(AttaccaError):
        TempoMap.parse("120", parse_meters(text)).bar_boundaries(99_999, 2, 48_000)
    with suppress(AttaccaError):
        TempoMap.parse(text, FOUR).bar_boundaries(99_999, 2, 48_000)
    for fields in ({"meter": text}, {"tempo": text}, {"source_offset": text}):
        with suppress(AttaccaError):
            controls.check(asked(BASE, **fields))


def test_offset_text() -> None:
    assert [parse_offset(t) for t in ("96000", "-0.5", "+1/3", "12.")] == [96_000, F(-1, 2), F(1, 3), 12]
    for text in ("", " ", "nan", "inf", "1e3", "1/0", "0/000", "1/-3", "--1", "0x10", "1 2", "9" * 10**6, "٣", "1_0"):
        with pytest.raises(BadRequest, match="rational number of frames") as error:
            parse_offset(text)
        assert len(str(error.value)) < 200


def test_at_beat_is_snapped_and_stays_inside_its_bar() -> None:
    tempo_map = TempoMap.parse("120", parse_meters("0:4/4,2:7/8"))
    assert snapped_beat(tempo_map, 0, 1 / 3) == F(1, 3) and snapped_beat(tempo_map, 0, 0.00051) == 0
    assert snapped_beat(tempo_map, 2, 3.499) == F(3359, 960)
    for bar, beat in ((0, 4.0), (0, 3.9999), (2, 3.5), (2, 3.6), (0, -1.0)):
        with pytest.raises(BadRequest, match=f"to before .* in bar {bar} "):
            snapped_beat(tempo_map, bar, beat)


BASE = Project(((0, F(0), F(120)),), ((0, 4, 4), (4, 3, 4)), 48_000, F(0))
REFUSED = [
    ({"at_beat": 1.0}, "give at_bar"), ({"at_bar": 0, "at_beat": 4.0}, "to before 4 in bar 0 "),
    ({"at_bar": 4, "at_beat": 3.0}, "to before 3 in bar 4 "), ({"at_beat": float("nan"), "at_bar": 0}, "at_beat"),
    ({"at_beat": -0.5, "at_bar": 0}, "at_beat"), ({"source_offset": "1/0"}, "rational"),
    ({"source_offset": "soon"}, "rational"), ({"source_offset": ""}, "source_offset"),
    ({"meter": "0:4/4,2:4/5"}, "n from 1 to 32"), ({"meter": "1:4/4"}, "rising bars from 0"),
    ({"meter": "4/4," * 2000}, "meter"), ({"tempo": None, "source_bars": 4}, "one meter"),
    ({"tempo": None, "source_bars": 4, "meter": "4/4", "source_offset": "0"}, "give its tempo"),
    ({"tempo": "20", "bars": 256, "at_bar": 0}, "15 minutes"), ({"at_bar": 100_001}, "at_bar"),
    ({"at_bar": 3, "bars": 3, "chords": "C:1 | D:3.95 E"}, "1/8 of a beat"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "words"), REFUSED)
def test_what_does_not_fit_a_grid_is_refused_at_the_edge(fields: dict[str, object], words: str) -> None:
    with pytest.raises(BadRequest, match=words) as error:
        controls.check(asked(BASE, **fields))
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize(("frames", "legal"), [(24 * 3600 * 48_000, True), (24 * 3600 * 48_000 + 1, False)])
def test_a_day_is_the_most_that_a_window_may_lie_away(frames: int, legal: bool) -> None:
    request = asked(BASE, "generate", source_offset=str(-frames))
    controls.check(request)
    if legal:
        assert controls.on_grid(request, 0, 48_000)[1].start_seconds == 0
        return
    with pytest.raises(BadRequest, match="at most 24 hours"):
        controls.on_grid(request, 0, 48_000)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"melody": (Note(pitch=60, beat=12.5, length=1.0),)}, "before 12"),
        ({"intensity": (CurvePoint(beat=12.5, db=-20.0),)}, "0 to 12"),
        ({"chords": "C:3 D | E", "bars": 2}, "1/8 of a beat"),
        ({"tempo": "0:120,10:20", "bars": 120}, "15 minutes"),
    ],
)
def test_what_only_the_inputs_length_tells_is_refused_then(fields: dict[str, object], words: str) -> None:
    """Bar 4 on is 3/4: the 4 bars after it are 12 quarters; 120 bars that reach tempo 20 are too long."""
    request = asked(BASE, **fields)
    controls.on_grid(asked(BASE), 4 * 96_000, 48_000)
    with pytest.raises(BadRequest, match=words):
        controls.on_grid(request, 4 * 96_000, 48_000)
    if "bars" not in fields:
        controls.check(request)
        assert controls.on_grid(request, 96_000, 48_000)[1].start_bar == 1
