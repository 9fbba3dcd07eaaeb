"""The timeline cache in Python: slots, generations, pages, blocks, and writers that die in the middle."""

from __future__ import annotations

import math
import os
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.timeline import layout
from bridge.timeline.cache import (
    Counters,
    EngineSide,
    HeardNote,
    Knobs,
    PluginSide,
    Position,
    Segment,
    Words,
    position_at,
)
from engine.errors import BadRequest
from tests.timeline_helpers import (
    END,
    FOUR_FOUR,
    PAGE,
    PLUGIN,
    SLOT,
    SlotModel,
    memory_of,
    noise,
    pages_held,
    reads_while_hammered,
    shm_folder,
    small_cache,
    some_transport,
)

# ---- layout ------------------------------------------------------------------------------------------------------


def test_the_header_for_cpp_is_current() -> None:
    assert (PLUGIN / "timeline_layout.hpp").read_text() == layout.header_text()


def test_regions_do_not_overlap_and_atomics_are_aligned() -> None:
    for pages in (1, 3, 879):
        found = list(layout.regions(pages).values())
        for one, after in pairwise(found):
            assert one.offset + one.count * one.itemsize <= after.offset
            assert after.offset % 64 == 0
        assert all(layout.record(region.fields).itemsize % 8 == 0 for region in found if region.fields)


# ---- slots -------------------------------------------------------------------------------------------------------


def test_what_is_written_is_played_to_the_bit(plugin: PluginSide, engine: EngineSide) -> None:
    audio = noise(20_000)
    assert engine.write(777, audio) == 20_000
    for read in (plugin.play, engine.read):
        sound, valid = read(700, 20_200)
        assert np.array_equal(sound[77:20_077], audio) and not sound[:77].any() and not sound[20_077:].any()
        assert valid.tolist() == [False] * 77 + [True] * 20_000 + [False] * 123


SPANS = st.lists(st.tuples(st.integers(-600, 3 * PAGE), st.integers(0, 1_500)), min_size=1, max_size=12)


@settings(max_examples=60)
@given(spans=SPANS)
def test_any_writes_leave_what_the_slots_model_says(spans: list[tuple[int, int]]) -> None:
    with shm_folder() as folder:
        plugin = small_cache(folder)
        engine = EngineSide.attach(plugin.path)
        engine.publish_map([FOUR_FOUR])
        held, heard = SlotModel(4 * PAGE), SlotModel(4 * PAGE)
        for number, (first, frames) in enumerate(spans):
            audio = noise(frames, number)
            assert engine.write(first, audio) == max(0, min(frames, first + frames))
            held.write(first, audio)
            plugin.capture(first, audio)
            heard.write(first, audio)
        for (sound, valid), model in ((plugin.play(-50, 4 * PAGE), held), (engine.context(-50, 4 * PAGE), heard)):
            assert not valid[:50].any()
            assert np.array_equal(valid[50:], model.valid[:-50])
            assert np.array_equal(sound[50:], model.audio[:-50])
        engine.close()
        plugin.close()


def test_half_a_slot_grows_and_a_hole_replaces(plugin: PluginSide, engine: EngineSide) -> None:
    engine.write(SLOT + 10, noise(20))
    engine.write(SLOT + 30, noise(20, 1))
    assert np.flatnonzero(plugin.play(0, 3 * SLOT)[1]).tolist() == list(range(SLOT + 10, SLOT + 50))
    engine.write(SLOT + 60, noise(5, 2))
    assert np.flatnonzero(plugin.play(0, 3 * SLOT)[1]).tolist() == list(range(SLOT + 60, SLOT + 65))


@pytest.mark.parametrize("first", [-(2**62), -300, END - 100, END, 2**62])
def test_frames_without_a_slot_are_left_out(plugin: PluginSide, engine: EngineSide, first: int) -> None:
    audio = noise(300)
    inside = 100 if first == END - 100 else 0
    assert engine.write(first, audio) == inside
    plugin.capture(first, audio)
    for sound, valid in (plugin.play(first, 300), engine.read(first, 300), engine.context(first, 300)):
        assert valid.sum() == inside and np.array_equal(sound[valid], audio[:inside])
    assert plugin.play(0, 0)[0].shape == (0, 2) and plugin.play(5, -3)[1].shape == (0,)


