"""What the judge's probabilities say of a set of clips, and how far apart clips lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.training.metrics.stats import centred_interval, cluster_draws

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
RESAMPLES = 400


def divergence(real: Array, made: Array) -> Array:
    """KL(real || made) [n] in nats of paired log-probabilities [n, styles]."""
    return np.asarray((np.exp(real) * (real - made)).sum(axis=1))


def inception_score(logp: Array) -> float:
    """exp of the mean KL divergence of clips' probabilities from their mean (Salimans et al. 2016); 1 to styles."""
    share = np.log(np.exp(logp).mean(axis=0))
    return float(np.exp((np.exp(logp) * (logp - share)).sum(axis=1).mean()))


def right_style(logp: Array, labels: Indices) -> Array:
    """1 where the likeliest style is the label [n], else 0; a label of -1 is never right."""
    return np.asarray(logp.argmax(axis=1) == labels, np.float64)


def clustered(values: Callable[[Indices], float], groups: Indices, digits: int = 4) -> dict[str, Any]:
    """mean and interval of a statistic of row numbers, over draws of whole groups; as `stats.summary`.

    Centred on the whole, because drawing songs twice lowers an inception score.
    """
    draws = cluster_draws(groups, lambda rows: np.array(values(rows)), RESAMPLES, 0)
    whole = np.array(values(np.arange(len(groups))))
    low, high = centred_interval(whole, draws)
    return {
        "mean": round(float(whole), digits),
        "interval": [round(float(low), digits), round(float(high), digits)],
        "n": len(groups),
    }


def clustered_mean(values: Array, groups: Indices, digits: int = 4) -> dict[str, Any]:
    """The mean of values [n] with an interval over whole groups."""
    return clustered(lambda rows: float(values[rows].mean()), groups, digits)


def mean_distance(data: Array) -> float:
    """Mean Euclidean distance of all pairs of rows [n, d], n >= 2."""
    gaps = np.linalg.norm(data[:, None] - data[None], axis=-1)
    return float(gaps.sum() / (len(data) * (len(data) - 1)))


def style_distance(data: Array, styles: list[str], groups: Indices) -> float:
    """Mean distance of pairs of rows [n, d] of one style and two songs, styles weighing the same; NaN without any."""
    found = []
    for style in sorted(set(styles)):
        rows = np.array([i for i, name in enumerate(styles) if name == style])
        gaps = np.linalg.norm(data[rows][:, None] - data[rows][None], axis=-1)
        other = groups[rows][:, None] != groups[rows][None]
        if other.any():
            found.append(float(gaps[other].mean()))
    return float(np.mean(found)) if found else float("nan")


def nearest(found: Array, known: Array, centre: Array) -> tuple[Array, Indices]:
    """(largest cosine, its row in `known`) for each row of `found`, `centre` taken off both."""

    def unit(data: Array) -> Array:
        moved = data - centre
        return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9))

    cosines = unit(found) @ unit(known).T
    return np.asarray(cosines.max(axis=1)), np.asarray(cosines.argmax(axis=1))
