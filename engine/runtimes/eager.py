"""PyTorch as it is: the networks themselves, layer by layer, in float32 on the processor."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.diffusion import restart
from engine.models.denoiser import Conditions
from engine.models.load import Networks
from engine.render.sample import few_step
from engine.runtimes.base import Check, Draw


class TorchRuntime:
    """`engine.runtimes.base.Runtime` over torch modules; what optimisation and training use as well."""

    name = "torch"

    def __init__(self, networks: Networks) -> None:
        self.networks = networks
        self.threads = torch.get_num_threads()

    def sample(self, given: Conditions, draw: Draw, steps: int, guidance: Tensor, check: Check) -> Tensor:
        return few_step(self.networks.student, given, draw, steps, guidance, check)

    def resample(
        self, given: Conditions, held: Tensor, draw: Draw, place: int, steps: int, guidance: Tensor, check: Check
    ) -> Tensor:
        return restart.sample(self.networks.student, given, held, draw, place, steps, guidance, check)

    @torch.no_grad()
    def encode(self, features: Tensor) -> Tensor:
        return self.networks.codec.encode(features)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        return self.networks.codec.decode(latents)

    @torch.no_grad()
    def levels(self, mel: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
        level, spread = self.networks.vocoder(mel, low)
        return level, spread
