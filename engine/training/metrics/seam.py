"""What can be heard where new music joins old: a change of spectrum, a jump of level, an edge in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import welch

from engine.types import MODEL_RATE_HZ, Audio

Array = NDArray[np.float64]
FIRST_HZ, LAST_HZ = 50.0, 12_500.0
FLOOR_BELOW_PEAK_DB = 60.0
FLUX_HOP, FLUX_WINDOW = 240, 960
FLUX_REACH_MS = 40.0
EDGE_MS = 4.0


def third_octaves_hz() -> Array:
    """Centres from 50 Hz to 12.5 kHz: 1000 x 2^(k / 3)."""
    count = round(3 * np.log2(LAST_HZ / FIRST_HZ)) + 1
    return np.asarray(1000.0 * 2.0 ** (np.arange(count) / 3.0 + round(3 * np.log2(FIRST_HZ / 1000.0)) / 3.0))


def band_levels_db(audio: Audio) -> Array:
    """Long-term level of each third octave in dB, mean over channels, of audio [frames, channels] at 48 kHz."""
    hz, density = welch(audio.astype(np.float64), MODEL_RATE_HZ, nperseg=min(8192, len(audio)), axis=0)
    power = density.mean(axis=1) * (hz[1] - hz[0])
    centres = third_octaves_hz()
    bands = [power[(hz >= c * 2 ** (-1 / 6)) & (hz < c * 2 ** (1 / 6))].sum() for c in centres]
    return 10.0 * np.log10(np.array(bands) + 1e-14)


def level_db(audio: Audio) -> float:
    return float(10.0 * np.log10(np.square(audio, dtype=np.float64).mean() + 1e-14))


def spectrum_step_db(before: Audio, after: Audio, same_level: bool = False) -> float:
    """Mean absolute difference of third-octave levels; bands 60 dB under the loudest in both are left out.

    same_level: with the difference of the overall levels taken away.
    """
    a, b = band_levels_db(before), band_levels_db(after)
    heard = (a > a.max() - FLOOR_BELOW_PEAK_DB) | (b > b.max() - FLOOR_BELOW_PEAK_DB)
    step = b - a - (level_db(after) - level_db(before) if same_level else 0.0)
    return float(np.abs(step[heard]).mean())


def flux(audio: Audio) -> Array:
    """Rises of the log spectrum in dB, mean over bins, every 5 ms (20 ms Hann windows); value i is at sample 240 i."""
    import torch

    wave = torch.from_numpy(np.ascontiguousarray(audio.mean(axis=1, dtype=np.float32)))
    window = torch.hann_window(FLUX_WINDOW)
    found = torch.stft(wave, FLUX_WINDOW, FLUX_HOP, window=window, pad_mode="constant", return_complex=True).abs()
    level = 20.0 * torch.log10(found * (4.0 / FLUX_WINDOW) + 1e-4)
    rise = level.diff(dim=1, prepend=level[:, :1]).clamp_min(0.0)
    return np.asarray(rise.mean(dim=0).double().numpy())


def flux_at(values: Array, frame: int) -> float:
    """The largest flux within FLUX_REACH_MS of a frame at 48 kHz."""
    reach = round(FLUX_REACH_MS * MODEL_RATE_HZ / 1000.0 / FLUX_HOP)
    middle = round(frame / FLUX_HOP)
    return float(values[max(0, middle - reach) : middle + reach + 1].max())


def edge_db(audio: Audio, frame: int) -> float:
    """A click: power of the second difference within EDGE_MS of `frame` over that in the 60 ms around, in dB."""
    mono = np.diff(audio.mean(axis=1, dtype=np.float64), n=2)
    near, far = (round(ms * MODEL_RATE_HZ / 1000.0) for ms in (EDGE_MS, 30.0))
    here = np.square(mono[max(0, frame - near) : frame + near]).mean()
    around = np.concatenate([mono[max(0, frame - far) : max(0, frame - near)], mono[frame + near : frame + far]])
    return float(10.0 * np.log10((here + 1e-14) / (np.square(around).mean() + 1e-14)))


@dataclass(frozen=True)
class Seam:
    """Steps in dB at a seam; flux_db and edge_db against the median of the other bar lines."""

    spectrum_db: float
    shape_db: float
    loudness_db: float
    flux_db: float
    edge_db: float


def judge(whole: Audio, lines: list[int], seam: int) -> Seam:
    """The seam at bar line `seam` of audio [frames, channels]; lines: frames of all bar lines, the end included."""
    at = lines[seam]
    before, after = whole[lines[0] : at], whole[at : lines[-1]]
    bar_before, bar_after = whole[lines[seam - 1] : at], whole[at : lines[seam + 1]]
    values = flux(whole)
    others = [line for index, line in enumerate(lines[:-1]) if index not in (0, seam)]
    usual_flux = np.median([flux_at(values, line) for line in others]) if others else np.nan
    usual_edge = np.median([edge_db(whole, line) for line in others]) if others else np.nan
    return Seam(
        spectrum_db=spectrum_step_db(before, after),
        shape_db=spectrum_step_db(before, after, same_level=True),
        loudness_db=level_db(bar_after) - level_db(bar_before),
        flux_db=float(20.0 * np.log10((flux_at(values, at) + 1e-3) / (usual_flux + 1e-3))),
        edge_db=edge_db(whole, at) - float(usual_edge),
    )
