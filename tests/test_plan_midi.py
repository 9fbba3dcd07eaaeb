"""Plans as MIDI files: what MIDI holds comes back, what a DAW changes is followed, what is no plan is told."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import mido
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import BadMidi, BadRequest
from engine.planning import files
from engine.planning.bars import says_nothing
from engine.planning.midi import to_midi
from engine.planning.midiread import from_midi
from engine.types import Note, Plan, PlanBar, PlanChord
from tests.plan_values import plans, song


def edited(plan: Plan, change: Callable[[mido.MidiFile], None]) -> Plan:
    """The plan after a trip through a file that something is done to."""
    file = mido.MidiFile(file=io.BytesIO(to_midi(plan)), charset="utf-8")
    change(file)
    out = io.BytesIO()
    file.save(file=out)
    return from_midi(out.getvalue())


def track(file: mido.MidiFile, name: str) -> mido.MidiTrack:
    return next(t for t in file.tracks if t.name == name)


def without_texts(file: mido.MidiFile) -> None:
    """What a careless DAW keeps: notes, controllers, meters, names of tracks."""
    for found in file.tracks:
        late, kept = 0, []
        for message in found:
            if message.type in ("text", "marker"):
                late += message.time
            else:
                kept.append(message.copy(time=message.time + late))
                late = 0
        found[:] = kept


@settings(max_examples=60, deadline=None)
@given(plans().filter(lambda plan: not says_nothing(plan)))
def test_what_midi_holds_comes_back(plan: Plan) -> None:
    assert from_midi(to_midi(plan, Fraction(7200, 61))) == plan


@settings(max_examples=60, deadline=None)
@given(plans().filter(lambda plan: not says_nothing(plan)))
def test_json_is_exact(plan: Plan) -> None:
    assert files.from_json(files.to_json(plan)) == plan


def test_intensity_is_held_in_half_decibels() -> None:
    plan = Plan(bars=(PlanBar(intensity_db=-20.3), PlanBar(intensity_db=5.9)))
    assert [bar.intensity_db for bar in from_midi(to_midi(plan)).bars] == [-20.5, 3.5]


def redrawn(name: str, bar: int, change: Callable[[int], int]) -> Callable[[mido.MidiFile], None]:
    """Other keys for the notes of a track that begin in a bar of 4/4."""

    def draw(file: mido.MidiFile) -> None:
        now, found = 0, track(file, name)
        for i, message in enumerate(found):
            now += message.time
            if message.type.startswith("note") and bar * 3840 < now + (message.type == "note_on") <= (bar + 1) * 3840:
                found[i] = message.copy(note=change(message.note))

    return draw


def test_a_note_that_is_moved_in_the_daw_changes_its_bar_and_no_other() -> None:
    plan = song()
    changed = edited(plan, redrawn("Melody", 2, lambda key: key + 12))
    assert [a == b for a, b in zip(plan.bars, changed.bars, strict=True)] == [True, True, False, True]
    assert [n.pitch for n in changed.bars[2].melody or ()] == [n.pitch + 12 for n in plan.bars[2].melody or ()]


def test_a_chord_that_is_redrawn_is_named_anew() -> None:
    changed = edited(song(), redrawn("Chords", 1, lambda key: 56 if key == 57 else key))
    assert [bar.chords[0].name for bar in changed.bars if bar.chords] == ["Am", "Fm", "C", "G"]


def test_without_its_texts_notes_and_levels_still_tell_the_plan() -> None:
    plan, found = song(), edited(song(), without_texts)
    for bar, back in zip(plan.bars, found.bars, strict=True):
        assert (back.chords, back.melody, back.intensity_db) == (bar.chords, bar.melody, bar.intensity_db)
        assert (back.drums, back.drum_density) == ("back", 1)
        assert (back.section, back.key, back.parts) == (None, None, None)


def strangers(*rows: tuple[int, int, int, int], meters: tuple[tuple[int, int, int], ...] = ()) -> bytes:
    """A file of somebody else's: (channel, key, tick, length) at 480 a quarter; (tick, n, d) of meters."""
    found: list[tuple[int, int, Any]] = []
    for channel, key, tick, length in rows:
        found.append((tick, 1, mido.Message("note_on", channel=channel, note=key, velocity=90)))
        found.append((tick + length, 0, mido.Message("note_off", channel=channel, note=key)))
    for tick, n, d in meters:
        found.append((tick, -1, mido.MetaMessage("time_signature", numerator=n, denominator=d)))
    line, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(found, key=lambda row: row[:2]):
        line.append(message.copy(time=tick - now))
        now = tick
    file = mido.MidiFile(type=0, ticks_per_beat=480)
    file.tracks.append(line)
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def test_a_file_with_a_melody_alone_is_a_plan_of_it() -> None:
    plan = from_midi(strangers((3, 60, 0, 480), (3, 64, 960, 2400)))
    assert plan.meter == "4/4" and len(plan.bars) == 2
    assert plan.bars[0].melody == (
        Note(pitch=60, beat=0.0, length=1.0, velocity=90),
        Note(pitch=64, beat=2.0, length=5.0, velocity=90),
    )
    assert plan.bars[1] == PlanBar(melody=())


