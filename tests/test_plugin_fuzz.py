"""The plugin under hosts and engines at their worst: random steps, garbage, gaps; an oracle knows what is heard."""

from __future__ import annotations

import ctypes
import math
from fractions import Fraction

import numpy as np
import pytest

from bridge.timeline.cache import EngineSide
from tests.plugin_helpers import (
    BAR,
    BEAT,
    FADE,
    FOUR,
    LOOK,
    PLACE,
    RATE,
    RISE,
    CHostTime,
    Core,
    ExactMap,
    Oracle,
    Planes,
    core_with_engine,
    expected,
    fill,
    sound,
)


def test_a_killed_write_is_a_miss_there_and_nowhere_else(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    fill(engine, 0, 4 * BAR)
    core.roll(0, 256, 64, PLACE)
    tags = engine._memory.blocks["tag"]  # type: ignore[union-attr]
    row = int(np.flatnonzero((tags["slot"] == 8) & (tags["end"] > 0))[0])
    tags["seq"][row] += 1
    out = core.roll(256, BAR, 64, PLACE)
    hole = 8 * 256 - 256
    assert np.array_equal(out[:, : hole - 64 - FADE], expected(256, hole - 64 - FADE))
    assert not out[:, hole + FADE : BEAT - RISE - 256].any()
    assert np.array_equal(out[:, BEAT - 256 :], expected(BEAT, BAR - BEAT + 256))
    assert engine.counters().torn_slots > 0 and engine.counters().misses == 1


def _band_above_8k_db(planes: Planes, rate: int) -> float:
    window = np.hanning(2_048)
    frames = np.lib.stride_tricks.sliding_window_view(planes[0], 2_048)[::256] * window
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    high = power[:, int(8_000 / rate * 2_048) :].sum(axis=1)
    return float(10 * np.log10(high.max() + 1e-30))


@pytest.mark.parametrize("cause", ["end", "vanish", "locate"])
def test_a_gap_does_not_click(library: ctypes.CDLL, cause: str) -> None:
    rate = 48_000
    time_s = np.arange(8 * rate) / rate
    rng = np.random.default_rng(0)
    tone = 0.4 * np.sin(2 * np.pi * 110 * time_s) + 0.2 * np.sin(2 * np.pi * 997 * time_s + 1)
    tone += 1e-4 * rng.standard_normal(len(time_s))
    audio = np.stack([tone, tone], 1).astype(np.float32)
    grid = ExactMap.of(rate, (100, 120, 4, 4))
    with core_with_engine(library, rate) as (core, engine):
        core.set(fallback=0)
        engine.publish_map(grid.segments())
        engine.write(0, audio[: 5 * rate + 1_111] if cause == "end" else audio)
        clean = core.roll(0, 4 * rate, 128, PLACE)
        assert np.array_equal(clean, audio[: 4 * rate].T)
        if cause == "vanish":
            engine.publish_map(grid.segments())
        first = 4 * rate if cause != "locate" else 2 * rate + 12_345
        gap = core.roll(first, 3 * rate, 128, PLACE)
        if cause == "vanish":
            engine.write(5 * rate, audio[5 * rate :])
            gap = np.concatenate([gap, core.roll(first + 3 * rate, rate // 2, 128, PLACE)], axis=1)
    whole = np.concatenate([clean, gap], axis=1)
    assert _band_above_8k_db(whole, rate) < _band_above_8k_db(clean, rate) + 12
    hard = whole.copy()
    hard[:, 5 * rate :] = 0
    assert _band_above_8k_db(hard, rate) > _band_above_8k_db(clean, rate) + 12, "the measure hears clicks"


def test_10000_random_steps_play_nothing_off_its_bar(library: ctypes.CDLL) -> None:
    rng = np.random.default_rng(7)
    grid = ExactMap.of(
        RATE, (6, Fraction(117_500, 1_000), 4, 4), (6, 93, 7, 8), (5, Fraction(400, 3), 3, 4), (9, 160, 4, 4)
    )
    last = 40 * RATE
    borders = [int(part.start) for part in grid.parts[1:]]
    with core_with_engine(library, minutes=1.0) as (core, engine):
        engine.publish_map(grid.segments())
        core.set(fallback=2)
        held = np.zeros(last, np.bool_)
        at = 0
        while at < last - 2_000:
            length = int(rng.choice([150, 600, 3_000, 20_000]))
            first, end = at, min(last - 1_000, at + length)
            fill(engine, first, end)
            at = end + int(rng.choice([0, 40, 256, 3_000]))
        held = engine.read(0, last)[1]
        oracle = Oracle(grid, last, held)
        frame, exact_total, silent_total, off_total = 0, 0, 0, 0
        for _ in range(10_000):
            frames = int(rng.choice([1, 17, 63, 64, 65, 128, 200]))
            if rng.random() < 0.02:
                frame = int(rng.integers(-400, last - 300))
            if frame > last - 300:
                frame = 0
            if any(abs(frame - border) < 4 for border in borders):
                frame += 8
            told, playing, on_grid = _tell(rng, grid, frame, frames)
            out = core.process(told, frames)
            assert np.isfinite(out).all()
            exact, silent = oracle.block(frame, frames, playing, on_grid)
            want = sound(np.arange(frame, frame + frames) if frame >= 0 else np.abs(np.arange(frame, frame + frames)))
            assert np.array_equal(out[:, exact], want[:, exact]), (frame, frames)
            assert not out[:, silent].any(), (frame, frames)
            exact_total, silent_total = exact_total + len(exact), silent_total + len(silent)
            off_total += not on_grid
            if playing:
                frame += frames
        assert min(exact_total, silent_total) > 100_000 and off_total > 100
        assert engine.counters().off_grid_blocks == off_total


def _tell(rng: np.random.Generator, grid: ExactMap, frame: int, frames: int) -> tuple[CHostTime, bool, bool]:
    """What a host says at `frame`, now and then nonsense; whether it plays, whether it stands on the grid."""
    told = grid.told(frame)
    whim = rng.random()
    if frame < 0:
        told.musical = False
        return told, True, True
    if whim < 0.02:
        told.playing = False
        return told, False, True
    if whim < 0.04:
        told.tempo = float(rng.choice([math.nan, math.inf, -120.0, 0.0]))
        return told, True, True
    if whim < 0.05:
        told.numerator = 0
        return told, True, True
    if whim < 0.07:
        told.numerator, told.denominator = int(rng.integers(1, 30)) + 7, 16
        return told, True, False
    if whim < 0.09:
        old = told.tempo
        told.tempo = float(rng.uniform(20, 999))
        return told, True, abs(frames * (told.tempo / old - 1)) <= 1.5
    if whim < 0.11:
        off = float(rng.choice([-1, 1]) * rng.uniform(1.7, 5_000))
        told.quarters += off / (60 * RATE / told.tempo)
        return told, True, False
    if whim < 0.13:
        told.quarters += float(rng.uniform(-1.3, 1.3)) / (60 * RATE / told.tempo)
    return told, True, True


def test_any_garbage_of_a_host_leaves_numbers(library: ctypes.CDLL) -> None:
    rng = np.random.default_rng(3)
    odd = [0.0, -1.0, math.nan, math.inf, -math.inf, 1e300, -1e300, 5e-324, 120.0, 1e18]
    places = [0, -1, -(2**63), 2**63 - 1, 2**62, 2**47, 2**31, 1_000, 65_536 * 16_384, 65_536 * 16_384 - 10]
    with core_with_engine(library) as (core, engine):
        engine.publish_map(FOUR.segments())
        core.set(fallback=0)
        fill(engine, 0, 4 * BAR)
        core.roll(0, BAR, 512, PLACE)
        for _ in range(3_000):
            told = CHostTime(
                int(rng.choice(places)), bool(rng.integers(2)), bool(rng.integers(2)),
                *(float(rng.choice(odd)) for _ in range(4)), int(rng.choice([0, 1, 4, 7, 2**32 - 1])),
                int(rng.choice([0, 1, 4, 8, 3, 2**32 - 1])), *(float(rng.choice(odd)) for _ in range(3)),
                int(rng.choice([0, 2, 2**62])), int(rng.choice([0, 7, -1, 2**62])),
            )  # fmt: skip
            out = core.process(told, int(rng.integers(1, 300)))
            assert np.isfinite(out).all() and np.abs(out).max() <= 2


def test_look_is_what_the_oracle_thinks() -> None:
    assert (FADE, RISE, LOOK) == (40, 160, 200)
