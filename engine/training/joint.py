"""Train the network that listens: text and sound into one space, and the corpus' own annotations by ear.

The sentence encoder stays as it is; both sides of the space are trained by InfoNCE over a batch of songs
and their captions (Radford et al., "CLIP", 2021, with its learnt temperature).
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from engine.models.joint import Impression, Joint
from engine.models.listener import MODE_NAMES, ROOTS
from engine.training.hearing import LONGEST, UNKNOWN, Batch, augmented, clips_of, draw
from engine.training.loop import Stage, run
from engine.training.prompt import Vocabulary

READING = 0.4
SAME_TEXT = 0.97
WEIGHTS = {"contrast": 1.0, "style": 1.0, "tags": 3.0, "parts": 1.0, "key": 1.0}


def contrast(model: Joint, heard: Tensor, sentences: Tensor) -> Tensor:
    """InfoNCE both ways of unit vectors [B, SPACE] and captions [B, 384]; equal captions are no negatives."""
    told = model.text(sentences + 0.02 * torch.randn_like(sentences))
    logits = model.heat.clamp(max=4.6).exp() * heard @ told.T
    same = (sentences @ sentences.T > SAME_TEXT) & ~torch.eye(len(heard), dtype=torch.bool, device=heard.device)
    logits = logits.masked_fill(same, -1e4)
    truth = torch.arange(len(heard), device=heard.device)
    return (nn.functional.cross_entropy(logits, truth) + nn.functional.cross_entropy(logits.T, truth)) / 2


def _known(logits: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy where truth is not negative."""
    each = nn.functional.binary_cross_entropy_with_logits(logits, truth.clamp_min(0.0), reduction="none")
    known = (truth >= 0).float()
    return (each * known).sum() / known.sum().clamp_min(1.0)


def _named(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy where truth is not UNKNOWN."""
    known = (truth != UNKNOWN).sum().clamp_min(1)
    return nn.functional.cross_entropy(logits, truth, ignore_index=UNKNOWN, reduction="sum") / known


def losses(model: Joint, batch: Batch) -> dict[str, Tensor]:
    """The weighted sum as 'loss', its terms, and the shares of right styles and roots."""
    heard = model.listen_view(batch.view, batch.levels)
    key = torch.where(batch.root == UNKNOWN, UNKNOWN, batch.root * len(MODE_NAMES) + batch.mode)
    terms = {
        "contrast": contrast(model, heard.embedding, batch.sentences),
        "style": _named(heard.styles, batch.style),
        "tags": _known(heard.tags, batch.tags),
        "parts": _known(heard.parts, batch.parts),
        "key": _named(heard.keys.flatten(1), key),
    }
    total = torch.stack([WEIGHTS[name] * term for name, term in terms.items()]).sum()
    right = (heard.styles.argmax(-1) == batch.style).float().mean()
    return {
        "loss": total,
        **terms,
        "style_right": right,
        "root_right": (roots_of(heard).argmax(-1) == batch.root).float().mean(),
    }


def roots_of(heard: Impression) -> Tensor:
    """Probabilities of the roots [B, 12]."""
    return torch.unflatten(heard.keys.flatten(1).softmax(-1), 1, (ROOTS, -1)).sum(-1)


def train(
    files: list[Path],
    vocabulary: Vocabulary,
    seconds: float,
    folder: Path,
    seed: int,
    console: Console,
    device: torch.device | str = "cpu",
) -> Joint:
    """Read songs for at most READING of `seconds`, train for the rest; returns the averaged model, on the CPU.

    Songs of at most LONGEST patches are left out.
    """
    started = time.monotonic()
    clips = clips_of(files, np.random.default_rng([seed, 3]), console, READING * seconds)
    left = max(0.0, seconds - (time.monotonic() - started))
    torch.manual_seed(seed + 3)
    model = Joint(len(vocabulary.styles), len(vocabulary.tags)).to(device)
    stage = Stage("joint", model, left, folder, lr=1e-3, decay=0.99)
    rng = np.random.default_rng([seed + 3, stage.steps])
    usable = [clip for clip in clips if len(clip) > LONGEST]

    def one(_: float) -> dict[str, Tensor]:
        batch = augmented(draw(usable, vocabulary, rng), rng)
        return losses(model, Batch(*(column.to(device) for column in vars(batch).values())))

    run(stage, console, one, every=20)
    return model.cpu().eval()
