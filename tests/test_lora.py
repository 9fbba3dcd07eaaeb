"""Low-rank adapters: nothing at the start, the same merged as unmerged, and nothing else is trained."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from engine.models import lora
from engine.models.denoiser import FRAME_FEATURES, Conditions, Denoiser, DenoiserConfig

LAYERS = 2


def network(seed: int = 0) -> Denoiser:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Denoiser(DenoiserConfig(prompt=4, width=32, layers=LAYERS, heads=2))
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.2)
    return model.eval()


def question(count: int = 9) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Conditions]:
    rng = np.random.default_rng(0)

    def some(*shape: int) -> torch.Tensor:
        return torch.from_numpy(rng.normal(size=shape).astype(np.float32))

    width = DenoiserConfig(prompt=4).globals_width
    given = Conditions(
        some(2, count, 64), torch.ones(2, count, 1), some(2, count, 64), torch.ones(2, count, 1),
        some(2, count, 8, FRAME_FEATURES), some(2, width),
    )  # fmt: skip
    return some(2, count, 64), torch.tensor([0.2, 0.9]), torch.ones(2), given


def ask(model: Denoiser) -> torch.Tensor:
    with torch.no_grad():
        result: torch.Tensor = model(*question())
    return result


def drawn(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_fresh_adapter_changes_nothing():
    plain, adapted = network(), network()
    lora.inject(adapted, 8, drawn())
    assert torch.equal(ask(plain), ask(adapted))


@pytest.mark.parametrize("alpha", [None, 16.0])
def test_merged_is_unmerged_and_has_the_old_names(alpha):
    model = network()
    names = [(n, p.shape) for n, p in model.named_parameters()]
    before = ask(model)
    adapters = lora.inject(model, 4, drawn(), alpha=alpha)
    with torch.no_grad():
        for parameter in adapters.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=drawn(2)))
    unmerged = ask(model)
    lora.merge(model)
    merged = ask(model)
    assert (unmerged - before).abs().max() > 1e-2
    torch.testing.assert_close(merged, unmerged, atol=1e-5 * float(unmerged.abs().max()), rtol=0)
    assert [(n, p.shape) for n, p in model.named_parameters()] == names


def test_the_correction_is_the_product_of_its_factors():
    base = nn.Linear(5, 3, bias=False)
    weight = base.weight.detach().numpy().copy()
    layer = lora.LowRank(base, 2, drawn(), alpha=6.0)
    with torch.no_grad():
        layer.up.copy_(torch.arange(6.0).reshape(3, 2))
    low = layer.down.detach().numpy()
    wanted = weight + 3.0 * np.arange(6.0).reshape(3, 2) @ low
    np.testing.assert_allclose(layer.merged().weight.detach().numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_training_reaches_the_adapters_of_every_attention_and_mlp_and_nothing_else():
    model = network()
    kept = copy.deepcopy(model.state_dict())
    adapters = lora.inject(model, 4, drawn())
    assert len(list(adapters.parameters())) == 2 * LAYERS * len(lora.TARGETS)
    optimizer = torch.optim.SGD(adapters.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model(*question()).square().mean().backward()
        optimizer.step()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in adapters.parameters())
    trained = {id(p) for p in adapters.parameters()}
    others = {n: p for n, p in model.named_parameters() if id(p) not in trained}
    assert all(not p.requires_grad for p in others.values())
    for name, value in others.items():
        torch.testing.assert_close(value, kept[name.replace(".base.", ".")], atol=0, rtol=0)
