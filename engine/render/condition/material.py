"""A request's material: all that the denoiser is told of its latents, gathered once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.controls import parse_key
from engine.models import conditions as K
from engine.models.codec import LATENTS, PATCH
from engine.models.denoiser import Conditions
from engine.models.listener import Heard
from engine.models.lownotes import leads
from engine.render.condition.around import CONTEXT, next_of, past_of, under_of
from engine.render.condition.place import Place, quarters_of
from engine.render.condition.targets import intensity_of, ridden, switch_off, targets_of
from engine.render.level import power_db
from engine.render.partial import restrict
from engine.render.past import ANSWERS, HEARABLE, UNSURE, Past, Pasts
from engine.render.source import Check, unchecked
from engine.timing import halved_or_doubled
from engine.types import Request


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

    @property
    def sure(self) -> Tensor:
        """The context that is to be relied on [n, 64]: all but its last UNSURE latents."""
        return self.context[: max(0, len(self.context) - UNSURE)]

    @property
    def missing(self) -> int:
        """How many latents from -before on nothing is known of: all up to -UNSURE that `sure` does not fill."""
        return self.before - UNSURE - len(self.sure)

    @property
    def low_leads(self) -> NDArray[np.float32] | None:
        """Cents [T, 12] by which the notes of key and chords go before others in the lows; None where none is told."""
        return leads(*K.told_notes(self.frames, self.overall))

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


@dataclass(frozen=True)
class PromptSense:
    """What the prompt says: its vector [prompt_width] or None, and the usual level of its style in dBFS."""

    width: int
    vector: NDArray[np.float32] | None
    usual_db: float


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
    ahead, past = _past(request, place, pasts, after, check)
    tempo = place.tempo_map.tempo_at(place.anchor.begin_quarters)
    factor, remark = halved_or_doubled(tempo)
    if remark:
        place.remarks.append(remark)
    count = (ahead + place.latents + after) * PATCH
    quarters = quarters_of(place, -ahead * PATCH, count)
    targets = targets_of(request, place, -ahead * PATCH, quarters, factor)
    under, seen = under_of(place, pasts.encode, check) if request.under else (None, None)
    beside_db = None if seen is None else power_db(seen)
    usual_db = sense.usual_db if beside_db is None else beside_db
    targets.intensity_db = intensity_of(request, place, past, ahead, count, usual_db)
    switch_off(request, targets)
    matrix = K.frame_features(targets, count)
    K.withhold_notes(matrix, ahead * PATCH, count)
    restrict(matrix, request.only, quarters)
    overall = overall_of(request, float(tempo * factor), sense, partial(_heard, pasts, past, under, seen))
    target = ridden(request, targets, quarters)
    if past is None:
        return Material(ahead, matrix, overall, torch.zeros(0, LATENTS), under, 0.0, beside_db, target)
    return Material(ahead, matrix, overall, past.latents, under, past.tuning_cents, past.level_db, target)


def _past(request: Request, place: Place, pasts: Pasts, after: int, check: Check) -> tuple[int, Past | None]:
    """(latents before time zero, what sounds there), its answers worked out but for what is heard in it."""
    ahead, sound = past_of(place)
    if sound is None and after:
        sound = next_of(place)
    if sound is None or request.under or request.strengths.context == 0:
        return ahead, None
    past = pasts.of(sound)
    past.answer(check, ANSWERS[:-1])
    return ahead, past


def _heard(pasts: Pasts, past: Past | None, under: Tensor | None, seen: Tensor | None) -> Heard | None:
    """What the listener hears: in what sounds under the new bars (latents, features), else in the past."""
    if under is None or seen is None:
        return None if past is None else past.heard
    audible = under[: 4 * CONTEXT]
    frames = seen[: len(audible) * PATCH]
    return pasts.networks.listener.hear(audible, frames) if len(audible) >= HEARABLE else None
