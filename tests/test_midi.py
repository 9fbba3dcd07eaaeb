"""Live notes: from bytes on a port to the melody of the next request."""

from __future__ import annotations

import os
import time
from fractions import Fraction
from pathlib import Path

import mido
import mido.sockets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.client import connect
from bridge.clock import OfflineClock
from bridge.midi import MAX_NOTES, Normaliser, NoteCollector, match, open_input
from engine.errors import BadRequest, Unavailable
from engine.timing import Meter, TempoMap
from engine.types import Note
from tests.bridge_helpers import fake_server

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

    monkeypatch.setattr(mido, "get_input_names", nothing)
    with pytest.raises(Unavailable, match="install python-rtmidi"):
        open_input("any", NoteCollector())


def test_what_a_midi_library_prints_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def noisy() -> list[str]:
        os.write(2, b"ALSA lib seq_hw.c: open /dev/snd/seq failed")
        raise OSError("no MIDI")

    monkeypatch.setattr(mido, "get_input_names", noisy)
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
