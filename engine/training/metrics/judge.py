"""The judge: a small network that names the style of real clips, trained anew for every corpus.

It hears statistics of the training split's log-mel (levels, spread, change, and how fast the bands pulse), is trained
here, at evaluation, and by nobody else; no training of the product ever saw it. Its probabilities give style accuracy,
KL divergence and inception score, its hidden layer the second embedding of the Frechet distance and the space of the
novelty search.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn

from engine.models import features as F
from engine.training import data
from engine.whole import whole

POOL_FRAMES, POOL_BANDS = 4, 2
BANDS = F.MELS // POOL_BANDS
CENTRE_DB, SPAN_DB = -45.0, 20.0
FRAMES = 96
"""What is heard at once: 4.1 s; longer clips are heard in half-overlapping pieces."""
GROUPS, PULSES, PULSE_BINS = 8, 31, 192
QUANTILES = (0.1, 0.5, 0.9)
EMBEDDING = 128
EPOCHS, BATCH = 8, 64
SEED = 4_021
Floats = NDArray[np.float32]


def view(features: Tensor) -> Tensor:
    """Log-mel as the judge hears it: features [T, CHANNELS] dB to [T // 4, 64], sides, bands and frames averaged."""
    middle = 0.5 * (features[:, : F.MELS] + features[:, F.MELS : 2 * F.MELS])
    pooled = nn.functional.avg_pool2d(middle[None, None].float(), (POOL_FRAMES, POOL_BANDS))
    return (pooled[0, 0] - CENTRE_DB) / SPAN_DB


def pieces(one: Tensor) -> Tensor:
    """A view [N, 64] as what is heard at once, half overlapping: [n, 96, 64]; a short one is held at its end."""
    if len(one) < FRAMES:
        one = torch.cat([one, one[-1:].expand(FRAMES - len(one), -1)])
    return one.unfold(0, FRAMES, FRAMES // 2).transpose(1, 2)


def statistics(views: Tensor) -> Tensor:
    """[B, STATISTICS] of views [B, 96, 64]: level, spread, change, rise, quantiles, pulse of 8 groups of bands."""
    change = views.diff(dim=1)
    ordered = views.sort(dim=1).values
    bands = views.reshape(*views.shape[:2], GROUPS, -1).mean(3)
    rise = bands.diff(dim=1).clamp_min(0.0)
    pulse = torch.fft.rfft(rise - rise.mean(1, keepdim=True), PULSE_BINS, dim=1).abs()[:, 2 : 2 + 2 * PULSES]
    pulse = torch.log(pulse.reshape(len(pulse), PULSES, 2, GROUPS).mean(2) + 0.05)
    parts = [views.mean(1), views.std(1), change.abs().mean(1), change.clamp_min(0.0).mean(1), pulse.flatten(1)]
    parts += [ordered[:, round(q * (FRAMES - 1))] for q in QUANTILES]
    return torch.cat(parts, dim=1)


STATISTICS = (4 + len(QUANTILES)) * BANDS + GROUPS * PULSES


class Judge(nn.Module):
    """Statistics [B, STATISTICS] to (embedding [B, 128], logits [B, styles])."""

    centre: Tensor
    scale: Tensor

    def __init__(self, styles: tuple[str, ...]) -> None:
        super().__init__()
        self.styles = styles
        self.register_buffer("centre", torch.zeros(STATISTICS))
        self.register_buffer("scale", torch.ones(STATISTICS))
        self.first = nn.Dropout(0.2)
        self.inner = nn.Linear(STATISTICS, EMBEDDING)
        self.drop = nn.Dropout(0.5)
        self.output = nn.Linear(EMBEDDING, len(styles))

    def forward(self, given: Tensor) -> tuple[Tensor, Tensor]:
        embedding = nn.functional.gelu(self.inner(self.first((given - self.centre) / self.scale)))
        return embedding, self.output(self.drop(embedding))

    @torch.no_grad()
    def hear(self, features: Tensor) -> tuple[Floats, Floats]:
        """(embedding [128], log-probabilities [styles]) of a clip's features [T, CHANNELS] dB, averaged over pieces."""
        embedding, logits = self(statistics(pieces(view(features))))
        return embedding.mean(0).numpy(), logits.mean(0).log_softmax(-1).numpy()


@dataclass(frozen=True)
class Shelf:
    """The training split as the judge hears it: views [n songs][N, 64] float16, each with its style's index."""

    views: list[NDArray[np.float16]]
    labels: NDArray[np.int64]
    styles: tuple[str, ...]


def shelve(files: list[Path], console: Console) -> Shelf:
    """Read the stored features of `files`."""
    from rich.progress import track

    views = []
    for path in track(files, "judge: training songs   ", console=console):
        views.append(view(torch.from_numpy(data.read(path, ("mix",))["mix"])).half().numpy())
    names = [str(data.metadata(path).get("style", "")) for path in files]
    styles = tuple(sorted(set(names)))
    return Shelf(views, np.array([styles.index(name) for name in names]), styles)


def disturbed(views: Tensor, generator: torch.Generator) -> Tensor:
    """Views [B, N, 64] with another level, tone, grain and, in a third of them, blurred or moved by a band."""
    count = len(views)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    slope = torch.linspace(-1, 1, BANDS)
    tilt = slope * normal(count, 1, 1) + slope.square() * normal(count, 1, 1)
    heard = views + 0.2 * normal(count, 1, 1) + 0.15 * tilt + 0.08 * normal(*views.shape)
    blurred = nn.functional.avg_pool1d(views.transpose(1, 2), 3, 1, 1).transpose(1, 2)
    pick = torch.rand(count, 1, 1, generator=generator)
    return torch.where(pick < 0.15, blurred, torch.where(pick < 0.3, heard.roll(1, 2), heard))


@torch.no_grad()
def material(shelf: Shelf, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(statistics [n, STATISTICS], labels [n]) of all pieces of all songs, every second one disturbed."""
    rows, labels = [], []
    for one, label in zip(shelf.views, shelf.labels.tolist(), strict=True):
        cut = pieces(torch.from_numpy(one.astype(np.float32)))
        heard = torch.cat([statistics(cut[0::2]), statistics(disturbed(cut, generator))])
        rows.append(heard)
        labels += [label] * len(heard)
    return torch.cat(rows), torch.tensor(labels)


def fit(shelf: Shelf, epochs: int, console: Console) -> Judge:
    """Train for `epochs`; deterministic for one thread count."""
    from rich.progress import track

    generator = torch.Generator().manual_seed(SEED)
    given, labels = material(shelf, generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = Judge(shelf.styles)
        model.centre.copy_(given.mean(0))
        model.scale.copy_(given.std(0).clamp_min(1e-3))
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.1)
        for _ in track(range(epochs), "judge: training         ", console=console):
            for rows in torch.split(torch.randperm(len(given), generator=generator), BATCH):
                noisy = given[rows] + 0.1 * model.scale * torch.randn(len(rows), STATISTICS, generator=generator)
                loss = nn.functional.cross_entropy(model(noisy)[1], labels[rows], label_smoothing=0.05)
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
    return model.eval().requires_grad_(False)


def key_of(files: list[Path], epochs: int) -> str:
    """What the judge depends on, as 16 hex digits: names and sizes of the training songs, recipe."""
    songs = [f"{path.name} {path.stat().st_size}" for path in files]
    recipe = (BANDS, FRAMES, STATISTICS, EMBEDDING, BATCH, SEED, epochs)
    return hashlib.sha256(repr((songs, recipe)).encode()).hexdigest()[:16]


def load(path: Path) -> Judge:
    """A judge from its file."""
    from safetensors import safe_open
    from safetensors.torch import load_file

    with safe_open(str(path), "pt") as file:
        model = Judge(tuple(file.metadata()["styles"].split("\n")))
    model.load_state_dict(load_file(str(path)))
    return model.eval().requires_grad_(False)


def save(model: Judge, path: Path) -> None:
    """Whole or not at all."""
    from safetensors.torch import save_file

    with whole(path) as part:
        save_file(model.state_dict(), str(part), {"styles": "\n".join(model.styles)})
