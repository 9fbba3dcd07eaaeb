"""Targets that act on a part of the new bars leave the rest alone.

A denoiser that sees a whole window changes all of it when one bar is told something. So bars with such targets are made
twice: once as if the targets had not been given, and then, where they act, anew between what was made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import torch
from torch import Tensor

from engine.models.codec import LATENT_HOP, PATCH
from engine.render.condition import Material, Place, quarters_of
from engine.render.edits import Edited
from engine.render.line import Line
from engine.render.partial import acting
from engine.render.past import UNSURE
from engine.types import MODEL_RATE_HZ, BarAudio, Only, Request

Span = tuple[int, int]


def named(request: Request) -> list[str]:
    """The targets that act on a part."""
    if request.only is None:
        return []
    return [name for name in Only.__struct_fields__ if getattr(request.only, name) is not None]


def freed(request: Request) -> Request:
    """The request as if those targets had not been given."""
    return msgspec.structs.replace(request, only=None, **dict.fromkeys(named(request)))


def holes_of(request: Request, place: Place) -> list[Span]:
    """(first, end) of the latents where a target acts, from time zero."""
    frames = math.ceil(float(place.seconds) * MODEL_RATE_HZ * PATCH / LATENT_HOP)
    quarters = quarters_of(place, 0, frames)
    acts = np.zeros(frames, bool)
    for name in named(request):
        acts |= acting(request.only, name, quarters)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], acts, [False]]).astype(np.int8)))
    found = []
    for first, end in edges.reshape(-1, 2):
        last = place.latents if end >= frames else round(end / PATCH)
        begin = -UNSURE if first == 0 else round(first / PATCH)
        if begin < last:
            found.append((int(begin), int(last)))
    return found


@dataclass
class Stretched:
    """What is sampled in place of plain bars. free: what is told in the first pass; holes: what is made anew."""

    free: Material
    holes: list[Span]

    def edited(self, made: Tensor, material: Material) -> Edited:
        """The second pass over latents [n, 64] of the first, told all of `material`."""
        return edit_of(made, material, self.holes)

    def mending(self, emit: Callable[[BarAudio], None]) -> Callable[[BarAudio], None]:
        """There is nothing to mend: all is spoken as one."""
        return emit


def edit_of(made: Tensor, material: Material, holes: Sequence[Span]) -> Edited:
    """The edit that makes `holes` anew in the made latents [n, 64] (from -UNSURE on)."""
    missing = material.missing
    latents = torch.cat([torch.zeros(missing, made.shape[1]), material.sure, made])
    known = torch.ones(len(latents), dtype=torch.bool)
    known[:missing] = False
    for begin, end in holes:
        known[begin + material.before : end + material.before] = False
    line = Line(material.before, latents, known, torch.zeros(0, 0))
    return Edited(line, list(holes), None, until=line.end)
