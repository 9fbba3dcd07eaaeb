"""Train the teacher: rectified-flow velocity matching on latent windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from engine.diffusion.flow import diffuse, logit_normal_times
from engine.models.denoiser import Conditions, Denoiser, DenoiserConfig
from engine.training import windows
from engine.training.data import Latents
from engine.training.loop import Stage, run

WINDOW = 144
BATCH = 8


def velocity_loss(model: Denoiser, clean: Tensor, new: Tensor, given: Conditions, generator: torch.Generator) -> Tensor:
    """Mean squared error of the velocity over the new frames."""
    time = logit_normal_times(len(clean), generator).to(clean)
    noise = torch.randn(clean.shape, generator=generator).to(clean)
    with torch.autocast(clean.device.type, torch.bfloat16):
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
) -> Denoiser:
    """Train for `seconds`, from `start`'s weights if given; returns the averaged model, on the CPU."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = Denoiser(config)
    if start is not None:
        model.load_state_dict(start.state_dict(), strict=False)
    model = model.to(device)
    stage = Stage("teacher", model, seconds, folder, lr=lr, decay=0.9985)
    rng = np.random.default_rng([seed, stage.steps])

    def one(_: float) -> dict[str, Tensor]:
        clean, new, given = windows.batch(songs, BATCH, WINDOW, rng, device)
        return {"loss": velocity_loss(model, clean, new, given, generator)}

    run(stage, console, one, every=25)
    return model.cpu().eval()


@torch.no_grad()
def validation_loss(model: Denoiser, songs: list[Latents], seed: int = 0, batches: int = 8) -> float:
    """Velocity error on held-out songs, the same windows, times and noise each time."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    losses = [velocity_loss(model, *windows.batch(songs, BATCH, WINDOW, rng), generator) for _ in range(batches)]
    return float(torch.stack(losses).mean())
