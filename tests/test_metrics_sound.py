"""Key and chords, seams, width and texture, spectral distance: the evaluation's measures against known answers."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.controls.harmony import chord_tones
from engine.errors import BadRequest
from engine.training.metrics import codec, loops, seam, targets, tonal
from engine.training.metrics.sections import texture

RATE = 48_000


def chord_sound(pitches: list[int], seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * 440 * 2 ** ((p - 69) / 12) * k * time) / k for p in pitches for k in (1, 2, 3))
    edge = np.minimum(1.0, np.minimum(time, seconds - time) / 0.01)
    return np.repeat((0.05 * wave * edge)[:, None], 2, axis=1).astype(np.float32)


def voiced(name: str) -> list[int]:
    root, tones, _ = chord_tones(name)
    return [36 + root, *(60 + pc for pc in tones)]


def cadence(names: list[str], seconds: float = 0.6) -> np.ndarray:
    return np.concatenate([chord_sound(voiced(name), seconds) for name in names])


# Key and chords


@pytest.mark.parametrize(
    ("names", "key"),
    [(["C", "F", "G", "C"], (0, False)), (["Am", "Dm", "E", "Am"], (9, True)), (["Eb", "Ab", "Bb", "Eb"], (3, False))],
)
def test_cadences_are_in_their_key(names: list[str], key: tuple[int, bool]) -> None:
    found = tonal.notes(cadence(names))
    assert tonal.estimated_key(found) == key
    assert tonal.key_score(tonal.estimated_key(found), key) == 1.0


def test_a_scale_is_in_its_place() -> None:
    found = tonal.notes(cadence(["F", "Bb", "C", "Dm", "Gm", "F"]))
    major = (0, 2, 4, 5, 7, 9, 11)
    assert tonal.in_scale(found, tuple((5 + step) % 12 for step in major))
    assert not tonal.in_scale(found, tuple((6 + step) % 12 for step in major))


def test_near_misses_score_as_in_mirex() -> None:
    c, g, f, a_minor, c_minor = (0, False), (7, False), (5, False), (9, True), (0, True)
    assert [tonal.key_score(found, c) for found in (c, g, f, a_minor, c_minor, (6, False))] == [
        1,
        0.5,
        0.5,
        0.3,
        0.2,
        0,
    ]
    assert tonal.key_score(c, a_minor) == 0.3 and tonal.key_score((3, False), c_minor) == 0.3
    assert tonal.key_score((4, True), a_minor) == 0.5 and tonal.key_score((0, True), a_minor) == 0.0


def test_families_of_modes() -> None:
    assert tonal.family(2, "dorian") == (2, True) and tonal.family(7, "mixolydian") == (7, False)
    assert tonal.family(11, "harmonic minor") == (11, True) and tonal.family(0, "ionian") == (0, False)


def test_triads_by_template_and_inside_chords() -> None:
    names = ["C", "Am", "F#m", "Bb", "Em", "Ab"]
    found = tonal.estimated_triads(tonal.notes(cadence(names)), np.arange(7) * 0.6)
    wanted = [root + 12 * (4 not in {(pc - root) % 12 for pc in tones}) for root, tones, _ in map(chord_tones, names)]
    assert found.tolist() == wanted

    def held(name: str) -> frozenset[int]:
        classes = np.zeros(12, bool)
        classes[list(chord_tones(name)[1])] = True
        return tonal.triads_of(classes)

    assert held("C") == {0} and held("Am") == {21} and held("Am7") == {21, 0} and held("Cmaj7") == {0, 16}
    assert held("Dsus4") == frozenset() and held("Bdim") == frozenset()


def test_edges_past_the_end_are_held() -> None:
    assert len(tonal.estimated_triads(np.ones((10, 76)), np.array([0.0, 0.1, 5.0, 9.0]))) == 3


def test_keys_are_named_as_requests_read_them() -> None:
    from engine.controls.harmony import parse_key

    for root in range(12):
        assert parse_key(targets.key_name(root, "harmonic minor")).root == root
    assert parse_key(targets.key_name(6, "aeolian")).mode == "minor"
    assert parse_key(targets.key_name(6, "double harmonic")).mode == "minor"


# Seams


def test_third_octaves() -> None:
    centres = seam.third_octaves_hz()
    assert (
        len(centres) == 25
        and centres[0] == pytest.approx(49.6, abs=0.1)
        and centres[-1] == pytest.approx(12_699, abs=1)
    )
    assert all(b / a == pytest.approx(2 ** (1 / 3)) for a, b in pairwise(centres))


def test_a_louder_or_brighter_half_is_a_step() -> None:
    rng = np.random.default_rng(4)
    noise = 0.1 * rng.normal(size=(2 * RATE, 2))
    assert seam.spectrum_step_db(noise, noise * 2) == pytest.approx(6.02, abs=0.01)
    assert seam.spectrum_step_db(noise, noise * 2, same_level=True) == pytest.approx(0.0, abs=0.01)
    dull = noise[1:] + noise[:-1]  # |1 + z^-1|: twice the amplitude at 0 Hz, none at half the rate
    hz = seam.third_octaves_hz()
    expected = np.abs(20 * np.log10(2 * np.cos(np.pi * hz / RATE))).mean()
    assert seam.spectrum_step_db(noise[1:], dull) == pytest.approx(expected, abs=0.1)


def test_a_seam_without_and_with_a_break() -> None:
    rng = np.random.default_rng(5)
    lines = [i * RATE // 2 for i in range(9)]
    time = np.arange(lines[-1]) / RATE
    beat = np.exp(-(time % 0.5) / 0.1)
    music = (0.005 * np.diff(rng.normal(size=len(time)), prepend=0) * beat + 0.2 * np.sin(2 * np.pi * 220.3 * time))[
        :, None
    ]
    music = np.repeat(music, 2, axis=1).astype(np.float32)
    smooth = seam.judge(music, lines, 4)
    assert abs(smooth.flux_db) < 2.0 and abs(smooth.edge_db) < 2.0
    assert abs(smooth.loudness_db) < 0.2 and smooth.spectrum_db < 1.0
    broken = music.copy()
    broken[lines[4] :] *= 0.5
    assert seam.judge(broken, lines, 4).loudness_db == pytest.approx(-6.0, abs=0.2)
    clicked = music.copy()
    clicked[lines[4]] += 0.8
    assert seam.judge(clicked, lines, 4).edge_db > 10.0 and seam.judge(clicked, lines, 4).flux_db > smooth.flux_db + 1.0


# Width, texture, spectral distance


def test_width_and_change_of_known_sounds() -> None:
    rng = np.random.default_rng(6)
    mono = np.repeat(0.1 * rng.normal(size=(RATE, 1)), 2, axis=1).astype(np.float32)
    assert texture.describe(mono)["width_db"] == pytest.approx(0.0, abs=1e-3)
    panned = mono * np.array([1.0, 0.5], np.float32)
    assert texture.describe(panned)["width_db"] == pytest.approx(6.02, abs=0.05)
    time = np.arange(RATE) / RATE
    held = np.repeat(0.3 * np.sin(2 * np.pi * 1000 * time)[:, None], 2, axis=1).astype(np.float32)
    assert texture.describe(held[2000:-2000])["change_db"] < texture.describe(mono)["change_db"] - 1.0
    assert np.isnan(texture.describe(np.zeros((RATE, 2), np.float32))["width_db"])


def test_ratios_are_of_means_and_paired() -> None:
    found = texture.against([2.0, 4.0, float("nan")], [1.0, 3.0, 2.0])
    assert found["mean"] == pytest.approx(6 / 4 - 1) and found["n"] == 2
    same = texture.against([1.0, 5.0, 9.0], [1.0, 5.0, 9.0])
    assert same["interval"] == [0.0, 0.0] and texture.against([], [])["mean"] is None


def test_sound_losses_of_known_changes() -> None:
    rng = np.random.default_rng(7)
    time = np.arange(3 * RATE) / RATE
    low = 0.2 * np.sin(2 * np.pi * 55 * time) + 0.1 * np.sin(2 * np.pi * 110 * time)
    a = (low + 0.01 * rng.normal(size=len(time)))[:, None].repeat(2, 1).astype(np.float32)
    nothing = codec.sound_losses(a, a)
    assert nothing["spectral_db"] == 0.0 and nothing["loudness_lu"] == 0.0 and nothing["bass_cents"] == 0.0
    louder = codec.sound_losses(a, 2 * a)
    assert louder["spectral_db"] == pytest.approx(6.02, abs=0.1) and louder["loudness_lu"] == pytest.approx(
        6.02, abs=0.05
    )
    stretched = np.stack([np.interp(np.arange(len(a)) * 2 ** (30 / 1200), np.arange(len(a)), x) for x in a.T], 1)
    found = codec.sound_losses(a[: 2 * RATE], stretched[: 2 * RATE].astype(np.float32))
    assert found["bass_cents"] == pytest.approx(30.0, abs=2.0) and found["bass_near"] < 0.1
    noise = codec.sound_losses(*(0.05 * rng.normal(size=(2, RATE, 2))).astype(np.float32))
    assert noise["spectral_db"] > 5.0


# Recorded loops


def test_the_shipped_loop_and_those_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(loops.FOLDER_VARIABLE, raising=False)
    assert [loop.name for loop in loops.recorded_loops()] == ["loop_mika"]
    assert loops.recorded_loops()[0].audio.shape == (8 * RATE, 2)
    soundfile.write(tmp_path / "loop_short.flac", np.full(44_100, 0.25), 44_100)
    monkeypatch.setenv(loops.FOLDER_VARIABLE, str(tmp_path))
    names = {loop.name: loop.audio for loop in loops.recorded_loops()}
    assert set(names) == {"loop_mika", "loop_short"}
    assert names["loop_short"].shape == (8 * RATE, 2) and not names["loop_short"][RATE + 100 :].any()
    monkeypatch.setenv(loops.FOLDER_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(BadRequest, match="no folder"):
        loops.recorded_loops()
