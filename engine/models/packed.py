"""Linear layers on the processor, with weights laid out once for oneDNN.

The same products in float32, summed in another order (results differ by rounding alone). PyTorch gives float32
products to MKL, which on AMD processors leaves half of the vector units idle; oneDNN uses what is there, and
packed weights are not laid out anew in each call. Where a weight learns, or on another device, a packed layer is
the plain one; a gradient to the input alone goes back through a packed weight as well.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

TYPICAL_ROWS = 96


class PackedLinear(nn.Linear):
    """A frozen `nn.Linear` with a second copy of its weight [out, in] in oneDNN's own layout."""

    packed: Tensor | None = None
    packed_back: Tensor | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles are not packed: they may learn."""
        return {name: value for name, value in self.__dict__.items() if name not in ("packed", "packed_back")}

    def forward(self, input: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        learns = torch.is_grad_enabled() and self.weight.requires_grad
        if self.packed is None or learns or input.device.type != "cpu" or input.dtype != torch.float32:
            return super().forward(input)
        if torch.is_grad_enabled() and input.requires_grad:
            through: Tensor = _Through.apply(input, self)  # type: ignore[no-untyped-call]
            return through
        return _product(input, self.packed, self.bias)

    def back(self, gradient: Tensor) -> Tensor:
        """[..., out] to [..., in]: the gradient of the input. The weight is laid out for it at its first use."""
        if self.packed_back is None:
            across = self.weight.detach().t().contiguous()
            self.packed_back = torch.ops.mkldnn._reorder_linear_weight(across, TYPICAL_ROWS)
        return _product(gradient.contiguous(), self.packed_back, None)


def _product(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(input, weight, bias, "none", [], "")
    return result


class _Through(torch.autograd.Function):
    """A packed layer with a gradient to its input alone."""

    @staticmethod
    def forward(context: Any, input: Tensor, layer: PackedLinear) -> Tensor:
        assert layer.packed is not None
        context.layer = layer
        return _product(input, layer.packed, layer.bias)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return context.layer.back(gradient), None


def pack(module: nn.Module) -> int:
    """Pack all frozen float32 linear layers of a module in place; returns how many, 0 where oneDNN is missing.

    Parameters and their names stay as they are. Weights must not change after it.
    """
    if not (torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_linear_pointwise")):
        return 0
    layers = [layer for layer in module.modules() if type(layer) is nn.Linear and _packable(layer)]
    for layer in layers:
        packed = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), TYPICAL_ROWS)
        layer.__class__ = PackedLinear
        layer.packed = packed
    return len(layers)


def _packable(layer: nn.Linear) -> bool:
    weight = layer.weight
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and not weight.requires_grad
