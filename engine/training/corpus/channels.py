"""What a part goes through before it is summed: gain, drive, tone, chorus, ducking, pan; and the bus of the drums."""

from __future__ import annotations

import numpy as np
from pedalboard import Chorus, Compressor, HighpassFilter, HighShelfFilter, LowpassFilter, Plugin
from pedalboard._pedalboard import Pedalboard

from engine.training.corpus.levels import RATE_HZ, Stem, block_power, from_db
from engine.training.corpus.placing import event_frame
from engine.training.corpus.song import Part, Song

_WIDEST_DB = {"pad": -3.0, "arp": -4.0, "comp2": -4.0}
_KICK_KEYS = frozenset({35, 36})


def processed(stem: Stem, part: Part, duck: Stem, rng: np.random.Generator) -> Stem:
    """Gain, drive, chorus, low-pass, duck and pan of one part [2, frames]."""
    gain_db = part.gain_db - polyphony_db(part) + float(rng.normal(0.0, 0.7))
    if part.group == "drums" and gain_db < -5.0:  # soft drums must stay audible
        gain_db = -5.0 + 0.3 * (gain_db + 5.0)
    pan = float(np.clip(part.pan + rng.normal(0.0, 0.03), -1.0, 1.0))
    stem = _narrowed(stem * np.float32(from_db(gain_db)), _WIDEST_DB.get(part.name, -6.0))
    if part.drive_db > 0.0:
        stem = _driven(stem, part.drive_db)
    effects = part_tone(part, rng)
    if part.chorus > 0.0:
        stem = _chorused(stem, min(0.5, part.chorus))
    if part.lowpass_hz is not None:
        cutoff = float(np.clip(part.lowpass_hz, 60.0, 18_000.0))
        effects.append(LowpassFilter(cutoff))
        effects.append(LowpassFilter(cutoff))
    if effects:
        stem = Pedalboard(effects)(stem, RATE_HZ)
    if part.duck_db > 0.0 and part.group != "drums":
        stem = stem * (np.float32(1.0) - np.float32(1.0 - from_db(-part.duck_db)) * duck)
    return _panned(stem, pan)


def polyphony_db(part: Part) -> float:
    """Half of how much louder than one note the part's usual chord is: 5 log10 of mean notes."""
    if part.group == "drums" or not part.notes:
        return 0.0
    edges = sorted({edge for n in part.notes for edge in (n.beat, n.beat + n.length)})
    starts = np.sort([n.beat for n in part.notes])
    ends = np.sort([n.beat + n.length for n in part.notes])
    middles = 0.5 * (np.array(edges[:-1]) + np.array(edges[1:]))
    sounding = np.searchsorted(starts, middles) - np.searchsorted(ends, middles)
    weight = np.diff(edges) * (sounding > 0)
    mean = float((weight * sounding).sum() / max(1e-9, weight.sum()))
    return float(5.0 * np.log10(max(1.0, mean)))


def part_tone(part: Part, rng: np.random.Generator) -> list[Plugin]:
    """A part's equaliser: the lows cleared for kick and bass, a shelf of +-2.5 dB for its character."""
    cut_hz, tilt_db = float(np.exp(rng.uniform(np.log(90.0), np.log(240.0)))), float(rng.uniform(-2.5, 2.5))
    if part.group in ("drums", "bass") or not part.notes:
        return []
    lowest_hz = 440.0 * 2.0 ** ((min(note.pitch for note in part.notes) - 69) / 12.0)
    return [HighpassFilter(min(cut_hz, 0.8 * lowest_hz)), HighShelfFilter(2500.0, tilt_db)]


def _narrowed(stem: Stem, widest_db: float) -> Stem:
    """Keep the side of an instrument some dB under its middle (some pianos have no middle)."""
    middle, side = 0.5 * (stem[0] + stem[1]), 0.5 * (stem[0] - stem[1])
    ratio = float(np.sqrt((side @ side + 1e-12) / (middle @ middle + 1e-9)))
    if ratio <= from_db(widest_db):
        return stem
    side *= np.float32(from_db(widest_db) / ratio)
    return np.stack([middle + side, middle - side])


