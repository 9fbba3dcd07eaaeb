"""What every runtime must answer alike: one small input, torch's answer to it, and how far off counts as wrong.

The input is drawn, not heard: a third of it known frames, every kind of condition told. Torch's answers are kept
beside the graphs, so that a machine on which they compute something else finds out when it loads them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engine.models import denoiser as D
from engine.models import features as F
from engine.models.codec import LATENTS
from engine.models.denoiser import Conditions, DenoiserConfig
from engine.runtimes.base import Runtime

FRAMES, STEPS, SPOKEN = 48, 4, 24
GUIDANCE = 1.5
TOLERANCE = {"onnx": 0.001, "onnx-int8": 0.03, "torch-cuda": 0.03, "onnx-cuda": 0.03}
"""The largest of `errors`."""


def conditions(config: DenoiserConfig, generator: torch.Generator, count: int = FRAMES) -> Conditions:
    """Conditions of one clip of `count` latents: the first third known, the rest told everything."""

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    mask = (torch.arange(count) < count // 3).float()[None, :, None]
    under = 1.0 - mask
    frames = drawn(1, count, D.SUB_FRAMES, D.FRAME_FEATURES).clamp(-1.0, 1.0)
    return Conditions(
        drawn(1, count, LATENTS) * mask,
        mask,
        drawn(1, count, LATENTS) * under,
        under,
        frames,
        0.5 * drawn(1, config.globals_width),
    )


def answers(runtime: Runtime, config: DenoiserConfig) -> dict[str, Tensor]:
    """What a runtime makes of the probe: latents, features, levels, spreads, and the latents of the features."""
    generator = torch.Generator().manual_seed(20)
    given = conditions(config, generator)

    def draw() -> Tensor:
        return torch.randn(1, FRAMES, LATENTS, generator=generator)

    latents = runtime.sample(given, draw, STEPS, torch.full((1,), GUIDANCE), lambda: None)
    features = runtime.decode(torch.randn(1, FRAMES, LATENTS, generator=generator))
    told = torch.randn(SPOKEN, F.CHANNELS, generator=generator) * 10.0 - 50.0
    mel = torch.stack([told[:, : F.MELS], told[:, F.MELS : 2 * F.MELS]])
    level, spread = runtime.levels(mel, told[None, :, 2 * F.MELS :].expand(2, -1, -1))
    coded = runtime.encode(told[None])
    found = {"latents": latents, "features": features, "level": level, "spread": spread, "coded": coded}
    return {name: value.clone().contiguous() for name, value in found.items()}


def errors(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> dict[str, float]:
    """Root-mean-square error of each answer over the spread of what is wanted (a tenth of its size at least).

    Infinite where an answer is not finite or has another shape.
    """

    def error(a: Tensor, b: Tensor) -> float:
        if a.shape != b.shape or not bool(torch.isfinite(a).all()):
            return float("inf")
        wanted = b.double()
        size = torch.maximum(wanted.std(), 0.1 * wanted.square().mean().sqrt()).clamp_min(1e-9)
        return float((a - wanted).square().mean().sqrt() / size)

    return {name: error(found[name], answer) for name, answer in wanted.items()}


def complaint(name: str, found: dict[str, float]) -> str | None:
    """What is wrong with a runtime's answers, or None."""
    most = TOLERANCE[name]
    wrong = [f"{what} {100 * error:.2f} %" for what, error in found.items() if not error <= most]
    return f"{name} differs from torch by more than {100 * most:g} %: {', '.join(wrong)}" if wrong else None


Say = Callable[[str], None]
"""say(sentence): a remark for people."""
