"""Train the teacher: rectified-flow velocity matching on latent windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from engine.diffusion.flow import diffuse, logit_normal_times
from engine.models.denoiser import Conditions, Denoiser, DenoiserConfig
from engine.training import devices, windows
from engine.training.data import Latents
from engine.training.devices import autocast
from engine.training.loop import Stage, run

WINDOW = 144
BATCH = 8
Example = tuple[Tensor, Tensor, Conditions]


def velocity_loss(model: Denoiser, clean: Tensor, new: Tensor, given: Conditions, generator: torch.Generator) -> Tensor:
    """Mean squared error of the velocity over the new frames."""
    time = logit_normal_times(len(clean), generator)
    noise = torch.randn(clean.shape, generator=generator, device=clean.device)
    with autocast(clean.device):
        output = model(diffuse(clean, noise, time), time, torch.ones_like(time), given)
    error = (output.float() - (noise - clean)).square() * new
    result: Tensor = error.sum() / (new.sum() * clean.shape[-1])
    return result


def train(
    songs: list[Latents],
    config: DenoiserConfig,
    seconds: float,
    folder: Path,
    seed: int,
    console: Console,
    start: Denoiser | None = None,
    device: torch.device | str = "cpu",
    lr: float = 1e-3,
    batch: int = BATCH,
    validate: Callable[[nn.Module], float] | None = None,
) -> Denoiser:
    """Train for `seconds`, from `start`'s weights if given; returns the averaged model (or the best), on the CPU.

    validate: scores averaged weights on held-out songs, lower is better.
    """
    torch.manual_seed(seed)
    model = Denoiser(config)
    if start is not None:
        model.load_state_dict(start.state_dict(), strict=False)
    model = model.to(device)
    stage = Stage("teacher", model, seconds, folder, lr=lr, decay=0.9985)
    generator = devices.generator(stage.device, seed + stage.steps)
    rng = np.random.default_rng([seed, stage.steps])

    def feed() -> Example:
        return windows.batch(songs, batch, WINDOW, rng)

    def one(examples: Example) -> dict[str, Tensor]:
        return {"loss": velocity_loss(model, *examples, generator)}

    run(stage, console, one, every=25, feed=feed, validate=validate, generators=(generator,))
    return model.cpu().eval()
