"""More songs from each song: other tempi and keys, other sound, other dynamics, with labels that stay true.

Two kinds. *Feature augmentations* act on log levels: a gain curve is an addition, and so is a filter.
*Audio augmentations* act on the stored mix: varispeed (pitch and tempo move together), drive, width, a
room. Context and target of an example share them, so that a model learns to go on in the sound it is given
instead of changing the band at the seam.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from engine.models import features as F
from engine.training.corpus.annotate import intensity_db

Rng = np.random.Generator
Arrays = dict[str, NDArray[Any]]

SEMITONES = (-3, -2, -1, 1, 2, 3)
GAIN_RANGE_DB = (-18.0, 3.0)
FILTER_RANGE_DB = 8.0
FLOOR_DB = -60.0
Curve = NDArray[np.float32]


@dataclass
class Take:
    """A song's arrays by their stored names, and its facts; what an augmentation changes and gives back."""

    arrays: Arrays
    facts: dict[str, Any]


def gain_curve(frames: int, rng: Rng) -> Curve:
    """A level curve in dB [frames]: ramps, steps and plateaus, each 2 to 9 s long."""
    at, level = [0.0], [float(rng.uniform(*GAIN_RANGE_DB))]
    while at[-1] < frames:
        stay = rng.random() < 0.3
        length = float(rng.uniform(2.0, 9.0)) if rng.random() < 0.75 else 1.0
        at.append(at[-1] + length * F.FRAME_RATE_HZ)
        level.append(level[-1] if stay else float(rng.uniform(*GAIN_RANGE_DB)))
    return np.interp(np.arange(frames), at, level).astype(np.float32)


def gate_curve(beat_phase: NDArray[Any], rng: Rng) -> Curve:
    """Rhythmic gating in dB [frames]: the beat in 2, 3 or 4 parts, each open for a share of its time."""
    parts, share, depth_db = int(rng.choice([2, 3, 4])), float(rng.uniform(0.4, 0.8)), float(rng.uniform(4, 16))
    place = (beat_phase.astype(np.float32) * parts) % 1.0
    return np.where(place < share, 0.0, -depth_db).astype(np.float32)


@lru_cache(maxsize=1)
def channel_hz() -> NDArray[np.float64]:
    """Centre frequency of each feature channel [CHANNELS]."""
    mel = F.mel_edges_hz()[1:-1]
    return np.concatenate([mel, mel, F.low_centres_hz()])


def filter_curve(rng: Rng) -> Curve:
    """A smooth gain over frequency in dB [CHANNELS]: five points from 40 Hz to 16 kHz, mean 0."""
    points = rng.uniform(-FILTER_RANGE_DB, FILTER_RANGE_DB, 5)
    octaves = np.log2(np.maximum(channel_hz(), 20.0))
    curve = np.interp(octaves, np.log2(np.geomspace(40.0, 16_000.0, 5)), points - points.mean())
    return np.asarray(curve, np.float32)


@lru_cache(maxsize=1)
def _power_weights() -> NDArray[np.float64]:
    """What each mel channel adds to the power [2 MELS]: its width in STFT bins."""
    edges = F.mel_edges_hz()
    width = (edges[2:] - edges[:-2]) / 2
    return np.asarray(np.concatenate([width, width]) / width.sum())


def frame_power(features: NDArray[Any]) -> NDArray[np.float64]:
    """Relative power [T] of features [T, CHANNELS] dB, smoothed by a Hann window of 1 s as intensity is."""
    power = 10.0 ** (features[:, : 2 * F.MELS].astype(np.float32) / 10.0) @ _power_weights()
    window = np.hanning(round(F.FRAME_RATE_HZ) | 1)
    return np.asarray(fftconvolve(power, window / window.sum(), mode="same")).clip(1e-12)


def shifted(features: NDArray[Any], change_db: Curve) -> NDArray[np.float32]:
    """Features plus a change that broadcasts to [T, CHANNELS], not below the floor."""
    return np.asarray(np.maximum(features.astype(np.float32) + change_db, F.FLOOR_DB), np.float32)


def relevel(take: Take, change_db: Curve, signals: tuple[str, ...]) -> Take:
    """The take with the same change of its signals' levels, [T, 1] or [1, CHANNELS]; intensities follow."""
    arrays = dict(take.arrays)
    for name in signals:
        if name not in arrays:
            continue
        changed = shifted(arrays[name], change_db)
        key = "intensity" if name == "mix" else f"intensity_{name}"
        step_db = 10.0 * np.log10(frame_power(changed) / frame_power(arrays[name]))
        arrays[name] = changed
        arrays[key] = np.maximum(arrays[key].astype(np.float32) + step_db, FLOOR_DB).astype(np.float32)
    return Take(arrays, take.facts)


def dynamics(take: Take, rng: Rng) -> Take:
    """Levels drawn by hand: the take under a gain curve, now and then filtered or gated on the beat."""
    frames = len(take.arrays["mix"])
    curve = gain_curve(frames, rng)
    if rng.random() < 0.2:
        curve = curve + gate_curve(take.arrays["beat_phase"][:frames], rng)
    signals = ("mix", "a", "b")
    drawn = relevel(take, curve[:, None], signals)
    if rng.random() < 0.3:
        drawn = relevel(drawn, filter_curve(rng)[None], signals)
    return replace(drawn, facts={**drawn.facts, "drawn": True})


