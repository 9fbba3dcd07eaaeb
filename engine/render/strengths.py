"""How strongly each condition acts: a request's guidance and strengths as the denoiser's input."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.diffusion.jumps import GUIDANCE_RANGE
from engine.models.denoiser import GROUPS, DenoiserConfig, usual_strengths
from engine.types import Request

CONTINUE_GUIDANCE = 2.0
"""Guidance holds a continuation to its context (docs/LOG.md)."""
BEYOND = "Guidance acts up to {most:g} with this bundle; {asked:g} counts as that."
UNLEARNT = "Strengths act as 0 (off) or 1 (on) with this bundle; others count as 1."


def strengths_of(request: Request, config: DenoiserConfig, continuing: bool) -> tuple[Tensor, list[str]]:
    """Strengths [1, GROUPS] that the denoiser is told, and remarks on what it cannot follow.

    `request.guidance`, or else the bundle's own scale, moves prompt, melody, chords and context together; a strength of
    the request stands above it. 0 withholds a condition before it gets here, so that it counts as 1.
    """
    remarks = []
    usual = CONTINUE_GUIDANCE if config.jumps and continuing else config.guidance
    scale, most = request.guidance or usual, GUIDANCE_RANGE[1]
    if config.jumps and scale > most:
        remarks.append(BEYOND.format(most=most, asked=scale))
        scale = most
    told = usual_strengths(torch.tensor([scale]))
    asked = {name: getattr(request.strengths, name) for name in GROUPS}
    own = {name: value for name, value in asked.items() if value not in (None, 0)}
    if config.strengths:
        for name, value in own.items():
            told[0, GROUPS.index(name)] = value
    elif any(value != 1 for value in own.values()):
        remarks.append(UNLEARNT)
    return told, remarks
