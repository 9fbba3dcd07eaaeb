"""The plugin's core: what is heard is the cache at the host's position, bit by bit; a miss is faded, counted."""

from __future__ import annotations

import ctypes
import math

import numpy as np
import pytest

from bridge.timeline.cache import EngineSide
from tests.plugin_helpers import (
    BAR,
    BEAT,
    FADE,
    FOUR,
    PARAMETERS,
    PLACE,
    RATE,
    RISE,
    Core,
    ExactMap,
    core_with_engine,
    expected,
    fill,
)


def test_the_parameters_are_numbered_as_the_tests_think(library: ctypes.CDLL) -> None:
    assert [library.pl_parameter(name.encode()) for name in PARAMETERS] == list(range(len(PARAMETERS)))


@pytest.mark.parametrize("block", [1, 63, 64, 65, 1_025, 8_192])
def test_what_is_played_is_the_cache_in_blocks_of_any_size(pair: tuple[Core, EngineSide], block: int) -> None:
    core, engine = pair
    fill(engine, 0, 3 * BAR)
    out = core.roll(0, 2 * BAR, block, PLACE)
    assert np.array_equal(out, expected(0, 2 * BAR))
    found = engine.counters()
    assert (found.played_frames, found.missed_frames, found.misses) == (2 * BAR, 0, 0)
    assert found.blocks == math.ceil(2 * BAR / block)


def test_gaps_sound_alike_in_blocks_of_any_size(library: ctypes.CDLL) -> None:
    outs = []
    inputs = np.random.default_rng(1).standard_normal((2, 5 * BAR)).astype(np.float32)
    for block in (1, 63, 64, 65, 1_024, 8_192):
        with core_with_engine(library) as (core, engine):
            engine.publish_map(FOUR.segments())
            core.set(fallback=0, output_gain=-3.0)
            fill(engine, 0, 2 * BAR + 777)
            fill(engine, 3 * BAR + 200, 4 * BAR + 100)
            fill(engine, 4 * BAR + 1_000, 5 * BAR)
            outs.append(core.roll(-300, 5 * BAR, block, PLACE, inputs))
    assert np.isfinite(outs[0]).all()
    for other in outs[1:]:
        assert np.array_equal(outs[0], other)


