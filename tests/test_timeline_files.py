"""The files of timeline caches: who holds them, what crashes leave behind, what is refused, full folders."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bridge.timeline import layout
from bridge.timeline.cache import EngineSide, PluginSide, cache_folder, discover, reclaim
from engine.errors import BadRequest, Refused, Unavailable
from tests.timeline_helpers import (
    HAMMER,
    HAMMERED,
    PAGE,
    ROOT,
    child,
    memory_of,
    noise,
    pages_held,
    small_cache,
    small_tmpfs,
)
from tests.waiting import wait

CREATOR = """
import sys, time; from pathlib import Path; from bridge.timeline.cache import PluginSide
side = PluginSide.create(sys.argv[2], 8000, 0.2, Path(sys.argv[1]))
print("ready", flush=True); time.sleep(100)
"""
ENGINE = """
import sys, time; from pathlib import Path; import numpy as np
from bridge.timeline.cache import EngineSide
from tests.timeline_helpers import FOUR_FOUR, noise
side = EngineSide.attach(Path(sys.argv[1])); side.publish_map([FOUR_FOUR]); side.write(100, noise(40_000))
print("ready", flush=True); time.sleep(100)
"""


def test_a_cache_is_found_by_name_and_gone_when_closed(plugin: PluginSide, engine: EngineSide, folder: Path) -> None:
    plugin.set_words(title="Bass")
    (found,) = discover(folder)
    assert (found.path, found.instance, found.title) == (folder / "attacca-test", "test", "Bass")
    assert found.whole and found.creator_alive and found.engine_attached
    assert (found.version, found.rate, found.bytes) == (layout.VERSION, 8_000, layout.total_bytes(4))
    assert found.minutes == pytest.approx(4 * PAGE / 8_000 / 60)
    assert plugin.path.stat().st_mode & 0o777 == 0o600
    assert plugin.engine_attached and engine.alive and reclaim(folder) == []
    engine.close()
    engine.close()
    assert not plugin.engine_attached and plugin.status().state == layout.OFF
    plugin.close()
    plugin.close()
    assert discover(folder) == [] and list(folder.iterdir()) == []
    with pytest.raises(Unavailable, match="closed"):
        plugin.play(0, 1)
    with pytest.raises(Unavailable, match="closed"):
        engine.write(0, noise(1))


def test_the_folder_is_shared_memory_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.delenv("ATTACCA_CACHE_DIR", raising=False)
    assert cache_folder() == Path("/dev/shm")
    monkeypatch.setenv("ATTACCA_CACHE_DIR", str(folder))
    side = PluginSide.create("here", 8_000, 0.05)
    assert side.path == folder / "attacca-here" and [info.path for info in discover()] == [side.path]
    side.close()
    assert discover(folder / "nowhere") == [] == reclaim(folder / "nowhere")


def test_the_engine_sees_that_the_plugin_left(plugin: PluginSide, engine: EngineSide) -> None:
    assert engine.alive
    plugin.close()
    assert not engine.alive
    engine.write(0, noise(1_000))  # harmless: the memory is there until both let go
    assert engine.read(0, 1_000)[1].all()


def test_one_engine_at_a_time(plugin: PluginSide, engine: EngineSide) -> None:
    with pytest.raises(Refused, match="another engine"):
        EngineSide.attach(plugin.path)
    engine.close()
    EngineSide.attach(plugin.path).close()


def test_a_duplicate_gets_an_id_of_its_own(plugin: PluginSide, folder: Path) -> None:
    twin = small_cache(folder, instance="test")
    assert twin.instance != "test" and len(discover(folder)) == 2
    engine, other = EngineSide.attach(plugin.path), EngineSide.attach(twin.path)
    assert other.instance == twin.instance
    engine.write(0, noise(500))
    assert not twin.play(0, 500)[1].any()
    for side in (engine, other, twin):
        side.close()
    assert [info.instance for info in discover(folder)] == ["test"]


def test_a_cache_of_a_killed_plugin_is_stale_and_reclaimed(folder: Path) -> None:
    with child(CREATOR, folder, "one") as one, child(CREATOR, folder, "two") as two:
        assert reclaim(folder) == []
        engine = EngineSide.attach(folder / "attacca-one")
        one.kill()
        wait(lambda: not engine.alive)
        assert {info.instance: info.creator_alive for info in discover(folder)} == {"one": False, "two": True}
        with pytest.raises(Unavailable, match="is gone: load it anew"):
            EngineSide.attach(folder / "attacca-one")
        again = small_cache(folder, instance="one")  # the same project opened again takes its name back
        assert again.instance == "one" and again.segments() == (0, [])
        two.kill()
        two.wait(20)
        assert [info.instance for info in reclaim(folder)] == ["two"]
        assert [info.instance for info in discover(folder)] == ["one"]
        engine.close()
        again.close()


def test_a_killed_engine_leaves_audio_that_plays_and_its_lock_free(plugin: PluginSide) -> None:
    with child(ENGINE, plugin.path) as process:
        assert plugin.engine_attached
        process.kill()
        wait(lambda: not plugin.engine_attached)
    sound, valid = plugin.play(100, 40_000)
    assert valid.all() and np.array_equal(sound, noise(40_000))
    engine = EngineSide.attach(plugin.path)
    assert engine.generation == 1
    assert engine.write(40_100, noise(100)) == 100  # the next engine goes on in the same pages
    assert plugin.play(100, 40_100)[1].all()
    assert engine.write(9 * PAGE, noise(2 * PAGE)) == 2 * PAGE
    assert len(pages_held(engine)) == 4 and not plugin.play(0, PAGE)[1].any()
    engine.close()


def test_an_engine_killed_in_the_middle_of_writing_leaves_whole_slots(plugin: PluginSide) -> None:
    def slots() -> list[np.ndarray]:
        return [plugin.play(page * PAGE, PAGE)[0].reshape(layout.PAGE_SLOTS, -1) for page in range(HAMMERED)]

    for turn in range(4):
        with child(HAMMER, plugin.path, 60.0) as process:
            wait(lambda number=turn + 1: plugin.segments()[0] == number, "each engine to publish a map of its own")
            wait(lambda: sum(part.any(1).sum() for part in slots()) > layout.PAGE_SLOTS)
            time.sleep(0.013 * turn)
            process.kill()
            wait(lambda: not plugin.engine_attached)
        assert all((part == part[:, :1]).all() for part in slots())


def test_a_file_in_the_making_is_left_alone_until_it_is_old(folder: Path) -> None:
    path = folder / "attacca-young"
    path.write_bytes(b"")
    assert reclaim(folder) == []
    assert small_cache(folder, instance="young").instance != "young"
    (found,) = [info for info in discover(folder) if info.path == path]
    assert not found.whole and not found.creator_alive and found.rate == 0
    with pytest.raises(Unavailable, match="not a whole timeline cache"):
        EngineSide.attach(path)
    os.utime(path, (time.time() - 10, time.time() - 10))
    assert path in [info.path for info in reclaim(folder)]
    assert not path.exists()


def test_strangers_in_the_folder_are_left_alone(folder: Path) -> None:
    (folder / "attacca-folder").mkdir()
    (folder / "other").write_bytes(b"x")
    (folder / "attacca-bad name").write_bytes(b"x")
    (folder / "attacca-link").symlink_to(folder / "other")
    for path in folder.iterdir():
        os.utime(path, (1, 1), follow_symlinks=False)
    assert discover(folder) == [] == reclaim(folder)
    assert len(list(folder.iterdir())) == 4


def test_another_layout_is_refused_in_a_sentence(plugin: PluginSide, folder: Path) -> None:
    memory_of(plugin)["header"]["version"][0] = 2
    with pytest.raises(
        Unavailable, match=r"^the plugin speaks layout 2, this engine 1: rebuild the plugin with make plugin$"
    ):
        EngineSide.attach(plugin.path)
    (found,) = discover(folder)
    assert (found.version, found.rate, found.creator_alive) == (2, 0, True)


def test_a_file_of_another_size_is_refused(plugin: PluginSide) -> None:
    memory_of(plugin)["header"]["pages"][0] = 5
    with pytest.raises(Unavailable, match="not what its header says"):
        EngineSide.attach(plugin.path)
    with pytest.raises(Unavailable, match="is its plugin still loaded"):
        EngineSide.attach(plugin.path.with_name("attacca-none"))


@pytest.mark.parametrize(
    ("instance", "rate", "minutes"),
    [
        ("", 8_000, 1.0),
        ("a/b", 8_000, 1.0),
        ("x" * 33, 8_000, 1.0),
        ("a", 100, 1.0),
        ("a", 8_000, 0.0),
        ("a", 8_000, 1e9),
    ],
)
def test_what_cannot_be_made_is_said(folder: Path, instance: str, rate: int, minutes: float) -> None:
    with pytest.raises(BadRequest, match=r"use"):
        PluginSide.create(instance, rate, minutes, folder)
    with pytest.raises(Unavailable, match="ATTACCA_CACHE_DIR"):
        PluginSide.create("a", 8_000, 1.0, folder / "nowhere")
    assert list(folder.iterdir()) == []


# ---- a full folder -----------------------------------------------------------------------------------------------

LIMITED = """
import resource, sys; from pathlib import Path; from bridge.timeline.cache import PluginSide
from engine.errors import Unavailable
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try: print(PluginSide.create("a", 48000, 5.0, Path(sys.argv[1])).pages)
except Unavailable as problem: print(problem)
"""


def limited(folder: Path, limit_bytes: int) -> str:
    command = [sys.executable, "-c", LIMITED, str(folder), str(limit_bytes)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_where_five_minutes_do_not_fit_fewer_are_taken(folder: Path) -> None:
    assert limited(folder, layout.total_bytes(300)) == str(layout.pages_for(1.25, 48_000))
    assert limited(folder, layout.total_bytes(100)) == str(layout.pages_for(0.5, 48_000))
    assert len(reclaim(folder)) == 1  # its process is gone; the second one took the name of the first


def test_where_nothing_fits_that_is_a_sentence(folder: Path) -> None:
    need = layout.total_bytes(layout.pages_for(0.5, 48_000)) // 2**20 + 1
    assert limited(folder, 10**6) == f"{folder} has no room for a timeline cache: free {need} MiB there"
    assert list(folder.iterdir()) == []


def test_a_full_file_system_is_a_sentence_and_no_signal(tmp_path: Path) -> None:
    with small_tmpfs(tmp_path, 40) as folder:
        one = PluginSide.create("one", 48_000, 5.0, folder)
        assert one.pages == layout.pages_for(1.25, 48_000)
        with pytest.raises(Unavailable, match="has no room for a timeline cache: free"):
            PluginSide.create("two", 48_000, 5.0, folder)
        assert [path.name for path in folder.iterdir()] == ["attacca-one"]
        engine = EngineSide.attach(one.path)
        assert engine.write(0, noise(one.pages * PAGE)) == one.pages * PAGE  # every byte is really there
        engine.close()
        one.close()
