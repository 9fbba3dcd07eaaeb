"""Long form: more bars than one window holds, made at once (MusicCM, Algorithm 1).

The whole line of latents is noised together. At each step the network looks at overlapping crops of it, each as long
as a window, and what it says of them is fused: the line that lies nearest to all crops' answers by weighted least
squares. So no crop begins or ends where another one is heard, and the conditions run on across them. Crops go through
the network a few at a time, so that memory does not grow with the bars.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.models.denoiser import Conditions, Denoiser, DenoiserConfig
from engine.render.condition import CONTEXT
from engine.render.job import Job
from engine.render.past import UNSURE
from engine.render.sample import WINDOW, few_step, spans, window
from engine.render.source import Check, unchecked
from engine.runtimes.base import Runtime

OVERLAP = 48
BATCH = 2
LEAST_WEIGHT = 0.02
PIECE = WINDOW - CONTEXT
"""Latents that are handed on to the decoder at a time."""


def crop_starts(count: int, size: int = WINDOW, overlap: int = OVERLAP) -> list[int]:
    """Where crops of `size` begin so that they cover `count` latents evenly and overlap by `overlap` or more."""
    if count <= size:
        return [0]
    crops = 1 + math.ceil((count - size) / (size - overlap))
    return [round(i * (count - size) / (crops - 1)) for i in range(crops)]


def weights_of(size: int, overlap: int = OVERLAP) -> Tensor:
    """What a crop's answer counts at each of its latents [size]: one inside, falling towards nothing at its edges."""
    at = torch.arange(size)
    edge = torch.minimum(at, at.flip(0)).float() + 0.5
    return torch.sin(0.5 * math.pi * (edge / overlap).clamp(max=1.0)).square().clamp_min(LEAST_WEIGHT)


def fused(crops: Tensor, starts: list[int], weights: Tensor, count: int) -> Tensor:
    """The line x [count, D] with the least sum over crops i of || W^(1/2) (x[start_i : start_i + size] - crops_i) ||^2.

    crops [C, size, D], weights [size] on the diagonal of W. It is each latent's weighted mean.
    """
    size = crops.shape[1]
    total, sums = torch.zeros(count, 1), torch.zeros(count, crops.shape[2])
    for crop, start in zip(crops, starts, strict=True):
        total[start : start + size] += weights[:, None]
        sums[start : start + size] += weights[:, None] * crop
    return sums / total


def in_pieces(latents: Tensor, windows: int = 1) -> Iterator[Tensor]:
    """Latents [n, 64] as the decoder takes them: as many at a time as so many windows make."""
    for first in range(0, len(latents), windows * PIECE):
        yield latents[first : first + windows * PIECE]


@dataclass
class Across:
    """A denoiser over a line of any length: called as the network is, it answers with the fused crops.

    `check` is called before each batch of crops and may raise.
    """

    model: Denoiser
    check: Check = unchecked
    size: int = WINDOW
    overlap: int = OVERLAP
    batch: int = BATCH

    @property
    def config(self) -> DenoiserConfig:
        return self.model.config

    def __call__(
        self, z: Tensor, time: Tensor, guidance: Tensor, given: Conditions, jump: Tensor | None = None
    ) -> Tensor:
        """As `Denoiser.forward`, of one line: z [1, N, D], time, guidance and jump [1, ...], given over all of N."""
        count = z.shape[1]
        starts, size = crop_starts(count, self.size, self.overlap), min(self.size, count)
        answers = []
        for first in range(0, len(starts), self.batch):
            self.check()
            some = starts[first : first + self.batch]
            cut = [slice(start, start + size) for start in some]
            stacked = _cut(given, cut)
            row = [t.expand(len(some), *t.shape[1:]) for t in (time, guidance)]
            length = None if jump is None else jump.expand(len(some))
            parts = torch.cat([z[:, here] for here in cut])
            answers.append(self.model(parts, row[0], row[1], stacked, length))
        return fused(torch.cat(answers), starts, weights_of(size, min(self.overlap, size)), count)[None]


def _cut(given: Conditions, cut: list[slice]) -> Conditions:
    """Conditions of crops [C, size, ...] from those of a line [1, N, ...]; what is global is told to each."""
    along = {
        name: torch.cat([value[:, here] for here in cut]) for name, value in vars(given).items() if name != "globals"
    }
    return Conditions(**along, globals=given.globals.expand(len(cut), -1))


def at_once(student: Denoiser, job: Job) -> Tensor:
    """All new latents [new + UNSURE, 64], from -UNSURE on, fused at each step."""
    generator = torch.Generator().manual_seed(job.seed)
    known = job.material.sure
    given = job.material.span(-UNSURE - len(known), job.new, known)
    shape = (1, job.new + UNSURE + len(known), known.shape[1])
    clean = few_step(
        Across(student, job.check),  # type: ignore[arg-type]  # it is called as a denoiser is
        given,
        lambda: torch.randn(shape, generator=generator),
        job.steps,
        job.guidance,
        job.check,
    )
    return clean[0, len(known) :]


def apart(runtime: Runtime, job: Job) -> Tensor:
    """The same latents in windows that know nothing of each other, for comparison; the first one has the context."""
    generator = torch.Generator().manual_seed(job.seed)
    known, made = job.material.sure, []
    for span in spans(job.new, CONTEXT):
        made.append(window(runtime, job, span, known, generator))
        known = known[:0]
    return torch.cat(made)
