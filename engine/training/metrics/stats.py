"""Means with bootstrap intervals; every table of the evaluation uses these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
RESAMPLES = 2000


def interval(values: Sequence[float] | Array, seed: int = 0, resamples: int = RESAMPLES) -> tuple[float, float]:
    """Percentile bootstrap 95 % interval of the mean of values [n], n >= 1."""
    data = np.asarray(values, np.float64)
    rows = np.random.default_rng(seed).integers(len(data), size=(resamples, len(data)))
    low, high = np.quantile(data[rows].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def summary(values: Sequence[float] | Array, digits: int = 4) -> dict[str, Any]:
    """mean, interval and n of values; non-finite ones are left out and counted as missing."""
    data = np.asarray(values, np.float64)
    kept = data[np.isfinite(data)]
    found: dict[str, Any] = {"mean": None, "interval": None, "n": len(kept)}
    if len(kept):
        found["mean"] = round(float(kept.mean()), digits)
        found["interval"] = [round(edge, digits) for edge in interval(kept)]
    if len(kept) < len(data):
        found["missing"] = len(data) - len(kept)
    return found


def centred_interval(estimate: Array, draws: Array) -> tuple[Array, Array]:
    """The spread of draws [B, ...] about their own mean, put around the estimate: a 95 % interval that holds it.

    Where resampling shifts a statistic, as it lifts a Frechet distance, only its spread is of use.
    """
    low, high = np.quantile(draws, (0.025, 0.975), axis=0)
    centre = draws.mean(axis=0)
    return estimate + np.minimum(low - centre, 0.0), estimate + np.maximum(high - centre, 0.0)


def cluster_draws(
    groups: NDArray[np.int64], statistic: Callable[[NDArray[np.int64]], Array], resamples: int, seed: int
) -> Array:
    """statistic(rows) over `resamples` draws of whole groups with replacement; rows index the data [n]."""
    names = np.unique(groups)
    members = [np.flatnonzero(groups == name) for name in names]
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        picked = rng.integers(len(names), size=len(names))
        found.append(statistic(np.concatenate([members[i] for i in picked])))
    return np.stack(found)


def shown(entry: dict[str, Any], digits: int = 3) -> str:
    """A summary as a table cell: mean [low, high]."""
    if entry.get("mean") is None:
        return "-"
    low, high = entry["interval"]
    return f"{entry['mean']:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
