"""A metronome's beats and a MIDI clock's ticks on a project's grid, and the bars that are counted in. Pure.

Places are the grid's own: exact rationals, rounded once to a frame, so that a click lies on the sample on which the
engine's bar lies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from bridge.live.map import ProjectMap
from engine.timing import round_half_up
from engine.types import Audio

TICKS_A_QUARTER = 24
FINEST = 960
CLICK_S = 0.03
DECAY_S = 0.006
ACCENT_HZ, BEAT_HZ = 1760.0, 1174.7
ACCENT_LEVEL, BEAT_LEVEL = 0.5, 0.35
DRUM_CHANNEL = 9
ACCENT_KEY, BEAT_KEY = 76, 77
"""General MIDI's wood blocks, high and low."""
ACCENT_VELOCITY, BEAT_VELOCITY = 112, 80


@dataclass(frozen=True, order=True)
class Beat:
    """A click at a frame; accent: the first beat of a bar."""

    frame: int
    accent: bool


def beats(song: ProjectMap, first: int, end: int) -> list[Beat]:
    """The clicks on project frames first .. end."""
    found, bar = [], song.bar_at(first)
    while song.frame(bar) < end:
        for quarter in song.beats(bar):
            frame = song.frame(bar, quarter)
            if first <= frame < end:
                found.append(Beat(frame, quarter == 0))
        bar += 1
    return found


def clock_ticks(song: ProjectMap, first: int, end: int) -> list[int]:
    """Project frames of a MIDI clock's ticks, 24 a quarter from each bar's line, within first .. end."""
    return [frame for frame in _tick_frames(song, first, end) if first <= frame < end]


def sixteenths(song: ProjectMap, first: int, end: int) -> list[tuple[int, int]]:
    """(project frame, number) of the sixteenths within first .. end, as MIDI's song position counts them from bar 0."""
    found, bar = [], max(0, song.bar_at(first))
    number = int(4 * song.quarters_between(0, bar))
    while song.frame(bar) < end:
        count = int(4 * song.meter(bar).bar_quarters)
        places = ((song.frame(bar, Fraction(step, 4)), number + step) for step in range(count))
        found += [(frame, name) for frame, name in places if first <= frame < end]
        number, bar = number + count, bar + 1
    return found


def count_in(song: ProjectMap, frame: int, bars: int) -> tuple[int, list[Beat]]:
    """(frames, clicks within them) of `bars` bars before a project frame, in the tempo and meter that hold there.

    Where the frame lies inside of a bar, what is before it in that bar is counted, too.
    """
    bar, quarter = song.bar_at(frame), _plain_quarter(song, frame)
    piece = song.piece_at(frame)
    a_quarter = Fraction(60 * song.rate) / piece.tempo
    bar_quarters = song.meter(bar).bar_quarters
    total = bars * bar_quarters + quarter
    length = round_half_up(total * a_quarter)
    found = []
    for n in range(bars + 1):
        for offset in song.beats(bar):
            at = n * bar_quarters + offset
            if at < total:
                found.append(Beat(length - round_half_up((total - at) * a_quarter), offset == 0))
    return length, sorted(found)


def sound(accent: bool, rate: int) -> Audio:
    """A click: a sine that dies away, [frames] float32, its first sample not zero."""
    seconds = np.arange(round(CLICK_S * rate)) / rate
    pitch, level = (ACCENT_HZ, ACCENT_LEVEL) if accent else (BEAT_HZ, BEAT_LEVEL)
    wave = np.cos(2 * np.pi * pitch * seconds) * np.exp(-seconds / DECAY_S) * level
    fade = np.minimum(1.0, (CLICK_S - seconds) / (CLICK_S / 4))
    return np.asarray(wave * fade, np.float32)


def drum(accent: bool) -> bytes:
    """A click as a MIDI note-on; drums need no end."""
    key, velocity = (ACCENT_KEY, ACCENT_VELOCITY) if accent else (BEAT_KEY, BEAT_VELOCITY)
    return bytes((0x90 | DRUM_CHANNEL, key, velocity))


def _plain_quarter(song: ProjectMap, frame: int) -> Fraction:
    """The quarters into its bar that a frame means: a whole number of 1/960 where one is rounded to this frame."""
    quarter = song.quarter_at(frame)
    near = Fraction(round(quarter * FINEST), FINEST)
    return near if song.frame(song.bar_at(frame), near) == frame else quarter


def _tick_frames(song: ProjectMap, first: int, end: int) -> Iterator[int]:
    bar = song.bar_at(first)
    while song.frame(bar) < end:
        count = song.meter(bar).bar_quarters * TICKS_A_QUARTER
        for tick in range(-(-count.numerator // count.denominator)):
            yield song.frame(bar, Fraction(tick, TICKS_A_QUARTER))
        bar += 1
