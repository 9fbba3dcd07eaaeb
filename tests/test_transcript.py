"""A performance taken down: what the head passed as WAV, what was played as MIDI, in one time."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from bridge.live.listening import Listening
from bridge.live.map import ProjectMap, announced
from bridge.live.messages import LiveNote
from bridge.live.recorder import Tape
from bridge.midi.transcript import TICKS, Axis, Placed, Stretch, midi_file, place, placed
from bridge.timeline.cache import EngineSide, PluginSide
from engine.errors import Unavailable
from tests.live_helpers import host, stage, wait
from tests.timeline_helpers import noise, some_transport

RATE = 8_000
SONG = announced(RATE, "0:120,2:90", "0:4/4,2:3/4")
BAR = 16_000
ROOT = Path(__file__).resolve().parent.parent


def note(serial: int, frame: int, song: ProjectMap = SONG, **more: object) -> LiveNote:
    bar = song.bar_at(frame)
    fields: dict[str, object] = {"arrived_ns": 0, "pitch": 60, "velocity": 90, "length": 1.0, **more}
    return LiveNote(serial=serial, frame=frame, bar=bar, quarter=float(song.quarter_at(frame)), **fields)  # type: ignore[arg-type]


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[tuple[PluginSide, EngineSide]]:
    plugin = PluginSide.create("tape", RATE, 0.5, tmp_path)
    engine = EngineSide.attach(plugin.path)
    engine.publish_map(SONG.segments())
    yield plugin, engine
    engine.close()
    plugin.close()


def roll(tape: Tape, plugin: PluginSide, first: int, end: int, jumps: int, step: int = 777, **loop: object) -> None:
    """Blocks of `step` frames, looked at after each."""
    for frame in [*range(first, end, step), end]:
        plugin.report(some_transport(frame, jumps=jumps, playing=True, **loop))
        tape.look()


def test_the_tape_is_what_the_head_passed_in_that_order(tmp_path: Path, sides: tuple[PluginSide, EngineSide]) -> None:
    plugin, engine = sides
    sound = noise(5 * BAR)
    engine.write(0, sound)
    tape = Tape(Listening(plugin.path), tmp_path / "out")
    loop = {"looping": True, "loop_first": 4_000, "loop_last": 12_000}
    roll(tape, plugin, 1_000, 11_900, jumps=2, **loop)
    roll(tape, plugin, 4_100, 9_000, jumps=3, **loop)
    plugin.report(some_transport(9_000, jumps=3, playing=False))
    tape.look()
    roll(tape, plugin, 40_000, 41_000, jumps=4)
    told = tape.close()
    heard, rate = soundfile.read(tmp_path / "out" / "generated.wav", dtype="float32")
    expected = np.concatenate([sound[0:12_000], sound[4_000:9_000], sound[40_000:41_000]])
    assert rate == RATE
    assert np.array_equal(heard, expected)
    assert (told["frames"], told["missing_frames"]) == (len(expected), 0)
    assert [file.name for file in sorted((tmp_path / "out").iterdir())] == [
        "generated.wav", "played.mid", "transcript.json",
    ]  # fmt: skip


def test_what_the_cache_does_not_hold_is_silence_and_counted(
    tmp_path: Path, sides: tuple[PluginSide, EngineSide]
) -> None:
    plugin, engine = sides
    sound = noise(4_000)
    engine.write(0, sound)
    tape = Tape(Listening(plugin.path), tmp_path / "out")
    roll(tape, plugin, 0, 6_000, jumps=2)
    assert tape.close()["missing_frames"] == 2_000
    heard, _ = soundfile.read(tmp_path / "out" / "generated.wav", dtype="float32")
    assert np.array_equal(heard[:4_000], sound) and not heard[4_000:].any()


def test_a_new_tempo_map_begins_a_stretch_and_loses_no_frame(
    tmp_path: Path, sides: tuple[PluginSide, EngineSide]
) -> None:
    plugin, engine = sides
    sound = noise(2 * BAR)
    engine.write(0, sound)
    tape = Tape(Listening(plugin.path), tmp_path / "out")
    roll(tape, plugin, 0, 8_000, jumps=2)
    engine.publish_map(announced(RATE, "0:120,1:60", "4/4").segments())
    engine.write(8_000, sound[8_000:])
    roll(tape, plugin, 8_500, 20_000, jumps=2)
    assert [(s.tape_frame, s.first) for s in tape.stretches] == [(0, 0), (8_500, 8_500)]
    told = tape.close()
    heard, _ = soundfile.read(tmp_path / "out" / "generated.wav", dtype="float32")
    assert np.array_equal(heard, sound[:20_000])
    assert told["missing_frames"] == 0


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, sides: tuple[PluginSide, EngineSide]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        Tape(Listening(sides[0].path), tmp_path / "file" / "out")


# ---- places and MIDI ---------------------------------------------------------------------

TAPE = [
    Stretch(0, 0, SONG, 10**9, 12_000),
    Stretch(12_000, 4_000, SONG, 2 * 10**9, 8_000),
    Stretch(20_000, 2 * BAR - 4_000, SONG, 3 * 10**9, 4_000 + 32_000),
]
"""Bar 0 and its loop, then over the change of tempo and meter at bar 2."""


def test_a_note_lies_in_the_pass_in_which_it_was_played() -> None:
    assert place(note(1, 5_000, arrived_ns=10**9 + 1), TAPE) == 5_000
    assert place(note(2, 5_000, arrived_ns=2 * 10**9 + 1), TAPE) == 13_000
    assert place(note(3, 2 * BAR, arrived_ns=4 * 10**9), TAPE) == 24_000
    assert place(note(4, 20_000, arrived_ns=4 * 10**9), TAPE) is None, "the head was never there"


def test_ticks_follow_the_projects_tempi() -> None:
    axis = Axis(TAPE)
    assert [axis.tick(frame) for frame in (0, 4_000, 12_000, 20_000)] == [0, TICKS, 3 * TICKS, 5 * TICKS]
    changes = [(tick, float(tempo), str(meter)) for tick, tempo, meter in axis.changes()]
    assert changes == [(0, 120.0, "4/4"), (6 * TICKS, 90.0, "3/4")]
    assert axis.tick(24_000 + 5_333) == pytest.approx(7 * TICKS, abs=1)


def test_the_file_has_the_audios_time_and_marks_the_answers() -> None:
    played = [
        note(1, 5_000, arrived_ns=10**9 + 1, pitch=64, velocity=70, length=0.5, answer_bar=2),
        note(2, 2 * BAR + 1_000, arrived_ns=4 * 10**9, pitch=67, length=None),
    ]
    data = midi_file(placed(played, TAPE), TAPE)
    file = mido.MidiFile(file=io.BytesIO(data))
    seconds, found, marks = 0.0, [], []
    for message in file:
        seconds += message.time
        if message.type == "note_on":
            found.append((message.note, message.velocity, round(seconds * RATE)))
        if message.type == "marker":
            marks.append((message.text, round(seconds * RATE)))
    assert [(pitch, velocity) for pitch, velocity, _ in found] == [(64, 70), (67, 90)]
    assert [at for _, _, at in found] == pytest.approx([5_000, 25_000], abs=RATE / TICKS)
    assert [text for text, _ in marks] == ["answers a note of bar 1"]
    assert [at for _, at in marks] == pytest.approx([24_000], abs=RATE / TICKS)


def test_nothing_played_and_nothing_heard_is_a_file_all_the_same() -> None:
    assert len(mido.MidiFile(file=io.BytesIO(midi_file([], []))).tracks) == 2
    assert placed([note(1, 5_000)], []) == []
    assert Placed(note(1, 5_000), 3).tape_frame == 3


# ---- the command -------------------------------------------------------------------------


def test_a_performance_is_taken_down_until_ctrl_c(tmp_path: Path) -> None:
    caches, out = tmp_path / "caches", tmp_path / "out"
    caches.mkdir()
    out.mkdir()
    with stage(caches, midi_in="socket:127.0.0.1:0") as s, host(caches, "240") as h:
        assert s.server._midi is not None
        assert s.server.zeromq is not None
        h.ready(2)
        environment = {
            **os.environ,
            "ATTACCA_CACHE_DIR": str(caches),
            "ATTACCA_ZMQ": s.server.zeromq.endpoint,
            "PYTHONUNBUFFERED": "1",
        }
        command = [sys.executable, "-m", "bridge.cli", "live", "--transcript", str(out), "--json"]
        ours = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            assert ours.stdout is not None
            first = json.loads(ours.stdout.readline())
            assert first["caches"][0]["session"] == "ready"
            wait(lambda: list(out.glob("*/test/.generated*")), "the tape to run")
            with socket.create_connection(("127.0.0.1", int(s.server._midi.name.rpartition(":")[2]))) as keys:
                h.play(24_000, speed=1)
                keys.sendall(bytes((0x90, 64, 90)))
                h.play(24_000, speed=1)
                keys.sendall(bytes((0x80, 64, 0)))
                h.play(100_000, speed=1)

                def answered() -> bool:
                    h.play(4_800, speed=1)
                    landed = [trace.first_changed_frame for trace in s.traces() if trace.kind == "note"]
                    return any(frame is not None and h.frame > frame + 24_000 for frame in landed)

                wait(answered, "the note's answer to be heard")
            wait(lambda: b"64" in ours.stdout.readline(), "the note to be shown")
            ours.send_signal(signal.SIGINT)
            rest, problems = ours.communicate(timeout=60)
        finally:
            ours.kill()
            ours.wait()
    assert ours.returncode == 0, problems
    (told,) = json.loads(rest.splitlines()[-1])["transcripts"]
    assert (told["instance"], told["notes"]) == ("test", 1)
    folder = Path(told["folder"])
    transcript = json.loads((folder / "transcript.json").read_text())
    audio, rate = soundfile.read(folder / "generated.wav", dtype="float32")
    assert (rate, len(audio)) == (48_000, transcript["frames"])
    assert transcript["frames"] >= 140_000
    (stretch,) = transcript["stretches"]
    played = np.concatenate([block.audio for block in h.played])
    first_frame = stretch["project_frame"]
    assert first_frame == 0
    same = min(len(audio), len(played))
    assert np.array_equal(audio[:same], played[:same])
    (key,) = transcript["notes"]
    assert key["pitch"] == 64
    assert 20_000 < key["tape_frame"] < 140_000
    assert transcript["answers"]
    assert transcript["answers"][0]["serials"] == [key["serial"]]


def test_where_the_folder_is_missing_it_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bridge.cli", "live", "--transcript", str(tmp_path / "none")]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert "make it first" in ran.stderr
