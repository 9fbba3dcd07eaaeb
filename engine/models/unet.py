"""U-Nets in the denoiser's place: over time alone, and over time and bands. Any number of frames."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.models.denoiser import Conditions, DenoiserConfig
from engine.models.dual_path_base import Backbone

SIZES = (1, 2, 2)
"""Widths of the three resolutions, in `config.width`s; each is half as long as the one before."""
BANDS = 16
GROUPS_OF_NORM = 4


class Residual(nn.Module):
    """Two convolutions of 3, over time or over time and bands; FiLM of what is told of the clip between them."""

    def __init__(self, width_in: int, width: int, told: int, conv: type[nn.Conv1d] | type[nn.Conv2d]) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(GROUPS_OF_NORM, width_in), nn.GroupNorm(GROUPS_OF_NORM, width)
        self.conv1, self.conv2 = conv(width_in, width, 3, padding=1), conv(width, width, 3, padding=1)
        self.film = nn.Linear(told, 2 * width)
        self.skip = conv(width_in, width, 1) if width_in != width else nn.Identity()
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor, overall: Tensor) -> Tensor:
        hidden = self.conv1(functional.silu(self.norm1(x)))
        film = self.film(overall)[(...,) + (None,) * (x.dim() - 2)]
        scale, shift = film.chunk(2, dim=1)
        result: Tensor = self.skip(x) + self.conv2(functional.silu(self.norm2(hidden) * (1 + scale) + shift))
        return result


class UNet(nn.Module):
    """x [B, width, N] or [B, width, N, bands] to the same; every axis but the first two a multiple of 4."""

    def __init__(self, width: int, told: int, conv: type[nn.Conv1d] | type[nn.Conv2d]) -> None:
        super().__init__()
        widths = [width * size for size in SIZES]
        ins, outs = [width, *widths[:-1]], [*widths[:-1][::-1], width]
        self.down = nn.ModuleList([Residual(a, b, told, conv) for a, b in zip(ins, widths, strict=True)])
        self.smaller = nn.ModuleList([conv(w, w, 3, stride=2, padding=1) for w in widths[:-1]])
        self.middle = Residual(widths[-1], widths[-1], told, conv)
        self.up = nn.ModuleList([Residual(2 * a, b, told, conv) for a, b in zip(widths[::-1], outs, strict=True)])

    def forward(self, x: Tensor, overall: Tensor) -> Tensor:
        kept: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x, overall)
            kept.append(x)
            if level < len(self.smaller):
                x = self.smaller[level](x)
        x = self.middle(x, overall)
        for level, block in enumerate(self.up):
            if level:
                x = functional.interpolate(x, scale_factor=2.0)
            x = block(torch.cat([x, kept.pop()], dim=1), overall)
        return x


class UNet1d(Backbone):
    """Convolutions over time; what is told of each frame is added to the input."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__(config)
        self.body = UNet(config.width, config.width, nn.Conv1d)

    def forward(
        self, z: Tensor, time: Tensor, guidance: Tensor, given: Conditions, jump: Tensor | None = None
    ) -> Tensor:
        each, overall, _ = self.told(z, time, guidance, given, jump)
        padded = functional.pad(each, (0, 0, 0, (-z.shape[1]) % 4))
        x = self.body(padded.transpose(1, 2), overall).transpose(1, 2)[:, : z.shape[1]]
        result: Tensor = self.output(self.norm(x))
        return result


class UNet2d(Backbone):
    """Convolutions over time and 16 bands: each frame's width is laid out as an image's column of channels x bands.

    Its channels are half of `config.width`, which is the width of what is told.
    """

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__(config)
        self.channels = (config.width // 2 + 3) // 4 * 4
        self.image = nn.Linear(config.width, BANDS * BANDS)
        self.first = nn.Conv2d(BANDS, self.channels, 3, padding=1)
        self.body = UNet(self.channels, config.width, nn.Conv2d)
        self.last = nn.Conv2d(self.channels, BANDS, 3, padding=1)
        self.column = nn.Linear(BANDS * BANDS, config.width)

    def forward(
        self, z: Tensor, time: Tensor, guidance: Tensor, given: Conditions, jump: Tensor | None = None
    ) -> Tensor:
        each, overall, _ = self.told(z, time, guidance, given, jump)
        padded = functional.pad(self.image(each), (0, 0, 0, (-z.shape[1]) % 4))
        x = cast(Tensor, self.first(torch.unflatten(padded, -1, (BANDS, BANDS)).transpose(1, 2)))
        x = self.last(self.body(x, overall)).transpose(1, 2).flatten(2)[:, : z.shape[1]]
        result: Tensor = self.output(self.norm(self.column(x) + each))
        return result
