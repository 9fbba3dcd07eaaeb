"""The host on a real JACK server: what its ports carry, held sample by sample against the timeline cache."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("pedalboard", reason="needs the extra 'host'")

from bridge.timeline.cache import EngineSide, position_at
from engine.errors import Refused, Unavailable
from engine.timing import Meter, TempoMap
from plugin_host.host import Host
from plugin_host.outputs.jackd import JackOutput
from plugin_host.timeline import OwnTimeline
from tests.host_helpers import LATE, RATE_HZ, SEGMENTS, Listener, listening, wait
from tests.jack_server import JackServer, jack_or_skip

jack_or_skip()
pytestmark = pytest.mark.timeout(180)
SECONDS = 20
SOUND = np.random.default_rng(4).uniform(-0.25, 0.25, (SECONDS * RATE_HZ, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def server() -> Iterator[JackServer]:
    with JackServer.or_skip(f"attacca-host-{os.getpid()}", period=512) as running:
        yield running


@pytest.fixture
def listener(server: JackServer) -> Iterator[Listener]:
    yield from listening(server)


@pytest.fixture
def rig(server: JackServer, listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """rig(transport, chain): a host that is open, its cache full of SOUND, heard by the listener."""
    monkeypatch.setenv("ATTACCA_CACHE_DIR", str(tmp_path))
    opened: list[Any] = []

    def make(transport: Any = "follow", chain: str | None = None, sound: Any = SOUND) -> Host:
        sink = JackOutput(server.name, 2, transport, name="host", connect=False)
        own = OwnTimeline("host", sink.rate_hz, TempoMap.constant(120, Meter(4, 4)), 1.0)
        sink.place = lambda frame: position_at(SEGMENTS, RATE_HZ, frame)
        engine = EngineSide.attach(tmp_path / f"attacca-{own.name}")
        engine.publish_map(SEGMENTS)
        engine.write(0, sound)
        path = None
        if chain is not None:
            path = tmp_path / "chain.toml"
            path.write_text(chain)
        host = Host(sink, own, chain=path, ahead_seconds=0.5)
        opened.extend([engine, host])
        host.open()
        listener.connect("host")
        return host

    yield make
    for one in reversed(opened):
        one.close()


def whole(report: Any, listener: Listener) -> bool:
    """Whether this machine kept up: with its cores taken by others, JACK loses periods."""
    return (report.underruns, report.skips, report.xruns, listener.lost) == (0, 0, 0, 0)


def begun(heard: Any, sound: Any, frames: int = 512) -> int:
    """Where in `heard` the first `frames` of `sound` lie, by their first loud sample."""
    at = int(np.flatnonzero(np.abs(heard[:, 0]) > 0)[0])
    return at - int(np.flatnonzero(np.abs(sound[:frames, 0]) > 0)[0])


@pytest.mark.parametrize("chain", [None, LATE], ids=["empty", "late"])
def test_following_the_transport_each_sample_lies_on_its_frame(rig: Any, listener: Listener, chain: Any) -> None:
    """Oracle: the cache. The chain looks 20 ms ahead; JACK locates twice, to beat lines, where nothing rises."""
    host = rig("follow", chain)
    client = listener.client
    client.transport_start()
    wait(lambda: host.player.frame > 60_000, "60 000 frames")
    client.transport_frame = 312_000
    wait(lambda: host.player.frame > 352_000, "40 000 frames of another place")
    client.transport_stop()
    wait(lambda: not host.player.rolling)
    report = host.report()
    assert report.missed_frames == 0
    assert report.latency_frames == (300 if chain is None else 1260)
    rolled = [(frame, audio) for frame, rolling, audio in listener.blocks if rolling]
    for low, high in ((0, 50_000), (312_000, 347_000)):
        part = [(frame, audio) for frame, audio in rolled if low <= frame < high]
        exact = [np.array_equal(audio, SOUND[frame : frame + len(audio)]) for frame, audio in part]
        assert all(exact) or not whole(report, listener), "on a machine that kept up, every sample is the cache's"
        assert sum(exact) > 0.5 * len(part) > 20


def test_leading_it_is_timebase_master_and_starts_the_transport(rig: Any, listener: Listener) -> None:
    host = rig("lead")
    host.locate(96_000)
    host.roll()
    wait(lambda: host.player.frame > 120_000)
    said = listener.client.transport_query()[1]
    assert (said["bar"], said["beats_per_minute"], said["beats_per_bar"]) == (2, 120.0, 4.0)
    host.halt()
    wait(lambda: not host.player.rolling)
    exact = [np.array_equal(audio, SOUND[frame : frame + len(audio)]) for frame, on, audio in listener.blocks if on]
    assert sum(exact) > 20 and (all(exact) or not whole(host.report(), listener))


def test_a_second_leader_says_how_to_play_along_and_takes_nothing_from_the_first(
    server: JackServer, rig: Any, listener: Listener
) -> None:
    master = server.timebase(100, 3, 4)
    try:
        master.transport_start()
        wait(lambda: listener.client.transport_query()[1].get("beats_per_minute") == 100.0)
        with pytest.raises(Refused, match="play along with --transport follow"):
            rig("lead")
        begun = len(listener.blocks)
        wait(lambda: len(listener.blocks) > begun + 8)
        said = listener.client.transport_query()[1]
        assert (said["beats_per_minute"], said["beats_per_bar"]) == (100.0, 3.0)
        assert listener.blocks[-1][1], "the transport goes on"
    finally:
        server.clients.remove(master)
        master.close(ignore_errors=True)


def test_a_follower_leaves_the_transport_alone(rig: Any) -> None:
    host = rig("follow")
    with pytest.raises(Refused, match="JACK's transport leads"):
        host.halt()
    with pytest.raises(Refused, match="JACK's transport leads"):
        host.locate(5)


def test_a_panic_is_silent_and_a_start_sounds_again(rig: Any, listener: Listener) -> None:
    host = rig("off")
    host.roll()
    wait(lambda: host.player.frame > 24_000)
    host.panic()
    wait(lambda: not host.player.rolling)
    for _ in range(2):  # its fade may still be on the way
        mark = len(listener.blocks)
        wait(lambda mark=mark: len(listener.blocks) > mark + 40, "forty periods more")
    assert not np.concatenate([audio for _, _, audio in listener.blocks[mark:]]).any()
    assert host.report().muted
    host.roll()
    wait(lambda: host.player.rolling)
    wait(lambda: np.abs(listener.blocks[-1][2]).max() > 0.1)


def test_it_records_what_is_heard_beside_playing(rig: Any, listener: Listener, tmp_path: Path) -> None:
    host = rig("off", LATE)
    host.record(tmp_path / "take.wav")
    host.roll()
    wait(lambda: host.player.frame > 30_000)
    host.halt()
    wait(lambda: not host.player.rolling)
    time.sleep(0.05)
    host.record(None)
    recorded, rate = soundfile.read(tmp_path / "take.wav", dtype="float32")
    assert rate == RATE_HZ and len(recorded) > 30_000
    report = host.report()
    if whole(report, listener):
        heard = listener.heard()
        at = begun(heard, recorded)
        assert np.array_equal(heard[at : at + len(recorded)], recorded)
        assert not heard[at + len(recorded) :].any()
        assert np.array_equal(recorded[:30_000], SOUND[:30_000])
    assert (report.recorded_frames, report.lost_frames) == (len(recorded), 0)


def test_an_edited_file_is_taken_in_while_playing(rig: Any, listener: Listener, tmp_path: Path) -> None:
    seconds = np.arange(SECONDS * RATE_HZ)[:, None] / RATE_HZ
    tone = np.repeat(0.3 * np.sin(2 * np.pi * 250 * seconds), 2, axis=1).astype(np.float32)
    host = rig("off", "", tone)
    told: list[str] = []
    host.say = told.append
    host.roll()
    for n, text in enumerate(("[[effect]]\nname = 'Gain'\nparameters = { gain_db = -1.0 }\n", "nonsense", LATE)):
        frame = host.player.frame
        wait(lambda frame=frame: host.player.frame > frame + 12_000)
        (tmp_path / "chain.toml").write_text(text)
        wait(lambda n=n: host.step() or len(told) > n)
    wait(lambda: host.player.frame > frame + 40_000)
    host.step()
    assert [line.split(":")[0] for line in told] == ["chain", "the chain stays as it was", "chain"]
    report = host.report()
    assert (report.effects, report.edits, report.latency_frames) == (("BrickwallLimiter",), 2, 1260)
    assert report.missed_frames == 0
    heard = listener.heard()
    at = begun(heard, tone)
    line = heard[at + 10 :, 0].astype(np.float64)
    bend = 0.3 * (2 * np.pi * 250 / RATE_HZ) ** 2
    assert not whole(report, listener) or np.abs(np.diff(line, n=2)).max() < 1.3 * bend, "no click"


def test_a_server_that_dies_is_told(server: JackServer, rig: Any) -> None:
    host = rig("off")
    server.server.kill()
    server.server.wait()
    wait(lambda: not host.sink.alive)
    with pytest.raises(Unavailable, match="is gone or changed its period"):
        host.step()
    server.restart()
    assert server.started


def test_without_a_server_it_says_how_to_start_one() -> None:
    with pytest.raises(Unavailable, match="no JACK server 'attacca-nowhere' runs: start one"):
        JackOutput("attacca-nowhere")
