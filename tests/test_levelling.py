"""What decoding does to time and level, on sounds whose delay is known; and the table that stands in for an encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.errors import Unavailable
from engine.models import prompt
from engine.models.sentences import VARIABLE, SentenceTable, words, write_table
from engine.training import levelling
from engine.training.metrics.onsets import clicks
from tests.tiny_bundle import untrained

RATE_HZ = 48_000


def drums(seconds: float = 20.0) -> np.ndarray:
    rng = np.random.default_rng(3)
    return clicks(np.arange(300.0, 1000.0 * seconds - 500.0, 410.0), seconds, rng)


@pytest.mark.parametrize("delay", [-60, 0, 82, 200])
def test_a_known_delay_is_found(delay):
    true = drums()
    lag_ms, interval, count = levelling.median_lag(levelling.lags_ms(true, np.roll(true, delay, axis=0)))
    assert count > 30 and interval is not None
    assert round(lag_ms * RATE_HZ / 1000) == pytest.approx(delay, abs=6)


def test_no_lag_is_claimed_from_few_attacks_or_from_scattered_ones():
    assert levelling.median_lag(np.full(levelling.FEWEST_ONSETS - 1, 3.0)) == (0.0, None, levelling.FEWEST_ONSETS - 1)
    assert levelling.median_lag(np.array([3.0] * 19 + [np.nan] * 50))[0] == 0.0
    scattered = np.random.default_rng(0).uniform(-40, 40, 60)
    lag, interval, _ = levelling.median_lag(scattered)
    assert lag == 0.0 and interval is not None and interval[1] - interval[0] > levelling.MOST_UNSURE_MS
    assert levelling.median_lag(np.full(50, 25.0))[0] == 0.0
    assert levelling.median_lag(np.full(50, 1.5)) == (1.5, (1.5, 1.5), 50)


def test_sound_through_the_decoder_starts_where_it_started_and_keeps_its_length():
    wave = drums(2.0)
    made = levelling.decoded(untrained(), wave)
    assert made.shape[1] == 2 and np.isfinite(made).all()
    assert 0 <= len(wave) - len(made) < 4096 + 2048


def unit(rows: list[list[float]]) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.nn.functional.pad(torch.tensor(rows), (0, 382)), dim=-1)


def test_a_table_of_sentences_knows_its_own_and_lends_the_nearest(tmp_path, monkeypatch):
    texts = ["a slow piano ballad", "a fast techno track", "a fast house track with piano"]
    vectors = unit([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    write_table(tmp_path / "table", texts, vectors)
    table = SentenceTable(tmp_path / "table")
    torch.testing.assert_close(table.embed(texts), vectors, atol=1e-3, rtol=0)
    assert table.missed == 0
    lent = table.embed(["techno", "Slow, sad ballad.", "zzz", "A FAST house track"])
    torch.testing.assert_close(lent, vectors[[1, 0, 0, 2]], atol=1e-3, rtol=0)
    assert table.missed == 4 and words("4/4 at 120 BPM, at 120") == ["4", "at", "120", "bpm"]
    monkeypatch.setenv(VARIABLE, str(tmp_path / "table"))
    prompt.sentence_encoder.cache_clear()
    try:
        assert isinstance(prompt.sentence_encoder(), SentenceTable)
        monkeypatch.setenv(VARIABLE, str(tmp_path / "nothing"))
        prompt.sentence_encoder.cache_clear()
        with pytest.raises(Unavailable, match="captions_table FILE"):
            prompt.sentence_encoder()
    finally:
        prompt.sentence_encoder.cache_clear()


def wide(seconds: float = 2.0) -> np.ndarray:
    """Noise that differs between left and right by some dB in each band and frame."""
    rng = np.random.default_rng(7)
    common, own = (rng.standard_normal((round(seconds * RATE_HZ), n)) for n in (1, 2))
    return np.asarray(0.05 * (common + 0.5 * own), np.float32)


def test_the_width_that_is_fitted_lies_where_decoding_is_as_wide_as_the_song(monkeypatch):
    waves = {"a": wide(), "b": wide(3.0)}
    monkeypatch.setattr(levelling, "middle", lambda path: waves[str(path)])
    factors = {0.0: 0.0, 0.3: 0.4, 0.6: 0.6, 0.9: 1.4}
    middle, side = np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([[0.5, -0.5], [-0.5, 0.5]])

    def decoded(_, wave, width):
        return np.asarray(wave @ (middle + factors[width] * side), np.float32)

    monkeypatch.setattr(levelling, "decoded", decoded)
    fitted = levelling.fitted_width(untrained(), ["a", "b"], seconds=1000.0)
    assert 0.6 < fitted < 0.9
    factors[0.9] = 0.7
    assert levelling.fitted_width(untrained(), ["a", "b"], seconds=1000.0) == 0.9
    waves["a"] = np.zeros_like(waves["a"])
    assert levelling.fitted_width(untrained(), ["a"], seconds=1000.0) == levelling.WIDTH
