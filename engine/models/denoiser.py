"""The denoiser: a LLaMA-style transformer over latent frames (AudioLCM, section 3.2).

RMSNorm before each layer, rotary positions, SwiGLU, queries and keys normalised; time, strengths of guidance
and global conditions modulate every block through one shared adaptive norm. All else is per frame
and added to the input: context latents with their masks and eight sub-frames of musical conditions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.models.attention import attention
from engine.models.codec import LATENTS, PATCH

SUB_FRAMES = PATCH
BEAT_FEATURES = 7
MELODY_FEATURES = 15
CHORD_FEATURES = 13
INTENSITY_FEATURES = 2
FRAME_FEATURES = BEAT_FEATURES + MELODY_FEATURES + CHORD_FEATURES + INTENSITY_FEATURES
PART_FEATURES = 6
KEY_FEATURES = 25
TEMPO_FEATURES = 2
GROUPS = ("prompt", "melody", "intensity", "context", "chords", "beat")
"""What guidance can act on, each with a strength of its own: the fields of `engine.types.Strengths`."""
USUALLY_GUIDED = (True, True, False, True, True, False)
"""What one overall scale acts on. Guiding beat and level too makes loudness drift (docs/LOG.md)."""


@dataclass(frozen=True)
class DenoiserConfig:
    """Shape of the network. prompt: width of the prompt vector without its given-flag.

    jumps: whether it also takes the length of the step it is asked for (see `engine.diffusion.jumps`).
    strengths: whether it takes a strength of guidance for each of GROUPS, and not one scale.
    guidance: the overall scale that serves it best where nothing is followed; a request that names none gets it.
    """

    prompt: int
    width: int = 320
    layers: int = 8
    heads: int = 5
    jumps: bool = False
    strengths: bool = False
    guidance: float = 1.5

    @property
    def globals_width(self) -> int:
        return self.prompt + 1 + PART_FEATURES + KEY_FEATURES + TEMPO_FEATURES


@dataclass
class Conditions:
    """What the denoiser is told. B clips of N latent frames.

    context [B, N, 64] clean latents, 0 where context_mask [B, N, 1] is 0 (before and after the new bars);
    under and under_mask likewise (other parts of the same bars); frames [B, N, 8, FRAME_FEATURES];
    globals [B, globals_width]. Each group carries its own flag, so that "not given" is learnt.
    """

    context: Tensor
    context_mask: Tensor
    under: Tensor
    under_mask: Tensor
    frames: Tensor
    globals: Tensor

    def map(self, function: object) -> Conditions:
        assert callable(function)
        return Conditions(**{name: function(value) for name, value in vars(self).items()})


def usual_strengths(scale: Tensor) -> Tensor:
    """Strengths [B, GROUPS] of one overall guidance scale [B]; 1 is what is told, unguided."""
    guided = torch.tensor(USUALLY_GUIDED, dtype=scale.dtype, device=scale.device)
    return 1.0 + (scale[:, None] - 1.0) * guided


def sinusoid(value: Tensor, width: int = 128, fastest: float = 1000.0) -> Tensor:
    """Sines and cosines [B, width] of a scalar [B]."""
    rates = torch.exp(torch.linspace(0, math.log(fastest), width // 2, device=value.device))
    angle = value.float()[:, None] * rates
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def rotary_tables(count: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    rates = 1.0 / (1000.0 ** (torch.arange(0, width, 2, device=device) / width))
    angle = torch.arange(count, device=device)[:, None] * rates
    return angle.cos(), angle.sin()


def rotate(x: Tensor, tables: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary position embedding of x [B, heads, N, width]."""
    cos, sin = tables
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1).to(x.dtype)


