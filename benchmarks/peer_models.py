"""The seeds' recipes, built in PyTorch at the size of our denoiser, to be timed beside it. Their weights are random.

    UNet2d      MusicLDM's and MusicCM's: a mel spectrogram as an image, 8 times smaller both ways, 16 channels
    DualPath    MeLoDy's: a latent sequence cut into segments; a path across them and one inside them in turn
    Decoder     a language model's: four tokens a frame at 50 Hz in MusicGen's delay pattern, with a KV cache

`sized` finds the width at which a recipe has as many parameters as it is to have.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.models.codec import LATENTS
from engine.models.denoiser import rotary_tables, rotate, sinusoid

PROMPT = 118
IMAGE_CHANNELS, IMAGE_BANDS = 16, 16
"""Of a latent image: MusicCM's C, and 128 mels over P = 8."""
SEGMENT = 12
CODEBOOKS, CODES, TOKEN_RATE_HZ = 4, 1024, 50
HEADS = 8
_M = TypeVar("_M", bound=nn.Module)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@cache
def sized(build: Callable[[int], _M], count: int) -> _M:
    """`build(width)` at the width, in steps of 16, whose number of parameters is nearest to `count`."""

    def size(width: int) -> int:
        with torch.device("meta"):
            return parameters(build(width))

    widths = range(16, 1025, 16)
    above = bisect_left(widths, count, 1, len(widths) - 1, key=size)
    width = min(widths[above - 1 : above + 1], key=lambda width: abs(size(width) - count))
    return build(width).eval().requires_grad_(False)


