"""Attention written out gives what the fused one gives, and so does its gradient."""

import pytest
import torch

from engine.models.attention import attention


@pytest.mark.parametrize("causal", [False, True])
def test_attention_in_bf16_and_its_gradient_are_those_of_float32(causal):
    """Plain products, as the fused ones: to the precision of bf16."""
    g = torch.Generator().manual_seed(0)
    keys = 5 if causal else 7
    parts = [torch.randn(2, 2, n, 8, generator=g) for n in (5, keys, keys)]
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        given = [part.to(dtype, copy=True).requires_grad_() for part in parts]
        out = attention(*given, causal=causal)
        out.float().square().sum().backward()
        assert out.dtype is dtype
        found.append([out.detach().float(), *(one.grad.float() for one in given)])
    for exact, rough in zip(*found, strict=True):
        torch.testing.assert_close(rough, exact, rtol=0.05, atol=0.05 * float(exact.abs().max()))


def test_no_place_attends_to_what_comes_after_it():
    g = torch.Generator().manual_seed(1)
    query, key, value = (torch.randn(1, 1, 6, 4, generator=g).bfloat16() for _ in range(3))
    query.requires_grad_()
    before = attention(query, key, value, causal=True)
    key[:, :, 3:], value[:, :, 3:] = 9.0, -9.0
    after = attention(query, key, value, causal=True)
    torch.testing.assert_close(before[:, :, :3], after[:, :, :3])
    assert not torch.equal(before[:, :, 3:], after[:, :, 3:])
