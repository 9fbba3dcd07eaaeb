"""The C++ twin of the timeline cache against the Python one: same layout, same bits both ways, same manners."""

from __future__ import annotations

import ctypes
import math
import shutil
from collections.abc import Iterator
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
    Segment,
    Words,
    discover,
    position_at,
    reclaim,
)
from engine.errors import Unavailable
from tests.timeline_helpers import (
    END,
    FOUR_FOUR,
    PAGE,
    SLOT,
    CPlace,
    SlotModel,
    Twin,
    child,
    compile_twin,
    load_twin,
    memory_of,
    noise,
    reads_of_a_busy_plugin,
    reads_while_hammered,
    shm_folder,
    small_cache,
    small_tmpfs,
    some_transport,
)
from tests.waiting import wait

MINUTES = 4 * PAGE / 8_000 / 60
CREATOR = """
import sys, time; from pathlib import Path; from tests.timeline_helpers import Twin, load_twin
twin = Twin(load_twin(Path(sys.argv[1]))); assert twin.create("cpp", 8000, 0.2, Path(sys.argv[2])) == ""
print("ready", flush=True); time.sleep(100)
"""


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("g++") is None:
        pytest.skip("no g++: apt install g++")
    return compile_twin(tmp_path_factory.mktemp("twin") / "libtimeline.so")


@pytest.fixture
def twin(library: Path) -> Iterator[Twin]:
    side = Twin(load_twin(library))
    yield side
    side.delete()


@pytest.fixture
def made(twin: Twin, folder: Path) -> Twin:
    """A twin that has made a cache of four pages."""
    assert twin.create("cpp", 8_000, MINUTES, folder) == ""
    return twin


@pytest.fixture
def engine(made: Twin) -> Iterator[EngineSide]:
    side = EngineSide.attach(made.path)
    side.publish_map([FOUR_FOUR])
    yield side
    side.close()


# ---- layout ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pages", [1, 2, 3, 129, 879, layout.PROJECT_PAGES])
def test_both_sides_place_every_region_alike(twin: Twin, pages: int) -> None:
    found = np.zeros(16, np.uint64)
    twin.c.tc_offsets(pages, found.ctypes.data)
    regions = layout.regions(pages)
    names = [line.split()[1][:-1] for line in layout.header_text().split("struct Offsets {\n")[1].splitlines()[:15]]
    assert dict(zip(names, found.tolist(), strict=False)) == {name: region.offset for name, region in regions.items()}
    assert found[15] == twin.c.tc_total_bytes(pages) == layout.total_bytes(pages)
    assert twin.c.tc_version() == layout.VERSION


@given(minutes=st.floats(0.01, 360.0), rate=st.integers(8_000, 192_000))
def test_both_sides_count_pages_alike(library: Path, minutes: float, rate: int) -> None:
    found = load_twin(library).tc_pages_for(minutes, rate)
    assert abs(found - min(layout.pages_for(minutes, rate), layout.PROJECT_PAGES)) <= (minutes * 60 * rate % 1 == 0.5)


# ---- audio, both ways --------------------------------------------------------------------------------------------


SPANS = st.lists(st.tuples(st.integers(-600, 3 * PAGE), st.integers(1, 1_500)), min_size=1, max_size=10)


@settings(max_examples=60)
@given(spans=SPANS, look=st.tuples(st.integers(-300, 3 * PAGE), st.integers(0, 3_000)))
def test_any_span_crosses_to_the_bit(library: Path, spans: list[tuple[int, int]], look: tuple[int, int]) -> None:
    with shm_folder() as folder:
        twin = Twin(load_twin(library))
        assert twin.create("cpp", 8_000, MINUTES, folder) == ""
        engine = EngineSide.attach(twin.path)
        engine.publish_map([FOUR_FOUR])
        model = SlotModel(4 * PAGE)
        for number, (first, frames) in enumerate(spans):
            audio = noise(frames, number)
            engine.write(first, audio)
            twin.capture(first, audio)
            model.write(first, audio)
        for first, frames in ((0, 4 * PAGE), look, (spans[0][0], 128)):
            before = max(0, min(-first, frames))
            want = slice(max(0, first), max(0, first + frames))
            sound, valid, found = twin.read(first, frames)
            context, known = engine.context(first, frames)
            for heard, mask in ((sound, valid), (context, known)):
                assert not mask[:before].any() and not heard[:before].any()
                assert np.array_equal(mask[before:], model.valid[want])
                assert np.array_equal(heard[before:], np.where(mask[before:, None], model.audio[want], 0))
            assert found.valid == valid.sum() and found.torn == 0
            assert found.leading == (frames if valid.all() else int(valid.argmin()))
        engine.close()
        twin.delete()


