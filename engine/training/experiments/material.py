"""What every experiment has in common: the same songs as latents, the same held-out ones, one codec and listener."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

from engine import bundle as bundles
from engine.errors import BadRequest
from engine.models.codec import Codec
from engine.models.joint import Joint
from engine.models.load import load_networks
from engine.models.prompt import PromptHead
from engine.training import data, encode, prompt
from engine.training.data import Latents
from engine.whole import whole

CORPUS_HOURS = 1.0
HELD_OUT_OF = 12
"""Where nothing says which songs are held out, every twelfth is."""
SEED = 1


@dataclass(frozen=True)
class Material:
    """songs and held_out with their prompt vectors, of width `prompt`."""

    songs: list[Latents]
    held_out: list[Latents]
    codec: Codec
    listener: Joint | None
    prompt: int


def song_of(path: Path) -> str:
    """The song that a file of latents belongs to: 000123.2.latents is a variant of 000123."""
    return path.name.partition(".")[0]


def split(folder: Path, digest: str) -> tuple[list[Path], list[Path]]:
    """(training, held-out) files of a cache of latents as `engine.training.encode` keeps it.

    `<digest>-variants` is for training and `<digest>-plain` held out, where they share no song; of one folder alone
    every twelfth song is held out. Songs count as they are, without their variants: minutes do not see them all.
    """
    plain, variants = (
        sorted((folder / f"{digest}-{kind}").glob("*.0.latents")) if (folder / f"{digest}-{kind}").is_dir() else []
        for kind in ("plain", "variants")
    )
    apart = {song_of(path) for path in plain}
    if variants and plain:
        return [path for path in variants if song_of(path) not in apart], plain
    every = plain or variants
    ids = sorted({song_of(path) for path in every})
    apart = set(ids[HELD_OUT_OF - 1 :: HELD_OUT_OF]) or set(ids[-1:])
    training = [path for path in every if song_of(path) not in apart]
    return training, [path for path in every if song_of(path) in apart]


def prompted(songs: list[Latents], head: PromptHead, cache: Path) -> None:
    """Give the songs the prompt vectors of their captions; every text is embedded once, and kept in `cache`."""
    texts = list(dict.fromkeys(text for song in songs for text in song.facts["captions"]))
    name = hashlib.sha256(json.dumps(texts).encode())
    for value in head.state_dict().values():
        name.update(value.float().cpu().numpy().tobytes())
    kept = cache / f"prompts-{name.hexdigest()[:12]}.safetensors"
    if not kept.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with torch.no_grad(), whole(kept) as part:
            save_file({"vectors": head(prompt.embed_all(texts)).contiguous()}, str(part))
    vectors = dict(zip(texts, load_file(str(kept))["vectors"].numpy(), strict=True))
    for song in songs:
        song.prompts = np.stack([vectors[text] for text in song.facts["captions"]])


def load(out: Path, latents: Path | None, bundle: Path | None, console: Console, most: int | None = None) -> Material:
    """The material of OUT. latents: a cache that a training run left; else OUT/latents, made from OUT/corpus.

    bundle: whose codec, prompt head and listener are used, by default the shipped one's; the cache must be of its
    codec. most: how many training songs are opened at most. Raises BadRequest, BadBundle.
    """
    networks = load_networks(bundles.load(bundle or bundles.DEFAULT))
    digest = encode.digest(networks.codec)
    folder = latents or out / "latents"
    training, held_out = split(folder, digest)
    if not training and latents is not None:
        raise BadRequest(f"{latents} holds no latents of this bundle's codec ({digest}); leave --latents out.")
    if not training:
        make(out, networks.codec, console)
        training, held_out = split(folder, digest)
    songs, apart = ([encode.open_latents(path) for path in paths] for paths in (training[:most], held_out))
    prompted([*songs, *apart], networks.prompt, out)
    listener = networks.listener if isinstance(networks.listener, Joint) else None
    console.print(f"experiments: {len(songs)} songs, {len(apart)} held out")
    return Material(songs, apart, networks.codec, listener, songs[0].prompts.shape[1])


def make(out: Path, codec: Codec, console: Console, hours: float = CORPUS_HOURS) -> None:
    """Compose and render a corpus into OUT/corpus unless there is one, and encode it into OUT/latents."""
    corpus, workers = out / "corpus", max(1, os.cpu_count() or 1)
    if not data.song_files(corpus, "train"):
        from engine.training.corpus.build import build

        console.print(f"composing and rendering {hours:g} h of music into {corpus}")
        build(corpus, hours, workers, SEED, lambda done, total: None)
    encode.encoded(data.song_files(corpus, "train"), codec, out / "latents", SEED, True, workers, console)
    valid = data.song_files(corpus, "valid")
    if valid:
        encode.encoded(valid, codec, out / "latents", SEED, False, 1, console)
