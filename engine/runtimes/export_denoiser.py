"""The denoiser as two graphs: what does not depend on a step's latents, and the step.

`prepare` [once a window] turns conditions and the times, jumps and guidance of all steps into the constant part of
the input and each step's modulation. `step` makes one jump of one clip of N latents, known frames held in place:
z' = pinned(z - length u(z)). Rotary tables are constants.
"""

from __future__ import annotations

from typing import Any

import torch

from engine.models.codec import LATENTS
from engine.models.denoiser import FRAME_FEATURES, SUB_FRAMES, Block, Denoiser, rotary_tables
from engine.runtimes.graph import CONTRIB, Graph

LONGEST = 2048
"""Latents that the rotary tables reach; windows have 144 at most."""


def _two_layers(graph: Graph, x: str, layers: Any, int8: bool = False) -> str:
    hidden = graph.silu(graph.linear(x, layers[0].weight, layers[0].bias, int8))
    return graph.linear(hidden, layers[2].weight, layers[2].bias, int8)


def prepare_graph(model: Denoiser, int8: frozenset[str], half: bool = False) -> Graph:
    """times, jumps [S, 128] and guidance [1, G] as features, given [N, 130], frames [N, 8 x F], globals [1, C] to
    base [N, width] and shared [S, 6 x width].
    """
    graph, width = Graph("prepare", half), model.config.width
    times, guidance = graph.input("times", "S", 128), graph.input("guidance", 1, model.guidance_input.in_features)
    overall = _two_layers(graph, times, model.time_input)
    if model.config.jumps:
        overall = graph.add(overall, graph.linear(graph.input("jumps", "S", 128), model.jump_input.weight))
    told = _two_layers(graph, graph.input("globals", 1, model.config.globals_width), model.global_input)
    overall = graph.add(overall, graph.add(told, graph.linear(guidance, model.guidance_input.weight)))
    shared = graph.linear(graph.silu(overall), model.modulation.weight, model.modulation.bias)
    graph.output(shared, "shared", "S", 6 * width)
    frames = graph.input("frames", "N", SUB_FRAMES * FRAME_FEATURES)
    heard = _two_layers(graph, frames, model.frame_input, "frames" in int8)
    given = graph.input("given", "N", 2 * LATENTS + 2)
    around = graph.linear(given, model.input.weight[:, LATENTS:], model.input.bias)
    graph.output(graph.add(around, heard), "base", "N", width)
    return graph


def step_graph(model: Denoiser, int8: frozenset[str], half: bool = False) -> Graph:
    """z, noise, context [N, 64], mask [N, 1], base [N, width], shared [1, 6 x width], length and after [1] to next."""
    graph, config = Graph("step", half), model.config
    z, base = graph.input("z", "N", LATENTS), graph.input("base", "N", config.width)
    shared = graph.input("shared", 1, 6 * config.width)
    x = graph.add(graph.linear(z, model.input.weight[:, :LATENTS]), base)
    tables = rotary_tables(LONGEST, config.width // config.heads, torch.device("cpu"))
    cos, sin = (graph.constant(table) for table in tables)
    count = graph.cut(graph.op("Shape", z), 0, 1, 0)
    scalar = graph.op("Squeeze", count)
    places = graph.op("Range", graph.constant(0), scalar, graph.constant(1))
    places = graph.op("Unsqueeze", places, graph.constant([0]))
    for block in model.blocks:
        assert isinstance(block, Block)
        x = _block(graph, block, x, shared, (places, cos, sin), int8)
    last = graph.rms_norm(x, graph.constant(model.norm.gain))
    velocity = graph.linear(last, model.output.weight, model.output.bias)
    length, after = graph.input("length", 1), graph.input("after", 1)
    noise, context = graph.input("noise", "N", LATENTS), graph.input("context", "N", LATENTS)
    jumped = graph.op("Sub", z, graph.times(length, velocity))
    rest = graph.op("Sub", graph.constant(torch.ones(1)), after)
    held = graph.add(graph.times(rest, context), graph.times(after, noise))
    known = graph.op("Greater", graph.input("mask", "N", 1), graph.constant(torch.zeros(1)))
    graph.output(graph.op("Where", known, held, jumped), "next", "N", LATENTS)
    graph.output(velocity, "velocity", "N", LATENTS)
    return graph


def _block(graph: Graph, block: Block, x: str, shared: str, tables: tuple[str, str, str], int8: frozenset[str]) -> str:
    modulation = graph.add(shared, graph.constant(block.modulation.reshape(1, -1)))
    shift1, scale1, gate1, shift2, scale2, gate2 = graph.ops("Split", [modulation], 6, axis=1, num_outputs=6)
    normed = _modulated(graph, x, scale1, shift1)
    x = graph.add(x, graph.times(gate1, _attention(graph, block, normed, tables, int8)))
    normed = _modulated(graph, x, scale2, shift2)
    return graph.add(x, graph.times(gate2, _feed(graph, block, normed, int8)))


def _modulated(graph: Graph, x: str, scale: str, shift: str) -> str:
    gain = graph.op("Squeeze", graph.add(scale, graph.constant(torch.ones(1))), graph.constant([0]))
    return graph.add(graph.rms_norm(x, gain), shift)


def _attention(graph: Graph, block: Block, x: str, tables: tuple[str, str, str], int8: frozenset[str]) -> str:
    parts = [(weight, None) for weight in block.qkv.weight.chunk(3)]
    if "qkv" in int8:
        query, key, value = graph.linears8(x, parts)
    else:
        query, key, value = (graph.linear(x, weight) for weight, _ in parts)
    width, heads = block.qkv.in_features, block.heads
    turned = []
    for part, norm in ((query, block.q_norm), (key, block.k_norm)):
        normed = graph.rms_norm(graph.reshape(part, -1, heads, width // heads), graph.constant(norm.gain))
        rows = graph.reshape(normed, 1, -1, width)
        turned.append(graph.op("RotaryEmbedding", rows, *tables, domain=CONTRIB, num_heads=heads))
    value = graph.reshape(value, 1, -1, width)
    mixed = graph.op("MultiHeadAttention", *turned, value, domain=CONTRIB, num_heads=heads)
    return graph.linear(graph.reshape(mixed, -1, width), block.out.weight, None, "out" in int8)


def _feed(graph: Graph, block: Block, x: str, int8: frozenset[str]) -> str:
    parts = [(weight, None) for weight in block.gate_up.weight.chunk(2)]
    if "gate_up" in int8:
        gate, up = graph.linears8(x, parts)
    else:
        gate, up = (graph.linear(x, weight) for weight, _ in parts)
    return graph.linear(graph.times(graph.silu(gate), up), block.down.weight, None, "down" in int8)
