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
from engine.training.phrasebook import PHRASEBOOK
from engine.training.phrasebook.asked import ASKED
from engine.training.phrasebook.grammar import composed
from engine.training.phrasings import CARRIERS, TAUGHT, UNSEEN

TAG_KINDS = ("genre", "mood", "instruments", "era", "production", "tempo")
MAX_TAGS = 96
CAPTIONS_A_SONG = 12
COMPOSED_A_STYLE = 60
STEPS = 1500
NOISE = 0.02
ANCHOR = 5.0


@dataclass(frozen=True)
class Vocabulary:
    """What a prompt vector's entries mean: styles first, then tags."""

    styles: tuple[str, ...]
    tags: tuple[str, ...]

    @property
    def width(self) -> int:
        return len(self.styles) + len(self.tags)


def song_tags(facts: dict[str, Any]) -> list[str]:
    return [tag for kind in TAG_KINDS for tag in facts.get("tags", {}).get(kind, [])]


def build_vocabulary(songs: list[dict[str, Any]]) -> Vocabulary:
    """All styles and the most frequent tags of the corpus."""
    counts = Counter(tag for facts in songs for tag in set(song_tags(facts)))
    common = [tag for tag, count in counts.most_common(MAX_TAGS) if count >= 3]
    return Vocabulary(tuple(sorted({facts["style"] for facts in songs})), tuple(sorted(common)))


def captions_and_targets(
    songs: list[dict[str, Any]], vocabulary: Vocabulary, rng: Rng
) -> tuple[list[str], Tensor, Tensor]:
    """(texts, style index [n] , tag targets [n, tags] with -1 where a text says nothing)."""
    from engine.training.corpus.captions import caption

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
    for text, style in named_phrases(vocabulary):
        texts.append(text)
        styles.append(vocabulary.styles.index(style))
        rows.append(np.full(len(vocabulary.tags), -1.0, np.float32))
    return texts, torch.tensor(styles), torch.from_numpy(np.stack(rows))


def named_phrases(vocabulary: Vocabulary) -> list[tuple[str, str]]:
    """(text, style) for all texts that name a style without a song: bare, as one asks for something, and composed.

    They are the same in every training.
    """
    from engine.training.corpus.captions import style_phrases

    rng = np.random.default_rng(0)
    bare = [(text, name) for source in (style_phrases(), TAUGHT) for name, texts in source.items() for text in texts]
    asked = [(CARRIERS[int(rng.integers(len(CARRIERS)))].format(text), name) for text, name in bare]
    said = [(text, name) for name, entries in PHRASEBOOK.items() for text in entries.all()]
    put = [(text, name) for name in PHRASEBOOK for text in composed(PHRASEBOOK, name, COMPOSED_A_STYLE, rng)]
    return [pair for pair in (*bare, *asked, *said, *put) if pair[1] in vocabulary.styles]


