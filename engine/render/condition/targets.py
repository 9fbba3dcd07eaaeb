"""What is told frame by frame: beat, melody, chords and intensity on the feature frames of the new bars."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from engine.controls import chord_frames, melody_frames, parse_chords, parse_key, progression, sample_curve
from engine.models import conditions as K
from engine.models import features as F
from engine.models.codec import PATCH
from engine.render.condition.place import Place, grid_phases, quarters_of
from engine.render.partial import acting
from engine.render.past import Past
from engine.types import Request


def keyed_chords(request: Request, place: Place) -> str | None:
    """Chords for a key that comes without chords, melody or sound to follow; the reply says which."""
    if request.key is None or request.melody is not None or place.source is not None or request.strengths.chords == 0:
        return None
    named = progression(parse_key(request.key), request.seed or 0)
    place.remarks.append(f"The key is played as {named}, one chord a bar; name chords to have others.")
    return named


def targets_of(
    request: Request, place: Place, first: int, quarters: NDArray[np.float64], factor: Fraction
) -> K.FrameTargets:
    """Beat, melody and chords at feature frames from `first` on, which lie at `quarters` [T]."""
    beat, bar = grid_phases(place, first, len(quarters), factor)
    targets = K.FrameTargets(beat_phase=beat, bar_phase=bar)
    if request.melody is not None:
        pitch, onset = melody_frames(request.melody, quarters)
        targets.melody, targets.melody_onset = pitch.astype(np.int64), onset.astype(np.float32)
    named = request.chords or keyed_chords(request, place)
    if named is not None:
        chords = parse_chords(named, request.bars, place.tempo_map.meters_over(place.anchor.start_bar, request.bars))
        targets.chroma = chord_frames(chords, quarters).astype(np.float32)
    return targets


def intensity_of(
    request: Request, place: Place, past: Past | None, before: int, count: int, usual_db: float
) -> NDArray[np.float32]:
    """dBFS at feature frames -8 before ...: the context's own, then the curve.

    Without a curve the context's level is carried on; without a context it is `usual_db`: the style's usual one, or
    that of what sounds under the new bars.
    """
    result = np.full(count, usual_db, np.float32)
    ahead = before * PATCH
    if past is not None:
        seconds, level = past.envelope
        at = np.arange(ahead) * F.HOP / F.RATE_HZ
        result[:ahead] = np.interp(at, seconds, level)
        result[ahead:] = float(np.median(level[level > level.max() - 25.0]))
    if request.intensity is not None:
        quarters = quarters_of(place, 0, count - ahead)
        acts = acting(request.only, "intensity", quarters)
        result[ahead:] = np.where(acts, sample_curve(request.intensity, quarters), result[ahead:])
        if past is None:
            result[:ahead] = result[ahead]
    return result


def ridden(request: Request, targets: K.FrameTargets, quarters: NDArray[np.float64]) -> NDArray[np.float32] | None:
    """The level to ride towards [T], NaN where no curve acts; None without one."""
    if request.intensity is None or targets.intensity_db is None:
        return None
    acts = acting(request.only, "intensity", quarters)
    return np.where(acts, targets.intensity_db, np.float32(np.nan))


def switch_off(request: Request, targets: K.FrameTargets) -> None:
    """A strength of 0 withholds its condition; `engine.render.strengths` has the others."""
    strengths = request.strengths
    if strengths.beat == 0:
        targets.beat_phase = targets.bar_phase = None
    if strengths.melody == 0:
        targets.melody = targets.melody_onset = None
    if strengths.chords == 0:
        targets.chroma = None
    if strengths.intensity == 0:
        targets.intensity_db = None