class ResBlock(nn.Module):
    """Two 3 x 3 convolutions; time and prompt as FiLM."""

    def __init__(self, width_in: int, width: int, told: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(8, width_in), nn.GroupNorm(8, width)
        self.conv1 = nn.Conv2d(width_in, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(told, 2 * width)
        self.skip = nn.Conv2d(width_in, width, 1) if width_in != width else nn.Identity()

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        hidden = self.conv1(functional.silu(self.norm1(x)))
        scale, shift = self.film(told)[:, :, None, None].chunk(2, dim=1)
        result: Tensor = self.skip(x) + self.conv2(functional.silu(self.norm2(hidden) * (1 + scale) + shift))
        return result


class Attention(nn.Module):
    """Self-attention with rotary positions, and SwiGLU, of x [B, N, width]; causal and with a cache, if so wanted."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = width * 8 // 3 // 16 * 16
        self.norm1, self.norm2 = nn.RMSNorm(width), nn.RMSNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.gate_up, self.down = nn.Linear(width, 2 * inner, bias=False), nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor, tables: tuple[Tensor, Tensor], past: list[Tensor] | None = None) -> Tensor:
        """past: keys and values [B, HEADS, room, width / HEADS] and how many count; x is then one token."""
        parts = self.qkv(self.norm1(x)).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = rotate(parts[0], tables), rotate(parts[1], tables), parts[2]
        if past is not None:
            keys, values, length = past
            at = int(length)
            keys[:, :, at : at + 1], values[:, :, at : at + 1] = key, value
            key, value = keys[:, :, : at + 1], values[:, :, : at + 1]
        mixed = functional.scaled_dot_product_attention(query, key, value)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        gate, up = self.gate_up(self.norm2(x)).chunk(2, dim=-1)
        result: Tensor = x + self.down(functional.silu(gate) * up)
        return result


def run(blocks: nn.Module, x: Tensor, told: Tensor) -> Tensor:
    """One block after the other."""
    for block in blocks.children():
        x = block(x, told)
    return x


class UNet2d(nn.Module):
    """noise(z [B, 16, T, 16], time [B], prompt [B, 118]) -> [B, 16, T, 16]; T a multiple of 4.

    Three sizes of 1, 2 and 3 widths, two blocks each; attention over all positions in the smallest.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        told, widths = 6 * width, (width, 2 * width, 3 * width)
        self.told = nn.Sequential(nn.Linear(128 + PROMPT, told), nn.SiLU(), nn.Linear(told, told), nn.SiLU())
        self.first = nn.Conv2d(IMAGE_CHANNELS, width, 3, padding=1)
        ins = (width, width, 2 * width)
        self.down = nn.ModuleList([nn.ModuleList([ResBlock(i, w, told), ResBlock(w, w, told)])
                                   for i, w in zip(ins, widths, strict=True)])  # fmt: skip
        self.smaller = nn.ModuleList([nn.Conv2d(w, w, 3, 2, padding=1) for w in widths[:2]])
        self.middle = Attention(widths[2])
        self.bottom = ResBlock(widths[2], widths[2], told)
        outs = (2 * width, width, width)
        self.up = nn.ModuleList([nn.ModuleList([ResBlock(2 * w, w, told), ResBlock(w, o, told)])
                                 for w, o in zip(widths[::-1], outs, strict=True)])  # fmt: skip
        self.norm = nn.GroupNorm(8, width)
        self.last = nn.Conv2d(width, IMAGE_CHANNELS, 3, padding=1)

    def forward(self, z: Tensor, time: Tensor, prompt: Tensor) -> Tensor:
        told = self.told(torch.cat([sinusoid(time), prompt], dim=-1))
        x, kept = self.first(z), []
        for level, blocks in enumerate(self.down):
            x = run(blocks, x, told)
            kept.append(x)
            if level < len(self.smaller):
                x = self.smaller[level](x)
        flat = x.flatten(2).transpose(1, 2)
        tables = rotary_tables(flat.shape[1], flat.shape[2] // HEADS, flat.device)
        x = self.bottom(self.middle(flat, tables).transpose(1, 2).reshape(x.shape), told)
        for level, blocks in enumerate(self.up):
            if level:
                x = functional.interpolate(x, scale_factor=2.0)
            x = torch.cat([x, kept.pop()], dim=1)
            x = run(blocks, x, told)
        result: Tensor = self.last(functional.silu(self.norm(x)))
        return result


class DualPath(nn.Module):
    """velocity(z [B, N, 64], angle [B], prompt [B, 118]) -> [B, N, 64]; N a multiple of 6.

    Segments of 12 frames that overlap by half. Six blocks of a coarse path, attention across the segments with the
    prompt added, and a fine path inside each, with FiLM of the angle. Both paths are attention here: the poster
    names no other, and a recurrent one would be slower.
    """

    def __init__(self, width: int, blocks: int = 6) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(LATENTS, width), nn.Linear(width, LATENTS)
        self.prompt = nn.Linear(PROMPT, width)
        self.angle = nn.Linear(128, 2 * blocks * width)
        self.coarse = nn.ModuleList([Attention(width) for _ in range(blocks)])
        self.fine = nn.ModuleList([Attention(width) for _ in range(blocks)])
        self.norm = nn.RMSNorm(width)

    def forward(self, z: Tensor, angle: Tensor, prompt: Tensor) -> Tensor:
        half = SEGMENT // 2
        padded = functional.pad(self.first(z), (0, 0, half, half))
        x = padded.unfold(1, SEGMENT, half).transpose(2, 3)
        batch, segments, _, width = x.shape
        films = self.angle(sinusoid(angle)).unflatten(-1, (len(self.fine), 2, 1, 1, width)).unbind(1)
        added = self.prompt(prompt)[:, None, None]
        across, inside = (rotary_tables(n, width // HEADS, z.device) for n in (segments, SEGMENT))
        for coarse, fine, film in zip(self.coarse, self.fine, films, strict=True):
            x = coarse((x + added).transpose(1, 2).flatten(0, 1), across).unflatten(0, (batch, SEGMENT)).transpose(1, 2)
            scale, shift = film.unbind(1)
            x = fine((x * (1 + scale) + shift).flatten(0, 1), inside).unflatten(0, (batch, segments))
        firsts, seconds = x[:, 1:, :half], x[:, :-1, half:]
        result: Tensor = self.last(self.norm((firsts + seconds).flatten(1, 2)))
        return result


class Decoder(nn.Module):
    """The next frame's tokens of a language model over `CODEBOOKS` streams, one step a frame, with a KV cache."""

    def __init__(self, width: int, layers: int = 8) -> None:
        super().__init__()
        self.embed = nn.ModuleList([nn.Embedding(CODES + 1, width) for _ in range(CODEBOOKS)])
        self.prompt = nn.Linear(PROMPT, width)
        self.layers = nn.ModuleList([Attention(width) for _ in range(layers)])
        self.norm, self.heads = nn.RMSNorm(width), nn.Linear(width, CODEBOOKS * CODES, bias=False)

    def caches(self, room: int) -> list[list[Tensor]]:
        width = self.norm.normalized_shape[0]
        shape = (1, HEADS, room, width // HEADS)
        return [[torch.zeros(shape), torch.zeros(shape), torch.zeros((), dtype=torch.long)] for _ in self.layers]

    @torch.no_grad()
    def generate(self, prompt: Tensor, frames: int, generator: torch.Generator) -> Tensor:
        """Tokens [frames, CODEBOOKS] sampled one frame after the other; prompt [1, 118]. The delays cost 3 steps."""
        steps = frames + CODEBOOKS - 1
        caches, drawn = self.caches(steps), torch.full((steps + 1, CODEBOOKS), CODES)
        width = self.norm.normalized_shape[0]
        cos, sin = rotary_tables(steps, width // HEADS, prompt.device)
        told = self.prompt(prompt)[:, None]
        for at in range(steps):
            x = told + torch.stack([book(drawn[at, n]) for n, book in enumerate(self.embed)]).sum(0)
            for layer, past in zip(self.layers, caches, strict=True):
                x = layer(x, (cos[at : at + 1], sin[at : at + 1]), past)
                past[2] += 1
            chances = self.heads(self.norm(x[0, 0])).view(CODEBOOKS, CODES).softmax(-1)
            drawn[at + 1] = torch.multinomial(chances, 1, generator=generator)[:, 0]
        return torch.stack([drawn[1 + n : 1 + n + frames, n] for n in range(CODEBOOKS)], dim=1)
