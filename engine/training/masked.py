"""What the frozen feature network learns from: the corpus as the codec gives it back; semantic tokens of its frames."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.models.codec import Codec
from engine.models.masked import Masked, MelFeatures, masked_loss, mid_mel
from engine.training import devices
from engine.training.data import Latents, Rng


def mixes(songs: list[Latents], size: int, count: int, rng: Rng) -> Tensor:
    """Random windows [size, count, 64] of the songs' mixes."""
    usable = [song for song in songs if len(song) >= count]
    rows = []
    for at in rng.integers(len(usable), size=size):
        first = int(rng.integers(len(usable[at]) - count + 1))
        rows.append(usable[at].latents["mix"][first : first + count])
    return torch.stack(rows)


def latent_loss(model: Masked, codec: Codec, latents: Tensor, generator: torch.Generator) -> Tensor:
    """The masked loss over what the codec makes of latents [B, N, 64]: real clips as the adversary will see them."""
    with torch.no_grad():
        mel = mid_mel(codec, latents)
    with devices.autocast(latents.device):
        return masked_loss(model, mel, generator)


@torch.no_grad()
def frames_of(features: MelFeatures, latents: Tensor) -> Tensor:
    """The last layer by time [B, T, rows x width] of latents [B, N, 64]: T = 8 N / 16 frames of 171 ms."""
    last = features(latents)[-1]
    return torch.unflatten(last, 1, (-1, features.masked.config.rows)).flatten(2)


def k_means(rows: Tensor, count: int, generator: torch.Generator, rounds: int = 25) -> Tensor:
    """Centres [count, d] of rows [n, d] by Lloyd's rounds; an empty one starts again at a row drawn at random."""
    centres = rows[torch.randperm(len(rows), generator=generator)[:count]].clone()
    for _ in range(rounds):
        nearest = tokens_of(rows, centres)
        sums = torch.zeros_like(centres).index_add_(0, nearest, rows)
        sizes = torch.bincount(nearest, minlength=count)
        drawn = rows[torch.randint(len(rows), (count,), generator=generator)]
        centres = torch.where((sizes > 0)[:, None], sums / sizes.clamp_min(1)[:, None], drawn)
    return centres


def tokens_of(rows: Tensor, centres: Tensor) -> Tensor:
    """The nearest centre of each row [..., d]."""
    return torch.cdist(rows, centres).argmin(-1)
