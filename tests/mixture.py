"""A mixture of two Gaussians on a line: its score on any path, and its flow in closed form.

In one dimension the flow from noise to data keeps quantiles, so that it is F_s^-1(F_t(z)).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.diffusion.paths import Path, Says


@dataclass(frozen=True)
class Mixture:
    """Weights, means and one standard deviation each; z is [B, 1, 1]."""

    weights: tuple[float, ...] = (0.35, 0.65)
    means: tuple[float, ...] = (-1.2, 0.8)
    stds: tuple[float, ...] = (0.3, 0.4)

    def marginal(self, path: Path, time: Tensor, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights [2], means and variances [B, 1, 1, 2] of z at `time` [B]."""
        weight, mean, std = (torch.tensor(x, dtype=like.dtype) for x in (self.weights, self.means, self.stds))
        alpha, sigma = (f(time)[:, None, None, None].to(like) for f in (path.alpha, path.sigma))
        return weight, alpha * mean, (alpha * std).square() + sigma.square()

    def clean(self, path: Path, z: Tensor, time: Tensor) -> Tensor:
        """E[z_0 | z_t]."""
        weight, mean, variance = self.marginal(path, time, z)
        alpha = path.alpha(time)[:, None, None, None].to(z)
        off = z[..., None] - mean
        share = (weight.log() - 0.5 * variance.log() - 0.5 * off.square() / variance).softmax(-1)
        own_mean, std = (torch.tensor(x, dtype=z.dtype) for x in (self.means, self.stds))
        return (share * (own_mean + alpha * std.square() / variance * off)).sum(-1)

    def says(self, path: Path) -> Says:
        """The exact network of the path."""

        def network(z: Tensor, time: Tensor) -> Tensor:
            clean = self.clean(path, z, time)
            alpha, sigma = (f(time)[:, None, None].to(z) for f in (path.alpha, path.sigma))
            noise = (z - alpha * clean) / sigma.clamp_min(1e-9)
            return path.target(clean, noise, time.to(z))

        return network

    def below(self, path: Path, z: Tensor, time: Tensor) -> Tensor:
        """F_t(z)."""
        weight, mean, variance = self.marginal(path, time, z)
        return (weight * torch.special.ndtr((z[..., None] - mean) / variance.sqrt())).sum(-1)

    def at_quantiles(self, path: Path, time: Tensor, share: Tensor) -> Tensor:
        """F_t^-1(share [n]) as [n, 1, 1], by bisection."""
        low, high = (torch.full((len(share), 1, 1), x, dtype=torch.float64) for x in (-12.0, 12.0))
        for _ in range(60):
            middle = 0.5 * (low + high)
            under = self.below(path, middle, time.double()) < share.double()[:, None, None]
            low, high = torch.where(under, middle, low), torch.where(under, high, middle)
        return 0.5 * (low + high)

    def carried(self, path: Path, z: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """Where the flow takes z from one time to another."""
        share = self.below(path, z.double(), start.double()).flatten()
        return self.at_quantiles(path, end, share).to(z)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Data [count, 1, 1]."""
        which = torch.multinomial(torch.tensor(self.weights), count, True, generator=generator)
        noise = torch.randn(count, generator=generator)
        return (torch.tensor(self.means)[which] + torch.tensor(self.stds)[which] * noise)[:, None, None]

    def distance(self, found: Tensor) -> float:
        """Wasserstein-1 distance of samples [n, 1, 1] to the data."""
        from engine.diffusion.paths import FLOW

        share = (torch.arange(len(found), dtype=torch.float64) + 0.5) / len(found)
        truth = self.at_quantiles(FLOW, torch.zeros(1), share).flatten()
        return float((found.double().flatten().sort().values - truth).abs().mean())
