"""Train the magnitude network on true mels and on mels that went through the codec."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from engine.models import features as F
from engine.models import vocoder as V
from engine.models.codec import PATCH, Codec
from engine.models.vocoder import Vocoder
from engine.training import devices
from engine.training.data import Rng, read
from engine.training.loop import Stage, run

FRAMES = 8 * PATCH
MARGIN = 4
CODED_SHARE = 0.5
SONGS = 240


class AudioWindows:
    """Random stereo windows [n, samples, 2] of the songs' mixes, kept as int16."""

    def __init__(self, files: list[Path], rng: Rng, songs: int = SONGS) -> None:
        picked = rng.permutation(len(files))[:songs]
        self.songs = [read(files[i], ("audio",))["audio"] for i in picked]
        self.samples = (FRAMES + 2 * MARGIN) * F.HOP

    def batch(self, count: int, rng: Rng, detune_cents: float = 0.0) -> NDArray[np.float32]:
        """Windows [count, samples, 2]; every second one, on average, is detuned by up to +-`detune_cents`."""
        rows = []
        for index in rng.integers(len(self.songs), size=count):
            song = self.songs[index]
            cents = float(rng.uniform(-detune_cents, detune_cents)) * float(rng.random() < 0.5)
            needed = math.ceil(self.samples * 2.0 ** (cents / 1200.0)) + 8 * bool(cents)
            first = int(rng.integers(len(song) - needed))
            row = song[first : first + needed].astype(np.float32) / 32768.0
            rows.append(detuned(row, cents)[: self.samples] if cents else row)
        return np.stack(rows)


def detuned(audio: NDArray[np.float32], cents: float) -> NDArray[np.float32]:
    """The audio [samples, channels] played faster (or slower), so that it sounds `cents` higher (or lower)."""
    import soxr

    return np.asarray(soxr.resample(audio, F.RATE_HZ * 2.0 ** (cents / 1200.0), F.RATE_HZ), np.float32)


@torch.no_grad()
def targets(audio: Tensor, codec: Codec, coded: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(mel [2 B, T, MELS], low [2 B, T, LOW], level [2 B, 2 T, BINS] dB) of windows [B, samples, 2].

    coded [B]: which of the windows go through the codec.
    """
    inner = slice(MARGIN, MARGIN + FRAMES)
    features = F.analyse_tensor(audio)[:, inner]
    features = torch.where(coded[:, None, None], codec.decode(codec.encode(features)), features)
    mel = features[..., : 2 * F.MELS].reshape(len(audio), FRAMES, 2, F.MELS).transpose(1, 2).flatten(0, 1)
    low = features[..., 2 * F.MELS :].repeat_interleave(2, dim=0)
    level = 20.0 * F.stft(audio.transpose(1, 2).contiguous(), V.HOP).abs().clamp_min(1e-5).log10()
    return mel, low, level[:, :, 2 * MARGIN : 2 * MARGIN + 2 * FRAMES].flatten(0, 1)


def loss(model: Vocoder, mel: Tensor, low: Tensor, level: Tensor) -> dict[str, Tensor]:
    """L1 on levels, weighted towards what is loud, and the spread's own likelihood (Laplace)."""
    output, spread = model(mel, low)
    output, spread = output.float(), spread.float() @ model.spread_map
    error = (output - level).abs()
    weight = 0.3 + ((level + 90.0) / 60.0).clamp(0.0, 1.5)
    error = error * (level > V.FLOOR_DB + 1).float().clamp_min(0.3)
    width = spread.clamp_min(0.3)
    likelihood = (error.detach() / width + width.log()).mean()
    return {"loss": (error * weight).mean() + 0.3 * likelihood, "l1": error.mean()}


def train(
    files: list[Path],
    codec: Codec,
    seconds: float,
    folder: Path,
    seed: int,
    console: Console,
    *,
    device: torch.device = devices.CPU,
    batch: int = 4,
) -> Vocoder:
    """Train for `seconds` on `device`, where the codec goes too; returns the averaged model."""
    codec.to(device)
    rng = np.random.default_rng(seed + 2)
    windows = AudioWindows(files, rng)
    torch.manual_seed(seed + 2)
    model = Vocoder().to(device)
    stage = Stage("vocoder", model, seconds, folder, lr=8e-4, decay=0.998)

    def one(_: float) -> dict[str, Tensor]:
        audio = torch.from_numpy(windows.batch(batch, rng))
        coded = torch.from_numpy(rng.random(batch) < CODED_SHARE)
        audio, coded = devices.to_device((audio, coded), device)
        mel, low, level = targets(audio, codec, coded)
        with devices.autocast(device):
            return loss(model, mel, low, level)

    run(stage, console, one, every=50)
    return model.eval()
