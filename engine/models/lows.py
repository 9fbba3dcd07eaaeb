"""Peaks in the long-window lows: where basses lie, and on which tuning they agree.

The spectrum at hop 256 cannot tell a bass note from its neighbour; the windows of 8192 samples behind the low
bands can. Their peaks give the phase draft its frequencies below 340 Hz.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.models import features as F
from engine.models.compiled import compiled
from engine.models.lownotes import LowNotes

HOP = 256
CONCERT_HZ = 440.0
STEADY_FRAMES = 6
FEWEST_HELD = 40
HEARD_DB = -50.0
AGREED = 0.6
LOBE_HZ = 7.0
LOBE_BANDS = 14
CURVE = 5.75 / (F.RATE_HZ / 8192) ** 2
NOWHERE = 1e3
"""Stands for no peak: an advance that no bin comes near."""
Array = NDArray[np.float32]
_HEARD, _LOBE_DROP = np.float32(F.FLOOR_DB + 10), np.float32(20.0)


@lru_cache(maxsize=1)
def peak_fit() -> tuple[Array, Array, Array]:
    """(offset [LOW_BANDS], weights [LOW_BANDS, LOW_BANDS], reach [LOW_BANDS]) of peaks in the lows.

    A steady tone of f Hz is seen at f_j Hz as L - CURVE (f_j - f)^2 dB, the main lobe of the long window. So
    L_j + CURVE f_j^2 is a line over f_j whose slope is 2 CURVE f; its least-squares slope over the bands within
    LOBE_HZ of band k says how far f lies from that band: low_db @ weights + offset, in Hz. All of the lobe counts,
    not only the three bands at its top, where at E1 a tenth of a dB is worth 20 cents.
    """
    centres = F.low_centres_hz()
    apart = centres[:, None] - centres
    near = (np.abs(apart) <= LOBE_HZ) | (np.abs(np.subtract.outer(np.arange(F.LOW_BANDS), np.arange(F.LOW_BANDS))) <= 1)
    mean = (apart * near).sum(0) / near.sum(0)
    centred = (apart - mean) * near
    slopes = centred / np.square(centred).sum(0)
    offset = (np.square(apart) * slopes).sum(0) / 2.0
    reach = centres * (2.0 ** (0.75 / F.LOW_BANDS_PER_OCTAVE) - 1.0)
    return offset.astype(np.float32), (slopes / (2.0 * CURVE)).astype(np.float32), reach.astype(np.float32)


def running_max(values: Array, reach: int) -> Array:
    """Maximum over +-reach entries of each row (by doubling, log2(reach) passes)."""
    width = 2 * reach + 1
    result = np.pad(values, ((0, 0), (reach, reach)), constant_values=-np.inf)
    span = 1
    while span < width:
        step = min(span, width - span)
        result = np.maximum(result[:, :-step], result[:, step:])
        span += step
    return result


def low_peaks(low_db: Array) -> tuple[Array, NDArray[np.bool_]]:
    """(Hz [T, LOW_BANDS - 2], whether a peak lies there) of long-window levels [T, LOW_BANDS]."""
    middle, left, right = low_db[:, 1:-1], low_db[:, :-2], low_db[:, 2:]
    offset, weights, reach = peak_fit()
    centres = F.low_centres_hz()[1:-1].astype(np.float32)
    hertz = centres + np.clip((low_db @ weights + offset)[:, 1:-1], -reach[1:-1], reach[1:-1])
    main_lobe = middle > np.maximum(running_max(low_db, LOBE_BANDS)[:, 1:-1] - 20.0, F.FLOOR_DB + 10)
    return hertz, (middle >= left) & (middle > right) & main_lobe


def semitones(hertz: Array) -> Array:
    """Semitones above A4 = 440 Hz."""
    return np.asarray(12.0 * np.log2(hertz / CONCERT_HZ))


def in_tune(hertz: Array, tuning_cents: float, notes: LowNotes | None = None) -> Array:
    """The notes in Hz of equal temperament, `tuning_cents` above A4 = 440 Hz, that the next frames' peaks
    [T, peaks] stand for: the nearest, unless `notes` knows better."""
    off = tuning_cents / 100.0
    pitch = semitones(hertz) - off
    taken = np.round(pitch) if notes is None else notes.of(pitch)
    return np.asarray(CONCERT_HZ * 2.0 ** ((taken + off) / 12.0), np.float32)


def tuning_of(low_db: Array) -> float:
    """Cents from A4 = 440 Hz, -50 to 50, on which the steady lows of long-window levels [T, LOW_BANDS] agree.

    0 where they are few or do not agree: most music stands at concert pitch, and kicks stand anywhere.
    """
    hertz, peak = low_peaks(low_db)
    at, band = np.nonzero(peak[:-STEADY_FRAMES] & peak[STEADY_FRAMES:] & (low_db[:-STEADY_FRAMES, 1:-1] > HEARD_DB))
    pitch, later = semitones(hertz[at, band]), semitones(hertz[at + STEADY_FRAMES, band])
    held = pitch[np.abs(later - pitch) < 0.1]
    if len(held) < FEWEST_HELD:
        return 0.0
    turn = np.exp(2j * np.pi * held).mean()
    return float(100.0 * np.angle(turn) / (2 * np.pi)) if abs(turn) > AGREED else 0.0


def advances(low_db: Array, tuning_cents: float | None = None, notes: LowNotes | None = None) -> Array:
    """Phase advance in radians a hop of 256 of each row's peaks [T, most peaks of a row], filled with NOWHERE.

    low_db [T, LOW_BANDS]. With a tuning each peak is taken to its nearest note, or to the one that `notes` say: a code
    of 64 numbers a patch leaves basses some 20 cents off.
    """
    offset, weights, reach = peak_fit()
    centres, found = F.low_centres_hz().astype(np.float32), np.zeros((len(low_db), F.LOW_BANDS // 2), np.float32)
    most = _peaks_hz(np.ascontiguousarray(low_db), low_db @ weights, offset, centres, reach, found)
    hertz = found[:, : max(1, most)]
    tuned = hertz if tuning_cents is None else in_tune(np.maximum(hertz, 1.0), tuning_cents, notes)
    return np.where(hertz > 0.0, tuned * np.float32(2 * math.pi * HOP / F.RATE_HZ), np.float32(NOWHERE))


@compiled
def _peaks_hz(low_db: Any, fitted: Any, offset: Any, centres: Any, reach: Any, out: Any) -> int:
    """`low_peaks`, those of a row one after the other; how many a row has at most."""
    most, bands = 0, low_db.shape[1]
    for t in range(len(low_db)):
        row, count = low_db[t], 0
        for k in range(1, bands - 1):
            if row[k] < row[k - 1] or row[k] <= row[k + 1] or row[k] <= _HEARD:
                continue
            loudest = row[k]
            for near in range(max(0, k - LOBE_BANDS), min(bands, k + LOBE_BANDS + 1)):
                loudest = max(loudest, row[near])
            if row[k] > loudest - _LOBE_DROP:
                out[t, count] = centres[k] + min(max(fitted[t, k] + offset[k], -reach[k]), reach[k])
                count += 1
        most = max(most, count)
    return most
