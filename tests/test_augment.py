"""Augmented songs keep true labels: measured again on the sound that comes out."""

from __future__ import annotations

import numpy as np
import pytest

from engine.models import features as F
from engine.training import augment
from engine.training.augment import Take
from engine.training.corpus.annotate import intensity_db

TEMPO = 120.0
SECONDS = 12


def clicked(pitch_hz: float = 440.0) -> Take:
    """A tone with a click on every beat of 120 bpm, with the labels of the corpus."""
    rng = np.random.default_rng(0)
    count = SECONDS * F.RATE_HZ
    audio = 0.05 * np.sin(2 * np.pi * pitch_hz * np.arange(count) / F.RATE_HZ)
    for beat in range(2 * SECONDS):
        first = beat * F.RATE_HZ // 2
        burst = min(1200, count - first)
        audio[first : first + burst] += 0.15 * rng.standard_normal(burst) * np.exp(-np.arange(burst) / 200)
    stereo = np.repeat(audio[:, None], 2, axis=1).astype(np.float32)
    features = F.analyse(stereo)
    beats = np.arange(len(features)) * F.HOP / F.RATE_HZ * TEMPO / 60
    return Take(
        {
            "mix": features,
            "audio": np.round(stereo * 32767).astype(np.int16),
            "intensity": intensity_db(stereo),
            "beat_phase": (beats % 1).astype(np.float16),
            "bar_phase": (beats / 4 % 1).astype(np.float16),
            "presence": np.ones((len(features), 5), np.uint8),
            "melody": np.full(len(features), 69, np.int8),
            "melody_onset": (np.arange(len(features)) == 0).astype(np.uint8),
            "chroma": np.eye(12, dtype=np.uint8)[np.full(len(features), 9)],
        },
        {"tempo": "240/2", "key_root": 9, "mode": "minor"},
    )


def test_a_gain_curve_changes_intensity_as_gain_on_the_sound_does():
    take = clicked()
    frames = len(take.arrays["mix"])
    curve = np.interp(np.arange(frames), [0, frames / 2, frames], [0.0, -12.0, -3.0]).astype(np.float32)
    drawn = augment.relevel(take, curve[:, None], ("mix",))
    audio = take.arrays["audio"].astype(np.float32) / 32768
    gain = 10 ** (np.interp(np.arange(len(audio)) / F.HOP, np.arange(frames), curve) / 20)
    heard = intensity_db((audio * gain[:, None]).astype(np.float32)).astype(np.float32)
    assert np.abs(drawn.arrays["intensity"] - heard).mean() < 0.3
    analysed = F.analyse((audio * gain[:, None]).astype(np.float32)).astype(np.float32)
    loud = analysed > F.FLOOR_DB + 20
    assert np.abs(drawn.arrays["mix"] - analysed)[loud].mean() < 0.3


def test_drawn_dynamics_are_marked_and_bounded():
    for seed in range(8):
        take = augment.dynamics(clicked(), np.random.default_rng(seed))
        assert take.facts["drawn"]
        assert take.arrays["mix"].min() >= F.FLOOR_DB
        assert np.isfinite(take.arrays["intensity"]).all()
        assert "drawn" not in clicked().facts


@pytest.mark.parametrize("seed", range(4))
def test_another_speed_moves_beats_tempo_key_and_pitch_together(seed):
    take = augment.revoiced(clicked(), np.random.default_rng(seed))
    semitones = take.facts["semitones"]
    ratio = 2 ** (semitones / 12)
    assert float(take.facts["tempo"]) == pytest.approx(TEMPO * ratio)
    assert take.facts["key_root"] == (9 + semitones) % 12
    assert set(take.arrays["melody"]) == {69 + semitones}
    assert (take.arrays["chroma"].argmax(1) == (9 + semitones) % 12).all()
    assert len(take.arrays["mix"]) == pytest.approx(SECONDS * F.FRAME_RATE_HZ / ratio, abs=2)
    highs = take.arrays["mix"][:, 90:120].astype(np.float32).mean(1)
    onset = np.diff(highs, prepend=highs[0])
    phase = take.arrays["beat_phase"]
    wraps = np.flatnonzero(np.diff(phase) < -0.5) + 1
    for frame in wraps[1:-1]:
        window = onset[frame - 8 : frame + 9]
        assert abs(int(window.argmax()) - 8) <= 2
    low = take.arrays["mix"][:, : F.MELS].mean(0)
    expected = np.abs(F.mel_edges_hz()[1:-1] - 440 * ratio).argmin()
    below = low[: F.MELS // 3]
    assert abs(int(below.argmax()) - expected) <= 1


def test_a_filter_is_smooth_and_does_not_change_the_mean():
    curve = augment.filter_curve(np.random.default_rng(1))
    mel = curve[: F.MELS]
    assert curve.shape == (F.CHANNELS,)
    assert np.array_equal(mel, curve[F.MELS : 2 * F.MELS])
    assert np.abs(np.diff(mel[10:])).max() < 2.0
    assert np.abs(curve).max() <= 2 * augment.FILTER_RANGE_DB


def test_drive_keeps_the_level_and_flattens_peaks():
    audio = np.random.default_rng(0).normal(0, 0.1, (48000, 2)).astype(np.float32)
    bent = augment.drive(audio, np.random.default_rng(3))
    assert np.sqrt((bent**2).mean()) == pytest.approx(np.sqrt((audio**2).mean()), rel=1e-3)
    assert np.abs(bent).max() < np.abs(audio).max()


def test_a_gate_opens_on_the_beat():
    phase = np.arange(400) / 50 % 1
    for seed in range(6):
        curve = augment.gate_curve(phase, np.random.default_rng(seed))
        assert (curve[::50] == 0).all()
        assert curve.min() < -3.9
