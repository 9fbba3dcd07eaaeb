"""Stage 2: latents in a few steps of the student, window by window.

A window is at most `WINDOW` latents: what is known before, then what is new. Longer requests
chain windows, each with the last latents of the one before as its context.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from engine.diffusion import consistency, jumps
from engine.models.codec import LATENTS
from engine.models.denoiser import Conditions, Denoiser
from engine.render.condition import CONTEXT
from engine.render.job import Job
from engine.render.past import UNSURE
from engine.render.source import Check, unchecked
from engine.runtimes.base import Runtime

WINDOW = 144


def spans(new: int, context: int) -> list[tuple[int, int]]:
    """Split latents -UNSURE ... new into (first, last) windows of equal size, each with room for context.

    One window does where what context is missing leaves room enough.
    """
    total = new + UNSURE
    if total <= WINDOW - context:
        return [(-UNSURE, new)]
    count = -(-total // (WINDOW - CONTEXT))
    edges = [-UNSURE + round(total * i / count) for i in range(count + 1)]
    return list(itertools.pairwise(edges))


@torch.no_grad()
def few_step(
    model: Denoiser,
    given: Conditions,
    draw: Callable[[], Tensor],
    steps: int,
    guidance: Tensor,
    check: Check = unchecked,
) -> Tensor:
    """Clean latents [B, N, 64] of a student in `steps` passes, by the sampler that it was distilled for.

    draw() -> noise [B, N, 64], once for jumps, once a step for consistency; guidance [B].
    """
    if model.config.jumps:
        return jumps.sample(model, given, draw(), steps, guidance, check)
    return consistency.sample(
        lambda z, time: consistency.consistency(model, z, time, guidance, given),
        draw,
        consistency.sampling_times(steps),
        check,
    )


def latents(runtime: Runtime, job: Job) -> Iterator[Tensor]:
    """Yield windows of new latents [n, 64] in order, from latent -UNSURE to `job.new`."""
    generator = torch.Generator().manual_seed(job.seed)
    known = job.material.sure
    for span in spans(job.new, len(known)):
        made = window(runtime, job, span, known, generator)
        known = torch.cat([known, made])[-CONTEXT:]
        yield made


def window(runtime: Runtime, job: Job, span: tuple[int, int], known: Tensor, generator: torch.Generator) -> Tensor:
    """Latents [last - first, 64] of one window; `known` [k, 64] lies right before it."""
    first, last = span
    given = job.material.span(first - len(known), last, known)
    shape = (1, last - first + len(known), LATENTS)
    clean = runtime.sample(given, lambda: torch.randn(shape, generator=generator), job.steps, job.guidance, job.check)
    return clean[0, len(known) :]