def test_audio_of_another_shape_is_a_bug(engine: EngineSide) -> None:
    with pytest.raises(ValueError, match=r"\[frames, 2\]"):
        engine.write(0, np.zeros((10, 1), np.float32))


def test_the_context_ring_keeps_the_newest(plugin: PluginSide, engine: EngineSide) -> None:
    ring = layout.CONTEXT_SLOTS * SLOT
    audio = noise(ring + 5_000)
    plugin.capture(1_000, audio)
    sound, valid = engine.context(1_000, len(audio))
    kept = ring - SLOT
    assert valid.sum() == kept and np.array_equal(sound[-kept:], audio[-kept:])
    plugin.capture(1_000, audio[:600])
    assert engine.context(1_000, 600)[1].all()


# ---- generations -------------------------------------------------------------------------------------------------


def test_a_new_map_invalidates_and_a_locate_does_not(plugin: PluginSide, engine: EngineSide) -> None:
    engine.write(0, noise(5_000))
    plugin.report(some_transport(48_000, jumps=3))
    plugin.report(some_transport(0, jumps=4))
    assert plugin.play(0, 5_000)[1].all()
    first, later = FOUR_FOUR, Segment(9_000, 0.25, 2, 0.0, 93.0, 7, 8)
    assert engine.publish_map([first, later]) == 2 == engine.generation
    assert plugin.segments() == (2, [first, later])
    assert not plugin.play(0, 5_000)[1].any() and not engine.read(0, 5_000)[1].any()
    engine.write(0, noise(100, 5))
    assert plugin.play(0, 300)[1].sum() == 100


def test_audio_rendered_for_an_older_map_is_not_stored(plugin: PluginSide, engine: EngineSide) -> None:
    old = engine.generation
    new = engine.publish_map([FOUR_FOUR])
    assert engine.write(0, noise(100), generation=old) == 0
    assert not plugin.play(0, 100)[1].any()
    assert engine.write(0, noise(100), generation=new) == 100


def test_a_map_has_bounds(engine: EngineSide) -> None:
    steps = [Segment(100 * n, 0.0, n, 0.0, 120.0 + n, 4, 4) for n in range(layout.MAX_SEGMENTS + 1)]
    with pytest.raises(BadRequest, match="513 segments: use at most 512"):
        engine.publish_map(steps)
    with pytest.raises(BadRequest, match="in order"):
        engine.publish_map(steps[1::-1])
    assert engine.publish_map(steps[:-1]) == 2


def test_a_frame_has_a_place_in_the_map() -> None:
    steps = [Segment(100, 0.5, 4, 1.0, 120.0, 4, 4), Segment(48_100, 0.5, 5, 0.0, 60.0, 7, 8)]
    assert position_at(steps, 48_000, 100) is None
    assert position_at(steps, 48_000, 24_101) == Position(4, 1.0 + 24_000.5 / 24_000, 120.0, 4, 4)
    later = position_at(steps, 48_000, 48_101 + 4 * 48_000)
    assert later is not None and later.bar == 6
    assert later.quarter == pytest.approx(0.5 + 0.5 / 48_000)


# ---- pages -------------------------------------------------------------------------------------------------------


def test_the_oldest_unneeded_page_goes_and_protected_ones_stay(engine: EngineSide) -> None:
    for page in range(4):
        engine.write(page * PAGE, noise(PAGE, page))
    engine.protect([(0, 10), (2 * PAGE, 2 * PAGE)])
    engine.write(4 * PAGE, noise(300))
    assert pages_held(engine) == [0, 2, 3, 4]
    engine.write(2 * PAGE + 5, noise(10))  # written again: the youngest
    engine.write(5 * PAGE, noise(300))
    assert pages_held(engine) == [0, 2, 4, 5]
    assert np.array_equal(engine.read(0, PAGE)[0], noise(PAGE, 0))


def test_nothing_is_evicted_where_all_is_protected(engine: EngineSide) -> None:
    engine.protect([(0, 4 * PAGE)])
    assert engine.write(0, noise(5 * PAGE)) == 4 * PAGE
    assert pages_held(engine) == [0, 1, 2, 3]
    engine.protect([])
    assert engine.write(4 * PAGE, noise(PAGE)) == PAGE
    assert pages_held(engine) == [1, 2, 3, 4]


