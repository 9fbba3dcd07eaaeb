"""Attention that is as quick to train on a CPU as it is to run."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def attention(query: Tensor, key: Tensor, value: Tensor, causal: bool = False) -> Tensor:
    """Attention [B, heads, N, w] of queries [B, heads, N, w] to keys and values [B, heads, M, w].

    Where a gradient will be asked for in bf16 on a CPU it is written out: there the gradient of torch's fused attention
    takes many times as long. causal: a place attends to none after it (N = M).
    """
    slow = query.requires_grad and query.dtype == torch.bfloat16 and query.device.type == "cpu"
    if not slow:
        return functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
    scores = (query @ key.transpose(-1, -2)).float() * query.shape[-1] ** -0.5
    if causal:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(later, float("-inf"))
    result: Tensor = scores.softmax(-1).to(value.dtype) @ value
    return result
