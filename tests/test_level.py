"""Levels read off log-mels, and the gain that follows a curve."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.models import features as F
from engine.render import level

RNG = np.random.default_rng(0)


def analysed(audio: np.ndarray) -> torch.Tensor:
    return F.analyse_tensor(torch.from_numpy(audio.astype(np.float32)))[4:-4]


@pytest.mark.parametrize("gain", [0.02, 0.3])
@pytest.mark.parametrize("kind", ["sine", "noise", "left only"])
def test_the_level_of_mels_is_the_level_of_the_sound(kind, gain):
    time = np.arange(2 * F.RATE_HZ) / F.RATE_HZ
    sound = np.stack([np.sin(2 * np.pi * 997 * time)] * 2, 1) if kind != "noise" else RNG.normal(size=(len(time), 2))
    if kind == "left only":
        sound[:, 1] = 0.0
    sound = sound * gain
    expected = 10 * np.log10((sound**2).mean())
    tolerance = 1.0 if kind == "noise" else 0.3  # the mels end at 20 kHz
    assert level.power_db(analysed(sound)) == pytest.approx(expected, abs=tolerance)


def test_a_ride_brings_a_swell_onto_its_curve_and_keeps_its_limits():
    seconds, target = 6.0, -20.0
    time = np.arange(round(seconds * F.RATE_HZ)) / F.RATE_HZ
    swell = 10 ** ((-24 + 8 * np.sin(2 * np.pi * time / 6)) / 20)
    sound = RNG.normal(size=(len(time), 2)) * swell[:, None]
    features = analysed(sound)
    gain = level.ride_gain_db(features, np.full(len(features), target, np.float32))
    assert np.abs(gain).max() <= level.MAX_RIDE_DB
    assert np.abs(np.diff(gain)).max() < 0.3
    ridden = level.frame_power(features).numpy() * 10 ** (gain / 10)
    smooth = np.convolve(ridden, np.hanning(95) / np.hanning(95).sum(), "valid")
    inside = np.abs(gain[47:-47]) < level.MAX_RIDE_DB - 0.01
    assert np.abs(10 * np.log10(smooth) - target)[inside].max() < 1.0


@pytest.mark.parametrize("frames", [1, 10, 94, 95, 96])
def test_a_ride_of_a_few_frames_has_their_length(frames):
    features = torch.full((frames, F.CHANNELS), -40.0)
    gain = level.ride_gain_db(features, np.full(frames, level.power_db(features) + 2, np.float32))
    np.testing.assert_allclose(gain, 2.0, atol=1e-3)


def test_silence_is_not_pulled_up_and_no_target_asks_for_nothing():
    quiet = torch.full((200, F.CHANNELS), F.FLOOR_DB)
    assert not level.ride_gain_db(quiet, np.full(200, -10.0, np.float32)).any()
    loud = torch.full((200, F.CHANNELS), -20.0)
    assert not level.ride_gain_db(loud, np.full(200, np.nan, np.float32)).any()


def test_the_carried_gain_is_the_difference_within_limits():
    made = torch.full((50, F.CHANNELS), -40.0)
    own = level.power_db(made)
    assert level.carried_gain_db(own + 3, made) == pytest.approx(3.0)
    assert level.carried_gain_db(own + 30, made) == level.MAX_CARRY_DB
