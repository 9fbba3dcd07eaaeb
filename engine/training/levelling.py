"""What decoding does to level and time, measured on held-out songs when a bundle is exported.

Codec and vocoder lose some level, let attacks out a little late, and keep less of the difference between left and
right than they were given; the renderer takes all three back (`makeup_db`, `lag_samples`, `noise_width` of the bundle's
config). What is lost of the difference is mostly grain that no code can foretell, so that it comes back as noise of
each channel's own: sides that are drawn apart would put instruments elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from engine.models import features as F
from engine.models.codec import LATENT_HOP, LATENTS, PATCH
from engine.models.load import Networks
from engine.models.vocoder import WIDTH
from engine.render.decode import PRE_SAMPLES, Decoder
from engine.training import data
from engine.training.metrics.codec import sides_apart_db
from engine.training.metrics.onsets import CLICK, Band, Times, offsets_ms, onsets_ms
from engine.types import Audio

CLIP_SECONDS = 10
FEWEST_ONSETS = 20
MOST_UNSURE_MS = 2.0
MOST_LAG_MS = 10.0
WIDTHS = (0.0, 0.3, 0.6, 0.9)


@dataclass(frozen=True)
class Decoding:
    """makeup_db: level to add. lag_samples: at 48 kHz, how much later attacks leave than they went in.

    clips: how many were heard; onsets: attacks found in both; interval_ms: 95 % of the median lag. noise_width: the
    most of the noise's power that is a channel's own.
    """

    makeup_db: float
    lag_samples: int
    clips: int
    onsets: int
    interval_ms: tuple[float, float] | None
    noise_width: float = WIDTH


@torch.no_grad()
def decoded(networks: Networks, wave: Audio, width: float = WIDTH) -> Audio:
    """Sound [n, 2] through codec and vocoder and back, as the renderer decodes; n is cut to whole latents."""
    count = len(wave) // LATENT_HOP
    features = F.analyse_tensor(torch.from_numpy(np.ascontiguousarray(wave)))[: count * PATCH]
    decoder = Decoder(networks.codec, networks.vocoder, torch.zeros(0, LATENTS), seed=0, width=width)
    decoder.push(networks.codec.encode(features[None])[0], last=True)
    return decoder.speak(decoder.ready(last=True))[PRE_SAMPLES:]


def middle(path: Path, seconds: int = CLIP_SECONDS) -> Audio:
    """The middle of a song's mix [n, 2], float."""
    song = data.read(path, ("audio",))["audio"]
    samples = min(seconds * F.RATE_HZ, len(song)) // LATENT_HOP * LATENT_HOP
    first = max(0, (len(song) - samples) // 2)
    return np.asarray(song[first : first + samples].astype(np.float32) / 32768.0)


def lags_ms(true: Audio, made: Audio, band: Band = CLICK) -> Times:
    """Signed distances in ms from each attack of `true` to the nearest one of `made`, NaN where none is near."""
    found = onsets_ms(true[: len(made)], band)
    return offsets_ms(onsets_ms(made, band), found)


def median_lag(lags: Times, seed: int = 0) -> tuple[float, tuple[float, float] | None, int]:
    """(ms, 95 % interval by bootstrap, attacks heard); 0 where there are few, or where the median is unsure."""
    heard = lags[np.isfinite(lags)]
    if len(heard) < FEWEST_ONSETS:
        return 0.0, None, len(heard)
    rng = np.random.default_rng(seed)
    medians: NDArray[np.float64] = np.median(rng.choice(heard, (400, len(heard))), axis=1)
    low, high = (float(q) for q in np.quantile(medians, (0.025, 0.975)))
    lag = float(np.median(heard))
    sure = high - low <= MOST_UNSURE_MS and abs(lag) <= MOST_LAG_MS
    return lag if sure else 0.0, (round(low, 3), round(high, 3)), len(heard)


def width_db(wave: Audio) -> float:
    """Mean difference between left and right in dB where both are heard; NaN where nothing is."""
    return sides_apart_db(F.analyse_tensor(torch.from_numpy(np.ascontiguousarray(wave)))[:, : 2 * F.MELS])


def fitted_width(
    networks: Networks, files: list[Path], seconds: float = 20.0, clock: Callable[[], float] = time.monotonic
) -> float:
    """The `noise_width` that makes decoded middles of songs as wide as they were, on the mean; `WIDTH` in silence.

    One song at least, until `seconds` have passed; between what a few widths give it is taken to run straight.
    """
    deadline, rows = clock() + seconds, []
    for path in files:
        wave = middle(path)
        rows.append([width_db(wave), *(width_db(decoded(networks, wave, width)) for width in WIDTHS)])
        if clock() > deadline:
            break
    heard = np.array([row for row in rows if np.isfinite(row).all()])
    if len(heard) == 0:
        return WIDTH
    wanted, *found = heard.mean(axis=0)
    return round(float(np.interp(wanted, np.maximum.accumulate(found), WIDTHS)), 2)


def measure(
    networks: Networks, files: list[Path], seconds: float = 20.0, clock: Callable[[], float] = time.monotonic
) -> Decoding:
    """Decode the middles of songs, one at least, until `seconds` have passed; medians over what was heard."""
    width = fitted_width(networks, files, 0.5 * seconds, clock)
    deadline = clock() + 0.5 * seconds
    losses: list[float] = []
    lags: list[Times] = []
    for path in files:
        wave = middle(path)
        made = decoded(networks, wave, width)
        wave = wave[: len(made)]
        losses.append(10.0 * float(np.log10((np.square(wave).mean() + 1e-9) / (np.square(made).mean() + 1e-9))))
        lags.append(lags_ms(wave, made))
        if clock() > deadline:
            break
    lag_ms, interval, count = median_lag(np.concatenate([np.zeros(0), *lags]))
    makeup = round(float(np.median(losses)), 2) if losses else 0.0
    return Decoding(makeup, round(lag_ms * F.RATE_HZ / 1000.0), len(losses), count, interval, width)
