"""What names, side-cars and tags say about a sound."""

from __future__ import annotations

import json
import struct
from fractions import Fraction
from pathlib import Path, PurePath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.timing import Meter
from engine.training.folder import names, sidecar, tags
from engine.training.folder.hints import Hints, merge
from tests.made_sounds import made_loop, write

SHORT = made_loop(120, 1, notes=False)


@pytest.mark.parametrize(
    ("name", "tempo", "bare", "key"),
    [
        ("Deep House_124bpm_Am_pad 02", Fraction(124), None, (9, "minor")),
        ("pad_120_C", None, Fraction(120), (0, None)),
        ("BPM-98.5 F#min lead", Fraction(197, 2), None, (6, "minor")),
        ("Bb major strings 72,25 BPM", Fraction(289, 4), None, (10, "major")),
        ("loop (140) Ebm", None, Fraction(140), (3, "minor")),
        ("A nice day", None, None, None),
        ("kick_03", None, None, None),
        ("take 120 of 128", None, None, None),
        ("999bpm", None, None, None),
        ("Dsharp minor_90bpm", Fraction(90), None, (3, "minor")),
        ("my2020track", None, None, None),
    ],
)
def test_names_tell_tempo_and_key(name, tempo, bare, key):
    assert names.tempo_in(name) == tempo
    if tempo is None:
        assert names.bare_tempo_in(name) == bare
    assert names.key_in(name, lone=tempo is not None or bare is not None) == key


def test_words_leave_studio_noise_out_and_spell_abbreviations():
    hints = names.read_names(PurePath("Dub Techno/Pads/warmPad_gtr_120bpm_F#m_final MIX 02.wav"))
    assert hints.words == ("dub", "techno", "pads", "warm", "pad", "guitar")
    assert (hints.tempo, hints.key, hints.origin("tempo")) == (Fraction(120), (6, "minor"), "name")
    assert names.read_names(PurePath("90 BPM/x.wav")).tempo == 90


@given(st.text(max_size=60))
def test_any_name_is_read(text):
    hints = names.read_names(PurePath("a") / (text.replace("/", "_").replace("\0", "") or "x"))
    assert hints.tempo is None or 20 <= hints.tempo <= 400
    assert hints.key is None or 0 <= hints.key[0] < 12


def test_sidecars_win_and_their_mistakes_are_remarked(tmp_path):
    audio = tmp_path / "x.wav"
    (tmp_path / "x.wav.json").write_text(
        json.dumps({"tempo": "7200/61", "meter": "7/8", "key": "D dorian", "colour": 1})
    )
    (tmp_path / "x.json").write_text(json.dumps({"tempo": 9999, "first_beat_seconds": 0.25, "melody": "../up.mid"}))
    (tmp_path / "x.txt").write_text("a warm pad\n\n  for   the evening \n")
    hints = merge([*sidecar.read_sidecars(audio), names.read_names(PurePath("x_90bpm.wav"))])
    assert (hints.tempo, hints.meter, hints.first_beat_seconds) == (Fraction(7200, 61), Meter(7, 8), 0.25)
    assert hints.key == (2, "dorian") and hints.captions == ("a warm pad", "for the evening")
    assert hints.origin("tempo") == "side-car" and hints.melody is None
    assert [word in " ".join(hints.remarks) for word in ("colour", "tempo", "melody")] == [True] * 3
    (tmp_path / "x.wav.json").write_text("{broken")
    assert "no JSON" in " ".join(sidecar.read_json(tmp_path / "x.wav.json").remarks)


def test_merging_keeps_the_first_and_gathers_words():
    first, second = (
        Hints(tempo=Fraction(90), words=("a",)).said_by("x"),
        Hints(tempo=Fraction(80), words=("b",), key=(1, None)).said_by("y"),
    )
    both = merge([first, second])
    assert (both.tempo, both.words, both.key) == (90, ("a", "b"), (1, None))
    assert (both.origin("tempo"), both.origin("key"), both.origin("meter")) == ("x", "y", "")


def id3(fields: dict[bytes, str]) -> bytes:
    frames = b"".join(n + struct.pack(">IH", len(t) + 1, 0) + b"\x03" + t.encode() for n, t in fields.items())
    size = bytes(len(frames) >> s & 127 for s in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frames


def test_id3_in_mp3_and_in_wav(tmp_path):
    tag = id3({b"TBPM": "87", b"TKEY": "F#m", b"TCON": "Lo-Fi", b"TIT2": "Rain 4"})
    mp3 = write(tmp_path / "x.mp3", SHORT)
    mp3.write_bytes(tag + mp3.read_bytes())
    hints = tags.read_tags(mp3)
    assert (hints.tempo, hints.key, hints.words) == (87, (6, "minor"), ("lo", "fi", "rain"))
    wav = write(tmp_path / "x.wav", SHORT)
    with wav.open("ab") as file:
        file.write(b"id3 " + struct.pack("<I", len(tag)) + tag)
    assert tags.read_tags(wav).tempo == 87


def test_acid_chunks_tell_tempo_beats_meter_and_root(tmp_path):
    def with_acid(flags: int) -> Path:
        wav = write(tmp_path / f"{flags}.wav", SHORT)
        body = struct.pack("<IHHfIHHf", flags, 57, 0x8000, 0.0, 4, 4, 3, 92.5)
        with wav.open("ab") as file:
            file.write(b"acid" + struct.pack("<I", len(body)) + body)
        return wav

    hints = tags.read_tags(with_acid(2))
    assert (hints.tempo, hints.beats, hints.meter, hints.key) == (Fraction(185, 2), 4, Meter(3, 4), (9, None))
    assert tags.read_tags(with_acid(1)).one_shot is True


def test_vorbis_comments_in_flac_and_ogg(tmp_path):
    comment = b"\x04\0\0\0test" + struct.pack("<I", 2)
    for text in (b"BPM=101", b"INITIALKEY=Cm"):
        comment += struct.pack("<I", len(text)) + text
    flac = write(tmp_path / "x.flac", SHORT)
    data = flac.read_bytes()
    block = b"\x04" + len(comment).to_bytes(3, "big") + comment
    flac.write_bytes(data[:42] + block + data[42:])
    assert (tags.read_tags(flac).tempo, tags.read_tags(flac).key) == (101, (0, "minor"))
    ogg = tmp_path / "x.ogg"
    ogg.write_bytes(b"OggS" + bytes(40) + b"\x03vorbis" + comment + b"\x01")
    assert tags.read_tags(ogg).tempo == 101


@given(
    st.sampled_from([b"ID3\x03\0\0", b"ID3\x02\0\0", b"fLaC", b"OggS\x03vorbis", b"RIFF1234WAVE", b"FORM1234AIFF"]),
    st.binary(max_size=300),
)
def test_broken_tags_are_no_tags(tmp_path_factory, head, body):
    path = tmp_path_factory.getbasetemp() / "fuzz"
    path.write_bytes(head + body)
    assert isinstance(tags.read_tags(path), Hints)
    assert np.isfinite(float(tags.read_tags(path).tempo or 0))
