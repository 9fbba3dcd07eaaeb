"""The last turn of a polished vocoder: how much hiss each band gets, set by how much real music moves there.

Where a level is merely unsure, noise scores well although real partials stand still; so after training the
spread is shifted, band by band, until levels step from bin to bin and from frame to frame as far as they do in music.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.models import features as F
from engine.models.codec import Codec
from engine.models.vocoder import SPREAD_POINTS_HZ, Vocoder
from engine.training import devices, speaking
from engine.training.texture import spectrum_db

EDGES_HZ = np.array([100.0, 200.0, 400.0, 800.0, 1600.0, 3200.0, 6400.0, 12_800.0])
OFFSETS_DB = (0.5, 0.25, 0.0, -0.25, -0.5, -0.75, -1.0, -1.3)
SIZES = ((4096, 1024, 1), (1024, 256, 2))
Array = NDArray[np.float64]


def steps_db(wave: Tensor) -> Tensor:
    """Mean step in dB of waves [B, 2, samples]: [2, bands], across frequency, then across time."""
    rows = []
    for size, hop, axis in SIZES:
        steps = spectrum_db(wave.flatten(0, 1), size, hop).diff(dim=axis).abs().mean(dim=(0, 2))
        edges = np.round(EDGES_HZ * size / F.RATE_HZ).astype(int)
        bands = itertools.pairwise(edges.tolist())
        rows.append(torch.stack([steps[first:last].mean() for first, last in bands]))
    return torch.stack(rows)


def choose(ratios: Array, offsets_db: tuple[float, ...]) -> Array:
    """Per band the offset at which steps across frequency and time are nearest to real ones, in log terms.

    ratios [offsets, 2, bands]: made over real, at each offset (in falling order); interpolated linearly.
    """
    places = np.linspace(0, len(offsets_db) - 1, 8 * (len(offsets_db) - 1) + 1)
    known = np.arange(len(offsets_db))
    grid = np.interp(places, known, offsets_db)
    log = np.log(ratios).reshape(len(offsets_db), -1)
    fine = np.stack([np.interp(places, known, column) for column in log.T], axis=1)
    cost = np.square(fine).reshape(len(places), 2, -1).sum(axis=1)
    return np.asarray(grid[cost.argmin(axis=0)])


@torch.no_grad()
def temper(codec: Codec, vocoder: Vocoder, features: Tensor, wave: Tensor, hiss: speaking.Hiss) -> Array:
    """Shift the vocoder's spread; features [B, T, CHANNELS] and their waves [B, 2, samples] as in `polish.Clips`.

    Returns the offset in dB of each band.
    """
    made = []
    with devices.autocast(features.device):
        decoded = codec.decode(codec.encode(features)).float()
    level, spread = speaking.levels(vocoder, decoded)
    phases = speaking.drafted(level, decoded[..., 2 * F.MELS :])
    noise = hiss.draw(level)
    for offset in OFFSETS_DB:
        share = speaking.shares(level, spread + offset)
        made.append(steps_db(speaking.spoken(level, share, phases, noise)))
    ratios = torch.stack(made) / steps_db(wave)
    offsets = choose(ratios.cpu().double().numpy(), OFFSETS_DB)
    smoothed = np.convolve(np.pad(offsets, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    middle = np.log(np.sqrt(EDGES_HZ[:-1] * EDGES_HZ[1:]))
    shift = np.interp(np.log(SPREAD_POINTS_HZ), middle, smoothed)
    bias = vocoder.spread.bias
    bias.add_(torch.from_numpy(np.tile(shift, 2)).to(bias))
    return smoothed
