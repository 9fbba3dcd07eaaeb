"""Sound sources of the corpus: patches in tune and in time, sweeps that are heard, held-out banks."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.training.corpus import soundfonts
from engine.training.corpus.build import SPLITS, jobs
from engine.training.corpus.levels import block_power, k_weighted
from engine.training.corpus.patches import BANK_SIZE, KINDS, bank, is_held_out, patch
from engine.training.corpus.song import NoteEvent, Part, Section, Song
from engine.training.corpus.sources import Rack, choose, kinds_for
from engine.training.corpus.styletable import STYLE_NAMES
from engine.training.corpus.sweep import cutoff_curve, swept
from engine.training.corpus.synths import render_patch
from tests.handmade_song import handmade_song

RATE = 48_000
BASSES = frozenset({"saw bass", "square bass", "acid", "sub", "808", "reese", "fm bass"})
FLAT = np.zeros(RATE * 5 // 64 + 2, np.float32)


def one_note(kind: str, number: int, key: int, length: float = 1.5, name: str = "x") -> np.ndarray:
    part = Part(name, "chords", 81, [NoteEvent(1.0, length, key, 100)])
    return render_patch(patch(kind, number), part, 60.0, RATE * 4, FLAT)


def cents_off(audio: np.ndarray, hz: float) -> float:
    """How far the period of mono audio is from 1 / hz: the best lag of its autocorrelation within a semitone."""
    spectrum = np.fft.rfft(audio, 1 << 18)
    similar = np.fft.irfft(np.abs(spectrum) ** 2)
    periods = 8  # many periods: a fraction of a sample matters less
    low, high = (int(periods * RATE / (hz * 2 ** (s / 12))) for s in (0.5, -0.5))
    lag = low + int(np.argmax(similar[low : high + 1]))
    before, here, after = similar[lag - 1 : lag + 2]
    exact = lag + 0.5 * (before - after) / (before - 2 * here + after)
    return float(1200 * np.log2(periods * RATE / exact / hz))


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "fm bell"])
def test_a_patch_is_in_tune(kind: str) -> None:
    key = 36 if kind in BASSES else 60
    for number in (0, 5, 17):
        sound = one_note(kind, number, key).mean(axis=0)
        steady = sound[RATE + 9600 : RATE + 50_000]
        assert np.abs(steady).max() > 1e-3
        assert abs(cents_off(steady, 440.0 * 2 ** ((key - 69) / 12))) < 15.0, (kind, number)


@pytest.mark.parametrize("kind", KINDS)
def test_a_patch_has_the_reference_level_and_ends(kind: str) -> None:
    key = 36 if kind in BASSES else 60
    for number in (1, 13):
        sound = one_note(kind, number, key, 0.5)
        assert np.isfinite(sound).all()
        level_db = 10 * np.log10(block_power(k_weighted(sound), 4800).max())
        assert abs(level_db + 18.0) < 6.0, (kind, number, level_db)  # slow filters may not be where they were
        assert np.abs(sound).max() < 2.0
        assert not sound[:, : RATE - 800].any()
        assert np.abs(sound[:, -4800:]).max() < 0.1 * np.abs(sound).max()


def test_attacks_of_plucks_are_where_they_are_written() -> None:
    for kind in ("pluck", "stab", "saw bass", "fm keys"):
        sound = np.abs(one_note(kind, 3, 48)).max(axis=0)
        first = int(np.argmax(sound > 0.1 * sound[: RATE + 3840].max()))
        assert abs(first - RATE) < 96, kind  # 2 ms


def centroid_hz(audio: np.ndarray) -> float:
    size = np.abs(np.fft.rfft(audio * np.hanning(len(audio))))
    return float((size * np.fft.rfftfreq(len(audio), 1 / RATE)).sum() / size.sum())


def test_a_sweep_moves_the_centroid() -> None:
    part = Part("pad", "chords", 89, [NoteEvent(0.0, 4.0, 57, 100), NoteEvent(0.0, 4.0, 64, 100)])
    for number in range(4):
        rising = np.linspace(-2.5, 1.0, len(FLAT)).astype(np.float32)
        sound = render_patch(patch("saw pad", number), part, 60.0, RATE * 4, rising)[0]
        opened, shut_ = centroid_hz(sound[3 * RATE :]), centroid_hz(sound[RATE // 2 : 3 * RATE // 2])
        assert opened > 1.25 * shut_, number
    noise = np.random.default_rng(1).standard_normal((2, RATE * 2)).astype(np.float32)
    shut = swept(noise, np.linspace(0.0, -4.0, RATE * 2 // 64 + 2).astype(np.float32))
    assert centroid_hz(shut[0, -RATE // 2 :]) < 0.6 * centroid_hz(shut[0, : RATE // 2])
    open_ = swept(noise, np.zeros(RATE * 2 // 64 + 2, np.float32))
    assert (open_**2).mean() == pytest.approx((noise**2).mean(), rel=0.6)


def test_builds_open_the_filter() -> None:
    song = handmade_song(bars=16)
    song.sections = [Section("Bd", 0, 8, -5.0), Section("Drop", 8, 8, 0.0)]
    frames = int(16 * float(song.bar_beats) * 60 / float(song.tempo) * RATE)
    for seed in range(20):
        curve = cutoff_curve(song, frames, np.random.default_rng(seed))
        assert np.isfinite(curve).all() and curve.min() >= -2.5 and curve.max() <= 1.0
        eighth = len(curve) // 16
        assert curve[6 * eighth : 7 * eighth].mean() > curve[:eighth].mean() + 0.2
        assert np.abs(np.diff(curve)).max() < 0.2


def test_the_banks_are_disjoint_and_patches_repeat() -> None:
    held, training = bank(True), bank(False)
    assert not set(held) & set(training)
    assert len(held) + len(training) == BANK_SIZE and len(held) == BANK_SIZE // 8
    for kind in KINDS:
        assert patch(kind, 5) == patch(kind, 5)
        assert len({patch(kind, n).voice for n in range(BANK_SIZE)}) == BANK_SIZE


def electronic_song(seed: int) -> Song:
    song = replace(handmade_song(bars=4), seed=seed, style="techno")
    for part, program in zip(song.parts[1:], (38, 90, 81, 80), strict=True):
        part.program = program
    return song


def test_held_out_sources_play_in_half_of_the_test_songs_and_nowhere_else() -> None:
    shares = {}
    for split in SPLITS:
        picked = [choose(electronic_song(seed), split) for seed in range(200)]
        for sources in picked:
            numbers = {is_held_out(p.number) for p in sources.patches.values()}
            fonts = {font.name == "TimGM6mb" for font in sources.fonts.values()}
            assert len(numbers) <= 1 and len(fonts) <= 1
            assert sources.held_out or not (True in numbers and True in fonts)
            if split != "test":
                assert not sources.held_out and True not in numbers | fonts
        shares[split] = sum(s.held_out for s in picked) / len(picked)
    assert shares["train"] == shares["valid"] == 0.0
    if soundfonts.find_held_out() is not None:
        assert 0.35 < shares["test"] < 0.65


def test_without_the_held_out_soundfont_no_test_song_claims_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfonts, "HELD_OUT", soundfonts.SoundFont("none", Path("/nowhere/none.sf2"), "GPL"))
    for seed in range(40):
        sources = choose(electronic_song(seed), "test")
        assert not sources.held_out or not sources.fonts


def test_played_instruments_stay_sampled() -> None:
    assert kinds_for(Part("bass", "bass", 33), "house") == ()
    assert kinds_for(Part("lead", "lead", 73), "ambient") == ()
    assert kinds_for(Part("drums", "drums", 25), "techno") == ()
    assert "808" in kinds_for(Part("bass", "bass", 38), "trap")


_PRINT = """
import hashlib, numpy as np
from engine.training.corpus.patches import patch
from engine.training.corpus.song import NoteEvent, Part
from engine.training.corpus.synths import render_patch
part = Part("x", "chords", 81, [NoteEvent(i / 3, 0.5, 50 + i, 90) for i in range(6)])
sweep = np.linspace(-1, 1, 2000).astype(np.float32)
stems = [render_patch(patch(kind, 3), part, 120.0, 96000, sweep) for kind in ("supersaw", "reese", "fm keys")]
print(hashlib.sha256(b"".join(stem.tobytes() for stem in stems)).hexdigest())
"""


def test_patches_sound_the_same_in_every_process(capsys: pytest.CaptureFixture[str]) -> None:
    exec(_PRINT, {})
    here = capsys.readouterr().out
    assert here == subprocess.run([sys.executable, "-c", _PRINT], check=True, capture_output=True, text=True).stdout


def test_a_second_batch_has_its_own_numbers_and_the_same_split_rule(tmp_path: Path) -> None:
    old = jobs(tmp_path, 12.0, 1, STYLE_NAMES)
    new = jobs(tmp_path, 12.0, 2, STYLE_NAMES, first=2000)
    assert not {j.path for j in old} & {j.path for j in new}
    assert [j.index for j in new[:3]] == [2000, 2001, 2002]
    assert not {j.seed for j in old} & {j.seed for j in new}
    by_index = {j.index: j for j in jobs(tmp_path, 60.0, 1, STYLE_NAMES)}
    assert all(by_index[j.index].split == j.split == j.path.parent.name for j in new)
    assert all(by_index[j.index].style == j.style for j in new)


def test_the_rack_renders_what_was_chosen() -> None:
    song = electronic_song(3)
    sources = choose(song, "train")
    assert sources.patches
    rack = Rack(song, sources)
    name, sound = next(iter(sources.patches.items()))
    part = next(p for p in song.parts if p.name == name)
    stem = rack.render(part, float(song.tempo), RATE * 3)
    assert stem.shape == (2, RATE * 3) and np.abs(stem).max() > 0.01
    assert sources.describe()["synths"][name] == sound.name  # type: ignore[index]
