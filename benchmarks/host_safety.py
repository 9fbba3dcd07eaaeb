"""What the safety stage is fed, and how what leaves it is judged: for the tests and for `benchmarks.host`.

A feed is soft noise, a burst of something dangerous that begins at any offset of a block, and the same noise again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from plugin_host.safety import Safety
from plugin_host.stage import BLOCK_FRAMES

Sound = NDArray[np.float32]
RATE_HZ = 48_000
LEAD_BLOCKS = 4
BURST_FRAMES = 4_800
AFTER_FRAMES = 9_600
FEEDS = ("nan", "inf", "1e30", "dc", "square", "silence")
BLOCK_MS = 1000 * BLOCK_FRAMES / RATE_HZ
LONGEST_AFTER_MS = {"nan": BLOCK_MS, "inf": BLOCK_MS, "1e30": BLOCK_MS, "dc": 50.0, "square": 50.0, "silence": BLOCK_MS}
NORMAL_DB = 0.5
"""What still counts as normal sound: its level within this of what went in."""
STEP_FRAMES = 48


@dataclass(frozen=True)
class Judged:
    """bad_samples: not finite. true_peak_db: four times oversampled. normal_after_ms: from the burst's end on."""

    bad_samples: int
    true_peak_db: float
    normal_after_ms: float


def feed(kind: str, offset: int) -> Sound:
    """[2, frames]: noise at -26 dBFS with a burst from `offset` frames into a block on."""
    first = LEAD_BLOCKS * BLOCK_FRAMES + offset
    draw = np.random.default_rng(7)
    sound: Sound = draw.uniform(-0.1, 0.1, (2, first + BURST_FRAMES + AFTER_FRAMES)).astype(np.float32)
    part = sound[:, first : first + BURST_FRAMES]
    square = np.sign(np.sin(2 * np.pi * 437 * np.arange(BURST_FRAMES) / RATE_HZ))
    values: dict[str, float] = {"nan": np.nan, "inf": np.inf, "1e30": 1e30, "dc": 1.0, "silence": 0.0}
    part[:] = square if kind == "square" else values[kind]
    return sound


def peak_db(sound: Sound) -> float:
    """The true peak, four times oversampled."""
    over = resample_poly(sound.astype(np.float64), 4, 1, axis=1)
    return float(20 * np.log10(max(1e-12, np.abs(over).max())))


def judged(kind: str, offset: int) -> Judged:
    """What leaves a new safety stage that is fed block by block."""
    sound = feed(kind, offset)
    stage = Safety(RATE_HZ, 2)
    rest = np.zeros((2, 2 * BLOCK_FRAMES), np.float32)
    whole = np.concatenate([sound, rest], axis=1)
    parts = [stage.process(whole[:, at : at + BLOCK_FRAMES].copy()) for at in range(0, whole.shape[1], BLOCK_FRAMES)]
    out = np.concatenate(parts, axis=1)[:, : sound.shape[1]]
    end = LEAD_BLOCKS * BLOCK_FRAMES + offset + BURST_FRAMES
    bad = int(np.count_nonzero(~np.isfinite(out)))
    return Judged(bad, peak_db(np.nan_to_num(out)), _normal_after(out[:, end:], sound[:, end : out.shape[1]]))


def _normal_after(out: Sound, dry: Sound) -> float:
    """Milliseconds until each later stretch of STEP_FRAMES has the level that went in."""
    count = out.shape[1] // STEP_FRAMES
    heard, wanted = (
        np.sqrt(
            (part[:, : count * STEP_FRAMES].reshape(2, count, STEP_FRAMES).astype(np.float64) ** 2).mean(axis=(0, 2))
        )
        for part in (out, dry)
    )
    off = np.abs(20 * np.log10(np.maximum(heard, 1e-9) / wanted)) > NORMAL_DB
    last = int(np.flatnonzero(off)[-1]) + 1 if off.any() else 0
    return 1000 * last * STEP_FRAMES / RATE_HZ
