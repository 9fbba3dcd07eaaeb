"""Windows of latents, however they are come by: sampled in order, fused, searched, or as an edit of what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from engine.control.refined import refined, refined_edit, refined_parts
from engine.models.load import Networks
from engine.render.condition import Material, Place, PromptSense, gather
from engine.render.crops import apart, at_once, in_pieces
from engine.render.edits import Edited, edit_of
from engine.render.job import Job
from engine.render.looping import Looped
from engine.render.past import Pasts
from engine.render.sample import latents
from engine.render.source import Check
from engine.render.stretches import Stretched, freed, holes_of, named
from engine.runtimes.base import Runtime
from engine.types import Audio, Request

Edits = Edited | Looped | Stretched | None
"""What is sampled otherwise than plain bars."""
Speak = Callable[[Job, Tensor], Iterator[Audio]]
"""How latents from -UNSURE on sound: pieces [n, 2] at 48 kHz from time zero on."""


def edited_of(
    request: Request, place: Place, material: Material, sense: PromptSense, pasts: Pasts, made_by: Runtime, check: Check
) -> Edits:
    """What is sampled otherwise than plain bars: an edit, or targets that act on a part."""
    if request.edit == "loop":
        return Looped(place)
    if request.edit is not None:
        return edit_of(request, place, material, made_by.encode, check)
    if not named(request):
        return None
    told = list(place.remarks)
    free = gather(freed(request), place, pasts, sense, check)
    place.remarks[:] = told
    return Stretched(free, holes_of(request, place))


def windows(job: Job, edited: Edits, networks: Networks, made_by: Runtime, speak: Speak) -> Iterator[Tensor]:
    """Latents [n, 64] in order, from -UNSURE to the end of the new bars or a little past it.

    speak: a loop hears its own end.
    """
    refines = job.request.refine is not None
    if edited is None:
        yield from refined(networks, job) if refines else _plain(job, networks, made_by)
        return
    if isinstance(edited, Stretched):
        plain = _plain(replace(job, material=edited.free), networks, made_by)
        if refines:
            yield from in_pieces(refined_parts(networks, job, edited, plain), 3)
            return
        edited = edited.edited(torch.cat(list(plain)), job.material)
    elif isinstance(edited, Looped):
        bars = torch.cat(list(_plain(job, networks, made_by)))
        edited = edited.edited(bars, job.material, partial(speak, job), made_by.encode, job.check)
    made = refined_edit(networks, job, edited) if refines else edited.make(made_by, job)
    yield from in_pieces(made, 3)


def _plain(job: Job, networks: Networks, made_by: Runtime) -> Iterator[Tensor]:
    """Bars without an edit: window after window, or overlapping crops of the whole."""
    if job.request.long == "fused":
        yield from in_pieces(at_once(networks.student, job))
    elif job.request.long == "independent":
        yield from in_pieces(apart(made_by, job))
    else:
        yield from latents(made_by, job)
