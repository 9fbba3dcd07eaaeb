"""The corpus labels against slow, independent readings of the score."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from engine.training.corpus import annotate, build, sample
from engine.training.corpus.mix import Mixed, song_frames
from engine.training.corpus.patches import patch
from engine.training.corpus.song import NoteEvent, Song
from engine.training.corpus.soundfonts import SoundFont
from engine.training.corpus.sources import Sources
from tests.handmade_song import handmade_song

HOP_S = Fraction(512, 48_000)


@given(
    st.fractions(min_value=40, max_value=240, max_denominator=1000),
    st.sampled_from([(4, 4), (3, 4), (6, 8), (7, 8)]),
    st.integers(1, 5),
)
def test_phases_against_fractions(tempo: Fraction, meter: tuple[int, int], bars: int) -> None:
    song = handmade_song(bars, tempo, meter)
    if meter == (7, 8):
        song = replace(song, beat_groups=(Fraction(1), Fraction(1), Fraction(3, 2)))
    frames = song_frames(song)
    grid = annotate.bar_grid(song, frames)
    assert all(len(values) == 1 + frames // 512 for values in grid.values())
    for index in range(0, 1 + frames // 512, 37):
        bar, inside = divmod(index * HOP_S * tempo / 60, song.bar_beats)
        beat = 0
        for length in song.beat_groups:
            if inside < length:
                break
            inside, beat = inside - length, beat + 1
        length = song.beat_groups[beat]
        assert grid["bar_index"][index] == bar
        assert grid["beat_index"][index] == bar * len(song.beat_groups) + beat
        assert abs(float(grid["beat_phase"][index]) - float(inside / length)) < 1e-3
        whole = (sum(song.beat_groups[:beat], Fraction()) + inside) / song.bar_beats
        assert abs(float(grid["bar_phase"][index]) - float(whole)) < 1e-3


def test_phase_stays_below_one() -> None:
    song = handmade_song(16, Fraction(125))  # a beat is 45 frames exactly
    grid = annotate.bar_grid(song, song_frames(song))
    assert grid["beat_phase"].max() < 1.0
    assert np.array_equal(np.flatnonzero(grid["beat_phase"] == 0.0), np.arange(65) * 45)


def test_melody_line_against_a_frame_by_frame_reading() -> None:
    song = handmade_song(4)
    count = 1 + song_frames(song) // 512
    pitch, onset = annotate.note_line(song, song.melody, count)
    for index in range(count):
        now = float(index * HOP_S)
        sounding = [
            n.pitch for n in song.melody
            if (start := n.beat * 60 / float(song.tempo) + n.offset_ms / 1000) <= now
            and now < start + n.length * 60 / float(song.tempo)
        ]  # fmt: skip
        assert pitch[index] == (sounding[-1] if sounding else -1)
    assert onset.sum() == len(song.melody)


def test_melody_is_monophonic() -> None:
    song = replace(handmade_song(2), tempo=Fraction(60))
    notes = [NoteEvent(0.0, 4.0, 60, 90), NoteEvent(1.0, 0.5, 64, 90)]
    pitch, _ = annotate.note_line(song, notes, 400)
    assert list(np.unique(pitch[:93])) == [60]
    assert list(np.unique(pitch[95:140])) == [64]
    assert set(pitch[142:]) == {-1}


def test_chords_cover_their_spans() -> None:
    song = handmade_song(4)
    chroma = annotate.chord_frames(song, 1 + song_frames(song) // 512)
    assert set(np.flatnonzero(chroma[10])) == {9, 0, 4}
    second = int(1.5 * 4 * 60 / float(song.tempo) / float(HOP_S))
    assert set(np.flatnonzero(chroma[second])) == {5, 9, 0}


def test_intensity_of_known_signals() -> None:
    time = np.arange(48_000 * 4) / 48_000
    tone = np.stack([0.5 * np.sin(2 * np.pi * 440 * time), 0 * time], axis=1).astype(np.float32)
    level = annotate.intensity_db(tone).astype(float)
    assert np.allclose(level, 10 * np.log10(0.125 / 2), atol=0.02)
    assert np.all(annotate.intensity_db(np.zeros((48_000, 2), np.float32)) == -60.0)


def test_intensity_against_the_definition() -> None:
    rng = np.random.default_rng(5)
    audio = (rng.standard_normal((96_000, 2)) * np.linspace(0.01, 0.3, 96_000)[:, None]).astype(np.float32)
    level = annotate.intensity_db(audio).astype(float)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(48_001) / 48_000)
    power = (audio.astype(float) ** 2).mean(axis=1)
    for index in (0, 50, 90, 150, 187):
        first = 512 * index - 24_000
        inside = [(power[n], window[n - first]) for n in range(max(0, first), min(96_000, first + 48_001))]
        mean = sum(p * w for p, w in inside) / sum(w for _, w in inside)
        assert level[index] == pytest.approx(10 * np.log10(mean), abs=0.03)


def test_presence_needs_forty_decibels() -> None:
    power = np.zeros((400, 5), np.float32)
    power[:, 0], power[:, 1], power[:, 2] = 1e-2, 1e-2 * 10**-3.8, 1e-2 * 10**-4.2
    power[200:, 3] = 1e-3
    present = annotate.presence(power, 401)
    assert present[:, :3].min(axis=0).tolist() == [1, 1, 0]
    assert present[100, 3] == 0 and present[300, 3] == 1 and not present[:, 4].any()


def test_onset_times_are_the_written_ones() -> None:
    song = handmade_song(2)
    onsets = annotate.onset_times(song)
    assert np.all(np.diff(onsets[:, 0]) >= 0)
    kicks = onsets[onsets[:, 1] == 36, 0]
    beat_ms = 60_000 / float(song.tempo)
    assert np.allclose(kicks, np.arange(0, 8, 2) * beat_ms + 3.0, atol=1e-2)


def test_splits_are_balanced_in_every_style() -> None:
    for styles in (8, 22):
        for style in range(styles):
            splits = [build.split_of(style + styles * turn, styles) for turn in range(33)]
            assert splits.count("test") == 2 and splits.count("valid") == 1


def test_excerpts_are_whole_and_in_range() -> None:
    song = handmade_song(200)
    for seed in range(30):
        first, bars = sample.choose_excerpt(song, np.random.default_rng(seed))
        assert first >= 0 and first + bars <= song.bars
        assert 36 <= bars * float(song.bar_beats * 60 / song.tempo) <= 56
    assert sample.choose_excerpt(handmade_song(6), np.random.default_rng(0)) == (0, 6)


def _fake_mix(song: Song) -> Mixed:
    rng = np.random.default_rng(1)
    frames = song_frames(song)
    sounds = [(rng.standard_normal((frames, 2)) * 0.1).astype(np.float32) for _ in range(2)]
    power = np.full((frames // 512, 5), 1e-3, np.float32)
    return Mixed(sounds[0] + sounds[1], *sounds, ("drums",), ("bass", "lead"), power, -14.0)


def test_stored_song_holds_what_was_rendered(tmp_path: Path) -> None:
    song = handmade_song(4)
    mixed = _fake_mix(song)
    path = tmp_path / "000001.safetensors"
    font = SoundFont("font", tmp_path / "font.sf2", "MIT")
    sources = Sources(font, {"bass": font}, {"lead": patch("saw lead", 3)}, False, frozenset({"lead"}))
    sample.store(path, song, mixed, ["a", "b"], sources)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    count = 1 + len(mixed.mix) // 512
    with safe_open(path, "numpy") as stored:
        record = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        about = json.loads(stored.metadata()["song"])
    assert about["tempo"] == "7200/61" and about["soundfont"] == "font" and about["soundfonts"] == {"bass": "font"}
    assert about["synths"] == {"lead": "own/saw-lead-3"} and about["sweeps"] == ["lead"] and not about["held_out"]
    per_frame = set(record) - {"audio", "onsets_ms", "groups_a", "groups_b", "groups_mix"}
    assert all(len(record[name]) == count for name in per_frame)
    assert len(per_frame) == 15
    assert np.abs(record["audio"] / 32767.0 - mixed.mix).max() < 2e-5
    assert record["groups_a"].tolist() == [1, 0, 0, 0, 0]
    assert record["groups_b"].tolist() == [0, 1, 0, 1, 0]
    assert np.isfinite(record["mix"].astype(np.float32)).all()
