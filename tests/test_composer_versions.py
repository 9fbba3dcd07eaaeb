"""Versions of the composer: the first gives what it always gave; the second slows down at ends and repeats less."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from math import floor
from pathlib import Path

import numpy as np
import pytest

from engine.training.corpus import annotate, tempomap, variation
from engine.training.corpus import measures as m
from engine.training.corpus.compose import COMPOSER, VERSIONS, compose
from engine.training.corpus.drums import DrumHit
from engine.training.corpus.excerpt import excerpt
from engine.training.corpus.mix import render_song, song_frames
from engine.training.corpus.placing import attack_frame
from engine.training.corpus.sample import SongJob, choose_excerpt, described
from engine.training.corpus.song import ChordSpan, NoteEvent, Part, Section, Song
from engine.training.corpus.soundfonts import find_soundfonts
from engine.training.corpus.synth import Synth
from engine.training.corpus.targets import targets
from tests.handmade_song import handmade_song

RATE = 48_000
WRITTEN = {  # of songs that corpora and latents were made from
    ("jazz swing", 3): "32a80e88db39", ("rock", 4): "099e640f571f", ("folk", 5): "969a93e6a70b",
    ("orchestral", 6): "cc24f449fe81", ("house", 7): "68fc6e7aa706",
}  # fmt: skip


def digest(song: Song) -> str:
    notes = [(p.name, p.program, round(n.beat, 3), round(n.length, 1), n.pitch) for p in song.parts for n in p.notes]
    return hashlib.sha256(repr((song.tempo, song.bars, song.keys, notes)).encode()).hexdigest()[:12]


@pytest.mark.parametrize(("style", "seed"), list(WRITTEN))
def test_the_first_composer_writes_what_it_always_wrote(style: str, seed: int) -> None:
    song = compose(seed, style, 1)
    assert digest(song) == WRITTEN[style, seed]
    assert song.slower == () and song.composer == 1


def test_styles_that_the_second_composer_leaves_alone_are_the_same() -> None:
    assert COMPOSER in VERSIONS
    for style in ("house", "funk", "orchestral"):
        one, two = compose(11, style, 1), compose(11, style, 2)
        assert replace(two, slower=(), composer=1) == one


@lru_cache(maxsize=4)
def songs(style: str, version: int) -> tuple[Song, ...]:
    return tuple(compose(880_000 + seed, style, version) for seed in range(6))


def s4(style: str, version: int) -> float:
    return float(np.nanmean([m.likeness(m.bar_vectors(song), song.sections, 4) for song in songs(style, version)]))


@pytest.mark.parametrize("style", ["rock", "folk"])
def test_rock_and_folk_of_the_second_composer_repeat_as_much_as_their_styles_do(style: str) -> None:
    low, high = targets()[style].s4
    assert s4(style, 1) > high
    assert low <= s4(style, 2) <= high
    for song in songs(style, 2):
        for before, after in zip(song.chords, song.chords[1:], strict=False):
            assert after.beat == pytest.approx(before.beat + before.length)


def test_jazz_of_the_second_composer_repeats_less() -> None:
    assert s4("jazz swing", 2) < s4("jazz swing", 1) - 0.03
    for song in songs("jazz swing", 2):
        for part in song.parts:
            assert all(1 <= n.velocity <= 127 and n.length > 0 and n.beat >= 0 for n in part.notes)


def test_chords_turn_inside_phrases_and_never_at_a_sections_end() -> None:
    chords = [ChordSpan(4.0 * bar, 4.0, bar % 4, (bar % 4,), bar % 4, "x") for bar in range(16)]
    sections = [Section("A", 0, 8, 0.0), Section("B", 8, 8, 0.0)]
    moved = 0
    for seed in range(20):
        found = variation.turned(chords, sections, 4.0, np.random.default_rng(seed))
        assert [(c.beat, c.length) for c in found] == [(c.beat, c.length) for c in chords]
        changed = {bar for bar in range(16) if found[bar].root != chords[bar].root}
        assert not changed & {0, 1, 2, 3, 7, 8, 9, 10, 11, 15}
        moved += len(changed)
    assert moved > 30


def test_jazz_time_is_broken_and_stays_in_its_bars() -> None:
    bar = [(0, "R"), (4, "R"), (6, "R"), (8, "R"), (12, "R"), (14, "R"), (4, "P"), (12, "P"), (7, "S")]
    hits = [DrumHit(16 * b + step, letter, 6) for b in range(32) for step, letter in bar]
    found = variation.broken_time(hits, 32, 16, np.random.default_rng(1))
    rides = {tuple(int(h.step) % 16 for h in found if h.letter == "R" and int(h.step) // 16 == b) for b in range(32)}
    assert len(rides) >= 5
    assert all(0 <= h.step < 512 and 1 <= h.digit <= 9 for h in found)
    assert sum(h.letter == "S" for h in found) == 32
    assert variation.broken_time(hits, 32, 12, np.random.default_rng(1)) is hits


# --- ritards ------------------------------------------------------------------------------


def slowing(bars: int = 4) -> Song:
    song = handmade_song(bars, Fraction(96))
    end = song.bars * song.bar_beats
    steps = tuple((end - 8 + Fraction(i, 2), Fraction(96) - Fraction(3 * (i + 1), 2)) for i in range(16))
    return replace(song, slower=steps, composer=2)


def by_hand(song: Song, beat: float) -> float:
    """Seconds, added up in small pieces."""
    pieces, size = round(800 * beat), 1 / 800
    places = (np.arange(pieces) + 0.5) * size
    tempi = np.full(len(places), float(song.tempo))
    for start, tempo in song.slower:
        tempi[places >= float(start)] = float(tempo)
    return float((size * 60.0 / tempi).sum())


def test_places_are_when_the_steps_say() -> None:
    song = slowing()
    for beat in (0.0, 3.5, 8.0, 8.25, 12.0, 16.0):
        exact = float(tempomap.seconds_at(song, Fraction(beat)))
        assert exact == pytest.approx(by_hand(song, beat), abs=1e-9)
        assert tempomap.beats_at(song, np.array([exact]))[0] == pytest.approx(beat, abs=1e-9)
    assert song_frames(song) == floor(tempomap.end_seconds(song) * RATE + Fraction(1, 2))
    assert song_frames(song) > song_frames(replace(song, slower=()))


def test_annotations_follow_a_ritard() -> None:
    song = slowing()
    frames = song_frames(song)
    labels = annotate.annotate(song, frames)
    bars = np.flatnonzero(np.diff(labels["bar_index"])) + 1
    for number, frame in enumerate(bars[:3], start=1):
        line = float(tempomap.seconds_at(song, 4 * Fraction(number))) * RATE / 512
        assert 0 <= frame - line < 1
    assert labels["bar_index"].max() in (3, 4)
    at = float(tempomap.seconds_at(song, Fraction(14))) * RATE / 512
    place = np.interp(at, np.arange(len(labels["bar_phase"])), labels["bar_phase"].astype(float))
    assert place == pytest.approx(0.5, abs=0.01)
    kicks = labels["onsets_ms"][labels["onsets_ms"][:, 1] == 36][:, 0]
    wanted = [1000 * float(tempomap.seconds_at(song, Fraction(beat))) + 3.0 for beat in range(0, 16, 2)]
    assert np.allclose(kicks, wanted, atol=0.05)
    assert len(labels["onsets_ms"]) == len(annotate.onset_times(replace(song, slower=())))


def test_drums_sound_where_the_ritard_puts_them() -> None:
    song = slowing()
    strokes = [NoteEvent(float(beat), 0.2, 36, 110, 2.0) for beat in range(1, 16)]
    song.parts = [Part("kit", "drums", 16, strokes, reverb_send_db=-30.0)]
    synth = Synth(find_soundfonts()[0].path)
    mix = render_song(synth, song).mix.T
    synth.close()
    assert mix.shape[1] == song_frames(song)
    for stroke in strokes:
        exact = RATE * (float(tempomap.seconds_at(song, Fraction(stroke.beat))) + 0.002)
        start = round(exact) - 960
        assert abs(start + attack_frame(mix[:, start : start + 3840]) - exact) < 48, stroke.beat


def test_an_excerpt_keeps_the_ritard_in_its_place() -> None:
    song = slowing(8)
    whole = tempomap.end_seconds(song)
    last = excerpt(song, 4, 4)
    assert tempomap.end_seconds(last) == whole - tempomap.seconds_at(song, Fraction(16))
    part = excerpt(song, 5, 2)
    assert tempomap.end_seconds(part) == tempomap.seconds_at(song, Fraction(28)) - tempomap.seconds_at(
        song, Fraction(20)
    )
    inside = excerpt(song, 7, 1)
    assert tempomap.end_seconds(inside) == whole - tempomap.seconds_at(song, Fraction(28))
    assert excerpt(song, 0, 4).slower == ()
    assert tempomap.even(handmade_song(2)) == handmade_song(2)


def test_suited_styles_slow_down_by_10_to_25_percent_in_their_last_two_bars() -> None:
    shares = {}
    for style, tempo in (("orchestral", 90), ("neo-classical piano", 80), ("folk", 80), ("folk", 120), ("rock", 90)):
        found = [
            tempomap.draw(style, Fraction(tempo), Fraction(64), Fraction(4), np.random.default_rng(seed))
            for seed in range(200)
        ]
        shares[style, tempo] = np.mean([bool(steps) for steps in found])
        for steps in (steps for steps in found if steps):
            assert steps[0][0] == 56 and len(steps) == 16
            tempi = [float(value) for _, value in steps]
            assert tempi == sorted(tempi, reverse=True)
            assert 0.749 * tempo <= tempi[-1] <= 0.901 * tempo
    assert shares["rock", 90] == 0.0
    assert 0.3 < shares["orchestral", 90] < 0.5 < shares["neo-classical piano", 80]
    assert shares["folk", 120] < shares["folk", 80]


def test_half_of_the_slowing_songs_are_cut_to_their_end_and_test_songs_keep_time() -> None:
    seed = next(s for s in range(40) if compose(s, "neo-classical piano", 2).slower)
    song = compose(seed, "neo-classical piano", 2)
    ends = [sum(choose_excerpt(song, np.random.default_rng(s))) == song.bars for s in range(60)]
    assert 0.3 < np.mean(ends) < 0.8
    heard = {}
    for split in ("train", "test"):
        job = SongJob(0, seed, "neo-classical piano", Path("x"), split, composer=2)
        heard[split] = described(job)[0]
    assert heard["test"].slower == ()
    assert heard["train"].composer == 2
