"""The real plugin (LV2) in jalv, in real time, with a real engine process: what is played is what the engine told.

JACK tells a jump of the play head when it has happened. The plugin then fades over 5 ms from where it was to where it
is; these frames are the mix of two told ones, all others are the told ones bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.hosts.attacca_plugin import URI, Plugins, build_plugins
from tests.hosts.jack_host import Heard, Jalv, RigClient, jack_server, need_jack
from tests.hosts.jack_rig import song_of
from tests.hosts.live_rig import Live, cache_folder, instance_of, live_engine
from tests.hosts.lv2_state import write_state
from tests.hosts.song import Song
from tests.test_host_jalv import wire

pytestmark = pytest.mark.timeout(400)  # the first test of a clone builds the plugin
PARTS = [[0, "210", 7, 8], [2, "240", 4, 4], [4, "197.3", 4, 4]]
LAST_BAR = 6
BLOCK = 2048
TAKES = 6
"""A busy machine may drop periods of any JACK client: one take of so many must be whole."""


@pytest.fixture
def plugins() -> Plugins:
    need_jack()
    return build_plugins()


@pytest.fixture
def caches(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with cache_folder(monkeypatch) as folder:
        yield folder


def on_block(frame: int) -> int:
    return frame // BLOCK * BLOCK


def play(rig: RigClient, jalv: Jalv, song: Song) -> None:
    """To the end with a change a bar, a locate into a bar, and a loop of one bar, taken twice and a half."""
    rig.do("start")
    for bar in range(LAST_BAR):
        rig.play_until(song.frame(bar) + 4000)
        jalv.say(f"blend = {bar % 4 / 4}")
    rig.play_until(song.frame(LAST_BAR))
    rig.locate(on_block(song.frame(1)) + BLOCK)
    first, last = on_block(song.frame(3)), on_block(song.frame(4))
    rig.loop(first, last, 2)
    rig.play_until(first + (last - first) // 2)
    rig.stop()


def teach(live: Live, rig: RigClient, song: Song, name: str, learnt: bool) -> bool:
    """Announces the map, or lets the engine learn it on a first pass; false where that pass was not whole."""
    if not learnt:
        tempo, meter = song.text()
        live.engine.live("tempo-map", instance=name, tempo=tempo, meter=meter)
        return True
    rig.do("start")
    rig.play_until(song.frame(LAST_BAR))
    rig.stop()
    rig.locate(0)
    whole = rig.do("where")["xruns"] == 0
    rig.do("forget")
    return bool(whole)


def assert_heard(live: Live, name: str, heard: Heard, channel: int = 0) -> list[int]:
    """Every frame of every stretch is what was told. Returns where the stretches begin."""
    runs = heard.runs()
    for number, (first, audio) in enumerate(runs):
        audio = audio[:, channel : channel + 2]
        fade = 0 if number == 0 else 240
        live.assert_told(name, first + fade, audio[fade:])
        assert np.abs(audio[:fade]).max(initial=0.0) < 1.2, "the fade of a jump is no louder than both sides"
    return [first for first, _ in runs]


@pytest.mark.parametrize("learnt", [False, True], ids=["announced", "learnt"])
def test_every_played_frame_is_what_the_engine_told(
    caches: Path, plugins: Plugins, tmp_path: Path, learnt: bool
) -> None:
    """7/8 and 4/4 in three tempi, a change a bar, a locate, a loop: no frame missed once two bars are ready."""
    song = song_of(PARTS, 48_000)
    with live_engine(caches) as live, jack_server(tmp_path, block=BLOCK) as server:
        words = write_state(tmp_path / "words", URI, prompt_a="warm house", prompt_b="cold dub", seed="3")
        jalv = server.jalv(URI, "attacca", plugins.folder, "-l", str(words), "-c", "dry=0")
        rig = server.rig(PARTS, 40)
        wire(rig, jalv)
        watcher = live.watch()[-1]
        name = instance_of(watcher)
        live.await_session(name, lambda s: True)
        for _ in range(TAKES):
            rig.do("forget")
            rig.locate(0)
            if not teach(live, rig, song, name, learnt):
                continue
            live.await_session(name, lambda s: s.bars_ready >= 2 and s.frame == 0)
            before = watcher.counters()
            play(rig, jalv, song)
            heard, after = rig.heard(), watcher.counters()
            if rig.do("where")["xruns"] == 0:
                break
        jumps = assert_heard(live, name, heard)
        assert jumps[0] == 0
        assert watcher.segments() == [
            (float(line), part.bar, float(part.tempo)) for line, part in zip(song.lines, song.parts, strict=True)
        ]
        assert on_block(song.frame(1)) + BLOCK in jumps
        assert jumps.count(on_block(song.frame(3))) >= 2, f"it was looped: {jumps}"
        assert after.missed_frames == before.missed_frames
        assert after.off_grid_blocks == before.off_grid_blocks
        status = live.session(name)
        assert status is not None
        assert (status.failures, status.error) == (0, "")


def test_two_instances_do_not_hear_each_other(caches: Path, plugins: Plugins, tmp_path: Path) -> None:
    song = song_of(PARTS, 48_000)
    with live_engine(caches) as live, jack_server(tmp_path, block=BLOCK) as server:
        jalvs = {}
        for words in ("warm house", "cold dub"):
            state = write_state(tmp_path / words.split()[0], URI, prompt_a=words)
            known = {instance_of(watcher) for watcher in live.watch(0)}
            jalvs[words] = server.jalv(URI, words.split()[0], plugins.folder, "-l", str(state), "-c", "dry=0")
            fresh = {instance_of(watcher) for watcher in live.watch(len(known) + 1)} - known
            jalvs[words].instance = fresh.pop()
        rig = server.rig(PARTS, 30)
        for index, jalv in enumerate(jalvs.values()):
            wire(rig, jalv, 1 + 2 * index)
        tempo, meter = song.text()
        for jalv in jalvs.values():
            live.await_session(jalv.instance, lambda s: True)
            live.engine.live("tempo-map", instance=jalv.instance, tempo=tempo, meter=meter)
        for jalv in jalvs.values():
            live.await_session(jalv.instance, lambda s: s.bars_ready >= 2 and s.frame == 0)
        rig.do("start")
        rig.play_until(song.frame(4))
        rig.stop()
        heard = rig.heard()
        names = [jalv.instance for jalv in jalvs.values()]
        for channel, (name, other) in ((0, names), (2, names[::-1])):
            assert_heard(live, name, heard, channel)
            first, audio = heard.runs()[0]
            loud = np.abs(audio[:, channel]).max() > 1e-3
            assert loud
            both = np.abs(audio[:, channel]) > 1e-3
            assert live.told.equals(other, first, audio[:, channel : channel + 2])[both].mean() < 0.1
