"""The real plugin (CLAP) in a host of our own with a real engine: meters, locates into bars and a loop, all as asked.

This host is paced: it waits while less than half a second is ready. It tells where it loops before it turns.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.hosts.attacca_plugin import CLAP_ID, Plugins, build_plugins
from tests.hosts.clap_host import KNOWN, LOOPING, PLAYING, ClapHost, moment
from tests.hosts.live_rig import Live, Sight, cache_folder, instance_of, live_engine
from tests.hosts.song import Part, Song
from tests.waiting import wait

pytestmark = pytest.mark.timeout(400)  # the first test of a clone builds the plugin
FAST = Fraction("140.125")
SONG = Song((Part(0, Fraction(132), 7, 8), Part(2, Fraction("97.3")), Part(3, FAST), Part(5, FAST, 3, 4)))
BLOCK, AHEAD_FRAMES, FADE_FRAMES = 512, 24_000, 240
LOOP = (3, 5)


@pytest.fixture
def plugins() -> Plugins:
    return build_plugins()


@pytest.fixture
def caches(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with cache_folder(monkeypatch) as folder:
        yield folder


class Player:
    """Plays stretches of the song, block by block, no sooner than they are ready."""

    def __init__(self, live: Live, host: ClapHost) -> None:
        self.live, self.host = live, host
        self.name, self.ready = "", 0

    def stand(self, frame: int) -> None:
        """The play head stands at a frame until two bars are ready there."""
        for _ in range(3):
            self.host.block(moment(SONG, frame, KNOWN), BLOCK)
        self.live.await_session(self.name, lambda s: s.bars_ready >= 2 and s.frame == frame and not s.rolling)

    def pace(self, frame: int) -> None:
        def is_ready() -> bool:
            found = self.live.session(self.name)
            self.ready = found.ready_until_frame if found else 0
            return self.ready >= frame + BLOCK + AHEAD_FRAMES

        if self.ready < frame + BLOCK + AHEAD_FRAMES:
            wait(is_ready, f"frame {frame}, rendered ahead")

    def play(self, first: int, last: int, flags: int = KNOWN | PLAYING) -> np.ndarray:
        """[frames, 2] from `first` to `last`; the last block may be short."""
        heard = []
        for frame in range(first, last, BLOCK):
            if not flags & LOOPING:
                self.pace(frame)
            heard.append(self.host.block(moment(SONG, frame, flags, LOOP), min(BLOCK, last - frame)))
        return np.concatenate(heard)


@pytest.mark.parametrize("learnt", [False, True], ids=["announced", "learnt"])
def test_every_played_frame_is_what_the_engine_told(caches: Path, plugins: Plugins, learnt: bool) -> None:
    end = SONG.frame(8)
    with live_engine(caches) as live, ClapHost(plugins.clap, CLAP_ID, most_frames=BLOCK) as host:
        player = Player(live, host)
        index = {name: parameter.id for name, parameter in host.parameters().items()}
        host.set({index["Dry"]: 0.0})
        host.block(moment(SONG, 0, KNOWN), BLOCK)
        watcher = live.watch()[0]
        player.name = instance_of(watcher)
        live.await_session(player.name, lambda s: True)
        if learnt:
            learn(live, host, watcher, player.name, end)
        else:
            tempo, meter = SONG.text()
            live.engine.live("tempo-map", instance=player.name, tempo=tempo, meter=meter)
        player.stand(0)
        before = watcher.counters()
        live.assert_told(player.name, 0, player.play(0, end))
        locate_and_loop(player)
        after = watcher.counters()
        assert after.missed_frames == before.missed_frames
        assert after.off_grid_blocks == before.off_grid_blocks
        status = live.session(player.name)
        assert status is not None
        assert (status.failures, status.error) == (0, "")


def locate_and_loop(player: Player) -> None:
    """Into the middle of a bar, then three times round two bars whose lines are on no block's edge."""
    into = SONG.frame(1) + 12_345
    player.ready = 0
    heard = player.play(into, SONG.frame(3))
    player.live.assert_told(player.name, into + FADE_FRAMES, heard[FADE_FRAMES:])
    first, last = SONG.frame(LOOP[0]), SONG.frame(LOOP[1])
    rounds = [player.play(first, last, KNOWN | PLAYING | LOOPING) for _ in range(3)]
    for number, heard in enumerate(rounds):
        fade = FADE_FRAMES if number else 0
        player.live.assert_told(player.name, first + fade, heard[fade:])


def learn(live: Live, host: ClapHost, watcher: Sight, name: str, end: int) -> None:
    """A first pass; each tenth of a second is seen by the engine, as that of a host in real time would be."""
    for frame in range(0, end, BLOCK):
        host.block(moment(SONG, frame), BLOCK)
        if frame % (10 * BLOCK) == 0:
            live.await_session(name, lambda s, frame=frame: s.frame >= frame)
    lines = [(float(line), part.bar) for line, part in zip(SONG.lines, SONG.parts, strict=True)]
    for (at, bar, _), (line, exact_bar) in zip(watcher.segments(), lines, strict=True):
        assert (bar, at) == (exact_bar, pytest.approx(line, abs=0.02))


def test_state_survives_save_and_load(caches: Path, plugins: Plugins) -> None:
    with ClapHost(plugins.clap, CLAP_ID) as host:
        host.set({host.parameters()["Guidance"].id: 1.5})
        host.block(moment(SONG, 0, KNOWN), BLOCK)
        state = host.save().replace(b"prompt_a\0\0", b"prompt_a\0warm house\0").replace(b"seed\x000", b"seed\x0077")
    assert b"prompt_a\0warm house\0" in state
    assert b"seed\x0077\0" in state
    with ClapHost(plugins.clap, CLAP_ID) as host:
        assert host.load(state)
        host.block(moment(SONG, 0, KNOWN), BLOCK)
        assert host.parameters()["Guidance"].now == 1.5
        assert host.save() == state
