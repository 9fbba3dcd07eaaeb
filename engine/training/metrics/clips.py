"""The clips of the comparison: windows of held-out songs, and what the systems are told of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.models import conditions as K
from engine.models.codec import LATENT_HOP, LATENTS, PATCH
from engine.models.denoiser import Conditions
from engine.models.prompt import sentence_encoder
from engine.training.metrics.bench import Bench, Song
from engine.training.windows import PRESENT_SHARE
from engine.types import MODEL_RATE_HZ, PART_NAMES

WINDOW = 48
BATCH = 16
SAMPLES = WINDOW * LATENT_HOP
SECONDS = SAMPLES / MODEL_RATE_HZ
Place = tuple[Path, int, int]


@dataclass(frozen=True)
class Clip:
    """A window of a held-out song: latents first to first + 48 of the song's own grid."""

    song: Song
    first: int
    caption: str = ""

    @property
    def place(self) -> Place:
        """(file, first, last sample), light enough to send to a worker."""
        return self.song.path, self.first * LATENT_HOP, (self.first + WINDOW) * LATENT_HOP

    @property
    def style(self) -> str:
        return str(self.song.facts.get("style", ""))


def windows_of(songs: list[Song], count: int) -> tuple[list[Clip], list[Clip]]:
    """(conditions' clips, reference clips), `count` each: from the two halves of every song, swapped every second.

    Where the song is long enough, a window's length lies before every clip, for what is repeated from it.
    """
    each = -(-count // len(songs))
    asked: list[Clip] = []
    reference: list[Clip] = []
    for index, song in enumerate(songs):
        total = song.facts["frames"] // LATENT_HOP
        assert total >= 2 * WINDOW, "a held-out song is shorter than two windows"
        last = total // 2 - WINDOW
        early = np.linspace(min(WINDOW, last), last, each).astype(int)
        late = np.linspace(total // 2, total - WINDOW, each).astype(int)
        first, second = (early, late) if index % 2 else (late, early)
        captions = song.facts["captions"]
        asked += [Clip(song, int(start), captions[i % len(captions)]) for i, start in enumerate(first)]
        reference += [Clip(song, int(start)) for start in second]
    keep = np.linspace(0, len(asked) - 1, count).round().astype(int)
    return [asked[i] for i in keep], [reference[i] for i in keep]


def groups_of(clips: list[Clip]) -> NDArray[np.int64]:
    """The number of each clip's song [n], for resampling whole songs."""
    order: dict[str, int] = {}
    return np.array([order.setdefault(str(clip.song.path), len(order)) for clip in clips])


def condition(clip: Clip, prompt: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
    """(frames [48, 8, FRAME_FEATURES], globals): prompt, beat, intensity, tempo and parts; no melody, no context."""
    song, span = clip.song, slice(clip.first * PATCH, (clip.first + WINDOW) * PATCH)
    given = K.FrameTargets(
        beat_phase=song.array("beat_phase")[span].astype(np.float32),
        bar_phase=song.array("bar_phase")[span].astype(np.float32),
        intensity_db=song.array("intensity")[span].astype(np.float32),
    )
    share = song.array("presence")[span].mean(axis=0)
    parts = tuple(part for part, on in zip(PART_NAMES, share, strict=True) if on > PRESENT_SHARE)
    overall = K.global_features(len(prompt), prompt, parts, None, float(song.tempo))
    return K.pack_frames(K.frame_features(given, WINDOW * PATCH)), torch.from_numpy(overall)


@torch.no_grad()
def prompts_of(bench: Bench, texts: list[str]) -> NDArray[np.float32]:
    """Prompt vectors [n, width] of texts."""
    return np.asarray(bench.renderer.networks.prompt(sentence_encoder().embed(texts)).numpy(), np.float32)


def conditions(bench: Bench, clips: list[Clip]) -> list[Conditions]:
    """Batches of up to 16 clips, each under its own caption."""
    found = []
    for first in range(0, len(clips), BATCH):
        part = clips[first : first + BATCH]
        prompts = prompts_of(bench, [clip.caption for clip in part])
        rows = [condition(clip, prompt) for clip, prompt in zip(part, prompts, strict=True)]
        frames, overall = (torch.stack(column) for column in zip(*rows, strict=True))
        blank, mask = torch.zeros(len(rows), WINDOW, LATENTS), torch.zeros(len(rows), WINDOW, 1)
        found.append(Conditions(blank, mask, blank, mask, frames, overall))
    return found


def repeated_place(clip: Clip) -> Place:
    """Where the bars right before a clip lie: as many whole bars as a window takes, at least one if the song has it."""
    start = clip.first * LATENT_HOP
    bar = clip.song.bar_seconds * MODEL_RATE_HZ
    bars = max(1, int(min(SAMPLES, start) / bar))
    return clip.song.path, max(0, start - round(bars * bar)), start
