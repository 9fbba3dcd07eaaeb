"""MeLoDy's language model, small: semantic tokens of a clip, one after the other, from what is told of it.

Tokens are the nearest of k centres of the frozen feature network's frames (`engine.models.masked`), 5.9 a second. The
model is causal and LLaMA-style; the clip's global conditions stand before the first token. What it continues may be
tokens of a clip that is there: its own (continuation) or another's (music as a prompt). The dual-path denoiser attends
to the tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.models.denoiser import Norm, rotary_tables
from engine.models.planner import Layer


@dataclass(frozen=True)
class SemanticConfig:
    """told: width of the global conditions; frame: width of the frames that tokens stand for."""

    told: int
    frame: int
    tokens: int = 128
    width: int = 128
    layers: int = 3
    heads: int = 4


class Semantic(nn.Module):
    """Tokens [B, T] of clips, their centres and the model over them."""

    centres: Tensor

    def __init__(self, config: SemanticConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("centres", torch.zeros(config.tokens, config.frame))
        self.start = nn.Sequential(
            nn.Linear(config.told, config.width), nn.SiLU(), nn.Linear(config.width, config.width)
        )
        self.embed = nn.Embedding(config.tokens, config.width)
        self.layers = nn.ModuleList([Layer(config.width, config.heads) for _ in range(config.layers)])
        self.norm = Norm(config.width)
        self.output = nn.Linear(config.width, config.tokens)

    def tokens_of(self, frames: Tensor) -> Tensor:
        """The nearest centre of each frame [..., frame]."""
        return torch.cdist(frames, self.centres).argmin(-1)

    def trunk(self, x: Tensor, held: Tensor | None = None, at: int = 0) -> Tensor:
        """Logits [B, N, tokens] after inputs [B, N, width], `at` of which came before and are held."""
        cos, sin = rotary_tables(at + x.shape[1], self.config.width // self.config.heads, x.device)
        for number, layer in enumerate(self.layers):
            x = layer(x, (cos[at:], sin[at:]), None if held is None else held[number], at)
        result: Tensor = self.output(self.norm(x))
        return result

    def logits(self, tokens: Tensor, told: Tensor) -> Tensor:
        """Logits [B, T, tokens] of each of tokens [B, T] from those before it; told [B, told]."""
        return self.trunk(torch.cat([self.start(told)[:, None], self.embed(tokens[:, :-1])], dim=1))

    @torch.no_grad()
    def continued(
        self, told: Tensor, prefix: Tensor, count: int, generator: torch.Generator, temperature: float = 1.0
    ) -> Tensor:
        """prefix [B, P] (P from 0 on) and `count` drawn tokens after it: [B, P + count]."""
        config, found = self.config, prefix
        room = 1 + prefix.shape[1] + count
        shape = (config.layers, 2, len(told), config.heads, room, config.width // config.heads)
        held = torch.zeros(shape, device=told.device)
        x, at = torch.cat([self.start(told)[:, None], self.embed(prefix)], dim=1), 0
        for _ in range(count):
            chances = (self.trunk(x, held, at)[:, -1] / temperature).softmax(-1)
            at += x.shape[1]
            drawn = torch.multinomial(chances, 1, generator=generator)
            found, x = torch.cat([found, drawn], dim=1), self.embed(drawn)
        return found


def semantic_loss(model: Semantic, tokens: Tensor, told: Tensor) -> Tensor:
    """Cross-entropy of tokens [B, T], in nats."""
    logits = model.logits(tokens, told).float()
    return nn.functional.cross_entropy(logits.flatten(0, 1), tokens.flatten())
