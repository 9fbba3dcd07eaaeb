"""Melodies out of MIDI files, real and broken; the highest voice; its place on frames."""

from __future__ import annotations

import itertools
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import controls
from engine.controls.midifile import parse_notes
from engine.errors import BadMidi
from engine.types import Note


def note(pitch: int, beat: float, length: float) -> Note:
    return Note(pitch=pitch, beat=beat, length=length)


starts = st.integers(0, 64).map(lambda x: x / 4)
lengths = st.integers(1, 16).map(lambda x: x / 4)
notes_lists = st.lists(st.builds(note, st.integers(0, 127), starts, lengths), max_size=20)


def save(path: Path, *tracks: list[mido.Message], ticks: int = 480, kind: int = 1) -> Path:
    file = mido.MidiFile(ticks_per_beat=ticks, type=kind)
    for track in tracks:
        file.tracks.append(mido.MidiTrack(track))
    file.save(path)
    return path


def as_track(notes: list[Note], ticks: int = 480) -> list[mido.Message]:
    """Note-offs as note-ons with velocity 0, so that mido writes running status."""
    events = [(round(n.beat * ticks), 1, n.pitch, n.velocity) for n in notes]
    events += [(round((n.beat + n.length) * ticks), 0, n.pitch, 0) for n in notes]
    now, track = 0, [mido.MetaMessage("set_tempo", tempo=300_000), mido.MetaMessage("track_name", name="Lead")]
    for at, _, pitch, velocity in sorted(events):
        track.append(mido.Message("note_on", note=pitch, velocity=velocity, time=at - now))
        now = at
    return track


def test_a_real_file(tmp_path: Path) -> None:
    tune = [note(60, 0, 1), note(64, 1, 0.5), note(67, 1.5, 2.5), note(72, 5, 1)]
    chords = [note(48, 0, 4), note(52, 0, 4)]
    drums = [
        mido.Message("note_on", channel=9, note=36, velocity=90),
        mido.Message("note_off", channel=9, note=36, time=99),
    ]
    conductor = [mido.MetaMessage("time_signature"), mido.Message("sysex", data=[1] * 300)]
    path = save(tmp_path / "a.mid", conductor, drums, as_track(tune), as_track(chords))
    assert controls.read_melody(path) == tuple(tune) and controls.read_melody(str(path)) == tuple(tune)
    path = save(tmp_path / "b.mid", as_track([*tune, note(48, 0, 8), note(55, 1, 0.5)], 96), ticks=96, kind=0)
    assert controls.read_melody(path) == tuple(tune)
    assert len(controls.read_notes(path)) == 6
    rmid = tmp_path / "c.mid"
    content = path.read_bytes()
    rmid.write_bytes(
        b"RIFF" + struct.pack("<I", len(content) + 12) + b"RMIDdata" + struct.pack("<I", len(content)) + content
    )
    assert controls.read_melody(rmid) == tuple(tune)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(["note_on", "note_off", "control_change", "pitchwheel", "sysex", "marker"]),
                       st.integers(0, 3), st.integers(50, 53), st.integers(0, 127), st.integers(0, 500)), max_size=40),
    st.sampled_from([1, 24, 96, 480, 32767]),
)  # fmt: skip
def test_reads_what_mido_reads(
    tmp_path_factory: pytest.TempPathFactory, raw: list[tuple[Any, ...]], ticks: int
) -> None:
    """mido writes and reads the file again; its messages are paired here another way: per key, on to next off."""
    track = []
    for kind, channel, pitch, value, delta in raw:
        if kind.startswith("note"):
            track.append(mido.Message(kind, channel=channel, note=pitch, velocity=value, time=delta))
        elif kind == "control_change":
            track.append(mido.Message(kind, channel=channel, control=pitch, value=value, time=delta))
        elif kind == "sysex":
            track.append(mido.Message(kind, data=[value] * pitch, time=delta))
        else:
            track.append(mido.MetaMessage("marker", text="x" * pitch, time=delta))
    path = save(tmp_path_factory.mktemp("m") / "x.mid", track, ticks=ticks)
    now, timed = 0, []
    for message in mido.MidiFile(path).tracks[0]:
        now += message.time
        timed.append((now, message))
    expected = []
    for key in {(m.channel, m.note) for _, m in timed if m.type.startswith("note")}:
        mine = [
            (t, m.velocity if m.type == "note_on" else 0)
            for t, m in timed
            if m.type.startswith("note") and (m.channel, m.note) == key
        ]
        starts, ends, depth = [], [], 0
        for t, velocity in mine:
            if velocity:
                starts.append((t, velocity))
                depth += 1
            elif depth:
                ends.append(t)
                depth -= 1
        ends += [now] * depth
        expected += [(t / ticks, key[1], max(1, end - t) / ticks, v) for (t, v), end in zip(starts, ends, strict=True)]
    if not expected:
        with pytest.raises(BadMidi, match="no notes"):
            controls.read_notes(path)
        return
    got = controls.read_notes(path)
    assert sorted((n.beat, n.pitch, n.length, n.velocity) for n in got) == sorted(expected)


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack(">I", len(data)) + data


