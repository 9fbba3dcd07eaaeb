"""What the network that listens learns from: songs as it sees them, stretches of them, and what is true of each.

Pitch is transposed with its key; levels, equaliser, bandwidth, noise floor and width are drawn anew, so that recordings
that the corpus does not know are heard as well.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from safetensors import safe_open
from torch import Tensor

from engine.models import features as F
from engine.models.codec import PATCH
from engine.models.conditions import MODE_ALIASES
from engine.models.joint import PAIRS, view_of
from engine.models.listener import MODE_NAMES, ROOTS
from engine.models.tonality import FLOOR_DB, pitch_levels
from engine.training.data import Rng, metadata
from engine.training.prompt import Vocabulary, embed_all, song_tags
from engine.types import PART_NAMES

BATCH = 48
GROUP = 16
CAPTIONS = 3
SHORTEST, LONGEST = 24, 64
HEARD_SHARE = 0.2
UNKNOWN = -100
MID = PAIRS * F.MELS


@dataclass
class Clip:
    """One song as the network sees it: view [N, VIEW] and levels [N, SEMITONES, STEPS] in dB (fp16).

    presence [N, 5] 0..1 or None; sentences [n, 384] are the embedded captions.
    """

    facts: dict[str, Any]
    view: Tensor
    levels: Tensor
    presence: Tensor | None
    sentences: Tensor

    def __len__(self) -> int:
        return len(self.view)


def clips_of(files: list[Path], rng: Rng, console: Console, seconds: float = math.inf) -> list[Clip]:
    """Read songs, 0.8 MB each, and embed up to CAPTIONS captions of each; in random order for at most `seconds`."""
    started, clips = time.monotonic(), list[Clip]()
    order = [files[index] for index in rng.permutation(len(files))]
    for first in track(range(0, len(order), GROUP), "listen", console=console):
        if clips and time.monotonic() - started > seconds:
            break
        group = order[first : first + GROUP]
        facts = [metadata(path) for path in group]
        texts = [list(dict.fromkeys(song["captions"]))[:CAPTIONS] for song in facts]
        embedded = torch.split(embed_all([text for own in texts for text in own]), [len(own) for own in texts])
        for path, song, sentences in zip(group, facts, embedded, strict=True):
            if len(sentences) > 0:
                clips.append(clip_of(_arrays(path), song, sentences))
    return clips


def _arrays(path: Path) -> dict[str, Any]:
    """What a clip is made from, as far as the song has it."""
    with safe_open(str(path), "numpy") as file:
        return {name: file.get_tensor(name) for name in ("mix", "presence") if name in file.keys()}  # noqa: SIM118


@torch.no_grad()
def clip_of(arrays: dict[str, Any], facts: dict[str, Any], sentences: Tensor) -> Clip:
    """A clip from the arrays of a song: "mix" features [T, CHANNELS], "presence" [T, 5] where it is known."""
    features = torch.from_numpy(arrays["mix"].astype(np.float32))[None]
    view, levels = view_of(features)[0].half(), pitch_levels(features)[0].half()
    presence = None
    if "presence" in arrays:
        sounding = torch.from_numpy(arrays["presence"][: len(view) * PATCH].astype(np.float32))
        presence = torch.unflatten(sounding, 0, (-1, PATCH)).mean(1)
    return Clip(facts, view, levels, presence, sentences)


@dataclass
class Batch:
    """views and levels of B stretches and what is true of them; UNKNOWN or -1 where nothing is known."""

    view: Tensor
    levels: Tensor
    sentences: Tensor
    style: Tensor
    tags: Tensor
    parts: Tensor
    root: Tensor
    mode: Tensor


def draw(
    clips: list[Clip], vocabulary: Vocabulary, rng: Rng, size: int | None = None, count: int | None = None
) -> Batch:
    """Stretches of different songs, all `count` patches long (drawn where not given)."""
    count = int(rng.integers(SHORTEST, LONGEST + 1)) if count is None else count
    rows: list[tuple[Tensor, ...]] = []
    for index in rng.permutation(len(clips))[: size or BATCH]:
        clip = clips[index]
        start = int(rng.integers(len(clip) - count + 1))
        span = slice(start, start + count)
        caption = clip.sentences[int(rng.integers(len(clip.sentences)))]
        rows.append((clip.view[span].float(), clip.levels[span].float(), caption, *answers(clip, span, vocabulary)))
    return Batch(*(torch.stack(column) for column in zip(*rows, strict=True)))


def answers(clip: Clip, span: slice, vocabulary: Vocabulary) -> tuple[Tensor, ...]:
    """Style, tags, parts, root and mode of patches `span` of a clip."""
    facts, own = clip.facts, set(song_tags(clip.facts))
    known = facts.get("style") in vocabulary.styles
    style = vocabulary.styles.index(facts["style"]) if known else UNKNOWN
    tags = (
        torch.tensor([float(tag in own) for tag in vocabulary.tags])
        if own
        else torch.full((len(vocabulary.tags),), -1.0)
    )
    parts = torch.full((len(PART_NAMES),), -1.0)
    if clip.presence is not None:
        parts = (clip.presence[span].mean(0) > HEARD_SHARE).float()
    root, mode = key_at(facts, (span.start + span.stop) / 2 * PATCH * F.HOP / F.RATE_HZ)
    return torch.tensor(style), tags, parts, torch.tensor(root), torch.tensor(mode)


def mode_index(mode: str) -> int:
    """Index in MODE_NAMES; modes without a scale of their own count as minor."""
    name = MODE_ALIASES.get(mode, mode)
    return MODE_NAMES.index(name if name in MODE_NAMES else "minor")


def key_at(facts: dict[str, Any], seconds: float) -> tuple[int, int]:
    """(root, mode index) of a song at a time, UNKNOWN where it names no key."""
    root, mode = facts.get("key_root"), facts.get("mode")
    if root is None or mode is None:
        return UNKNOWN, UNKNOWN
    if len(changes := facts.get("keys", ())) > 1:
        numerator, denominator = facts["meter"]
        bar = seconds * float(Fraction(facts["tempo"])) / 60.0 * denominator / (4.0 * numerator)
        _, root, mode = next((key for key in reversed(changes) if key[0] <= bar), changes[0])
    return int(root), mode_index(str(mode))


def augmented(batch: Batch, rng: Rng) -> Batch:
    """The same music in another key, through another equaliser, narrower, noisier, in another width."""
    view, levels, root = batch.view.clone(), batch.levels.clone(), batch.root.clone()
    for row in range(len(view)):
        shift = int(rng.integers(-5, 7))
        levels[row] = transposed(levels[row], shift)
        if root[row] != UNKNOWN:
            root[row] = (root[row] + shift) % ROOTS
        mid = torch.unflatten(view[row, :, :MID], -1, (PAIRS, F.MELS))
        mid += equaliser(F.MELS, rng)
        levels[row] += equaliser(levels.shape[2], rng)[:, None]
        if rng.random() < 0.15:
            mid[..., int(rng.integers(64, F.MELS)) :] -= 40.0
        if rng.random() < 0.3:
            mid.clamp_(min=float(mid.mean()) - float(rng.uniform(5.0, 30.0)))
        view[row, :, MID:] *= 0.0 if rng.random() < 0.15 else float(rng.uniform(0.3, 1.3))
    return Batch(view, levels, batch.sentences, batch.style, batch.tags, batch.parts, root, batch.mode)


def transposed(levels: Tensor, semitones: int) -> Tensor:
    """Pitch levels [N, SEMITONES, STEPS] moved up; what comes in from outside is silence."""
    moved = levels.roll(semitones, 1)
    if semitones > 0:
        moved[:, :semitones] = FLOOR_DB
    elif semitones < 0:
        moved[:, semitones:] = FLOOR_DB
    return moved


def equaliser(bands: int, rng: Rng, nodes: int = 5, spread_db: float = 5.0) -> Tensor:
    """A smooth random gain in dB over `bands`."""
    heights = rng.normal(0.0, spread_db, nodes)
    curve = np.interp(np.linspace(0.0, nodes - 1.0, bands), np.arange(nodes), heights)
    return torch.from_numpy(curve.astype(np.float32))
