"""The shipped performance, played in over JACK MIDI: the next bars are told its melody; no note is left behind."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from benchmarks.performance import (
    BARS,
    FIRST_BAR,
    PERFORMANCE,
    RATE,
    TEMPO,
    Performer,
    Run,
    by_answer,
    figures,
    messages,
    verdicts,
)  # fmt: skip
from bridge.live.messages import LiveNote
from engine.controls.midifile import read_melody, read_notes
from engine.types import Audio
from tests.jack_server import JackServer
from tests.live_helpers import Coloured, host, stage, wait

PLAYED_AT = 240.0
PERIOD = 512
SOME_BARS = 6


def test_the_shipped_performance_is_a_melody_as_a_hand_plays_it() -> None:
    notes = read_notes(PERFORMANCE)
    assert len(read_melody(PERFORMANCE)) == len(notes) > 50
    assert BARS * 4 - 4 < notes[-1].beat + notes[-1].length <= BARS * 4
    assert {round(note.beat) // 4 for note in notes} == set(range(BARS))
    off_ms = np.array([(note.beat - round(note.beat * 2) / 2) * 60_000 / TEMPO for note in notes])
    assert 2 < np.abs(off_ms).mean() < 25 and np.abs(off_ms).max() < 60
    assert len({note.velocity for note in notes}) > 15


# ---- judging -----------------------------------------------------------------------------


def told(pitch: int, bar: int, quarter: float, length: float | None, serial: int = 0) -> LiveNote:
    return LiveNote(serial, 0, 0, bar, quarter, pitch, 90, length, bar + 1)


def tones(notes: list[LiveNote], bars: int) -> Audio:
    """The notes as sines with three overtones, each a bar after it was played."""
    beat_s = 60 / TEMPO
    audio = np.zeros(round(bars * 4 * beat_s * RATE))
    for note in notes:
        first = round(((note.bar + 1) * 4 + note.quarter) * beat_s * RATE)
        count = min(round((note.length or 0) * beat_s * RATE), len(audio) - first)
        at = np.arange(count) / RATE
        pitch_hz = 440 * 2 ** ((note.pitch - 69) / 12)
        audio[first : first + count] += sum(0.2 / k * np.sin(2 * np.pi * pitch_hz * k * at) for k in (1, 2, 4))
    return np.repeat(audio.astype(np.float32)[:, None], 2, axis=1)


def test_an_answer_that_is_the_melody_is_told_from_one_that_is_not() -> None:
    shipped = read_notes(PERFORMANCE)
    notes = [told(n.pitch, int(n.beat // 4), n.beat % 4, n.length, k) for k, n in enumerate(shipped)]
    other = [told(n.pitch + 6, n.bar, n.quarter, n.length) for n in notes]
    bars = {note.bar + 1 for note in notes}
    assert [bar for bar, _ in by_answer(tuple(notes))] == sorted(bars)
    right = Run(tones(notes, BARS + 1), tuple(notes), 0, 0)
    wrong = Run(tones(other, BARS + 1), tuple(notes), 1, 0)
    found = figures(right, wrong)
    assert found["followed"] > 0.9 and found["not_followed"] < 0.1 and found["chance"] < 0.5
    assert (found["next_bar"], found["stuck"], found["bars"]) == (1, 1, len(bars))
    assert verdicts(found, len(shipped)) == {
        "all_notes_heard": True,
        "the_next_bars_follow_the_melody": True,
        "no_note_is_stuck_after_disconnect": False,
    }


def test_the_messages_lie_on_the_hosts_bars() -> None:
    found = messages(5)
    assert len(found) == 2 * len(read_notes(PERFORMANCE))
    assert [at for at, _ in found] == sorted(at for at, _ in found)
    first_bar_ns = 5 + FIRST_BAR * 4 * 60e9 / TEMPO
    assert abs(found[0][0] - first_bar_ns) < 50e6


# ---- over a real port --------------------------------------------------------------------


def test_the_next_bars_are_told_what_was_played_and_a_pulled_cable_leaves_no_note(
    jack_server: JackServer, tmp_path: Path
) -> None:
    performer = Performer(jack_server.name)
    try:
        with stage(tmp_path, midi_in="performer:keys") as s, host(tmp_path, str(PLAYED_AT)) as h:
            h.ready(2)
            bar = h.song.frame(1)
            begin_ns = time.monotonic_ns() + 1_000_000_000
            scale = TEMPO / PLAYED_AT
            end_ns = begin_ns + round(SOME_BARS * 4 * 60e9 / PLAYED_AT)
            due = [(begin_ns + round((at - FIRST_BAR * 4 * 60e9 / TEMPO) * scale), data) for at, data in messages(0)]
            performer.due.extend((at, data) for at, data in due if at < end_ns)
            while time.monotonic_ns() < end_ns:
                h.play(bar // 4, speed=1)
            performer.due.append((0, bytes((0x90, 100, 80))))

            def held() -> list[int]:
                h.play(h.block, speed=1)
                return [note.pitch for note in s.server._notes.since(0) if note.end_ns is None]

            wait(lambda: 100 in held(), "the last key to be heard")
            performer.close()
            wait(lambda: not held(), "all keys to be released")
            h.play(2 * bar, speed=1)
            (status,) = s.engine.live_status(notes=256).sessions
            assert isinstance(s.renderer, Coloured)
            requests = {request.id: request for request in s.renderer.requests}
            traces = [trace for trace in s.traces() if trace.kind == "note"]
    finally:
        performer.close()
    played = [note for note in status.notes if note.pitch != 100]
    sent = [data[1] for at, data in due if data[0] == 0x90 and at < end_ns]
    assert in_order([note.pitch for note in played], sent)
    assert len(played) >= 0.5 * len(sent), "a busy machine's JACK may have skipped periods"
    assert all(note.length is not None for note in status.notes), "no key is down any more"
    assert all(note.answer_bar is not None and 1 <= note.answer_bar - note.bar <= 3 for note in played)
    answered = dict(by_answer(status.notes))
    checked = 0
    for trace in traces:
        request = requests.get(trace.request_id or "")
        line = h.song.bar_at(trace.announced_frame)
        if request is None or not request.melody or line not in answered:
            continue
        here = [(note.pitch, note.velocity) for note in request.melody if note.beat < 4]
        assert set(here) <= {(note.pitch, note.velocity) for note in answered[line]}
        checked += 1
    assert checked >= len(played) // 2


def in_order(some: list[int], all_of_them: list[int]) -> bool:
    """Whether these are of those, in their order."""
    rest = iter(all_of_them)
    return all(any(one == other for other in rest) for one in some)
