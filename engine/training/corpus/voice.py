"""Our own synthesiser, one compiled loop: oscillators, FM, a resonant filter with envelopes, a sweep.

Oscillators are band-limited by polyBLEP (Valimaki and Huovilainen 2007); the filter is the
topology-preserving state variable filter (Zavalishin, "The Art of VA Filter Design", 2012), one
or two in series. Envelopes and filter coefficients move every 16 samples, amplitude in between.
Everything is a function of the arguments: phases come from a hash of the note's place in the list.
"""

from __future__ import annotations

from math import exp, pi, sin, tan, tanh
from typing import Any, NamedTuple

import numpy as np
from numba import njit

RATE_HZ = 48_000
SWEEP_HOP = 64
_CONTROL = 16
_MOST = 9


class Voice(NamedTuple):
    """A patch. Levels are linear, times in seconds, `_octaves` are exponents of the cutoff."""

    unison: int = 1
    detune_cents: float = 0.0
    width: float = 0.0
    saw: float = 1.0
    pulse: float = 0.0
    pulse_width: float = 0.5
    pulse_sway: float = 0.0
    sine: float = 0.0
    noise: float = 0.0
    fm: float = 0.0
    fm_ratio: float = 1.0
    fm_index: float = 0.0
    fm_decay_s: float = 0.3
    cutoff_hz: float = 2000.0
    resonance: float = 0.1
    track: float = 0.3
    env_octaves: float = 1.0
    velocity_octaves: float = 0.5
    filter_attack_s: float = 0.002
    filter_decay_s: float = 0.3
    filter_sustain: float = 0.3
    poles: int = 4
    attack_s: float = 0.003
    decay_s: float = 0.5
    sustain: float = 0.8
    release_s: float = 0.1
    drive: float = 0.0
    glide_s: float = 0.0
    drop_semitones: float = 0.0
    drop_s: float = 0.03
    vibrato_cents: float = 0.0
    vibrato_hz: float = 5.0
    wobble_octaves: float = 0.0
    wobble_beats: float = 4.0
    velocity_power: float = 1.2


@njit(cache=True, fastmath=True, inline="always")
def _blep(phase: float, step: float) -> float:
    """Correction of a falling unit step at phase 0 (a saw is 2 phase - 1 - blep)."""
    if phase < step:
        x = phase / step
        return x + x - x * x - 1.0
    if phase > 1.0 - step:
        x = (phase - 1.0) / step
        return x * x + x + x + 1.0
    return 0.0


@njit(cache=True, fastmath=True, inline="always")
def _decaying(age: float, attack: float, decay: float, sustain: float) -> float:
    """Linear attack to 1, exponential decay to `sustain`."""
    if age < attack:
        return age / attack
    return sustain + (1.0 - sustain) * exp(-(age - attack) / decay)