def test_a_miss_fades_in_5_ms_and_comes_back_on_a_beat(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    hole, back = 2 * BAR + 500, 2 * BAR + 2_100
    fill(engine, 0, hole)
    fill(engine, back, 4 * BAR)
    out = core.roll(0, 3 * BAR, 100, PLACE)
    line = 2 * BAR + BEAT  # 4000 after the bar line
    gain = out[0] / expected(0, 3 * BAR)[0]
    assert (gain[: hole - FADE] == 1).all()
    assert (np.diff(gain[hole - FADE : hole]) <= 0).all() and 0 < gain[hole - 1] < 0.01
    assert (gain[hole : line - RISE + 1] == 0).all()
    assert (np.diff(gain[line - RISE : line]) >= 0).all() and 0.98 < gain[line - 1] < 1
    assert (gain[line:] == 1).all()
    found = engine.counters()
    assert (found.misses, found.missed_frames, found.last_miss_frame) == (1, line - RISE - hole, hole)
    assert found.played_frames == 3 * BAR - found.missed_frames
    assert core.get("misses") == 1


def test_a_start_into_a_gap_is_answered_on_a_quarter_of_a_beat(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    fill(engine, 2 * BAR + 2_100, 4 * BAR)
    out = core.roll(2 * BAR + 100, BAR, 100, PLACE)
    gain = out[0] / expected(2 * BAR + 100, BAR)[0]
    line = 3 * BEAT // 4 - 100  # 3000 after the bar line
    assert (gain[: line - RISE + 1] == 0).all() and (gain[line:] == 1).all()


def test_what_begins_at_a_bar_line_fades_in_from_there(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    fill(engine, BAR, 3 * BAR)
    out = core.roll(0, 2 * BAR, 128, PLACE)
    assert not out[:, : BAR + 1].any() and out[0, BAR + 1] != 0
    assert np.array_equal(out[:, BAR + RISE :], expected(BAR + RISE, BAR - RISE))


def test_playing_from_a_line_is_whole_and_from_elsewhere_fades_in(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    fill(engine, 0, 4 * BAR)
    assert np.array_equal(core.roll(BAR, 500, 50, PLACE), expected(BAR, 500))
    core.process(FOUR.told(0, playing=False), 100)
    out = core.roll(BAR + 77, 500, 50, PLACE)
    assert out[0, 0] == 0 and np.array_equal(out[:, FADE:], expected(BAR + 77 + FADE, 500 - FADE))


def test_a_locate_crosses_over_in_5_ms(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    fill(engine, 0, 4 * BAR)
    core.roll(0, 1_000, 100, PLACE)
    out = core.roll(2 * BAR + 333, 500, 100, PLACE)
    old, new = expected(1_000, FADE)[0], expected(2 * BAR + 333, FADE)[0]
    assert out[0, 0] == old[0]
    low, high = np.minimum(old, new), np.maximum(old, new)
    assert (out[0, :FADE] >= low - 1e-6).all() and (out[0, :FADE] <= high + 1e-6).all()
    assert np.array_equal(out[:, FADE:], expected(2 * BAR + 333 + FADE, 500 - FADE))
    assert engine.transport().jumps == 1  # type: ignore[union-attr]
    assert engine.counters().misses == 0


def test_a_stop_fades_and_is_silent(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    fill(engine, 0, 4 * BAR)
    core.roll(0, 1_000, 100, PLACE)
    out = core.process(FOUR.told(1_000, playing=False), 100)
    assert out[0, 0] == expected(1_000, 1)[0, 0] and not out[:, FADE:].any()
    assert not engine.transport().playing and engine.counters().missed_frames == 0  # type: ignore[union-attr]


def test_the_last_bar_repeats_6_db_quieter(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    core.set(fallback=0)
    end = 2 * BAR + 1_200
    fill(engine, 0, end)
    out = core.roll(0, 6 * BAR, 128, PLACE)
    start = end - FADE
    for turn in range(3):
        first, last = start + turn * BAR + FADE, start + (turn + 1) * BAR - FADE
        last_bar = expected(start - BAR + FADE, last - first)
        assert np.array_equal(out[:, first:last], last_bar * np.float32(0.5)), turn
    assert np.isfinite(out).all() and np.abs(out).max() <= 1


def test_less_than_a_bar_repeats_its_last_beat_and_less_than_that_nothing(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    core.set(fallback=0)
    fill(engine, 0, BEAT + 1_000)
    out = core.roll(0, 2 * BAR, 128, PLACE)
    start = BEAT + 1_000 - FADE
    again = expected(start - BEAT + FADE, BEAT - 2 * FADE) * np.float32(0.5)
    assert np.array_equal(out[:, start + FADE : start + BEAT - FADE], again)
    core.process(FOUR.told(0, playing=False), 100)
    out = core.roll(BEAT, 3_000, 128, PLACE)
    assert not out[:, 1_000:].any()


def test_a_repeat_ends_where_the_tempo_changes(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    core.set(fallback=0)
    fill(engine, 0, 2 * BAR)
    assert core.roll(0, 3 * BAR, 128, PLACE)[:, 2 * BAR + 500 :].any()
    slower = ExactMap.of(RATE, (100, 60, 4, 4))
    out = core.process(slower.told(3 * BAR), 400)
    assert not out[:, FADE:].any()


def test_the_input_stands_in(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    core.set(fallback=1, dry=0)
    fill(engine, 0, BAR)
    inputs = np.full((2, 2 * BAR), 0.125, np.float32)
    out = core.roll(0, 2 * BAR, 128, PLACE, inputs)
    assert np.array_equal(out[:, : BAR - FADE], expected(0, BAR - FADE))
    assert (out[:, BAR:] == 0.125).all()


def test_the_input_is_added_by_dry_and_scrubbed(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    fill(engine, 0, BAR)
    inputs = np.random.default_rng(0).standard_normal((2, 1_000)).astype(np.float32)
    assert np.array_equal(core.roll(0, 1_000, 64, PLACE, inputs), expected(0, 1_000) + inputs)
    bad = inputs.copy()
    bad[0, 5], bad[1, 6], bad[0, 7] = np.nan, np.inf, -np.inf
    out = core.process(FOUR.told(0, playing=False), 1_000, bad)
    clean = np.nan_to_num(bad, nan=0, posinf=0, neginf=0)
    assert np.array_equal(out[:, FADE:], clean[:, FADE:]) and np.isfinite(out).all()
    assert engine.counters().scrubbed_samples == 3


def test_numbers_that_are_none_in_the_cache_are_silence(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    broken = np.full((BAR, 2), 0.5, np.float32)
    broken[100:110, 0] = np.nan
    engine.write(0, broken)
    out = core.roll(0, 1_000, 64, PLACE)
    assert np.isfinite(out).all() and not out[0, 100:110].any() and (out[1] == 0.5).all()
    assert engine.counters().scrubbed_samples == 10


def test_the_gain_glides_and_0_db_is_exact(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    fill(engine, 0, 2 * BAR)
    core.roll(0, 500, 50, PLACE)
    core.set(output_gain=-60)
    out = core.roll(500, 1_000, 50, PLACE)
    gain = out[0] / expected(500, 1_000)[0]
    assert gain[0] == 1 and (np.diff(gain[: RISE + 1]) <= 1e-6).all() and not out[:, RISE:].any()
    core.set(output_gain=0)
    out = core.roll(1_500, 1_000, 50, PLACE)
    assert np.array_equal(out[:, RISE:], expected(1_500 + RISE, 1_000 - RISE))


def test_off_the_grid_nothing_of_the_cache_sounds(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    fill(engine, 0, 4 * BAR)
    core.roll(0, 1_000, 100, PLACE)
    out = core.process(FOUR.told(1_000, quarters=float(FOUR.place(1_000)[1]) + 3 / BEAT), 300)
    assert not out[:, FADE:].any()
    assert engine.counters().off_grid_blocks == 1 and engine.counters().misses == 1
    out = core.roll(1_300, 2 * BEAT, 100, PLACE)
    assert not out[:, : BEAT - RISE - 1_300].any()
    assert np.array_equal(out[:, BEAT - 1_300 :], expected(BEAT, 2 * BEAT - BEAT + 1_300))
    for change in ({"numerator": 3}, {"tempo": 121.0}, {"bar": 1.0}):
        before = engine.counters().off_grid_blocks
        core.process(FOUR.told(2 * BEAT + 1_300, **change), 300)
        assert engine.counters().off_grid_blocks == before + 1


def test_a_new_map_silences_what_was_rendered_for_the_old_one(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    fill(engine, 0, 4 * BAR)
    core.roll(0, 1_000, 100, PLACE)
    engine.publish_map(FOUR.segments())
    out = core.roll(1_000, 400, 100, PLACE)
    fade = out[0, :FADE] / expected(1_000, FADE)[0]
    assert fade[0] == 1 and (np.diff(fade) <= 0).all() and not out[:, FADE:].any()


def test_live_off_counts_no_misses_and_panic_is_silent_until_continue(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    core.set(live=0, fallback=0)
    fill(engine, 0, 4 * BAR)
    fill(engine, 6 * BAR, 8 * BAR)
    core.roll(3 * BAR, 2 * BAR, 100, PLACE)
    assert engine.counters().misses == 0
    core.set(live=1)
    core.roll(0, 1_000, 100, PLACE)
    core.set(panic=1)
    out = core.roll(1_000, BAR, 100, PLACE)
    assert not out[:, FADE:].any() and engine.counters().misses == 0
    core.set(panic=0)
    core.set(**{"continue": 1})
    out = core.roll(1_000 + BAR, BAR, 100, PLACE)
    assert np.array_equal(out[:, -1_000:], expected(2 * BAR, 1_000))
    knobs = engine.knobs()
    assert (knobs.continues, knobs.panics, knobs.live) == (1, 1, 1)
