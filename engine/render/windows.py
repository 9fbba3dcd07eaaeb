"""Windows of latents, however they are come by: sampled in order, fused, searched, or as an edit of what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from engine.control.refine import refined
from engine.control.within import refined_edit, refined_parts
from engine.errors import Cancelled
from engine.models.load import Networks
from engine.render.condition import Material, Place, PromptSense, gather
from engine.render.crops import apart, at_once, in_pieces
from engine.render.edits import Edited, edit_of
from engine.render.looping import Looped
from engine.render.past import Pasts
from engine.render.sample import latents
from engine.render.source import Check
from engine.render.strengths import strengths_of
from engine.render.stretches import Stretched, freed, holes_of, named
from engine.runtimes.base import Runtime
from engine.types import Audio, Request

Edits = Edited | Looped | Stretched | None


@dataclass(frozen=True)
class Job:
    """One render as its stages hand it on. edited: what is sampled otherwise than plain bars."""

    request: Request
    place: Place
    material: Material
    seed: int
    cancelled: Callable[[], bool]
    progress: Callable[[float], None]
    edited: Edits = None

    def check(self) -> None:
        """Raises Cancelled."""
        if self.cancelled():
            raise Cancelled("cancelled while it rendered")


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


def windows(
    job: Job, networks: Networks, made_by: Runtime, speak: Callable[[Job, Tensor], Iterator[Audio]]
) -> Iterator[Tensor]:
    """Latents [n, 64] in order, from -UNSURE to the end of the new bars or a little past it.

    speak: how latents from -UNSURE on sound (a loop hears its own end).
    """
    request, place, edited = job.request, job.place, job.edited
    guidance, remarks = strengths_of(request, networks.student.config, place.source is not None)
    place.remarks.extend(remarks)
    asked = request, place, job.material, guidance, job.seed, job.cancelled, job.progress
    if request.refine is not None and edited is None:
        yield from refined(networks, *asked)
        return
    plain = _plain(job, networks, made_by, guidance)
    if edited is None:
        yield from plain
        return
    if isinstance(edited, Stretched):
        if request.refine is not None:
            yield from in_pieces(refined_parts(networks, edited, plain, *asked), 3)
            return
        edited = edited.edited(torch.cat(list(plain)), job.material)
    elif isinstance(edited, Looped):
        bars = torch.cat(list(plain))
        edited = edited.edited(bars, job.material, partial(speak, job), made_by.encode, job.check)
    if request.refine is not None:
        yield from in_pieces(refined_edit(networks, edited, *asked), 3)
    else:
        yield from in_pieces(edited.make(made_by, job.material, request.steps, guidance, job.seed, job.check), 3)


def _plain(job: Job, networks: Networks, made_by: Runtime, guidance: Tensor) -> Iterator[Tensor]:
    """Bars without an edit: window after window, or overlapping crops of the whole."""
    first = job.edited.free if isinstance(job.edited, Stretched) else job.material
    told = first, job.place.latents, job.request.steps, guidance, job.seed
    if job.request.long == "fused":
        return in_pieces(at_once(networks.student, *told, job.check))
    if job.request.long == "independent":
        return in_pieces(apart(made_by, *told, job.check))
    return latents(made_by, *told, job.cancelled)
