"""Stage 1: a request becomes what the denoiser is told, frame by frame, on its exact grid.

Time zero is the first new frame at the caller's rate. Latent j stands for the eight feature frames
centred 4096 j + 512 i samples (48 kHz) after it; context has negative j. The last `UNSURE`
latents before zero are made anew even where context exists: their windows reach past its end.
A context that is silent counts as none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.controls import (
    chord_frames,
    melody_frames,
    on_grid,
    parse_chords,
    parse_key,
    progression,
    sample_curve,
)
from engine.models import conditions as K
from engine.models import features as F
from engine.models.analysis import analyse
from engine.models.codec import LATENT_HOP, LATENTS, PATCH
from engine.models.denoiser import Conditions
from engine.models.listener import Heard
from engine.render.level import power_db
from engine.render.partial import acting, restrict
from engine.render.past import ANSWERS, HEARABLE, UNSURE, Encode, Past, Pasts
from engine.render.source import SILENCE, Check, Source, check_inside, model_view, source_of, unchecked
from engine.timing import (
    Anchor,
    TempoMap,
    halved_or_doubled,
    new_bar_boundaries,
    phases,
    quarters_at_centres,
)
from engine.types import MODEL_RATE_HZ, Audio, Request

CONTEXT = 48
MARGIN = 4
TAIL_FRAMES = 4


@dataclass
class Place:
    """Where the new bars lie. lines: bars + 1 frames at `rate`, the first 0."""

    source: Source | None
    tempo_map: TempoMap
    anchor: Anchor
    rate: int
    channels: int
    lines: list[int]
    remarks: list[str]

    @property
    def seconds(self) -> Fraction:
        return Fraction(self.lines[-1], self.rate)

    @property
    def latents(self) -> int:
        """Latents from time zero on that cover the new bars and the last windows' reach."""
        frames = math.ceil(self.seconds * F.RATE_HZ / F.HOP) + TAIL_FRAMES
        return -(-frames // PATCH)


def place_of(request: Request, inline: Audio | None, check: Check = unchecked) -> Place:
    """Read the source and put the new bars on the grid; raises `BadRequest` kinds, and what `check` raises."""
    source = source_of(request, inline, check)
    rate = request.rate or (MODEL_RATE_HZ if source is None else source.rate)
    frames, rate_in = (0, rate) if source is None else (len(source.audio), source.rate)
    tempo_map, where = on_grid(request, frames, rate_in)
    if request.edit is not None:
        source = check_inside(request, source, tempo_map, where)
    channels = request.channels or (2 if source is None else source.audio.shape[1])
    lines = new_bar_boundaries(where, tempo_map, request.bars, rate)
    remarks = [where.remark] if where.remark else []
    return Place(source, tempo_map, where, rate, channels, lines, remarks)


@dataclass
class Material:
    """Everything per frame and global, over latents -before ... after; conditions for any span of it.

    context [before, 64] are the source's latents (the last UNSURE of them invalid). tuning_cents and level_db
    are the context's, level_db else that of what sounds under the new bars; target_db [T] is the intensity to ride
    towards, where a curve was given.
    """

    before: int
    frames: NDArray[np.float32]
    overall: NDArray[np.float32]
    context: Tensor
    under: Tensor | None
    tuning_cents: float
    level_db: float | None
    target_db: NDArray[np.float32] | None

    def span(self, first: int, last: int, known: Tensor) -> Conditions:
        """Conditions of latents first..last (from time zero), the first len(known) of them context."""
        count, offset = last - first, first + self.before
        context, mask = torch.zeros(1, count, LATENTS), torch.zeros(1, count, 1)
        context[0, : len(known)], mask[0, : len(known)] = known, 1.0
        under, under_mask = torch.zeros_like(context), torch.zeros_like(mask)
        if self.under is not None:
            reach = max(0, min(last, len(self.under)) - max(first, 0))
            at = max(first, 0) - first
            under[0, at : at + reach] = self.under[max(first, 0) : max(first, 0) + reach]
            under_mask[0, at : at + reach] = 1.0
        frames = self.frames[offset * PATCH : (offset + count) * PATCH]
        packed = K.pack_frames(np.ascontiguousarray(frames))[None]
        return Conditions(context, mask, under, under_mask, packed, torch.from_numpy(self.overall)[None])


def grid_phases(
    place: Place, first: int, count: int, factor: Fraction
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Beat and bar phase [count] at feature frames first ... first + count from time zero."""
    start = place.anchor.start_seconds + Fraction(first * F.HOP, F.RATE_HZ)
    beat, bar = phases(place.tempo_map, start, F.HOP, F.RATE_HZ, count, factor)
    return beat.astype(np.float32), bar.astype(np.float32)


def quarters_of(place: Place, first: int, count: int) -> NDArray[np.float64]:
    """Quarters from the first new bar's line at feature frames first ...; negative before it.

    With at_beat the new bars begin later than that line: what is laid over them stays where it was.
    """
    start = place.anchor.start_seconds + Fraction(first * F.HOP, F.RATE_HZ)
    return quarters_at_centres(place.tempo_map, start, F.HOP, F.RATE_HZ, count, place.anchor.start_quarters)


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


@dataclass(frozen=True)
class PromptSense:
    """What the prompt says: its vector [prompt_width] or None, and the usual level of its style in dBFS."""

    width: int
    vector: NDArray[np.float32] | None
    usual_db: float


def past_of(place: Place) -> tuple[int, Audio | None]:
    """(latents before time zero, the source's audio over them at 48 kHz); None where it is silent or missing."""
    if place.source is None:
        return UNSURE, None
    available = place.anchor.start_frame / place.source.rate * MODEL_RATE_HZ / LATENT_HOP
    ahead = int(min(CONTEXT, max(UNSURE, math.floor(available))))
    past = model_view(place.source, place.anchor.start_frame, ahead * LATENT_HOP / MODEL_RATE_HZ)
    past = np.pad(past, ((ahead * LATENT_HOP - len(past), 0), (0, 0)))
    return ahead, past if float(np.abs(past).max()) >= SILENCE else None


def next_of(place: Place) -> Audio | None:
    """The source after the new bars at 48 kHz, at most CONTEXT latents; None where too little is there, or silence."""
    if place.source is None:
        return None
    first = place.anchor.start_frame + place.lines[-1]
    there = (len(place.source.audio) - first) / place.source.rate * MODEL_RATE_HZ / LATENT_HOP
    count = int(min(CONTEXT, math.floor(there)))
    if count < HEARABLE:
        return None
    seconds = count * LATENT_HOP / MODEL_RATE_HZ
    sound = model_view(place.source, first + round(seconds * place.source.rate), seconds)
    return sound if float(np.abs(sound).max()) >= SILENCE else None


def overall_of(
    request: Request, tempo: float, sense: PromptSense, hear: Callable[[], Heard | None]
) -> NDArray[np.float32]:
    """The global vector. What the request leaves open is taken from what `hear` finds in the source."""
    key = parse_key(request.key) if request.key else None
    vector, parts, tonality = sense.vector, request.parts, (key.root, key.mode) if key else None
    said = (vector is not None or request.strengths.prompt == 0) and key and (parts or request.under)
    if not said and (heard := hear()) is not None:
        vector = heard.prompt if vector is None and request.strengths.prompt != 0 else vector
        tonality = tonality or heard.key
        if not request.under:
            parts = parts or heard.parts or None
    return K.global_features(sense.width, vector, parts, tonality, tempo)


def gather(
    request: Request, place: Place, pasts: Pasts, sense: PromptSense, check: Check = unchecked, after: int = 0
) -> Material:
    """Build the material of a request: one codec pass over a context that is new, the rest is arithmetic.

    after: over how many latents past the new bars it is to reach, for an edit; with no sound before them, what comes
    after them then says how it sounds.
    """
    check()
    ahead, sound = past_of(place)
    if sound is None and after:
        sound = next_of(place)
    past = None if sound is None or request.under or request.strengths.context == 0 else pasts.of(sound)
    if past is not None:
        past.answer(check, ANSWERS[:-1])
    tempo = place.tempo_map.tempo_at(place.anchor.begin_quarters)
    factor, remark = halved_or_doubled(tempo)
    if remark:
        place.remarks.append(remark)
    count = (ahead + place.latents + after) * PATCH
    quarters = quarters_of(place, -ahead * PATCH, count)
    targets = targets_of(request, place, -ahead * PATCH, quarters, factor)
    under, seen = _under(place, pasts.encode, check) if request.under else (None, None)
    beside_db = None if seen is None else power_db(seen)
    usual_db = sense.usual_db if beside_db is None else beside_db
    targets.intensity_db = intensity_of(request, place, past, ahead, count, usual_db)

    def hear() -> Heard | None:
        if under is None or seen is None:
            return None if past is None else past.heard
        audible = under[: 4 * CONTEXT]
        frames = seen[: len(audible) * PATCH]
        return pasts.networks.listener.hear(audible, frames) if len(audible) >= HEARABLE else None

    _switch_off(request, targets)
    matrix = K.frame_features(targets, count)
    K.withhold_notes(matrix, ahead * PATCH, count)
    restrict(matrix, request.only, quarters)
    overall = overall_of(request, float(tempo * factor), sense, hear)
    target = ridden(request, targets, quarters)
    if past is None:
        return Material(ahead, matrix, overall, torch.zeros(0, LATENTS), under, 0.0, beside_db, target)
    return Material(ahead, matrix, overall, past.latents, under, past.tuning_cents, past.level_db, target)


def ridden(request: Request, targets: K.FrameTargets, quarters: NDArray[np.float64]) -> NDArray[np.float32] | None:
    """The level to ride towards [T], NaN where no curve acts; None without one."""
    if request.intensity is None or targets.intensity_db is None:
        return None
    acts = acting(request.only, "intensity", quarters)
    return np.where(acts, targets.intensity_db, np.float32(np.nan))


def _switch_off(request: Request, targets: K.FrameTargets) -> None:
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


def _under(place: Place, encode: Encode, check: Check) -> tuple[Tensor | None, Tensor]:
    """Latents [place.latents, 64] of what sounds under the new bars, the source from its grid position on; features.

    Encoded in pieces, each with MARGIN latents to both sides, so that no call takes long.
    """
    if place.source is None:
        return None, torch.zeros(0, F.CHANNELS)
    pieces, seen, rate = [], [], place.source.rate
    for first in range(0, place.latents, CONTEXT):
        check()
        count = min(CONTEXT, place.latents - first)
        last_frame = place.anchor.start_frame + round((first + count + MARGIN) * LATENT_HOP * rate / MODEL_RATE_HZ)
        samples = (count + 2 * MARGIN) * LATENT_HOP
        view = model_view(place.source, last_frame, samples / MODEL_RATE_HZ)
        view = np.pad(view, ((samples - len(view), 0), (0, 0)))
        features = analyse(view)[: (count + 2 * MARGIN) * PATCH]
        with torch.no_grad():
            pieces.append(encode(features[None])[0, MARGIN : MARGIN + count])
        seen.append(features[MARGIN * PATCH : (MARGIN + count) * PATCH])
    return torch.cat(pieces), torch.cat(seen)
