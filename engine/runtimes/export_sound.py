"""Codec and vocoder as graphs. What is linear around them (left and right, scales) lies in their weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engine.models import features as F
from engine.models.codec import LATENTS, LOW_AT, LOW_WIDTH, MEL_WIDTH, PATCH, PITCHES, SCALE_DB, Codec, Lows, Residual
from engine.models.vocoder import FLOOR_DB, SPREADS, Vocoder
from engine.runtimes.graph import CONTRIB, Graph

LEVEL_EDGES = (0, 32, 64, 128, 256, 512, F.BINS)
"""Bands of bins; each lies between few mels."""


def _residual(graph: Graph, x: str, block: Residual, int8: bool) -> str:
    hidden = graph.convolution(graph.layer_norm(x, block.norm), block.conv, int8)
    hidden = graph.op("Gelu", hidden, domain=CONTRIB)
    return graph.add(x, graph.linear(hidden, block.out.weight, block.out.bias, int8))


def _rotated(rows: Tensor) -> Tensor:
    """Rows [PATCH_WIDTH, ...] for mid and side as rows for left and right."""
    mid, side = rows[:MEL_WIDTH], rows[MEL_WIDTH : 2 * MEL_WIDTH]
    return torch.cat([(mid + side) / 2**0.5, (mid - side) / 2**0.5, rows[2 * MEL_WIDTH :]])


def _upsampled(graph: Graph, low: str) -> str:
    """Lows [1, 2 N, LOW_BANDS] interpolated linearly to [1, 8 N, LOW_BANDS], the ends held."""
    before = graph.op("Concat", graph.cut(low, 0, 1, 1), graph.cut(low, 0, -1, 1), axis=1)
    after = graph.op("Concat", graph.cut(low, 1, 0, 1), graph.cut(low, -1, 0, 1), axis=1)
    views = []
    for place in range(PATCH // 2):
        at = (place + 0.5) / (PATCH / 2) - 0.5
        near, share = (before, -at) if at < 0 else (after, at)
        mixed = graph.add(graph.times(low, graph.constant(1.0 - share)), graph.times(near, graph.constant(share)))
        views.append(graph.op("Unsqueeze", mixed, graph.constant([2])))
    return graph.reshape(graph.op("Concat", *views, axis=2), 1, -1, F.LOW_BANDS)


def _lows(graph: Graph, raw: str, model: Lows, int8: bool) -> str:
    """`Lows`: latents before their final scaling to dB [1, N, LOW_WIDTH]."""
    tower: Any = model.body
    x = graph.linear(raw, tower[0].weight, tower[0].bias)
    for block in tower[1:-2]:
        x = _residual(graph, x, block, int8)
    last, count = tower[-1], len(LOW_AT)
    hidden = graph.linear(graph.layer_norm(x, tower[-2]), last.weight, last.bias)
    plain, logits = graph.ops("Split", [hidden, graph.constant([LOW_WIDTH, count * PITCHES])], 2, axis=2)
    likely = graph.op("Softmax", graph.reshape(logits, 1, -1, PITCHES), axis=2)
    shape = graph.reshape(graph.linear(likely, model.shapes.weight), 1, -1, LOW_WIDTH)
    return graph.times(graph.add(plain, shape), graph.constant(SCALE_DB))


def decode_graph(model: Codec, int8: frozenset[str], half: bool = False) -> Graph:
    """latents [1, N, 64] to features [1, 8 N, CHANNELS] in dB, floored."""
    graph = Graph("decode", half)
    tower: Any = model.decoder
    raw = graph.times(graph.input("latents", 1, "N", LATENTS), graph.constant(1.0 / model.latent_scale))
    raw = graph.add(raw, graph.constant(model.latent_mean))
    x = graph.linear(raw, tower[0].weight, tower[0].bias)
    for block in tower[1:-2]:
        x = _residual(graph, x, block, "codec" in int8)
    last, mean = tower[-1], model.mean + SCALE_DB * (model.up.bias + tower[-1].bias)
    hidden = graph.layer_norm(x, tower[-2])
    fine = graph.linear(hidden, _rotated(SCALE_DB * last.weight), None, "codec_out" in int8)
    whole = graph.add(graph.linear(raw, _rotated(SCALE_DB * model.up.weight), _rotated(mean)), fine)
    left, right, low = graph.ops("Split", [whole, graph.constant([MEL_WIDTH, MEL_WIDTH, LOW_WIDTH])], 3, axis=2)
    if model.lows is not None:
        low = graph.add(low, _lows(graph, raw, model.lows, "codec" in int8))
    low = _upsampled(graph, graph.reshape(low, 1, -1, F.LOW_BANDS))
    mels = [graph.reshape(part, 1, -1, F.MELS) for part in (left, right)]
    floor = graph.constant(float(F.FLOOR_DB))
    graph.output(graph.op("Max", graph.op("Concat", *mels, low, axis=2), floor), "features", 1, "T", F.CHANNELS)
    return graph


def encode_graph(model: Codec) -> Graph:
    """features [1, 8 N, CHANNELS] in dB to latents [1, N, 64]; in float32: what is heard is not rounded."""
    graph = Graph("encode")
    tower: Any = model.encoder
    features = graph.input("features", 1, "T", F.CHANNELS)
    left, right, low = graph.ops("Split", [features, graph.constant([F.MELS, F.MELS, F.LOW_BANDS])], 3, axis=2)
    low = graph.op("Gather", graph.reshape(low, 1, -1, PATCH, F.LOW_BANDS), graph.constant(LOW_AT), axis=2)
    parts = [graph.reshape(left, 1, -1, MEL_WIDTH), graph.reshape(right, 1, -1, MEL_WIDTH)]
    patches = graph.op("Concat", *parts, graph.reshape(low, 1, -1, LOW_WIDTH), axis=2)
    x = graph.times(graph.op("Sub", patches, graph.constant(_rotated(model.mean))), graph.constant(1.0 / SCALE_DB))
    both = torch.cat([tower[0].weight, model.down.weight])
    split = graph.constant([len(tower[0].weight), LATENTS])
    bias = torch.cat([tower[0].bias, model.down.bias])
    hidden, skip = graph.ops("Split", [graph.linear(x, _rotated(both.T).T, bias), split], 2, axis=2)
    for block in tower[1:-2]:
        hidden = _residual(graph, hidden, block, False)
    hidden = graph.linear(graph.layer_norm(hidden, tower[-2]), tower[-1].weight, tower[-1].bias)
    centred = graph.op("Sub", graph.add(skip, hidden), graph.constant(model.latent_mean))
    graph.output(graph.times(centred, graph.constant(model.latent_scale)), "latents", 1, "N", LATENTS)
    return graph


def vocoder_graph(model: Vocoder, int8: frozenset[str], half: bool = False) -> Graph:
    """mel [B, T, MELS], low [B, T, LOW_BANDS] in dB to level [B, T, 2, BINS] and spread [B, T, 2, SPREADS] in dB."""
    graph = Graph("vocoder", half)
    mel, low = graph.input("mel", "B", "T", F.MELS), graph.input("low", "B", "T", F.LOW_BANDS)
    x = graph.times(graph.op("Concat", mel, low, axis=2), graph.constant(1.0 / 40.0))
    x = graph.convolution(graph.add(x, graph.constant(1.0)), model.input, "vocoder_in" in int8)
    for block in model.blocks:
        assert isinstance(block, Residual)
        x = _residual(graph, x, block, "vocoder" in int8)
    hidden = graph.layer_norm(x, model.norm)
    fine = graph.linear(hidden, 20.0 * model.level.weight, 20.0 * model.level.bias, "level" in int8)
    base = graph.op("Unsqueeze", graph.banded(mel, model.level_map.T, LEVEL_EDGES), graph.constant([2]))
    level = graph.add(_in_pairs(graph, fine, F.BINS), base)
    level = graph.op("Clip", level, graph.constant(FLOOR_DB), graph.constant(6.0))
    graph.output(level, "level", "B", "T", 2, F.BINS)
    spread = graph.linear(hidden, model.spread.weight, model.spread.bias + 4.0, "spread" in int8)
    graph.output(_softplus(graph, _in_pairs(graph, spread, SPREADS)), "spread", "B", "T", 2, SPREADS)
    return graph


def _in_pairs(graph: Graph, x: str, width: int) -> str:
    """[B, T, 2 x width] as [B, T, 2, width]."""
    return graph.op("Reshape", x, graph.constant([0, 0, 2, width]))


def _softplus(graph: Graph, x: str) -> str:
    """log(1 + exp(x)) by the sigmoid, which is vectorised; never below x."""
    low = graph.op("Log", graph.op("Sigmoid", graph.op("Neg", x)))
    return graph.op("Max", x, graph.op("Neg", low))
