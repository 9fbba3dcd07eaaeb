"""Networks that can stand in the denoiser's place: one interface, one set of conditions, one budget of parameters.

    transformer   `Denoiser` (AudioLCM, section 3.2)
    dual_path     `DualPath` (MeLoDy, dual-path diffusion)
    unet1d        convolutions over time, 3 sizes (MeLoDy's ablation)
    unet2d        convolutions over time and 16 bands of latents, 3 sizes (MusicCM's and DITTO-2's kind)

All are `Denoiser`s: velocity(z, time, guidance, Conditions, jump) on a config that names the kind. `sized` finds the
width at which a kind has as many parameters as it is to have.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import cache
from typing import Any

import torch
from torch import nn

from engine.models.denoiser import Denoiser, DenoiserConfig
from engine.models.dual_path import DualPath
from engine.models.dual_path_base import Backbone, BackboneConfig
from engine.models.unet import UNet1d, UNet2d

BODIES: dict[str, type[Backbone]] = {"dual_path": DualPath, "unet1d": UNet1d, "unet2d": UNet2d}
KINDS = ("transformer", *BODIES)
DEPTHS = {"transformer": 6, "dual_path": 4, "unet1d": 0, "unet2d": 0}
HEADS = 4
WIDTH_STEPS = {"transformer": 8, "dual_path": 8, "unet1d": 4, "unet2d": 4}


def kind_of(config: DenoiserConfig) -> str:
    return config.kind if isinstance(config, BackboneConfig) else "transformer"


def build(config: DenoiserConfig) -> Denoiser:
    """The network of a config, untrained."""
    kind = kind_of(config)
    return Denoiser(config) if kind == "transformer" else BODIES[kind](config)


def as_facts(config: DenoiserConfig) -> dict[str, Any]:
    """A config as JSON holds it."""
    return {**asdict(config), "kind": kind_of(config)}


def from_facts(facts: dict[str, Any]) -> DenoiserConfig:
    """The inverse of `as_facts`."""
    said = dict(facts)
    if said["kind"] == "transformer":
        return DenoiserConfig(**{name: value for name, value in said.items() if name != "kind"})
    return BackboneConfig(**said)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def config_of(kind: str, prompt: int, width: int, slerp: bool = False) -> DenoiserConfig:
    """A kind at a width, with its usual depth."""
    if kind == "transformer":
        return DenoiserConfig(prompt=prompt, width=width, layers=DEPTHS[kind], heads=HEADS)
    return BackboneConfig(prompt=prompt, width=width, layers=DEPTHS[kind], heads=HEADS, kind=kind, slerp=slerp)


@cache
def sized(kind: str, prompt: int, count: int, slerp: bool = False) -> DenoiserConfig:
    """The config of a kind whose number of parameters is nearest to `count`, in the steps that its width may have."""

    def off(width: int) -> int:
        with torch.device("meta"):
            return abs(parameters(build(config_of(kind, prompt, width, slerp))) - count)

    return config_of(kind, prompt, min(_around(kind, prompt, count, slerp), key=off), slerp)


def _around(kind: str, prompt: int, count: int, slerp: bool) -> range:
    """The two widths between which `count` lies."""
    step = WIDTH_STEPS[kind]
    low, high = step, 1024
    while high - low > step:
        middle = (low + high) // 2 // step * step
        with torch.device("meta"):
            below = parameters(build(config_of(kind, prompt, middle, slerp))) <= count
        low, high = (middle, high) if below else (low, middle)
    return range(low, high + 1, step)


def student_of(teacher: Denoiser, jumps: bool) -> Denoiser:
    """A copy of the teacher that may also take jumps, whose input starts at zero: at first the same function."""
    copy = build(replace(teacher.config, jumps=jumps))
    missing, unexpected = copy.load_state_dict(teacher.state_dict(), strict=False)
    assert set(missing) <= {"jump_input.weight"}, missing
    assert not unexpected, unexpected
    return copy.to(next(teacher.parameters()).device)
