"""A planner at work: one event at a time, keys and values kept. The arithmetic of `Planner.states` and `.logits`.

One event is little work in many small steps, so numpy does the steps and torch the matrices: half of what the same
steps cost in torch. `tests/test_plan_model.py` holds it to `Planner`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.models.denoiser import rotary_tables
from engine.models.planner import COUNTED_BARS, FIRST_SLOT, OFFSETS, SLOT_SIZES, Layer, Planner
from engine.planning import tokens as T

Vector = NDArray[np.float32]
Product = Callable[[Vector], Vector]
EPSILON = 1e-6


def product(weight: Tensor) -> Product:
    """x [n] to weight [m, n] x, in a buffer of its own that the next call writes over."""
    held = weight.detach().float().contiguous()
    result = torch.empty(len(held))
    view = cast(Vector, result.numpy())

    def multiply(x: Vector) -> Vector:
        torch.mv(held, torch.from_numpy(x), out=result)
        return view

    return multiply


def array(tensor: Tensor) -> Vector:
    return np.ascontiguousarray(tensor.detach().float().numpy())


def unit(x: Vector) -> Vector:
    """x over its root mean square."""
    return cast(Vector, x * np.float32(1.0 / np.sqrt(float(x @ x) / len(x) + EPSILON)))


def swish(x: Vector) -> Vector:
    return cast(Vector, x / (1.0 + np.exp(-x)))


@dataclass(frozen=True)
class _Layer:
    """A layer's matrices, the gains of its norms folded in; gains [2, 1, head width] of queries and keys."""

    qkv: Product
    out: Product
    gate_up: Product
    down: Product
    gains: Vector

    @staticmethod
    def of(layer: Layer) -> _Layer:
        return _Layer(
            product(layer.qkv.weight * layer.norm1.gain),
            product(layer.out.weight),
            product(layer.gate_up.weight * layer.norm2.gain),
            product(layer.down.weight),
            np.stack([array(layer.q_norm.gain), array(layer.k_norm.gain)])[:, None],
        )


class Weights:
    """What a planner's writers share. *Threading*: its buffers belong to one thread, and so do all of its writers."""

    @torch.no_grad()
    def __init__(self, model: Planner) -> None:
        self.model, self.config = model, model.config
        self.layers = [_Layer.of(layer) for layer in model.layers if isinstance(layer, Layer)]
        self.tokens, self.counted, self.told = (array(t.weight) for t in (model.tokens, model.counted, model.told))
        self.slots, self.start, self.gain = array(model.slots.weight), array(model.start), array(model.norm.gain)
        self.slot_gain, self.last_gain = array(model.slot_norm.gain), array(model.last_norm.gain)
        self.up, self.up_bias = product(model.slot_up.weight), array(model.slot_up.bias)
        self.down = product(model.slot_down.weight)
        edges = list(zip(OFFSETS, SLOT_SIZES, strict=True))
        self.outputs = [product(model.output.weight[first : first + size]) for first, size in edges]
        self.biases = [array(model.output.bias[first : first + size]) for first, size in edges]

    @torch.no_grad()
    def facts(self, vector: NDArray[np.float32]) -> Vector:
        """What is added to every position."""
        network = cast(nn.Module, self.model.facts)
        return array(network(torch.from_numpy(vector)[None])[0])


class Writer:
    """Fed events, asked for the slots of the next one. Holds `room` positions of keys and values."""

    def __init__(self, weights: Weights, facts: NDArray[np.float32], room: int) -> None:
        config = weights.config
        self.weights, self.heads, self.count = weights, config.heads, 0
        head = config.width // config.heads
        self.held = np.zeros((config.layers, 2, config.heads, room + 1, head), np.float32)
        tables = rotary_tables(room + 1, head, torch.device("cpu"))
        self.cos, self.sin = (array(table) for table in tables)
        self.facts = weights.facts(facts)
        self.state = self._step(weights.start + self.facts)
        self.told_state = self.state

    def feed(self, rows: Sequence[Sequence[int]], bars: Sequence[int]) -> None:
        """Events that are settled, each with the number of its bar."""
        tokens, counted = self.weights.tokens, self.weights.counted
        for row, bar in zip(rows, bars, strict=True):
            kind = row[0]
            first = FIRST_SLOT[kind]
            index = [kind, *(OFFSETS[first + k] + row[1 + k] for k in range(len(T.SLOTS[kind])))]
            self.state = self._step(tokens[index].sum(0) + counted[bar % COUNTED_BARS] + self.facts)
        self.told_state = self.state

    def logits(self, slot: int) -> Vector:
        """Of a slot of the next event, given those that were told."""
        held = self.weights
        x = unit(self.told_state + held.slots[slot]) * held.slot_gain
        x = x + held.down(swish(held.up(x) + held.up_bias))
        return held.outputs[slot](unit(x) * held.last_gain) + held.biases[slot]

    def tell(self, slot: int, value: int) -> None:
        """Settle a slot of the next event."""
        self.told_state = self.told_state + self.weights.told[OFFSETS[slot] + value]

    def _step(self, x: Vector) -> Vector:
        """One more position: its input to its state, both [width]."""
        for layer, held in zip(self.weights.layers, self.held, strict=True):
            x = x + layer.out(self._attend(layer.qkv(unit(x)), layer.gains, held))
            gate, up = np.split(layer.gate_up(unit(x)), 2)
            x = x + layer.down(swish(gate) * up)
        self.count += 1
        return unit(x) * self.weights.gain

    def _attend(self, qkv: Vector, gains: Vector, held: Vector) -> Vector:
        """held [2, heads, room, head width] gets this position's key and value; the mixed values [width]."""
        parts = qkv.reshape(3, self.heads, -1)
        both = parts[:2]
        width = both.shape[-1]
        scale = 1.0 / np.sqrt(np.einsum("ijk,ijk->ij", both, both) / width + EPSILON)
        both = both * scale[..., None] * gains
        first, second = both[..., : width // 2], both[..., width // 2 :]
        cos, sin, at = self.cos[self.count], self.sin[self.count], self.count
        query, key = np.concatenate([first * cos - second * sin, first * sin + second * cos], axis=-1)
        held[0, :, at], held[1, :, at] = key, parts[2]
        scores = np.matmul(held[0, :, : at + 1], query[:, :, None])[..., 0] / np.sqrt(np.float32(width))
        shares = np.exp(scores - scores.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        mixed: Vector = np.matmul(shares[:, None], held[1, :, : at + 1]).reshape(-1)
        return mixed
