"""The real renderer end to end, on untrained networks: exact frames, same bytes, seams, the grid."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest

from engine.render.generate import ModelRenderer
from engine.render.join import join
from engine.render.limiter import CEILING
from engine.types import Renderer
from tests.rendering import RATE, bar_lines, follow, power_db, sound
from tests.tiny_bundle import ask, play


@pytest.mark.parametrize(
    ("tempo", "meter", "quarters", "rate"),
    [
        ("127.3", "4/4", Fraction(4), 44_100),
        ("7200/61", "7/8", Fraction(7, 2), 22_050),
        ("61.803", "5/4", Fraction(5), 48_000),
        ("399.999", "3/16", Fraction(3, 4), 96_000),
        ("20", "1/32", Fraction(1, 8), 8_000),
        ("174.037", "6/8", Fraction(3), 47_999),
        ("93.5", "13/16", Fraction(13, 4), 192_000),
    ],
)
def test_bars_have_their_exact_frames(
    renderer: Renderer, tempo: str, meter: str, quarters: Fraction, rate: int
) -> None:
    take = play(renderer, ask(3, tempo, meter=meter, rate=rate))
    assert list(take.rendered.bar_frames) == np.diff(bar_lines(3, Fraction(tempo), quarters, rate)).tolist()
    assert np.isfinite(take.audio).all() and 1e-4 < np.abs(take.audio).max() <= CEILING
    assert take.lead_in.shape == (0, 2) and take.rendered.rate == rate and take.rendered.seed == 5


def test_a_tempo_map_gives_each_bar_its_own_length(renderer: Renderer) -> None:
    take = play(renderer, ask(4, "0:120,1:61.803,3:241"))
    edges, at = [0], Fraction(0)
    for tempo in ("120", "61.803", "61.803", "241"):
        at += Fraction(240) / Fraction(tempo) * RATE
        edges.append(floor(at + Fraction(1, 2)))
    assert list(take.rendered.bar_frames) == np.diff(edges).tolist()


def test_the_same_request_gives_the_same_bytes_and_another_seed_others(renderer: Renderer) -> None:
    take, again, other = (play(renderer, ask(2, steps=2, seed=seed)) for seed in (7, 7, 8))
    assert take.audio.tobytes() == again.audio.tobytes()
    assert np.abs(take.audio - other.audio).max() > 0.01


def test_a_request_without_a_seed_says_which_it_took(renderer: Renderer) -> None:
    take = play(renderer, ask(seed=None))
    assert take.rendered.seed != play(renderer, ask(seed=None)).rendered.seed
    np.testing.assert_array_equal(take.audio, play(renderer, ask(seed=take.rendered.seed)).audio)


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_continuation_keeps_rate_and_channels_and_touches_only_the_seam(
    renderer: Renderer, rate: int, channels: int
) -> None:
    source = sound(bar_lines(1, Fraction("127.3"), Fraction(4), rate)[1], channels, rate)
    take = follow(renderer, source, rate, bars=2, tempo="127.3")
    lines = bar_lines(3, Fraction("127.3"), Fraction(4), rate)
    assert list(take.rendered.bar_frames) == np.diff(lines[1:]).tolist() and take.rendered.remarks == ()
    assert (take.rendered.rate, take.rendered.channels) == (rate, channels)
    seam = rate // 50
    assert take.lead_in.shape == (seam, channels) and np.abs(take.lead_in).max() > 1e-4
    whole = join(source, take.audio, take.lead_in, seam)
    assert whole[: len(source) - seam].tobytes() == source[:-seam].tobytes()
    assert whole[len(source) :].tobytes() == take.audio.tobytes()
    faded = whole[len(source) - seam : len(source)]
    assert len(whole) == lines[3] and (faded != source[-seam:]).any(axis=1).sum() > 0.9 * seam


def test_the_lead_in_is_what_the_first_bar_grows_out_of(renderer: Renderer) -> None:
    """No jump between lead-in and bar: the step there is one of its neighbours'."""
    take = follow(renderer, sound(2 * RATE))
    joined = np.concatenate([take.lead_in, take.audio[: RATE // 50]])
    steps = np.abs(np.diff(joined, axis=0)).max(axis=1)
    line = len(take.lead_in) - 1
    assert steps[line] <= 1.5 * max(steps[line - 3 : line].max(), steps[line + 1 : line + 4].max())


def test_channels_are_folded_on_request(renderer: Renderer) -> None:
    stereo, mono, four = (play(renderer, ask(channels=n)).audio for n in (2, 1, 4))
    np.testing.assert_allclose(mono[:, 0], stereo.mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(four, stereo[:, [0, 1, 0, 1]])


def test_another_rate_is_the_same_sound(renderer: Renderer) -> None:
    """Below 8 kHz a render at 24 kHz holds what one at 48 kHz holds, at the same times."""
    full, half = (play(renderer, ask(rate=rate)).audio[:, 0] for rate in (48_000, 24_000))
    spectra = [np.fft.rfft(wave)[: len(half) // 3] / len(wave) for wave in (full, half)]
    difference = np.abs(spectra[0] - spectra[1])
    assert np.square(difference).sum() < 1e-3 * np.square(np.abs(spectra[0])).sum()


def test_at_bar_replaces_from_that_bar_on(renderer: Renderer) -> None:
    source = sound(8 * RATE)
    cut = follow(renderer, source, at_bar=2, bars=2)
    assert cut.rendered.bar_frames == (96_000, 96_000) and len(cut.lead_in) == 960
    np.testing.assert_array_equal(cut.audio, follow(renderer, source[: 4 * RATE], bars=2).audio)
    changed = source.copy()
    changed[3 * RATE : 4 * RATE] *= 0.1
    assert np.abs(cut.audio - follow(renderer, changed, at_bar=2, bars=2).audio).max() > 1e-3


def test_bar_0_is_made_from_nothing_and_far_bars_are_no_silence(renderer: Renderer) -> None:
    """Where the context is empty or silent, it says nothing of loudness."""
    source = sound(2 * RATE)
    begun, far = follow(renderer, source, at_bar=0), follow(renderer, source, at_bar=9)
    assert len(begun.lead_in) == 0 and "beyond" in far.rendered.remarks[0]
    generated = play(renderer, ask())
    np.testing.assert_array_equal(begun.audio, generated.audio)
    assert abs(power_db(far.audio) - power_db(generated.audio)) < 3.0


def test_an_input_that_ends_inside_a_bar_is_padded_and_says_so(renderer: Renderer) -> None:
    take = follow(renderer, sound(3 * RATE), bars=1)
    assert take.rendered.bar_frames == (96_000,)
    assert "padded with 48000 frames" in take.rendered.remarks[0]


@pytest.mark.parametrize("off", [-300, 1, 2_000])
def test_an_input_that_ends_near_a_bar_line_moves_the_grid(renderer: Renderer, off: int) -> None:
    take = follow(renderer, sound(2 * RATE + off), bars=2)
    assert take.rendered.bar_frames == (96_000, 96_000)
    assert f"{abs(off)} frames" in take.rendered.remarks[0]


def test_source_bars_give_the_tempo(renderer: Renderer) -> None:
    """4 bars in 333 333 frames: the next 3 bars end where 7 such bars do."""
    take = follow(renderer, sound(333_333), source_bars=4, bars=3)
    lines = [floor(Fraction(333_333 * k, 4) + Fraction(1, 2)) for k in (4, 5, 6, 7)]
    assert list(take.rendered.bar_frames) == np.diff(lines).tolist()


def test_a_tempo_outside_the_trained_range_is_rendered_and_remarked(renderer: Renderer) -> None:
    take = play(renderer, ask(1, "300"))
    assert take.rendered.bar_frames == (38_400,) and any("300" in remark for remark in take.rendered.remarks)


def test_a_chain_of_continuations_never_leaves_the_grid(renderer: Renderer) -> None:
    """Each link continues the whole so far; after all of them every line is where the first grid has it."""
    tempo, rate, links = Fraction("211.37"), 11_025, 6
    audio = sound(bar_lines(1, tempo, Fraction(7, 4), rate)[1], rate=rate)
    lines = [0, len(audio)]
    for link in range(links):
        take = follow(renderer, audio, rate, bars=3, tempo="211.37", meter="7/16", seed=link)
        lines += [lines[-1] + int(n) for n in np.cumsum(take.rendered.bar_frames)]
        audio = join(audio, take.audio, take.lead_in, rate // 50)
    assert lines == bar_lines(1 + 3 * links, tempo, Fraction(7, 4), rate) and len(audio) == lines[-1]


def test_warm_up_and_facts(renderer: Renderer) -> None:
    assert isinstance(renderer, ModelRenderer)
    renderer.warm_up()
    facts = renderer.info()
    assert facts["bundle"] == "tiny" and facts["styles"] == ["house", "jazz"] and facts["threads"] >= 1
