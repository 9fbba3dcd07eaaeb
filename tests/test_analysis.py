"""The fast analysis of one stretch gives the features of `engine.models.features`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.models import analysis
from engine.models import features as F


def stretch(frames: int, seed: int = 0) -> np.ndarray:
    """Noise that swells, tones, a click, and silence at the end."""
    rng, time_s = np.random.default_rng(seed), np.arange(frames) / F.RATE_HZ
    tones = sum(np.sin(2 * np.pi * hertz * time_s) for hertz in (41.2, 330.0, 5000.0))
    wave = np.stack([rng.normal(size=frames) * time_s, 0.2 * tones], axis=1)
    wave[frames // 2] += 1.0
    wave[-frames // 4 :] = 0.0
    return (0.3 * wave).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30_000), st.integers(0, 5))
def test_features_are_those_of_any_stretch(frames: int, seed: int) -> None:
    wave = stretch(frames, seed)
    exact = F.analyse_tensor(torch.from_numpy(wave))
    found = analysis.analyse(wave)
    assert found.shape == exact.shape and found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), exact.numpy(), atol=0.02)
    heard = exact > F.FLOOR_DB + 20
    assert float((found - exact)[heard].abs().max() if heard.any() else 0.0) < 2e-3


@pytest.mark.parametrize("frames", [48 * 4096, 100_001])
def test_features_of_seconds_of_sound(frames: int) -> None:
    wave = stretch(frames)
    np.testing.assert_allclose(analysis.analyse(wave), F.analyse_tensor(torch.from_numpy(wave)), atol=0.02)


def test_silence_lies_on_the_floor() -> None:
    assert (analysis.analyse(np.zeros((9000, 2), np.float32)) == F.FLOOR_DB).all()
