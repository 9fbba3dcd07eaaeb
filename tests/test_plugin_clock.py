"""From what hosts tell about time, each in its own way, to the exact place: bars walked by hand are the measure."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import astuple
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.timeline import layout
from tests.plugin_helpers import UNTOLD, UNTOLD_FRAME, CHostTime, ExactMap, core_library
from tests.timeline_helpers import CPlace

RATE = 48_000
SONG = ExactMap.of(RATE, (3, 120, 4, 4), (4, Fraction(1_329, 10), 7, 8), (2, Fraction(1_329, 10), 3, 4), (50, 90, 4, 4))
TICK = Fraction(1, 1_920)


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    return core_library()


class Map:
    """A TempoMap with the segments of an exact map."""

    def __init__(self, library: ctypes.CDLL, exact: ExactMap) -> None:
        self.c, self.map = library, library.tm_new()
        rows = [astuple(segment) for segment in exact.segments()]
        self.table = np.array(rows, layout.record(layout.SEGMENT))
        library.tm_load(self.map, float(exact.rate), self.table.ctypes.data, len(rows))

    def next_line(self, frame: int) -> int:
        return int(self.c.tm_next_line(self.map, frame))

    def agrees(self, frame: int, frames: int, place: CPlace) -> bool:
        return bool(self.c.tm_agrees(self.map, frame, frames, ctypes.byref(place)))

    def frame_of(self, bar: int, quarter: float) -> int:
        found = ctypes.c_int64()
        assert self.c.tm_frame_of(self.map, bar, quarter, ctypes.byref(found))
        return found.value


class Clock:
    def __init__(self, library: ctypes.CDLL, known: Map | None = None) -> None:
        self.c, self.clock, self.known = library, library.bc_new(float(RATE)), known

    def at(self, told: CHostTime, frames: int = 512) -> tuple[int, CPlace, bool]:
        frame, place = ctypes.c_int64(), CPlace()
        known = self.known.map if self.known else None
        musical = self.c.bc_at(self.clock, ctypes.byref(told), frames, known, ctypes.byref(frame), ctypes.byref(place))
        return frame.value, place, bool(musical)


@pytest.fixture(scope="module")
def known(library: ctypes.CDLL) -> Iterator[Map]:
    found = Map(library, SONG)
    yield found
    library.tm_delete(found.map)


def off_frames(place: CPlace, frame: int, song: ExactMap = SONG) -> float:
    """How far a place is from the song's at that frame; bars of another length are far."""
    bar, quarter = song.place(frame)
    part = song.part(frame)
    if (place.numerator, place.denominator) != (part.numerator, part.denominator):
        return 1e9
    length = Fraction(4 * part.numerator, part.denominator)
    return abs(float(((place.bar - bar) * length + Fraction(place.quarter) - quarter) * song.quarter_frames(part)))


def total_quarters(frame: int, song: ExactMap = SONG) -> Fraction:
    at, total = Fraction(0), Fraction(0)
    for index, part in enumerate(song.parts):
        end = song.parts[index + 1].start if index + 1 < len(song.parts) else Fraction(10**12)
        upto = min(Fraction(frame), end)
        if upto > at:
            total += (upto - at) / song.quarter_frames(part)
            at = upto
    return total


def vst3(frame: int, line: bool, **changes: object) -> CHostTime:
    total, quarter = total_quarters(frame), SONG.place(frame)[1]
    facts: dict[str, object] = {
        "quarters": float(total), "line": float(total - quarter) if line else UNTOLD, "bar": UNTOLD,
    }  # fmt: skip
    return SONG.told(frame, **{**facts, **changes})


def lv2(frame: int, **changes: object) -> CHostTime:
    """Bar and beat in whole ticks, rounded down, as jalv tells them."""
    bar, quarter = SONG.place(frame)
    beat = Fraction(4, SONG.part(frame).denominator)
    ticks = quarter / beat // TICK * TICK * beat
    facts: dict[str, object] = {
        "quarters": float(ticks), "line": UNTOLD, "bar": float(bar), "coarse": float(TICK * beat),
    }  # fmt: skip
    return SONG.told(frame, **{**facts, **changes})


