"""Live sessions that follow a sync source instead of their plugins, and keys of a MIDI input."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from bridge.client import Engine
from bridge.live.follow import Follower
from bridge.live.keys import Keys
from bridge.live.map import ProjectMap, announced
from bridge.live.messages import LiveSessionStatus
from bridge.live.sync import STUCK_NS, Lead, at_rate
from bridge.midi.notes import NoteCollector
from bridge.serve import Options, Server
from bridge.sync.position import HostPosition, host_position
from bridge.timeline.cache import EngineSide, PluginSide, Transport, position_at
from engine.errors import BadRequest
from tests.jack_server import JackServer
from tests.live_helpers import RATE, Coloured, Host, Stage, beat, engine_of, host, missed, stage, wait

NOTE_ON, NOTE_OFF, CLOCK, START, STOP = 0x90, 0x80, 0xF8, 0xFA, 0xFC


# ---- a real JACK transport ---------------------------------------------------------------


@contextmanager
def mute_plugin(folder: Path) -> Iterator[PluginSide]:
    """A cache whose creator tells no music, and a frame that is nobody's."""
    side = PluginSide.create("mute", RATE, 2.0, folder)
    try:
        side.set_knobs(live=1)
        side.report(
            Transport(
                frame=777_777, monotonic_ns=time.monotonic_ns(), playing=False, looping=False, musical=False,
                block_frames=128, bar=9, quarter=1.0, tempo=77.0, numerator=3, denominator=4, loop_first=0,
                loop_last=0, jumps=0, blocks=1,
            )
        )  # fmt: skip
        yield side
    finally:
        side.close()


def bar_sounds_at(side: PluginSide, song: ProjectMap, bar: int) -> int:
    """The frame at which the click on a bar's line is heard, looked for around it."""
    line = song.frame(bar)
    audio, known = side.play(line - 1_000, 2_000)
    assert known.all()
    return line - 1_000 + int(np.argmax(np.abs(audio[:, 0]) > 0.1))


