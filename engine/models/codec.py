"""Mel autoencoder: features at 93.75 Hz to 64 latents at 11.72 Hz and back.

A latent stands for a patch of 8 feature frames: 8 x 128 mid, 8 x 128 side (left and right log-mels
rotated by 45 degrees) and 2 x 81 low bands, 2210 numbers. The linear skip on both sides is whitened
PCA, the convolutional networks add the residual (AudioLCM, section 3.2: 1-D convolutions over time,
so that any length works). The posterior has a fixed width, so its KL term is a small L2 on the mean.

Codecs that were trained for it have a network more for the lows (`Lows`), which leaves latents and mels as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from engine.models import features as F
from engine.models.lows import CURVE

PATCH = 8
LATENTS = 64
LATENT_RATE_HZ = F.FRAME_RATE_HZ / PATCH
LATENT_HOP = F.HOP * PATCH
LOW_AT = (2, 6)
MEL_WIDTH = PATCH * F.MELS
LOW_WIDTH = len(LOW_AT) * F.LOW_BANDS
PATCH_WIDTH = 2 * MEL_WIDTH + LOW_WIDTH
SCALE_DB = 16.0
SIDE_WEIGHT = 2.5
LOW_WEIGHT = 0.7
PITCHES = 134
PITCH_STEP_CENTS = 20.0
"""Basses from LOW_FIRST_HZ to 150 Hz, as `Lows` tells them apart."""
LOBE_DB = 6.0


def patchify(features: Tensor) -> Tensor:
    """[B, 8 N, CHANNELS] dB to [B, N, PATCH_WIDTH]: mid, side, lows."""
    batch, frames, _ = features.shape
    assert frames % PATCH == 0, frames
    left, right = features[..., : F.MELS], features[..., F.MELS : 2 * F.MELS]
    mid, side = (left + right) / 2**0.5, (left - right) / 2**0.5
    low = features[..., 2 * F.MELS :].reshape(batch, -1, PATCH, F.LOW_BANDS)[:, :, list(LOW_AT)]
    shape = (batch, frames // PATCH, -1)
    return torch.cat([mid.reshape(shape), side.reshape(shape), low.reshape(shape)], dim=-1)


def unpatchify(patches: Tensor) -> Tensor:
    """The inverse of `patchify`; the lows are interpolated linearly between their two frames."""
    batch, count, _ = patches.shape
    mid = patches[..., :MEL_WIDTH].reshape(batch, count * PATCH, F.MELS)
    side = patches[..., MEL_WIDTH : 2 * MEL_WIDTH].reshape(batch, count * PATCH, F.MELS)
    low = patches[..., 2 * MEL_WIDTH :].reshape(batch, count * 2, F.LOW_BANDS).transpose(1, 2)
    low = nn.functional.interpolate(low, scale_factor=PATCH / 2, mode="linear").transpose(1, 2)
    return torch.cat([(mid + side) / 2**0.5, (mid - side) / 2**0.5, low], dim=-1)


@lru_cache(maxsize=4)
def loss_weights(device: str = "cpu") -> Tensor:
    """Weight of each patch entry in the reconstruction loss [PATCH_WIDTH]; not to be changed in place."""
    weights = torch.ones(PATCH_WIDTH)
    weights[MEL_WIDTH : 2 * MEL_WIDTH] = SIDE_WEIGHT
    weights[2 * MEL_WIDTH :] = LOW_WEIGHT
    return weights.to(device)


class Residual(nn.Module):
    """Pre-norm convolution over time with a pointwise second layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(width, width, 3, padding=1)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv(self.norm(x).transpose(1, 2)).transpose(1, 2)
        result: Tensor = x + self.out(nn.functional.gelu(hidden))
        return result


def tower(width_in: int, width: int, width_out: int, blocks: int) -> nn.Sequential:
    last = nn.Linear(width, width_out)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    body = [Residual(width) for _ in range(blocks)]
    return nn.Sequential(nn.Linear(width_in, width), *body, nn.LayerNorm(width), last)


