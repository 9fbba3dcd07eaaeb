"""MeLoDy's dual-path denoiser: segments of a latent sequence, a path across them and a path inside each, in turn.

The sequence is cut into segments that overlap by half. The coarse path attends across the segments, from each place in
a segment to the same place in all others, and to the conditions (cross-attention: the whole clip's, one token a half
segment of the frames', semantic tokens where there are any). The fine path attends inside a segment, under FiLM of time
and all that is told of the clip. The poster names no inner layers; ours are LLaMA-style attention and SwiGLU.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.models.attention import attention
from engine.models.denoiser import Conditions, DenoiserConfig, Norm, rotary_tables, rotate
from engine.models.dual_path_base import Backbone

Tables = tuple[Tensor, Tensor]


class Attention(nn.Module):
    """Rotary attention of x [B, N, width] to `memory` [B, M, width], with queries and keys normalised.

    There may be a whole number of times more sequences in x than in memory; so many in a row share one.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.out = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.q_norm, self.k_norm = Norm(width // heads), Norm(width // heads)

    def forward(self, x: Tensor, memory: Tensor, here: Tables, there: Tables) -> Tensor:
        query = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key, value = self.key_value(memory).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key = rotate(self.q_norm(query), here), rotate(self.k_norm(key), there)
        shape = len(memory), len(x) // len(memory)
        together = torch.unflatten(query, 0, shape).transpose(1, 2).flatten(2, 3)
        found = torch.unflatten(attention(together, key, value), 2, (shape[1], -1)).permute(0, 2, 3, 1, 4)
        result: Tensor = self.out(found.flatten(3).flatten(0, 1))
        return result


class SwiGLU(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        inner = (width * 8 // 3 + 15) // 16 * 16
        self.gate_up, self.down = nn.Linear(width, 2 * inner, bias=False), nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        result: Tensor = self.down(functional.silu(gate) * up)
        return result


class Coarse(nn.Module):
    """Across segments: x [B x K, S, width] (K places in a segment), memory [B, M, width]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([Norm(width) for _ in range(3)])
        self.itself, self.across, self.mix = Attention(width, heads), Attention(width, heads), SwiGLU(width)

    def forward(self, x: Tensor, memory: Tensor, here: Tables, there: Tables) -> Tensor:
        normed = self.norms[0](x)
        x = x + self.itself(normed, normed, here, here)
        x = x + self.across(self.norms[1](x), memory, here, there)
        result: Tensor = x + self.mix(self.norms[2](x))
        return result


class Fine(nn.Module):
    """Inside segments: x [B x S, K, width] under FiLM of `overall` [B x S, width]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([Norm(width) for _ in range(2)])
        self.film = nn.Linear(width, 2 * width)
        self.itself, self.mix = Attention(width, heads), SwiGLU(width)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, overall: Tensor, here: Tables) -> Tensor:
        scale, shift = self.film(overall)[:, None].chunk(2, dim=-1)
        normed = self.norms[0](x) * (1 + scale) + shift
        x = x + self.itself(normed, normed, here, here)
        result: Tensor = x + self.mix(self.norms[1](x))
        return result


def segments_of(x: Tensor, segment: int) -> Tensor:
    """[B, N, width] to [B, S, segment, width], half a segment apart, from half a segment of zeros before the first."""
    half = segment // 2
    after = half + (-x.shape[1]) % half
    return functional.pad(x, (0, 0, half, after)).unfold(1, segment, half).transpose(2, 3)


def joined(x: Tensor, count: int) -> Tensor:
    """Segments [B, S, K, width] laid over each other again, the mean where two meet: [B, count, width]."""
    half = x.shape[2] // 2
    result: Tensor = 0.5 * (x[:, 1:, :half] + x[:, :-1, half:]).flatten(1, 2)[:, :count]
    return result


class DualPath(Backbone):
    """`config.layers` pairs of a coarse and a fine path; the coarse one listens to tokens, `semantic` [B, M]."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__(config)
        width, heads = config.width, config.heads
        self.coarse = nn.ModuleList([Coarse(width, heads) for _ in range(config.layers)])
        self.fine = nn.ModuleList([Fine(width, heads) for _ in range(config.layers)])
        if self.shape.tokens:
            self.semantic_input = nn.Embedding(self.shape.tokens, width)

    def memory(self, overall: Tensor, frames: Tensor, semantic: Tensor | None) -> Tensor:
        """What the coarse path attends to [B, M, width]."""
        half = self.shape.segment // 2
        padded = functional.pad(frames, (0, 0, 0, (-frames.shape[1]) % half))
        parts = [overall[:, None], torch.unflatten(padded, 1, (-1, half)).mean(2)]
        if semantic is not None and self.shape.tokens:
            parts.append(self.semantic_input(semantic))
        return torch.cat(parts, dim=1)

    def forward(
        self, z: Tensor, time: Tensor, guidance: Tensor, given: Conditions, jump: Tensor | None = None,
        semantic: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        each, overall, frames = self.told(z, time, guidance, given, jump)
        memory = self.memory(overall, frames, semantic)
        x = segments_of(each, self.shape.segment)
        batch, segments, places, width = x.shape
        sizes = segments, places, memory.shape[1]
        across, inside, there = (rotary_tables(n, width // self.config.heads, z.device) for n in sizes)
        overall = overall.repeat_interleave(segments, 0)
        for coarse, fine in zip(self.coarse, self.fine, strict=True):
            turned = coarse(x.transpose(1, 2).flatten(0, 1), memory, across, there)
            x = turned.unflatten(0, (batch, places)).transpose(1, 2)
            x = fine(x.flatten(0, 1), overall, inside).unflatten(0, (batch, segments))
        result: Tensor = self.output(self.norm(joined(x, z.shape[1])))
        return result
