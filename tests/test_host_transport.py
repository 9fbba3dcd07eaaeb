"""`attacca host` on JACK's transport, and its chain edited in play: each sample held against what it should be.

The host is a process of its own; another client of the server starts, stops and locates, and keeps what it hears with
the transport's frame of each period. Where host, server or that client came too late (busy cores) periods are lost, and
counted; everything else has to be exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pedalboard", reason="needs the extra 'host'")

from engine.timing import TempoMap, parse_meters
from tests.host_helpers import LATE, RATE_HZ, Listener, Played, listening, losses, running, runs, wait
from tests.jack_server import JackServer, jack_or_skip

jack_or_skip()
pytestmark = pytest.mark.timeout(240)
NOISE = np.random.default_rng(6).uniform(-0.25, 0.25, (40 * RATE_HZ, 2)).astype(np.float32)
TONE_HZ, TONE = 250.0, 0.3
BEND = TONE * (2 * np.pi * TONE_HZ / RATE_HZ) ** 2
RISE_FRAMES = 240
"""Off a beat line, by more than a frame, the host's voice opens over 5 ms (`plugin_host/voice.py`)."""
OFF_A_LINE = 240_007
EDITS = 15
CHAINS = (
    LATE, '[[effect]]\nname = "Gain"\nparameters = { gain_db = 0.05 }\n', "",
    '[[effect]]\nname = "HighpassFilter"\nparameters = { cutoff_frequency_hz = 10.0 }\n' + LATE,
    '[[effect]]\nname = "Invert"\n[[effect]]\nname = "Invert"\n',
)  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[JackServer]:
    yield from running("transport")


@pytest.fixture
def listener(server: JackServer) -> Iterator[Listener]:
    yield from listening(server)


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATTACCA_CACHE_DIR", str(tmp_path))
    return tmp_path


def risen(sound: Any, frame: int) -> Any:
    """The sound as it is heard from a start at `frame` on, which lies on no beat line."""
    found = sound.copy()
    line = np.arange(1, RISE_FRAMES + 1) * (1.0 / RISE_FRAMES)
    found[frame : frame + RISE_FRAMES] *= line.astype(np.float32)[:, None]
    return found


def wrong(heard: list[tuple[int, Any]], sound: Any) -> list[bool]:
    """Which periods are not, bit by bit, those of the sound at the transport's frame."""
    return [not np.array_equal(audio, sound[frame : frame + len(audio)]) for frame, audio in heard]


@pytest.mark.parametrize("chain", ["", LATE], ids=["empty", "late"])
def test_it_follows_another_clients_starts_stops_and_locates(
    server: JackServer, listener: Listener, caches: Path, chain: str
) -> None:
    """Oracle: the cache, at the frame that JACK says. The late chain looks 20 ms ahead: compensated to the sample."""
    (caches / "chain.toml").write_text(chain)
    options = ("--transport", "follow", "--chain", str(caches / "chain.toml"))
    with Played(server, caches, NOISE, *options) as host:
        listener.connect("attacca")
        client = listener.client
        client.transport_start()
        host.wait(lambda status: status["frame"] > 72_000, "a second and a half is played")
        client.transport_frame = 480_001
        host.wait(lambda status: status["frame"] > 530_000, "a second after a locate in play")
        client.transport_stop()
        host.wait(lambda status: not status["rolling"], "a stop")
        wait(lambda: host.status()["frame"] == client.transport_frame, "both stand on one frame")
        client.transport_frame = OFF_A_LINE
        wait(lambda: host.status()["frame"] == client.transport_frame == OFF_A_LINE, "a locate while it stands")
        client.transport_start()
        host.wait(lambda status: status["frame"] > 290_000, "a second from there")
        assert host.ask("stop") == ("error", "JACK's transport leads: stop it there, or use panic")
        client.transport_stop()
        host.wait(lambda status: not status["rolling"], "the last stop")
        report, _ = host.finish()
    assert report["latency_frames"] == (1260 if chain else 300)
    heard = listener.rolled()
    for low, high in ((0, 70_000), (480_001, 525_000), (OFF_A_LINE, 285_000)):
        part = [(frame, audio) for frame, audio in heard if low <= frame < high]
        lost, bad = losses(report, listener), wrong(part, risen(NOISE, low) if low == OFF_A_LINE else NOISE)
        assert part[0][0] == low or lost, "it begins on the very frame that was asked for"
        assert runs(bad) <= 4 * lost
        assert bad.count(False) > 20


