"""Synthesisers of the system in the corpus: csound and amsynth, asked for by name, in tune, in time, repeatable."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.errors import BadRequest, Unavailable
from engine.training.corpus import amsynth, amsynth_bank, csound, csound_bank, csound_kit, orchestra, outside
from engine.training.corpus.build import build, jobs
from engine.training.corpus.levels import block_power, k_weighted
from engine.training.corpus.outside import Outside
from engine.training.corpus.patches import BANK_SIZE, KINDS, bank, is_held_out
from engine.training.corpus.placing import attack_frame
from engine.training.corpus.song import NoteEvent, Part, Song
from engine.training.corpus.sources import Rack, Sources, choose
from engine.training.corpus.styletable import STYLE_NAMES
from tests.handmade_song import handmade_song

RATE = 48_000
BASSES = frozenset({"saw bass", "square bass", "acid", "sub", "808", "reese", "fm bass"})
SHARP = frozenset({"pluck", "acid", "stab", "saw bass", "square bass", "fm keys", "organ"})
BOTH = ("csound", "amsynth")
needs_csound = pytest.mark.skipif(not csound.installed(), reason="csound is not installed: apt-get install csound")
needs_amsynth = pytest.mark.skipif(not amsynth.installed(), reason="amsynth is not installed: apt-get install amsynth")


def stem_of(sound: Outside, key: int, seconds: float = 3.0, octaves: float = 0.0) -> np.ndarray:
    part = Part("x", "chords", 81, [NoteEvent(b, 0.8, key, 100) for b in (0.5, 1.55)])
    curve = np.full(round(RATE * seconds) // 64 + 2, octaves, np.float32)
    return outside.render(sound, part, 60.0, round(RATE * seconds), curve)


def check_sound(sound: Outside) -> None:
    """Nothing before the first note, sharp attacks within 1.5 ms, the reference level, in tune, over at the end."""
    key = 36 if sound.kind in BASSES else 60
    stem = stem_of(sound, key)
    assert np.isfinite(stem).all() and not stem[:, : RATE // 2 - 800].any()
    for beat in (0.5, 1.55):
        start = round(beat * RATE) - 480
        assert abs(attack_frame(stem[:, start : start + 4320]) - 480) < 72 or sound.kind not in (
            "pluck",
            "acid",
            "stab",
        )
    level_db = 10 * np.log10(block_power(k_weighted(stem), 4800).max())
    assert abs(level_db + 18.0) < 6.0, (sound.name, level_db)
    assert np.abs(stem[:, -2400:]).max() < 0.25 * np.abs(stem).max(), sound.name
    if sound.kind != "fm bell":
        held = stem.mean(axis=0)[round(0.6 * RATE) : round(1.2 * RATE)]
        assert abs(cents_off(held, 440.0 * 2 ** ((key - 69) / 12))) < 20.0, sound.name


def cents_off(audio: np.ndarray, hz: float) -> float:
    """How far eight periods of the audio are from 8 / hz, by its autocorrelation within a semitone."""
    similar = np.fft.irfft(np.abs(np.fft.rfft(audio, 1 << 17)) ** 2)
    low, high = (int(8 * RATE / (hz * 2 ** (s / 12))) for s in (0.5, -0.5))
    return float(1200 * np.log2(8 * RATE / (low + int(np.argmax(similar[low : high + 1]))) / hz))


@needs_csound
@pytest.mark.parametrize("kind", list(orchestra.KINDS))
def test_csounds_instruments_are_in_tune_and_in_time(kind: str) -> None:
    check_sound(csound_bank.csound_patch(kind, 2))


@needs_amsynth
@pytest.mark.parametrize("kind", ["square bass", "saw lead", "stab", "brass"])
def test_amsynths_patches_are_in_tune_and_in_time(kind: str) -> None:
    check_sound(amsynth_bank.amsynth_patch(kind, 2))


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(csound_bank.csound_patch("saw pad", 4), marks=needs_csound),
        pytest.param(amsynth_bank.amsynth_patch("saw pad", 4), marks=needs_amsynth),
    ],
)
def test_a_stem_is_the_same_again_and_a_sweep_is_heard(sound: Outside) -> None:
    open_, again, shut = stem_of(sound, 57), stem_of(sound, 57), stem_of(sound, 57, octaves=-3.0)
    assert np.array_equal(open_, again)
    highs = [np.abs(np.fft.rfft(s[0]))[round(2000 * s.shape[1] / RATE) :] for s in (open_, shut)]
    assert float((highs[1] ** 2).sum()) < 0.5 * float((highs[0] ** 2).sum())


@needs_csound
def test_the_kits_strokes_are_where_they_are_written_and_cymbals_are_left() -> None:
    sound = csound_bank.csound_patch("kit", 4)
    notes = [NoteEvent(0.25 + 0.5 * i, 0.1, key, 110, 1.7 * i) for i, key in enumerate((36, 38, 39, 42, 46, 45, 37))]
    part = Part("drums", "drums", 24, [*notes, NoteEvent(0.25, 1.0, 49, 110)])
    stem = csound_kit.render_kit(sound, part, 60.0, RATE * 4)
    for note in notes:
        exact = RATE * (note.beat + note.offset_ms / 1000)
        start = round(exact) - 480
        assert abs(start + attack_frame(stem[:, start : start + 2400]) - exact) < 24, note.pitch
    assert outside.leaves(sound, part) == [49]
    assert np.array_equal(stem, csound_kit.render_kit(sound, part, 60.0, RATE * 4))
    softer = replace(part, notes=[replace(n, velocity=60) for n in notes])
    assert 0 < np.abs(csound_kit.render_kit(sound, softer, 60.0, RATE * 4)).max() < 0.6 * np.abs(stem).max()


def electronic_song(seed: int) -> Song:
    song = replace(handmade_song(bars=4), seed=seed, style="techno")
    for part, program in zip(song.parts, (24, 38, 90, 81, 80), strict=True):
        part.program = program
    song.parts[0].name = "drums"
    return song


def test_without_being_asked_nothing_changes() -> None:
    for seed in range(40):
        song = electronic_song(seed)
        without, asked = choose(song, "train"), choose(song, "train", BOTH)
        assert all(name.startswith("own/") for name in without.describe()["synths"].values())  # type: ignore[union-attr]
        kept = {part: sound for part, sound in asked.patches.items() if sound.name.startswith("own/")}
        assert kept.items() <= without.patches.items()
        assert asked.font == without.font and asked.fonts.items() <= without.fonts.items()
    assert jobs(Path("x"), 1.0, 1, STYLE_NAMES) == [
        replace(job, synths=()) for job in jobs(Path("x"), 1.0, 1, STYLE_NAMES, 0, BOTH)
    ]


def picked(split: str) -> list[Sources]:
    return [choose(electronic_song(seed), split, BOTH) for seed in range(120)]


def test_what_is_asked_for_plays_and_its_held_out_bank_only_in_tests() -> None:
    names = [sound.name for sources in picked("train") for sound in sources.patches.values()]
    for synth in BOTH:
        assert sum(name.startswith(f"{synth}/") for name in names) > 60, synth
    assert any(name.startswith("csound/kit-") for name in names)
    for split in ("train", "valid"):
        assert not any(is_held_out(s.number) for sources in picked(split) for s in sources.patches.values())
    for sources in picked("test"):
        assert len({is_held_out(sound.number) for sound in sources.patches.values()}) <= 1
        assert sources.held_out or not any(is_held_out(sound.number) for sound in sources.patches.values())
    assert 0.3 < np.mean([sources.held_out for sources in picked("test")]) < 0.7


def test_patches_are_a_function_of_kind_and_number() -> None:
    for kind in (*orchestra.KINDS, "kit"):
        assert csound_bank.csound_patch(kind, 5) == csound_bank.csound_patch(kind, 5)
        assert len({csound_bank.csound_patch(kind, n).values for n in range(BANK_SIZE)}) == BANK_SIZE
    for kind in amsynth_bank.KINDS:
        patch = amsynth_bank.amsynth_patch(kind, 5)
        assert patch == amsynth_bank.amsynth_patch(kind, 5)
        assert all(0.0 <= value <= 1.0 for _, value in patch.values)
    assert set(amsynth_bank.KINDS) <= set(KINDS)
    assert set(orchestra.KINDS) - {"organ"} <= set(KINDS)
    assert not set(bank(True)) & set(bank(False))


def test_knobs_are_what_amsynth_shows() -> None:
    """From the plugin's own display: decay 1.0005 s at 0.4, cutoff 4 at 0.5, detune 1.0456 at 0.6."""
    assert amsynth_bank.time_knob(1.0005) == pytest.approx(0.4)
    assert amsynth_bank.cutoff_knob(4.0) == pytest.approx(0.5)
    assert amsynth_bank.detune_knob(1200 * np.log2(1.04564)) == pytest.approx(0.6, abs=1e-3)


