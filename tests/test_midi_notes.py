"""Live notes as they come: from bytes to notes of a request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.clock import OfflineClock
from bridge.midi.notes import MAX_NOTES, Normaliser, NoteCollector
from engine.timing import Meter, TempoMap
from engine.types import Note

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
