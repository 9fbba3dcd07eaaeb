"""Fit, limit, join: exact frames at any rate, a ceiling that holds, a seam that is only a seam."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import minimum_filter1d, uniform_filter1d

from engine.render.fit import Fitter, to_channels
from engine.render.join import join
from engine.render.limiter import CEILING, Limiter
from engine.render.sample import WINDOW, spans
from engine.types import MODEL_RATE_HZ


def feed(fitter: Fitter, audio: np.ndarray, piece: int) -> list:
    bars = []
    for first in range(0, len(audio), piece):
        bars += fitter.feed(audio[first : first + piece], first + piece >= len(audio))
    return bars


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 47999, 96000])
def test_bars_are_cut_at_their_exact_frames_and_time_zero_stays_put(rate):
    """A pulse at time zero and one on each bar line come out on the first frame of each bar."""
    lines = [0, round(0.5 * rate), round(0.9 * rate), round(1.7 * rate)]
    wave = np.zeros((3 * MODEL_RATE_HZ, 2), np.float32)
    time = np.arange(len(wave)) / MODEL_RATE_HZ - 1.0
    for line in lines[:-1]:
        wave += (0.4 * np.exp(-0.5 * ((time - line / rate) / 0.002) ** 2))[:, None].astype(np.float32)
    bars = feed(Fitter(rate, 2, lines, seam_frames=rate // 50), wave, 7001)
    assert [bar.bar for bar in bars] == [-1, 0, 1, 2]
    assert bars[0].first_frame == -(rate // 50) and bars[-1].last
    assert [len(bar.audio) for bar in bars[1:]] == list(np.diff(lines))
    for bar in bars[1:]:
        exact = 0.4 * np.exp(-0.5 * (np.arange(40) / rate / 0.002) ** 2)
        np.testing.assert_allclose(bar.audio[:40, 0], exact, atol=0.02)


def test_pieces_do_not_change_the_bars():
    rng = np.random.default_rng(0)
    wave = rng.normal(0, 0.5, (3 * MODEL_RATE_HZ, 2)).astype(np.float32)
    one = feed(Fitter(44100, 1, [0, 40000, 70000], 0), wave, len(wave))
    many = feed(Fitter(44100, 1, [0, 40000, 70000], 0), wave, 1111)
    for a, b in zip(one, many, strict=True):
        np.testing.assert_allclose(a.audio, b.audio, atol=2e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.1, 30.0), st.integers(40, 3000))
def test_limiter_holds_its_ceiling_and_leaves_quiet_sound_alone(seed, gain, piece):
    rng = np.random.default_rng(seed)
    wave = (rng.normal(0, 0.2, (6000, 2)) * gain).astype(np.float32)
    wave[rng.integers(6000, size=5)] = np.nan
    limiter, parts = Limiter(MODEL_RATE_HZ), []
    for first in range(0, len(wave), piece):
        parts.append(limiter.push(wave[first : first + piece], first + piece >= len(wave)))
    out = np.concatenate(parts)
    assert out.shape == wave.shape
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= CEILING + 1e-6
    if np.nanmax(np.abs(wave)) <= CEILING:
        np.testing.assert_array_equal(out, np.nan_to_num(wave))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 3), st.integers(200, 3000))
def test_the_gain_is_the_least_that_is_needed_averaged_and_no_piece_changes_it(seed, channels, piece):
    rng = np.random.default_rng(seed)
    wave = (rng.normal(0, 0.2, (6000, channels)) * np.exp(rng.normal(0, 1, (6000, 1)))).astype(np.float32)
    limiter, parts = Limiter(MODEL_RATE_HZ), []
    for first in range(0, len(wave), piece):
        parts.append(limiter.push(wave[first : first + piece], first + piece >= len(wave)))
    needed = np.minimum(1.0, CEILING / np.abs(wave).max(axis=1))
    width = 2 * limiter.reach + 1
    smooth = uniform_filter1d(minimum_filter1d(needed, width, mode="nearest"), width, mode="nearest")
    np.testing.assert_allclose(np.concatenate(parts), wave * np.minimum(smooth, needed)[:, None], atol=1e-5)
    np.testing.assert_array_equal(np.concatenate(parts), Limiter(MODEL_RATE_HZ).push(wave, True))


@given(st.integers(0, 300), st.integers(0, 40), st.integers(0, 60), st.integers(0, 100))
def test_join_keeps_everything_but_the_seam(source_frames, seam, lead, new_frames):
    rng = np.random.default_rng(source_frames)
    source, entering, new = (rng.normal(size=(n, 2)).astype(np.float32) for n in (source_frames, lead, new_frames))
    joined = join(source, new, entering, seam)
    kept = source_frames - min(seam, source_frames)
    np.testing.assert_array_equal(joined[:kept], source[:kept])
    np.testing.assert_array_equal(joined[source_frames:], new)


def test_join_is_equal_power():
    rng = np.random.default_rng(1)
    source, lead = rng.normal(size=(200_000, 1)), rng.normal(size=(200_000, 1))
    joined = join(source.astype(np.float32), np.zeros((0, 1), np.float32), lead.astype(np.float32), 200_000)
    power = (joined**2).reshape(10, -1).mean(1)
    np.testing.assert_allclose(power, 1.0, atol=0.05)


@given(st.integers(1, 6000), st.integers(0, 46))
def test_windows_cover_the_new_latents_once_and_fit(new, context):
    parts = spans(new, context)
    assert parts[0][0] == -2 and parts[-1][1] == new
    assert all(a[1] == b[0] for a, b in itertools.pairwise(parts))
    sizes = [last - first for first, last in parts]
    assert sizes[0] + context <= WINDOW and all(0 < size <= WINDOW - 48 or i == 0 for i, size in enumerate(sizes))


def test_channels_are_folded_and_repeated():
    audio = np.array([[1.0, 3.0]], np.float32)
    assert to_channels(audio, 1).tolist() == [[2.0]]
    assert to_channels(audio, 3).tolist() == [[1.0, 3.0, 1.0]]