def test_block_chords_and_hits_of_a_strangers_file_are_read() -> None:
    chord = [(4, key, 480 * 4 * bar + at, 960) for bar in range(2) for at in (0, 960) for key in (60, 64, 67)]
    hits = [(9, key, 480 * beat, 60) for beat, key in ((0, 36), (1, 38), (2, 36), (3, 38))]
    plan = from_midi(strangers(*chord, *hits, meters=((0, 4, 4),)))
    assert plan.bars[0] == PlanBar(chords=(PlanChord(beat=0.0, name="C"),), drums="back", drum_density=0)
    assert plan.bars[1] == PlanBar(chords=(PlanChord(beat=0.0, name="C"),), drums="none", drum_density=0)


def test_a_chord_that_is_held_over_the_line_sounds_in_both_bars() -> None:
    plan = from_midi(strangers(*[(4, key, 0, 480 * 8) for key in (57, 60, 64)]))
    assert [bar.chords for bar in plan.bars] == [(PlanChord(beat=0.0, name="Am"),)] * 2


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is not a Standard MIDI File"),
        (b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk\0\0\0\4\0\xff\x2f\0", "no bars"),
        (to_midi(song())[:-30], "is cut short"),
        (strangers((0, 60, 0, 480), (0, 60, 4800, 480), meters=((0, 4, 4), (480, 3, 4))), "inside of a bar"),
        (strangers((0, 60, 0, 480 * 4 * 257)), "256 bars"),
        (strangers((0, 12, 0, 480)), "notes are 21 to 108"),
    ],
)
def test_what_is_no_plan_is_told_in_a_sentence(data: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.mid"
    path.write_bytes(data)
    with pytest.raises(BadMidi, match=r"^The MIDI file 'bad.mid' .*\.$") as caught:
        files.read_plan(path)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}", "bars"),
        ('{"bars": []}', "bars"),
        ('{"bars": [{}, {}]}', "plans nothing"),
        ('{"bars": [{"key": "H moll"}]}', "A key is a note"),
        ('{"bars": [{"chords": [{"beat": 0, "name": "Hm"}]}]}', "Chords are names"),
        ('{"bars": [{"chords": [{"beat": 1, "name": "C"}, {"beat": 1, "name": "G"}]}]}', "must rise"),
        ('{"bars": [{"melody": [{"pitch": 60, "beat": 4, "length": 1}]}]}', "bar 1 has 4 quarters"),
        ('{"bars": [{}, {"melody": [{"pitch": 9, "beat": 0, "length": 1}]}]}', "bar 2 has pitch 9"),
        ('{"bars": [{"section": "A"}], "meter": "4/5"}', "meter"),
        ('{"bars": [{"section": "A"}], "colour": 3}', "colour"),
    ],
)
def test_json_that_is_no_plan_is_told_in_a_sentence(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(BadRequest) as caught:
        files.read_plan(path)
    assert says in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2000))
def test_broken_bytes_end_in_a_sentence(noise: bytes, at: int) -> None:
    data = bytearray(to_midi(song()))
    data[at : at + len(noise)] = noise
    with contextlib.suppress(BadRequest):  # and nothing else
        from_midi(bytes(data))


def test_both_files_are_written_and_read(tmp_path: Path) -> None:
    written = files.write_plan(tmp_path / "plan.mid", song(), Fraction(120))
    assert [path.name for path in written] == ["plan.mid", "plan.json"]
    assert [files.read_plan(path) for path in written] == [song(), song()]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan.json", "plan.mid"]
    with pytest.raises(BadRequest, match="name a MIDI file"):
        files.check_target(tmp_path / "plan.json", "--plan-out")


def test_a_plan_travels_in_a_request() -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(song()), type=Plan) == song()
