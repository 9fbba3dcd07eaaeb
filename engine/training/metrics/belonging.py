"""Does a continuation belong to what it continues, without repeating it?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
LAG_SECONDS = 0.05


def standardised(rows: list[list[Array]], centre: list[list[Array]]) -> Array:
    """Rows of feature groups as vectors [n, d] in the deviations of `centre`'s rows; groups weigh the same."""
    columns = []
    for group in range(len(centre[0])):
        base = np.stack([row[group] for row in centre])
        data = np.stack([row[group] for row in rows])
        scaled = (data - base.mean(axis=0)) / np.maximum(base.std(axis=0), 1e-6)
        columns.append(scaled / np.sqrt(base.shape[1]))
    return np.concatenate(columns, axis=1)


def own_ranks(found: Array, contexts: Array) -> NDArray[np.int64]:
    """Rank [n] of each row's own context (same index) among all by Euclidean distance; 1 is nearest."""
    gaps = np.linalg.norm(found[:, None] - contexts[None], axis=-1)
    own = np.diagonal(gaps)[:, None]
    return np.asarray(1 + (gaps < own).sum(axis=1))


def best_correlation(piece: Array, earlier: Array) -> float:
    """Largest normalised correlation of `piece` [n] with any stretch of n samples of `earlier` [n + lags]."""
    count = len(piece)
    assert len(earlier) >= count
    size = 1 << (len(earlier) + count - 1).bit_length()
    product = np.fft.rfft(earlier, size) * np.conj(np.fft.rfft(piece, size))
    dots = np.fft.irfft(product, size)[: len(earlier) - count + 1]
    power = np.concatenate([[0.0], np.cumsum(np.square(earlier))])
    energy = np.maximum(power[count:] - power[:-count], 1e-9) * max(float(np.square(piece).sum()), 1e-9)
    return float((dots / np.sqrt(energy)).max())


def most_repeated(audio: Array, lines: list[int], first_new: int, rate: int) -> float:
    """The largest correlation of any bar from `first_new` on with an earlier bar, at the best lag within 50 ms.

    audio: mono [frames]; lines: frames of all bar lines. Bars of other length are compared over the shorter.
    """
    reach, best = round(LAG_SECONDS * rate), -1.0
    for new in range(first_new, len(lines) - 1):
        for old in range(new):
            count = min(lines[new + 1] - lines[new], lines[old + 1] - lines[old])
            start = max(0, lines[old] - reach)
            earlier = audio[start : lines[old] + count + reach]
            best = max(best, best_correlation(audio[lines[new] : lines[new] + count], earlier))
    return best
