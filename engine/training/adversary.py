"""The game between a maker of waves and its critics: least squares, with feature matching.

    adversary = Adversary(Critics().to(device), seconds, folder)
    losses |= adversary.against(found, true)     # critics learn; returns what the maker should minimise

The maker's gradient passes through the critics without touching their weights (Mao et al., "Least squares
generative adversarial networks", 2017; Larsen et al., 2016, for feature matching).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from engine.training import devices
from engine.training.discriminators import Critics, Seen
from engine.training.loop import Stage

LR = 2e-4
DECAY = 0.99
MATCHING = 2.0


def critics_loss(real: list[Seen], fake: list[Seen]) -> Tensor:
    """Real patches should score 1, made ones 0; mean over critics."""
    parts = [(a - 1.0).square().mean() + b.square().mean() for (a, _), (b, _) in zip(real, fake, strict=True)]
    return torch.stack(parts).mean()


def maker_loss(fake: list[Seen]) -> Tensor:
    return torch.stack([(score - 1.0).square().mean() for score, _ in fake]).mean()


def matching_loss(real: list[Seen], fake: list[Seen]) -> Tensor:
    """L1 between hidden layers, each relative to the size of the real one."""
    parts = [
        (a.detach() - b).abs().mean() / a.detach().abs().mean().clamp_min(1e-3)
        for (_, left), (_, right) in zip(real, fake, strict=True)
        for a, b in zip(left, right, strict=True)
    ]
    return torch.stack(parts).mean()


class Adversary:
    """Critics with their own optimiser, scheduled and saved beside the maker's stage (`Stage(beside=...)`)."""

    def __init__(self, critics: Critics, seconds: float, folder: Path) -> None:
        self.critics = critics
        self.stage = Stage("critics", critics, seconds, folder, lr=LR, decay=DECAY)

    def learn(self, found: Tensor, true: Tensor) -> Tensor:
        """One step of the critics on waves [N, samples]; returns their loss."""
        with devices.autocast(found.device):
            loss = critics_loss(self.critics(true), self.critics(found.detach()))
        self.stage.step(loss)
        return loss.detach()

    def against(self, found: Tensor, true: Tensor) -> dict[str, Tensor]:
        """Teach the critics, then return `adversary` (to be minimised) and the critics' own loss."""
        criticism = self.learn(found, true)
        self.critics.requires_grad_(False)
        with devices.autocast(found.device):
            with torch.no_grad():
                real = self.critics(true)
            fake = self.critics(found)
            loss = maker_loss(fake) + MATCHING * matching_loss(real, fake)
        self.critics.requires_grad_(True)
        return {"adversary": loss.float(), "critics": criticism}
