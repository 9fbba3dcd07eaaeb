"""Hosts that tell bars in whole ticks, late, or in ticks of another note (JACK with jalv, Ardour) are on their bars."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from bridge.live.learn import Told, agrees, learnt
from bridge.live.map import announced
from engine.timing import Meter
from tests.plugin_helpers import CHostTime, core_library
from tests.test_plugin_clock import RATE, SONG, TICK, Clock, Map, lv2, off_frames, silent, total_quarters, vst3

FOUR, SEVEN = Meter(4, 4), Meter(7, 8)


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    return core_library()


@pytest.fixture(scope="module")
def known(library: ctypes.CDLL) -> Iterator[Map]:
    found = Map(library, SONG)
    yield found
    library.tm_delete(found.map)


def rounded(frame: int) -> CHostTime:
    """Ardour's LV2: ticks of a quarter, rounded to the nearest, within beats of the meter's own length."""
    bar, quarter = SONG.place(frame)
    part = SONG.part(frame)
    each = Fraction(4, part.denominator)
    ticked = round(quarter / TICK) * TICK
    if ticked >= part.numerator * each:
        bar, ticked = bar + 1, Fraction(0)
    beat = ticked // each
    return lv2(frame, bar=float(bar), quarters=float((beat + ticked - beat * each) * each))


def test_the_place_of_before_is_not_believed_while_the_host_stands(library: ctypes.CDLL) -> None:
    """JACK tells the old bar for a cycle after a locate, and jalv says nothing more where the tempo is the same."""
    clock = Clock(library)
    told = lv2(RATE)
    assert clock.at(told, 512)[2]
    late = CHostTime.from_buffer_copy(told)
    late.frame, late.playing = 0, False
    assert not clock.at(late, 512)[2]
    assert not clock.at(silent(0, late), 512)[2]
    late.playing = True
    late.bar = late.quarters = 0.0
    frame, place, musical = clock.at(late, 512)
    assert (frame, place.bar, place.quarter, musical) == (0, 0, 0.0, True)


@pytest.mark.parametrize("mapped", [True, False])
def test_lost_cycles_do_not_move_the_bars(library: ctypes.CDLL, known: Map, mapped: bool) -> None:
    """After an xrun JACK's frame is right and its bars are those of the lost cycle: counting goes by the frame."""
    clock = Clock(library, known if mapped else None)
    told = lv2(0)
    clock.at(told, 1_024)
    for frame in range(1_024, 20 * 1_024, 1_024):
        clock.at(silent(frame, told), 1_024)
    late = lv2(20 * 1_024)
    late.frame = 23 * 1_024
    _, place, musical = clock.at(late, 1_024)
    assert musical
    assert off_frames(place, 23 * 1_024) < 1e-3
    assert off_frames(clock.at(lv2(24 * 1_024), 1_024)[1], 24 * 1_024) < 1e-3


def test_a_locate_while_it_stands_is_on_the_map(library: ctypes.CDLL, known: Map) -> None:
    clock = Clock(library, known)
    there, here = 7 * RATE, 5_000
    assert off_frames(clock.at(lv2(there, playing=False), 512)[1], there) < 1e-3
    late = lv2(there, playing=False)
    late.frame = here
    _, place, musical = clock.at(late, 512)
    assert musical
    assert off_frames(place, here) < 1e-3


@pytest.mark.parametrize("frame", [272, 12_345, 2 * RATE - 1, 5 * RATE])
def test_without_a_map_a_coarse_place_is_made_straight(library: ctypes.CDLL, frame: int) -> None:
    """In the song's first part one tempo from frame 0 on explains what is told: that place is the exact one."""
    for told in (lv2(frame), rounded(frame)):
        assert off_frames(Clock(library).at(told)[1], frame) < 1e-3


def test_a_tempo_told_coarsely_began_on_its_bar_line(library: ctypes.CDLL) -> None:
    for block in (256, 1_024, 4_096):
        for part in SONG.parts[1:]:
            if SONG.part(int(part.start) - 1).tempo == part.tempo:
                continue  # a meter alone is not told
            clock, line = Clock(library), int(part.start)
            first = line - 3 * block - block // 3
            told = lv2(first)
            frame = first
            while frame < line + 4 * block:
                if SONG.part(frame).tempo != told.tempo:
                    told = lv2(frame)
                    place = clock.at(told, block)[1]
                else:
                    place = clock.at(told if frame == first else silent(frame, told), block)[1]
                if frame > line:
                    assert off_frames(place, frame) < off_frames(clock_start(library, first), first) + 1e-3
                frame += block


def clock_start(library: ctypes.CDLL, frame: int) -> object:
    """What a fresh clock makes of the first word at a frame: the error that a pass begins with."""
    return Clock(library).at(lv2(frame))[1]


def test_ardours_rounding_and_its_eighths_are_within_the_map(library: ctypes.CDLL, known: Map) -> None:
    rng = np.random.default_rng(1)
    for frame in rng.integers(0, 18 * RATE, 400).tolist():
        _, place, musical = Clock(library, known).at(rounded(frame), 256)
        assert musical
        assert off_frames(place, frame) < 1e-3, frame


def test_whole_ticks_of_a_vst3_are_within_the_map(library: ctypes.CDLL, known: Map) -> None:
    for frame in range(1_000, 5 * RATE, 7_777):
        told = vst3(frame, False, quarters=float(round(total_quarters(frame) / TICK) * TICK), coarse=float(TICK))
        assert off_frames(Clock(library, known).at(told, 256)[1], frame) < 1e-3


def test_a_whole_tick_agrees_within_a_tick() -> None:
    song = announced(RATE, "0:120,2:97.3", "4/4")
    frame = song.frame(3) + 10_000
    exact = song.quarter_at(frame)
    cut = exact // TICK * TICK
    assert exact != cut
    assert agrees(song, Told(frame, RATE, 3, cut, Fraction("97.3"), FOUR))
    assert not agrees(song, Told(frame, RATE, 3, exact - TICK / 3, Fraction("97.3"), FOUR))
    assert not agrees(song, Told(frame, RATE, 3, cut - 2 * TICK, Fraction("97.3"), FOUR))


def test_a_standing_host_teaches_a_tempo_but_no_other_place() -> None:
    song = announced(RATE, "0:120,2:97.3", "0:7/8,2:4/4")
    bar = song.frame(1)
    assert learnt(song, None, Told(bar + 272, RATE, 1, Fraction(0), Fraction(120), SEVEN, rolling=False)) is None
    assert learnt(song, None, Told(bar + 272, RATE, 1, Fraction(0), Fraction(120), SEVEN)) is not None
    faster = learnt(song, None, Told(bar, RATE, 1, Fraction(0), Fraction(130), SEVEN, rolling=False))
    assert faster is not None
    assert faster.piece_at(bar).tempo == 130


def test_a_change_told_in_ticks_is_learnt_on_its_line() -> None:
    song = announced(RATE, "0:120,2:97.3", "4/4")
    line = song.frame(2)
    before = Told(line - 700, RATE, 1, song.quarter_at(line - 700), Fraction(120), FOUR)
    cut = song.quarter_at(line + 324) // TICK * TICK
    found = learnt(announced(RATE, "120", "4/4"), before, Told(line + 324, RATE, 2, cut, Fraction("97.3"), FOUR))
    assert found is not None
    assert [(piece.at, piece.bar, piece.quarter) for piece in found.pieces[1:]] == [(line, 2, 0)]