def embed_all(texts: list[str]) -> Tensor:
    """Embeddings [n, 384]; sorted by length so that little is padding."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    result = torch.empty(len(texts), 384)
    for first in range(0, len(order), 64):
        part = order[first : first + 64]
        result[part] = sentence_encoder().embed([texts[i] for i in part])
    return result


def train(
    songs: list[dict[str, Any]],
    seed: int,
    console: Console,
    start: tuple[PromptHead, Vocabulary] | None = None,
) -> tuple[PromptHead, Vocabulary]:
    """Fit the head and its vocabulary; phrases that name a style count for half of it.

    start: a head to go on from. Its vocabulary is kept, and what it says to captions too, so that a
    denoiser which was taught its vectors understands those of the new head.
    """
    rng = np.random.default_rng([seed, 5])
    vocabulary = build_vocabulary(songs) if start is None else start[1]
    known = [facts for facts in songs if facts["style"] in vocabulary.styles]
    texts, styles, tags = captions_and_targets(known, vocabulary, rng)
    embedded = embed_all(texts)
    head = fit(embedded, styles, tags, vocabulary, seed, None if start is None else start[0])
    with torch.no_grad():
        right = (head.logits(embedded)[:, : head.styles].argmax(1) == styles).float()
    unseen, asked = measure(head, vocabulary), measure(head, vocabulary, ASKED)
    console.print(
        f"prompt head: {len(texts)} texts, style right {right.mean():.3f},"
        f" in unseen phrasings {unseen:.3f}, in requests of all kinds {asked:.3f}"
    )
    return head, vocabulary


def fit(
    embedded: Tensor,
    styles: Tensor,
    tags: Tensor,
    vocabulary: Vocabulary,
    seed: int,
    start: PromptHead | None = None,
    steps: int = STEPS,
) -> PromptHead:
    """The head for embeddings [n, 384], style indices [n] and tags [n, tags] (-1 where a text says nothing).

    NOISE blurs each sentence, so that near ones are answered alike. A text that says nothing of tags is taught those
    which captions of its style usually have, so that its vector is like those that a denoiser knows from captions.
    """
    phrase = (tags < 0).any(1)  # none where no song has a tag
    wanted = with_usual_tags(styles, tags)
    weights = torch.where(phrase, (~phrase).sum() / phrase.sum().clamp_min(1), torch.ones(()))
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    head = PromptHead(len(vocabulary.styles), len(vocabulary.tags))
    if start is not None:
        head.load_state_dict(start.state_dict())
        with torch.no_grad():
            anchor = start(embedded)
    optimizer = torch.optim.AdamW(head.parameters(), 2e-3 if start is None else 1e-3, weight_decay=0.02)
    for _ in range(steps):
        rows = torch.multinomial(weights, 256, True, generator=generator)
        noisy = embedded[rows] + NOISE * torch.randn(256, 384, generator=generator)
        loss = head_loss(head.logits(noisy), styles[rows], wanted[rows], head.styles)
        if start is not None:
            drift = 1.0 - nn.functional.cosine_similarity(head(embedded[rows]), anchor[rows], dim=-1)
            loss = loss + ANCHOR * (drift * ~phrase[rows]).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return head.eval()


def with_usual_tags(styles: Tensor, tags: Tensor) -> Tensor:
    """Tags [n, tags] where rows of -1 are the mean row of their style's other texts; -1 where it has none."""
    filled = tags.clone()
    told = (tags >= 0).all(1)
    for style in torch.unique(styles[~told]):
        others = told & (styles == style)
        if others.any():
            filled[~told & (styles == style)] = tags[others].mean(0)
    return filled


def head_loss(logits: Tensor, styles: Tensor, tags: Tensor, count: int) -> Tensor:
    """Cross-entropy of the first `count` logits, binary ones of the tags that a text says something about."""
    named = nn.functional.cross_entropy(logits[:, :count], styles, label_smoothing=0.05)
    known = (tags >= 0).float()
    each = nn.functional.binary_cross_entropy_with_logits(logits[:, count:], tags.clamp_min(0), reduction="none")
    return named + (each * known).sum() / known.sum().clamp_min(1.0)


@torch.no_grad()
def measure(head: PromptHead, vocabulary: Vocabulary, phrasings: dict[str, tuple[str, ...]] = UNSEEN) -> float:
    """Share of phrasings, by default those that no training saw, that lead to their style."""
    pairs = [(text, name) for name, texts in phrasings.items() for text in texts if name in vocabulary.styles]
    if not pairs:
        return float("nan")
    truth = torch.tensor([vocabulary.styles.index(name) for _, name in pairs])
    guess = head.logits(embed_all([text for text, _ in pairs]))[:, : head.styles].argmax(1)
    return float((guess == truth).float().mean())


@torch.no_grad()
def song_prompts(head: PromptHead, captions: list[str]) -> np.ndarray:
    """Prompt vectors [n, width] of a song's captions."""
    return np.asarray(head(sentence_encoder().embed(captions)).numpy(), np.float32)
