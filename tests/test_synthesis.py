"""The fast synthesis says what the plain one says, in any pieces, on any number of threads; and it always ends."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch

from engine.models import compiled, lows, mixing, noise, phase, voice
from engine.models import features as F
from engine.models import vocoder as V
from engine.models.noise import NoiseSource, noise_planes
from engine.models.synthesis import Synthesis
from tests import plain_synthesis as plain
from tests.waiting import wait

Sound = tuple[np.ndarray, np.ndarray, np.ndarray]


def heard(frames: int = 120, seed: int = 0) -> Sound:
    """Levels [2, T, BINS] of plucks, a bass and hiss, spreads [2, T, SPREADS] and lows [T / 2, LOW_BANDS]."""
    rng = np.random.default_rng(seed)
    samples = F.WINDOW + frames * V.HOP
    time_s = np.arange(samples) / F.RATE_HZ
    bass, pluck = (np.sin(2 * np.pi * hertz * time_s) * np.exp(-4 * (time_s % 0.25)) for hertz in (56.0, 660.0))
    hiss = rng.normal(size=(2, samples)) * 0.02
    wave = torch.from_numpy((np.stack([bass + 0.3 * pluck, bass]) * 0.3 + hiss).astype(np.float32))
    level = 20 * F.stft(wave, V.HOP).abs().clamp_min(1e-5).log10()[:, :frames]
    spread = 8.0 * torch.rand(2, frames, V.SPREADS, generator=torch.Generator().manual_seed(seed))
    return level.contiguous().numpy(), spread.numpy(), F.low_db(wave.mean(0))[: frames // 2].numpy()


def silent(mel: torch.Tensor, low: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(2, 1, F.BINS), torch.zeros(2, 1, V.SPREADS)


def spoken(
    sound: Sound, threads: int = 1, pieces: tuple[int, ...] = (), seed: int = 4, width: float = V.WIDTH
) -> np.ndarray:
    """All frames in pieces of the given sizes, the last one whatever is left."""
    level, spread, low = sound
    speaker, parts, first = Synthesis(silent, seed, threads, width), [], 0
    speaker.state.tuning_cents = 5.0
    for count in (*pieces, level.shape[1] - sum(pieces)):
        parts.append(speaker.speak(level, spread, low[first // 2 :][: count // 2], first, count))
        first += count
    speaker.close()
    return np.concatenate(parts)


def test_phases_are_those_of_the_equations() -> None:
    level, _, low = heard(80)
    log = level.mean(0) / np.float32(V.NEPER_DB)
    for tuning in (None, -20.0):
        state = phase.PhaseState()
        state.tuning_cents = tuning
        fast = phase.draft(log, low.repeat(2, 0), state)
        off = np.abs(np.angle(np.exp(1j * (fast - plain.draft(log, low.repeat(2, 0), tuning)))))
        assert np.mean(off > 0.01) < 0.002


@pytest.mark.parametrize("width", [V.WIDTH, 0.0, 0.8])
def test_sound_is_that_of_the_equations(width: float) -> None:
    level, spread, low = heard()
    exact = plain.speak(level, spread, low, 4, 5.0, width)[: level.shape[1] * V.HOP]
    off = spoken((level, spread, low), width=width) - exact
    assert np.sqrt(np.mean(off**2)) < 3e-4 * np.sqrt(np.mean(exact**2))


def test_width_parts_the_noise_of_two_channels_and_leaves_mono_alone() -> None:
    level, spread, low = heard()
    apart = [np.abs(np.diff(spoken((level, spread, low), width=width))).mean() for width in (0.0, 0.3, 0.8)]
    assert apart[0] < apart[1] < apart[2]
    mono = np.repeat(level[:1], 2, axis=0), np.repeat(spread[:1], 2, axis=0), low
    assert np.abs(np.diff(spoken(mono, width=0.8))).max() < 1e-6


@pytest.mark.parametrize("pieces", [(2,), (60, 56), (34, 2, 2), (118,)])
def test_pieces_are_cuts_of_the_whole(pieces: tuple[int, ...]) -> None:
    sound = heard()
    np.testing.assert_allclose(spoken(sound, pieces=pieces), spoken(sound), atol=2e-5)


@pytest.mark.parametrize("threads", [2, 3])
def test_any_number_of_threads_gives_the_same_bytes(threads: int) -> None:
    sound = heard(200)
    assert spoken(sound, threads, (60,)).tobytes() == spoken(sound, 1, (60,)).tobytes()


@pytest.mark.parametrize("frames", [2, 4, 6])
def test_a_few_frames_are_spoken_without_neighbours(frames: int) -> None:
    level, spread, low = heard(frames)
    exact = plain.speak(level, spread, low, 4, 5.0)[: frames * V.HOP]
    np.testing.assert_allclose(spoken((level, spread, low)), exact, atol=1e-5)


def test_one_frame_is_enough() -> None:
    level, spread, low = heard(2)
    speaker = Synthesis(silent, threads=1)
    out = speaker.speak(level[:, :1].copy(), spread[:, :1].copy(), low)
    assert out.shape == (V.HOP, 2) and np.isfinite(out).all()


def test_silence_stays_silent() -> None:
    level = np.full((2, 70, F.BINS), V.FLOOR_DB, np.float32)
    low = np.full((35, F.LOW_BANDS), F.FLOOR_DB, np.float32)
    assert np.abs(spoken((level, np.zeros((2, 70, V.SPREADS), np.float32), low))).max() < 1e-2


def test_a_block_that_fails_ends_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    level, spread, low = heard(300)
    before, speak = set(threading.enumerate()), voice.Voice._speak

    def breaks(self: voice.Voice, piece: voice.Piece, first: int, last: int) -> np.ndarray:
        if first > 100:
            raise MemoryError("no room")
        return speak(self, piece, first, last)

    monkeypatch.setattr(voice.Voice, "_speak", breaks)
    speaker = Synthesis(silent, threads=3)
    with pytest.raises(MemoryError, match="no room"):
        speaker.speak(level, spread, low)
    speaker.close()
    assert set(threading.enumerate()) <= before


def test_helpers_end_when_their_synthesis_is_let_go() -> None:
    before = set(threading.enumerate())
    speaker = Synthesis(silent, threads=2)
    assert len(set(threading.enumerate()) - before) == 1
    del speaker
    wait(lambda: set(threading.enumerate()) <= before, "the helpers to end")


def test_bins_lie_between_the_points_that_the_map_says() -> None:
    below, towards = mixing.points_of_bins()
    weights = np.zeros((V.SPREADS, F.BINS), np.float32)
    weights[below, np.arange(F.BINS)] = 1.0 - towards
    weights[below + 1, np.arange(F.BINS)] += towards
    np.testing.assert_allclose(weights, V.spread_map(), atol=1e-6)


def test_peaks_of_the_lows_are_those_of_the_equations_and_in_their_order() -> None:
    low = heard()[2]
    hertz, there = lows.low_peaks(low)
    for tuning in (None, 30.0):
        found = lows.advances(low, tuning)
        for row, near, marks in zip(found, hertz, there, strict=True):
            wanted = near[marks] if tuning is None else lows.in_tune(near[marks], tuning)
            np.testing.assert_allclose(row[: len(wanted)], wanted * (2 * np.pi * V.HOP / F.RATE_HZ), rtol=1e-6)
            assert (row[len(wanted) :] == lows.NOWHERE).all()


def test_what_cannot_be_kept_on_disk_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(**options: object) -> Callable[[object], object]:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(compiled, "njit", nowhere)
    assert compiled.compiled(heard) is heard


def test_noise_planes_are_the_noise_with_centred_phases_and_run_on_past_their_end() -> None:
    (planes, gain), frames = noise_planes(6), NoiseSource(6).frames
    signs = np.where(np.arange(F.BINS) % 2, -1, 1)
    found = gain * (planes[0, : noise.FRAMES] + 1j * planes[1, : noise.FRAMES])
    np.testing.assert_allclose(found, frames * signs, atol=1e-5)
    wave = torch.randn(noise.PERIOD, generator=torch.Generator().manual_seed(6)).numpy()
    exact = np.fft.rfft(np.roll(wave, F.WINDOW // 2 - 40 * V.HOP)[: F.WINDOW] * F.hann().numpy()) * gain
    np.testing.assert_allclose(frames[40], exact, atol=1e-4)
    np.testing.assert_array_equal(planes[:, noise.FRAMES :], planes[:, : noise.SPARE])
    assert noise.SPARE >= phase.FRAMES
