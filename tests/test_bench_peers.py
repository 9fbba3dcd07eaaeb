"""The seeds' recipes: shapes, sizes, and that each samples what it claims to."""

from __future__ import annotations

import pytest
import torch

from benchmarks import peer_models, peers
from benchmarks.peer_models import CODEBOOKS, CODES, PROMPT, Attention, Decoder, DualPath, UNet2d
from engine import bundle
from engine.models.denoiser import Denoiser, DenoiserConfig, rotary_tables
from engine.models.load import load_networks

KINDS = (UNet2d, DualPath, Decoder)


@pytest.fixture(scope="module")
def size() -> int:
    """Parameters of the shipped student."""
    manifest = bundle.load(bundle.DEFAULT)
    with torch.device("meta"):
        return peer_models.parameters(Denoiser(DenoiserConfig(**manifest.config["denoiser"])))


@pytest.mark.parametrize("kind", KINDS)
def test_peers_have_our_size(kind: type[torch.nn.Module], size: int) -> None:
    assert 0.9 <= peer_models.parameters(peer_models.sized(kind, size)) / size <= 1.1


@torch.no_grad()
def test_a_unet_keeps_its_images_shape_and_uses_what_it_is_told() -> None:
    net = UNet2d(16)
    z, prompt = torch.randn(2, 16, 12, 16), torch.rand(2, PROMPT)
    out = net(z, torch.ones(2), prompt)
    assert out.shape == z.shape and out.isfinite().all()
    assert not torch.equal(out, net(z, torch.zeros(2), prompt))
    assert not torch.equal(out, net(z, torch.ones(2), prompt.flip(0)))


@torch.no_grad()
def test_a_dual_path_reaches_from_the_first_segment_to_the_last() -> None:
    """A change of the first frame is felt in the last one: the coarse path crosses all segments."""
    net = DualPath(32)
    z, prompt = torch.randn(1, 48, 64), torch.rand(1, PROMPT)
    out = net(z, torch.ones(1), prompt)
    moved = z.clone()
    moved[:, 0] += 5.0
    change = (net(moved, torch.ones(1), prompt) - out).abs().amax(-1)[0]
    assert out.shape == z.shape and change[0] > change[-1] > 0


@torch.no_grad()
def test_a_cache_gives_what_the_whole_sequence_gives() -> None:
    """Oracle: the last token of attention over everything, which sees all that a cached one does."""
    layer, count = Attention(64), 9
    x = torch.randn(1, count, 64)
    cos, sin = rotary_tables(count, 64 // peer_models.HEADS, x.device)
    past = [torch.zeros(1, peer_models.HEADS, count, 8), torch.zeros(1, peer_models.HEADS, count, 8), torch.tensor(0)]
    for at in range(count):
        token = layer(x[:, at : at + 1], (cos[at : at + 1], sin[at : at + 1]), past)
        past[2] += 1
    torch.testing.assert_close(token[0, 0], layer(x, (cos, sin))[0, -1], rtol=1e-4, atol=1e-5)


def test_tokens_are_drawn_and_the_same_for_a_seed() -> None:
    net = Decoder(32)
    prompt = torch.rand(1, PROMPT)
    drawn = [net.generate(prompt, 6, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert drawn[0].shape == (6, CODEBOOKS) and int(drawn[0].max()) < CODES and int(drawn[0].min()) >= 0
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


@torch.no_grad()
@pytest.mark.parametrize(("guided", "batch"), [(True, 2), (False, 1)])
def test_ddim_calls_its_network_once_a_step_guided_in_a_batch_of_two(guided: bool, batch: int) -> None:
    net, seen = UNet2d(16), []
    handle = net.register_forward_pre_hook(lambda _, given: seen.append((given[0].shape[0], float(given[1][0]))))
    try:
        latents = peers.ddim(net, 5, guided)(torch.Generator().manual_seed(1))
    finally:
        handle.remove()
    assert [count for count, _ in seen] == [batch] * 5 and [at for _, at in seen] == sorted((at for _, at in seen))[
        ::-1
    ]
    assert latents.shape == (1, 144, 64) and latents.isfinite().all()


def test_alphas_rise_from_noise_to_sound() -> None:
    alphas = peers.alphas(50)
    assert alphas.shape == (51,) and alphas[-1] == 1 and (alphas.diff() > 0).all() and alphas[0] < 0.01


@torch.no_grad()
@pytest.mark.parametrize("steps", [4, 10, 20])
def test_melodys_angles_go_from_noise_to_sound(steps: int) -> None:
    """The schedule's sum is pi / 2; the network sees angles that fall to the last one's width."""
    net, seen = DualPath(32), []
    handle = net.register_forward_pre_hook(lambda _, given: seen.append(float(given[1][0])))
    try:
        peers.angular(net, steps)(torch.Generator().manual_seed(1))
    finally:
        handle.remove()
    last = torch.pi / (6 * steps) + 2 * torch.pi / (3 * (steps + 1))
    assert len(seen) == steps and seen == sorted(seen)[::-1]
    assert seen[0] == pytest.approx(torch.pi / 2) and seen[-1] == pytest.approx(last, rel=1e-3)


@torch.no_grad()
def test_ours_and_a_peer_are_decoded_to_the_same_length() -> None:
    networks = load_networks(bundle.load(bundle.DEFAULT))
    sampling_s, whole_s = peers.once(networks, peers.ours(networks, 1), 1)
    assert 0 < sampling_s < whole_s
    gflop = peers.operations([networks.student], peers.ours(networks, 1))
    assert peers.operations([networks.student], peers.ours(networks, 2)) == pytest.approx(2 * gflop, rel=1e-3)


def test_what_a_unet_makes_is_pooled_into_our_latents() -> None:
    image = peers.image(torch.Generator().manual_seed(1))
    pooled = peers.pooled(image)
    assert pooled.shape == (1, 144, 64) and pooled.mean() == pytest.approx(float(image.mean()), abs=1e-5)
