"""Small denoisers for tests, conditions for them, and a flow that is known in closed form."""

from __future__ import annotations

from collections.abc import Callable

import torch

from engine.diffusion import flow
from engine.models.codec import LATENTS
from engine.models.denoiser import FRAME_FEATURES, Conditions, Denoiser, DenoiserConfig

CONFIG = DenoiserConfig(prompt=7, width=32, layers=2, heads=2)


def some_conditions(batch: int, count: int, seed: int = 0) -> Conditions:
    g = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=g)

    return Conditions(
        draw(batch, count, LATENTS),
        torch.ones(batch, count, 1),
        draw(batch, count, LATENTS),
        torch.ones(batch, count, 1),
        draw(batch, count, 8, FRAME_FEATURES),
        draw(batch, CONFIG.globals_width),
    )


def shaken(build: Callable[[], Denoiser], seed: int = 0) -> Denoiser:
    """A network none of whose parameters is zero."""
    torch.manual_seed(seed)
    model = build().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def some_model(seed: int = 0) -> Denoiser:
    return shaken(lambda: Denoiser(CONFIG), seed)


def gaussian_velocity(std: float) -> flow.Velocity:
    """The exact velocity of rectified flow when the data is N(0, std^2): E[e - z0 | z_t]."""

    def velocity(z: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        t = time[:, None, None]
        variance = (1 - t) ** 2 * std**2 + t**2
        return z * (t - (1 - t) * std**2) / variance

    return velocity
