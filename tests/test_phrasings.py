"""The prompt head: words nobody taught it, and vectors that keep their meaning when it learns more."""

from __future__ import annotations

import numpy as np
import torch

from engine.models.prompt import PromptHead
from engine.training.captions_table import phrases
from engine.training.corpus.captions import style_phrases
from engine.training.phrasebook import PHRASEBOOK
from engine.training.phrasebook.asked import ASKED
from engine.training.phrasebook.grammar import RULES, composed
from engine.training.phrasebook.table import Said, split
from engine.training.phrasings import CARRIERS, TAUGHT, UNSEEN, UNSEEN_NAMES
from engine.training.prompt import Vocabulary, fit, measure, named_phrases, with_usual_tags

VOCABULARY = Vocabulary(tuple(PHRASEBOOK), ())


def test_what_is_judged_was_never_taught() -> None:
    taught = {text.lower() for text, _ in named_phrases(VOCABULARY)}
    judged = [text.lower() for source in (UNSEEN, UNSEEN_NAMES, ASKED) for texts in source.values() for text in texts]
    assert len(set(judged)) == len(judged) and not taught & set(judged)
    told = [text for texts in TAUGHT.values() for text in texts if text.endswith(" like")]
    musicians = {word for text in told for word in text.split()[:-1] if word[0].isupper()}
    words = {word for texts in UNSEEN_NAMES.values() for text in texts for word in text.split()}
    assert musicians and not musicians & words
    assert set(TAUGHT) == set(UNSEEN) == set(ASKED) == set(PHRASEBOOK) == set(style_phrases())
    assert set(UNSEEN_NAMES) <= set(TAUGHT)
    assert min(map(len, UNSEEN.values())) >= 4 and min(map(len, ASKED.values())) >= 8


def test_every_style_is_named_in_many_ways_and_two_share_few() -> None:
    assert min(len(said.all()) for said in PHRASEBOOK.values()) >= 60
    owners: dict[str, set[str]] = {}
    for style, said in PHRASEBOOK.items():
        for text in said.all():
            assert text == text.strip() and "{" not in text
            owners.setdefault(text.lower(), set()).add(style)
    assert sum(len(styles) > 1 for styles in owners.values()) <= 3
    assert max(map(len, owners.values())) <= 2


def test_phrases_come_bare_as_requests_and_composed() -> None:
    pairs = named_phrases(Vocabulary(("house", "reggae"), ()))
    assert pairs == named_phrases(Vocabulary(("house", "reggae"), ())), "the same in every training"
    assert {name for _, name in pairs} == {"house", "reggae"}
    bare = len(set(style_phrases()["house"]) | set(TAUGHT["house"]) | set(PHRASEBOOK["house"].all()))
    houses = [text for text, name in pairs if name == "house"]
    assert len(set(houses)) > 1.3 * bare
    assert {carrier.format("garage house") for carrier in CARRIERS} & set(houses)
    every = dict(named_phrases(VOCABULARY))
    assert all(every[text] == name for text, name in pairs if text not in {"disco", "electro", "horn stabs"})


def test_requests_are_composed_of_a_style_s_own_columns() -> None:
    assert split(" a b;c\n   d ; ;") == ("a b", "c d")
    book = {
        "x": Said("xname", "xheard", "a xscene", "xwhole", "xhint", ""),
        "y": Said("yname", "yheard", "a yscene", "ywhole", "", "yabroad"),
    }
    texts = composed(book, "x", 400, np.random.default_rng(0))
    assert len(texts) == len(set(texts)) > len(RULES)
    assert all("x" in text and "{" not in text for text in texts)
    assert all(text.replace("xname, not yname", "").count("y") <= text.count("play") for text in texts)
    assert "xname, not yname" in texts and "music for a xscene" in texts
    assert texts == composed(book, "x", 400, np.random.default_rng(0))


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


def test_phrases_get_the_tags_of_their_style_s_songs() -> None:
    styles = torch.tensor([0, 0, 1, 0, 1, 2])
    tags = torch.tensor([[1.0, 0], [0, 0], [1, 1], [-1, -1], [-1, -1], [-1, -1]])
    filled = with_usual_tags(styles, tags)
    assert filled.tolist() == [[1.0, 0], [0, 0], [1, 1], [0.5, 0], [1, 1], [-1, -1]]
    assert tags[3].tolist() == [-1, -1]


def test_an_untrained_head_guesses() -> None:
    torch.manual_seed(0)
    vocabulary = Vocabulary(tuple(UNSEEN), ("x",))
    few = {name: texts[:1] for name, texts in UNSEEN.items()}
    assert measure(PromptHead(len(UNSEEN), 1), vocabulary, few) < 0.4
    assert np.isnan(measure(PromptHead(1, 1), Vocabulary(("kazoo",), ("x",))))


def test_the_table_of_sentences_has_all_that_training_embeds() -> None:
    table = set(phrases())
    assert {text for text, _ in named_phrases(VOCABULARY)} <= table
    assert {text for source in (UNSEEN, ASKED) for texts in source.values() for text in texts} <= table
