"""What this machine can do at most: matrix products a second by type, memory bandwidth, and the work of a render.

    python -m benchmarks.floor [--seconds 0.5] [--json]

A render's *arithmetic floor* is its multiply-adds at the machine's best rate; its *memory floor* is one pass over
the weights per network call. Both leave out all else, so that nothing can be faster than the larger of the two.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
import torch
from torch import nn

SIZE = 1024
COPY_BYTES = 256 << 20
UNITS = {"float32": "GFLOP/s", "bfloat16": "GFLOP/s", "int8": "GOP/s"}


def best_rate(work: Callable[[], object], amount: float, seconds: float) -> float:
    """amount / shortest time of `work`, called at least three times and for `seconds`."""
    best, calls, begin = float("inf"), 0, time.perf_counter()
    while calls < 3 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        work()
        best, calls = min(best, time.perf_counter() - start), calls + 1
    return amount / best


def products() -> dict[str, list[Callable[[], object]]]:
    """Ways to a [SIZE, SIZE] product by type; the floor is the fastest of each type."""
    a = torch.ones(SIZE, SIZE)
    half, whole = a.bfloat16(), a.to(torch.int8)
    ways: dict[str, list[Callable[[], object]]] = {
        "float32": [lambda: torch.mm(a, a)],
        "bfloat16": [lambda: torch.mm(half, half)],
        "int8": [lambda: torch._int_mm(whole, whole)],
    }
    if torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        packed = torch.ops.mkldnn._reorder_linear_weight(a, SIZE)
        ways["float32"].append(lambda: torch.ops.mkldnn._linear_pointwise(a, packed, None, "none", [], ""))
    if (onnx := onnx_int8_product()) is not None:
        ways["int8"].append(onnx)
    return ways


def onnx_int8_product() -> Callable[[], object] | None:
    """The product by ONNX Runtime's MatMulInteger; None where onnx or onnxruntime is missing."""
    try:
        from onnx import TensorProto, helper

        from engine.runtimes.ort import onnxruntime
    except ImportError:
        return None
    kinds = {"a": TensorProto.UINT8, "b": TensorProto.INT8}
    inputs = [helper.make_tensor_value_info(name, kind, [SIZE, SIZE]) for name, kind in kinds.items()]
    output = helper.make_tensor_value_info("c", TensorProto.INT32, [SIZE, SIZE])
    graph = helper.make_graph([helper.make_node("MatMulInteger", ["a", "b"], ["c"])], "product", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {"a": np.ones((SIZE, SIZE), np.uint8), "b": np.ones((SIZE, SIZE), np.int8)}
    return lambda: session.run(None, feed)


def memory_gb_s(seconds: float) -> float:
    """Bytes read and written a second by a copy that no cache holds, in 1e9."""
    source = torch.ones(COPY_BYTES // 4)
    target = torch.empty_like(source)
    return best_rate(lambda: target.copy_(source), 2 * COPY_BYTES, seconds) / 1e9


def machine(seconds: float = 0.4) -> dict[str, Any]:
    """{"threads", "gemm_g_per_s": {type: 1e9 operations a second}, "memory_gb_per_s"} with torch's threads."""
    rates = {}
    for name, ways in products().items():
        try:
            rates[name] = round(max(best_rate(way, 2 * SIZE**3, seconds / 2) for way in ways) / 1e9, 1)
        except (RuntimeError, NotImplementedError):  # a type that this processor or build has no product for
            continue
    memory = round(memory_gb_s(seconds / 2), 1)
    return {"threads": torch.get_num_threads(), "gemm_g_per_s": rates, "memory_gb_per_s": memory}


def sentence(found: dict[str, Any]) -> str:
    rates = ", ".join(f"{name} {rate:.0f} {UNITS.get(name, '')}" for name, rate in found["gemm_g_per_s"].items())
    return f"floor: {rates}; memory {found['memory_gb_per_s']:.0f} GB/s; {found['threads']} threads"


@dataclass(frozen=True)
class Work:
    """What one call of a network costs: operations (a multiply-add is two) and bytes of float32 weights."""

    operations: float
    weight_bytes: float

    def __add__(self, other: Work) -> Work:
        return Work(self.operations + other.operations, self.weight_bytes + other.weight_bytes)

    def times(self, calls: int) -> Work:
        return Work(self.operations * calls, self.weight_bytes * calls)

    def floor_s(self, found: dict[str, Any], kind: str) -> float:
        """The least time on a machine as `machine` found it, weights and products of one type."""
        share = {"float32": 1.0, "bfloat16": 0.5, "int8": 0.25}[kind]
        arithmetic = self.operations / (found["gemm_g_per_s"][kind] * 1e9)
        memory = share * self.weight_bytes / (found["memory_gb_per_s"] * 1e9)
        return float(max(arithmetic, memory))


def work_of(module: nn.Module, call: Callable[[], object]) -> Work:
    """Counts the linear layers and convolutions that `call` runs in `module`; attention's own products are left out."""
    counted, handles = [0.0], []

    def count(layer: nn.Module, given: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, torch.Tensor)
        if isinstance(layer, nn.Linear):
            counted[0] += 2.0 * out.numel() * weight.shape[1]
        else:
            counted[0] += 2.0 * out.numel() * weight.shape[1] * float(np.prod(weight.shape[2:]))

    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d):
            handles.append(layer.register_forward_hook(count))
    try:
        with torch.no_grad():
            call()
    finally:
        for handle in handles:
            handle.remove()
    return Work(counted[0], 4.0 * sum(parameter.numel() for parameter in module.parameters()))


@click.command(help=__doc__)
@click.option("--seconds", type=click.FloatRange(0.01, 60), default=0.5, show_default=True, help="For each type.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line alone.")
def main(seconds: float, as_json: bool) -> None:
    found = machine(seconds)
    click.echo(json.dumps(found) if as_json else sentence(found))


if __name__ == "__main__":
    main()
