"""What must never be wrong with a rendered clip."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from engine.types import Audio

LEAST_PEAK_DB, LEAST_RMS_DB = -40.0, -60.0


def expected_lines(tempo: Fraction, bar_quarters: Fraction, first_bar: int, bars: int, rate: int) -> list[int]:
    """Frames of the bar lines from `first_bar` on, counted from it: floor(x + 1/2) of each exact position."""
    exact = [bar * bar_quarters * 60 / tempo * rate for bar in range(first_bar, first_bar + bars + 1)]
    rounded = [(2 * x + 1) // 2 for x in exact]
    return [int(line - rounded[0]) for line in rounded]


def faults(bars: list[Audio], lengths: list[int], channels: int) -> list[str]:
    """What is wrong with a clip of rendered bars whose frames should be `lengths`; empty if nothing is."""
    found = []
    if [len(bar) for bar in bars] != lengths:
        found.append(f"off: {[len(bar) for bar in bars]} frames instead of {lengths}")
    if any(bar.shape[1] != channels for bar in bars):
        found.append(f"not {channels} channels")
    whole = np.concatenate(bars).astype(np.float64)
    if not np.isfinite(whole).all():
        return [*found, "non-finite"]
    peak, rms = float(np.abs(whole).max()), float(np.sqrt(np.square(whole).mean()))
    if peak >= 1.0:
        found.append(f"clipped: peak {peak:.3f}")
    if peak <= 10 ** (LEAST_PEAK_DB / 20) or rms <= 10 ** (LEAST_RMS_DB / 20):
        found.append(f"silent: peak {20 * np.log10(peak + 1e-9):.1f} dBFS, RMS {20 * np.log10(rms + 1e-9):.1f}")
    return found