def test_leading_it_tells_bars_and_beats_to_the_sample_and_starts_the_transport(
    server: JackServer, listener: Listener, caches: Path
) -> None:
    """Oracle: exact rationals. What JACK's bar, beat, tick and offset say is the frame that the transport is at."""
    tempo, meter = "0:97.3,3:133.7", "0:7/8,2:4/4"
    song = TempoMap.parse(tempo, parse_meters(meter))
    options = ("--transport", "lead", "--tempo", tempo, "--meter", meter, "--from-bar", "2", "--fallback", "silence")
    with Played(server, caches, NOISE, *options) as host:
        listener.connect("attacca")
        client = listener.client
        begin = song.sample_at(song.bar_start_quarters(1), RATE_HZ)
        host.wait(lambda status: status["frame"] > begin + 60_000, "it starts JACK's transport at its bar 2")
        third = song.sample_at(song.bar_start_quarters(3), RATE_HZ)
        client.transport_frame = third
        host.wait(lambda status: status["frame"] > third + 120_000, "another client locates, and it goes on there")
        host.send("stop")
        wait(lambda: not listener.blocks[-1][1], "JACK's transport stands")
        host.send("locate", "i", 48_000)
        wait(lambda: client.transport_frame == 48_000, "and is where it was told to be")
        host.finish()
    told = [(said, on) for said, (_, on, _) in zip(list(listener.said), list(listener.blocks), strict=False)]
    rolling = [said for said, on in told if on and "bar" in said]
    assert len(rolling) > 200
    assert rolling[0]["frame"] >= begin
    for said in rolling:
        assert frame_of(said, song) == said["frame"], said
        quarters = song.quarters_at(Fraction(said["frame"], RATE_HZ))
        unit = Fraction(4, int(said["beat_type"]))
        assert said["beats_per_minute"] == pytest.approx(float(song.tempo_at(quarters) / unit), rel=1e-9)
    here = [said for said in rolling if said["frame"] == third]
    lines = {(said["bar"], said["beat"], said["tick"], said["bbt_offset"]) for said in here}
    assert lines <= {(4, 1, 0, 0)}, "a bar line is a bar's begin"
    assert here or listener.lost


def test_a_tempo_of_the_transport_that_is_not_the_hosts_is_told(
    server: JackServer, listener: Listener, caches: Path
) -> None:
    master = server.timebase(100, 4, 4)
    try:
        with Played(server, caches, NOISE, "--transport", "follow", "--tempo", "120") as host:
            listener.client.transport_start()
            host.wait(lambda status: status["frame"] > 96_000, "two seconds")
            listener.client.transport_stop()
            _, said = host.finish()
    finally:
        server.clients.remove(master)
        master.close(ignore_errors=True)
    sentence = "JACK's transport is at 100 bpm here and this host's bars at 120: start it with --tempo 100"
    assert said.count(sentence) == 1


def frame_of(said: dict[str, Any], song: TempoMap) -> int:
    """The frame that bar, beat and tick say, by the map: the tick's own, and JACK's offset from it."""
    unit = Fraction(4, int(said["beat_type"]))
    quarters = (said["beat"] - 1 + Fraction(said["tick"]) / Fraction(said["ticks_per_beat"])) * unit
    return song.sample_at(song.bar_start_quarters(said["bar"] - 1) + quarters, RATE_HZ) + int(said["bbt_offset"])


def test_fifteen_edits_in_play_neither_click_nor_shift(server: JackServer, listener: Listener, caches: Path) -> None:
    """Oracle: a 250 Hz tone. Each chain leaves it within 0.1 dB; a click bends it far more than it is bent itself."""
    files = []
    for n, text in enumerate(CHAINS):
        files.append(caches / f"chain{n}.toml")
        files[-1].write_text(text)
    line = TONE * np.sin(2 * np.pi * TONE_HZ * np.arange(60 * RATE_HZ) / RATE_HZ)
    tone = np.repeat(line[:, None], 2, axis=1).astype(np.float32)
    with Played(server, caches, tone, "--transport", "follow") as host:
        listener.connect("attacca")
        listener.client.transport_start()
        at = host.wait(lambda status: status["frame"] > 24_000, "half a second")["frame"]
        for n in range(EDITS):
            host.send("chain", "s", str(files[n % len(files)]))
            done = host.wait(lambda status, n=n: status["edits"] == n + 1, "an edit")
            at = done["frame"] + done["ahead_frames"] + 8_000
            host.wait(lambda status, at=at: status["frame"] > at, "it is heard")
        listener.client.transport_stop()
        host.wait(lambda status: not status["rolling"], "a stop")
        report, _ = host.finish()
    assert report["edits"] == EDITS
    heard = [(frame, audio) for frame, audio in listener.rolled() if 12_000 < frame < at - 4_000]
    lost = losses(report, listener)
    off = [bool(np.abs(audio - tone[frame : frame + len(audio)]).max() > 0.02) for frame, audio in heard]
    assert runs(off) <= 4 * lost, "nothing is shifted, at no edit"
    assert runs(bends(heard)) <= 4 * lost, "no click"
    assert off.count(False) > 200


def bends(heard: list[tuple[int, Any]]) -> list[bool]:
    """Which two neighbouring periods are bent more than the tone is, anywhere."""
    found = []
    for (frame, audio), (after, following) in pairwise(heard):
        two = np.concatenate([audio, following])[:, 0].astype(np.float64)
        bend = np.abs(np.diff(two, n=2)).max() > 1.3 * BEND
        found.append(bool(bend) and after == frame + len(audio))
    return found


def test_the_judge_hears_a_click_and_a_shift() -> None:
    line = TONE * np.sin(2 * np.pi * TONE_HZ * np.arange(4_096) / RATE_HZ)
    tone = np.repeat(line[:, None], 2, axis=1)
    good = [(at, tone[at : at + 512]) for at in range(0, 4_096, 512)]
    assert not any(bends(good)) and not any(wrong(good, tone))
    late = [(at, tone[max(0, at - 1) :][:512]) if at > 2_000 else (at, audio) for at, audio in good]
    assert any(bends(late)) and any(wrong(late, tone))
    clicked = [(at, audio + (0.01 * (np.arange(512) == 100))[:, None]) for at, audio in good]
    assert any(bends(clicked))
    assert runs([True, True, False, True]) == 2 and runs([False]) == runs([]) == 0
