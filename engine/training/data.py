"""The rendered corpus as training material: feature windows for the codec, latent windows for the rest.

Songs are the safetensors that `corpus.build` writes. Test songs are never opened here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from engine.models import codec as C
from engine.models.codec import Codec
from engine.types import PART_NAMES

Rng = np.random.Generator


def song_files(corpus: Path, split: str) -> list[Path]:
    return sorted((corpus / split).glob("*.safetensors"))


def read(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """The named arrays of one song."""
    with safe_open(str(path), "numpy") as file:
        return {name: file.get_tensor(name) for name in names}


def metadata(path: Path) -> dict[str, Any]:
    """The song's facts: style, tempo, meter, key_root, mode, tags, captions ..."""
    with safe_open(str(path), "numpy") as file:
        note = file.metadata()
    parsed: dict[str, Any] = json.loads(next(iter(note.values())))
    return parsed


@dataclass
class Latents:
    """One song ready for the denoiser. L latent frames, T = 8 L feature frames.

    latents: signal name ("mix", "a", "b") -> [L, 64]; intensity: the same names -> [T] dBFS;
    presence [T, 5]; the rest as in `corpus.annotate`.
    """

    facts: dict[str, Any]
    latents: dict[str, Tensor]
    intensity: dict[str, NDArray[np.float32]]
    presence: NDArray[np.uint8]
    groups: dict[str, tuple[str, ...]]
    beat_phase: NDArray[np.float32]
    bar_phase: NDArray[np.float32]
    melody: NDArray[np.int64]
    melody_onset: NDArray[np.float32]
    chroma: NDArray[np.float32]
    prompts: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.latents["mix"])


ANNOTATIONS = ("beat_phase", "bar_phase", "melody", "melody_onset", "chroma", "groups_a")
INTENSITIES = {"mix": "intensity", "a": "intensity_a", "b": "intensity_b"}


@torch.no_grad()
def encode_features(model: Codec, features: NDArray[np.float16], offset: int) -> Tensor:
    """Latents [L, 64] of features [T, CHANNELS] from frame `offset` on (whole patches only)."""
    count = (len(features) - offset) // C.PATCH
    window = torch.from_numpy(features[offset : offset + count * C.PATCH].astype(np.float32))
    with torch.autocast("cpu", torch.bfloat16):
        return model.encode(window[None])[0].float()


def load_song(path: Path, model: Codec, offset: int) -> Latents:
    """Encode one song's mix and sub-mixes on a latent grid that starts at frame `offset`."""
    arrays = read(path, ("mix", "a", "b", "presence", *ANNOTATIONS, *INTENSITIES.values()))
    latents = {name: encode_features(model, arrays[name], offset) for name in ("mix", "a", "b")}
    span = slice(offset, offset + len(latents["mix"]) * C.PATCH)
    in_a = tuple(n for n, on in zip(PART_NAMES, arrays["groups_a"], strict=True) if on)
    in_b = tuple(n for n in PART_NAMES if n not in in_a)
    return Latents(
        facts=metadata(path),
        latents=latents,
        intensity={n: arrays[k][span].astype(np.float32) for n, k in INTENSITIES.items()},
        presence=arrays["presence"][span],
        groups={"mix": PART_NAMES, "a": in_a, "b": in_b},
        beat_phase=arrays["beat_phase"][span].astype(np.float32),
        bar_phase=arrays["bar_phase"][span].astype(np.float32),
        melody=arrays["melody"][span].astype(np.int64),
        melody_onset=arrays["melody_onset"][span].astype(np.float32),
        chroma=arrays["chroma"][span].astype(np.float32),
        prompts=np.zeros((0, 0), np.float32),
    )


class FeatureWindows:
    """Random windows of `frames` feature frames from the songs' mixes and sub-mixes, held in memory.

    batch(n, rng) -> [n, frames, CHANNELS] float32.
    """

    def __init__(self, files: list[Path], frames: int, names: tuple[str, ...] = ("mix", "a")) -> None:
        self.frames = frames
        self.songs = [array for path in files for array in read(path, names).values()]
        self.songs = [song for song in self.songs if len(song) > frames]
        sizes = np.array([len(song) for song in self.songs], np.float64)
        self.weights = sizes / sizes.sum()

    def batch(self, count: int, rng: Rng) -> Tensor:
        picked = rng.choice(len(self.songs), count, p=self.weights)
        rows = []
        for song in (self.songs[i] for i in picked):
            first = int(rng.integers(len(song) - self.frames))
            rows.append(song[first : first + self.frames])
        return torch.from_numpy(np.stack(rows).astype(np.float32))
