"""Distances between waves, and between pictures of them, that blurring does not win.

A mean absolute error is least for the median, which has neither texture nor all of the energy. These losses ask
for the texture's law, for energy and for attacks as high as they were.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor, nn

from engine.models import codec as C
from engine.models import features as F
from engine.models import lows

SPECTRA = ((4096, 1024), (512, 128))
SPECTRUM_FLOOR = 1e-7


def spectrum_db(wave: Tensor, size: int, hop: int) -> Tensor:
    """Level [N, BINS, T] in dB, floored softly at -70 dB, of waves [N, samples] (a full-scale sine is 0 dB)."""
    window = torch.hann_window(size, device=wave.device) * (4.0 / size)
    spectrum = torch.stft(wave, size, hop, window=window, center=False, return_complex=True)
    power = spectrum.real.square() + spectrum.imag.square()
    return 10.0 * torch.log10(power + SPECTRUM_FLOOR)


def sides(wave: Tensor) -> Tensor:
    """[B, 2, samples] to [3 B, samples]: left, right and their difference."""
    return torch.cat([wave[:, 0], wave[:, 1], (wave[:, 0] - wave[:, 1]) * 0.5**0.5])


def energy_score(first: Tensor, second: Tensor, true: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of (|Y - x| + |Y' - x|) / 2 - |Y - Y'| / 2 for two draws Y, Y' and the truth x.

    In expectation least when the draws follow the truth's law (Gritsenko et al., "A Spectral Energy Distance
    for Parallel Speech Synthesis", 2020, equation 4).
    """
    near = (first - true).abs() + (second - true).abs() - (first - second).abs()
    return 0.5 * (near * weight).mean()


def texture_score(first: Tensor, second: Tensor, true: Tensor) -> Tensor:
    """Of waves [B, 2, samples], two draws against the truth: left, right and side at the sizes of `SPECTRA`.

    Levels are compared after smoothing in time, texture as the energy score of steps in time and in frequency:
    scored bin by bin the levels themselves would make the model hiss wherever it is not sure of a level.
    """
    total = torch.zeros((), device=true.device)
    for size, hop in SPECTRA:
        views = [spectrum_db(sides(wave), size, hop) for wave in (first, second, true)]
        weight = 0.4 + ((views[2] + 70.0) / 40.0).clamp(0.0, 1.0)
        smooth = [nn.functional.avg_pool1d(view, 5, 1) for view in (0.5 * (views[0] + views[1]), views[2])]
        total = total + ((smooth[0] - smooth[1]).abs() * weight[..., 2:-2]).mean()
        for axis in (1, 2):
            steps = [view.diff(dim=axis) for view in views]
            count = weight.shape[axis] - 1
            both = torch.minimum(weight.narrow(axis, 0, count), weight.narrow(axis, 1, count))
            total = total + 0.5 * energy_score(steps[0], steps[1], steps[2], both)
    return total / len(SPECTRA)


def mels_error(found: Tensor, true: Tensor) -> Tensor:
    """Weighted L1 in dB between features [B, T, CHANNELS], in the codec's own patches, and of the mels' change."""
    weights = C.loss_weights(str(true.device))
    error = ((C.patchify(found) - C.patchify(true)).abs() * weights).mean()
    mels = slice(0, 2 * F.MELS)
    change = (found[..., mels].diff(dim=1) - true[..., mels].diff(dim=1)).abs().mean()
    return error + 0.1 * change


def energy_error(found: Tensor, true: Tensor) -> Tensor:
    """Mean error in dB of the power of blocks of 8 frames and 4 mels of features [B, T, CHANNELS]."""
    blocks = []
    for features in (found, true):
        power = torch.exp(features[..., : 2 * F.MELS] * (math.log(10.0) / 10.0))
        blocks.append(10.0 * torch.log10(nn.functional.avg_pool2d(power[:, None], (8, 4)) + 1e-8))
    return (blocks[0] - blocks[1]).abs().mean()


def attack_error(found: Tensor, true: Tensor) -> Tensor:
    """Mean error in dB of the steepest rise and fall in blocks of 8 frames of each mel of [B, T, CHANNELS].

    Blind to where in the block it happens: a doubtful attack may be early or late, but not half as high.
    """
    total = torch.zeros((), device=true.device)
    for sign in (1.0, -1.0):
        steep = [
            nn.functional.max_pool1d(sign * features[..., : 2 * F.MELS].diff(dim=1).transpose(1, 2), 8, 4)
            for features in (found, true)
        ]
        total = total + (steep[0] - steep[1]).abs().mean()
    return total / 2.0


@lru_cache(maxsize=4)
def _cents(device: str) -> tuple[Tensor, Tensor]:
    """`lows.peak_fit` in cents instead of Hz: (weights [LOW_BANDS, LOW_BANDS], a step between bands)."""
    _, weights, _ = lows.peak_fit()
    hertz = torch.from_numpy(F.low_centres_hz()).float()
    per_hz = 1200.0 / math.log(2.0) / hertz
    return (torch.from_numpy(weights) * per_hz).to(device), torch.tensor(1200.0 / F.LOW_BANDS_PER_OCTAVE).to(device)


def pitch_error(found: Tensor, true: Tensor) -> Tensor:
    """`peak_error` of the lows of features [B, T, CHANNELS]."""
    return peak_error(found[..., 2 * F.MELS :], true[..., 2 * F.MELS :])


def peak_error(a: Tensor, b: Tensor) -> Tensor:
    """Mean error in cents, at most a quarter tone each, of the peaks in lows [..., LOW_BANDS] dB, a against the true b.

    Peaks are those of the truth, within 20 dB of the loudest band; where they lie is read as `lows` reads it.
    """
    weights, step = _cents(str(b.device))
    inner = b[..., 1:-1]
    peak = (inner >= b[..., :-2]) & (inner > b[..., 2:]) & (inner > -60.0) & (inner > b.amax(-1, keepdim=True) - 20.0)
    off = torch.minimum(((a - b) @ weights)[..., 1:-1].abs(), step)
    return (off * peak).sum() / peak.sum().clamp_min(1)
