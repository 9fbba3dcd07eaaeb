"""MIDI inputs by name, raw over TCP and from files, up to the melody of the next request."""

from __future__ import annotations

import os
import socket
import time
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import mido
import mido.sockets
import pytest

import bridge.midi.ports
from bridge.client import connect
from bridge.midi.inputs import NoteCollector, match, open_input
from engine.errors import BadMidi, BadRequest, Unavailable
from tests.bridge_helpers import fake_server
from tests.midi_helpers import sounding
from tests.waiting import WAIT_S, wait, within


def test_ports_by_name_pattern_or_part() -> None:
    names = ["Midi Through 14:0", "Keystation 49 MIDI 1", "Keystation 49 MIDI 2"]
    assert match("Keystation 49 MIDI 2", names) == names[2]
    assert match("*midi 2", names) == names[2]
    assert match("through", names) == names[0]
    with pytest.raises(BadRequest, match=r"Midi Through.*Keystation"):
        match("Launchpad", names)
    with pytest.raises(BadRequest, match="virtual"):
        match("x", [])


@pytest.mark.parametrize("name", ["socket:0.0.0.0:1", "socket:127.0.0.1:x", "socket:9"])
def test_raw_midi_stays_on_this_machine(name: str) -> None:
    with pytest.raises(BadRequest, match=r"127\.0\.0\.1"):
        open_input(name, NoteCollector())


def test_without_a_midi_system_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> list[str]:
        raise ModuleNotFoundError("No module named 'rtmidi'")

    monkeypatch.setattr(bridge.midi.ports, "backend", lambda: SimpleNamespace(get_input_names=nothing))
    with pytest.raises(Unavailable, match="install python-rtmidi"):
        open_input("any", NoteCollector())


def test_what_a_midi_library_prints_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def noisy() -> list[str]:
        os.write(2, b"ALSA lib seq_hw.c: open /dev/snd/seq failed")
        raise OSError("no MIDI")

    monkeypatch.setattr(bridge.midi.ports, "backend", lambda: SimpleNamespace(get_input_names=noisy))
    with pytest.raises(Unavailable):
        open_input("any", NoteCollector())
    assert capfd.readouterr().err == ""


def test_live_notes_are_the_melody_of_the_next_request(tmp_path: Path) -> None:
    with fake_server(tmp_path, osc="off", midi_in="socket:127.0.0.1:0") as server:
        assert server.resident is not None and server.zeromq is not None and server._midi is not None
        melodies = []
        render = server.resident.renderer.render

        def spy(request, *rest, **named):  # type: ignore[no-untyped-def]
            melodies.append(request.melody)
            return render(request, *rest, **named)

        server.resident.renderer.render = spy  # type: ignore[method-assign]
        with mido.sockets.connect("127.0.0.1", int(server._midi.name.rpartition(":")[2])) as keyboard:
            for pitch in (60, 64):
                keyboard.send(mido.Message("note_on", note=pitch, velocity=77))
                time.sleep(0.1)
                keyboard.send(mido.Message("note_off", note=pitch))
            wait(lambda: [note.end_ns is None for note in server._notes.since(0)] == [False] * 2, "both notes to end")
        begins = [note.begin_ns for note in server._notes.since(0)]
        with connect(server.zeromq.endpoint) as engine:
            engine.generate(bars=1, tempo=120)
            engine.generate(bars=1, tempo=120)
        assert melodies[1] is None
        first, second = melodies[0]
        assert (first.pitch, first.beat, first.velocity, second.pitch) == (60, 0, 77, 64)
        assert float(second.beat) == pytest.approx((begins[1] - begins[0]) * 120 / 60e9, abs=1e-3)
        assert Fraction(first.length) > 0


def test_a_sender_that_goes_leaves_no_note_and_a_clock_hears_what_it_said() -> None:
    collector, heard = NoteCollector(), list[bytes]()
    with open_input("socket:127.0.0.1:0", collector) as source:
        end = source.listen(lambda data, at_ns: heard.append(data))
        with socket.create_connection(("127.0.0.1", int(source.name.rpartition(":")[2]))) as sender:
            sender.sendall(b"\xfa\x90\x3c\x40\xf8\x40\x40\xf2\x01\x00\x90\x43\x40")
            assert within(WAIT_S, lambda: sounding(collector) == [0x43])
        assert within(WAIT_S, lambda: sounding(collector) == [])
        assert heard == [b"\xfa", b"\x90\x3c\x40", b"\xf8", b"\x90\x40\x40", b"\xf2\x01\x00", b"\x90\x43\x40"]
        end()
        with socket.create_connection(("127.0.0.1", int(source.name.rpartition(":")[2]))) as sender:
            sender.sendall(b"\x90\x48\x40")
            assert within(WAIT_S, lambda: sounding(collector) == [0x48])
    assert sounding(collector) == [] and len(heard) == 6, "closing releases, too"


def midi_file(path: Path, tempo: int = 240) -> Path:
    file = mido.MidiFile(ticks_per_beat=96)
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo)))
    for pitch in (60, 64, 67):
        track.append(mido.Message("note_on", note=pitch, velocity=70, time=0))
        track.append(mido.Message("note_off", note=pitch, time=96))
    track.append(mido.Message("note_on", note=72, velocity=70, time=0))
    file.tracks.append(track)
    file.save(str(path))
    return path


def test_a_file_is_played_in_its_own_time(tmp_path: Path) -> None:
    """On a busy machine any note may be late: one take of some must be in time."""
    in_time = False
    for _ in range(6):
        collector = NoteCollector()
        with open_input(f"file:{midi_file(tmp_path / 'a.mid')}", collector) as source:
            assert source.name.endswith("a.mid")
            assert within(WAIT_S, lambda heard=collector: len(heard.since(0)) == 4 and not sounding(heard))
        notes = collector.since(0)
        assert [n.pitch for n in notes] == [60, 64, 67, 72]
        begins = [(n.begin_ns - notes[0].begin_ns) / 1e9 for n in notes]
        in_time = in_time or begins == pytest.approx([0, 0.25, 0.5, 0.75], abs=0.1)
        if in_time:
            break
    assert in_time, begins


def test_a_file_that_is_closed_stops_and_one_that_is_none_says_so(tmp_path: Path) -> None:
    collector = NoteCollector()
    source = open_input(f"file:{midi_file(tmp_path / 'slow.mid', tempo=4)}", collector)
    assert within(WAIT_S, lambda: sounding(collector) == [60])
    began_s = time.monotonic()
    source.close()
    assert time.monotonic() - began_s < 10 and sounding(collector) == [], "the first note alone has 15 s"
    (tmp_path / "bad.mid").write_bytes(b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x00\x60MTrk")
    for name in ("bad.mid", "none.mid"):
        with pytest.raises(BadMidi):
            open_input(f"file:{tmp_path / name}", collector)
