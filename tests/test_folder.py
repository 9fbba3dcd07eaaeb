"""A folder of sounds as a corpus: what is left out and why, where the bars are found, what is stored."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
import soxr
import torch
from safetensors import safe_open

from engine.controls import intensity_envelope
from engine.errors import BadRequest
from engine.timing import Meter
from engine.training import data, prompt
from engine.training.folder import audio, convert, grid, prepare, tonal
from engine.training.folder.hints import Hints
from engine.types import MODEL_RATE_HZ
from tests.made_sounds import made_loop, write

RATE = MODEL_RATE_HZ


def stereo(sound):
    return np.repeat(np.asarray(sound, np.float32)[:, None], 2, axis=1)


@pytest.mark.parametrize(("bpm", "lead_in"), [(97.3, 0.41), (128.0, 1.13)])
def test_the_tracker_finds_tempo_first_beat_and_downbeat(bpm, lead_in):
    sound = stereo(made_loop(bpm, 9, RATE, lead_in))[: -RATE // 3]
    found = grid.find_grid(sound, Hints())
    assert float(found.tempo) == pytest.approx(bpm, rel=1e-3)
    assert found.origin == "tracked" and not found.loop
    bar = found.bar_seconds
    off = (found.first_beat_seconds - lead_in + bar / 2) % bar - bar / 2
    assert abs(off) < 0.012
    assert found.sure > convert.SURE


def test_a_loop_has_the_exact_tempo_of_its_length():
    found = grid.find_grid(stereo(made_loop(121.7, 4, RATE)), Hints())
    assert float(found.tempo) == pytest.approx(121.7, abs=0.002)
    assert found.loop and found.first_beat_seconds == 0.0 and found.tempo_sure >= 0.85


def test_what_is_said_is_not_tracked():
    hints = Hints(tempo=Fraction(80), meter=Meter(3, 4), first_beat_seconds=0.3).said_by("side-car")
    found = grid.find_grid(stereo(made_loop(120, 4, RATE)), hints)
    assert (found.tempo, found.first_beat_seconds, found.origin, found.tempo_sure) == (80, 0.3, "side-car", 1.0)


def test_a_bare_number_counts_only_if_the_sound_agrees():
    sound = stereo(made_loop(110, 9, RATE))[: -RATE // 3]
    wrong = grid.find_grid(sound, Hints(bare_tempo=Fraction(97)).said_by("name"))
    right = grid.find_grid(sound, Hints(bare_tempo=Fraction(110)).said_by("name"))
    assert wrong.origin == "tracked" and float(wrong.tempo) == pytest.approx(110, rel=1e-3)
    assert (right.origin, right.tempo) == ("name", 110)


def test_noise_has_no_sure_beat_no_key_and_no_melody():
    noise = np.random.default_rng(0).normal(0, 0.1, (10 * RATE, 2)).astype(np.float32)
    assert grid.find_grid(noise, Hints()).sure < convert.SURE
    pitches = tonal.hear_pitches(noise)
    assert not pitches.tonal and tonal.find_key(pitches, None) is None and tonal.find_melody(pitches, 100) is None


def test_key_melody_and_chords_of_a_known_tune():
    sound = stereo(made_loop(120, 4, RATE, drums=False))
    pitches = tonal.hear_pitches(sound)
    root, mode, sure = tonal.find_key(pitches, None)
    assert (root, mode) in {(9, "minor"), (0, "major"), (5, "major")} and 0 <= sure <= 1
    assert tonal.find_key(pitches, (9, "dorian")) == (9, "dorian", 1.0)
    pitch, onset = tonal.find_melody(pitches, 1 + len(sound) // 512)
    middles = np.round((np.arange(16) * 0.5 + 0.25) * RATE / 512).astype(int)
    wanted = np.array([69, 72, 76, 72, 74, 77, 76, 72] * 2)
    assert (pitch[middles] == wanted).mean() >= 0.8
    assert pitch.dtype == np.int8 and 12 <= onset.sum() <= 40


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        (np.zeros(RATE * 3), "silent"),
        (made_loop(120, 1)[: RATE // 2], "too short"),
        (np.clip(8 * made_loop(120, 2), -1, 1), "clipped"),
    ],
)
def test_bad_sounds_are_left_out_with_the_reason(tmp_path, sound, reason):
    with pytest.raises(audio.LeftOutError, match=reason):
        audio.read_sound(write(tmp_path / "x.wav", sound))


@pytest.mark.parametrize("hz", [30.0, 1000.0])
def test_a_loud_clean_sound_is_not_clipped(tmp_path, hz):
    sine = np.sin(2 * np.pi * hz * np.arange(2 * RATE) / RATE)
    assert audio.read_sound(write(tmp_path / "x.wav", sine, RATE)).audio.max() == pytest.approx(audio.PEAK, abs=1e-3)


def test_clipping_counts_flat_runs_at_full_scale_only():
    wave = np.zeros((1000, 2), np.float32)
    wave[100:110, 1] = 1.0
    wave[200:205, 1] = 1.0
    wave[300:400, 0] = 0.9
    assert audio.clipped_share(wave) == pytest.approx(0.010)


@pytest.mark.parametrize("rate", [22_050, 44_100, 96_000])
def test_any_rate_and_mono_become_48k_stereo(tmp_path, rate):
    sound = made_loop(120, 1, rate)
    read = audio.read_sound(write(tmp_path / "x.flac", sound, rate))
    assert read.audio.shape == (2 * RATE, 2) and (read.rate_hz, read.channels) == (rate, 1)
    direct = soxr.resample(sound, rate, RATE, "HQ")
    np.testing.assert_allclose(read.audio[:, 0], direct, atol=1e-3)


def test_pieces_are_whole_bars_and_short_loops_repeat_exactly():
    loop = stereo(made_loop(121.7, 2, RATE))
    found = grid.Grid(Fraction(1217, 10), Meter(4, 4), 0.0, "name", 1, 1, 1, True)
    (piece,) = convert.pieces(loop, found)
    assert piece.times == 4 and piece.bars == 8 and len(piece.audio) == round(8 * found.bar_seconds * RATE)
    period = 2 * found.bar_seconds * RATE
    for k in range(4):
        at = round(k * period)
        np.testing.assert_array_equal(piece.audio[at : at + 20_000], loop[:20_000])
    long = np.zeros((200 * RATE, 2), np.float32)
    cut = convert.pieces(long, found)
    assert sum(piece.bars for piece in cut) == int(200 / found.bar_seconds)
    starts = [piece.first_seconds / found.bar_seconds for piece in cut]
    np.testing.assert_allclose(starts, np.round(starts), atol=1e-9)
    with pytest.raises(audio.LeftOutError, match="less than a bar"):
        convert.pieces(loop[: RATE // 2], found)


def test_grid_labels_count_beats_from_the_bar_line_and_halve_fast_tempi():
    found = grid.Grid(Fraction(120), Meter(4, 4), 0.0, "name", 1, 1, 1)
    labels = convert.grid_labels(found, 4 * RATE)
    seconds = np.arange(1 + 4 * RATE // 512) * 512 / RATE
    away = np.abs(seconds / 0.5 - np.round(seconds / 0.5)) > 1e-6
    np.testing.assert_allclose(labels["beat_phase"][away], (seconds / 0.5 % 1)[away], atol=1e-3)
    np.testing.assert_allclose(labels["bar_phase"][away], (seconds / 2 % 1)[away], atol=1e-3)
    np.testing.assert_array_equal(labels["beat_index"][away], (seconds // 0.5)[away])
    fast = convert.grid_labels(grid.Grid(Fraction(240), Meter(4, 4), 0.0, "name", 1, 1, 1), 4 * RATE)
    np.testing.assert_allclose(fast["beat_phase"][away], labels["beat_phase"][away], atol=1e-3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five good sounds of five formats and rates, and four that are left out."""
    root = tmp_path_factory.mktemp("sounds")
    write(root / "House" / "pad_120bpm_Am.wav", made_loop(120, 8, 44_100), 44_100, "PCM_24")
    write(root / "House" / "beat 128 bpm.flac", np.stack([made_loop(128, 8, 48_000)] * 2, 1), 48_000)
    write(root / "Jazz" / "walk.mp3", made_loop(101, 8, 44_100, 0.2), 44_100)
    write(root / "Jazz" / "swing.ogg", made_loop(90, 6, 32_000), 32_000)
    write(root / "keys.aiff", made_loop(75, 5, 22_050, drums=False), 22_050)
    (root / "keys.json").write_text(json.dumps({"tempo": 75, "caption": "lonely keys", "key": "Am"}))
    write(root / "bad" / "silence.wav", np.zeros(100_000))
    write(root / "bad" / "copy.wav", made_loop(120, 8, 44_100), 44_100, "PCM_24")
    (root / "bad" / "text.wav").write_text("no sound at all")
    write(root / "bad" / "hit.wav", made_loop(120, 1)[:9000])
    (root / "notes.pdf").write_text("not for us")
    return root