class Norm(nn.Module):
    """RMSNorm with a gain, in the dtype of its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.rms_norm(x, x.shape[-1:], self.gain.to(x.dtype), 1e-6)


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        inner = (width * 8 // 3 + 31) // 32 * 32
        self.norm1 = nn.RMSNorm(width, elementwise_affine=False, eps=1e-6)
        self.norm2 = nn.RMSNorm(width, elementwise_affine=False, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_norm = Norm(width // heads)
        self.k_norm = Norm(width // heads)
        self.out = nn.Linear(width, width, bias=False)
        self.gate_up = nn.Linear(width, 2 * inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)
        self.modulation = nn.Parameter(torch.zeros(6, width))
        with torch.no_grad():
            self.modulation[2], self.modulation[5] = 0.2, 0.2

    def attend(self, x: Tensor, tables: tuple[Tensor, Tensor]) -> Tensor:
        parts = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key = rotate(self.q_norm(parts[0]), tables), rotate(self.k_norm(parts[1]), tables)
        mixed = attention(query, key, parts[2])
        result: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return result

    def forward(self, x: Tensor, shared: Tensor, tables: tuple[Tensor, Tensor]) -> Tensor:
        mod = shared + self.modulation
        shift1, scale1, gate1, shift2, scale2, gate2 = mod[:, :, None].unbind(1)
        x = x + gate1 * self.attend(self.norm1(x) * (1 + scale1) + shift1, tables)
        gate, up = self.gate_up(self.norm2(x) * (1 + scale2) + shift2).chunk(2, dim=-1)
        result: Tensor = x + gate2 * self.down(nn.functional.silu(gate) * up)
        return result


def jump_features(jump: Tensor) -> Tensor:
    """Features [B, 128] of a jump length [B] in 0..1, all zero at 0: the velocity itself needs none."""
    return sinusoid(jump, fastest=20.0) - sinusoid(torch.zeros_like(jump), fastest=20.0)


class Denoiser(nn.Module):
    """velocity(z [B, N, 64], time [B] in 0..1, guidance, Conditions, jump [B]) -> [B, N, 64].

    guidance: one scale [B], or strengths [B, GROUPS]; without `config.strengths` the prompt's counts for all.
    With `config.jumps`, the mean velocity from `time` down to `time - jump`; without, jump is ignored.
    """

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.input = nn.Linear(3 * LATENTS + 2, width)
        self.frame_input = nn.Sequential(
            nn.Linear(SUB_FRAMES * FRAME_FEATURES, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.time_input = nn.Sequential(nn.Linear(128, width), nn.SiLU(), nn.Linear(width, width))
        self.guidance_input = nn.Linear(128 * (len(GROUPS) if config.strengths else 1), width, bias=False)
        nn.init.zeros_(self.guidance_input.weight)
        if config.jumps:
            self.jump_input = nn.Linear(128, width, bias=False)
            nn.init.zeros_(self.jump_input.weight)
        self.global_input = nn.Sequential(nn.Linear(config.globals_width, width), nn.SiLU(), nn.Linear(width, width))
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.blocks = nn.ModuleList([Block(width, config.heads) for _ in range(config.layers)])
        self.norm = Norm(width)
        self.output = nn.Linear(width, LATENTS)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def guidance_features(self, guidance: Tensor) -> Tensor:
        """What `guidance_input` takes [B, 128 or 128 x GROUPS] of a scale [B] or strengths [B, GROUPS]."""
        if not self.config.strengths:
            return sinusoid((guidance if guidance.dim() == 1 else guidance[:, 0]) - 1.0, fastest=4.0)
        each = usual_strengths(guidance) if guidance.dim() == 1 else guidance
        return sinusoid((each - 1.0).flatten(), fastest=4.0).reshape(len(each), -1)

    def forward(
        self, z: Tensor, time: Tensor, guidance: Tensor, given: Conditions, jump: Tensor | None = None
    ) -> Tensor:
        tokens = [z, given.context, given.context_mask, given.under, given.under_mask]
        x = self.input(torch.cat(tokens, dim=-1)) + self.frame_input(given.frames.flatten(2))
        overall = self.time_input(sinusoid(time)) + self.global_input(given.globals)
        overall = overall + self.guidance_input(self.guidance_features(guidance))
        if jump is not None and self.config.jumps:
            overall = overall + self.jump_input(jump_features(jump))
        shared = self.modulation(nn.functional.silu(overall)).unflatten(-1, (6, -1))
        tables = rotary_tables(z.shape[1], self.config.width // self.config.heads, z.device)
        for block in self.blocks:
            x = block(x, shared, tables)
        result: Tensor = self.output(self.norm(x))
        return result
