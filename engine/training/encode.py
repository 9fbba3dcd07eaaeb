"""Songs as latents, made once by worker processes and kept beside the stages.

A folder of the cache belongs to one encoder: its name holds a digest of the weights that decide a
latent, so that a new decoder keeps the cache and a new encoder starts another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.models.codec import Codec
from engine.training.data import LABELS, PHASES, Latents, load_song, load_variants
from engine.whole import whole

ENCODER = ("down.", "encoder.", "mean", "latent_mean", "latent_scale")


def digest(model: Codec) -> str:
    """Twelve hexadecimal digits that name an encoder."""
    state = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        if name.startswith(ENCODER):
            state.update(value.float().cpu().numpy().tobytes())
    return state.hexdigest()[:12]


def save_latents(path: Path, song: Latents) -> None:
    """Write one song's latents and labels; prompts are not kept."""
    tensors: dict[str, Tensor] = {f"latents.{n}": v.half().contiguous() for n, v in song.latents.items()}
    tensors |= {f"intensity.{n}": torch.from_numpy(v) for n, v in song.intensity.items()}
    for name in (*PHASES, *LABELS):
        if (value := getattr(song, name)) is not None:
            tensors[name] = torch.from_numpy(np.ascontiguousarray(value))
    about = {"facts": song.facts, "groups": song.groups, "drawn": song.drawn}
    with whole(path) as part:
        save_file(tensors, str(part), {"song": json.dumps(about)})


def open_latents(path: Path) -> Latents:
    with safe_open(str(path), "pt") as file:
        about = json.loads(file.metadata()["song"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping

    def group(prefix: str) -> dict[str, Tensor]:
        return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}

    return Latents(
        facts=about["facts"],
        latents={name: value.float() for name, value in group("latents.").items()},
        intensity={name: value.numpy() for name, value in group("intensity.").items()},
        groups={name: tuple(parts) for name, parts in about["groups"].items()},
        prompts=np.zeros((0, 0), np.float32),
        drawn=about["drawn"],
        **{name: tensors[name].numpy() for name in (*PHASES, *LABELS) if name in tensors},
    )


@lru_cache(maxsize=1)
def _codec(weights: Path) -> Codec:
    torch.set_num_threads(1)
    model = Codec()
    model.load_state_dict(load_file(str(weights)))
    return model.eval()


def encode_file(path: Path, weights: Path, folder: Path, seed: int, variants: bool) -> list[Path]:
    """Encode one song unless its latents are there; returns their paths. Runs in a worker."""
    kept = sorted(folder.glob(f"{path.stem}.*.latents"))
    if kept:
        return kept
    rng = np.random.default_rng([seed, *path.stem.encode()])
    model = _codec(weights)
    songs = load_variants(path, model, rng) if variants else [load_song(path, model, 0)]
    paths = [folder / f"{path.stem}.{index}.latents" for index in range(len(songs))]
    for song, target in reversed(list(zip(songs, paths, strict=True))):
        save_latents(target, song)
    return paths


def encoded(
    files: list[Path], model: Codec, cache: Path, seed: int, variants: bool, workers: int, console: Console
) -> list[Latents]:
    """All songs as latents, with their augmented variants or as they are; those in the cache are not made again."""
    folder = cache / f"{digest(model)}-{'variants' if variants else 'plain'}"
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "codec.safetensors"
    save_file({name: value.cpu().contiguous() for name, value in model.state_dict().items()}, str(weights))
    jobs = [(path, weights, folder, seed, variants) for path in files]
    found = track(_made(jobs, workers), "encode", total=len(jobs), console=console)
    return [open_latents(path) for paths in found for path in paths]


def _made(jobs: list[tuple[Path, Path, Path, int, bool]], workers: int) -> Iterator[list[Path]]:
    if workers <= 1:
        yield from (encode_file(*job) for job in jobs)
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        yield from pool.map(encode_file, *zip(*jobs, strict=True), chunksize=4)
