"""Are basses in tune: pitches below 150 Hz against the notes of the key and the chords that were given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.training.metrics import twins
from engine.training.metrics.basspitch import NEAR_CENTS, BassPitch, bass_pitch, cents_off
from engine.training.metrics.bench import FRAME_SAMPLES, Bench
from engine.training.metrics.stats import shown, summary
from engine.training.metrics.table import Table
from engine.training.metrics.twins import Excerpt
from engine.types import MODEL_RATE_HZ, Audio

TARGET = 0.9
FEWEST_FRAMES = 25
TONES = (28.0, 28.3, 29.0, 33.0, 36.0, 40.0, 45.0, 50.0)
TONE_SECONDS = 3.0
Array = NDArray[np.float64]


def allowed(excerpt: Excerpt, shift: int, frames: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Pitch classes [n, 12] that belong at feature frames: the key's and the sounding chord's."""
    chroma = excerpt.chroma(shift).astype(bool)
    found = chroma[frames.clip(0, len(chroma) - 1)]
    found[:, list(excerpt.pitch_classes(shift))] = True
    return np.asarray(found)


def share_in_tune(hz: Array, classes: NDArray[np.bool_]) -> float:
    """Share of frames [n] within NEAR_CENTS of one of their classes [n, 12]."""
    off = np.stack([np.abs(cents_off(hz, (pc,))) for pc in range(12)], axis=1)
    return float((np.where(classes, off, np.inf).min(axis=1) <= NEAR_CENTS).mean())


def judged(found: BassPitch, excerpt: Excerpt, shift: int) -> dict[str, float]:
    """Shares of the sounding frames of one clip; NaN with fewer than FEWEST_FRAMES."""
    names = ("in_key", "in_chord", "in_tune", "steady", "cents")
    if found.sounding.sum() < FEWEST_FRAMES:
        return dict.fromkeys(names, float("nan"))
    steady = float(found.steady.sum() / found.sounding.sum())
    if found.steady.sum() < FEWEST_FRAMES:
        return {**dict.fromkeys(names, float("nan")), "steady": steady}
    hz = found.hz[found.steady]
    frames = np.round(found.seconds[found.steady] * MODEL_RATE_HZ / FRAME_SAMPLES).astype(np.int64)
    chroma = excerpt.chroma(shift).astype(bool)[frames.clip(0, len(excerpt.chroma()) - 1)]
    return {
        "in_key": share_in_tune(hz, allowed(excerpt, shift, frames)),
        "in_chord": share_in_tune(hz, chroma),
        "in_tune": share_in_tune(hz, np.ones((len(hz), 12), bool)),
        "steady": steady,
        "cents": float(np.median(np.abs(cents_off(hz, range(12))))),
    }


def at_annotation(found: BassPitch, excerpt: Excerpt) -> float:
    """Share of steady frames within NEAR_CENTS of the pitch class that the score has in the bass."""
    notes = excerpt.frames("bass_pitch").astype(np.int64)
    frames = np.round(found.seconds * MODEL_RATE_HZ / FRAME_SAMPLES).astype(np.int64).clip(0, len(notes) - 1)
    pitch = notes[frames]
    use = found.steady & (pitch >= 0)
    if use.sum() < FEWEST_FRAMES:
        return float("nan")
    return share_in_tune(found.hz[use], np.eye(12, dtype=bool)[pitch[use] % 12])


def tone(pitch: float, seconds: float = TONE_SECONDS) -> Audio:
    """A held bass note [frames, 2] of five harmonics, -17 dBFS, with edges of 20 ms."""
    time = np.arange(round(seconds * MODEL_RATE_HZ)) / MODEL_RATE_HZ
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    wave = sum(0.18 * 0.5**k * np.sin(2 * np.pi * (k + 1) * hz * time + k) for k in range(5))
    edge = np.clip(np.minimum(time, seconds - time) / 0.02, 0.0, 1.0)
    return np.repeat((wave * edge)[:, None], 2, axis=1).astype(np.float32)


def tone_error(audio: Audio, pitch: float) -> dict[str, float]:
    """Of a held note's middle: median signed cents from `pitch`, and the share of frames within NEAR_CENTS."""
    found = bass_pitch(audio)
    inside = (found.seconds > 0.5) & (found.seconds < len(audio) / MODEL_RATE_HZ - 0.5)
    cents = 1200.0 * np.log2(found.hz[inside] / 440.0) - 100.0 * (pitch - 69.0)
    return {
        "pitch": pitch,
        "cents": round(float(np.median(cents)), 1),
        "near": round(float((np.abs(cents) <= NEAR_CENTS).mean()), 3),
    }


def measure(bench: Bench) -> dict[str, Any]:
    asked = twins.of(bench)
    rows: dict[str, list[dict[str, float]]] = {
        name: []
        for name in ("held-out", "held-out coded", "model", "model, key alone", "model, key and chords", "chance")
    }
    scored: dict[str, list[float]] = {"held-out": [], "held-out coded": []}
    for index, excerpt in enumerate(bench.track(asked, "bass")):
        real, coded = bass_pitch(excerpt.audio()), bass_pitch(twins.coded(bench, excerpt))
        made = bass_pitch(twins.twin(bench, excerpt))
        rows["held-out"].append(judged(real, excerpt, 0))
        rows["held-out coded"].append(judged(coded, excerpt, 0))
        rows["model"].append(judged(made, excerpt, excerpt.shift))
        rows["model, key and chords" if excerpt.chords_given else "model, key alone"].append(rows["model"][-1])
        other = asked[(index + len(asked) // 2) % len(asked)]
        rows["chance"].append(judged(made, other, other.shift))
        scored["held-out"].append(at_annotation(real, excerpt))
        scored["held-out coded"].append(at_annotation(coded, excerpt))
    keys = ("in_key", "in_chord", "in_tune", "steady", "cents")
    return {
        "rows": {name: {key: summary([one[key] for one in found]) for key in keys} for name, found in rows.items()},
        "at the score's note": {name: summary(values) for name, values in scored.items()},
        "tones": [tone_error(bench.reconstructed(tone(pitch)), pitch) for pitch in TONES],
    }


def table(results: dict[str, Any]) -> Table:
    names = {
        "held-out": "held-out clips (ceiling)",
        "held-out coded": "held-out clips through codec and vocoder",
        "chance": "model against another clip's key and chords (chance)",
    }
    rows = []
    for name, r in results["rows"].items():
        shares = [shown(r[key]) for key in ("in_key", "in_chord", "in_tune", "steady")]
        rows.append([names.get(name, name), *shares, shown(r["cents"], 1)])
    notes = ", ".join(f"{name} {shown(entry, 2)}" for name, entry in results["at the score's note"].items())
    tones = ", ".join(f"{t['pitch']:g}: {t['cents']:+.1f} ({t['near']:.2f})" for t in results["tones"])
    remarks = [
        f"Target: {TARGET:g} in the first column. Steady frames (20 ms apart, harmonic, standing still) below 150 Hz"
        f" within {NEAR_CENTS:g} cents of a note; steady: their share of all frames in which lows sound.",
        f"Within {NEAR_CENTS:g} cents of the pitch class in the score: {notes}.",
        f"Held notes through codec and vocoder, MIDI pitch: cents off (share of frames within {NEAR_CENTS:g}):"
        f" {tones}.",
    ]
    header = [
        "",
        "in the key or chord",
        "in the chord",
        "in tune (any note; chance 0.40)",
        "steady",
        "median cents",
    ]
    return Table("Bass", header, rows, remarks)
