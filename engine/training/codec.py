"""Train the mel autoencoder: PCA first, the networks as its residual, small batches, many steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from engine.models import codec as C
from engine.models import features as F
from engine.models.codec import Codec
from engine.training import devices
from engine.training.data import FeatureWindows
from engine.training.loop import Stage, run

WINDOW = 24 * C.PATCH
POSTERIOR_STD = 0.05
KL_WEIGHT = 2e-4


def smooth(values: Tensor) -> Tensor:
    """Difference from frame to frame of the mels of patches [B, N, W], [B, 8 N - 1, 256]."""
    batch, count, _ = values.shape
    mels = values[..., : 2 * C.MEL_WIDTH].reshape(batch, count, 2, C.PATCH, -1)
    return mels.permute(0, 1, 3, 2, 4).flatten(3).flatten(1, 2).diff(dim=1)


def reconstruction(model: Codec, patches: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Weighted L1 in dB on levels and on their change, and the posterior's L2."""
    raw = model.encode_raw(patches)
    noise = torch.randn(raw.shape, generator=generator, device=raw.device) * POSTERIOR_STD
    output = model.decode_raw(raw + noise).float()
    weights = C.loss_weights(str(raw.device))
    error = ((output - patches).abs() * weights).mean()
    change = (smooth(output) - smooth(patches)).abs().mean()
    return {"loss": error + 0.3 * change + KL_WEIGHT * raw.square().sum(-1).mean(), "l1": error}


@torch.no_grad()
def finish(model: Codec, patches: Tensor) -> None:
    """Centre the latents, then scale each by the root of its effect on the decoded patch."""
    raw = model.encode_raw(patches).flatten(0, 1)
    mean, std = raw.mean(0), raw.std(0)
    base = model.decode_raw(raw[None, :512])
    effects = []
    for index in range(C.LATENTS):
        moved = raw[None, :512].clone()
        moved[..., index] += 0.3 * std[index]
        change = (model.decode_raw(moved) - base) * C.loss_weights(str(raw.device))
        effects.append(change.abs().mean())
    effect = torch.stack(effects)
    weight = (effect / effect.mean()).sqrt().clamp(0.4, 2.5)
    model.latent_mean.copy_(mean)
    model.latent_scale.copy_(weight / std * (1.0 / weight.square().mean().sqrt()))


def train(
    files: list[Path],
    seconds: float,
    folder: Path,
    seed: int,
    console: Console,
    *,
    device: torch.device = devices.CPU,
    batch: int = 12,
) -> Codec:
    """Train for `seconds` on `device`; returns the averaged model with its latent scaling set."""
    rng = np.random.default_rng(seed)
    generator = devices.generator(device, seed)
    windows = FeatureWindows(files, WINDOW)
    torch.manual_seed(seed)
    model = Codec().to(device)
    sample = devices.to_device(torch.cat([C.patchify(windows.batch(64, rng)) for _ in range(16)]), device)
    model.init_from_pca(sample.flatten(0, 1))
    stage = Stage("codec", model, seconds, folder, lr=7e-4, decay=0.998)

    def one(_: float) -> dict[str, Tensor]:
        patches = C.patchify(devices.to_device(windows.batch(batch, rng), device))
        with devices.autocast(device):
            return reconstruction(model, patches, generator)

    run(stage, console, one, every=50)
    finish(model, sample)
    return model.eval()


@torch.no_grad()
def measure(model: Codec, files: list[Path], seed: int = 0) -> dict[str, float]:
    """Held-out errors in dB: raw L1, L1 after smoothing over 5 frames, of mid-side left and right."""
    windows = FeatureWindows(files, WINDOW, ("mix",))
    clean = windows.batch(64, np.random.default_rng(seed))
    mels = slice(0, 2 * F.MELS)
    error = model.decode(model.encode(clean))[..., mels] - clean[..., mels]
    smoothed = torch.nn.functional.avg_pool1d(error.transpose(1, 2), 5, 1)
    low = model.decode(model.encode(clean))[..., 2 * F.MELS :] - clean[..., 2 * F.MELS :]
    return {
        "l1_db": float(error.abs().mean()),
        "l1_smoothed_db": float(smoothed.abs().mean()),
        "low_l1_db": float(low.abs().mean()),
    }
