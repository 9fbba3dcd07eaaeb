"""Worker processes that turn latents into sound and sound into embeddings, one thread each."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from engine.render.generate import ModelRenderer
from engine.render.load import load_renderer
from engine.training.metrics.bench import FIRST_SEED, Bench
from engine.training.metrics.embed import clip_vector
from engine.types import Audio

Place = tuple[Path, int, int]
_bench: list[Bench] = []


def count() -> int:
    """One worker a core, at most eight."""
    return max(1, min(8, os.cpu_count() or 1))


def start(folder: Path) -> None:
    """In each worker: load the bundle."""
    torch.set_num_threads(1)
    renderer = load_renderer(folder)
    assert isinstance(renderer, ModelRenderer)
    _bench[:] = [Bench(renderer, [], 0, folder, Console(quiet=True))]


def read(place: Place) -> Audio:
    """Samples of a song's mix, float32 [frames, 2]."""
    from safetensors import safe_open

    path, first, last = place
    with safe_open(str(path), "numpy") as file:
        return np.asarray(file.get_slice("audio")[first:last], np.float32) / np.float32(32768.0)


def describe(places: list[Place]) -> NDArray[np.float64]:
    """Embeddings [n, d] of stored sound."""
    return np.stack([clip_vector(read(place)) for place in places])


def describe_coded(places: list[Place]) -> NDArray[np.float64]:
    """The same after codec and vocoder."""
    return np.stack([clip_vector(_bench[0].reconstructed(read(place))) for place in places])


@torch.no_grad()
def describe_latents(latents: NDArray[np.float32]) -> NDArray[np.float64]:
    """Embeddings [n, d] of latents [n, N, 64], decoded and spoken."""
    bench = _bench[0]
    features = bench.renderer.networks.codec.decode(torch.from_numpy(latents))
    return np.stack([clip_vector(bench.spoken(one, FIRST_SEED % 4096)) for one in features])
