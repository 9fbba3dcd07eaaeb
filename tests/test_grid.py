"""The grid benchmark, held against sound whose times are known."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from benchmarks import boundaries, chains, grid
from engine.fake import FakeRenderer
from engine.training.metrics import onsets


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_clicks_are_found_at_their_times(rng: np.random.Generator) -> None:
    bias = onsets.click_bias(rng, 40)
    assert all(row["heard"] == 40 for row in bias.values())
    assert abs(bias[onsets.CLICK.name]["median_ms"]) < 0.3 and bias[onsets.CLICK.name]["p95_ms"] < 1.0
    assert bias[onsets.KICK.name]["p95_ms"] < 3.0


@pytest.mark.parametrize("band", onsets.BANDS)
def test_a_shift_of_the_sound_is_a_shift_of_its_onsets(rng: np.random.Generator, band: onsets.Band) -> None:
    times = 300.0 + 450.0 * np.arange(12)
    audio = onsets.clicks(times, 6.0, rng)
    late = np.concatenate([np.zeros((240, 2), np.float32), audio])
    before, after = (onsets.offsets_ms(onsets.onsets_ms(sound, band), times) for sound in (audio, late))
    np.testing.assert_allclose(after - before, 5.0, atol=0.6)


def test_a_steady_tone_has_no_onsets_after_its_own() -> None:
    time = np.arange(4 * 48_000) / 48_000
    for hertz, band in ((60.0, onsets.KICK), (5000.0, onsets.CLICK)):
        wave = 0.3 * np.sin(2 * np.pi * hertz * time) * (time > 0.5)
        found = onsets.onsets_ms(np.repeat(wave[:, None], 2, 1).astype(np.float32), band)
        assert len(found) == 1 and abs(found[0] - 500.0) < 8.0


def test_the_nearest_onset_within_reach_counts() -> None:
    found, lines = np.array([100.0, 130.0, 500.0]), np.array([90.0, 118.0, 300.0, 540.0, 541.0])
    np.testing.assert_array_equal(onsets.offsets_ms(found, lines), [10.0, 12.0, np.nan, -40.0, np.nan])
    assert np.isnan(onsets.offsets_ms(np.zeros(0), lines)).all()


def test_a_summary_says_what_was_heard(rng: np.random.Generator) -> None:
    row = onsets.summary(np.array([-3.0, 1.0, np.nan, 2.0]), rng)
    assert (row["lines"], row["heard"], row["median_ms"], row["p50_ms"]) == (4, 3, 1.0, 2.0)
    assert onsets.summary(np.array([np.nan]), rng)["median_ms"] is None


def test_boundaries_are_exact_and_an_error_would_show(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = boundaries.measure(50, rng)
    assert found["bars"] == 50 and found["max_error_samples"] == 0 and found["max_content_error_samples"] < 0.05
    late = boundaries.pulses
    monkeypatch.setattr(boundaries, "pulses", lambda lines, rate: np.roll(late(lines, rate), 1, axis=0))
    case = boundaries.Case(((0, Fraction(130)),), (4, 4), 48_000, 48_000, 0, 4)
    errors, content = boundaries.run(case)
    assert max(errors) == 0 and all(abs(c - 1.0) < 0.05 for c in content)
    asked = case.request()
    wrong = replace(case, tempi=((0, Fraction("130.001")),))
    monkeypatch.setattr(boundaries.Case, "request", lambda self: asked)
    assert max(boundaries.run(wrong)[0]) > 0


@pytest.mark.parametrize("tempo", ["120", "127.3"])
def test_a_chain_of_clicks_lies_on_its_lines(rng: np.random.Generator, tempo: str) -> None:
    """The fake engine clicks on each beat: what the benchmark finds there is its own error."""
    chain = chains.Chain(tempo, "", 0, 28)
    assert list(chain.links()) == [8, 16, 4]
    audio, error = chains.render(FakeRenderer(), chain, steps=1)
    assert error == 0 and len(audio) == chain.line_frame(4 * 28)
    places = chains.chain_offsets(audio, chain, onsets.CLICK)
    rows = {name: onsets.summary(values, rng) for name, values in places.items()}
    assert rows["all bars"]["heard"] > 0.9 * rows["all bars"]["lines"] == 0.9 * 4 * 28
    assert abs(rows["all bars"]["median_ms"]) < 1.5
    drift = grid.drift_ms(rows)
    assert all(value is not None and abs(value) < 0.5 for value in drift.values())