def test_jacks_transport_leads_a_cache_without_music(tmp_path: Path) -> None:
    pytest.importorskip("jack")
    song = announced(RATE, "187.3", "5/8")

    def status() -> LiveSessionStatus:
        return engine.live_status(0).sessions[0]

    def there(bar: int) -> bool:
        first, end = song.frame(bar), song.frame(bar + 1)
        return bool(side.play(first, end - first)[1].all())

    with JackServer.or_skip(f"attacca-live-{os.getpid()}") as server, mute_plugin(tmp_path) as side:
        master = server.timebase(tempo=187.3, numerator=5, denominator=8)
        master.transport_frame = 0
        with engine_of(tmp_path, "--sync", f"jack:{server.name}") as (process, ready), Engine(ready["zmq"]) as engine:
            assert ready["sync"] == f"jack:{server.name}"
            wait(lambda: there(0) and there(1), "two bars while the transport stands")
            master.transport_start()
            reached = wait(lambda: (f := master.transport_frame) >= song.frame(3) and f, "three bars")
            wait(lambda: there(4), "a bar ahead of the head")
            assert [bar_sounds_at(side, song, bar) for bar in (1, 2, 3, 4)] == [song.frame(b) for b in (1, 2, 3, 4)]
            now = status()
            assert (now.rolling, now.tempo, now.meter, now.error) == (True, 187.3, "5/8", "")
            wait(lambda: abs(status().frame - master.transport_frame) < RATE // 10, "the head to be JACK's")
            assert reached <= status().frame

            master.transport_frame = song.frame(60) + 5_000
            wait(lambda: there(61) and there(62), "bars where it was located")
            assert [bar_sounds_at(side, song, bar) for bar in (61, 62)] == [song.frame(61), song.frame(62)]
            generation, segments = side.segments()
            assert generation == now.generation, "one map all the way, in spite of ticks"
            for bar in (0, 7, 62):
                place = position_at(segments, RATE, song.frame(bar) + 100)
                assert place is not None
                assert (place.bar, place.numerator, place.denominator) == (bar, 5, 8)
                off = place.quarter * 60 * RATE / 187.3 - 100
                assert abs(off) <= 0.51, "a line is rounded to its frame, no more"

            server.server.terminate()
            told = wait(lambda: (s := status()).error and s, "the session to miss its source")
            assert "sync source says nothing" in told.error
            assert not told.rolling
            time.sleep(0.3)
            assert status().frame == told.frame, "the head stands"
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def test_a_source_is_named_right_and_needs_live_sessions() -> None:
    options = Options(fake=True, zmq="tcp://127.0.0.1:*", osc="off")
    with pytest.raises(BadRequest, match="a sync source is plugin, jack"):
        Server(replace(options, sync="sundial"))
    with pytest.raises(BadRequest, match="--no-live"):
        Server(replace(options, sync="ardour", live=False))


# ---- MIDI clock on the input that brings the notes ---------------------------------------


def address_of(s: Stage) -> tuple[str, int]:
    host_name, port = s.server.ready()["midi"].removeprefix("socket:").split(":")
    return host_name, int(port)


def test_midi_clock_on_the_notes_input_leads(tmp_path: Path) -> None:
    with stage(tmp_path, midi_in="socket:127.0.0.1:0", sync="midi") as s, mute_plugin(tmp_path) as side:
        assert s.server.ready()["sync"] == "midi"
        waiting = wait(lambda: s.status("mute"), "the session")
        assert waiting.state == "waiting"
        with socket.create_connection(address_of(s)) as sender:
            begin, stopping = time.monotonic(), threading.Event()

            def tick() -> None:
                sender.sendall(bytes((START,)))
                ticks = 0
                while not stopping.wait(max(0.0, begin + ticks / 48 - time.monotonic())):
                    sender.sendall(bytes((CLOCK,)))
                    ticks += 1

            clock = threading.Thread(target=tick)
            clock.start()
            try:
                wait(lambda: (n := s.status("mute")) and n.rolling and n.bars_ready >= 1, "bars by a MIDI clock")

                def as_sent() -> bool:
                    now = s.status("mute")
                    assert now is not None and now.meter == "4/4"
                    off_s = now.frame / RATE - (time.monotonic() - begin)
                    return now.rolling and abs(now.tempo - 120) < 5 and abs(off_s) < 0.5

                wait(as_sent, "120 quarters a minute from the start on")
                assert side.segments()[0] >= 1
            finally:
                stopping.set()
                clock.join()
            sender.sendall(bytes((STOP,)))
            stood = wait(lambda: (n := s.status("mute")) and not n.rolling and n, "the stop")
            assert stood.error == "", "stopped is not silent"


# ---- keys --------------------------------------------------------------------------------


def test_notes_of_the_input_change_the_announced_bar_of_all_sessions(tmp_path: Path) -> None:
    with (
        stage(tmp_path, midi_in="socket:127.0.0.1:0") as s,
        host(tmp_path, "240") as h,
        host(tmp_path, "240", instance="other", playing=False) as other,
        host(tmp_path, "240", instance="off", playing=False) as off,
        socket.create_connection(address_of(s)) as sender,
    ):
        off.side.set_knobs(live=0)
        off.report()
        h.ready(2)
        other.ready(2)
        bar = beat(h.song, 1)
        h.play(bar + bar // 4, speed=1)
        sender.sendall(bytes((NOTE_ON, 64, 90)))
        h.play(bar // 4, speed=1)
        sender.sendall(bytes((NOTE_OFF, 64, 0)))
        for _ in range(8):
            h.play(bar, speed=1)
            trace = next((t for t in s.traces() if t.kind == "note"), None)
            if trace is not None and trace.first_changed_frame is not None and h.frame > trace.first_changed_frame:
                break
        assert trace is not None
        assert trace.announced_frame == trace.first_changed_frame
        assert trace.announced_frame >= 2 * bar and trace.announced_frame % bar == 0
        assert missed(h.played) == []
        assert isinstance(s.renderer, Coloured)
        request = next(r for r in s.renderer.requests if r.id == trace.request_id)
        assert request.melody is not None
        assert [(n.pitch, n.velocity) for n in request.melody] == [(64, 90)]
        assert 0.9 < request.melody[0].beat < 4.0
        assert 0.4 < request.melody[0].length < 4.0
        assert [t.kind for t in s.traces("other")] == ["note"]
        assert s.traces("off") == ()
        s.explained(h)


def down(s: Stage) -> bool:
    """Whether the session takes a key to be down."""
    assert s.server.live is not None
    return bool(s.server.live._sessions["test"].melody._down)


def stop(s: Stage, h: Host, sender: socket.socket) -> None:
    h.playing = False
    h.report()


def seek(s: Stage, h: Host, sender: socket.socket) -> None:
    h.locate(beat(h.song, 9))


def panic(s: Stage, h: Host, sender: socket.socket) -> None:
    s.engine.live("panic")


def disconnect(s: Stage, h: Host, sender: socket.socket) -> None:
    sender.close()


@pytest.mark.parametrize("event", [stop, seek, panic, disconnect])
def test_no_key_is_stuck(tmp_path: Path, event: Callable[[Stage, Host, socket.socket], None]) -> None:
    with (
        stage(tmp_path, midi_in="socket:127.0.0.1:0") as s,
        host(tmp_path, "240") as h,
        socket.create_connection(address_of(s)) as sender,
    ):
        h.ready(2)
        s.engine.live("policy", policy="now")
        sender.sendall(bytes((NOTE_ON, 72, 90)))
        wait(lambda: h.play(h.block, speed=1) and down(s), "the key to be heard")
        held = s.server._notes.since(0)
        assert [(note.pitch, note.end_ns) for note in held] == [(72, None)]
        event(s, h, sender)
        wait(lambda: not down(s), "the key to be released")
        wait(lambda: s.server._notes.since(0)[0].end_ns is not None, "the collector to know")


def test_each_begin_and_end_is_handed_out_once_and_in_order() -> None:
    collector = NoteCollector()
    collector.feed(bytes((NOTE_ON, 50, 80)))
    keys = Keys(collector, time.monotonic_ns())
    other = Keys(collector, time.monotonic_ns())
    assert keys.messages() == []
    told = []
    for data in ((NOTE_ON, 60, 90), (NOTE_ON, 62, 91), (NOTE_OFF, 60, 0), (NOTE_ON, 62, 92), (NOTE_OFF, 50, 0)):
        collector.feed(bytes(data))
        told += keys.messages()
        assert keys.messages() == []
    collector.release()
    told += keys.messages()
    expected = [(NOTE_ON, 60, 90), (NOTE_ON, 62, 91), (NOTE_OFF, 60, 0), (NOTE_OFF, 62, 0), (NOTE_ON, 62, 92)]
    expected += [(NOTE_OFF, 62, 0)]
    assert [data for _, data in told] == [bytes(data) for data in expected], "a key from before is nobody's"
    assert [at for at, _ in told] == sorted(at for at, _ in told)
    assert other.messages() == told, "all at once is the same"


# ---- what a source says, made usable -----------------------------------------------------


def said(song: ProjectMap, frame: int, ticks: int) -> HostPosition:
    """What a source in ticks says of a frame, rounded down."""
    bar, piece = song.bar_at(frame), song.piece_at(frame)
    quarter = Fraction(song.quarter_at(frame) * ticks // 1, ticks)
    found = host_position(
        "test", 0, frame, song.rate, True, tempo=piece.tempo, bar=bar, quarter=quarter,
        numerator=piece.meter.numerator, denominator=piece.meter.denominator,
    )  # fmt: skip
    assert found is not None
    return found


@pytest.mark.parametrize("ticks", [192, 480, 1920])
def test_maps_are_learnt_exactly_from_ticks_and_torn_reports(tmp_path: Path, ticks: int) -> None:
    song = announced(RATE, "0:120,3:97.3,6:140", "0:4/4,3:7/8,9:3/4")
    side = PluginSide.create("ticks", RATE, 1.0, tmp_path)
    told: list[HostPosition] = []
    engine = EngineSide.attach(tmp_path / "attacca-ticks")
    try:
        follower, maps = Follower(engine, lambda: told[-1]), 0
        for n, frame in enumerate(range(311, song.frame(12), 487)):
            now_ns = frame * 10**9 // RATE
            place = said(song, frame, ticks)
            if n % 29 == 28:  # frame of now, bar and beat of before
                place = replace(place, bar=told[-1].bar, quarter=told[-1].quarter)
            told.append(replace(place, at_ns=now_ns))
            heard = follower.hear(now_ns)
            assert heard is not None
            assert (heard.head.frame, heard.jumped) == (frame, False)
            maps += heard.song is not None
        known = follower.song
        assert known is not None
        assert maps == 4, "one, and one a change"
        assert [known.frame(bar) for bar in range(12)] == [song.frame(bar) for bar in range(12)]
    finally:
        engine.close()
        side.close()


def test_a_source_that_plays_and_does_not_move_is_silent() -> None:
    place = host_position("test", 0, 44_100, 44_100, True, loop=(0, 88_200))
    lead = Lead(lambda: place, RATE)
    assert lead.silent
    first = lead.position(10)
    assert first is not None
    assert (first.frame, first.rate, first.loop) == (RATE, RATE, (0, 2 * RATE))
    assert lead.position(10 + STUCK_NS) is not None
    assert not lead.silent
    assert lead.position(11 + STUCK_NS) is None
    assert lead.silent
    assert place is not None
    assert at_rate(place, 44_100) is place