@pytest.mark.parametrize("first", [-(2**63), -300, END - 100, END, 2**63 - 200])
def test_frames_without_a_slot_are_silent(made: Twin, engine: EngineSide, first: int) -> None:
    inside = 100 if first == END - 100 else 0
    if abs(first) < 2**62:
        engine.write(first, noise(300))
        made.capture(first, noise(300))
        assert engine.context(first, 300)[1].sum() == inside
    sound, valid, found = made.read(first, 150)
    assert valid.sum() == found.valid == inside and not sound[inside:].any()


def test_a_new_map_reaches_the_plugin_and_invalidates(made: Twin, engine: EngineSide) -> None:
    engine.write(0, noise(1_000))
    assert made.read(0, 1_000)[1].all()
    steps = [Segment(100 * n, 0.5, n, 0.25, 120.0 + n, 4, 4) for n in range(layout.MAX_SEGMENTS)]
    engine.publish_map(steps)
    assert made.read(0, 1_000, refresh=False)[1].all()  # this block goes on with the map that it began with
    assert made.c.tc_refresh_map(made.cache) == 1 and made.c.tc_refresh_map(made.cache) == 0
    assert not made.read(0, 1_000)[1].any()
    assert made.c.tc_generation(made.cache) == 2
    assert made.segments() == [tuple(vars(step).values()) for step in steps]


