"""Loudness and dynamics of the mixer: ITU-R BS.1770 loudness, a bus compressor, a limiter.

Dynamics are gain curves, computed once from the full mix and then applied to it and to its
sub-mixes alike, so that the parts still add up to the whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d, uniform_filter1d
from scipy.signal import sosfilt

Floats = NDArray[np.float32]
Gains = NDArray[np.float32]
Stem = NDArray[np.float32]
"""Sound [2, frames] at RATE_HZ."""

RATE_HZ = 48_000
_BLOCK = 256
# BS.1770-4, tables 1 and 2: the two biquads of the K weighting at 48 kHz.
_K_WEIGHTING = np.array(
    [
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585],
        [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621],
    ],
    dtype=np.float32,
)  # fmt: skip


def from_db(level_db: float) -> float:
    """Amplitude of a level in dB."""
    return float(10.0 ** (level_db / 20.0))


def k_weighted(audio: Floats) -> Floats:
    """K-weighted copy of audio [channels, frames] at 48 kHz."""
    return np.asarray(sosfilt(_K_WEIGHTING, audio, axis=-1), dtype=np.float32)


def block_power(audio: Floats, block: int) -> NDArray[np.float64]:
    """Mean power over both channels of each whole block of `block` frames."""
    count = audio.shape[-1] // block
    shaped = audio[:, : count * block].reshape(audio.shape[0], count, block)
    return np.asarray(np.einsum("cnb,cnb->n", shaped, shaped) / (audio.shape[0] * block), float)


def loudness_lufs(audio: Floats) -> float:
    """Integrated loudness of stereo audio [2, frames], gated at -70 LUFS and -10 LU (BS.1770-4)."""
    tenths = 2.0 * block_power(k_weighted(audio), RATE_HZ // 10)
    if len(tenths) < 4:
        tenths = np.full(4, tenths.mean() if len(tenths) else 0.0)
    power = np.convolve(tenths, np.full(4, 0.25), "valid")
    loud = power[power > 10.0 ** (-7.0 + 0.0691)]
    if not len(loud):
        return -70.0
    loud = loud[loud > 0.1 * loud.mean()]
    return float(-0.691 + 10.0 * np.log10(loud.mean()))


def _follow(level_db: NDArray[np.float64], attack_ms: float, release_ms: float) -> NDArray[np.float64]:
    """One-pole smoothing of a reduction in dB (positive = more), one value a block."""
    step_ms = 1000.0 * _BLOCK / RATE_HZ
    rise, fall = np.exp(-step_ms / attack_ms), np.exp(-step_ms / release_ms)
    state, out = 0.0, np.empty_like(level_db)
    for index, target in enumerate(level_db.tolist()):
        state = target + (rise if target > state else fall) * (state - target)
        out[index] = state
    return out


def _per_frame(values: NDArray[np.float64], frames: int) -> Gains:
    centres = (np.arange(len(values)) + 0.5) * _BLOCK
    return np.interp(np.arange(frames), centres, values).astype(np.float32)


def compressor_gain(audio: Floats, reduction_db: float, release_ms: float = 160.0) -> Gains:
    """Gain [frames] of a 2:1 compressor, 30 ms attack, set so that peaks lose about `reduction_db`.

    The threshold lies below the 95th percentile of the block level by twice the reduction.
    """
    frames = audio.shape[-1]
    if reduction_db <= 0.0 or frames < 2 * _BLOCK:
        return np.ones(frames, np.float32)
    level_db = 10.0 * np.log10(block_power(audio, _BLOCK) + 1e-12)
    threshold_db = float(np.percentile(level_db, 95.0)) - 2.0 * reduction_db
    wanted = np.maximum(0.0, 0.5 * (level_db - threshold_db))
    smooth_db = _follow(wanted, attack_ms=30.0, release_ms=release_ms)
    return _per_frame(10.0 ** (-smooth_db / 20.0), frames)


def limiter_gain(audio: Floats, ceiling_db: float = -1.0) -> Gains:
    """Gain [frames] that keeps |audio| under the ceiling: 5 ms look-ahead, smooth, no overshoot."""
    span = 2 * (RATE_HZ // 200) + 1
    ceiling = from_db(ceiling_db)
    peak = np.abs(audio).max(axis=0)
    if float(peak.max(initial=0.0)) <= ceiling:
        return np.ones(audio.shape[-1], np.float32)
    needed = np.minimum(1.0, ceiling / np.maximum(peak, 1e-9)).astype(np.float32)
    held = minimum_filter1d(needed, span, mode="nearest")
    return np.asarray(uniform_filter1d(held, span, mode="nearest"), dtype=np.float32)
