"""The plugin's core: what is heard is the cache at the host's position, bit by bit; a miss is faded, counted."""

from __future__ import annotations

import ctypes
import math
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from bridge.timeline_cache import Counters, EngineSide
from tests.plugin_helpers import (
    FADE,
    LOOK,
    PARAMETERS,
    RATE,
    RISE,
    CHostTime,
    Core,
    ExactMap,
    Oracle,
    Planes,
    build,
    core_with_engine,
    fill,
    load_core,
    sound,
)
from tests.timeline_helpers import CPlace

FOUR = ExactMap.of(RATE, (100, 120, 4, 4))
BAR = 4 * RATE // 2
BEAT = RATE // 2
PLACE = CPlace(0, 0.0, 120.0, 4, 4)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    target = tmp_path_factory.mktemp("core") / "core.so"
    return load_core(build(target, "plugin_c_api.cpp", flags=["-fPIC", "-shared"]))


@pytest.fixture
def pair(library: ctypes.CDLL) -> Iterator[tuple[Core, EngineSide]]:
    with core_with_engine(library) as (core, engine):
        engine.publish_map(FOUR.segments())
        core.set(fallback=2)
        yield core, engine


def expected(first: int, frames: int) -> Planes:
    return sound(np.arange(first, first + frames))


def counters(engine: EngineSide) -> Counters:
    return engine.counters()


def test_the_parameters_are_numbered_as_the_tests_think(library: ctypes.CDLL) -> None:
    assert [library.pl_parameter(name.encode()) for name in PARAMETERS] == list(range(len(PARAMETERS)))


@pytest.mark.parametrize("block", [1, 63, 64, 65, 1_025, 8_192])
def test_what_is_played_is_the_cache_in_blocks_of_any_size(pair: tuple[Core, EngineSide], block: int) -> None:
    core, engine = pair
    fill(engine, 0, 3 * BAR)
    out = core.roll(0, 2 * BAR, block, PLACE)
    assert np.array_equal(out, expected(0, 2 * BAR))
    found = counters(engine)
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
    found = counters(engine)
    assert (found.misses, found.missed_frames, found.last_miss_frame) == (1, line - RISE - hole, hole)
    assert found.played_frames == 3 * BAR - found.missed_frames
    assert core.get("misses") == 1


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
    assert counters(engine).misses == 0


