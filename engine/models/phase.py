"""Phases for magnitudes: a draft that runs along peaks, with noise where the sound is noise.

The phase gradients follow from the log-magnitude alone (Prusa, Balazs and Soendergaard, "A noniterative
method for reconstruction of phase from STFT magnitude", 2017, for a Hann window gamma = 0.25645 M^2).
Integration takes no heap: each bin hangs on the nearest peak that the last frame can carry on, gets
that peak's phase over time and the frequency gradient from there, so that an onset, which few old
peaks can carry, is integrated across frequency and stays sharp. All but one gather and one addition
a frame is vectorised. In the lows the peaks' frequencies come from the long-window bands.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.models import features as F

HOP = 256
GAMMA = 0.25645 * F.WINDOW**2
LOW_BINS = 15
CONCERT_HZ = 440.0
STEADY_FRAMES = 6
FEWEST_HELD = 40
HEARD_DB = -50.0
AGREED = 0.6
LOBE_HZ = 7.0
CURVE = 5.75 / (F.RATE_HZ / 8192) ** 2
Array = NDArray[np.float32]


def time_gradient(log_magnitude: Array) -> Array:
    """Phase advance in radians a hop [T, K] from natural-log magnitudes [T, K]."""
    slope = np.gradient(log_magnitude, axis=1)
    centre = 2 * math.pi * HOP / F.WINDOW * np.arange(log_magnitude.shape[1])
    limit = 2 * math.pi * HOP / F.WINDOW * 2.0
    steer = np.clip(slope * (HOP * F.WINDOW / GAMMA), -limit, limit)
    return np.asarray(centre + steer, np.float32)


def frequency_gradient(log_magnitude: Array) -> Array:
    """Phase difference in radians a bin [T, K], for frames whose phase counts from their start."""
    slope = np.gradient(log_magnitude, axis=0) if len(log_magnitude) > 1 else 0 * log_magnitude
    delay = np.clip(-GAMMA / (HOP * F.WINDOW) * slope, -math.pi, math.pi)
    return np.asarray(delay - math.pi, np.float32)


def carriers(previous: Array, current: Array, drop: float = 3.0) -> NDArray[np.intp]:
    """For each bin of each frame the peak it hangs on, [T, K].

    A carrier is a peak of what both frames hold, no more than `drop` nepers below the loudest
    bin of the current frame within 12 bins. Where a frame has none, bin 0 serves.
    """
    shared = np.minimum(previous, current)
    padded = np.pad(shared, ((0, 0), (1, 1)), constant_values=-np.inf)
    peak = (shared >= padded[:, :-2]) & (shared > padded[:, 2:])
    peak &= shared > _running_max(current, 12) - drop
    return _nearest(peak)


def _running_max(values: Array, reach: int) -> Array:
    """Maximum over +-reach bins (by doubling, log2(reach) passes)."""
    width = 2 * reach + 1
    result = np.pad(values, ((0, 0), (reach, reach)), constant_values=-np.inf)
    span = 1
    while span < width:
        step = min(span, width - span)
        result = np.maximum(result[:, :-step], result[:, step:])
        span += step
    return result


def _nearest(marks: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Index of the nearest true entry of each row [T, K], 0 in rows without one."""
    count = marks.shape[1]
    index = np.arange(count, dtype=np.int32)
    before = np.maximum.accumulate(np.where(marks, index, -count), axis=1)
    after = np.minimum.accumulate(np.where(marks, index, 3 * count)[:, ::-1], axis=1)[:, ::-1]
    nearest = np.where(index - before <= after - index, before, after)
    return np.where((nearest < 0) | (nearest >= count), 0, nearest).astype(np.intp)


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


def low_peaks(low_db: Array) -> tuple[Array, NDArray[np.bool_]]:
    """(Hz [T, LOW_BANDS - 2], whether a peak lies there) of long-window levels [T, LOW_BANDS]."""
    middle, left, right = low_db[:, 1:-1], low_db[:, :-2], low_db[:, 2:]
    offset, weights, reach = peak_fit()
    centres = F.low_centres_hz()[1:-1].astype(np.float32)
    hertz = centres + np.clip((low_db @ weights + offset)[:, 1:-1], -reach[1:-1], reach[1:-1])
    main_lobe = middle > np.maximum(_running_max(low_db, 14)[:, 1:-1] - 20.0, F.FLOOR_DB + 10)
    return hertz, (middle >= left) & (middle > right) & main_lobe


def semitones(hertz: Array) -> Array:
    """Semitones above A4 = 440 Hz."""
    return np.asarray(12.0 * np.log2(hertz / CONCERT_HZ))


