"""Grooves, swing and downbeats, from times that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.training.metrics import groove

QUARTER = 500.0


def swung(percent: float, pair: float, bars: int = 6, noise: float = 2.0, seed: int = 0) -> np.ndarray:
    """Both notes of each pair in ms, the second at `percent`, with some noise."""
    starts = np.arange(0.0, bars * 4 * QUARTER, pair)
    times = np.concatenate([starts, starts + pair * percent / 100])
    return np.sort(times + np.random.default_rng(seed).normal(0, noise, len(times)))


def test_the_groove_gathers_events_at_their_places() -> None:
    rng = np.random.default_rng(1)
    wanted = np.array([-4.0, 140.0, 250.0, 395.0])
    events = (wanted[:, None] + QUARTER * np.arange(20) + rng.normal(0, 2, (4, 20))).ravel()
    np.testing.assert_allclose(groove.positions_ms(events, QUARTER), wanted, atol=2.5)
    with_one_stray = np.append(events, 77.0)
    np.testing.assert_allclose(groove.positions_ms(with_one_stray, QUARTER), wanted, atol=2.5)
    assert len(groove.positions_ms(np.zeros(0), QUARTER)) == 0


@given(
    st.lists(st.floats(0, 5000, allow_subnormal=False), min_size=1, max_size=30),
    st.floats(-30, 30, allow_subnormal=False),
)
def test_distances_against_a_slow_search(onsets: list[float], shift: float) -> None:
    places = np.array([0.0, 130.0, 250.0, 388.0]) + shift
    found = groove.distances_ms(np.array(onsets), places, QUARTER)
    for onset, distance in zip(onsets, found, strict=True):
        slow = min((onset - place - QUARTER * k for place in places for k in range(-2, 13)), key=abs)
        if abs(abs(slow) - groove.REACH_MS) > 1e-6:
            assert np.isnan(distance) == (abs(slow) > groove.REACH_MS)
        if np.isfinite(distance):
            assert abs(distance) == pytest.approx(abs(slow), abs=1e-6)


def test_late_onsets_are_late_and_chance_reaches_its_share() -> None:
    places = np.array([0.0, 250.0])
    late = np.arange(0, 4000, 250.0) + 7.0
    np.testing.assert_allclose(groove.distances_ms(late, places, QUARTER), 7.0)
    assert groove.chance_reach(places, QUARTER) == pytest.approx(2 * 80 / 500, abs=0.01)


@pytest.mark.parametrize("pair", [QUARTER, QUARTER / 2])
@pytest.mark.parametrize("percent", [50.0, 54.0, 58.0, 62.0, 66.7])
def test_swing_comes_back(percent: float, pair: float) -> None:
    times = swung(percent, pair)
    assert groove.swing_percent(times, pair) == pytest.approx(percent, abs=1.0)
    assert groove.swing_percent(times + 9.0, pair) == pytest.approx(percent, abs=1.0)  # a push is no swing
    if percent > 53:
        assert groove.swing_pair_ms(times, QUARTER, percent) == pair


def test_no_swing_without_offbeats() -> None:
    assert np.isnan(groove.swing_percent(np.arange(0, 8000, QUARTER), QUARTER))
    assert np.isnan(groove.swing_pair_ms(np.arange(0, 8000, QUARTER), QUARTER, 60.0))
    assert np.isnan(groove.swing_pair_ms(swung(50.0, QUARTER), QUARTER, 62.0))


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_a_turned_bar_is_found_out(turn: int) -> None:
    rng = np.random.default_rng(3)
    rate, in_bar, bars = 100.0, 3, 4
    beats = np.arange(in_bar * bars) * 0.5
    features = 0.1 * rng.random((620, 2))
    pattern = rng.random((2 * in_bar, 2)) * 5

    def played(first: int) -> np.ndarray:
        out = features.copy()
        for half in range(2 * in_bar * bars):
            out[round(half * 25)] += pattern[(half - 2 * first) % (2 * in_bar)]
        return out

    wanted = groove.bar_profile(played(0), rate, beats, in_bar)
    assert wanted.beats == in_bar
    assert groove.best_turn(groove.bar_profile(played(turn), rate, beats, in_bar), wanted) == turn
