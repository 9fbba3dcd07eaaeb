"""What a runtime is: the networks that make sound, as four functions. Which library runs them is its own matter.

*Threading*: a runtime belongs to the renderer's thread. No call takes longer than one step of the denoiser or
one window of the codec; `sample` calls `check` before each step and after the last, and lets what it raises pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from engine.models.denoiser import Conditions

Draw = Callable[[], Tensor]
"""draw() -> noise [1, N, 64], the next of a request's stream."""
Check = Callable[[], None]


class Decodes(Protocol):
    """What turns latents [1, N, 64] into features [1, 8 N, CHANNELS] in dB."""

    def decode(self, latents: Tensor) -> Tensor: ...


class Runtime(Decodes, Protocol):
    """The codec, the vocoder's network and the few-step sampler of one bundle. Same input, same bytes."""

    name: str
    threads: int

    def sample(self, given: Conditions, draw: Draw, steps: int, guidance: Tensor, check: Check) -> Tensor:
        """Clean latents [1, N, 64] in `steps` passes. guidance: [1], or [1, GROUPS]; see `engine.models.denoiser`."""
        ...

    def resample(
        self, given: Conditions, held: Tensor, draw: Draw, place: int, steps: int, guidance: Tensor, check: Check
    ) -> Tensor:
        """Clean latents [1, N, 64] near `held`, noised `place` eighths of the way; see `engine.diffusion.restart`."""
        ...

    def encode(self, features: Tensor) -> Tensor:
        """Latents [1, N, 64] of features [1, 8 N, CHANNELS] in dB."""
        ...

    def levels(self, mel: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
        """Levels [B, 2 T, BINS] and spreads [B, 2 T, SPREADS] in dB; see `engine.models.vocoder.Vocoder`."""
        ...
