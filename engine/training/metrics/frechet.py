"""The distance between two sets of clips as that of two Gaussians over a fixed, untrained embedding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.training.metrics.stats import centred_interval, cluster_draws

Array = NDArray[np.float64]
DIMENSIONS = 64


def root(matrix: Array) -> Array:
    """The symmetric square root of a positive semi-definite matrix."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def gaussian_distance(mean_a: Array, cov_a: Array, mean_b: Array, cov_b: Array) -> float:
    """|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a^1/2 C_b C_a^1/2)^1/2) (Dowson and Landau 1982)."""
    half = root(cov_a)
    cross = np.linalg.eigvalsh(half @ cov_b @ half)
    shared = np.sqrt(np.maximum(cross, 0.0)).sum()
    return float(np.square(mean_a - mean_b).sum() + np.trace(cov_a) + np.trace(cov_b) - 2.0 * shared)


def moments(data: Array) -> tuple[Array, Array]:
    """Mean [d] and covariance [d, d] of rows [n, d]."""
    return data.mean(axis=0), np.cov(data, rowvar=False).reshape(data.shape[1], data.shape[1])


def frechet(a: Array, b: Array) -> float:
    """Frechet distance between the Gaussians of two sets of rows."""
    return gaussian_distance(*moments(a), *moments(b))


@dataclass(frozen=True)
class Projection:
    """Standardise, then keep the strongest principal directions of the clips it was fitted on."""

    centre: Array
    scale: Array
    basis: Array

    @staticmethod
    def fit(data: Array, dimensions: int = DIMENSIONS) -> Projection:
        """From rows [n, d]; at most `dimensions` and at most (n - 1) / 2 directions."""
        centre, scale = data.mean(axis=0), np.maximum(data.std(axis=0), 1e-6)
        _, _, vectors = np.linalg.svd((data - centre) / scale, full_matrices=False)
        kept = max(1, min(dimensions, (len(data) - 1) // 2, len(vectors)))
        return Projection(centre, scale, vectors[:kept].T)

    def __call__(self, data: Array) -> Array:
        return np.asarray(((data - self.centre) / self.scale) @ self.basis)


@dataclass(frozen=True)
class Reference:
    """The Gaussian that systems are held against, with what its distance needs prepared."""

    mean: Array
    covariance: Array
    half: Array

    @staticmethod
    def of(data: Array) -> Reference:
        mean, covariance = moments(data)
        return Reference(mean, covariance, root(covariance))

    def distance(self, data: Array) -> float:
        """`frechet` of rows [n, d] and the reference."""
        mean, covariance = moments(data)
        cross = np.linalg.eigvalsh(self.half @ covariance @ self.half)
        shared = np.sqrt(np.maximum(cross, 0.0)).sum()
        return float(
            np.square(mean - self.mean).sum() + np.trace(covariance) + np.trace(self.covariance) - 2.0 * shared
        )


def compare(
    systems: dict[str, Array], real: Array, groups: NDArray[np.int64], baseline: str, resamples: int, seed: int
) -> dict[str, dict[str, object]]:
    """Distance of each system's rows [n, d] to `real` [m, d], and its ratio to `baseline`'s.

    Intervals: bootstrap over whole groups (songs) [n], the same draws for all systems, `real` held; centred
    on the estimate, because drawing songs twice lifts every distance.
    """
    reference, names = Reference.of(real), list(systems)

    def distances(rows: NDArray[np.int64]) -> Array:
        return np.array([reference.distance(systems[name][rows]) for name in names])

    estimate = distances(np.arange(len(groups)))
    draws = cluster_draws(groups, distances, resamples, seed)
    at = names.index(baseline)
    low, high = centred_interval(estimate, draws)
    ratio, ratios = estimate / estimate[at], draws / draws[:, [at]]
    ratio_low, ratio_high = centred_interval(ratio, ratios)
    return {
        name: {
            "distance": round(float(estimate[i]), 3),
            "interval": [round(float(low[i]), 3), round(float(high[i]), 3)],
            "ratio": round(float(ratio[i]), 4),
            "ratio interval": [round(float(ratio_low[i]), 4), round(float(ratio_high[i]), 4)],
        }
        for i, name in enumerate(names)
    }