@njit(cache=True, fastmath=True)
def play(
    v: Any, starts: Any, holds: Any, keys: Any, before: Any, velocities: Any, sweep: Any, beat_frames: float, out: Any
) -> None:
    """Add notes to out [2, frames].

    starts, holds: int64 frames; keys, before (the key to glide from): float64 MIDI numbers;
    velocities: float64, 1 = MIDI 100; sweep: float32 octaves of cutoff, one per 64 frames.
    """
    frames = out.shape[1]
    phase = np.zeros(_MOST)
    ratio = np.ones(_MOST)
    left, right = np.ones(_MOST), np.ones(_MOST)
    count = min(v.unison, _MOST)
    for i in range(count):
        place = 0.0 if count == 1 else 2.0 * i / (count - 1) - 1.0
        ratio[i] = 2.0 ** (v.detune_cents * place / 1200.0)
        side = v.width * place * (1.0 if i % 2 == 0 else -1.0)
        left[i] = (1.0 - side) / count**0.5
        right[i] = (1.0 + side) / count**0.5
    stereo = v.width > 0.0 and count > 1
    for n in range(len(starts)):
        start, hold = starts[n], holds[n] / RATE_HZ
        for i in range(count):
            mixed = ((n * 7919 + i * 104729 + 12345) * 2654435761) & 0xFFFFFFFF
            phase[i] = 0.0 if count == 1 else mixed / 4294967296.0
        seed = ((n + 1) * 747796405 + 2891336453) & 0xFFFFFFFF
        middle, modulator = phase[0], 0.0
        a1 = a2 = b1 = b2 = c1 = c2 = d1 = d2 = 0.0
        loud = velocities[n] ** v.velocity_power
        level = 0.0
        at = 0
        while start + at < frames:
            age = at / RATE_HZ
            later = (at + _CONTROL) / RATE_HZ
            wanted = _decaying(min(later, hold), v.attack_s, v.decay_s, v.sustain)
            if later > hold:
                wanted *= exp(-(later - hold) / v.release_s)
                if wanted < 1e-4 and level < 1e-3:
                    break
            slide = exp(-age / v.glide_s) if v.glide_s > 0.0 else 0.0
            key = keys[n] + slide * (before[n] - keys[n]) + v.drop_semitones * exp(-age / v.drop_s)
            if v.vibrato_cents > 0.0:
                key += min(1.0, age / 0.4) * v.vibrato_cents / 100.0 * sin(2.0 * pi * v.vibrato_hz * age)
            step = 440.0 * 2.0 ** ((key - 69.0) / 12.0) / RATE_HZ
            now = max(0, start + at)
            cycle = sin(2.0 * pi * now / (v.wobble_beats * beat_frames))
            octaves = (
                v.track * (keys[n] - 60.0) / 12.0 + sweep[min(len(sweep) - 1, now // SWEEP_HOP)]
                + v.env_octaves * _decaying(age, v.filter_attack_s, v.filter_decay_s, v.filter_sustain)
                + v.velocity_octaves * (velocities[n] - 1.0) + v.wobble_octaves * cycle
            )  # fmt: skip
            cutoff = min(20000.0, max(30.0, v.cutoff_hz * 2.0**octaves))
            g = tan(pi * cutoff / RATE_HZ)
            k = 2.0 * (1.0 - v.resonance)
            e1 = 1.0 / (1.0 + g * (g + k))
            f1 = 1.0 / (1.0 + g * (g + 1.41421356))
            index = v.fm_index * exp(-age / v.fm_decay_s)
            width = v.pulse_width + v.pulse_sway * cycle
            gain = 1.0 + v.drive
            slope = (wanted - level) / _CONTROL
            for s in range(_CONTROL):
                x = 0.0
                y = 0.0
                for i in range(count):
                    inc = step * ratio[i]
                    p = phase[i] + inc
                    if p >= 1.0:
                        p -= 1.0
                    phase[i] = p
                    tone = 2.0 * p - 1.0 - _blep(p, inc)
                    if v.pulse > 0.0:
                        q = p + width
                        if q >= 1.0:
                            q -= 1.0
                        other = 2.0 * q - 1.0 - _blep(q, inc)
                        tone = v.saw * tone + v.pulse * (tone - other)
                    else:
                        tone *= v.saw
                    x += left[i] * tone
                    y += right[i] * tone
                middle += step
                if middle >= 1.0:
                    middle -= 1.0
                mono = 0.0
                if v.sine > 0.0:
                    mono += v.sine * sin(2.0 * pi * middle)
                if v.fm > 0.0:
                    modulator += step * v.fm_ratio
                    if modulator >= 1.0:
                        modulator -= 1.0
                    mono += v.fm * sin(2.0 * pi * middle + index * sin(2.0 * pi * modulator))
                if v.noise > 0.0:
                    seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
                    mono += v.noise * (seed / 2147483648.0 - 1.0)
                x += mono
                y += mono
                if v.drive > 0.0:
                    x = tanh(gain * x)
                    y = tanh(gain * y) if stereo else x
                t = x - a2
                u = e1 * (a1 + g * t)
                w = a2 + g * u
                a1, a2 = 2.0 * u - a1, 2.0 * w - a2
                x = w
                if v.poles > 2:
                    t = x - b2
                    u = f1 * (b1 + g * t)
                    w = b2 + g * u
                    b1, b2 = 2.0 * u - b1, 2.0 * w - b2
                    x = w
                if stereo:
                    t = y - c2
                    u = e1 * (c1 + g * t)
                    w = c2 + g * u
                    c1, c2 = 2.0 * u - c1, 2.0 * w - c2
                    y = w
                    if v.poles > 2:
                        t = y - d2
                        u = f1 * (d1 + g * t)
                        w = d2 + g * u
                        d1, d2 = 2.0 * u - d1, 2.0 * w - d2
                        y = w
                else:
                    y = x
                level += slope
                spot = start + at + s
                if 0 <= spot < frames:
                    out[0, spot] += loud * level * x
                    out[1, spot] += loud * level * y
            level = wanted
            at += _CONTROL
