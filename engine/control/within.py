"""Refinement between bars that stay: where targets act on a part of the new bars, and of the bars of an edit.

Bars are made as if those targets had not been given (searched themselves, where something else is wanted of them),
then the noise of the stretches is searched between what was made (`engine.render.stretches`).

*Threading*: as `engine.control.refine`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.control.optimise import ADAPTIVE, Step
from engine.control.refine import NOTHING, PAST_FRAMES, Refiner, refined
from engine.control.surrogate import Objective, Path
from engine.control.wanted import budget_of, wanted
from engine.models import features as F
from engine.models.codec import LATENTS
from engine.models.load import Networks
from engine.render.condition import Material, Place
from engine.render.edits import Edited, conditions_of, pieces, window_around
from engine.render.past import UNSURE
from engine.render.stretches import Stretched, freed
from engine.types import Request


@dataclass
class Mender:
    """Makes the holes of an edit by a search. first_share: how much of the progress came before."""

    refiner: Refiner
    edited: Edited
    material: Material
    guidance: Tensor
    steps: int
    cancelled: Callable[[], bool]
    progress: Callable[[float], None]
    first_share: float = 0.0

    def make(self, seed: int) -> Tensor:
        """Latents [n, 64] as `Edited.make` gives them."""
        spans = [span for hole in self.edited.holes for span in pieces(hole)]
        generator, extra = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed + 1)
        total, done = sum(last - first for first, last in spans), 0
        for span in spans:
            share = (span[1] - span[0]) / total
            self._span(span, generator, extra, done / total, share)
            done += span[1] - span[0]
        line = self.edited.line
        return line.latents[line.before - UNSURE : self.edited.last + line.before]

    def _span(
        self, span: tuple[int, int], generator: torch.Generator, extra: torch.Generator, done: float, share: float
    ) -> None:
        """Search one window's noise and put what it made on the line."""
        (first, last), line = span, self.edited.line
        low, high = window_around(line, span)
        given = conditions_of(self.material, line, low, high)
        noises = self.refiner.noises(generator, extra, (1, high - low, LATENTS), self.steps)
        path = Path(self.refiner.networks.student, given, self.guidance, noises[1:], self.refiner.gamma)
        codec = self.refiner.networks.codec
        before = torch.zeros(1, 0, F.CHANNELS)
        if low < first:
            with torch.no_grad():
                before = codec.decode(line.latents[None, low + line.before : first + line.before])[:, -PAST_FRAMES:]
        objective = Objective(codec, self.refiner.targets, first - low, first, before)

        def told(step: Step) -> None:
            self.progress(self.first_share + (1.0 - self.first_share) * (done + share * step.share))

        clean, seen = self.refiner.window(path, objective, noises[0], self.steps, share, told, self.cancelled)
        for target in self.refiner.targets:
            target.keep(seen)
        here = slice(first + line.before, last + line.before)
        line.latents[here] = clean[0, first - low : last - low]
        line.known[here] = True


def refined_parts(
    networks: Networks,
    stretched: Stretched,
    plain: Iterator[Tensor],
    request: Request,
    place: Place,
    material: Material,
    guidance: Tensor,
    seed: int,
    cancelled: Callable[[], bool],
    progress: Callable[[float], None],
) -> Tensor:
    """Latents [n, 64] of a request with `refine` whose targets act on parts; `plain`: bars without those targets.

    Where anything else is wanted, those bars are searched towards it first, and both searches share the time.
    """
    assert request.refine is not None
    budget, first_share, elsewhere = budget_of(request.refine), 0.0, freed(request)
    if wanted(elsewhere, place, stretched.free, networks.listener):
        first_share = 0.5
        if budget.seconds is not None:
            budget = replace(budget, seconds=budget.seconds * (1.0 - first_share))
        plain = refined(
            networks, elsewhere, place, stretched.free, guidance, seed, cancelled,
            lambda done: progress(first_share * done), budget,
        )  # fmt: skip
    edited = stretched.edited(torch.cat(list(plain)), material)
    refiner = Refiner(networks, wanted(request, place, material, networks.listener), budget, ADAPTIVE)
    made = Mender(refiner, edited, material, guidance, request.steps, cancelled, progress, first_share).make(seed)
    place.remarks.append(refiner.sentence())
    return made


def refined_edit(
    networks: Networks,
    edited: Edited,
    request: Request,
    place: Place,
    material: Material,
    guidance: Tensor,
    seed: int,
    cancelled: Callable[[], bool],
    progress: Callable[[float], None],
) -> Tensor:
    """Latents [n, 64] of a fill or of bars at the front whose noise is searched; what stays is what it was."""
    assert request.refine is not None
    targets = wanted(request, place, material, networks.listener)
    refiner = Refiner(networks, targets, budget_of(request.refine), ADAPTIVE)
    made = Mender(refiner, edited, material, guidance, request.steps, cancelled, progress).make(seed)
    place.remarks.append(refiner.sentence() if targets else NOTHING)
    return made