def silent(frame: int, like: CHostTime) -> CHostTime:
    """The next block of a host that tells only the frame."""
    told = CHostTime.from_buffer_copy(like)
    told.frame, told.quarters, told.line, told.bar = frame, UNTOLD, UNTOLD, UNTOLD
    return told


@pytest.mark.parametrize("block", [256, 1_024, 4_096])
@pytest.mark.parametrize("with_line", [True, False])
def test_bars_are_counted_on_where_only_quarters_are_told(library: ctypes.CDLL, block: int, with_line: bool) -> None:
    clock = Clock(library)
    for frame in range(0, 20 * RATE, block):
        found, place, musical = clock.at(vst3(frame, with_line), block)
        assert (found, musical) == (frame, True)
        assert off_frames(place, frame) < 1e-3, frame


def test_after_a_jump_the_map_gives_the_bar_its_number(library: ctypes.CDLL, known: Map) -> None:
    rng = np.random.default_rng(0)
    for with_line in (True, False):
        clock = Clock(library, known)
        for _ in range(300):
            frame = int(rng.integers(0, 40 * RATE))
            _, place, musical = clock.at(vst3(frame, True), 512)
            assert musical and off_frames(place, frame) < 1e-3
            _, place, _ = clock.at(vst3(frame + 512, with_line), 512)
            assert off_frames(place, frame + 512) < 1e-3
    alone = Clock(library)
    frame = 30 * RATE
    _, place, _ = alone.at(vst3(frame, True))
    assert place.quarter == pytest.approx(float(SONG.place(frame)[1]))


def test_a_wrong_bar_line_is_not_believed(library: ctypes.CDLL) -> None:
    clock = Clock(library)
    for frame in range(0, 5 * RATE, 1_000):
        told = vst3(frame, True)
        told.line = 4.0 * (SONG.place(frame)[0] + 1)
        assert off_frames(clock.at(told, 1_000)[1], frame) < 1e-3


def test_clap_counts_frames_on_between_rounded_seconds(library: ctypes.CDLL) -> None:
    clock = Clock(library)
    for index, frame in enumerate(range(0, 20 * RATE, 512)):
        told = SONG.told(frame, jitter=2)
        told.frame += (0, 1, -2, 2, -1)[index % 5]
        assert clock.at(told)[0] == frame
    jump = SONG.told(5 * RATE, jitter=2)
    assert clock.at(jump)[0] == 5 * RATE


def test_clap_without_seconds_takes_the_frame_from_the_map_or_the_tempo(library: ctypes.CDLL, known: Map) -> None:
    for clock, exact in ((Clock(library, known), True), (Clock(library), False)):
        start = 20 * RATE if exact else RATE
        for frame in (start, start + 512, start + 1_024, 2 * RATE):
            total, (bar, quarter) = total_quarters(frame), SONG.place(frame)
            told = SONG.told(frame, quarters=float(total), line=float(total - quarter), bar=float(bar), jitter=2)
            told.frame = UNTOLD_FRAME
            found, place, _ = clock.at(told)
            assert abs(found - frame) <= 1 and off_frames(place, frame) < 1.5


def test_lv2_is_exact_from_its_first_word_on(library: ctypes.CDLL) -> None:
    clock = Clock(library)
    first = lv2(0)
    clock.at(first, 1_024)
    for frame in range(1_024, 3 * 2 * RATE, 1_024):
        told = lv2(frame) if frame % 5_120 == 0 else silent(frame, first)
        assert off_frames(clock.at(told, 1_024)[1], frame) < 1e-3


