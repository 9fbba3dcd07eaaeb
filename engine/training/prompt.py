"""Train the prompt head: caption embeddings to the styles and tags they were written from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from engine.models.prompt import PromptHead, sentence_encoder
from engine.training.data import Rng

TAG_KINDS = ("genre", "mood", "instruments", "era", "production", "tempo")
MAX_TAGS = 96
CAPTIONS_A_SONG = 12
STEPS = 1500


@dataclass(frozen=True)
class Vocabulary:
    """What a prompt vector's entries mean: styles first, then tags."""

    styles: tuple[str, ...]
    tags: tuple[str, ...]

    @property
    def width(self) -> int:
        return len(self.styles) + len(self.tags)


def song_tags(facts: dict[str, Any]) -> list[str]:
    return [tag for kind in TAG_KINDS for tag in facts["tags"].get(kind, [])]


def build_vocabulary(songs: list[dict[str, Any]]) -> Vocabulary:
    """All styles and the most frequent tags of the corpus."""
    counts = Counter(tag for facts in songs for tag in set(song_tags(facts)))
    common = [tag for tag, count in counts.most_common(MAX_TAGS) if count >= 3]
    return Vocabulary(tuple(sorted({facts["style"] for facts in songs})), tuple(sorted(common)))


def captions_and_targets(
    songs: list[dict[str, Any]], vocabulary: Vocabulary, rng: Rng
) -> tuple[list[str], Tensor, Tensor]:
    """(texts, style index [n] , tag targets [n, tags] with -1 where a text says nothing)."""
    from engine.training.corpus.captions import caption, style_phrases

    texts: list[str] = []
    styles: list[int] = []
    rows: list[np.ndarray] = []
    for facts in songs:
        own = set(song_tags(facts))
        row = np.array([tag in own for tag in vocabulary.tags], np.float32)
        fresh = [caption(facts["tags"], rng) for _ in range(CAPTIONS_A_SONG - len(facts["captions"]))]
        for text in [*facts["captions"], *fresh]:
            texts.append(text)
            styles.append(vocabulary.styles.index(facts["style"]))
            rows.append(row)
    for style, phrases in style_phrases().items():
        if style in vocabulary.styles:
            texts += phrases
            styles += [vocabulary.styles.index(style)] * len(phrases)
            rows += [np.full(len(vocabulary.tags), -1.0, np.float32)] * len(phrases)
    return texts, torch.tensor(styles), torch.from_numpy(np.stack(rows))


def embed_all(texts: list[str]) -> Tensor:
    """Embeddings [n, 384]; sorted by length so that little is padding."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    result = torch.empty(len(texts), 384)
    for first in range(0, len(order), 64):
        part = order[first : first + 64]
        result[part] = sentence_encoder().embed([texts[i] for i in part])
    return result


def train(songs: list[dict[str, Any]], seed: int, console: Console) -> tuple[PromptHead, Vocabulary]:
    """Fit the head; phrases that name a style count four times."""
    rng = np.random.default_rng([seed, 5])
    vocabulary = build_vocabulary(songs)
    texts, styles, tags = captions_and_targets(songs, vocabulary, rng)
    embedded = embed_all(texts)
    phrase = tags[:, 0] < 0
    weights = torch.where(phrase, 4.0, 1.0)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    head = PromptHead(len(vocabulary.styles), len(vocabulary.tags))
    optimizer = torch.optim.AdamW(head.parameters(), 2e-3, weight_decay=0.02)
    for _ in range(STEPS):
        rows = torch.multinomial(weights, 256, True, generator=generator)
        noisy = embedded[rows] + 0.01 * torch.randn(256, 384, generator=generator)
        logits = head.logits(noisy)
        loss = nn.functional.cross_entropy(logits[:, : head.styles], styles[rows], label_smoothing=0.05)
        known = (tags[rows] >= 0).float()
        each = nn.functional.binary_cross_entropy_with_logits(
            logits[:, head.styles :], tags[rows].clamp_min(0), reduction="none"
        )
        loss = loss + (each * known).sum() / known.sum().clamp_min(1.0)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    with torch.no_grad():
        right = (head.logits(embedded)[:, : head.styles].argmax(1) == styles).float()
    console.print(f"prompt head: {len(texts)} texts, style right {right.mean():.3f}")
    return head.eval(), vocabulary


@torch.no_grad()
def song_prompts(head: PromptHead, captions: list[str]) -> np.ndarray:
    """Prompt vectors [n, width] of a song's captions."""
    return np.asarray(head(sentence_encoder().embed(captions)).numpy(), np.float32)
