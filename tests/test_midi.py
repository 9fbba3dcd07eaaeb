"""Live notes: from bytes on a port to the melody of the next request."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import mido
import mido.sockets
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bridge.midi.ports
from bridge.client import connect
from bridge.clock import OfflineClock
from bridge.midi.inputs import MAX_NOTES, Normaliser, NoteCollector, match, open_input
from engine.errors import BadMidi, BadRequest, Unavailable
from engine.timing import Meter, TempoMap
from engine.types import Note
from tests.bridge_helpers import fake_server
from tests.jack_server import JackServer, jack_or_skip

AT_120 = TempoMap.constant(120, Meter(4, 4))
ON, OFF = 0x90, 0x80


def collect(*events: tuple[float, tuple[int, int, int]], tempo_map: TempoMap = AT_120) -> tuple[Note, ...]:
    """Notes from (seconds, message) pairs."""
    clock = OfflineClock()
    collector = NoteCollector(clock)
    for at_s, message in events:
        clock.advance(max(0.0, at_s - clock.now_s()))
        collector.feed(bytes(message))
    return collector.take(tempo_map)


def test_the_first_note_on_is_beat_0_in_the_requests_tempo() -> None:
    played = [(3.0, (ON, 60, 90)), (3.5, (OFF, 60, 0)), (4.0, (ON, 64, 80)), (4.25, (ON, 64, 0))]
    assert collect(*played) == (
        Note(pitch=60, beat=0, length=1, velocity=90),
        Note(pitch=64, beat=2, length=0.5, velocity=80),
    )
    at_60 = TempoMap.constant(60, Meter(4, 4))
    assert [(n.beat, n.length) for n in collect(*played, tempo_map=at_60)] == [(0, 0.5), (1, 0.25)]


def test_stuck_notes_are_closed_when_taken_and_notes_are_taken_once() -> None:
    clock = OfflineClock()
    collector = NoteCollector(clock)
    collector.feed(bytes((ON, 60, 90)))
    clock.advance(2.0)
    assert collector.take(AT_120) == (Note(pitch=60, beat=0, length=4, velocity=90),)
    assert collector.take(AT_120) == ()
    collector.feed(bytes((OFF, 60, 0)))
    assert collector.take(AT_120) == ()


def test_the_same_key_again_ends_the_first_note_but_not_on_another_channel() -> None:
    again = collect((0, (ON, 60, 90)), (1, (ON, 60, 91)), (2, (OFF, 60, 0)))
    assert [(n.beat, n.length, n.velocity) for n in again] == [(0, 2, 90), (2, 2, 91)]
    other = collect((0, (ON, 60, 90)), (1, (ON + 1, 60, 91)), (2, (OFF, 60, 0)), (3, (OFF + 1, 60, 0)))
    assert [(n.beat, n.length) for n in other] == [(0, 4), (2, 4)]


def test_all_notes_off_ends_them() -> None:
    assert [n.length for n in collect((0, (ON, 60, 9)), (0, (ON, 64, 9)), (1, (0xB0, 123, 0)), (9, (0xB0, 7, 9)))] == [
        2,
        2,
    ]


def test_a_pause_begins_a_new_phrase() -> None:
    noodling = [(0.0, (ON, 50, 9)), (0.5, (OFF, 50, 0))]
    phrase = [(5.6, (ON, 60, 9)), (6.0, (OFF, 60, 0)), (10.9, (ON, 62, 9)), (11.0, (OFF, 62, 0))]
    assert [n.pitch for n in collect(*noodling, *phrase)] == [60, 62]


def test_notes_are_bounded() -> None:
    collector = NoteCollector(OfflineClock())
    for k in range(MAX_NOTES + 100):
        collector.feed(bytes((ON, k % 128, 9)))
    assert len(collector.take(AT_120)) == MAX_NOTES


@given(st.lists(st.tuples(st.integers(0, 10**7), st.sampled_from([ON, OFF]), st.integers(0, 3), st.integers(0, 127))))
def test_any_playing_gives_notes_that_a_request_takes(events: list[tuple[int, int, int, int]]) -> None:
    at, played = 0, []
    for micros, kind, pitch, velocity in events:
        at += micros
        played.append((at / 1e6, (kind, pitch, velocity)))
    notes = collect(*played)
    assert [n.beat for n in notes] == sorted(n.beat for n in notes)
    assert all(n.length > 0 and 1 <= n.velocity <= 127 and n.beat >= 0 for n in notes)
    assert not notes or notes[0].beat == 0


MESSAGES = st.one_of(
    st.builds(
        lambda s, a, b: bytes((s, a, b)),
        st.sampled_from([0x80, 0x90, 0xB3, 0xE0]),
        st.integers(0, 127),
        st.integers(0, 127),
    ),
    st.builds(lambda s, a: bytes((s, a)), st.sampled_from([0xC0, 0xD5]), st.integers(0, 127)),
)


@given(st.lists(MESSAGES, max_size=20), st.booleans(), st.lists(st.integers(1, 7), max_size=30))
def test_the_normaliser_fills_in_running_status_and_drops_the_rest(
    messages: list[bytes], noise: bool, cuts: list[int]
) -> None:
    stream, status = bytearray(), 0
    for message in messages:
        if noise:
            stream += b"\xf0" + bytes(range(100)) + b"\xf7\xfe"
            status = 0
        stream += message[1:] if message[0] == status else message  # running status by the standard's rule
        status = message[0]
    normaliser, found, at = Normaliser(), [], 0
    for cut in [*cuts, len(stream)]:
        found += normaliser.feed(bytes(stream[at : at + cut]))
        at += cut
    assert found == messages


def test_endless_sysex_takes_no_memory() -> None:
    normaliser = Normaliser()
    assert normaliser.feed(b"\xf0" + b"\x01" * 1_000_000) == []
    assert len(normaliser._data) == 0
    assert normaliser.feed(b"\x90\x3c\x40") == [b"\x90\x3c\x40"]


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
            time.sleep(0.1)
        with connect(server.zeromq.endpoint) as engine:
            engine.generate(bars=1, tempo=120)
            engine.generate(bars=1, tempo=120)
        assert melodies[1] is None
        first, second = melodies[0]
        assert (first.pitch, first.beat, first.velocity, second.pitch) == (60, 0, 77, 64)
        assert float(second.beat) == pytest.approx(0.2, abs=0.08)
        assert Fraction(first.length) > 0


def test_notes_are_looked_at_without_being_taken() -> None:
    clock = OfflineClock(10.0)
    collector = NoteCollector(clock)
    s = 10**9
    collector.feed(bytes((ON, 60, 90)))
    clock.advance(1.0)
    collector.feed(bytes((OFF, 60, 0)))
    collector.feed(bytes((ON, 64, 80)))
    assert collector.since(0) == ((60, 90, 10 * s, 11 * s), (64, 80, 11 * s, None))
    assert collector.since(11 * s) == ((64, 80, 11 * s, None),)
    assert collector.changes == 3
    assert [n.pitch for n in collector.take(AT_120)] == [60, 64]
    assert [n.pitch for n in collector.since(0)] == [60, 64], "they stay"
    clock.advance(1.0)
    assert collector.since(12 * s) == ()
    for k in range(MAX_NOTES + 10):
        collector.feed(bytes((ON, k % 128, 9)))
    assert len(collector.since(0)) == MAX_NOTES


@pytest.mark.parametrize("message", [b"\xfc", b"\xf2\x10\x00", b"\xff", b"\xb0\x78\x00", b"\xb3\x7b\x00", None])
def test_stuck_notes_end_on_stop_seek_reset_and_panic(message: bytes | None) -> None:
    collector = NoteCollector(OfflineClock(1.0))
    collector.feed(bytes((ON, 60, 90)))
    collector.feed(bytes((ON + 5, 64, 90)))
    collector.feed(b"\xf8")
    collector.feed(b"\xfa")
    assert [n.end_ns for n in collector.since(0)] == [None, None]
    collector.release() if message is None else collector.feed(message)
    assert [n.end_ns for n in collector.since(0)] == [10**9, 10**9]


@given(
    st.lists(MESSAGES, max_size=20),
    st.lists(st.sampled_from([0xF8, 0xFA, 0xFB, 0xFC, 0xFF]), max_size=20),
    st.randoms(),
)
def test_realtime_comes_through_even_inside_other_messages(messages: list[bytes], realtime: list[int], random) -> None:  # type: ignore[no-untyped-def]
    stream = list(b"".join(messages))
    for byte in realtime:
        stream.insert(random.randint(0, len(stream)), byte)
    found = Normaliser(system=True).feed(bytes(stream))
    assert [m for m in found if m[0] < 0xF0] == messages
    assert sorted(m[0] for m in found if m[0] >= 0xF0) == sorted(realtime)
    assert Normaliser().feed(bytes(stream)) == messages


def test_song_position_comes_through_to_who_asks_and_has_no_running_status() -> None:
    stream = b"\x90\x3c\x40\xf2\x10\x01\x05\xf3\x07\xf1\x08\xf6\x90\x3e\x40"
    assert Normaliser(system=True).feed(stream) == [b"\x90\x3c\x40", b"\xf2\x10\x01", b"\x90\x3e\x40"]
    assert Normaliser().feed(stream) == [b"\x90\x3c\x40", b"\x90\x3e\x40"]


def within(seconds: float, true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.01)
    return False


def sounding(collector: NoteCollector) -> list[int]:
    return [note.pitch for note in collector.since(0) if note.end_ns is None]


def test_a_sender_that_goes_leaves_no_note_and_a_clock_hears_what_it_said() -> None:
    collector, heard = NoteCollector(), list[bytes]()
    with open_input("socket:127.0.0.1:0", collector) as source:
        end = source.listen(lambda data, at_ns: heard.append(data))
        with socket.create_connection(("127.0.0.1", int(source.name.rpartition(":")[2]))) as sender:
            sender.sendall(b"\xfa\x90\x3c\x40\xf8\x40\x40\xf2\x01\x00\x90\x43\x40")
            assert within(5, lambda: sounding(collector) == [0x43])
        assert within(5, lambda: sounding(collector) == [])
        assert heard == [b"\xfa", b"\x90\x3c\x40", b"\xf8", b"\x90\x40\x40", b"\xf2\x01\x00", b"\x90\x43\x40"]
        end()
        with socket.create_connection(("127.0.0.1", int(source.name.rpartition(":")[2]))) as sender:
            sender.sendall(b"\x90\x48\x40")
            assert within(5, lambda: sounding(collector) == [0x48])
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
    collector = NoteCollector()
    with open_input(f"file:{midi_file(tmp_path / 'a.mid')}", collector) as source:
        assert source.name.endswith("a.mid")
        assert within(5, lambda: len(collector.since(0)) == 4 and not sounding(collector))
    notes = collector.since(0)
    assert [n.pitch for n in notes] == [60, 64, 67, 72]
    begins = [(n.begin_ns - notes[0].begin_ns) / 1e9 for n in notes]
    assert begins == pytest.approx([0, 0.25, 0.5, 0.75], abs=0.2)


def test_a_file_that_is_closed_stops_and_one_that_is_none_says_so(tmp_path: Path) -> None:
    collector = NoteCollector()
    source = open_input(f"file:{midi_file(tmp_path / 'slow.mid', tempo=20)}", collector)
    assert within(5, lambda: sounding(collector) == [60])
    began_s = time.monotonic()
    source.close()
    assert time.monotonic() - began_s < 1 and sounding(collector) == []
    (tmp_path / "bad.mid").write_bytes(b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x00\x60MTrk")
    for name in ("bad.mid", "none.mid"):
        with pytest.raises(BadMidi):
            open_input(f"file:{tmp_path / name}", collector)


@pytest.fixture
def jack_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JackServer]:
    jack_or_skip()
    with JackServer.or_skip(f"attacca-midi-{os.getpid()}") as server:
        for key, value in server.variables.items():
            monkeypatch.setenv(key, value)
        monkeypatch.setenv("MIDO_BACKEND", "mido.backends.rtmidi/UNIX_JACK")
        yield server


class Keyboard:
    """A JACK client with a MIDI output."""

    def __init__(self, server: JackServer) -> None:
        import jack

        self.client = jack.Client("keys", no_start_server=True, servername=server.name)
        self.port = self.client.midi_outports.register("out")
        self.queue: deque[bytes] = deque()
        self.client.set_process_callback(self.process)
        self.client.activate()

    def process(self, frames: int) -> None:
        self.port.clear_buffer()
        while self.queue:
            self.port.write_midi_event(0, self.queue.popleft())

    def close(self) -> None:
        self.client.close(ignore_errors=True)


def test_a_port_that_vanishes_is_opened_again_when_it_is_back(jack_server: JackServer) -> None:
    collector, heard = NoteCollector(), list[bytes]()
    keyboard = Keyboard(jack_server)
    try:
        with open_input("*keys*", collector) as source:
            source.listen(lambda data, at_ns: heard.append(data))
            assert source.name == "keys:out"
            keyboard.queue += [b"\x90\x3c\x40", b"\xf8", b"\xf2\x02\x00", b"\x90\x40\x40"]
            assert within(5, lambda: sounding(collector) == [0x40]), (heard, collector.since(0))
            assert {b"\xf8", b"\xf2\x02\x00"} <= set(heard)
            keyboard.close()
            assert within(10, lambda: sounding(collector) == []), "a vanished port releases its notes"
            keyboard = Keyboard(jack_server)
            assert within(10, lambda: keyboard.queue.append(b"\x90\x43\x40") or 0x43 in sounding(collector))  # type: ignore[func-returns-value]
    finally:
        keyboard.close()
    assert sounding(collector) == []


PORT_ON_JACK = """
import time
from bridge.midi.inputs import NoteCollector, open_input
collector = NoteCollector()
with open_input("keys", collector):
    print("open", flush=True)
    told = 0
    for _ in range(600):
        time.sleep(0.05)
        if collector.changes != told:
            told = collector.changes
            print(sum(note.end_ns is None for note in collector.since(0)), flush=True)
        if told >= 3:
            break