class Lows(nn.Module):
    """What the lows are beyond the codec's own: latents before their final scaling [B, N, 64] to dB [B, N, LOW_WIDTH].

    Where latents leave open which of two notes a bass plays, the least error in dB is a smear between them. So the
    network says how likely each pitch is in both of a patch's frames, and adds each pitch's shape by that likelihood.
    It looks no further to both sides than the codec's decoder. Untrained it adds nothing.
    """

    def __init__(self, width: int = 256, blocks: int = 2) -> None:
        super().__init__()
        self.body = tower(LATENTS, width, LOW_WIDTH + len(LOW_AT) * PITCHES, blocks)
        self.shapes = nn.Linear(PITCHES, F.LOW_BANDS, bias=False)
        pitches_hz = F.LOW_FIRST_HZ * 2.0 ** (torch.arange(PITCHES) * PITCH_STEP_CENTS / 1200.0)
        off_hz = torch.from_numpy(F.low_centres_hz()).float()[:, None] - pitches_hz
        with torch.no_grad():
            self.shapes.weight.copy_((LOBE_DB - CURVE * off_hz.square()).clamp_min(0.0) / SCALE_DB)
            nothing: Tensor = self.body.get_parameter(f"{len(self.body) - 1}.bias")
            nothing[:LOW_WIDTH] = -self.shapes.weight.mean(1).repeat(len(LOW_AT))

    @classmethod
    def like(cls, state: Mapping[str, Tensor], prefix: str = "") -> Lows:
        """Of the size that a state has whose keys begin with `prefix`."""
        blocks = sum(key.startswith(prefix) and key.endswith(".conv.weight") for key in state)
        return cls(len(state[f"{prefix}body.0.weight"]), blocks)

    def told(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """(dB [B, N, LOW_WIDTH], logits of the pitches [B, N, 2, PITCHES])."""
        plain, logits = self.body(raw).float().split([LOW_WIDTH, len(LOW_AT) * PITCHES], dim=-1)
        logits = logits.unflatten(-1, (len(LOW_AT), PITCHES))
        return (plain + self.shapes(logits.softmax(-1)).flatten(-2)) * SCALE_DB, logits

    def forward(self, raw: Tensor) -> Tensor:
        return self.told(raw)[0]


class Codec(nn.Module):
    """encode: features [B, 8 N, CHANNELS] dB to latents [B, N, 64]; decode: the way back.

    lows: None, or what was trained for them; a state that holds one brings it.
    """

    mean: Tensor
    latent_mean: Tensor
    latent_scale: Tensor
    lows: Lows | None

    def __init__(self, width: int = 512, blocks: int = 2) -> None:
        super().__init__()
        self.down = nn.Linear(PATCH_WIDTH, LATENTS)
        self.up = nn.Linear(LATENTS, PATCH_WIDTH)
        self.encoder = tower(PATCH_WIDTH, width, LATENTS, blocks)
        self.decoder = tower(LATENTS, width, PATCH_WIDTH, blocks)
        self.lows = None
        self.register_load_state_dict_pre_hook(_bring_lows)  # type: ignore[no-untyped-call]
        self.register_buffer("mean", torch.zeros(PATCH_WIDTH))
        self.register_buffer("latent_mean", torch.zeros(LATENTS))
        self.register_buffer("latent_scale", torch.ones(LATENTS))

    @torch.no_grad()
    def init_from_pca(self, patches: Tensor) -> None:
        """Set the linear skips to whitened PCA of patches [n, PATCH_WIDTH] under the loss weights."""
        self.mean.copy_(patches.mean(0))
        weights = loss_weights(str(patches.device)).sqrt()
        data = (patches - self.mean) / SCALE_DB * weights
        values, vectors = torch.linalg.eigh(data.T @ data / len(data))
        basis = vectors[:, -LATENTS:].flip(1)
        std = values[-LATENTS:].flip(0).clamp_min(1e-6).sqrt()
        self.down.weight.copy_((basis / std).T * weights)
        self.up.weight.copy_(basis * std / weights[:, None])
        self.down.bias.zero_()
        self.up.bias.zero_()

    def encode_raw(self, patches: Tensor) -> Tensor:
        """Patches in dB to latents before their final scaling."""
        x = (patches - self.mean) / SCALE_DB
        result: Tensor = self.down(x) + self.encoder(x)
        return result

    def plain_raw(self, raw: Tensor) -> Tensor:
        """`decode_raw` without `lows`."""
        result: Tensor = (self.up(raw) + self.decoder(raw)) * SCALE_DB + self.mean
        return result

    def decode_raw(self, raw: Tensor) -> Tensor:
        """Latents before their final scaling to patches in dB."""
        plain = self.plain_raw(raw)
        if self.lows is None:
            return plain
        mels, low = plain[..., : 2 * MEL_WIDTH], plain[..., 2 * MEL_WIDTH :]
        return torch.cat([mels, low + self.lows(raw)], dim=-1)

    def encode(self, features: Tensor) -> Tensor:
        """Features in dB to latents of mean 0, scaled by their effect on the sound."""
        return (self.encode_raw(patchify(features)) - self.latent_mean) * self.latent_scale

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to features in dB, floored."""
        patches = self.decode_raw(latents / self.latent_scale + self.latent_mean)
        return unpatchify(patches).clamp_min(F.FLOOR_DB)


def _bring_lows(model: nn.Module, state: Mapping[str, Tensor], prefix: str, *_: Any) -> None:
    """Give a codec that is being filled the `lows` of the state."""
    assert isinstance(model, Codec)
    if model.lows is None and f"{prefix}lows.body.0.weight" in state:
        model.lows = Lows.like(state, f"{prefix}lows.").to(model.mean.device)
