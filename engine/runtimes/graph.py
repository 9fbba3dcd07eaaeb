"""Writes ONNX graphs by hand: a few operators, weights in float32 or int8.

By hand, because the graphs are few, and because what is fused and what is quantised decides their speed. Operators
of ONNX Runtime's own domain are used where they fuse several of ONNX's.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

OPSET = 21
IR_VERSION = 10
CONTRIB = "com.microsoft"
Array = NDArray[np.float32]


def array(value: Tensor | NDArray[Any]) -> NDArray[Any]:
    """What a graph holds of a tensor."""
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else value


class Graph:
    """One graph under construction. Every function returns the name of what it adds."""

    def __init__(self, name: str, half: bool = False) -> None:
        """half: weights and arithmetic in float16; inputs and outputs stay float32."""
        self.name, self.half = name, half
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, onnx.TensorProto] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self._count = 0

    def _fresh(self) -> str:
        self._count += 1
        return f"v{self._count}"

    def input(self, name: str, *shape: int | str) -> str:
        """A float32 input; dimensions that are named may vary."""
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return self.op("Cast", name, to=TensorProto.FLOAT16) if self.half else name

    def output(self, value: str, name: str, *shape: int | str) -> None:
        """Call what a node gives by the name of an output; what this was called before is forgotten."""
        if self.half:
            self.nodes.append(helper.make_node("Cast", [value], [name], to=TensorProto.FLOAT))
        for node in [] if self.half else self.nodes:
            for names in (node.input, node.output):
                names[:] = [name if found == value else found for found in names]
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def constant(self, value: Tensor | NDArray[Any] | float | Sequence[int]) -> str:
        """Floats are held as float32 (or float16), whole numbers as int64, other arrays as they are."""
        found = array(value) if isinstance(value, Tensor | np.ndarray) else np.asarray(value)
        if found.dtype in (np.float32, np.float64):
            found = found.astype(np.float16 if self.half else np.float32)
        name = self._fresh()
        self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(found).reshape(found.shape), name)
        return name

    def ops(self, kind: str, inputs: Sequence[str], count: int, domain: str = "", **attributes: Any) -> list[str]:
        """An operator with several outputs."""
        names = [self._fresh() for _ in range(count)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, domain=domain, **attributes))
        return names

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        return self.ops(kind, inputs, 1, domain, **attributes)[0]

    def add(self, a: str, b: str) -> str:
        return self.op("Add", a, b)

    def times(self, a: str, b: str) -> str:
        return self.op("Mul", a, b)

    def silu(self, x: str) -> str:
        return self.op("QuickGelu", x, domain=CONTRIB, alpha=1.0)

    def reshape(self, x: str, *shape: int) -> str:
        return self.op("Reshape", x, self.constant(shape))

    def cut(self, x: str, first: int, last: int, axis: int) -> str:
        """x[first:last] along an axis; a `last` of 0 is the end."""
        ends = [last or np.iinfo(np.int64).max]
        return self.op("Slice", x, self.constant([first]), self.constant(ends), self.constant([axis]))

    def rms_norm(self, x: str, gain: str) -> str:
        """RMSNorm over the last axis."""
        return self.op("SimplifiedLayerNormalization", x, gain, axis=-1, epsilon=1e-6, stash_type=1)

    def layer_norm(self, x: str, norm: nn.LayerNorm) -> str:
        gain, bias = self.constant(norm.weight), self.constant(norm.bias)
        return self.op("LayerNormalization", x, gain, bias, axis=-1, epsilon=norm.eps)

    # ---- products ------------------------------------------------------------------------

    def linear(self, x: str, weight: Tensor | Array, bias: Tensor | Array | None = None, int8: bool = False) -> str:
        """x [..., in] times weight [out, in], plus a bias [out]."""
        if int8:
            return self.linears8(x, [(weight, bias)])[0]
        result = self.op("MatMul", x, self.constant(array(weight).T))
        return result if bias is None else self.add(result, self.constant(bias))

    def linears8(self, x: str, layers: Sequence[tuple[Tensor | Array, Tensor | Array | None]]) -> list[str]:
        """Products of x with int8 weights: x is turned into uint8 once, by its own range, for all of them."""
        quantised = self.ops("DynamicQuantizeLinear", [x], 3)
        return [self.product8(quantised, weight, bias) for weight, bias in layers]

    def product8(self, quantised: Sequence[str], weight: Tensor | Array, bias: Tensor | Array | None) -> str:
        """The product of what `DynamicQuantizeLinear` gave with a weight that has a scale for each of its rows."""
        rows = array(weight)
        scale = np.maximum(np.abs(rows).max(1), 1e-12) / 127.0
        held = self.constant(np.rint(rows / scale[:, None]).astype(np.int8).T)
        value, value_scale, zero = quantised
        names = [value, held, value_scale, self.constant(scale.astype(np.float32)), zero, ""]
        if bias is not None:
            names.append(self.constant(bias))
        return self.op("MatMulIntegerToFloat", *(names if bias is not None else names[:-1]), domain=CONTRIB)

    def banded(self, x: str, weight: Tensor | Array, edges: Sequence[int]) -> str:
        """x [..., in] times weight [out, in], most of it 0, in bands of rows: of each only the columns in use."""
        rows, parts = array(weight), []
        for first, last in itertools.pairwise(edges):
            used = np.flatnonzero(rows[first:last].any(0))
            begin, end = int(used[0]), int(used[-1]) + 1
            parts.append(self.linear(self.cut(x, begin, end, -1), rows[first:last, begin:end]))
        return self.op("Concat", *parts, axis=-1)

    def convolution(self, x: str, layer: nn.Conv1d, int8: bool) -> str:
        """A convolution of width 3 over time, x [B, T, in] to [B, T, out], as one product of three shifted copies."""
        kernel = array(layer.weight)
        weight, bias = kernel.transpose(0, 2, 1).reshape(len(kernel), -1), layer.bias
        padded = self.op("Pad", x, self.constant([0, 1, 0, 0, 1, 0]), mode="constant")
        if not int8:
            return self.linear(self._unfolded(padded), weight, bias)
        value, scale, zero = self.ops("DynamicQuantizeLinear", [padded], 3)
        return self.product8([self._unfolded(value), scale, zero], weight, bias)

    def _unfolded(self, padded: str) -> str:
        views = [self.cut(padded, 0, -2, 1), self.cut(padded, 1, -1, 1), self.cut(padded, 2, 0, 1)]
        return self.op("Concat", *views, axis=2)

    def save(self, path: Path) -> None:
        """Write the graph. What it computes must not depend on the machine that wrote it."""
        weights = list(self.weights.values())
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, initializer=weights)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="attacca")
        path.write_bytes(model.SerializeToString())
