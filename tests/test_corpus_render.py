"""The corpus renderer: exact times, levels, sub-mixes, lengths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from engine.training.corpus import levels
from engine.training.corpus.channels import polyphony_db
from engine.training.corpus.mix import Mixed, render_song, song_frames
from engine.training.corpus.partition import split_groups
from engine.training.corpus.placing import attack_frame, event_frame
from engine.training.corpus.song import NoteEvent, Part
from engine.training.corpus.soundfonts import find_soundfonts
from engine.training.corpus.synth import Synth
from tests.handmade_song import handmade_song


@pytest.fixture(scope="module")
def synth() -> Iterator[Synth]:
    loaded = Synth(find_soundfonts()[0].path)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def mixed(synth: Synth) -> Mixed:
    return render_song(synth, handmade_song())


def test_drum_attacks_are_where_they_are_written(synth: Synth) -> None:
    rng = np.random.default_rng(3)
    for key in (36, 37, 38, 42):
        beats = np.arange(40) * 1.0 + rng.uniform(0.0, 0.3, 40)
        notes = [NoteEvent(float(b), 0.2, key, 110, float(rng.normal(0.0, 6.0))) for b in beats]
        stem = synth.render(Part("kit", "drums", 0, notes), 97.3, 48_000 * 28)
        late = []
        for note in notes[1:]:
            exact = 48_000 * (note.beat * 60.0 / 97.3 + note.offset_ms / 1000.0)
            start = round(exact) - 480
            late.append(start + attack_frame(stem[:, start : start + 4320]) - exact)
        assert np.abs(late).max() < 24, key  # 0.5 ms
        assert abs(np.median(late)) < 12, key


@pytest.mark.parametrize("program", [0, 24, 33, 38, 81])
def test_pitched_attacks_are_within_a_millisecond(synth: Synth, program: int) -> None:
    notes = [NoteEvent(b * 1.03, 0.4, 48, 100) for b in range(1, 24)]
    stem = synth.render(Part("p", "chords", program, notes), 60.0, 48_000 * 26)
    late = []
    for note in notes:
        exact = event_frame(note.beat, 0.0, 60.0)
        window = stem[:, exact - 960 : exact + 2880]
        assert np.abs(window[:, :480]).max() < 0.1 * np.abs(window).max()
        late.append(attack_frame(window) - 960)
    assert abs(np.median(late)) < 48, late
    assert np.abs(late).max() < 80, late  # a block of 64 and what a period of the sample hides


def test_the_mix_keeps_the_drums_on_time(synth: Synth) -> None:
    song = handmade_song(bars=12)
    sparse = [NoteEvent(float(b), 0.2, 36, 110, 2.5 * (b % 3)) for b in range(1, 48)]
    song.parts = [Part("kit", "drums", 16, sparse, reverb_send_db=-16.0)]
    mix = render_song(synth, song).mix.T
    late_ms = []
    for note in sparse:
        exact = 48 * (note.beat * 60_000 / float(song.tempo) + note.offset_ms)
        start = round(exact) - 960
        late_ms.append((start + attack_frame(mix[:, start : start + 3840]) - exact) / 48)
    assert abs(np.median(late_ms)) < 0.5
    assert np.abs(late_ms).max() < 1.0


def test_rendering_is_a_function_of_its_arguments(synth: Synth) -> None:
    song = handmade_song(bars=2)
    first = render_song(synth, song)
    synth.render(Part("x", "lead", 73, [NoteEvent(0.0, 9.0, 60, 127)]), 50.0, 48_000)
    again = render_song(synth, song)
    np.testing.assert_array_equal(again.mix, first.mix)
    power = float((first.mix**2).mean())
    other = render_song(synth, replace(song, seed=8)).mix
    assert float(((other - first.mix) ** 2).mean()) > 1e-4 * power


@pytest.mark.parametrize(
    ("tempo", "meter"), [(Fraction(7200, 61), (4, 4)), (Fraction(181), (6, 8)), (Fraction(77), (3, 4))]
)
def test_length_is_exact(synth: Synth, tempo: Fraction, meter: tuple[int, int]) -> None:
    song = handmade_song(3, tempo, meter)
    exact = Fraction(3 * 4 * meter[0], meter[1]) * 60 / tempo * 48_000
    frames = render_song(synth, song).mix.shape
    assert frames == (song_frames(song), 2)
    assert abs(song_frames(song) - exact) <= Fraction(1, 2)


def test_mix_is_loud_enough_and_not_clipped(mixed: Mixed) -> None:
    for audio in (mixed.mix, mixed.a, mixed.b):
        assert audio.dtype == np.float32
        assert np.isfinite(audio).all()
        assert 0.01 < np.abs(audio).max() <= levels.from_db(-1.0) + 1e-6
    assert -20.5 < mixed.loudness_lufs < -7.0


def test_sub_mixes_partition_the_groups_and_nearly_add_up(mixed: Mixed) -> None:
    assert mixed.groups_a and mixed.groups_b
    assert set(mixed.groups_a) | set(mixed.groups_b) == {"drums", "bass", "chords", "lead", "other"}
    assert not set(mixed.groups_a) & set(mixed.groups_b)
    rest = mixed.mix - mixed.a - mixed.b
    assert float((rest**2).mean()) < 1e-3 * float((mixed.mix**2).mean())


def test_every_group_is_audible(mixed: Mixed) -> None:
    level_db = 10.0 * np.log10(mixed.group_power.mean(axis=0) + 1e-12)
    assert level_db.min() > level_db.max() - 20.0


def test_no_stereo_below_100_hz(mixed: Mixed) -> None:
    spectrum = np.abs(np.fft.rfft(mixed.mix, axis=0)) ** 2
    side = np.abs(np.fft.rfft(mixed.mix[:, 0] - mixed.mix[:, 1])) ** 2 / 4
    low = slice(0, int(60 * len(mixed.mix) / 48_000))
    assert side[low].sum() < 0.02 * spectrum[low].sum()


def test_kick_ducks_the_bass(synth: Synth) -> None:
    song = handmade_song(bars=4)
    for part in song.parts:
        part.duck_db = 0.0
    held = [NoteEvent(0.0, 16.0, 36, 100)]
    song.parts = [song.parts[0], Part("bass", "bass", 38, held, gain_db=0.0)]
    open_power = render_song(synth, song).group_power[:, 1]
    song.parts[1].duck_db = 12.0
    ducked_power = render_song(synth, song).group_power[:, 1]
    gain_db = 10.0 * np.log10(ducked_power / open_power)
    after_kick = [round(48_000 * 60 / float(song.tempo) * beat / 512) + 2 for beat in range(4, 12, 2)]
    before_kick = [frame - 8 for frame in after_kick]
    assert np.all(gain_db[after_kick] - gain_db[before_kick] < -6.0)


def test_split_covers_many_partitions_and_one_group() -> None:
    song = handmade_song(bars=1)
    seen = {split_groups(song, np.random.default_rng(seed)) for seed in range(200)}
    assert len(seen) > 12
    assert all(a and b for a, b in seen)
    song.parts = song.parts[:1]
    assert split_groups(song, np.random.default_rng(0)) == (("drums",), ())


def test_polyphony_of_triads_and_lines() -> None:
    song = handmade_song(bars=4)
    assert polyphony_db(song.parts[1]) == pytest.approx(0.0, abs=0.01)
    assert polyphony_db(song.parts[2]) == pytest.approx(5 * np.log10(3), abs=0.01)


def test_loudness_of_the_standards_reference_tone() -> None:
    time = np.arange(48_000 * 3) / 48_000
    tone = (0.1 * np.sin(2 * np.pi * 997 * time)).astype(np.float32)
    # BS.1770-4: a 997 Hz sine at 0 dBFS in one channel reads -3.01 LKFS.
    assert levels.loudness_lufs(np.stack([tone, 0 * tone])) == pytest.approx(-23.01, abs=0.1)
    assert levels.loudness_lufs(np.stack([tone, tone])) == pytest.approx(-20.0, abs=0.1)


def test_limiter_never_overshoots() -> None:
    rng = np.random.default_rng(1)
    audio = (rng.standard_normal((2, 50_000)) * rng.choice([0.1, 2.0], 50_000)).astype(np.float32)
    limited = audio * levels.limiter_gain(audio, -1.0)
    assert np.abs(limited).max() <= levels.from_db(-1.0) * (1 + 1e-5)
    quiet = audio * 0.01
    assert np.array_equal(levels.limiter_gain(quiet, -1.0), np.ones(50_000, np.float32))


def test_compressor_takes_two_db_from_the_loud_half() -> None:
    audio = np.full((2, 96_000), 0.02, np.float32)
    audio[:, 48_000:] = 0.5
    gain_db = 20.0 * np.log10(levels.compressor_gain(audio, 2.0))
    assert gain_db[40_000] == pytest.approx(0.0, abs=0.01)
    assert gain_db[90_000] == pytest.approx(-2.0, abs=0.1)


def test_soundfont_hint_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.errors import Unavailable
    from engine.training.corpus import soundfonts

    gone = soundfonts.SoundFont("none", Path("/nowhere/none.sf2"), "MIT")
    monkeypatch.setattr(soundfonts, "KNOWN", (gone,))
    with pytest.raises(Unavailable, match="apt-get install"):
        soundfonts.find_soundfonts()