def in_tune(hertz: Array, tuning_cents: float) -> Array:
    """The nearest notes in Hz of equal temperament, `tuning_cents` above A4 = 440 Hz."""
    off = tuning_cents / 100.0
    return np.asarray(CONCERT_HZ * 2.0 ** ((np.round(semitones(hertz) - off) + off) / 12.0), np.float32)


def tuning_of(low_db: Array) -> float:
    """Cents from A4 = 440 Hz, -50 to 50, on which the steady lows of long-window levels [T, LOW_BANDS] agree.

    0 where they are few or do not agree: most music stands at concert pitch, and kicks stand anywhere.
    """
    hertz, peak = low_peaks(low_db)
    pitch = semitones(hertz)
    held = peak[:-STEADY_FRAMES] & peak[STEADY_FRAMES:] & (low_db[:-STEADY_FRAMES, 1:-1] > HEARD_DB)
    held &= np.abs(pitch[STEADY_FRAMES:] - pitch[:-STEADY_FRAMES]) < 0.1
    if held.sum() < FEWEST_HELD:
        return 0.0
    turn = np.exp(2j * np.pi * pitch[:-STEADY_FRAMES][held]).mean()
    return float(100.0 * np.angle(turn) / (2 * np.pi)) if abs(turn) > AGREED else 0.0


def low_frequencies(low_db: Array, advance: Array, tuning_cents: float | None = None) -> Array:
    """Replace the advance [T, K] of the lowest bins by that of the nearest long-window peak.

    low_db [T, LOW_BANDS]. A peak counts if it lies within 1.5 bins of the bin's own estimate. With a tuning
    it is taken to its nearest note: a code of 64 numbers a patch leaves basses some 20 cents off.
    """
    hertz, peak = low_peaks(low_db)
    if tuning_cents is not None:
        hertz = in_tune(hertz, tuning_cents)
    target = np.where(peak, hertz * (2 * math.pi * HOP / F.RATE_HZ), 1e3)[:, None, :]
    own = advance[:, :LOW_BINS, None]
    best = np.abs(target - own).argmin(axis=2)
    found = np.take_along_axis(target[:, 0], best, axis=1)
    near = np.abs(found - own[..., 0]) < 1.5 * 2 * math.pi * HOP / F.WINDOW
    result = advance.copy()
    result[:, :LOW_BINS] = np.where(near, found, own[..., 0])
    return result


def _across(log_magnitude: Array, before: Array | None, after: Array | None) -> Array:
    """`frequency_gradient` [T, K] of a chunk whose neighbours before [K] and after [0 or 1, K] may be known."""
    first = 0 if before is None else 1
    parts = [log_magnitude] if before is None else [before[None], log_magnitude]
    whole = np.concatenate(parts if after is None else [*parts, after])
    return frequency_gradient(whole)[first : first + len(log_magnitude)]


class PhaseState:
    """What streaming carries from chunk to chunk: the last frame's phase, magnitude and advance.

    tuning_cents: take steady lows to the notes of this tuning; None leaves them where they are.
    """

    def __init__(self) -> None:
        self.phase: Array | None = None
        self.log_magnitude: Array | None = None
        self.advance: Array | None = None
        self.tuning_cents: float | None = None


def draft(log_magnitude: Array, low_db: Array, state: PhaseState, after: Array | None = None) -> Array:
    """Phases [T, K] in radians of natural-log magnitudes [T, K] at hop 256; advances `state`.

    low_db: long-window levels [T, LOW_BANDS] at the same frames. T >= 1. after [1 or 0, K]: the frame that follows
    (None: not known), so that chunks of any length give the same slopes over time.
    """
    advance = low_frequencies(low_db, time_gradient(log_magnitude), state.tuning_cents)
    across = _across(log_magnitude, state.log_magnitude, after)
    ramp = np.cumsum(0.5 * (across[:, 1:] + across[:, :-1]), axis=1)
    ramp = np.pad(ramp, ((0, 0), (1, 0)))
    if state.phase is None or state.log_magnitude is None or state.advance is None:
        state.phase, state.log_magnitude, state.advance = ramp[0], log_magnitude[0], advance[0]
    previous = np.concatenate([state.log_magnitude[None], log_magnitude[:-1]])
    step = 0.5 * (advance + np.concatenate([state.advance[None], advance[:-1]]))
    source = carriers(previous, log_magnitude)
    change = np.take_along_axis(step, source, 1) + ramp - np.take_along_axis(ramp, source, 1)
    phases = np.empty_like(log_magnitude)
    last = state.phase
    for index in range(len(phases)):
        last = last[source[index]] + change[index]
        last -= 2 * math.pi * np.round(last / (2 * math.pi))
        phases[index] = last
    state.phase, state.log_magnitude, state.advance = last, log_magnitude[-1], advance[-1]
    return phases