def test_lv2_within_a_tick_the_map_is_exact(library: ctypes.CDLL, known: Map) -> None:
    clock = Clock(library, known)
    for frame in (12_345, 333_333, 20 * RATE + 7):
        _, place, musical = clock.at(lv2(frame), 256)
        assert musical and off_frames(place, frame) < 1e-3
    off = lv2(5 * RATE)
    off.quarters += 0.01
    assert off_frames(clock.at(off, 256)[1], 5 * RATE) > 100


def test_lv2_a_meter_that_is_not_told_comes_from_the_map(library: ctypes.CDLL, known: Map) -> None:
    border = int(SONG.parts[2].start)  # 7/8 to 3/4 under one tempo
    first = border - 10_000
    clock = Clock(library, known)
    told = lv2(first)
    clock.at(told, 512)
    for frame in range(first + 512, border + 20_000, 512):
        assert off_frames(clock.at(silent(frame, told), 512)[1], frame) < 1e-3
    alone = Clock(library)
    alone.at(told, 512)
    assert off_frames(alone.at(silent(border + 10_000, told), 512)[1], border + 10_000) > 1e6


def test_lv2_a_tempo_within_a_block_counts_from_the_next_block_on(library: ctypes.CDLL) -> None:
    border = -int(-SONG.parts[1].start // 1)
    block, first = 1_024, border - 500
    clock = Clock(library)
    clock.at(lv2(first - block), block)
    told = lv2(border, offset=500)
    told.frame, told.coarse = first, float(TICK)
    told.quarters = float(SONG.place(border)[1])
    _, place, _ = clock.at(told, block)
    assert place.tempo == 120 and abs(off_frames(place, first)) < 13
    after = silent(first + block, lv2(border))
    _, place, _ = clock.at(after, block)
    assert place.tempo == pytest.approx(132.9) and off_frames(place, first + block) < 1e-2
    fresh = Clock(library)
    assert off_frames(fresh.at(told, block)[1], first) > 1e6, "before the border another meter holds"
    assert off_frames(fresh.at(after, block)[1], first + block) < 1e-2


def test_numbers_that_no_host_can_mean_are_not_musical(library: ctypes.CDLL) -> None:
    for change in ({"tempo": float("nan")}, {"tempo": 0.0}, {"numerator": 0}, {"denominator": 0}, {"quarters": 1e18}):
        assert not Clock(library).at(SONG.told(1_000, **change))[2]
    assert not Clock(library).at(silent(0, SONG.told(0)))[2], "nothing to count on from"


@settings(max_examples=300, deadline=None)
@given(frame=st.integers(-1_000, 60 * RATE))
def test_the_next_line_is_the_first_of_all_lines(library: ctypes.CDLL, known: Map, frame: int) -> None:
    lines = SONG.lines(70 * RATE)
    assert known.next_line(frame) == next(line for line in lines if line >= frame)


@settings(max_examples=300, deadline=None)
@given(frame=st.integers(10, 60 * RATE), off=st.floats(-6, 6, allow_subnormal=False))
def test_the_map_agrees_within_one_and_a_half_frames(library: ctypes.CDLL, known: Map, frame: int, off: float) -> None:
    part = SONG.part(frame)
    if abs(abs(off) - 1.5) < 0.01 or any(abs(frame - float(one.start)) < 3 for one in SONG.parts):
        return
    bar, quarter = SONG.place(frame)
    moved = float(quarter + Fraction(off) / SONG.quarter_frames(part))
    place = CPlace(bar, moved, float(part.tempo), part.numerator, part.denominator)
    assert known.agrees(frame, 128, place) == (abs(off) < 1.5)
    place.quarter += 4.0 * part.numerator / part.denominator
    place.bar -= 1
    assert known.agrees(frame, 128, place) == (abs(off) < 1.5), "the same place, told from the bar before"


def test_places_have_their_frames(known: Map) -> None:
    for frame in range(0, 50 * RATE, 12_347):
        bar, quarter = SONG.place(frame)
        assert known.frame_of(bar, float(quarter)) == frame
