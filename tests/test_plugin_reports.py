"""What the plugin tells the engine, whose cache it has, and what it does without one."""

from __future__ import annotations

import ctypes
import math
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from bridge.timeline.cache import EngineSide
from tests.plugin_helpers import (
    BAR,
    BEAT,
    FOUR,
    PLACE,
    RATE,
    Core,
    core_with_engine,
)


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
