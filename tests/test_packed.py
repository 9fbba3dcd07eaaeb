"""Packed linear layers: the same products but for rounding, and plain layers wherever anything is learnt."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from engine.models.packed import PackedLinear, pack
from engine.render.generate import ModelRenderer
from engine.types import Renderer


def frozen(bias: bool = True) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        module = nn.Sequential(nn.Linear(37, 320, bias=bias), nn.SiLU(), nn.Linear(320, 7, bias=bias))
    return module.eval().requires_grad_(False)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(37,), (1, 37), (74, 37), (2, 100, 37), (1, 3, 8, 37)])
def test_packing_changes_nothing_but_rounding(shape: tuple[int, ...], bias: bool) -> None:
    module = frozen(bias)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    plain, names = module(x), list(module.state_dict())
    assert pack(module) == 2 and pack(module) == 0
    assert isinstance(module[0], PackedLinear) and list(module.state_dict()) == names
    torch.testing.assert_close(module(x), plain, atol=1e-5, rtol=1e-5)
    view = torch.randn(*shape[:-1], 2 * 37, generator=torch.Generator().manual_seed(2))[..., ::2]
    torch.testing.assert_close(module(view), frozen(bias)(view), atol=1e-5, rtol=1e-5)


def test_layers_that_learn_are_not_packed() -> None:
    module = frozen().requires_grad_(True)
    assert pack(module) == 0 and type(module[0]) is nn.Linear


def test_gradients_pass_a_packed_layer() -> None:
    module, plain = frozen(), frozen()
    pack(module)
    x = torch.randn(5, 37, generator=torch.Generator().manual_seed(1), requires_grad=True)
    module(x).sum().backward()
    wanted = torch.autograd.grad(plain(x).sum(), x)[0]
    torch.testing.assert_close(x.grad, wanted, atol=1e-5, rtol=1e-5)
    module.requires_grad_(True)
    module(x.detach()).sum().backward()
    assert module[0].weight.grad is not None


@pytest.mark.parametrize("shape", [(37,), (74, 37), (2, 100, 37)])
def test_the_way_back_is_packed_and_right(shape: tuple[int, ...]) -> None:
    """Also through a gradient that is no contiguous array, and a second time."""
    module, plain = frozen(), frozen()
    pack(module)
    for seed in (1, 2):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), requires_grad=True)
        weight = torch.randn(7, *shape[:-1], generator=torch.Generator().manual_seed(seed + 5)).movedim(0, -1)
        found, wanted = (torch.autograd.grad((net(x) * weight).sum(), x)[0] for net in (module, plain))
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    assert module[0].packed_back is not None and plain[0].weight.grad is None
    assert copy.deepcopy(module)[0].packed_back is None


def test_a_packed_layer_is_copied_as_a_plain_one() -> None:
    module = frozen()
    pack(module)
    x = torch.randn(9, 37, generator=torch.Generator().manual_seed(1))
    twin = copy.deepcopy(module)
    assert torch.equal(twin(x), frozen()(x))
    twin[0].weight.zero_()
    assert not torch.equal(twin(x), module(x)) and module[0].weight.abs().max() > 0


def test_what_renders_is_packed(renderer: Renderer) -> None:
    assert isinstance(renderer, ModelRenderer)
    for network in vars(renderer.networks).values():
        assert all(isinstance(layer, PackedLinear) for layer in network.modules() if isinstance(layer, nn.Linear))
