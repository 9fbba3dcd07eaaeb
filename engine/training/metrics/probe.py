"""A probe of the melody: a small network that hears the lead's pitch class in real mixes, trained at evaluation.

Log-frequency spectra of the mono mix (3 bins a semitone, a short and a long window) go through convolutions that are
the same at every pitch, so that what it learns of one note holds for all; its score of a pitch class is the
strongest of its octaves. It never sees generated sound, nor the clips it judges.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.types import MODEL_RATE_HZ, Audio

Array = NDArray[np.float64]
RATE_HZ, FRAME_RATE_HZ = 16_000, 20
WINDOWS = (2048, 4096)
PER_SEMITONE = 3
LOWEST, HIGHEST = 36, 112
NOTES = range(48, 96)
HARMONICS = (0, 12, 19, 24, 28)
CONTEXT = 2


@lru_cache(maxsize=2)
def _filters(window: int) -> Tensor:
    """Triangles [window / 2 + 1, bins] on a log-frequency axis, at least two STFT bins wide."""
    hz = np.arange(window // 2 + 1) * RATE_HZ / window
    pitch = LOWEST + np.arange((HIGHEST - LOWEST) * PER_SEMITONE) / PER_SEMITONE
    centre = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    half = np.maximum(centre * (2.0 ** (1.0 / (12 * PER_SEMITONE)) - 1.0), RATE_HZ / window)
    weights = np.maximum(0.0, 1.0 - np.abs(hz[:, None] - centre) / half)
    return torch.from_numpy(weights / weights.sum(0)).float()


def spectra(audio: Audio, rate: int = MODEL_RATE_HZ) -> Tensor:
    """Levels [T, 2, bins] of audio [frames, channels], 20 frames a second from second 0; 0 to about 1 (60 dB)."""
    import soxr

    mono = torch.from_numpy(soxr.resample(np.asarray(audio.mean(axis=1), np.float32), rate, RATE_HZ, "HQ"))
    views = []
    for window in WINDOWS:
        shape = torch.hann_window(window)
        found = torch.stft(
            mono, window, RATE_HZ // FRAME_RATE_HZ, window=shape, pad_mode="constant", return_complex=True
        )
        level = 20.0 * torch.log10((found.abs().T @ _filters(window)) / window + 1e-7)
        views.append(level)
    both = torch.stack(views, 1)
    return ((both - both.amax(dim=(1, 2), keepdim=True)) / 60.0 + 1.0).clamp_min(0.0)


class Probe(nn.Module):
    """Spectra with two frames of context on each side [B, 2 x 5, bins] to scores of NOTES [B, 48]."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.local = nn.Conv1d(2 * (2 * CONTEXT + 1), width, 7, padding=3)
        self.harmonic = nn.Conv1d(width * len(HARMONICS), width, 1)
        self.out = nn.Sequential(nn.GELU(), nn.Conv1d(width, width, 5, padding=2), nn.GELU(), nn.Conv1d(width, 1, 1))
        self.register = nn.Parameter(torch.zeros(len(NOTES)))

    def forward(self, views: Tensor) -> Tensor:
        local = torch.nn.functional.gelu(self.local(views))
        padded = torch.nn.functional.pad(local, (0, max(HARMONICS) * PER_SEMITONE))
        count = local.shape[-1]
        stacked = [padded[..., step * PER_SEMITONE : step * PER_SEMITONE + count] for step in HARMONICS]
        salience = self.out(self.harmonic(torch.cat(stacked, 1)))[:, 0]
        first = (NOTES[0] - LOWEST) * PER_SEMITONE
        return cast(Tensor, salience[:, first : first + len(NOTES) * PER_SEMITONE : PER_SEMITONE] + self.register)

    def classes(self, views: Tensor) -> Tensor:
        """Scores of pitch classes [B, 12]: the log-sum over octaves."""
        return cast(Tensor, self(views).reshape(len(views), -1, 12).logsumexp(dim=1))


def with_context(found: Tensor) -> Tensor:
    """[T, 2, bins] to [T, 10, bins]: each frame with the two before and after it (edges held)."""
    rows = torch.arange(len(found))[:, None] + torch.arange(-CONTEXT, CONTEXT + 1)
    return found[rows.clamp(0, len(found) - 1)].flatten(1, 2)


@dataclass
class Lessons:
    """Labelled frames of clips: spectra [n] of [T, 2, bins], MIDI pitch [n] of [T], -1 where none is to be learnt."""

    views: list[Tensor]
    pitch: list[NDArray[np.int64]]

    def add(self, audio: Audio, pitch: NDArray[np.int64]) -> None:
        """pitch: one value per frame of 1 / 20 s."""
        found = spectra(audio)[: len(pitch)].half()
        self.views.append(found)
        self.pitch.append(pitch[: len(found)])


def train(lessons: Lessons, steps: int = 500, batch: int = 64, seed: int = 0) -> Probe:
    """A probe fitted on frames whose pitch is in NOTES, every batch transposed by up to three semitones.

    Without any such frame it stays untrained.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        probe = Probe()
    wide = torch.cat([with_context(view) for view in lessons.views])
    pitch = torch.from_numpy(np.concatenate(lessons.pitch))
    usable = torch.nonzero((pitch >= NOTES[0] + 3) & (pitch < NOTES[-1] - 2))[:, 0]
    if len(usable) == 0:
        return probe.eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(probe.parameters(), 4e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
    for _ in range(steps):
        rows = usable[torch.randint(len(usable), (batch,), generator=generator)]
        shift = int(torch.randint(-3, 4, (1,), generator=generator))
        views = torch.roll(wide[rows].float(), shift * PER_SEMITONE, dims=-1)
        wanted = (pitch[rows] + shift) % 12
        loss = torch.nn.functional.cross_entropy(probe.classes(views), wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(probe.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return probe.eval().requires_grad_(False)


def save(probe: Probe, path: Path) -> None:
    from safetensors.torch import save_file

    save_file({name: value.contiguous() for name, value in probe.state_dict().items()}, str(path))


def load(path: Path) -> Probe:
    from safetensors.torch import load_file

    probe = Probe()
    probe.load_state_dict(load_file(str(path)))
    return probe.eval().requires_grad_(False)


def heard(probe: Probe, audio: Audio, times: Array) -> NDArray[np.int64]:
    """The probe's pitch class [n] at `times` in seconds."""
    views = with_context(spectra(audio))
    rows = np.round(times * FRAME_RATE_HZ).astype(int).clip(0, len(views) - 1)
    return np.asarray(probe.classes(views[rows]).argmax(dim=1).numpy(), np.int64)
