"""What sounds around the new bars, of a source: before them, after them and under them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from engine.models import features as F
from engine.models.analysis import analyse
from engine.models.codec import LATENT_HOP, PATCH
from engine.render.condition.place import Place
from engine.render.past import HEARABLE, UNSURE, Encode
from engine.render.source import SILENCE, Check, model_view
from engine.types import MODEL_RATE_HZ, Audio

CONTEXT = 48
"""Latents before or after the new bars that a window is told, at most."""
MARGIN = 4
"""Latents to both sides of a piece that is encoded by itself."""
Analyse = Callable[[Audio], Tensor]
"""analyse(audio [frames, 2] at 48 kHz) -> features [T, CHANNELS] in dB."""


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


def under_of(place: Place, encode: Encode, check: Check) -> tuple[Tensor | None, Tensor]:
    """Latents [place.latents, 64] and features of what sounds under the new bars; (None, nothing) without a source."""
    if place.source is None:
        return None, torch.zeros(0, F.CHANNELS)
    return encoded(place, 0, place.latents, encode, check, analyse)


def encoded(
    place: Place, first: int, count: int, encode: Encode, check: Check, analysed: Analyse
) -> tuple[Tensor, Tensor]:
    """Latents [count, 64] and features [8 count, CHANNELS] of the source from latent `first` on.

    In pieces, each with MARGIN latents to both sides, so that no call takes long.
    """
    pieces, seen = [], []
    for start in range(first, first + count, CONTEXT):
        check()
        size = min(CONTEXT, first + count - start)
        features = analysed(heard(place, start - MARGIN, size + 2 * MARGIN))[: (size + 2 * MARGIN) * PATCH]
        with torch.no_grad():
            pieces.append(encode(features[None])[0, MARGIN : MARGIN + size])
        seen.append(features[MARGIN * PATCH : (MARGIN + size) * PATCH])
    return torch.cat(pieces), torch.cat(seen)


def heard(place: Place, first: int, count: int) -> Audio:
    """The source at 48 kHz under latents first ... first + count from zero [4096 count, 2], padded with silence."""
    assert place.source is not None
    end_frame = place.anchor.start_frame + round((first + count) * LATENT_HOP * place.source.rate / MODEL_RATE_HZ)
    samples = count * LATENT_HOP
    view = model_view(place.source, end_frame, samples / MODEL_RATE_HZ) if end_frame > 0 else np.zeros((0, 2))
    return np.pad(view, ((samples - len(view), 0), (0, 0))).astype(np.float32)