def test_a_stop_fades_and_is_silent(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    fill(engine, 0, 4 * BAR)
    core.roll(0, 1_000, 100, PLACE)
    out = core.process(FOUR.told(1_000, playing=False), 100)
    assert out[0, 0] == expected(1_000, 1)[0, 0] and not out[:, FADE:].any()
    assert not engine.transport().playing and counters(engine).missed_frames == 0  # type: ignore[union-attr]


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
    assert counters(engine).scrubbed_samples == 3


def test_numbers_that_are_none_in_the_cache_are_silence(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    broken = np.full((BAR, 2), 0.5, np.float32)
    broken[100:110, 0] = np.nan
    engine.write(0, broken)
    out = core.roll(0, 1_000, 64, PLACE)
    assert np.isfinite(out).all() and not out[0, 100:110].any() and (out[1] == 0.5).all()
    assert counters(engine).scrubbed_samples == 10


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
    assert counters(engine).off_grid_blocks == 1 and counters(engine).misses == 1
    out = core.roll(1_300, 2 * BEAT, 100, PLACE)
    assert not out[:, : BEAT - RISE - 1_300].any()
    assert np.array_equal(out[:, BEAT - 1_300 :], expected(BEAT, 2 * BEAT - BEAT + 1_300))
    for change in ({"numerator": 3}, {"tempo": 121.0}, {"bar": 1.0}):
        before = counters(engine).off_grid_blocks
        core.process(FOUR.told(2 * BEAT + 1_300, **change), 300)
        assert counters(engine).off_grid_blocks == before + 1


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
    assert counters(engine).misses == 0
    core.set(live=1)
    core.roll(0, 1_000, 100, PLACE)
    core.set(panic=1)
    out = core.roll(1_000, BAR, 100, PLACE)
    assert not out[:, FADE:].any() and counters(engine).misses == 0
    core.set(panic=0)
    core.set(**{"continue": 1})
    out = core.roll(1_000 + BAR, BAR, 100, PLACE)
    assert np.array_equal(out[:, -1_000:], expected(2 * BAR, 1_000))
    knobs = engine.knobs()
    assert (knobs.continues, knobs.panics, knobs.live) == (1, 1, 1)


def test_the_input_is_captured_by_project_frame(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    inputs = np.random.default_rng(0).standard_normal((2, 3_000)).astype(np.float32)
    core.roll(-100, 3_000, 77, PLACE, inputs)
    audio, held = engine.context(-100, 3_200)
    assert not held[:100].any() and held[100:3_000].all() and not held[3_000:].any()
    assert np.array_equal(audio[100:3_000].T, inputs[:, 100:])


def test_the_transport_and_the_knobs_are_reported(pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    core.set(intensity=-20.0, blend=0.25, guidance=3.0, look_ahead=4, hold=2)
    core.process(FOUR.told(BAR + 10, loop_first=0.0, loop_last=8.0, quarters=4.0 + 10 / BEAT, line=4.0), 64)
    told = engine.transport()
    assert told is not None and (told.frame, told.bar, told.block_frames, told.blocks) == (BAR + 10, 1, 64, 1)
    assert told.musical and told.playing and told.looping and told.quarter == pytest.approx(10 / BEAT)
    assert (told.loop_first, told.loop_last) == (0, 2 * BAR)
    knobs = engine.knobs()
    assert (knobs.intensity_db, knobs.blend, knobs.guidance, knobs.look_ahead_bars) == (-20.0, 0.25, 3.0, 4.0)
    assert knobs.hold == 2 and knobs.frame == BAR + 10
    changes = knobs.changes
    core.process(FOUR.told(BAR + 74), 64)
    assert engine.knobs().changes == changes
    core.process(FOUR.told(BAR + 138, tempo=math.nan), 64)
    assert not engine.transport().musical  # type: ignore[union-attr]


def test_notes_carry_the_project_frame(library: ctypes.CDLL, pair: tuple[Core, EngineSide]) -> None:
    core, engine = pair
    core.process(FOUR.told(BAR), 64)
    library.pl_note(core.core, 17, b"\x90\x40\x7f", 3, 5)
    note = engine.notes()[0]
    assert (note.frame, note.monotonic_ns, note.data[:3]) == (BAR + 17, 5, b"\x90\x40\x7f")


def test_a_taken_instance_id_gets_a_new_one_and_words_are_told(library: ctypes.CDLL) -> None:
    with core_with_engine(library) as (core, engine):
        library.pl_set_prompts(core.core, b"warm house", "später".encode(), 42)
        words = engine.words()
        assert (words.prompt_a, words.prompt_b, words.seed) == ("warm house", "später", 42)
        twin = Core(library, core.folder)
        try:
            name = core.instance
            library.pl_set_instance(twin.core, name.encode())
            twin.process(FOUR.told(0), 64)
            assert twin.instance != name and twin.path.exists() and core.path.exists()
            second = EngineSide.attach(twin.path)
            library.pl_set_instance(twin.core, b"mine")
            assert not second.alive and len(list(core.folder.iterdir())) == 2, "the old one is gone at once"
            second.close()
            library.pl_set_instance(twin.core, b"no/good")
            twin.process(FOUR.told(64), 64)
            twin.process(FOUR.told(128), 64)
            assert twin.instance == "mine" and twin.path.exists()
        finally:
            twin.delete()
        assert [path.name for path in core.folder.iterdir()] == [f"attacca-{core.instance}"]


def test_a_cache_changes_hands_while_the_audio_thread_plays(library: ctypes.CDLL) -> None:
    with core_with_engine(library) as (core, _):
        over = threading.Event()
        blocks = 0

        def play() -> None:
            nonlocal blocks
            while not over.is_set():
                assert np.isfinite(core.process(FOUR.told(blocks * 64), 64)).all()
                blocks += 1

        player = threading.Thread(target=play)
        player.start()
        for turn in range(60):
            library.pl_set_instance(core.core, f"name-{turn}".encode())
            library.pl_set_prompts(core.core, b"a" * turn, b"b", turn)
            time.sleep(0.002)
        over.set()
        player.join(20)
        assert blocks > 60 and core.instance == "name-59"
        assert [path.name for path in core.folder.iterdir()] == ["attacca-name-59"]
        core.process(FOUR.told(0), 64)
        again = EngineSide.attach(core.path)
        assert again.alive and again.words().seed == 59 and again.knobs().guidance == 2
        again.close()


def test_another_rate_is_another_cache_and_the_same_rate_keeps_it(library: ctypes.CDLL) -> None:
    with core_with_engine(library) as (core, engine):
        name = core.instance
        assert core.open(RATE) == "" and engine.alive
        assert core.open(2 * RATE) == "" and core.instance == name
        assert not engine.alive
        again = EngineSide.attach(core.path)
        assert again.rate == 2 * RATE
        again.close()


def test_without_a_cache_the_input_passes(library: ctypes.CDLL, tmp_path: Path) -> None:
    core = library.pl_new()
    try:
        text = ctypes.create_string_buffer(400)
        assert library.pl_open(core, 48_000.0, 0.5, str(tmp_path / "nowhere").encode(), text, 400) == 1
        assert text.value
        inputs = np.random.default_rng(0).standard_normal((2, 300)).astype(np.float32)
        out = np.zeros_like(inputs)
        told = FOUR.told(0)
        library.pl_process(core, ctypes.byref(told), inputs.ctypes.data, out.ctypes.data, 300, 0)
        assert np.array_equal(out, inputs)
        library.pl_process(core, ctypes.byref(told), out.ctypes.data, out.ctypes.data, 300, 0)
        assert np.array_equal(out, inputs), "in place"
    finally:
        library.pl_delete(core)


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
    assert counters(engine).torn_slots > 0 and counters(engine).misses == 1


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
        oracle = Oracle(grid.lines(last), held)
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
        assert counters(engine).off_grid_blocks == off_total


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
