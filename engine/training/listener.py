"""Train the listener on the corpus' own annotations; a minute is enough."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from engine.models.codec import PATCH
from engine.models.conditions import MODE_ALIASES
from engine.models.listener import MODE_NAMES, Listener
from engine.training.data import Latents, Rng
from engine.training.loop import Stage, run
from engine.training.prompt import Vocabulary, song_tags
from engine.types import PART_NAMES

BATCH = 32
SHORTEST, LONGEST = 20, 48
HEARD_SHARE = 0.2
Targets = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def mode_index(mode: str) -> int:
    """Index in MODE_NAMES; modes without a scale of their own count as minor."""
    name = MODE_ALIASES.get(mode, mode)
    return MODE_NAMES.index(name if name in MODE_NAMES else "minor")


def answers(song: Latents, span: slice, vocabulary: Vocabulary) -> tuple[int, list[bool], int, int, list[bool]]:
    """Style, tags, root, mode and parts of feature frames `span` of a song's mix."""
    own = set(song_tags(song.facts))
    sounding = song.presence[span].mean(axis=0) > HEARD_SHARE
    return (
        vocabulary.styles.index(song.facts["style"]),
        [tag in own for tag in vocabulary.tags],
        int(song.facts["key_root"]),
        mode_index(song.facts["mode"]),
        [bool(on) for on in sounding[: len(PART_NAMES)]],
    )


def batch(songs: list[Latents], vocabulary: Vocabulary, rng: Rng) -> tuple[Tensor, Targets]:
    """(latents [B, N, 64], targets) of random stretches, N the same within a batch."""
    count = int(rng.integers(SHORTEST, LONGEST + 1))
    clips, rows = [], []
    for index in rng.integers(len(songs), size=BATCH):
        song = songs[index]
        start = int(rng.integers(len(song) - count))
        clips.append(song.latents["mix"][start : start + count])
        rows.append(answers(song, slice(start * PATCH, (start + count) * PATCH), vocabulary))
    style, tags, root, mode, parts = zip(*rows, strict=True)
    flags = (torch.tensor(np.array(tags, np.float32)), torch.tensor(np.array(parts, np.float32)))
    return torch.stack(clips), (torch.tensor(style), flags[0], torch.tensor(root), torch.tensor(mode), flags[1])


def loss(model: Listener, latents: Tensor, targets: Targets) -> dict[str, Tensor]:
    """Cross-entropies of style, root and mode, binary ones of tags and parts."""
    style, tags, root, mode, parts = model(latents)
    named = [
        nn.functional.cross_entropy(a, b) for a, b in ((style, targets[0]), (root, targets[2]), (mode, targets[3]))
    ]
    flags = [nn.functional.binary_cross_entropy_with_logits(a, b) for a, b in ((tags, targets[1]), (parts, targets[4]))]
    right = (style.argmax(-1) == targets[0]).float().mean()
    in_key = (root.argmax(-1) == targets[2]).float().mean()
    return {"loss": torch.stack(named + flags).sum(), "style": right, "root": in_key}


def train(
    songs: list[Latents], vocabulary: Vocabulary, seconds: float, folder: Path, seed: int, console: Console
) -> Listener:
    """Train for `seconds`; returns the averaged model."""
    torch.manual_seed(seed + 3)
    model = Listener(len(vocabulary.styles), len(vocabulary.tags))
    stage = Stage("listener", model, seconds, folder, lr=1e-3, decay=0.99)
    rng = np.random.default_rng([seed + 3, stage.steps])
    long_enough = [song for song in songs if len(song) > LONGEST]

    def one(_: float) -> dict[str, Tensor]:
        return loss(model, *batch(long_enough, vocabulary, rng))

    run(stage, console, one, every=100)
    return model.eval()


@torch.no_grad()
def measure(model: Listener, songs: list[Latents], vocabulary: Vocabulary, seed: int = 0) -> dict[str, float]:
    """Held-out shares of right styles and roots over 40 batches."""
    rng = np.random.default_rng(seed)
    found = [loss(model, *batch(songs, vocabulary, rng)) for _ in range(40)]
    return {key: float(torch.stack([row[key] for row in found]).mean()) for key in ("style", "root")}
