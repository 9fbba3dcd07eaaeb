"""Targets as they are written: chords from MIDI, a melody from a voice, where they act; and what is refused."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile

from engine.controls import check, chords_from, melody_from, only_from, parse_chords
from engine.controls.hummed import notes_in_seconds
from engine.controls.midichords import chords_of, read_chords
from engine.errors import AttaccaError, BadAudio, BadMidi, BadRequest, Unavailable
from engine.models.load import load_networks
from engine.render.generate import ModelRenderer
from engine.render.partial import acting, restrict
from engine.timing import Meter, TempoMap
from engine.types import CurvePoint, Note, Only, Request, Stretch
from tests.tiny_bundle import ask, make_bundle, play

TEMPO = TempoMap.constant(120, Meter(4, 4))
CHORDS = {"Am": (57, 60, 64), "F": (53, 57, 60), "C": (48, 60, 64, 67), "G7": (55, 59, 62, 65), "Dm7": (50, 57, 60, 65)}


def midi_of(path: Path, notes: list[tuple[int, float, float]]) -> Path:
    """A MIDI file of (pitch, beat, length)."""
    file = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack()
    events = [(beat, "note_on", pitch) for pitch, beat, _ in notes]
    events += [(beat + length, "note_off", pitch) for pitch, beat, length in notes]
    now = 0
    for at, kind, pitch in sorted(events, key=lambda event: (event[0], event[1])):
        track.append(mido.Message(kind, note=pitch, velocity=80, time=round(at * 480) - now))
        now = round(at * 480)
    file.tracks.append(track)
    file.save(path)
    return path


def sung(notes: list[tuple[int, float, float]], seconds: float, rate: int = 22_050, cents: float = 0.0) -> np.ndarray:
    """A voice with harmonics and a little vibrato: (pitch, begin, length) in seconds."""
    audio = np.zeros(round(seconds * rate))
    for pitch, begin, length in notes:
        time = np.arange(round(length * rate)) / rate
        hertz = 440 * 2 ** ((pitch + cents / 100 - 69 + 0.15 * np.sin(2 * np.pi * 5 * time)) / 12)
        phase = 2 * np.pi * np.cumsum(hertz) / rate
        wave = sum(np.sin(k * phase) / k for k in (1, 2, 3, 4)) * np.minimum(1, np.minimum(time, time[::-1]) / 0.02)
        audio[round(begin * rate) : round(begin * rate) + len(time)] += 0.2 * wave
    return audio


@pytest.mark.parametrize("beats", [1, 2, 4])
def test_chords_are_read_from_midi(tmp_path: Path, beats: int) -> None:
    held = [(p, beats * k, beats) for k, tones in enumerate(CHORDS.values()) for p in tones]
    text = chords_from(str(midi_of(tmp_path / "chords.mid", held)))
    assert text == " ".join(f"{name}:{beats}" for name in CHORDS)
    assert [chord.name for chord in parse_chords(text, 5, Meter(beats, 4))] == list(CHORDS)


def test_broken_chords_are_heard_over_the_bar(tmp_path: Path) -> None:
    broken = [(p, 4 * k + i, 1) for k, name in enumerate(("Am", "F")) for i, p in enumerate((*CHORDS[name], 69))]
    assert read_chords(midi_of(tmp_path / "broken.mid", broken)) == "Am:4 F:4"


def test_gaps_hold_the_chord_and_silence_before_is_none() -> None:
    notes = tuple(Note(pitch=p, beat=beat, length=1.0) for beat in (4.0, 11.0) for p in CHORDS["F"])
    assert chords_of(notes) == [("N.C.", 4), ("F", 8)]


def test_words_pass_through() -> None:
    assert chords_from("Am F C G") == "Am F C G"


def test_a_sung_melody_is_read_on_the_beat(tmp_path: Path) -> None:
    pytest.importorskip("librosa")
    tune = [(60, 0.0, 0.5), (64, 0.5, 0.5), (67, 1.0, 0.9), (65, 2.25, 0.75)]
    soundfile.write(tmp_path / "voice.wav", sung(tune, 4.0, cents=30.0), 22_050)
    notes = melody_from(tmp_path / "voice.wav", TEMPO, 3, 2)
    assert [note.pitch for note in notes] == [pitch for pitch, _, _ in tune]
    for note, (_, begin, length) in zip(notes, tune, strict=True):
        assert abs(note.beat - 2 * begin) < 0.12 and abs(note.length - 2 * length) < 0.25
    assert len(melody_from(tmp_path / "voice.wav", TEMPO, 0, 1)) == 3, "what lies past the end is cut"


def test_a_singer_between_the_keys_is_taken_as_a_whole() -> None:
    track = np.concatenate([np.full(40, 60.4), np.full(20, np.nan), np.full(40, 62.45), np.full(3, 71.0)])
    assert [pitch for pitch, _, _ in notes_in_seconds(track)] == [60, 62]
    assert notes_in_seconds(np.full(9, np.nan)) == []


def test_where_targets_act_is_said_by_bars() -> None:
    only = only_from("melody=3-4, intensity=1", TempoMap.parse("120", ((0, Meter(4, 4)), (6, Meter(3, 4)))), 4, 4)
    assert only == Only(melody=Stretch(begin=8, end=14), intensity=Stretch(begin=0, end=4))


def test_frames_outside_of_a_stretch_are_not_told() -> None:
    frames, quarters = np.ones((8, 37), np.float32), np.arange(-2.0, 6.0)
    restrict(frames, Only(melody=Stretch(begin=1, end=3)), quarters)
    assert frames[:, 7:22].all(axis=1).tolist() == [False] * 3 + [True] * 2 + [False] * 3
    assert frames[:, :7].all() and frames[:, 22:].all()
    assert acting(None, "chords", quarters).all()


def asked(**fields: object) -> Request:
    return Request(id="t", kind="generate", bars=2, tempo="120", **fields)  # type: ignore[arg-type]


def note(pitch: int = 60, beat: float = 0.0) -> Note:
    return Note(pitch=pitch, beat=beat, length=1.0)


REFUSED_REQUESTS = (
    ({"intensity": (CurvePoint(beat=9.0, db=-20.0),)}, "past the end of the new bars"),
    ({"intensity": (CurvePoint(beat=1.0, db=-20.0), CurvePoint(beat=0.0, db=-20.0))}, "do not fall"),
    ({"melody": (note(beat=8.0),)}, "past the end of the new bars"),
    ({"melody": (note(30), note(100, 1.0))}, "runs from F#1 to E7; C3 to C7 can be sung"),
    ({"melody": ()}, "needs at least one note"),
    ({"chords": "Am H"}, "'H' is not known"),
    ({"chords": " "}, "Chords are names like"),
    ({"key": "H minor"}, "A key is a note and a mode"),
    ({"only": Only(melody=Stretch(begin=0, end=4))}, "there is none; give it, too"),
    ({"chords": "Am", "only": Only(chords=Stretch(begin=4, end=4))}, "to a later one"),
    ({"chords": "Am", "only": Only(chords=Stretch(begin=4, end=9))}, "at most 8"),
)


@pytest.mark.parametrize(("fields", "sentence"), REFUSED_REQUESTS, ids=[text for _, text in REFUSED_REQUESTS])
def test_targets_that_make_no_sense_are_refused_in_one_sentence(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence) as error:
        check(asked(**fields))
    assert "\n" not in str(error.value)


def test_a_live_player_may_play_what_is_not_sung() -> None:
    check(asked(melody=(note(30),), piece_ms=100))


@pytest.mark.parametrize("text", ["melody", "melody=0-1", "melody=2-1", "melody=1-3", "tempo=1", "melody=1,melody=2"])
def test_bars_that_do_not_parse_are_refused(text: str) -> None:
    with pytest.raises(BadRequest, match=r"acts"):
        only_from(text, TEMPO, 0, 2)


def test_files_without_music_are_refused(tmp_path: Path) -> None:
    cases: list[tuple[Path, type[AttaccaError], str]] = [
        (midi_of(tmp_path / "empty.mid", []), BadMidi, "has no notes"),
        (tmp_path / "nowhere.mid", BadMidi, "There is no MIDI file"),
        (tmp_path / "nowhere.wav", BadAudio, "There is no file"),
    ]
    soundfile.write(tmp_path / "silence.wav", np.zeros(22_050), 22_050)
    (tmp_path / "text.wav").write_text("no sound")
    cases += [(tmp_path / "silence.wav", BadAudio, "silent"), (tmp_path / "text.wav", BadAudio, "Cannot read")]
    for path, kind, sentence in cases:
        with pytest.raises(kind, match=sentence):
            melody_from(path, TEMPO, 0, 2)
    with pytest.raises(BadMidi, match="has no notes"):
        chords_from(str(tmp_path / "empty.mid"))


def test_a_noise_holds_no_melody(tmp_path: Path) -> None:
    pytest.importorskip("librosa")
    noise = np.random.default_rng(1).normal(0, 0.1, 22_050)
    soundfile.write(tmp_path / "noise.wav", noise, 22_050)
    with pytest.raises(BadAudio, match="No melody is heard"):
        melody_from(tmp_path / "noise.wav", TEMPO, 0, 2)


def test_without_librosa_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "librosa", None)
    soundfile.write(tmp_path / "voice.wav", sung([(60, 0.0, 0.5)], 1.0), 22_050)
    with pytest.raises(Unavailable, match="pip install librosa, or give a MIDI file"):
        melody_from(tmp_path / "voice.wav", TEMPO, 0, 2)


@pytest.mark.parametrize("name", ["melody", "intensity", "chords"])
def test_bars_without_a_target_are_as_if_it_had_not_been_given(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bundle = make_bundle(tmp_path_factory.mktemp("partial") / "tiny")
    renderer = ModelRenderer(bundle, load_networks(bundle))
    only = Only(**{name: Stretch(begin=4, end=8)})
    target = {
        "melody": (note(72, 4.0), note(76, 6.0)),
        "intensity": (CurvePoint(beat=0.0, db=-35.0),),
        "chords": "Cm Fm",
    }[name]
    plain = play(renderer, ask(3)).audio
    told = play(renderer, ask(3, only=only, **{name: target})).audio
    bar, near = 96_000, 24_000 if name != "intensity" else 48_000
    assert np.array_equal(plain[: bar - near], told[: bar - near])
    assert not np.allclose(plain[bar : 2 * bar], told[bar : 2 * bar], atol=1e-3)
    later = slice(2 * bar + near + 24_000, 3 * bar)
    level = [float(np.square(audio[later]).mean()) for audio in (plain, told)]
    assert level[0] == pytest.approx(level[1], rel=0.05), "phases may differ, what sounds does not"


def test_strengths_are_read_and_refused_in_one_sentence() -> None:
    from engine import controls
    from engine.types import Strengths

    assert controls.strengths_from("melody=2, prompt=3.5,context=0") == Strengths(melody=2.0, prompt=3.5, context=0.0)
    for text in ("", "melody", "melody=5", "melody=-1", "melody=nan", "loud=1", "melody=1,melody=2", "melody=1e1"):
        with pytest.raises(BadRequest, match=r"^Strengths are NAME=0\.\.4, of prompt, melody"):
            controls.strengths_from(text)
