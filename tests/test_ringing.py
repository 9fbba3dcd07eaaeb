"""A reverb tail after the cut rings on over the new bars, seam and all; music that goes on does not."""

from __future__ import annotations

import numpy as np
import pytest

from engine.models.load import load_networks
from engine.render.generate import ModelRenderer
from engine.render.join import join
from engine.render.ringing import dies_away
from engine.types import Audio
from tests.rendering import RATE, described, follow, sound
from tests.tiny_bundle import Take, ask, make_bundle, play

BAR, SEAM = 2 * RATE, RATE // 50


@pytest.fixture(scope="module")
def renderer(tmp_path_factory: pytest.TempPathFactory) -> ModelRenderer:
    bundle = make_bundle(tmp_path_factory.mktemp("ringing") / "tiny")
    return ModelRenderer(bundle, load_networks(bundle))


def with_tail(seconds: float, rate: int = RATE) -> Audio:
    """Two bars and a reverb that dies away over `seconds`."""
    bars = sound(4 * rate, rate=rate)
    count = round(seconds * rate)
    noise = np.random.default_rng(0).normal(0, 0.05, (count, 2)) * np.exp(-6 * np.arange(count) / count)[:, None]
    return np.concatenate([bars, noise.astype(np.float32)])


def joined(source: Audio, take: Take, start: int = 2 * BAR) -> Audio:
    return join(source[:start], take.audio, take.lead_in, SEAM)


def test_the_tail_is_added_and_the_seam_takes_nothing_from_it(renderer: ModelRenderer) -> None:
    source = with_tail(1.5)
    plain = follow(renderer, source[: 2 * BAR], at_bar=2)
    rung = follow(renderer, source, at_bar=2)
    tail = np.zeros_like(plain.audio)
    tail[: len(source) - 2 * BAR] = source[2 * BAR :]
    assert np.allclose(rung.audio[:RATE], plain.audio[:RATE] + tail[:RATE], atol=1e-5)
    assert np.allclose(rung.audio[-RATE // 4 :], plain.audio[-RATE // 4 :], atol=1e-6)
    assert any("ring on" in remark for remark in rung.rendered.remarks) and not plain.rendered.remarks
    angle = (np.arange(SEAM) + 0.5) / SEAM * (np.pi / 2)
    expected = source[2 * BAR - SEAM : 2 * BAR] + plain.lead_in * np.sin(angle)[:, None]
    assert np.allclose(joined(source, rung)[2 * BAR - SEAM : 2 * BAR], expected, atol=1e-5)


def test_music_that_goes_on_is_replaced(renderer: ModelRenderer) -> None:
    source = sound(3 * BAR)
    assert np.array_equal(follow(renderer, source, at_bar=2).audio, follow(renderer, source[: 2 * BAR]).audio)


def test_a_tail_comes_at_other_rates_and_channels(renderer: ModelRenderer) -> None:
    source = with_tail(1.0, 44_100)
    asked = ask(at_bar=2, rate=RATE, channels=1, inline=described(source, 44_100))
    take = play(renderer, asked, source)
    assert take.audio.shape == (BAR, 1) and any("ring on" in remark for remark in take.rendered.remarks)


def test_only_what_falls_is_a_tail() -> None:
    time = np.arange(RATE)[:, None] / RATE
    noise = np.random.default_rng(1).normal(0, 0.1, (RATE, 2))
    assert dies_away((noise * np.exp(-5 * time)).astype(np.float32), RATE)
    again = noise * np.exp(-5 * (time % 0.5))
    assert not dies_away(again.astype(np.float32), RATE), "a second attack"
    assert not dies_away(noise.astype(np.float32), RATE)
    assert not dies_away(np.zeros((RATE, 2), np.float32), RATE)
    assert not dies_away(np.tile(noise * np.exp(-time), (9, 1)).astype(np.float32), RATE), "too long"
    assert not dies_away(noise[:100].astype(np.float32), RATE)