print("closed", flush=True)
"""


def test_a_jack_server_that_dies_releases_notes_and_one_that_comes_is_used(jack_server: JackServer) -> None:
    command = [sys.executable, "-c", PORT_ON_JACK]
    environment = {**jack_server.environment, "MIDO_BACKEND": "mido.backends.rtmidi/UNIX_JACK"}
    keyboard = jack_server.start(sys.executable, "-c", KEYS_ON_JACK)
    assert jack_server.wait_for_port("keys:out")
    ours = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert ours.stdout is not None and ours.stdout.readline() == b"open\n"
        assert ours.stdout.readline() == b"1\n"
        jack_server.server.kill()
        jack_server.server.wait(timeout=30)
        assert ours.stdout.readline() == b"0\n"
        keyboard.kill()
        jack_server.restart()
        jack_server.start(sys.executable, "-c", KEYS_ON_JACK)
        assert ours.communicate(timeout=60)[0] == b"1\nclosed\n"
        assert ours.returncode == 0
    finally:
        ours.kill()


KEYS_ON_JACK = """
import time, jack
client = jack.Client("keys", no_start_server=True)
port = client.midi_outports.register("out")
blocks = 0
@client.set_process_callback
def process(frames):
    global blocks
    port.clear_buffer()
    blocks += 1
    if blocks % 100 == 0 and port.number_of_connections:
        port.write_midi_event(0, bytes((0x90, 0x3C, 0x40)))
        blocks = -10**9
client.activate()
time.sleep(60)
"""


def test_a_virtual_port_of_our_own_on_jack(jack_server: JackServer) -> None:
    collector = NoteCollector()
    keyboard = Keyboard(jack_server)
    try:
        with open_input("virtual:Attacca Test", collector):
            ours = [p for p in keyboard.client.get_ports(is_midi=True, is_input=True) if "Attacca Test" in p.name]
            assert ours
            keyboard.client.connect(keyboard.port, ours[0])
            assert within(5, lambda: keyboard.queue.append(b"\x90\x43\x40") or 0x43 in sounding(collector))  # type: ignore[func-returns-value]
    finally:
        keyboard.close()