def test_pages_of_an_older_map_go_first(engine: EngineSide) -> None:
    engine.write(0, noise(4 * PAGE))
    engine.publish_map([FOUR_FOUR])
    engine.write(0, noise(10))
    engine.protect([(0, 4 * PAGE)])
    engine.write(9 * PAGE, noise(3 * PAGE))
    assert pages_held(engine) == [0, 9, 10, 11]


def test_a_page_that_comes_back_comes_back_empty(folder: Path) -> None:
    plugin = small_cache(folder, pages=1)
    engine = EngineSide.attach(plugin.path)
    for page, frames in ((0, PAGE), (1, 300), (0, 10)):
        engine.write(page * PAGE, noise(frames))
    assert plugin.play(0, PAGE)[1].sum() == 10 and not plugin.play(PAGE, PAGE)[1].any()
    engine.close()
    plugin.close()


@settings(max_examples=40)
@given(
    pages=st.lists(st.integers(0, 19), min_size=1, max_size=40),
    spared=st.lists(st.integers(0, 19), max_size=3),
    maps=st.sets(st.integers(0, 39), max_size=2),
)
def test_eviction_is_bounded_and_spares_what_is_protected(pages: list[int], spared: list[int], maps: set[int]) -> None:
    with shm_folder() as folder:
        plugin = small_cache(folder)
        engine = EngineSide.attach(plugin.path)
        engine.protect([(page * PAGE, page * PAGE + 1) for page in spared])
        written: dict[int, int] = {}
        for number, page in enumerate(pages):
            if number in maps:
                engine.publish_map([FOUR_FOUR])
                written.clear()
            engine.write(page * PAGE + 3, noise(700, number))
            written[page] = number
            held = pages_held(engine)
            assert page in held and len(held) <= 4
            assert all(other in held for other in spared if other in written)
            for other in held:
                assert np.array_equal(plugin.play(other * PAGE + 3, 700)[0], noise(700, written[other]))
        table = np.frombuffer(
            plugin.path.read_bytes(), "<u4", layout.PROJECT_PAGES, layout.regions(4)["page_table"].offset
        )
        entries = table[table > 0]
        assert len(set(entries.tolist())) == len(entries) <= 4
        assert plugin.path.stat().st_size == layout.total_bytes(4)
        engine.close()
        plugin.close()


# ---- blocks ------------------------------------------------------------------------------------------------------


def test_blocks_arrive_as_they_were_sent(plugin: PluginSide, engine: EngineSide) -> None:
    assert engine.transport() is None
    plugin.report(some_transport(-12, looping=True, playing=False))
    assert engine.transport() == some_transport(-12, looping=True, playing=False)
    plugin.set_knobs(intensity_db=-20.5, hold=2, monotonic_ns=5)
    plugin.set_knobs(continues=1, monotonic_ns=6)
    assert engine.knobs() == Knobs(monotonic_ns=6, intensity_db=-20.5, hold=2, continues=1, changes=3)
    plugin.set_words(seed=-4, prompt_a="große Trommel", prompt_b="b", title="Lead")
    assert engine.words() == Words(-4, 2, "große Trommel", "b", "Lead")
    plugin.count(blocks=2, missed_frames=5, last_miss_frame=77)
    plugin.count(blocks=1)
    assert engine.counters() == Counters(blocks=3, missed_frames=5, last_miss_frame=77) == plugin.counters()
    assert plugin.status().heartbeat_ns == 0
    engine.publish_status(state=layout.READY, bars_ready=1.5, committed_frame=-3)
    engine.publish_status(renders=4)
    status = plugin.status()
    assert (status.state, status.bars_ready, status.committed_frame, status.renders) == (layout.READY, 1.5, -3, 4)
    assert status.pid == os.getpid() and status.heartbeat_ns > 0


def test_long_words_are_cut_between_characters(plugin: PluginSide, engine: EngineSide) -> None:
    plugin.set_words(prompt_a="a" + "ü" * 2_000, title="\0x" * 100)
    words = engine.words()
    assert words.prompt_a == "a" + "ü" * 511
    assert words.title == "x" * 63


@pytest.mark.parametrize(
    "change", [{"tempo": math.nan}, {"tempo": 0.0}, {"tempo": math.inf}, {"quarter": math.nan}, {"numerator": 0}]
)
def test_a_transport_that_makes_no_sense_is_not_musical(
    plugin: PluginSide, engine: EngineSide, change: dict[str, float]
) -> None:
    plugin.report(some_transport(**change))
    transport = engine.transport()
    assert transport is not None and not transport.musical and transport.playing