def test_what_is_unknown_or_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert outside.asked("amsynth, csound") == BOTH
    assert outside.asked("") == ()
    with pytest.raises(BadRequest, match="knows csound and amsynth, not moog"):
        outside.asked("csound,moog")
    monkeypatch.setattr(outside.csound, "installed", lambda: False)
    monkeypatch.setattr(outside.csound.shutil, "which", lambda _: None)
    monkeypatch.setitem(outside._INSTALLED, "csound", (lambda: False, "csound"))
    with pytest.raises(Unavailable, match="apt-get install csound"):
        build(tmp_path, 0.01, 1, 1, synths=("csound",))
    with pytest.raises(Unavailable, match="apt-get install csound"):
        csound.perform("", [], 100)


@needs_csound
def test_csounds_own_mistakes_are_told() -> None:
    with pytest.raises(Unavailable, match="csound failed"):
        csound.perform("instr 1\n  nothing like this\nendin\n", ["i1 0 1"], 480)


@needs_csound
def test_the_rack_adds_the_cymbals_of_the_soundfont() -> None:
    song = electronic_song(1)
    song.parts[0].notes.append(NoteEvent(0.0, 1.0, 49, 110))
    chosen = choose(song, "train")
    kit = replace(chosen, patches={"drums": csound_bank.csound_patch("kit", 1)})
    whole = Rack(song, kit).render(song.parts[0], float(song.tempo), RATE * 3)
    alone = csound_kit.render_kit(csound_bank.csound_patch("kit", 1), song.parts[0], float(song.tempo), RATE * 3)
    assert np.abs(whole - alone).max() > 0.01
