"""MeLoDy's language model as an experiment: tokens of the frozen features, and who speaks them to the dual path."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from engine.models.denoiser import Conditions, Denoiser
from engine.models.masked import MelFeatures
from engine.models.semantic import Semantic
from engine.training.masked import frames_of, k_means

FIT_CLIPS = 64
DROPPED = 0.1
"""How often the denoiser learns without tokens."""
Tokens = Callable[[Tensor], Tensor]
"""Clips [B, N, 64] to their tokens [B, T]."""


def tokens_with(model: Semantic, features: MelFeatures) -> Tokens:
    @torch.no_grad()
    def tokens(clips: Tensor) -> Tensor:
        return model.tokens_of(frames_of(features, clips))

    return tokens


@torch.no_grad()
def fit_centres(model: Semantic, features: MelFeatures, clips: Tensor, generator: torch.Generator) -> None:
    """Centres from the frames of clips [n, N, 64], by k-means."""
    frames = torch.cat([frames_of(features, part) for part in torch.split(clips, 8)])
    model.centres.copy_(k_means(frames.flatten(0, 1), model.config.tokens, generator))


class Spoken(nn.Module):
    """A dual path to which tokens [B, T] are spoken, with the plain interface of a denoiser."""

    def __init__(self, model: Denoiser, tokens: Tensor) -> None:
        super().__init__()
        self.model, self.tokens, self.config = model, tokens, model.config

    def forward(
        self, z: Tensor, time: Tensor, guidance: Tensor, given: Conditions, jump: Tensor | None = None
    ) -> Tensor:
        again = len(z) // len(self.tokens)
        result: Tensor = self.model(z, time, guidance, given, jump, semantic=self.tokens.repeat(again, 1))
        return result