STEPS = st.lists(
    st.tuples(
        st.integers(1, 200_000), st.floats(0, 0.999, allow_subnormal=False), st.integers(0, 50),
        st.floats(0, 3, allow_subnormal=False), st.floats(20, 400), st.sampled_from([(4, 4), (7, 8), (5, 16), (1, 1)]),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


@settings(max_examples=60)
@given(steps=STEPS, frames=st.lists(st.integers(-1_000, 2_000_000), min_size=1, max_size=8))
def test_both_sides_find_the_same_place(library: Path, steps: list[tuple], frames: list[int]) -> None:
    at, segments = -1, []
    for gap, fraction, bar, quarter, tempo, meter in steps:
        at += gap
        segments.append(Segment(at, fraction, bar, quarter, tempo, *meter))
    with shm_folder() as folder:
        twin = Twin(load_twin(library))
        assert twin.create("cpp", 8_000, MINUTES, folder) == ""
        engine = EngineSide.attach(twin.path)
        engine.publish_map(segments)
        twin.c.tc_refresh_map(twin.cache)
        for frame in frames:
            ours, theirs = position_at(segments, 8_000, frame), CPlace()
            found = twin.c.tc_position_at(twin.cache, frame, ctypes.byref(theirs))
            assert bool(found) == (ours is not None)
            if ours is not None:
                bar_quarters = ours.numerator * 4 / ours.denominator
                apart = (theirs.bar - ours.bar) * bar_quarters + theirs.quarter - ours.quarter
                assert abs(apart) < 1e-6
                assert (theirs.tempo, theirs.numerator, theirs.denominator) == (
                    ours.tempo, ours.numerator, ours.denominator,
                )  # fmt: skip
        engine.close()
        twin.delete()


# ---- blocks ------------------------------------------------------------------------------------------------------


def test_the_engine_reads_what_the_plugin_reports(made: Twin, engine: EngineSide) -> None:
    assert engine.transport() is None and engine.knobs() == Knobs(changes=1) and engine.words() == Words(changes=1)
    flags = layout.PLAYING | layout.MUSICAL
    made.put("tc_report", "transport", (5, 7, flags, 128, 3, 1.25, 123.456, 7, 8, 0, 0, 2, 99))
    assert engine.transport() == some_transport(5)
    made.put("tc_set_knobs", "knobs", (1, 2, -20.0, 0.5, 2.0, 4.0, 1, 3, 7, 8, 0))
    assert engine.knobs() == Knobs(1, 2, -20.0, 0.5, 2.0, 4.0, 1, 3, 7, 8, changes=2)
    made.c.tc_set_words(made.cache, -9, ("a" + "ü" * 2_000).encode(), "große".encode(), b"t" * 100)
    assert engine.words() == Words(-9, 2, "a" + "ü" * 511, "große", "t" * 63)
    made.c.tc_count_miss(made.cache, -44)
    made.c.tc_count_miss(made.cache, 45)
    assert engine.counters() == Counters(misses=2, last_miss_frame=45)


def test_notes_cross_in_order_and_too_many_are_counted(made: Twin, engine: EngineSide) -> None:
    for turn in range(3):
        sent = [HeardNote(n, turn, bytes([0x90, n % 128, 0])) for n in range(layout.MAX_NOTES)]
        assert all(made.c.tc_push_note(made.cache, n.frame, n.data, 3, n.monotonic_ns) for n in sent)
        assert made.c.tc_push_note(made.cache, 0, b"\x90\0\0", 3, 0) == 0
        assert engine.notes() == sent
    assert engine.counters().notes_dropped == 3
    assert made.c.tc_push_note(made.cache, 0, bytes(5), 5, 0) == 0


def test_the_plugin_reads_the_status(made: Twin, engine: EngineSide) -> None:
    block = np.zeros(1, layout.record(layout.ENGINE))
    assert made.c.tc_status(made.cache, block.ctypes.data) == 0
    engine.publish_status(state=layout.READY, bars_ready=2.5, committed_frame=-7)
    assert made.c.tc_status(made.cache, block.ctypes.data) == 1
    assert (block["state"][0], block["bars_ready"][0], block["committed_frame"][0]) == (layout.READY, 2.5, -7)
    engine_memory = memory_of(engine)["engine"]
    engine_memory["seq"][0] |= np.uint64(1)
    engine_memory["state"][0] = 77
    assert made.c.tc_status(made.cache, block.ctypes.data) == 0 and block["state"][0] == layout.READY


# ---- writers that die in the middle ------------------------------------------------------------------------------


def test_a_torn_slot_is_missing_and_a_torn_map_stays(made: Twin, engine: EngineSide) -> None:
    engine.write(0, noise(4 * SLOT))
    assert made.read(0, 4 * SLOT)[2].leading == 4 * SLOT
    memory_of(engine)["tag"]["seq"][1] |= np.uint64(1)
    memory_of(engine)["map"]["seq"][0] |= np.uint64(1)
    sound, valid, found = made.read(0, 4 * SLOT)
    assert (found.leading, found.valid, found.torn) == (SLOT, 3 * SLOT, 1)
    assert not sound[SLOT : 2 * SLOT].any() and valid[2 * SLOT :].all()
    engine.close()
    again = EngineSide.attach(made.path)  # mends the map: a new generation without segments
    assert not made.read(0, 4 * SLOT)[1].any() and made.c.tc_generation(made.cache) == 2
    again.close()


def test_no_slot_is_ever_torn_or_wrong_under_a_busy_engine(made: Twin) -> None:
    reads, newest = reads_while_hammered(made.path, lambda first, frames: made.read(first, frames)[:2])
    assert reads > 200 and newest > 100


def test_context_and_transport_are_whole_under_a_busy_plugin(made: Twin, engine: EngineSide) -> None:
    slots = 0
    for _ in range(20):  # a busy machine may give the reader little of a second
        known, seen = reads_of_a_busy_plugin(made, engine)
        slots += known
        later = seen[1:]  # the first may be the last of the writing before
        assert all(a <= b for a, b in pairwise(later))
        if slots > 50 and len(later) > 50:
            break
    assert slots > 50 and len(later) > 50 and later[-1] > later[0]


def test_a_closed_cache_holds_nothing(twin: Twin) -> None:
    sound, valid, found = twin.read(0, 1_000)
    assert not sound.any() and not valid.any() and found.valid == 0
    assert twin.c.tc_status(twin.cache, np.zeros(1, layout.record(layout.ENGINE)).ctypes.data) == 0


def test_a_page_table_that_points_elsewhere_plays_nothing(made: Twin, engine: EngineSide) -> None:
    engine.write(0, noise(2 * PAGE))
    assert engine._memory is not None
    table = engine._memory.page_table
    for wrong in (int(table[1]), 5, 2**32 - 1):
        table[0] = wrong
        assert not made.read(0, 3_000)[1].any() and not engine.read(0, 3_000)[1].any()


# ---- files -------------------------------------------------------------------------------------------------------


def test_a_cache_of_the_twin_is_one_like_ours(made: Twin, folder: Path) -> None:
    (found,) = discover(folder)
    assert (found.instance, found.whole, found.creator_alive, found.rate) == ("cpp", True, True, 8_000)
    assert found.bytes == layout.total_bytes(4) and found.path == folder / "attacca-cpp" == made.path
    assert found.path.stat().st_mode & 0o777 == 0o600
    assert reclaim(folder) == [] and made.c.tc_reclaim(str(folder).encode()) == 0
    engine = EngineSide.attach(made.path)
    assert made.c.tc_engine_attached(made.cache) == 1 and engine.pages == 4 and engine.instance == "cpp"
    made.c.tc_close(made.cache)
    assert not engine.alive and list(folder.iterdir()) == []
    engine.close()


def test_the_twin_reads_a_cache_of_ours(twin: Twin, folder: Path) -> None:
    plugin = small_cache(folder, instance="python")
    engine = EngineSide.attach(plugin.path)
    engine.publish_map([FOUR_FOUR])
    engine.write(99, noise(5_000))
    assert twin.attach(plugin.path) == "" and twin.instance == "python" and twin.c.tc_rate(twin.cache) == 8_000
    assert twin.c.tc_engine_attached(twin.cache) == 1
    sound, valid, _ = twin.read(99, 5_000)
    assert valid.all() and np.array_equal(sound, noise(5_000))
    twin.c.tc_close(twin.cache)
    assert plugin.path.exists()  # who only reads unlinks nothing
    engine.close()
    plugin.close()


def test_duplicates_get_ids_of_their_own_on_both_sides(made: Twin, library: Path, folder: Path) -> None:
    other = Twin(load_twin(library))
    assert other.create("cpp", 8_000, MINUTES, folder) == "" and other.instance != "cpp"
    ours = PluginSide.create("cpp", 8_000, MINUTES, folder)
    assert ours.instance not in ("cpp", other.instance) and len(discover(folder)) == 3
    ours.close()
    other.delete()
    assert [info.instance for info in discover(folder)] == ["cpp"]


def test_each_side_reclaims_what_the_other_left_when_killed(twin: Twin, library: Path, folder: Path) -> None:
    python = "import sys, time; from pathlib import Path; from bridge.timeline.cache import PluginSide\n"
    python += (
        'side = PluginSide.create("py", 8000, 0.1, Path(sys.argv[1])); print("ready", flush=True); time.sleep(100)'
    )
    with child(CREATOR, library, folder) as one, child(python, folder) as two:
        assert reclaim(folder) == [] and twin.c.tc_reclaim(str(folder).encode()) == 0
        one.kill()
        two.kill()
        wait(lambda: not any(info.creator_alive for info in discover(folder)))
    assert twin.create("py", 8_000, MINUTES, folder) == "" and twin.instance == "py"
    assert [info.instance for info in reclaim(folder)] == ["cpp"]
    twin.c.tc_close(twin.cache)
    (folder / "attacca-young").write_bytes(b"")
    assert twin.c.tc_reclaim(str(folder).encode()) == 0 and (folder / "attacca-young").exists()


def test_other_layouts_and_broken_files_are_refused_in_a_sentence(twin: Twin, made: Twin, folder: Path) -> None:
    plugin = small_cache(folder, instance="python")
    header = memory_of(plugin)["header"]
    header["version"][0] = 3
    sentence = "the cache has layout 3, this plugin speaks 1: rebuild the plugin with make plugin"
    assert twin.attach(plugin.path) == sentence
    with pytest.raises(Unavailable, match="the plugin speaks layout 3, this engine 1"):
        EngineSide.attach(plugin.path)
    header["version"][0], header["pages"][0] = 1, 5
    assert twin.attach(plugin.path).endswith("load the plugin anew")
    header["magic"][0] = 0
    assert "is not a whole timeline cache" in twin.attach(plugin.path)
    assert "is its plugin still loaded?" in twin.attach(folder / "attacca-none")
    plugin.close()


@pytest.mark.parametrize(
    ("instance", "rate", "minutes"),
    [("", 8_000, 1.0), ("../x", 8_000, 1.0), ("x" * 33, 8_000, 1.0), ("a", 7_999, 1.0), ("a", 8_000, math.nan)],
)
def test_what_cannot_be_made_is_said(twin: Twin, folder: Path, instance: str, rate: int, minutes: float) -> None:
    assert ": use " in twin.create(instance, rate, minutes, folder)
    assert "set ATTACCA_CACHE_DIR" in twin.create("a", 8_000, 1.0, folder / "nowhere")
    assert list(folder.iterdir()) == []


def test_a_full_file_system_is_a_sentence_and_no_signal(twin: Twin, library: Path, tmp_path: Path) -> None:
    with small_tmpfs(tmp_path, 40) as folder:
        assert twin.create("one", 48_000, 5.0, folder) == ""
        assert twin.c.tc_pages(twin.cache) == layout.pages_for(1.25, 48_000)
        other = Twin(load_twin(library))
        need = layout.total_bytes(layout.pages_for(0.5, 48_000)) // 2**20 + 1
        assert f"has no room for a timeline cache: free {need} MiB there" in other.create("two", 48_000, 5.0, folder)
        assert [path.name for path in folder.iterdir()] == ["attacca-one"]
        other.delete()
        twin.c.tc_close(twin.cache)
