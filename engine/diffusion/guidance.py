"""Guidance with a strength for each group of conditions: several scales at once, outside the network.

With strengths s_g, v = v(c) + sum over the distinct scales s of (s - 1) (v(c) - v(c without the groups at s)):
classifier-free guidance where all guided groups share one scale (s = 1 + w in AudioLCM), and a sum of such terms where
they do not (Brooks et al. 2023, Eq. 3, for two). A strength of 0 leaves out what its group says.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.diffusion.flow import Velocity
from engine.models import denoiser as D
from engine.models.denoiser import Conditions, Denoiser


def without(given: Conditions, left_out: Tensor, prompt_width: int) -> Conditions:
    """`given` without the groups of `left_out` [B, GROUPS] (bool): they count as not told.

    The key goes with the chords; what sounds under the new bars with the context. Parts and tempo always stay.
    """
    kept = {name: (~left_out[:, i]).to(given.frames.dtype) for i, name in enumerate(D.GROUPS)}
    widths = (D.BEAT_FEATURES, D.MELODY_FEATURES, D.CHORD_FEATURES, D.INTENSITY_FEATURES)
    columns = [kept[name][:, None].expand(-1, n) for name, n in zip(FRAME_GROUPS, widths, strict=True)]
    overall = given.globals.clone()
    overall[:, : prompt_width + 1] *= kept["prompt"][:, None]
    key = prompt_width + 1 + D.PART_FEATURES
    overall[:, key : key + D.KEY_FEATURES] *= kept["chords"][:, None]
    around = kept["context"][:, None, None]
    return Conditions(
        given.context * around, given.context_mask * around, given.under * around, given.under_mask * around,
        given.frames * torch.cat(columns, dim=1)[:, None, None], overall,
    )  # fmt: skip


FRAME_GROUPS = ("beat", "melody", "chords", "intensity")
"""The groups of `Conditions.frames`, in the order of their columns."""


def terms(strengths: Tensor, count: int | None = None) -> list[tuple[Tensor, Tensor]]:
    """(scale [B], groups that have it [B, GROUPS]) for each distinct strength but 1.

    count: how many to return without looking how many there are (no host sync on a GPU); a scale of 1 fills up.
    """
    left = strengths != 1.0
    found: list[tuple[Tensor, Tensor]] = []
    while len(found) < count if count is not None else bool(left.any()):
        first = left.int().argmax(1, keepdim=True)
        scale = torch.where(left.any(1), strengths.gather(1, first)[:, 0], torch.ones_like(strengths[:, 0]))
        same = left & (strengths == scale[:, None])
        found.append((scale, same))
        left = left & ~same
    return found


def guided_velocity(model: Denoiser, given: Conditions, guidance: Tensor, count: int | None = None) -> Velocity:
    """The velocity under an overall scale [B] or strengths [B, GROUPS]; a pass more for each distinct scale (`count`).

    All acts outside the network, whose own guidance input is held at 1.
    """
    found = terms(D.usual_strengths(guidance) if guidance.dim() == 1 else guidance, count)
    views = [given, *(without(given, groups, model.config.prompt) for _, groups in found)]
    stacked = Conditions(**{k: torch.cat([getattr(view, k) for view in views]) for k in vars(given)})

    def velocity(z: Tensor, time: Tensor) -> Tensor:
        ones = torch.ones(len(views) * len(z), device=z.device)
        copies = z.repeat(len(views), 1, 1), time.repeat(len(views))
        full, *rest = model(*copies, ones, stacked).chunk(len(views))
        result: Tensor = full
        for (scale, _), view in zip(found, rest, strict=True):
            result = result + (scale - 1.0)[:, None, None].to(full) * (full - view)
        return result

    return velocity