def unwrapped(phase: NDArray[Any], at: NDArray[Any]) -> NDArray[np.float32]:
    """A phase in [0, 1) read at fractional frames."""
    flat = np.unwrap(phase.astype(np.float64), period=1.0)
    slope = flat[-1] - flat[-2]
    read = np.interp(at, np.arange(len(flat)), flat) + np.maximum(0.0, at - (len(flat) - 1)) * slope
    return np.asarray(np.minimum(read % 1.0, 0.9995), np.float32)


def resampled_labels(take: Take, ratio: float, semitones: int, frames: int) -> Take:
    """Labels of the same music played `ratio` times as fast and `semitones` higher, over `frames` frames."""
    old, at = take.arrays, np.arange(frames) * ratio
    nearest = np.minimum(np.round(at).astype(int), len(old["mix"]) - 1)
    arrays = {name: unwrapped(old[name], at) for name in ("beat_phase", "bar_phase")}
    arrays |= {name: old[name][nearest] for name in ("presence",) if name in old}
    if "melody" in old:
        pitch = old["melody"][nearest].astype(np.int64)
        arrays["melody"] = np.where(pitch >= 0, pitch + semitones, -1)
        onset = np.zeros(frames, np.float32)
        places = np.round(np.flatnonzero(old["melody_onset"]) / ratio).astype(int)
        onset[places[places < frames]] = 1.0
        arrays["melody_onset"] = onset
    if "chroma" in old:
        arrays["chroma"] = np.roll(old["chroma"][nearest], semitones, axis=1)
    tempo = take.facts["tempo"].partition("/")
    facts = {**take.facts, "tempo": str(float(tempo[0]) / float(tempo[2] or 1) * ratio)}
    if facts.get("key_root") is not None:
        facts["key_root"] = (int(facts["key_root"]) + semitones) % 12
    return Take(arrays, facts)


def drive(audio: NDArray[np.float32], rng: Rng) -> NDArray[np.float32]:
    """Soft clipping at the same loudness: a hyperbolic tangent after 3 to 18 dB of gain."""
    gain = 10.0 ** (float(rng.uniform(3, 18)) / 20)
    bent = np.tanh(gain * audio)
    return np.asarray(bent * np.sqrt(np.mean(audio**2) / max(1e-9, float(np.mean(bent**2)))), np.float32)


def widen(audio: NDArray[np.float32], rng: Rng) -> NDArray[np.float32]:
    """The side signal times 0 to 1.6."""
    middle, side = audio.mean(1), 0.5 * (audio[:, 0] - audio[:, 1]) * float(rng.uniform(0.0, 1.6))
    return np.stack([middle + side, middle - side], axis=1).astype(np.float32)


def room(audio: NDArray[np.float32], rng: Rng) -> NDArray[np.float32]:
    """A room of decaying noise, 0.1 to 0.8 s long, 6 to 18 dB below the sound."""
    seconds, level_db = float(rng.uniform(0.1, 0.8)), float(rng.uniform(-18, -6))
    time = np.arange(round(seconds * F.RATE_HZ)) / F.RATE_HZ
    response = rng.standard_normal((len(time), 2)) * np.exp(-6.9 * time / seconds)[:, None]
    response *= 10 ** (level_db / 20) / np.sqrt((response**2).sum(0))
    wet = fftconvolve(audio, response, axes=0)[: len(audio)]
    return np.asarray(audio + wet, np.float32)


def resounded(audio: NDArray[np.float32], rng: Rng) -> NDArray[np.float32]:
    """Other sound: each of drive, width and room by chance."""
    for change, chance in ((drive, 0.4), (widen, 0.5), (room, 0.35)):
        if rng.random() < chance:
            audio = change(audio, rng)
    return audio


def revoiced(take: Take, rng: Rng) -> Take:
    """The mix at another speed and in other sound; sub-mixes, whose audio is not kept, are left out."""
    semitones = int(rng.choice(SEMITONES))
    ratio = 2.0 ** (semitones / 12)
    audio = take.arrays["audio"].astype(np.float32) / 32768.0
    audio = soxr.resample(audio, F.RATE_HZ * ratio, F.RATE_HZ, "MQ").astype(np.float32)
    audio = resounded(audio, rng)
    peak = float(np.abs(audio).max())
    audio *= min(1.0, 0.98 / max(peak, 1e-6))
    features = F.analyse(audio).astype(np.float32)
    moved = resampled_labels(take, ratio, semitones, len(features))
    moved.arrays["mix"] = features
    moved.arrays["intensity"] = intensity_db(audio).astype(np.float32)
    moved.facts["semitones"] = semitones
    filtered = relevel(moved, filter_curve(rng)[None], ("mix",)) if rng.random() < 0.6 else moved
    return filtered if rng.random() < 0.6 else dynamics(filtered, rng)
