"""The pitch of the lows: an oracle of its own that shares nothing with the codec's low bands.

The mono mix at 3 kHz under 0.25 s Hann windows, every 20 ms. A pitch is the frequency whose harmonics
hold most of the spectrum (and the places between them least), refined at the peaks of its partials;
it counts where the lows sound, are harmonic and stand still.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from engine.types import MODEL_RATE_HZ, Audio

Array = NDArray[np.float64]
RATE_HZ, WINDOW, HOP, SIZE = 3_000, 768, 60, 4096
LOWEST_HZ, HIGHEST_HZ, BASS_TOP_HZ = 27.0, 150.0, 150.0
STEP_CENTS = 10.0
HARMONICS = 6
QUIET_DBFS, QUIET_BELOW_PEAK_DB = -45.0, 25.0
LOBE_HZ = 8.0
PURE_SHARE = 0.75
STILL_CENTS = 20.0
NEAR_CENTS = 20.0


@dataclass(frozen=True)
class BassPitch:
    """Per frame [T], every 20 ms from second 0: hz; sounding: the lows are heard; steady: they have a pitch, too."""

    hz: Array
    sounding: NDArray[np.bool_]
    steady: NDArray[np.bool_]

    @property
    def seconds(self) -> Array:
        return np.arange(len(self.hz)) * HOP / RATE_HZ


def spectra(audio: Audio, rate: int = MODEL_RATE_HZ) -> Array:
    """Magnitudes [T, SIZE / 2 + 1] of the mono mix; a sine of amplitude 1 peaks at 1."""
    import soxr

    mono = soxr.resample(audio.mean(axis=1, dtype=np.float64), rate, RATE_HZ, "HQ")
    padded = np.pad(mono, (WINDOW // 2, WINDOW))
    frames = sliding_window_view(padded, WINDOW)[: max(1, len(mono)) : HOP]
    window = np.hanning(WINDOW + 1)[:-1]
    return np.asarray(np.abs(np.fft.rfft(frames * window, SIZE, axis=1)) * (2.0 / window.sum()))


@lru_cache(maxsize=1)
def _candidates() -> tuple[Array, NDArray[np.int_], NDArray[np.int_], Array]:
    """(hz [C], bins of harmonics [C, H], bins between them [C, H], weights [H])."""
    count = int(1200 * np.log2(HIGHEST_HZ / LOWEST_HZ) / STEP_CENTS) + 1
    hz = LOWEST_HZ * 2.0 ** (np.arange(count) * STEP_CENTS / 1200)
    order = np.arange(1, HARMONICS + 1)
    on, between = (np.round(hz[:, None] * multiple * SIZE / RATE_HZ).astype(int) for multiple in (order, order - 0.5))
    return hz, on, between, np.asarray(0.8 ** (order - 1.0), np.float64)


def _coarse(magnitude: Array) -> Array:
    """The candidate of each frame [T] with the strongest harmonics less what lies between them."""
    hz, on, between, weights = _candidates()
    root = np.sqrt(magnitude)
    salience = root[:, on] @ weights - root[:, between] @ weights
    return np.asarray(hz[salience.argmax(axis=1)])


def _refined(magnitude: Array, hz: Array) -> Array:
    """Mean over the first four partials of their peak's frequency by their number, weighted by power.

    A peak is looked for within a third of a semitone, at least 2.5 Hz; a parabola on the log finds its top.
    """
    rows = np.arange(len(hz))
    sums, weights = np.zeros(len(hz)), np.full(len(hz), 1e-20)
    for order in range(1, 5):
        centre = order * hz * SIZE / RATE_HZ
        reach = np.maximum(3.5, 0.02 * centre)
        offsets = np.arange(-8, 9)
        places = np.round(centre).astype(int)[:, None] + offsets
        inside = np.abs(places - centre[:, None]) <= reach[:, None]
        values = np.where(inside, np.take_along_axis(magnitude, places.clip(1, magnitude.shape[1] - 2), 1), 0.0)
        top = places[rows, values.argmax(axis=1)].clip(1, magnitude.shape[1] - 2)
        left, here, right = (np.log(magnitude[rows, top + k] + 1e-12) for k in (-1, 0, 1))
        bend = left - 2 * here + right
        shift = 0.5 * (left - right) / np.minimum(bend, -1e-9)
        peak = (here >= left) & (here >= right)
        weight = np.where(peak, magnitude[rows, top] ** 2, 0.0)
        sums += weight * (top + shift) * RATE_HZ / SIZE / order
        weights += weight
    return np.where(weights > 1e-18, sums / weights, hz)


def _purity(magnitude: Array, hz: Array) -> Array:
    """Share [T] of the power from 25 Hz to 300 Hz that lies within LOBE_HZ of a harmonic."""
    bins = np.arange(magnitude.shape[1]) * RATE_HZ / SIZE
    band = (bins > 25.0) & (bins < 300.0)
    power = magnitude[:, band] ** 2
    ratio = bins[band] / hz[:, None]
    away = np.abs(ratio - np.maximum(1.0, np.round(ratio))) * hz[:, None]
    return np.asarray((power * (away < LOBE_HZ)).sum(1) / np.maximum(power.sum(1), 1e-20))


def bass_pitch(audio: Audio, rate: int = MODEL_RATE_HZ) -> BassPitch:
    """The pitch below 150 Hz of audio [frames, channels] of at least 0.1 s."""
    magnitude = spectra(audio, rate)
    hz = _refined(magnitude, _coarse(magnitude))
    low = np.arange(magnitude.shape[1]) * RATE_HZ / SIZE < BASS_TOP_HZ
    level = 10.0 * np.log10(np.square(magnitude[:, low]).sum(1) + 1e-12)
    sounding = (level > QUIET_DBFS) & (level > np.quantile(level, 0.95) - QUIET_BELOW_PEAK_DB)
    cents = 1200.0 * np.log2(hz)
    moved = np.abs(np.diff(cents, prepend=cents[:1], append=cents[-1:]))
    still = np.maximum(moved[:-1], moved[1:]) < STILL_CENTS
    fundamental = hz < BASS_TOP_HZ
    return BassPitch(hz, sounding, sounding & still & fundamental & (_purity(magnitude, hz) > PURE_SHARE))


def cents_off(hz: Array, pitch_classes: Iterable[int]) -> Array:
    """Signed cents [T] from the nearest of pitch classes (C = 0, A = 440 Hz), any octave; NaN without one."""
    classes = np.array(list(pitch_classes), np.float64)
    if len(classes) == 0:
        return np.full(len(hz), np.nan)
    found = 69.0 + 12.0 * np.log2(hz / 440.0)
    gap = (found[:, None] - classes + 6.0) % 12.0 - 6.0
    return np.asarray(100.0 * gap[np.arange(len(hz)), np.abs(gap).argmin(axis=1)])
