"""One space for text and sound, and what is playing: the network that listens.

Features in, five answers out: a unit vector that lies near the text vectors of captions which fit
(contrastive, with the text encoder locked: Zhai et al., "LiT", 2022), and the styles, tags, parts and
key of what sounds. Styles and tags together are a prompt vector as `PromptHead` gives it, so that the
denoiser takes a style from audio as it takes one from words. Levels count relative to the clip's
own, so that a quiet file sounds like a loud one. Gradients reach the features.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from engine.models import features as F
from engine.models import tonality
from engine.models.codec import PATCH, Residual
from engine.models.listener import MODE_NAMES, ROOTS, SURE, Heard
from engine.models.prompt import WIDTH, sentence_encoder
from engine.types import PART_NAMES, Part

SPACE = 128
PAIRS = 4
SIDE_BANDS = 16
VIEW = PAIRS * F.MELS + SIDE_BANDS
LOW_SEMITONES = 40
QUIETEST, LOUDEST, UNIT_DB = -50.0, 30.0, 15.0
LAGS = (8, 104)
FLUX_BANDS = (0, 24, 72, F.MELS)
PULSE = (len(FLUX_BANDS) - 1) * (LAGS[1] - LAGS[0])
KEY_PATCHES = 4
ATTENTION = 64


def view_of(features: Tensor) -> Tensor:
    """Features [B, 8 N + r, CHANNELS] dB to mid mels at 47 Hz and the side by bands [B, N, VIEW] dB."""
    whole = features[:, : features.shape[1] // PATCH * PATCH, : 2 * F.MELS]
    pairs = torch.unflatten(whole, 1, (-1, PAIRS, PATCH // PAIRS)).mean(3)
    left, right = pairs[..., : F.MELS], pairs[..., F.MELS :]
    side = torch.unflatten(left - right, -1, (SIDE_BANDS, -1)).mean((2, 4))
    return torch.cat([((left + right) / 2).flatten(2), side], dim=-1)


@dataclass(frozen=True)
class Impression:
    """embedding [B, SPACE] of length 1; logits of styles, tags and parts [B, n], of keys [B, 12, modes]."""

    embedding: Tensor
    styles: Tensor
    tags: Tensor
    parts: Tensor
    keys: Tensor

    @property
    def prompt(self) -> Tensor:
        """The prompt vector [B, styles + tags]."""
        return torch.cat([self.styles.softmax(-1), self.tags.sigmoid()], dim=-1)


def pulse_of(mid: Tensor) -> Tensor:
    """Autocorrelation of the onset flux of relative mid mels [B, T, MELS] at lags of 0.17 to 2.2 s [B, PULSE]."""
    rise = mid.diff(dim=1).clamp_min(0.0)
    bands = [rise[..., low:high].mean(-1) for low, high in itertools.pairwise(FLUX_BANDS)]
    flux = torch.stack(bands, dim=1)
    flux = flux - flux.mean(-1, keepdim=True)
    size = 2 * max(LAGS[1], flux.shape[-1])
    power = torch.fft.rfft(flux, size).abs().square()
    correlation = torch.fft.irfft(power, size)
    scaled: Tensor = correlation[..., LAGS[0] : LAGS[1]] / (correlation[..., :1] + 1e-3)
    return scaled.flatten(1)


class Joint(nn.Module):
    """`listen` to features, place `text`; about 1.1 M parameters. Any clip from 8 feature frames on."""

    def __init__(self, styles: int, tags: int, width: int = 192, blocks: int = 4) -> None:
        super().__init__()
        self.sizes = (styles, tags, len(PART_NAMES))
        self.input = nn.Linear(VIEW + LOW_SEMITONES, width)
        self.blocks = nn.Sequential(*[Residual(width) for _ in range(blocks)])
        self.pulse = nn.Linear(PULSE, 64)
        self.norm = nn.LayerNorm(2 * width + 64)
        self.trunk = nn.Linear(2 * width + 64, 256)
        self.drop = nn.Dropout(0.2)
        self.place = nn.Linear(256, SPACE)
        self.named = nn.Linear(256, sum(self.sizes))
        self.tonality = tonality.Tonality(len(MODE_NAMES))
        self.text_hidden = nn.Linear(WIDTH, 256)
        self.text_place = nn.Linear(256, SPACE)
        self.heat = nn.Parameter(torch.tensor(math.log(1.0 / 0.07)))

    def listen(self, features: Tensor) -> Impression:
        """What features [B, T, CHANNELS] in dB sound like; T from 8 on."""
        return self.listen_view(view_of(features), tonality.pitch_levels(features))

    def listen_view(self, view: Tensor, levels: Tensor) -> Impression:
        """As `listen`, from `view_of` [B, N, VIEW] and `tonality.pitch_levels` [B, N, SEMITONES, STEPS]."""
        mid, side = view[..., : PAIRS * F.MELS], view[..., PAIRS * F.MELS :]
        loudness = 10.0 * torch.log10((10.0 ** (mid / 10.0)).mean((1, 2), keepdim=True) + 1e-9)
        mid = (mid - loudness).clamp(QUIETEST, LOUDEST) / UNIT_DB
        low = (levels[:, :, :LOW_SEMITONES].mean(-1) - loudness).clamp(QUIETEST, LOUDEST) / UNIT_DB
        hidden = self.blocks(self.input(torch.cat([mid, side / UNIT_DB, low], dim=-1)))
        rhythm = pulse_of(torch.unflatten(mid, -1, (PAIRS, F.MELS)).flatten(1, 2))
        pulse = nn.functional.gelu(self.pulse(rhythm))
        pooled = self.norm(torch.cat([hidden.mean(1), hidden.amax(1), pulse], dim=-1))
        trunk = self.drop(nn.functional.gelu(self.trunk(pooled)))
        styles, tags, parts = self.named(trunk).split(self.sizes, dim=-1)
        embedding = nn.functional.normalize(self.place(trunk), dim=-1)
        return Impression(embedding, styles, tags, parts, self.tonality(slowed(levels)))

    def text(self, sentences: Tensor) -> Tensor:
        """Unit vectors [B, SPACE] of MiniLM embeddings [B, 384]."""
        hidden = self.drop(nn.functional.gelu(self.text_hidden(sentences * WIDTH**0.5)))
        return nn.functional.normalize(self.text_place(hidden), dim=-1)

    def similarity(self, texts: list[str], features: Tensor) -> Tensor:
        """Cosines [len(texts), B], differentiable in features [B, T, CHANNELS] (dB)."""
        embedded = sentence_encoder().embed(texts).to(features.device)
        return self.text(embedded) @ self.listen(features).embedding.T

    @torch.no_grad()
    def hear(self, latents: Tensor, features: Tensor) -> Heard:
        """The answer for one stretch of features [T, CHANNELS], T from 8 on; latents are not looked at.

        Long stretches are heard in pieces of up to ATTENTION patches, whose answers are averaged. The
        key is None where the likeliest root has a probability below SURE.
        """
        heard = self.listen(pieces(features.float()))
        sounding = zip(PART_NAMES, heard.parts.mean(0).tolist(), strict=True)
        parts = cast(tuple[Part, ...], tuple(name for name, logit in sounding if logit > 0))
        return Heard(np.asarray(heard.prompt.mean(0).numpy(), np.float32), key_of(heard.keys.mean(0)), parts)


def pieces(features: Tensor) -> Tensor:
    """Features [T, CHANNELS] as n equal pieces of at most ATTENTION patches [n, 8 N, CHANNELS].

    Up to n patches at the end are left out.
    """
    patches = len(features) // PATCH
    count = -(-patches // ATTENTION)
    length = patches // count * PATCH
    return torch.unflatten(features[: count * length], 0, (count, length))


def slowed(levels: Tensor) -> Tensor:
    """Pitch levels [B, N, ...] dB, power averaged over KEY_PATCHES patches (all of them where there are fewer)."""
    group = min(KEY_PATCHES, levels.shape[1])
    whole = torch.unflatten(levels[:, : levels.shape[1] // group * group], 1, (-1, group))
    return 10.0 * torch.log10((10.0 ** (whole / 10.0)).mean(2))


def key_of(logits: Tensor, sure: float = SURE) -> tuple[int, str] | None:
    """(root, mode name) of key logits [12, modes], or None where the root is not sure enough."""
    chances = logits.flatten().softmax(-1).reshape(ROOTS, len(MODE_NAMES))
    roots = chances.sum(1)
    root = int(roots.argmax())
    return (root, MODE_NAMES[int(chances[root].argmax())]) if float(roots[root]) >= sure else None
