"""From a render's job to refined latents: of plain bars, of an edit, and of bars whose targets act on a part of them.

*Threading*: as `engine.control.refine`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from engine.control.optimise import Budget
from engine.control.refine import Refiner
from engine.control.wanted import budget_of, wanted
from engine.control.within import mended
from engine.models.load import Networks
from engine.render.edits import Edited
from engine.render.job import Job
from engine.render.stretches import Stretched, freed

NOTHING = "There is nothing to refine towards: give a curve, a melody, a form or words."
FIRST_SHARE = 0.5
"""Of time and progress, what a search for all of the bars gets where another one for parts of them follows."""


def refined(networks: Networks, job: Job, budget: Budget | None = None) -> Iterator[Tensor]:
    """Windows of latents of a request with `refine`, as `sample.latents` yields them; what it reached is remarked.

    budget: another one than the request says.
    """
    refiner = Refiner.of(networks, job, budget)
    if not refiner.targets:
        job.place.remarks.append(NOTHING)
    yield from refiner.latents(job)
    if refiner.targets:
        job.place.remarks.append(refiner.sentence())


def refined_edit(networks: Networks, job: Job, edited: Edited) -> Tensor:
    """Latents [n, 64] of a fill or of bars at the front whose noise is searched; what stays is what it was."""
    refiner = Refiner.of(networks, job)
    made = mended(refiner, job, edited)
    job.place.remarks.append(refiner.sentence() if refiner.targets else NOTHING)
    return made


def refined_parts(networks: Networks, job: Job, stretched: Stretched, plain: Iterator[Tensor]) -> Tensor:
    """Latents [n, 64] of a request with `refine` whose targets act on parts; `plain`: bars without those targets.

    Where anything else is wanted, those bars are searched towards it first, and both searches share the time. Then the
    noise of the stretches is searched between what was made.
    """
    assert job.request.refine is not None
    budget = budget_of(job.request.refine)
    first = replace(job, request=freed(job.request), material=stretched.free)
    second = job
    if wanted(first.request, first.place, first.material, networks.listener):
        if budget.seconds is not None:
            budget = replace(budget, seconds=budget.seconds * FIRST_SHARE)
        plain = refined(networks, replace(first, progress=_between(job.progress, 0.0, FIRST_SHARE)), budget)
        second = replace(job, progress=_between(job.progress, FIRST_SHARE, 1.0))
    edited = stretched.edited(torch.cat(list(plain)), job.material)
    refiner = Refiner.of(networks, second, budget)
    made = mended(refiner, second, edited)
    job.place.remarks.append(refiner.sentence())
    return made


def _between(progress: Callable[[float], None], low: float, high: float) -> Callable[[float], None]:
    """`progress` of a part of the work, from `low` to `high` of the whole."""
    return lambda done: progress(low + (high - low) * done)