def _driven(stem: Stem, drive_db: float) -> Stem:
    """tanh saturation at the stem's own level (its 99.9 % point maps to the knee), peaks kept."""
    level = float(np.quantile(np.abs(stem[:, ::16]), 0.999)) + 1e-9
    drive = np.float32(from_db(drive_db) / level)
    shaped: Stem = np.tanh(stem * drive)
    return shaped * np.float32(level / np.tanh(from_db(drive_db)))


def _chorused(stem: Stem, mix: float) -> Stem:
    """A chorus with unequal rates and delays left and right, which makes mono sounds wide."""
    left = Chorus(rate_hz=0.7, depth=0.2, centre_delay_ms=7.0, mix=mix)(stem[:1], RATE_HZ)
    right = Chorus(rate_hz=0.9, depth=0.2, centre_delay_ms=9.5, mix=mix)(stem[1:], RATE_HZ)
    return np.concatenate([left, right]).astype(np.float32)


def _panned(stem: Stem, pan: float) -> Stem:
    """Constant-power balance: unity at the centre, pan in -1..1."""
    angle = (pan + 1.0) * np.pi / 4.0
    gains = np.sqrt(2.0) * np.array([[np.cos(angle)], [np.sin(angle)]])
    return np.asarray(stem * gains, np.float32)


def drum_bus(drums: Stem, drive_db: float, rng: np.random.Generator) -> Stem:
    """The drum bus: compression that keeps the attacks, a crushed copy below it, a little saturation.

    It costs 1 dB of power, however it is set.
    """
    level_db = 10.0 * np.log10(float(np.percentile(block_power(drums, 256), 95.0)) + 1e-12)
    depth, ratio, attack_ms = rng.uniform(2.0, 7.0), rng.uniform(1.6, 4.0), rng.uniform(6.0, 25.0)
    below_db, knee_db = rng.uniform(-24.0, -9.0), rng.uniform(0.0, 3.0) + 0.5 * drive_db
    glued = Compressor(level_db - float(depth), float(ratio), float(attack_ms), float(rng.uniform(60.0, 200.0)))
    out: Stem = glued(drums, RATE_HZ)
    if below_db > -18.0:
        crushed = Compressor(level_db - 20.0, 10.0, attack_ms=1.0, release_ms=80.0)(drums, RATE_HZ)
        out = out + crushed * np.float32(from_db(float(below_db) + 12.0))
    out = _driven(out, float(knee_db)) if knee_db > 1.0 else out
    before, after = float(np.vdot(drums, drums)), float(np.vdot(out, out))
    return out * np.float32(from_db(-1.0) * (before / after) ** 0.5 if after > 0.0 else 1.0)


def kick_envelope(song: Song, frames: int) -> Stem:
    """How far to duck at each frame, 0..1 [frames]: 3 ms attack, 25 ms hold, then the release."""
    release = max(1, round(song.mix.duck_release_ms * RATE_HZ / 1000.0))
    attack, hold = RATE_HZ * 3 // 1000, RATE_HZ // 40
    fall = 0.5 + 0.5 * np.cos(np.linspace(0.0, np.pi, release))
    shape = np.concatenate([np.linspace(0.0, 1.0, attack), np.ones(hold), fall]).astype(np.float32)
    envelope = np.zeros(frames, np.float32)
    for part in song.parts:
        for note in part.notes if part.group == "drums" else ():
            if note.pitch in _KICK_KEYS and note.velocity >= 40:
                start = event_frame(note.beat, note.offset_ms, float(song.tempo)) - attack
                _raise_at(envelope, shape, start)
    return envelope


def _raise_at(envelope: Stem, shape: Stem, start: int) -> None:
    first, last = max(0, start), min(len(envelope), start + len(shape))
    if last > first:
        view = envelope[first:last]
        np.maximum(view, shape[first - start : last - start], out=view)
