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
from engine.training.augment import Take, dynamics, revoiced
from engine.types import PART_NAMES

Rng = np.random.Generator


def song_files(corpus: Path, split: str) -> list[Path]:
    return sorted((corpus / split).glob("*.safetensors"))


def held(path: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the named arrays that a song has."""
    with safe_open(str(path), "numpy") as file:
        there = set(file.keys())
    return tuple(name for name in names if name in there)


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

    latents: signal name ("mix", and where there are sub-mixes "a" and "b") -> [L, 64]; intensity: the same
    names -> [T] dBFS; the labels as in `corpus.annotate`, None where a song has none: presence [T, 5],
    melody and melody_onset [T], chroma [T, 12]. drawn: its levels follow a drawn curve, which is always told.
    """

    facts: dict[str, Any]
    latents: dict[str, Tensor]
    intensity: dict[str, NDArray[np.float32]]
    groups: dict[str, tuple[str, ...]]
    beat_phase: NDArray[np.float32]
    bar_phase: NDArray[np.float32]
    prompts: NDArray[np.float32]
    presence: NDArray[np.uint8] | None = None
    melody: NDArray[np.int64] | None = None
    melody_onset: NDArray[np.float32] | None = None
    chroma: NDArray[np.float32] | None = None
    drawn: bool = False

    def __len__(self) -> int:
        return len(self.latents["mix"])


PHASES = ("beat_phase", "bar_phase")
LABELS = {"presence": np.uint8, "melody": np.int64, "melody_onset": np.float32, "chroma": np.float32}
INTENSITIES = {"mix": "intensity", "a": "intensity_a", "b": "intensity_b"}
STORED = ("mix", "a", "b", "audio", "groups_a", *PHASES, *LABELS, *INTENSITIES.values())


def read_take(path: Path) -> Take:
    """All arrays of a song that training uses, those it has, and its facts."""
    return Take(read(path, held(path, STORED)), metadata(path))


@torch.no_grad()
def encode_features(model: Codec, features: NDArray[Any], offset: int) -> Tensor:
    """Latents [L, 64] of features [T, CHANNELS] from frame `offset` on (whole patches only)."""
    count = (len(features) - offset) // C.PATCH
    window = torch.from_numpy(features[offset : offset + count * C.PATCH].astype(np.float32))
    device = next(model.parameters()).device
    with torch.autocast(device.type, torch.bfloat16):
        return model.encode(window[None].to(device))[0].float().cpu()


def encode_take(take: Take, model: Codec, offset: int) -> Latents:
    """Encode a song's mix, and its sub-mixes if it has them, on a latent grid that starts at frame `offset`."""
    arrays = take.arrays
    latents = {name: encode_features(model, arrays[name], offset) for name in INTENSITIES if name in arrays}
    span = slice(offset, offset + len(latents["mix"]) * C.PATCH)
    groups: dict[str, tuple[str, ...]] = {"mix": PART_NAMES}
    if "a" in latents:
        groups["a"] = tuple(n for n, on in zip(PART_NAMES, arrays["groups_a"], strict=True) if on)
        groups["b"] = tuple(n for n in PART_NAMES if n not in groups["a"])
    return Latents(
        facts=take.facts,
        latents=latents,
        intensity={n: arrays[INTENSITIES[n]][span].astype(np.float32) for n in latents},
        groups=groups,
        beat_phase=arrays["beat_phase"][span].astype(np.float32),
        bar_phase=arrays["bar_phase"][span].astype(np.float32),
        prompts=np.zeros((0, 0), np.float32),
        drawn=bool(take.facts.get("drawn", False)),
        **{n: arrays[n][span].astype(kind) for n, kind in LABELS.items() if n in arrays},
    )


def load_song(path: Path, model: Codec, offset: int) -> Latents:
    """One song as it is."""
    return encode_take(read_take(path), model, offset)


def load_variants(path: Path, model: Codec, rng: Rng) -> list[Latents]:
    """A song as it is, under drawn dynamics on the other latent grid, and at another speed in other sound."""
    take = read_take(path)
    found = [encode_take(take, model, 0), encode_take(dynamics(take, rng), model, C.PATCH // 2)]
    if "audio" in take.arrays:
        found.append(encode_take(revoiced(take, rng), model, 0))
    return found


class FeatureWindows:
    """Random windows of `frames` feature frames from the songs' mixes and sub-mixes, held in memory.

    Recordings of one's own have no sub-mixes: theirs are mixes alone.

    batch(n, rng) -> [n, frames, CHANNELS] float32.
    """

    def __init__(self, files: list[Path], frames: int, names: tuple[str, ...] = ("mix", "a")) -> None:
        self.frames = frames
        self.songs = [array for path in files for array in read(path, held(path, names)).values()]
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
