"""Levels, phases and noise to spectra, and frames to overlapped sound: the loops of `engine.models.voice`.

Each works through frames one after the other, so that what it reads again lies in a core's nearest cache, in float32.

*Threading*: no state; what a loop writes to is its caller's. They run without Python's lock.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.models import features as F
from engine.models import lows
from engine.models.compiled import compiled, inlined
from engine.models.vocoder import (
    AUDIBLE_DB,
    MIDDLE_SPREAD_DB,
    MONO_DB,
    NEPER_DB,
    NOISE_SPREAD_DB,
    SLOPE_FRAMES,
    STEADY_DB,
    TONE_SPREAD_DB,
    WIDE_DB,
    spread_map,
)

HOP = lows.HOP
OVERLAP = F.WINDOW // HOP
ROWS = 8
Array = NDArray[np.float32]

_BINS, _WINDOW, _HOP = F.BINS, F.WINDOW, HOP
_ONE, _LOG2_E = np.float32(1.0), math.log2(math.e)
_NEPER, _OCTAVE = np.float32(0.5 / NEPER_DB), np.float32(_LOG2_E / NEPER_DB)
_STEADY = np.float32(math.sqrt(_LOG2_E) / STEADY_DB)
_SURE, _MIDDLE = np.float32(4.0 * _LOG2_E / (NOISE_SPREAD_DB - TONE_SPREAD_DB)), np.float32(MIDDLE_SPREAD_DB)
_AUDIBLE, _MONO, _WIDENING = np.float32(AUDIBLE_DB), np.float32(MONO_DB), np.float32(1.0 / (WIDE_DB - MONO_DB))
_NEXT = np.uint16(1)
_TURN_4, _4 = np.float32(0.25), np.float32(4.0)


def window_in_hops() -> Array:
    """The window [OVERLAP, HOP], scaled so that the overlapped real parts of plain inverse sums are the wave.

    The squares of a Hann window at hop M/8 add up to 3. Centred frames begin in their middle, and so do their parts
    here: row p belongs to part p of a frame as the transform leaves it.
    """
    parts = (F.hann().numpy() / 12.0).reshape(OVERLAP, HOP)
    return np.ascontiguousarray(np.roll(parts, OVERLAP // 2, axis=0), np.float32)


def points_of_bins() -> tuple[NDArray[np.uint16], Array]:
    """(the spread's point below each bin, how far towards the next one the bin lies) [BINS]: `vocoder.spread_map`."""
    weights = spread_map().numpy()
    below = np.minimum((weights > 0.0).argmax(0), len(weights) - 2)
    return below.astype(np.uint16), weights[below + 1, np.arange(F.BINS)]


@compiled
def mean_logs(level: Any, first: int, out: Any) -> None:
    """Natural-log magnitudes of left and right's mean in dB, of frames from `first` on, as many as there are."""
    for t in range(min(len(out), level.shape[1] - first)):
        left, right, row = level[0, first + t], level[1, first + t], out[t]
        for k in range(_BINS):
            row[k] = (left[k] + right[k]) * _NEPER


@compiled
def overlap(frames: Any, window: Any, out: Any) -> None:
    """Add windowed frames [T, OVERLAP, 2 HOP], whose second half comes first, to `out` [T + OVERLAP - 1, 2 HOP]."""
    half = OVERLAP // 2
    for t in range(len(frames)):
        for part in range(OVERLAP):
            row, shape, target = frames[t, part], window[part], out[t + (part + half) % OVERLAP]
            for i in range(_HOP):
                target[2 * i] += row[2 * i] * shape[i]
                target[2 * i + 1] += row[2 * i + 1] * shape[i]


@compiled
def mix(
    level: Any,
    spread: Any,
    first: int,
    count: int,
    phases: Any,
    common: Any,
    loud: Any,
    own: Any,
    own_loud: Any,
    at: int,
    most: float,
    weights: Any,
    below: Any,
    towards: Any,
    room: Any,
    out: Any,
) -> None:
    """Spectra [count, 2 WINDOW], real and imaginary by turns, of left + i right, of frames `first` on.

    Tones run along `phases` in turns [count, BINS]; noise is that of frames `at` on,
    `most` of its power a channel's own.
    room [ROWS + 2 SLOPE_FRAMES, BINS]: what is worked on.
    """
    slopes, sine, cosine, number = room[ROWS:], room[4], room[5], level.shape[1]
    for t in range(first - SLOPE_FRAMES // 2, first + SLOPE_FRAMES // 2):
        _slope(level, t, slopes)
    for t in range(count):
        frame = first + t
        _slope(level, frame + SLOPE_FRAMES // 2, slopes)
        inside = min(frame + SLOPE_FRAMES // 2, number - 1) - max(frame - SLOPE_FRAMES // 2, 0) + 1
        steady = _STEADY / np.float32(inside)
        width = _width(level[0, frame], level[1, frame], most, weights)
        shared, apart = loud * np.sqrt(_ONE - width), own_loud * np.sqrt(width)
        _turn(phases[t], sine, cosine)
        for channel in range(2):
            tone, noisy = room[6], room[7]
            _steadiness(slopes[channel * SLOPE_FRAMES :], steady, noisy)
            _doubt(spread[channel, frame], below, towards, tone)
            _amplitudes(level[channel, frame], tone, noisy)
            sign = apart if channel == 0 else -apart
            _add(tone, cosine, noisy, common[0, at + t], shared, own[0, at + t], sign, room[2 * channel])
            _add(tone, sine, noisy, common[1, at + t], shared, own[1, at + t], sign, room[2 * channel + 1])
        _both(room, out[t])


# Each loop has few rows: the compiler makes no vectors of a loop for which it would have to compare many addresses.


@inlined
def _turn(phases: Any, sine: Any, cosine: Any) -> None:
    for k in range(_BINS):
        sine[k], cosine[k] = _turned(phases[k])


@inlined
def _steadiness(slopes: Any, scale: Any, out: Any) -> None:
    """How still a level holds, 0 to 1, of its SLOPE_FRAMES slopes."""
    for k in range(_BINS):
        moved = (slopes[0, k] + slopes[1, k] + slopes[2, k] + slopes[3, k] + slopes[4, k]) * scale
        out[k] = _exp2(-moved * moved)


@inlined
def _doubt(spread: Any, below: Any, towards: Any, out: Any) -> None:
    """1 over how unsure a level is, 0 to 1."""
    for k in range(_BINS):
        near = spread[below[k]]
        out[k] = near + towards[k] * (spread[below[k] + _NEXT] - near)
    for k in range(_BINS):
        out[k] = _ONE + _exp2((_MIDDLE - out[k]) * _SURE)


@inlined
def _amplitudes(level: Any, tone: Any, noisy: Any) -> None:
    """Of `_doubt` and `_steadiness`."""
    for k in range(_BINS):
        share, size = noisy[k] / tone[k], _exp2(level[k] * _OCTAVE)
        tone[k], noisy[k] = size * np.sqrt(_ONE - share * share), size * share


@inlined
def _add(tone: Any, wave: Any, noisy: Any, common: Any, shared: Any, own: Any, apart: Any, out: Any) -> None:
    for k in range(_BINS):
        out[k] = tone[k] * wave[k] + noisy[k] * (common[k] * shared + own[k] * apart)


@inlined
def _slope(level: Any, frame: int, slopes: Any) -> None:
    """How fast each level moves at a frame, 0 outside, into one of each channel's SLOPE_FRAMES rows, in turn."""
    last, place = level.shape[1] - 1, (frame + SLOPE_FRAMES) % SLOPE_FRAMES
    before, after = max(frame - 1, 0), min(frame + 1, last)
    scale = np.float32(1.0 / max(after - before, 1)) if 0 <= frame <= last else np.float32(0.0)
    before, after = min(before, last), max(after, 0)
    for channel in range(2):
        row, one, two = slopes[channel * SLOPE_FRAMES + place], level[channel, before], level[channel, after]
        for k in range(_BINS):
            row[k] = abs(two[k] - one[k]) * scale


@inlined
def _width(left: Any, right: Any, most: Any, weights: Any) -> Any:
    """`vocoder.noise_width` of a frame."""
    apart, heard = np.float32(0.0), np.float32(1e-9)
    for k in range(_BINS):
        least = left[k] if left[k] < right[k] else right[k]
        weight = weights[k] if least > _AUDIBLE else np.float32(0.0)
        apart += abs(left[k] - right[k]) * weight
        heard += weight
    wide = (apart / heard - _MONO) * _WIDENING
    return np.float32(most) * min(max(wide, np.float32(0.0)), _ONE)


@inlined
def _both(parts: Any, out: Any) -> None:
    """The spectrum of left + i right, of the real and imaginary parts of both [4, BINS]."""
    one, two, three, four = parts[0], parts[1], parts[2], parts[3]
    two[0] = two[_BINS - 1] = four[0] = four[_BINS - 1] = np.float32(0.0)
    for k in range(_BINS):
        out[2 * k] = one[k] - four[k]
        out[2 * k + 1] = two[k] + three[k]
    for k in range(1, _BINS - 1):
        mirrored = _BINS - 1 - k
        out[_WINDOW + 2 * k] = one[mirrored] + four[mirrored]
        out[_WINDOW + 2 * k + 1] = three[mirrored] - two[mirrored]


@inlined
def _exp2(x: Any) -> Any:
    """2 to the power of x, within 3e-7; below 2^-126 it is that."""
    x = x if x > np.float32(-126.0) else np.float32(-126.0)
    x = x if x < np.float32(126.0) else np.float32(126.0)
    whole = np.rint(x)
    part = x - whole
    result = np.float32(1.5403530393381608e-4) * part + np.float32(1.3333558146428443e-3)
    result = result * part + np.float32(9.618129107628477e-3)
    result = result * part + np.float32(5.550410866482158e-2)
    result = result * part + np.float32(2.402265069591007e-1)
    result = result * part + np.float32(6.931471805599453e-1)
    result = result * part + _ONE
    return result * np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)


@inlined
def _turned(turns: Any) -> Any:
    """(sine, cosine) of an angle in turns, within 1e-7."""
    quarters = np.rint(turns * _4)
    part = turns - quarters * _TURN_4
    square = part * part
    sine = np.float32(42.058693944897655) * square - np.float32(76.70585975306136)
    sine = sine * square + np.float32(81.60524927607504)
    sine = sine * square - np.float32(41.341702240399755)
    sine = (sine * square + np.float32(6.283185307179586)) * part
    cosine = np.float32(60.24464137187666) - np.float32(26.42625678337438) * square
    cosine = cosine * square - np.float32(85.45681720669373)
    cosine = cosine * square + np.float32(64.93939402266829)
    cosine = (cosine * square - np.float32(19.739208802178716)) * square + _ONE
    place = np.int32(quarters)
    across = (place & np.int32(1)) != np.int32(0)
    first, second = cosine if across else sine, sine if across else cosine
    first = -first if (place & np.int32(2)) != np.int32(0) else first
    second = -second if ((place + np.int32(1)) & np.int32(2)) != np.int32(0) else second
    return first, second
