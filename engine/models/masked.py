"""The frozen feature network: a small masked autoencoder of mel patches (Huang et al. 2022, "AudioMAE").

Mid mels in dB are cut into patches of 16 frames x 32 bands. The encoder sees the patches that are kept, the decoder
puts the others back. Once trained and frozen, the layers of its encoder over all patches are what MusicCM's adversary
looks at, and its last layer, a place in time each, what semantic tokens are made of. Nothing that evaluates uses it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from engine.models import features as F
from engine.models.codec import Codec
from engine.models.denoiser import Norm, rotary_tables
from engine.models.dual_path import Attention, SwiGLU

CENTRE_DB, SPREAD_DB = -45.0, 18.0
KEPT_SHARE = 0.25


@dataclass(frozen=True)
class MaskedConfig:
    """frames x bands: of a patch. A decoder of one layer is as wide as the encoder."""

    width: int = 128
    layers: int = 4
    heads: int = 4
    frames: int = 16
    bands: int = 32

    @property
    def rows(self) -> int:
        """Patches over each other at one time."""
        return F.MELS // self.bands

    @property
    def pixels(self) -> int:
        return self.frames * self.bands


class Layer(nn.Module):
    """Rotary attention over time and SwiGLU, pre-normalised; tables may differ from clip to clip."""

    def __init__(self, config: MaskedConfig) -> None:
        super().__init__()
        self.norm1, self.norm2 = Norm(config.width), Norm(config.width)
        self.itself, self.mix = Attention(config.width, config.heads), SwiGLU(config.width)

    def forward(self, x: Tensor, tables: tuple[Tensor, Tensor]) -> Tensor:
        normed = self.norm1(x)
        x = x + self.itself(normed, normed, tables, tables)
        result: Tensor = x + self.mix(self.norm2(x))
        return result


class Masked(nn.Module):
    """Mid mels [B, T, 128] in dB in patches [B, P, pixels], P = rows (T // frames), time first."""

    def __init__(self, config: MaskedConfig = MaskedConfig()) -> None:
        super().__init__()
        self.config = config
        self.input = nn.Linear(config.pixels, config.width)
        self.row = nn.Parameter(0.02 * torch.randn(config.rows, config.width))
        self.blank = nn.Parameter(0.02 * torch.randn(config.width))
        self.encoder = nn.ModuleList([Layer(config) for _ in range(config.layers)])
        self.decoder = Layer(config)
        self.norm = Norm(config.width)
        self.output = nn.Linear(config.width, config.pixels)

    def patches(self, mel: Tensor) -> Tensor:
        """[B, T, 128] dB to standardised patches [B, P, pixels]; frames that fill no patch are left out."""
        config, count = self.config, mel.shape[1] // self.config.frames
        whole = (mel[:, : count * config.frames] - CENTRE_DB) / SPREAD_DB
        cut = whole.reshape(len(mel), count, config.frames, config.rows, config.bands)
        return cut.transpose(2, 3).flatten(3).flatten(1, 2)

    def tables(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Rotary tables [B, 1, P, w] of patches [B, P], by their time alone."""
        times = places // self.config.rows
        head = self.config.width // self.config.heads
        cos, sin = rotary_tables(int(times.max()) + 1, head, places.device)
        return cos[times][:, None], sin[times][:, None]

    def encoded(self, patches: Tensor, places: Tensor) -> list[Tensor]:
        """All layers [B, P, width] over patches [B, P, pixels] that lie at `places` [B, P]."""
        x = self.input(patches) + self.row[places % self.config.rows]
        tables, found = self.tables(places), []
        for layer in self.encoder:
            x = layer(x, tables)
            found.append(x)
        return found

    def layers(self, mel: Tensor) -> list[Tensor]:
        """The encoder's layers [B, P, width] over whole mels, differentiable in the mel."""
        patches = self.patches(mel)
        return self.encoded(patches, everywhere(patches))

    def rebuilt(self, patches: Tensor, kept: Tensor) -> Tensor:
        """All patches [B, P, pixels] as the decoder makes them from those at `kept` [B, K]."""
        seen = patches.gather(1, kept[..., None].expand(-1, -1, patches.shape[-1]))
        inner = self.encoded(seen, kept)[-1]
        whole = everywhere(patches)
        x = (self.blank + self.row[whole % self.config.rows]).to(inner.dtype)
        x = x.scatter(1, kept[..., None].expand(-1, -1, inner.shape[-1]), inner)
        result: Tensor = self.output(self.norm(self.decoder(x, self.tables(whole))))
        return result


def everywhere(patches: Tensor) -> Tensor:
    """The places [B, P] of all patches [B, P, pixels]."""
    return torch.arange(patches.shape[1], device=patches.device).expand(len(patches), -1)


def kept_places(batch: int, count: int, generator: torch.Generator, share: float = KEPT_SHARE) -> Tensor:
    """Which of `count` patches the encoder sees, a quarter of them at random: [batch, K], ascending."""
    order = torch.rand(batch, count, generator=generator, device=generator.device).argsort(1)
    return order[:, : max(1, round(share * count))].sort(1).values


def masked_loss(model: Masked, mel: Tensor, generator: torch.Generator) -> Tensor:
    """Mean squared error over the patches that were not seen, in standard deviations."""
    patches = model.patches(mel)
    kept = kept_places(len(mel), patches.shape[1], generator)
    error = (model.rebuilt(patches, kept).float() - patches).square().mean(-1)
    hidden = torch.ones_like(error).scatter(1, kept, 0.0)
    return (error * hidden).sum() / hidden.sum()


def mid_mel(codec: Codec, latents: Tensor) -> Tensor:
    """Latents [B, N, 64] decoded to mid mels [B, 8 N, 128] in dB, differentiable."""
    features = codec.decode(latents)
    return (features[..., : F.MELS] + features[..., F.MELS : 2 * F.MELS]) / 2


class MelFeatures(nn.Module):
    """The frozen network over what the codec makes of latents [B, N, 64]: every other layer, the last among them."""

    def __init__(self, codec: Codec, masked: Masked) -> None:
        super().__init__()
        self.codec, self.masked = codec.eval().requires_grad_(False), masked.eval().requires_grad_(False)
        self.step = slice(1, None, 2) if masked.config.layers % 2 == 0 else slice(0, None, 2)
        self.widths = (masked.config.width,) * len(range(masked.config.layers)[self.step])

    def forward(self, latents: Tensor) -> list[Tensor]:
        return self.masked.layers(mid_mel(self.codec, latents.float()))[self.step]