def test_a_folder_becomes_a_corpus_and_the_second_run_listens_to_nothing(folder, tmp_path, monkeypatch):
    told = []
    report = prepare.prepare(folder, tmp_path, lambda done, total, name: told.append((done, total)))
    assert told == [(n, 9) for n in range(10)]
    reasons = {one.file: one.reason.split(":")[0].split(" of ")[0] for one in report.left_out}
    copies = {file for file, reason in reasons.items() if reason == "a copy"}
    assert len(copies) == 1 and copies <= {"bad/copy.wav", "House/pad_120bpm_Am.wav"}
    others = {file: reason for file, reason in reasons.items() if file not in copies}
    assert others == {"bad/silence.wav": "silent", "bad/text.wav": "unreadable", "bad/hit.wav": "too short"}
    assert report.splits == {"train": 4, "valid": 1, "test": 0} and len(report.used) == 5
    assert json.loads((tmp_path / "report.json").read_text())["songs"] == report.splits
    by_name = {one.file.split("/")[-1]: one for one in report.used}
    for name, bpm in {"beat 128 bpm.flac": 128, "walk.mp3": 101, "swing.ogg": 90, "keys.aiff": 75}.items():
        assert by_name[name].tempo == pytest.approx(bpm, rel=2e-3), name
    assert by_name["keys.aiff"].captions == ["lonely keys"] and by_name["keys.aiff"].key == "A minor"
    assert "house, beat" in by_name["beat 128 bpm.flac"].captions
    monkeypatch.setattr(prepare, "convert", lambda *_: pytest.fail("listened again"))
    again = prepare.prepare(folder, tmp_path)
    assert [vars(one) for one in again.outcomes] == [vars(one) for one in report.outcomes]


