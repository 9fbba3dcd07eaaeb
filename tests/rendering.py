"""Used by the tests of the real renderer: made sound, continuations of it, an oracle for bar lines."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np

from engine.types import Audio, InlineAudio, Renderer
from tests.tiny_bundle import Take, ask, play

RATE = 48_000


def sound(frames: int, channels: int = 2, rate: int = RATE, level: float = 0.1) -> Audio:
    """A chord with a pulse every quarter second, different in each channel."""
    time_s = np.arange(frames) / rate
    pulse = np.exp(-20.0 * (time_s % 0.25))
    waves = [np.sin(2 * np.pi * hertz * time_s) * pulse for hertz in (110.0, 165.0, 221.0)]
    mix = [level * sum(waves) * (1.0 - 0.1 * channel) for channel in range(channels)]
    return np.stack(mix, axis=1).astype(np.float32)


def described(audio: Audio, rate: int) -> InlineAudio:
    return InlineAudio(rate=rate, channels=audio.shape[1], frames=len(audio))


def follow(renderer: Renderer, audio: Audio, rate: int = RATE, **fields: object) -> Take:
    """A continuation of audio that travels beside the request."""
    return play(renderer, ask(inline=described(audio, rate), **fields), audio)  # type: ignore[arg-type]


def power_db(audio: Audio) -> float:
    return float(10 * np.log10(np.mean(np.square(audio, dtype=np.float64)) + 1e-12))


def bar_lines(bars: int, tempo: Fraction, bar_quarters: Fraction, rate: int) -> list[int]:
    """Oracle: floor(x + 1/2) of k bars in frames, by hand."""
    return [floor(k * bar_quarters * 60 / tempo * rate + Fraction(1, 2)) for k in range(bars + 1)]
