"""The real plugin in Ardour with a real engine process: four bars continued from a track, bounced to a region."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.hosts.ardour_host import Ardour, fill_region, need_ardour, read_region
from tests.hosts.attacca_plugin import NAME, URI, Plugins, build_plugins
from tests.hosts.live_rig import Live, Sight, cache_folder, instance_of, live_engine
from tests.hosts.song import Part, Song

pytestmark = pytest.mark.timeout(400)  # the first test of a clone builds the plugin
RATE = 48_000
SONG = Song((Part(0, Fraction(240)),))
SOURCE_BARS, NEW_BARS = 4, 4
EDGE_FRAMES, ROLL_FRAMES = 64, 8192


@pytest.fixture
def plugins() -> Plugins:
    need_ardour()
    return build_plugins()


@pytest.fixture
def caches(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with cache_folder(monkeypatch) as folder:
        yield folder


def groove(frames: int) -> np.ndarray:
    """Something to continue: a pulse on each beat over a low tone. [frames, 2] float32"""
    at = np.arange(frames)
    beat = at % (RATE // 4)
    sound = 0.4 * np.exp(-beat / 1500) * np.sin(beat / 9) + 0.2 * np.sin(at * 2 * np.pi * 110 / RATE)
    return np.repeat(sound[:, None], 2, axis=1).astype(np.float32)


def session_with_plugin(folder: Path, plugins: Plugins, kind: str, audio: np.ndarray, **more: str) -> Path:
    """A session with the audio at bar 0 of track "loop" and the plugin on it, nothing of it live yet."""
    with Ardour(folder, plugins.folder, plugins.folder, **more) as ardour:
        session = ardour.create("song", SONG)
        ardour.track("loop")
        ardour.make_region("source", len(audio))
        ardour.add_plugin(*((URI,) if kind == "LV2" else (NAME, "VST3")))
        index = ardour.parameters()
        ardour.set_parameter(index["Prompt A to B"], 0.75)
        ardour.set_parameter(index["Dry"], 0.0)
        time.sleep(0.3)
        ardour.save()
    fill_region(session, "source", audio, RATE)
    return session


def roll_and_continue(ardour: Ardour, live: Live, name: str) -> None:
    """Over OSC: from the beginning through the source, "continue" in its last bar, on through the new bars."""
    ardour.osc("/transport_play")
    ardour.roll_until(SONG.frame(SOURCE_BARS - 1))
    ardour.set_parameter(ardour.parameters()["Continue"], 1.0)
    ardour.roll_until(SONG.frame(SOURCE_BARS + NEW_BARS) + 4000)
    ardour.stop()
    ready = SONG.frame(SOURCE_BARS + NEW_BARS)
    live.await_session(name, lambda s: s.frame >= ready and not s.rolling)


@pytest.mark.parametrize("kind", ["LV2", "VST3"])
def test_four_bars_continued_and_bounced_at_their_bar(
    caches: Path, plugins: Plugins, tmp_path: Path, kind: str
) -> None:
    audio = groove(SONG.frame(SOURCE_BARS))
    session = session_with_plugin(tmp_path, plugins, kind, audio)
    first, last = SONG.frame(SOURCE_BARS), SONG.frame(SOURCE_BARS + NEW_BARS)
    with live_engine(caches) as live, Ardour(tmp_path, plugins.folder, plugins.folder) as ardour:
        ardour.load("song")
        ardour.find_track("loop")
        assert ardour.parameter(ardour.parameters()["Prompt A to B"]) == 0.75, "the session brings its knobs back"
        watcher = live.watch()[0]
        name = instance_of(watcher)
        live.await_session(name, lambda s: s.bars_ready >= 2)
        before = watcher.counters()
        roll_and_continue(ardour, live, name)
        after = watcher.counters()
        assert after.missed_frames == before.missed_frames
        assert after.off_grid_blocks == before.off_grid_blocks
        assert_captured(watcher, audio)
        ardour.bounce(first, last, "continued")
        assert ardour.region_at(first + 1000) == ("continued", first, last - first)
        ardour.save()
        bounced = read_region(session, "continued")
        assert bounced.shape == (last - first, 2)
        live.assert_told(name, first, bounced)
        assert np.abs(bounced).max() > 0.1
        assert watcher.counters().missed_frames == before.missed_frames
        kinds = [trace.kind for found in live.engine.live_status(50).sessions for trace in found.traces]
        assert "continue" in kinds


def assert_captured(watcher: Sight, audio: np.ndarray) -> None:
    """The context ring holds what the track carried, but for Ardour's fades: of a roll, and at the region's end."""
    heard, there = watcher.context(0, len(audio))
    assert there.all()
    assert np.array_equal(heard[ROLL_FRAMES:-EDGE_FRAMES], audio[ROLL_FRAMES:-EDGE_FRAMES])