def test_stored_songs_are_what_training_reads(folder, tmp_path):
    report = prepare.prepare(folder, tmp_path, deadline=lambda: True)
    assert len(report.used) == prepare.FEWEST_BEFORE_DEADLINE and report.waiting > 0
    (path, *_) = data.song_files(tmp_path, "train")
    with safe_open(str(path), "numpy") as file:
        held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    count = 1 + len(held["audio"]) // 512
    frames = set(held) - {"audio"}
    assert {"mix", "intensity", "beat_phase", "bar_phase"} <= frames and not frames & {"a", "b", "presence"}
    assert {name: len(held[name]) for name in frames} == dict.fromkeys(frames, count)
    at, level = intensity_envelope(held["audio"] / 32768.0, RATE)
    found = np.interp(np.arange(count) * 512 / RATE, at, level)
    inside = slice(50, -50)
    np.testing.assert_allclose(held["intensity"][inside], found[inside], atol=0.15)
    take = data.read_take(path)
    assert take.facts["frames"] == len(held["audio"]) and take.facts["captions"]
    windows = data.FeatureWindows(data.song_files(tmp_path, "train"), 64)
    assert windows.batch(3, np.random.default_rng(1)).shape == (3, 64, held["mix"].shape[1])


def test_a_prompt_head_is_learnt_from_songs_without_tags():
    vocabulary = prompt.Vocabulary(("house", "jazz"), ())
    embedded = torch.nn.functional.normalize(torch.eye(6, 384), dim=-1)
    styles = torch.tensor([0, 1, 0, 1, 0, 1])
    head = prompt.fit(embedded, styles, torch.zeros(6, 0), vocabulary, 1, steps=60)
    assert (head.logits(embedded)[:, :2].argmax(1) == styles).all()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "unreadable: the file is empty"),
        (b"not a sound at all", "unreadable: Format not recognised"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "unreadable: "),
    ],
)
def test_broken_files_are_left_out_in_a_few_words(tmp_path, content, reason):
    (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(audio.LeftOutError, match=reason) as left_out:
        audio.read_sound(tmp_path / "x.wav")
    assert "Error opening" not in str(left_out.value)


def test_an_interrupted_run_goes_on_and_what_is_gone_is_removed(tmp_path):
    sounds, out = tmp_path / "sounds", tmp_path / "out"
    for bpm in (90, 100, 110):
        write(sounds / f"loop_{bpm}bpm.wav", made_loop(bpm, 1, 48_000), 48_000)

    def stop(done: int, total: int, name: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare.prepare(sounds, out, stop)
    kept = {path.name: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    assert len(kept) == 2 and not list(out.rglob("*.tmp"))
    report = prepare.prepare(sounds, out)
    assert report.splits == {"train": 2, "valid": 1, "test": 0}
    now = {path.name: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    assert {name: now[name] for name in kept} == kept
    (sounds / "loop_90bpm.wav").unlink()
    assert len(prepare.prepare(sounds, out).used) == len(list(out.rglob("*.safetensors"))) == 2


def test_splits_keep_files_whole_and_always_train():
    for files in (1, 2, 5, 10, 57):
        splits = [prepare.split_of(rank, files) for rank in range(files)]
        assert "train" in splits and ("valid" in splits) == (files > 1) and ("test" in splits) == (files >= 10)


def test_a_folder_without_sounds_is_a_mistake(tmp_path):
    with pytest.raises(BadRequest, match="no sound files"):
        prepare.prepare(tmp_path, tmp_path / "out")
