"""PyTorch as it is: the networks themselves, layer by layer, in float32 on the processor."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.diffusion import restart
from engine.models.codec import Codec
from engine.models.denoiser import Conditions
from engine.models.load import Networks
from engine.models.vocoder import Vocoder
from engine.render.sample import few_step
from engine.runtimes.base import Check, Draw


class TorchRuntime:
    """`engine.runtimes.base.Runtime` over torch modules; what optimisation and training use as well."""

    name = "torch"
    device = "cpu"

    def __init__(self, networks: Networks) -> None:
        self.networks = networks
        self.threads = torch.get_num_threads()
        self.codec: Codec = networks.codec
        self.vocoder: Vocoder = networks.vocoder

    def sample(self, given: Conditions, draw: Draw, steps: int, guidance: Tensor, check: Check) -> Tensor:
        return few_step(self.networks.student, given, draw, steps, guidance, check)

    def resample(
        self, given: Conditions, held: Tensor, draw: Draw, place: int, steps: int, guidance: Tensor, check: Check
    ) -> Tensor:
        return restart.sample(self.networks.student, given, held, draw, place, steps, guidance, check)

    @torch.no_grad()
    def encode(self, features: Tensor) -> Tensor:
        return self.codec.encode(features.to(self.device)).cpu()

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        return self.codec.decode(latents.to(self.device)).cpu()

    @torch.no_grad()
    def levels(self, mel: Tensor, low: Tensor) -> tuple[Tensor, Tensor]:
        level, spread = self.vocoder(mel.to(self.device), low.to(self.device))
        return level.cpu(), spread.cpu()
