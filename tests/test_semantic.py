"""The language model over semantic tokens: causal, the same with its cache, and able to learn a rule."""

from __future__ import annotations

import math

import torch

from engine.models.semantic import Semantic, SemanticConfig, semantic_loss

CONFIG = SemanticConfig(told=3, frame=2, tokens=7, width=32, layers=2, heads=2)


def some_model() -> Semantic:
    torch.manual_seed(0)
    return Semantic(CONFIG).eval()


def test_a_token_is_read_from_what_lies_before_it_alone_and_from_what_is_told():
    model, tokens, told = some_model(), torch.randint(7, (2, 9)), torch.randn(2, 3)
    with torch.no_grad():
        base = model.logits(tokens, told)
        moved = tokens.clone()
        moved[:, 5] = (moved[:, 5] + 1) % 7
        found = model.logits(moved, told)
        other = model.logits(tokens, told + 1)
    torch.testing.assert_close(found[:, :6], base[:, :6])
    assert (found[:, 6:] - base[:, 6:]).abs().max() > 1e-3
    assert (other - base).abs().amax((0, 2)).min() > 1e-4


def test_drawing_with_a_cache_gives_the_likeliest_tokens_of_the_whole_model():
    """At a temperature near zero each drawn token is the best by a pass over all before it; the prefix stays."""
    model, told = some_model(), torch.randn(3, 3)
    for length in (0, 1, 4):
        prefix = torch.randint(7, (3, length), generator=torch.Generator().manual_seed(1))
        found = model.continued(told, prefix, 6, torch.Generator().manual_seed(2), temperature=1e-6)
        assert found.shape == (3, length + 6) and torch.equal(found[:, :length], prefix)
        for at in range(length, length + 6):
            padded = torch.cat([found[:, :at], torch.zeros(3, 1, dtype=torch.long)], dim=1)
            with torch.no_grad():
                assert torch.equal(model.logits(padded, told)[:, -1].argmax(-1), found[:, at])


def test_it_learns_a_cycle_and_continues_it():
    """Tokens that count upwards by 1 from any start: the first is a guess of 7, the others are known."""
    model, generator = some_model().train(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    told = torch.zeros(32, 3)
    for _ in range(60):
        tokens = (torch.randint(7, (32, 1), generator=generator) + torch.arange(8)) % 7
        loss = semantic_loss(model, tokens, told)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 1.5 * math.log(7) / 8
    model.eval()
    found = model.continued(told[:7], torch.arange(7)[:, None], 10, generator, temperature=0.1)
    assert torch.equal(found, (torch.arange(7)[:, None] + torch.arange(11)) % 7)


def test_tokens_name_the_nearest_centre():
    model = some_model()
    model.centres.copy_(torch.arange(14.0).view(7, 2))
    assert model.tokens_of(torch.tensor([[[0.1, 1.2], [12.4, 12.9]]])).tolist() == [[0, 6]]