def test_knobs_are_bounded_when_they_are_read(plugin: PluginSide, engine: EngineSide) -> None:
    plugin.set_knobs(intensity_db=-1e9, blend=7.0, guidance=math.nan, look_ahead_bars=math.inf, live=5, hold=9_999)
    knobs = engine.knobs()
    assert (knobs.intensity_db, knobs.blend, knobs.guidance) == (-60.0, 1.0, Knobs().guidance)
    assert (knobs.look_ahead_bars, knobs.live, knobs.hold) == (Knobs().look_ahead_bars, 1, 64)


def test_notes_arrive_in_order_and_too_many_are_counted(plugin: PluginSide, engine: EngineSide) -> None:
    assert engine.notes() == []
    for turn in range(3):
        sent = [HeardNote(turn * 10_000 + n, n, bytes([0x90, n % 128, 0])) for n in range(layout.MAX_NOTES)]
        assert all(plugin.push_note(note.frame, note.data, note.monotonic_ns) for note in sent)
        for _ in range(turn + 1):
            assert not plugin.push_note(1, b"\x80\x00\x00", 1)
        assert engine.notes() == sent
    assert engine.counters().notes_dropped == 6
    assert plugin.push_note(1, b"\xf8", 1)
    assert engine.notes() == [HeardNote(1, 1, b"\xf8")]
    with pytest.raises(BadRequest, match="5 bytes"):
        plugin.push_note(1, bytes(5), 1)


def test_a_ring_gone_mad_gives_no_more_than_it_holds(plugin: PluginSide, engine: EngineSide) -> None:
    memory_of(plugin)["notes"]["written"][0] = 2**40
    assert len(engine.notes()) == layout.MAX_NOTES
    assert engine.notes() == []


# ---- writers that die in the middle ------------------------------------------------------------------------------


def test_a_block_whose_writer_hangs_is_bounded(plugin: PluginSide, engine: EngineSide) -> None:
    plugin.report(some_transport(5))
    plugin.set_knobs(blend=0.5)
    plugin.set_words(title="before")
    engine.publish_status(renders=3)
    good = (engine.knobs(), engine.words(), plugin.status())
    for name in ("transport", "knobs", "words", "engine"):
        memory_of(plugin)[name]["seq"][0] |= np.uint64(1)
    start_s = time.monotonic()
    assert engine.transport() is None
    assert (engine.knobs(), engine.words(), plugin.status()) == good
    assert time.monotonic() - start_s < 20.0
    plugin.report(some_transport(6))
    plugin.set_knobs(blend=0.25)
    engine.publish_status(renders=4)
    transport = engine.transport()
    assert transport is not None and transport.frame == 6
    assert engine.knobs().blend == 0.25 and plugin.status().renders == 4


def test_a_slot_whose_writer_died_is_missing_until_it_is_written_again(plugin: PluginSide, engine: EngineSide) -> None:
    engine.write(0, noise(4 * SLOT))
    memory_of(plugin)["tag"]["seq"][1] |= np.uint64(1)
    start_s = time.monotonic()
    assert np.flatnonzero(~plugin.play(0, 4 * SLOT)[1]).tolist() == list(range(SLOT, 2 * SLOT))
    assert time.monotonic() - start_s < 20.0
    engine.write(SLOT + 5, noise(10))
    assert plugin.play(SLOT, SLOT)[1].sum() == 10  # what a torn slot held is not trusted


def test_a_map_whose_writer_died_stays_and_the_next_engine_mends_it(plugin: PluginSide, engine: EngineSide) -> None:
    engine.write(0, noise(100))
    before = plugin.segments()
    memory_of(plugin)["map"]["seq"][0] |= np.uint64(1)
    assert plugin.segments() == before
    assert plugin.play(0, 100)[1].all()
    engine.close()
    again = EngineSide.attach(plugin.path)
    assert plugin.segments() == (2, [])
    again.close()


def test_no_slot_is_ever_torn_or_wrong_under_a_busy_engine(plugin: PluginSide) -> None:
    reads, newest = reads_while_hammered(plugin.path, plugin.play)
    assert reads > 200 and newest > 100
