"""Levels read off log-mels, and the gain that follows a curve."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.models import features as F
from engine.render import level
from engine.render.decode import PRE_SAMPLES, Decoder

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


def test_a_ride_is_heard_between_frames_in_straight_lines_of_decibels():
    """Every sample's gain lies on the line from one feature frame to the next; beyond the ends it is held."""
    count, wanted = 120, -30.0 + 8.0 * np.sin(np.arange(120, dtype=np.float32))
    features = torch.from_numpy(RNG.normal(-40, 4, (count, F.CHANNELS)).astype(np.float32))
    decoder = Decoder(Identity(features), lambda mel, low: (mel, low), torch.zeros(0, 64), 0, wanted)
    decoder.push(torch.zeros(count // 8, 64), last=True)
    decoder.gain_db = 1.5
    ridden = level.ride_gain_db(features, wanted) + 1.5
    at = (np.arange(count * F.HOP) - PRE_SAMPLES) / F.HOP
    exact = 10 ** (np.interp(at, np.arange(count), ridden) / 20)
    np.testing.assert_allclose(decoder._gain(count)[:, 0], exact, rtol=1e-5)
    decoder.target_db = None
    assert float(decoder._gain(count)) == pytest.approx(10 ** (1.5 / 20))


class Identity:
    """A codec that decodes to the features that it was given."""

    def __init__(self, features: torch.Tensor) -> None:
        self.features = features

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return self.features[None]


def test_a_part_comes_close_to_what_it_plays_with() -> None:
    from engine.render.level import FAINT_DB, MAX_PART_DB, PART_BELOW_DB, part_gain_db, power_db

    made = torch.full((40, F.CHANNELS), -60.0)
    made_db = power_db(made)
    assert part_gain_db(made_db + PART_BELOW_DB, made) == (pytest.approx(0.0, abs=1e-4), None)
    assert part_gain_db(made_db + PART_BELOW_DB + 5, made) == (pytest.approx(5.0, abs=1e-4), None)
    gain_db, remark = part_gain_db(made_db + PART_BELOW_DB + MAX_PART_DB + FAINT_DB + 4, made)
    assert gain_db == MAX_PART_DB and remark is not None and "10 dB quieter" in remark
