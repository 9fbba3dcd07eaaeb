"""The frozen feature network and its tokens."""

from __future__ import annotations

import pytest
import torch

from engine.models import features as F
from engine.models.codec import Codec
from engine.models.joint import Joint
from engine.models.masked import SPREAD_DB, Masked, MaskedConfig, MelFeatures, everywhere, kept_places, masked_loss
from engine.training import masked as M
from engine.training.distillations.listening import ListenerFeatures

SMALL = MaskedConfig(width=32, layers=2, heads=2)


def some_mel(batch: int = 2, frames: int = 64, seed: int = 0) -> torch.Tensor:
    """Sloping spectra that swell and fade: what lies in one patch says what lies in the next."""
    g = torch.Generator().manual_seed(seed)
    rate, phase, level = (torch.rand(batch, 1, 1, generator=g) for _ in range(3))
    time, band = torch.arange(frames)[None, :, None], torch.arange(F.MELS)[None, None]
    return -60.0 + 30 * level + 20 * torch.sin(0.02 + 0.2 * rate * time + 6 * phase) - 0.2 * band


def test_patches_hold_every_number_once_in_their_place():
    model, mel = Masked(SMALL), torch.arange(2 * 35 * F.MELS).reshape(2, 35, F.MELS).float()
    patches = model.patches(mel)
    assert patches.shape == (2, 2 * 4, SMALL.pixels)
    for place in range(8):
        time, row = divmod(place, 4)
        block = mel[:, 16 * time : 16 * time + 16, 32 * row : 32 * row + 32]
        torch.testing.assert_close(patches[:, place] * SPREAD_DB - 45.0, block.flatten(1), rtol=1e-5, atol=1e-2)


def test_a_quarter_is_kept_without_repeats_and_differs_from_clip_to_clip():
    kept = kept_places(50, 32, torch.Generator().manual_seed(0))
    assert kept.shape == (50, 8) and bool((kept.diff(dim=1) > 0).all())
    assert len({tuple(row.tolist()) for row in kept}) > 40
    assert set(kept.flatten().tolist()) == set(range(32))


def test_what_is_hidden_is_not_seen_and_what_is_seen_is_not_scored():
    torch.manual_seed(0)
    model, patches = Masked(SMALL), Masked(SMALL).patches(some_mel())
    kept = kept_places(2, patches.shape[1], torch.Generator().manual_seed(1))
    hidden = torch.ones(patches.shape[:2], dtype=torch.bool).scatter(1, kept, False)
    with torch.no_grad():
        base = model.rebuilt(patches, kept)
        assert torch.equal(model.rebuilt(torch.where(hidden[..., None], 7.0, patches), kept), base)
        assert not torch.equal(model.rebuilt(torch.where(hidden[..., None], patches, 7.0), kept), base)
        whole = model.encoded(patches, everywhere(patches))[-1]
        order = torch.randperm(patches.shape[1])
        mixed = model.encoded(patches[:, order], everywhere(patches)[:, order])[-1]
    torch.testing.assert_close(mixed, whole[:, order], rtol=1e-4, atol=1e-4)


def test_it_learns_to_fill_in_what_is_hidden():
    """Below the variance about the mean patch, in a few dozen steps."""
    torch.manual_seed(0)
    model, g = Masked(SMALL), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    patches = model.patches(some_mel(64))
    plain = float((patches - patches.mean((0, 1))).square().mean())
    losses = []
    for step in range(40):
        loss = masked_loss(model, some_mel(8, 48, seed=step), g)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-10:]) / 10 < 0.8 * plain, (losses[::10], plain)


@pytest.mark.parametrize("kind", ["mel", "listener"])
def test_frozen_features_carry_gradients_to_the_clip_and_keep_none(kind):
    torch.manual_seed(0)
    codec = Codec(width=16, blocks=1)
    network = MelFeatures(codec, Masked(SMALL)) if kind == "mel" else ListenerFeatures(codec, Joint(3, 4))
    clips = torch.randn(2, 16, 64, requires_grad=True)
    layers = network(clips)
    assert tuple(layer.shape[-1] for layer in layers) == network.widths
    sum(layer.square().mean() for layer in layers).backward()
    assert bool(clips.grad.abs().sum() > 0)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_k_means_finds_clusters_that_lie_apart_and_tokens_name_the_nearest():
    g = torch.Generator().manual_seed(3)
    truth = torch.tensor([[0.0, 0], [10, 0], [0, 10], [10, 10]])
    labels = torch.randint(4, (400,), generator=g)
    rows = truth[labels] + 0.3 * torch.randn(400, 2, generator=g)
    best = min((M.k_means(rows, 4, torch.Generator().manual_seed(s)) for s in range(5)),
               key=lambda c: float(torch.cdist(rows, c).min(1).values.mean()))  # fmt: skip
    assert float(torch.cdist(truth, best).min(1).values.max()) < 0.2
    tokens = M.tokens_of(rows, best)
    for label in range(4):
        assert len(set(tokens[labels == label].tolist())) == 1


def test_frames_are_all_rows_of_one_time_side_by_side():
    torch.manual_seed(0)
    network = MelFeatures(Codec(width=16, blocks=1), Masked(SMALL))
    latents = torch.randn(1, 16, 64)
    frames = M.frames_of(network, latents)
    last = network(latents)[-1]
    assert frames.shape == (1, 8, 4 * 32)
    torch.testing.assert_close(frames[0, 3], last[0, 12:16].flatten())
