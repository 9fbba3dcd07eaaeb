"""Low-rank adaptation: a linear layer W plus a trained B A of small rank, and the way back to plain weights.

LoRA (Hu et al. 2021, Eq. 3): h = W x + (alpha / r) B A x, with A random and B zero, so that a fresh adapter changes
nothing. Merging adds (alpha / r) B A to W; the network is then as it was, in shape and in cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

TARGETS = ("qkv", "out", "gate_up", "down")


class LowRank(nn.Module):
    """A frozen linear layer with a trained correction of rank `rank`. Same call, same shapes."""

    def __init__(self, base: nn.Linear, rank: int, generator: torch.Generator, alpha: float | None = None) -> None:
        super().__init__()
        assert rank > 0, rank
        self.base = base.requires_grad_(False)
        self.scale = (alpha if alpha is not None else rank) / rank
        start = torch.randn(rank, base.in_features, generator=generator) / math.sqrt(base.in_features)
        self.down = nn.Parameter(start.to(base.weight))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank).to(base.weight))

    def correction(self) -> Tensor:
        """What is added to the weights [out, in]."""
        return self.scale * self.up @ self.down

    def forward(self, x: Tensor) -> Tensor:
        low = nn.functional.linear(x, self.down)
        result: Tensor = self.base(x) + self.scale * nn.functional.linear(low, self.up)
        return result

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The plain layer that does the same; the base itself, changed."""
        self.base.weight += self.correction()
        return self.base


class Adapters(nn.Module):
    """The adapters of a network and nothing else: what an optimiser, an average and a checkpoint should hold.

    The parameters are those in the network; copying into them adapts it.
    """

    def __init__(self, found: dict[str, LowRank]) -> None:
        super().__init__()
        self.found = list(found.values())
        for name, adapter in found.items():
            flat = name.replace(".", "_")
            self.register_parameter(f"{flat}_down", adapter.down)
            self.register_parameter(f"{flat}_up", adapter.up)


def _places(module: nn.Module, kind: type[nn.Module], names: tuple[str, ...]) -> Iterator[tuple[nn.Module, str, str]]:
    """(parent, attribute, dotted name) of each child of `kind` that is called one of `names`."""
    for prefix, parent in list(module.named_modules()):
        for name, child in list(parent.named_children()):
            if name in names and isinstance(child, kind):
                yield parent, name, f"{prefix}.{name}".lstrip(".")


def inject(
    module: nn.Module,
    rank: int,
    generator: torch.Generator,
    names: tuple[str, ...] = TARGETS,
    alpha: float | None = None,
) -> Adapters:
    """Freeze `module` and give each linear layer called one of `names` an adapter; the adapters, ready to train."""
    module.requires_grad_(False)
    found: dict[str, LowRank] = {}
    for parent, name, path in _places(module, nn.Linear, names):
        base = getattr(parent, name)
        found[path] = LowRank(base, rank, generator, alpha)
        setattr(parent, name, found[path])
    assert found, f"no linear layers called {names}"
    return Adapters(found)


def merge(module: nn.Module, names: tuple[str, ...] = TARGETS) -> None:
    """Add all adapters to their layers and take them out: the module has its first shape and names again."""
    for parent, name, _ in _places(module, LowRank, names):
        adapter = getattr(parent, name)
        assert isinstance(adapter, LowRank)
        setattr(parent, name, adapter.merged())
