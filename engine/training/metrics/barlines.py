"""Where does an ear hear the one? A small network that lays bars over real clips, trained anew at evaluation.

It hears log-mel as the style judge does and writes, frame by frame, how much what happens there belongs to each of the
first harmonics of the bar's phase; a way to lay the bars scores the sum over the clip. Bars told by their phase serve
any meter and tempo, and no turn is preferred beforehand. It learns from songs of the training split against their own
bars turned by whole beats, and never sees generated sound. No training of the product uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.models.codec import Residual
from engine.training import data
from engine.training.metrics import judge

HARMONICS, MOST_BEATS = 6, 8
FRAMES = 192
"""What is learnt from at once: 8.2 s."""
STEPS, BATCH, WIDTH, BLOCKS = 500, 24, 96, 4
SEED = 7_013
Array = NDArray[np.float64]


class Ear(nn.Module):
    """Views [B, N, 64] of `judge.view` to weights of sines and cosines [B, N, 2 HARMONICS]; N as long as one likes."""

    def __init__(self) -> None:
        super().__init__()
        self.input = nn.Linear(2 * judge.BANDS, WIDTH)
        self.blocks = nn.Sequential(*[Residual(WIDTH) for _ in range(BLOCKS)])
        self.norm, self.drop = nn.LayerNorm(WIDTH), nn.Dropout(0.2)
        self.output = nn.Linear(WIDTH, 2 * HARMONICS)

    def forward(self, views: Tensor) -> Tensor:
        level = views - views.mean((1, 2), keepdim=True)
        rise = level.diff(dim=1, prepend=level[:, :1])
        result: Tensor = self.output(self.drop(self.norm(self.blocks(self.input(torch.cat([level, rise], -1))))))
        return result

    def scores(self, views: Tensor, phase: Tensor, beats: Tensor) -> Tensor:
        """Logits [B, MOST_BEATS] of bars turned by 0, 1, ... beats, -inf from `beats` [B] on; phase [B, N] in turns."""
        turn = torch.arange(MOST_BEATS)
        laid = phase[:, None] - turn[:, None] / beats[:, None, None]
        angle = 2 * torch.pi * laid[..., None] * torch.arange(1, HARMONICS + 1)
        total = (self(views)[:, None] * torch.cat([angle.sin(), angle.cos()], -1)).sum((2, 3))
        result: Tensor = (total / views.shape[1] ** 0.5).masked_fill(turn >= beats[:, None], float("-inf"))
        return result

    @torch.no_grad()
    def turn(self, features: Tensor, bars: Bars) -> int:
        """By how many beats the bars of a clip, features [T, CHANNELS] dB, seem turned; 0: its downbeats are right."""
        view = judge.view(features)[: len(bars.phase)]
        told = torch.from_numpy(bars.phase[: len(view)]).float()[None]
        return int(self.scores(view[None], told, torch.tensor([float(bars.beats)])).argmax())


@dataclass(frozen=True)
class Bars:
    """Bars over frames of `judge.view`: phase [N] in turns, felt beats in each."""

    phase: Array
    beats: int

    @staticmethod
    def of(beat_phase: np.ndarray, bar_phase: np.ndarray) -> Bars:
        """From phases per feature frame [T]; a bar has as many beats as the beat's phase turns in it."""
        beat, bar = (_walk(phase) for phase in (beat_phase, bar_phase))
        whole = len(bar_phase) // judge.POOL_FRAMES * judge.POOL_FRAMES
        middle = bar_phase[judge.POOL_FRAMES // 2 : whole : judge.POOL_FRAMES]
        return Bars(middle.astype(np.float64), round(beat / max(bar, 1e-9)))


def _walk(phase: np.ndarray) -> float:
    return float(np.mean((np.diff(phase.astype(np.float64)) + 0.5) % 1.0 - 0.5))


@dataclass(frozen=True)
class Lessons:
    """Songs with bars of two beats or more: views [N, 64] and their bars."""

    views: list[Tensor]
    bars: list[Bars]

    @staticmethod
    def read(files: list[Path]) -> Lessons:
        """From those of `files` whose bars are known."""
        views, bars = [], []
        for path in files:
            if not data.metadata(path).get("beat_known", True):
                continue
            arrays = data.read(path, ("mix", *data.PHASES))
            view = judge.view(torch.from_numpy(arrays["mix"]))
            laid = Bars.of(*(arrays[name] for name in data.PHASES))
            if len(view) > FRAMES and 2 <= laid.beats <= MOST_BEATS:
                views.append(view)
                bars.append(laid)
        return Lessons(views, bars)

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """(views [B, FRAMES, 64], phase [B, FRAMES], beats [B]) of random stretches."""
        views, phases, beats = [], [], []
        for at in rng.integers(len(self.views), size=BATCH):
            view, bars = self.views[at], self.bars[at]
            first = int(rng.integers(min(len(view), len(bars.phase)) - FRAMES + 1))
            views.append(view[first : first + FRAMES])
            phases.append(torch.from_numpy(bars.phase[first : first + FRAMES]).float())
            beats.append(float(bars.beats))
        return torch.stack(views), torch.stack(phases), torch.tensor(beats)


def train(lessons: Lessons, steps: int = STEPS) -> Ear:
    """Fit on stretches of the lessons, every batch disturbed; deterministic for one thread count."""
    rng, generator = np.random.default_rng(SEED), torch.Generator().manual_seed(SEED)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = Ear()
        optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, max(2, steps))
        for _ in range(steps if lessons.views else 0):
            views, phase, beats = lessons.batch(rng)
            scores = model.scores(judge.disturbed(views, generator), phase, beats)
            loss = nn.functional.cross_entropy(scores, torch.zeros(len(views), dtype=torch.int64))
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return model.eval().requires_grad_(False)
