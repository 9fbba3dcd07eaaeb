"""What is lost between two log-mel pictures of the same music."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.models import features as F
from engine.render.level import mel_widths

EDGE_FRAMES = 6
AUDIBLE_DB = -60.0


def onset_flux(mels: Tensor) -> Tensor:
    """Rise of level from frame to frame, summed over mels: [T - 1] of [T, 2 x MELS] dB."""
    return mels.diff(dim=0).clamp_min(0.0).sum(dim=1)


def correlation(a: Tensor, b: Tensor) -> float:
    """Pearson's correlation; 0 where one of the two does not vary."""
    a, b = a - a.mean(), b - b.mean()
    size = float(a.norm() * b.norm())
    return float(a @ b) / size if size > 1e-9 else 0.0


def side_levels(mels: Tensor) -> tuple[Tensor, Tensor]:
    """Power of left and of right [T], from mels [T, 2 x MELS] dB."""
    power = 10.0 ** (mels / 10.0) * mel_widths()
    return power[:, : F.MELS].sum(1), power[:, F.MELS :].sum(1)


def losses(true: Tensor, found: Tensor) -> dict[str, float]:
    """Errors between features [T, CHANNELS] dB; the first and last 6 frames are left out.

    log_mel_db: mean absolute error; smoothed over 5 frames: of the moving average; loudness_db: mean power,
    found minus true; left_right_db: error of left less right, per band, averaged in time where it is audible.
    """
    count = min(len(true), len(found))
    inner = slice(EDGE_FRAMES, count - EDGE_FRAMES)
    a, b = true[inner, : 2 * F.MELS], found[inner, : 2 * F.MELS]
    error = b - a
    smoothed = torch.nn.functional.avg_pool1d(error.T[None], 5, 1)
    (a_left, a_right), (b_left, b_right) = side_levels(a), side_levels(b)
    gain = (b_left + b_right).mean() / (a_left + a_right).mean().clamp_min(1e-12)
    sides_a, sides_b = (x[:, : F.MELS] - x[:, F.MELS :] for x in (a, b))
    heard = (a[:, : F.MELS] > AUDIBLE_DB) & (a[:, F.MELS :] > AUDIBLE_DB)
    weight = heard.float()
    off = ((sides_b - sides_a) * weight).sum(0).abs() / weight.sum(0).clamp_min(1.0)
    bands = weight.sum(0) > 0
    return {
        "log_mel_db": float(error.abs().mean()),
        "log_mel_smoothed_db": float(smoothed.abs().mean()),
        "onset_flux_correlation": correlation(onset_flux(a), onset_flux(b)),
        "loudness_db": float(10.0 * torch.log10(gain.clamp_min(1e-12))),
        "left_right_db": float(off[bands].mean()) if bool(bands.any()) else 0.0,
    }
