"""Music as a prompt, and continuation: on two sounds that only tokens tell apart, with networks trained here."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rich.console import Console

from engine.diffusion.paths import ANGULAR
from engine.errors import BadRequest
from engine.models import backbones
from engine.models import denoiser as D
from engine.models.codec import LATENTS, Codec
from engine.models.denoiser import Conditions, DenoiserConfig
from engine.models.dual_path_base import BackboneConfig
from engine.models.masked import Masked, MaskedConfig, MelFeatures
from engine.models.semantic import Semantic, SemanticConfig, semantic_loss
from engine.training.experiments import prompting, teach
from engine.training.experiments.material import Material
from engine.training.experiments.prompting import Player
from engine.training.experiments.speak import fit_centres, tokens_with

TOKENS, PROMPT, COUNT = 8, 1, 8
TOLD = DenoiserConfig(prompt=PROMPT).globals_width


def sound() -> torch.Tensor:
    """The one sound [64], the other is its negative: so little that noise hides for long which it is."""
    return torch.nn.functional.one_hot(torch.tensor(3), LATENTS).float()


def clips(which: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """Clips [B, count, 64] of sounds 1 and -1 [B], with noise on each latent."""
    noise = torch.randn(len(which), count, LATENTS, generator=generator)
    return which[:, None, None] * sound() + 0.05 * noise


def nothing_said(batch: int, count: int) -> Conditions:
    shapes = [(count, LATENTS), (count, 1), (count, LATENTS), (count, 1), (count, 8, D.FRAME_FEATURES), (TOLD,)]
    return Conditions(*(torch.zeros(batch, *shape) for shape in shapes))


def which_of(count: int, generator: torch.Generator) -> torch.Tensor:
    return 2.0 * torch.randint(2, (count,), generator=generator) - 1.0


def descend(module: torch.nn.Module, steps: int, loss_of) -> None:
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of().backward()
        optimizer.step()
    module.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def player() -> Player:
    torch.manual_seed(0)
    g = torch.Generator().manual_seed(0)
    features = MelFeatures(Codec(width=16, blocks=1), Masked(MaskedConfig(width=16, layers=2, heads=2)))
    language = Semantic(SemanticConfig(told=TOLD, frame=4 * 16, tokens=TOKENS, width=32, layers=1, heads=2))
    fit_centres(language, features, clips(which_of(32, g), 2 * COUNT, g), g)
    said = tokens_with(language, features)
    told = torch.zeros(16, TOLD)
    descend(language, 50, lambda: semantic_loss(language, said(clips(which_of(16, g), 48, g)), told))
    model = backbones.build(BackboneConfig(prompt=PROMPT, width=32, layers=1, heads=2, segment=8, tokens=TOKENS))
    given = nothing_said(16, COUNT)

    def loss() -> torch.Tensor:
        clean = clips(which_of(16, g), COUNT, g)
        return teach.said_loss(model, ANGULAR, (clean, torch.ones(16, COUNT, 1), given), g, said)

    descend(model, 200, loss)
    return Player(model, ANGULAR, language, features)


def likeness(found: torch.Tensor) -> torch.Tensor:
    """1 for the one sound, -1 for the other, 0 for neither [B]."""
    return (found.mean(1) @ sound()) / sound().square().sum()


def test_a_prompt_s_tokens_stand_first_and_are_continued_in_kind(player):
    g = torch.Generator().manual_seed(3)
    which = torch.tensor([1.0, -1.0]).repeat(8)
    heard = clips(which, 48, g)
    own = tokens_with(player.language, player.features)(heard)
    kinds = [set(own[which == sign].flatten().tolist()) for sign in (1, -1)]
    assert not kinds[0] & kinds[1], "the tokens tell the sounds apart"
    found = player.tokens_after(heard, torch.zeros(16, TOLD), COUNT, g)
    assert found.shape == (16, 24 + COUNT // 2) and torch.equal(found[:, :24], own)
    right = [int(token) in kinds[0 if sign > 0 else 1] for sign, row in zip(which, found[:, 24:], strict=True)
             for token in row]  # fmt: skip
    assert np.mean(right) > 0.9


def test_four_seconds_of_music_pull_what_is_made_towards_them(player):
    """Each prompt makes its own sound, under the same noise; tokens of nobody's make neither surely."""
    which, given = torch.tensor([1.0, -1.0]).repeat(6), nothing_said(12, COUNT)
    heard = clips(which, 48, torch.Generator().manual_seed(4))
    found = likeness(player.prompted(heard, given, torch.Generator().manual_seed(5)))
    assert bool((found * which > 0.3).all()), found
    swapped = likeness(player.prompted(-heard, given, torch.Generator().manual_seed(5)))
    assert bool((swapped * which < -0.3).all()), swapped


def test_a_continuation_keeps_what_was_heard_and_goes_on_with_it(player):
    which = torch.tensor([1.0, -1.0]).repeat(3)
    heard = clips(which, 4, torch.Generator().manual_seed(6))
    found = player.continued(heard, nothing_said(6, COUNT), torch.Generator().manual_seed(7))
    assert found.shape == (6, COUNT, LATENTS) and torch.equal(found[:, :4], heard)
    assert bool((likeness(found[:, 4:]) * which > 0.2).all())


def test_four_seconds_of_audio_are_an_even_number_of_latents():
    audio = np.random.default_rng(0).normal(0, 0.1, (4 * 48_000, 2)).astype(np.float32)
    torch.manual_seed(0)
    found = prompting.latents_of(Codec(width=16, blocks=1).eval(), audio)
    assert found.shape == (46, LATENTS) and bool(torch.isfinite(found).all())


def test_a_player_without_its_runs_says_which_to_run(tmp_path):
    material = Material([], [], Codec(width=16, blocks=1), None, PROMPT)
    with pytest.raises(BadRequest, match="Run --recipe dual-path-language --seed 4 first"):
        Player.of(teach.Bench(tmp_path, material, Console(quiet=True), 1.0), 4)