HEAD = chunk(b"MThd", struct.pack(">HHH", 0, 1, 96))
ON = b"\x00\x90\x3c\x40"
BAD_MIDI = {
    "empty": b"", "text": b"hello", "no track": HEAD, "no notes": HEAD + chunk(b"MTrk", b"\x00\xff\x2f\x00"),
    "cut short": (HEAD + chunk(b"MTrk", ON + b"\x60\x3c\x00"))[:-2],
    "film frames": chunk(b"MThd", struct.pack(">HHH", 0, 1, 0xE728)) + chunk(b"MTrk", ON),
    "no division": chunk(b"MThd", struct.pack(">HHH", 0, 1, 0)) + chunk(b"MTrk", ON),
    "endless number": HEAD + chunk(b"MTrk", b"\xff" * 3_000_000),
    "endless sysex": HEAD + chunk(b"MTrk", b"\x00\xf0\x8f\xff\xff\x7f" + b"\x01" * 3_000_000),
    "no status": HEAD + chunk(b"MTrk", b"\x00\x3c\x40"), "high data": HEAD + chunk(b"MTrk", b"\x00\x90\xbc\x40"),
    "breaks off": HEAD + chunk(b"MTrk", b"\x00\x90\x3c"),
    "too many notes": HEAD + chunk(b"MTrk", ON + b"\x00\x3c\x40" * 1_200_000),
    "too long": HEAD + chunk(b"MTrk", b"\xff\xff\xff\x7f\x90\x3c\x40"), "too large": HEAD + b"\x00" * 4_000_000,
    "huge head": b"MThd\xff\xff\xff\xff" + HEAD, "drums": HEAD + chunk(b"MTrk", b"\x00\x99\x3c\x40"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_MIDI)
def test_bad_midi(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.mid").write_bytes(BAD_MIDI[name])
    start = time.process_time()
    with pytest.raises(BadMidi) as error:
        controls.read_melody(tmp_path / "x.mid")
    assert time.process_time() - start < 1 and len(str(error.value)) < 200 and "x.mid" in str(error.value)


@pytest.mark.parametrize("path", ["/nowhere/x.mid", "", "/", "\x00", "x" * 5000])
def test_no_midi_file(path: str) -> None:
    with pytest.raises(BadMidi):
        controls.read_melody(path)


@settings(max_examples=200)
@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_as_midi(data: bytes, as_track: bool) -> None:
    with suppress(BadMidi):
        assert parse_notes(HEAD + chunk(b"MTrk", ON + data) if as_track else data)


def test_running_status_and_meta_inside() -> None:
    data = ON + b"\x30\x3e\x40" + b"\x00\xff\x01\x01a" + b"\x00\x90\x40\x40" + b"\x30\x40\x00\x00\x3e\x00\x00\x3c\x00"
    got = parse_notes(HEAD + chunk(b"XXXX", b"abc") + chunk(b"MTrk", data))
    assert [(n.pitch, n.beat, n.length) for n in got] == [(60, 0.0, 1.0), (62, 0.5, 0.5), (64, 0.5, 0.5)]


@given(notes_lists)
def test_monophonic(notes: list[Note]) -> None:
    voice = controls.monophonic(notes)
    assert bool(voice) == bool(notes) and controls.monophonic(voice) == voice
    for a, b in itertools.pairwise(voice):
        assert a.beat + a.length <= b.beat
    for kept in voice:
        sources = [n for n in notes if (n.pitch, n.beat) == (kept.pitch, kept.beat) and n.length >= kept.length]
        assert sources and kept.pitch == max(n.pitch for n in notes if n.beat == kept.beat)
    if notes:
        highest = max(n.pitch for n in notes)
        assert highest in {n.pitch for n in voice}


def test_monophonic_examples() -> None:
    assert controls.monophonic([note(60, 0, 4), note(64, 0, 4), note(67, 1, 1), note(65, 1.5, 0.25)]) == (
        note(64, 0, 1),
        note(67, 1, 1),
    )
    legato = controls.monophonic([note(67, 0, 1.1), note(64, 1, 1)])
    assert legato == (note(67, 0, 1), note(64, 1, 1))


@settings(max_examples=60)
@given(notes_lists, st.integers(1, 90), st.integers(0, 20))
def test_melody_frames(notes: list[Note], count: int, first: int) -> None:
    quarters = np.arange(first, first + count) * 0.17 + 0.003
    pitch, onset = controls.melody_frames(notes, quarters)
    voice = controls.monophonic(notes)
    for q, p in zip(quarters, pitch, strict=True):
        sounding = [n.pitch for n in voice if n.beat <= q < n.beat + n.length]
        assert p == (sounding[0] if sounding else -1)
    near = {
        int(np.abs(quarters - n.beat).argmin()) for n in voice if quarters[0] - 0.08 <= n.beat <= quarters[-1] + 0.08
    }
    if count > 1:
        assert set(np.flatnonzero(onset)) == near


def test_short_notes_keep_a_frame() -> None:
    pitch, onset = controls.melody_frames([note(60, 0.1, 0.05), note(62, 1.0, 0.5)], np.arange(8) * 0.25)
    assert pitch.tolist() == [-1, 60, -1, -1, 62, 62, -1, -1] and np.flatnonzero(onset).tolist() == [0, 4]
    assert controls.melody_frames([note(60, 0, 1)], np.zeros(0))[0].size == 0
