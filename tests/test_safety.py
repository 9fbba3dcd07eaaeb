"""The safety stage: nothing non-finite, nothing above -1 dBFS true peak, clean sound untouched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.signal import resample_poly

pedalboard = pytest.importorskip("pedalboard", reason="needs the extra 'host'")

from pedalboard_native._internal import AddLatency  # noqa: E402

from plugin_host.chain import ChainSpec, Effect  # noqa: E402
from plugin_host.pipeline import Pipeline  # noqa: E402
from plugin_host.stage import BLOCK_FRAMES, MAX_REBUILDS  # noqa: E402

RATE_HZ = 48_000
OFFSETS = (0, 1, 63, 511, 512, 513, 1000, 2999)


@dataclass(frozen=True)
class Made(Effect):
    """An effect from a function instead of a name."""

    make: Callable[[], Any] = object

    def build(self) -> Any:
        return self.make()


class Sabotaged:
    """A real pedalboard effect that is shown one NaN at the `at`-th frame of the `once`-th instance."""

    def __init__(self, plugin: Any, at: int) -> None:
        self.plugin, self.at, self.seen = plugin, at, 0

    def process(self, audio: Any, rate: float, **options: Any) -> Any:
        audio = audio.copy()
        if 0 <= self.at - self.seen < audio.shape[1]:
            audio[:, self.at - self.seen] = np.nan
        self.seen += audio.shape[1]
        return self.plugin.process(audio, rate, **options)

    def reset(self) -> None:
        self.seen = 0
        self.plugin.reset()


def run(audio: Any, *effects: Effect, block: int = 4096) -> tuple[Any, Pipeline]:
    pipeline = Pipeline(ChainSpec(effects), RATE_HZ, audio.shape[1])
    parts = [pipeline.process(audio[at : at + block]) for at in range(0, len(audio), block)]
    return np.concatenate([*parts, pipeline.finish()]), pipeline


def true_peak_db(audio: Any) -> float:
    """An oracle of its own: 16 times oversampled by scipy, in double precision."""
    return float(20 * np.log10(np.abs(resample_poly(audio.astype(np.float64), 16, 1, axis=0)).max()))


def quiet(frames: int = 4000, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(-0.2, 0.2, (frames, 2)).astype(np.float32)


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, -3e38, 1001.0])
def test_bad_samples_become_silence_and_nothing_else_changes(bad: float, offset: int) -> None:
    audio = quiet()
    clean = audio.copy()
    audio[offset, 1] = bad
    clean[offset, 1] = 0.0
    out, pipeline = run(audio)
    assert np.array_equal(out, clean)
    assert pipeline.scrubbed_samples == 1


def test_nothing_but_nan_is_silence() -> None:
    out, pipeline = run(np.full((3000, 2), np.nan, np.float32))
    assert out.shape == (3000, 2)
    assert not out.any()
    assert pipeline.scrubbed_samples == 6000


@pytest.mark.parametrize("kind", ["dc", "square", "fast square", "noise", "loud noise", "bursts", "impulses", "ramp"])
def test_true_peak_stays_below_minus_one(kind: str) -> None:
    frames, draw = RATE_HZ, np.random.default_rng(1)
    seconds = np.arange(frames) / RATE_HZ
    bursts = np.repeat(10 ** draw.uniform(-2, 2, frames // 480), 480)
    mono = {
        "dc": np.ones(frames),
        "square": np.sign(np.sin(2 * np.pi * 437 * seconds)),
        "fast square": np.sign(np.sin(2 * np.pi * 11_999 * seconds + 0.7)),
        "noise": draw.uniform(-1, 1, frames),
        "loud noise": draw.normal(0, 10, frames),
        "bursts": draw.normal(0, 1, frames) * bursts,
        "impulses": 900.0 * (draw.random(frames) < 0.001),
        "ramp": np.linspace(0, 20, frames) * np.sin(2 * np.pi * 997 * seconds),
    }[kind]
    out, pipeline = run(np.stack([mono, -mono[::-1]], axis=1).astype(np.float32))
    assert out.shape == (frames, 2)
    assert np.isfinite(out).all()
    assert true_peak_db(out) <= -1.0
    assert np.abs(out).max() > 0.1
    assert pipeline.safety.limited_frames > 0
    assert pipeline.safety.clipped_samples == 0


def test_silence_stays_silence_and_a_clean_signal_stays_bit_exact() -> None:
    seconds = np.arange(20_000) / RATE_HZ
    tone = np.stack([10 ** (-1.6 / 20) * np.sin(2 * np.pi * 480 * seconds)] * 2, axis=1).astype(np.float32)
    for audio in (np.zeros((5000, 2), np.float32), tone, np.full((3000, 2), -1e-40, np.float32)):
        out, pipeline = run(audio)
        assert np.array_equal(out, audio)
        assert pipeline.safety.limited_frames == 0


def test_after_a_peak_the_level_comes_back_to_two_thousandths_of_a_decibel() -> None:
    audio = quiet(2 * RATE_HZ)
    audio[5000] = 5.0
    out, _ = run(audio)
    gain_db = 20 * np.log10(np.abs(out[-4000:]) / np.maximum(np.abs(audio[-4000:]), 1e-9))
    assert -0.002 < np.median(gain_db) <= 0.0


@pytest.mark.parametrize("at", [0, 511, 512, 5000])
def test_a_poisoned_reverb_sounds_again_in_the_next_block(at: int) -> None:
    poisoned = Sabotaged(pedalboard.Reverb(), at)
    made = iter([poisoned])
    effect = Made("Reverb", make=lambda: next(made, None) or pedalboard.Reverb())
    audio = quiet(10_000)
    out, pipeline = run(audio, effect)
    healthy, _ = run(audio, Effect("Reverb"))
    assert out.shape == healthy.shape
    assert np.isfinite(out).all()
    block = at // BLOCK_FRAMES * BLOCK_FRAMES
    assert np.array_equal(out[:block], healthy[:block])
    after = out[block + BLOCK_FRAMES : block + 2 * BLOCK_FRAMES]
    assert np.abs(after).mean() > 0.3 * np.abs(healthy[block + BLOCK_FRAMES : block + 2 * BLOCK_FRAMES]).mean()
    assert pipeline.stages[0].rebuilds == 1
    assert pipeline.scrubbed_samples > 0
    for _ in range(20):
        left_alone = poisoned.plugin.process(audio[:BLOCK_FRAMES].T.copy(), RATE_HZ, reset=False)
    assert np.isnan(left_alone).all(), "without the rebuild it would have stayed poisoned"


@pytest.mark.parametrize("late", [1, 300, 512, 1500])
def test_a_rebuilt_effect_with_latency_shifts_nothing(late: int) -> None:
    made = iter([Sabotaged(AddLatency(late), 3000)])
    effect = Made("AddLatency", make=lambda: next(made, None) or AddLatency(late))
    audio = quiet(9000)
    out, pipeline = run(audio, effect, block=777)
    wrong = np.flatnonzero((out != audio).any(axis=1))
    assert wrong.tolist() == [3000]
    assert pipeline.stages[0].rebuilds == 1
    assert pipeline.latency_frames == 300 + late


@pytest.mark.parametrize("late", [0, 700])
def test_an_effect_that_fails_always_is_bypassed(late: int) -> None:
    class Broken(Sabotaged):
        def process(self, audio: Any, rate: float, **options: Any) -> Any:
            return self.plugin.process(audio, rate, **options) * np.float32(np.nan)

    audio = quiet(12_000)
    out, pipeline = run(audio, Made("Broken", make=lambda: Broken(AddLatency(late), -1)))
    healthy = (MAX_REBUILDS + 1 + 2 * (late > 0)) * BLOCK_FRAMES
    assert pipeline.stages[0].bypassed
    assert out.shape == audio.shape
    assert np.array_equal(out[healthy:], audio[healthy:])
    assert not out[: 4 * BLOCK_FRAMES].any()
