"""Refinement between bars that stay: the noise of an edit's holes is searched, window by window.

*Threading*: as `engine.control.refine`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.control.refine import PAST_FRAMES, Noises, Refiner, Window
from engine.models import features as F
from engine.models.codec import Codec
from engine.render.edits import Edited, conditions_of, window_around
from engine.render.job import Job
from engine.render.line import Line


def mended(refiner: Refiner, job: Job, edited: Edited) -> Tensor:
    """Latents [n, 64] as `Edited.make` gives them, its holes made by a search."""
    noises, spans = Noises(refiner.networks, job), edited.spans
    total, done = sum(last - first for first, last in spans), 0
    for span in spans:
        (first, last), line = span, edited.line
        low, high = window_around(line, span)
        given, before = conditions_of(job.material, line, low, high), _before(refiner.networks.codec, line, low, first)
        window = Window(given, first - low, first, before, done / total, (last - first) / total)
        clean, _ = refiner.search(window, noises, job)
        line.put(first, clean[0, first - low : last - low])
        done += last - first
    return edited.made


@torch.no_grad()
def _before(codec: Codec, line: Line, low: int, first: int) -> Tensor:
    """The features [1, n, CHANNELS] that end where latent `first` begins, of what is known from `low` on."""
    if low == first:
        return torch.zeros(1, 0, F.CHANNELS)
    return codec.decode(line.latents[None, low + line.before : first + line.before])[:, -PAST_FRAMES:]
