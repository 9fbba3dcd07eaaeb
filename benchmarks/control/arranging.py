"""Does intensity arrange, or is it a fader? What follows a level curve once loudness is the same throughout.

A clip is brought to one level by the inverse of its own 1 s intensity. What is then left of the curve is in how many
attacks there are, how bright the sound is and how many parts play.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import find_peaks
from scipy.stats import rankdata

from engine.controls import intensity_envelope
from engine.models import features as F
from engine.training.metrics.seam import FLUX_HOP, flux
from engine.types import MODEL_RATE_HZ, Audio

Array = NDArray[np.float64]
LEVEL_DB, MOST_GAIN_DB = -20.0, 50.0
WINDOW_SECONDS, STEP_SECONDS = 1.0, 0.25
ONSET_DB, APART_SECONDS = 1.5, 0.06
QUIETEST_DB = -80.0
Parts = Callable[[torch.Tensor], float]
"""Features [T, CHANNELS] dB to how many parts play."""


def ridden(audio: Audio, gain_db: Array) -> Audio:
    """Audio under a gain, given every 10 ms, linear between."""
    at = np.arange(len(audio)) * (100.0 / MODEL_RATE_HZ)
    gain = 10.0 ** (np.interp(at, np.arange(len(gain_db)), gain_db) / 20.0)
    return np.asarray(audio * gain[:, None], np.float32)


def level_db(audio: Audio) -> Array:
    """dBFS every 10 ms under a 1 s window."""
    return np.asarray(intensity_envelope(audio, MODEL_RATE_HZ)[1])


def equalised(audio: Audio) -> Audio:
    """At LEVEL_DB throughout, by its own 1 s level; nothing is lifted by more than MOST_GAIN_DB."""
    return ridden(audio, np.minimum(LEVEL_DB - level_db(audio), MOST_GAIN_DB))


def onsets(audio: Audio) -> Array:
    """Seconds of attacks: peaks of the spectral flux over its surroundings."""
    values = flux(audio)
    distance = max(1, round(APART_SECONDS * MODEL_RATE_HZ / FLUX_HOP))
    found, _ = find_peaks(values, prominence=ONSET_DB, distance=distance)
    return np.asarray(found * FLUX_HOP / MODEL_RATE_HZ, np.float64)


def centroids(audio: Audio) -> tuple[Array, Array]:
    """(seconds [n], octaves above 1 Hz [n]) of the power spectrum's centroid, every 21 ms."""
    mono = torch.from_numpy(np.ascontiguousarray(audio.mean(axis=1, dtype=np.float32)))
    power = torch.stft(mono, 2048, 1024, window=torch.hann_window(2048), return_complex=True).abs().square()
    hz = torch.arange(power.shape[0]) * (MODEL_RATE_HZ / 2048)
    middle = (hz[:, None] * power).sum(0) / power.sum(0).clamp_min(1e-9)
    return np.arange(power.shape[1]) * 1024 / MODEL_RATE_HZ, np.log2(np.maximum(middle.double().numpy(), 1.0))


def windows(seconds: float) -> Array:
    """Centres of the 1 s windows in which all is counted."""
    return np.arange(WINDOW_SECONDS / 2, seconds - WINDOW_SECONDS / 2 + 1e-6, STEP_SECONDS)


def rank_correlation(a: Array, b: Array) -> float:
    """Spearman's; NaN where one of them does not move."""
    x, y = rankdata(a), rankdata(b)
    if len(x) < 3 or x.std() == 0 or y.std() == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def arranges(audio: Audio, curve_at: Callable[[Array], Array], parts: Parts | None) -> dict[str, float]:
    """Rank correlations, over 1 s windows, of a curve (dB at seconds) with what plays at one level."""
    sound, centres = equalised(audio), windows(len(audio) / MODEL_RATE_HZ)
    wanted, half = curve_at(centres), WINDOW_SECONDS / 2
    attacks, (at, bright) = onsets(sound), centroids(sound)
    density = np.array([np.sum(np.abs(attacks - c) < half) for c in centres], np.float64)
    brightness = np.array([bright[np.abs(at - c) < half].mean() for c in centres])
    found = {"onset density": density, "spectral centroid": brightness}
    if parts is not None:
        features = F.analyse_tensor(torch.from_numpy(np.ascontiguousarray(sound)))
        reach = round(half * F.FRAME_RATE_HZ)
        middles = [round(c * F.FRAME_RATE_HZ) for c in centres]
        found["active parts"] = np.array([parts(features[max(0, m - reach) : m + reach]) for m in middles])
    return {f"curve and {name}, rank correlation": rank_correlation(wanted, one) for name, one in found.items()}


def mels_db(audio: Audio) -> Array:
    """Log mels of both channels [T, 2 MELS] dB, no less than QUIETEST_DB."""
    found = F.analyse_tensor(torch.from_numpy(np.ascontiguousarray(audio)))[:, : 2 * F.MELS]
    return np.asarray(found.clamp_min(QUIETEST_DB).double().numpy())


def share_of_gain(audio: Audio, free: Audio) -> float:
    """How much of the change from `free` to `audio` a plain gain ride explains: the share of the squared difference
    of their log mels that goes away when `free` is ridden to the same 1 s level; 1 for a fader, below 0 where riding
    leads away."""
    own, other = level_db(audio), level_db(free)
    count = min(len(own), len(other))
    moved = ridden(free, own[:count] - other[:count])
    goal, before, after = mels_db(audio), mels_db(free), mels_db(moved)
    count = min(len(goal), len(before), len(after))
    goal = goal[:count]
    whole = np.square(goal - before[:count]).mean()
    return float(1.0 - np.square(goal - after[:count]).mean() / whole) if whole > 0 else float("nan")


def difference_db(audio: Audio, other: Audio, first: int, last: int) -> float:
    """Mean absolute difference of log mels in dB, of frames centred from sample `first` up to `last`."""
    a, b = mels_db(audio), mels_db(other)
    low, high = -(-first // F.HOP), last // F.HOP
    return float(np.abs(a[low:high] - b[low:high]).mean())
