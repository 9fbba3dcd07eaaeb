"""What is lost between two log-mel pictures of the same music."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from engine.models import features as F
from engine.render.level import mel_widths
from engine.training.corpus.levels import loudness_lufs
from engine.training.metrics.basspitch import NEAR_CENTS, bass_pitch
from engine.types import Audio

EDGE_FRAMES = 6
AUDIBLE_DB = -60.0
SIZES = (512, 1024, 2048, 4096)
SPECTRUM_FLOOR_DB = -90.0


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


def sides_apart_db(mels: Tensor) -> float:
    """Mean difference between left and right where both are audible, of mels [T, 2 x MELS] dB; NaN: silence."""
    left, right = mels[:, : F.MELS], mels[:, F.MELS :]
    apart = (left - right).abs()[(left > AUDIBLE_DB) & (right > AUDIBLE_DB)]
    return float(apart.mean()) if len(apart) else float("nan")


def losses(true: Tensor, found: Tensor) -> dict[str, float]:
    """Errors between features [T, CHANNELS] dB; the first and last 6 frames are left out.

    log_mel_db: mean absolute error; smoothed over 5 frames: of the moving average; loudness_db: mean power,
    found minus true; left_right_db: error of left less right, per band, averaged in time where it is audible;
    width_db: mean |left - right| where audible in the true one, found minus true.
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
    width = (sides_b.abs() - sides_a.abs())[heard]
    return {
        "log_mel_db": float(error.abs().mean()),
        "log_mel_smoothed_db": float(smoothed.abs().mean()),
        "onset_flux_correlation": correlation(onset_flux(a), onset_flux(b)),
        "loudness_db": float(10.0 * torch.log10(gain.clamp_min(1e-12))),
        "left_right_db": float(off[bands].mean()) if bool(bands.any()) else 0.0,
        "width_db": float(width.mean()) if len(width) else 0.0,
    }


def spectral_distance_db(true: Audio, found: Audio) -> float:
    """Mean over SIZES of the log-spectral distance: per frame and channel the RMS over bins of the difference in dB.

    Magnitudes re a full-scale sine, floored at -90 dB; hop a quarter of the window. Frames where both are
    silent count as well.
    """
    count = min(len(true), len(found))
    a, b = (torch.from_numpy(np.ascontiguousarray(x[:count].T, np.float32)) for x in (true, found))
    distances = []
    for size in SIZES:
        window = torch.hann_window(size)
        spectra = [
            torch.stft(x, size, size // 4, window=window, return_complex=True).abs() * (4 / size) for x in (a, b)
        ]
        level_a, level_b = (20 * torch.log10(x.clamp_min(10 ** (SPECTRUM_FLOOR_DB / 20))) for x in spectra)
        distances.append((level_a - level_b).square().mean(dim=1).sqrt().mean())
    return float(torch.stack(distances).mean())


def sound_losses(true: Audio, found: Audio) -> dict[str, float]:
    """Errors between two sounds [frames, 2] at 48 kHz.

    spectral_db: multi-resolution log-spectral distance; loudness_lu: found minus true (BS.1770); bass_cents:
    median absolute pitch error of the lows where the true ones have a steady pitch, bass_near: share of those
    frames within 20 cents, bass_steady: share of them that are still steady. NaN without such frames.
    """
    count = min(len(true), len(found))
    a, b = bass_pitch(true[:count]), bass_pitch(found[:count])
    cents = 1200.0 * np.abs(np.log2(b.hz[a.steady] / a.hz[a.steady]))
    lows = len(cents) > 0
    return {
        "spectral_db": spectral_distance_db(true, found),
        "loudness_lu": loudness_lufs(found[:count].T) - loudness_lufs(true[:count].T),
        "bass_cents": float(np.median(cents)) if lows else float("nan"),
        "bass_near": float((cents <= NEAR_CENTS).mean()) if lows else float("nan"),
        "bass_steady": float(b.steady[a.steady].mean()) if lows else float("nan"),
    }
