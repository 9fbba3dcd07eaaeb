"""What is playing? Styles, tags, key and parts of a stretch of latents.

A continuation without a prompt is prompted by what it continues: the listener's answer stands where the
prompt head's would, and its key and parts where the request names none (music prompting, MeLoDy).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.controls.harmony import MODES
from engine.models.codec import LATENTS, Residual
from engine.types import PART_NAMES, Part

MODE_NAMES = tuple(sorted(MODES))
ROOTS = 12
SURE = 0.6


@dataclass(frozen=True)
class Heard:
    """prompt [styles + tags] as the prompt head gives it; key (root 0-11, mode name) or None; parts."""

    prompt: NDArray[np.float32]
    key: tuple[int, str] | None
    parts: tuple[Part, ...]


class Listener(nn.Module):
    """Latents [B, N, 64] to logits [B, styles + tags + 12 roots + modes + 5 parts]; any N from 4 on."""

    def __init__(self, styles: int, tags: int, width: int = 160, blocks: int = 2) -> None:
        super().__init__()
        self.sizes = (styles, tags, ROOTS, len(MODE_NAMES), len(PART_NAMES))
        self.input = nn.Linear(LATENTS, width)
        self.blocks = nn.Sequential(*[Residual(width) for _ in range(blocks)])
        self.norm = nn.LayerNorm(2 * width)
        self.output = nn.Linear(2 * width, sum(self.sizes))

    def forward(self, latents: Tensor) -> tuple[Tensor, ...]:
        """Logits of styles, tags, roots, modes and parts, each [B, its size]."""
        hidden = self.blocks(self.input(latents))
        pooled = torch.cat([hidden.mean(1), hidden.amax(1)], dim=-1)
        logits: Tensor = self.output(self.norm(pooled))
        edges = np.cumsum([0, *self.sizes])
        return tuple(logits[:, a:b] for a, b in itertools.pairwise(edges))

    @torch.no_grad()
    def hear(self, latents: Tensor, features: Tensor) -> Heard:
        """The answer for one stretch of latents [N, 64]; their features are not looked at."""
        styles, tags, roots, modes, parts = (logits[0] for logits in self(latents[None]))
        prompt = torch.cat([styles.softmax(-1), tags.sigmoid()]).numpy()
        sounding = cast(tuple[Part, ...], tuple(n for n, on in zip(PART_NAMES, parts.tolist(), strict=True) if on > 0))
        sure = float(roots.softmax(-1).max()) >= SURE
        key = (int(roots.argmax()), MODE_NAMES[int(modes.argmax())]) if sure else None
        return Heard(prompt, key, sounding)
