"""The prompt head: words nobody taught it, and vectors that keep their meaning when it learns more."""

from __future__ import annotations

import numpy as np
import torch

from engine.models.prompt import PromptHead
from engine.training.corpus.captions import style_phrases
from engine.training.phrasings import CARRIERS, TAUGHT, UNSEEN, UNSEEN_NAMES
from engine.training.prompt import Vocabulary, fit, measure, named_phrases


def test_what_is_judged_was_never_taught() -> None:
    taught = {text.lower() for source in (TAUGHT, style_phrases()) for texts in source.values() for text in texts}
    judged = [text.lower() for source in (UNSEEN, UNSEEN_NAMES) for texts in source.values() for text in texts]
    assert len(set(judged)) == len(judged) and not taught & set(judged)
    told = [text for texts in TAUGHT.values() for text in texts if text.endswith(" like")]
    musicians = {word for text in told for word in text.split()[:-1] if word[0].isupper()}
    words = {word for texts in UNSEEN_NAMES.values() for text in texts for word in text.split()}
    assert musicians and not musicians & words
    assert set(TAUGHT) == set(UNSEEN) == set(style_phrases()) and set(UNSEEN_NAMES) <= set(TAUGHT)
    assert min(map(len, UNSEEN.values())) >= 4


def test_phrases_come_bare_and_as_requests() -> None:
    pairs = named_phrases(Vocabulary(("house", "reggae"), ()), np.random.default_rng(0))
    half = len(pairs) // 2
    assert {name for _, name in pairs} == {"house", "reggae"}
    assert any(bare != asked for (bare, _), (asked, _) in zip(pairs[:half], pairs[half:], strict=True))
    for (bare, name), (asked, same) in zip(pairs[:half], pairs[half:], strict=True):
        assert name == same and asked in {carrier.format(bare) for carrier in CARRIERS}


def test_a_head_that_learns_more_keeps_its_space() -> None:
    generator, vocabulary = torch.Generator().manual_seed(0), Vocabulary(("a", "b", "c"), ("x", "y"))
    centres = torch.nn.functional.normalize(torch.randn(4, 384, generator=generator), dim=-1)

    def near(row: int, count: int) -> torch.Tensor:
        return torch.nn.functional.normalize(centres[row] + 0.02 * torch.randn(count, 384, generator=generator), dim=-1)

    songs = torch.cat([near(row, 40) for row in range(3)])
    styles = torch.arange(3).repeat_interleave(40)
    tags = torch.stack([styles == 0, styles > 0], dim=1).float()
    old = fit(songs, styles, tags, vocabulary, seed=1, steps=150)
    phrases = near(3, 20)
    every, nothing = torch.cat([songs, phrases]), torch.full((20, 2), -1.0)
    truth = torch.cat([styles, torch.full((20,), 1)])
    new = fit(every, truth, torch.cat([tags, nothing]), vocabulary, seed=1, start=old, steps=150)
    assert isinstance(new, PromptHead)
    with torch.no_grad():
        cosine = torch.nn.functional.cosine_similarity(new(songs), old(songs), dim=-1)
        assert float(cosine.min()) > 0.95
        assert (new.logits(near(3, 20))[:, :3].argmax(1) == 1).float().mean() > 0.9


def test_an_untrained_head_guesses() -> None:
    torch.manual_seed(0)
    vocabulary = Vocabulary(tuple(UNSEEN), ("x",))
    few = {name: texts[:1] for name, texts in UNSEEN.items()}
    assert measure(PromptHead(len(UNSEEN), 1), vocabulary, few) < 0.4
    assert np.isnan(measure(PromptHead(1, 1), Vocabulary(("kazoo",), ("x",))))
