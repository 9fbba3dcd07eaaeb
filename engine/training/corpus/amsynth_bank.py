"""Patches for amsynth: numbered draws of its 41 parameters from musical ranges; none of its presets is used.

Parameters are given to amsynth as 0..1; the functions below turn seconds, cents and multiples of a note's
frequency into these. Numbers with `number % 8 == 5` are held out, as in `patches`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log, log2

import numpy as np

Rng = np.random.Generator
_SALT = 0x414D53
_WAVES = {"sine": 0.0, "pulse": 0.25, "saw": 0.5, "noise": 0.75}

DEFAULTS: dict[str, float] = {
    "amp_attack": 0.0, "amp_decay": 0.5, "amp_sustain": 0.8, "amp_release": 0.15, "osc1_waveform": 0.5, "filter_attack": 0.0,
    "filter_decay": 0.25, "filter_sustain": 0.3, "filter_release": 0.2, "filter_resonance": 0.1, "filter_env_amount": 0.5,
    "filter_cutoff": 0.6, "osc2_detune": 0.5, "osc2_waveform": 0.5, "master_vol": 0.67, "lfo_freq": 0.0, "lfo_waveform": 0.0,
    "osc2_range": 3 / 7, "osc_mix": 0.5, "freq_mod_amount": 0.0, "filter_mod_amount": 0.0, "amp_mod_amount": 0.0,
    "osc_mix_mode": 0.0, "osc1_pulsewidth": 1.0, "osc2_pulsewidth": 1.0, "reverb_roomsize": 0.0, "reverb_damp": 0.0,
    "reverb_wet": 0.0, "reverb_width": 1.0, "distortion_crunch": 0.0, "osc2_sync": 0.0, "portamento_time": 0.0,
    "keyboard_mode": 0.0, "osc2_pitch": 0.5, "filter_type": 0.0, "filter_slope": 1.0, "freq_mod_osc": 0.0,
    "filter_kbd_track": 1.0, "filter_vel_sens": 0.5, "amp_vel_sens": 1.0, "portamento_mode": 0.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AmsynthPatch:
    """A sound of the bank; `values` are all parameters by amsynth's names, 0..1."""

    kind: str
    number: int
    values: tuple[tuple[str, float], ...]

    @property
    def name(self) -> str:
        """What the metadata calls it, e.g. `amsynth/stab-12`."""
        return f"amsynth/{self.kind.replace(' ', '-')}-{self.number}"


def amsynth_patch(kind: str, number: int) -> AmsynthPatch:
    """The patch of a kind and number. KeyError for an unknown kind."""
    rng = np.random.default_rng([_SALT, _ORDER[kind], number])
    values = DEFAULTS | _DRAWS[kind](rng)
    return AmsynthPatch(kind, number, tuple((name, round(float(value), 6)) for name, value in values.items()))


def time_knob(seconds: float) -> float:
    """A time of an envelope: seconds = (2.5 knob)^3 + 0.0005."""
    return float(min(1.0, np.cbrt(max(0.0, seconds - 0.0005)) / 2.5))


def cutoff_knob(harmonics: float) -> float:
    """Cutoff in multiples of the note's frequency: 0.25 x 256^knob."""
    return float(np.clip(log(harmonics / 0.25) / log(256.0), 0.0, 1.0))


def detune_knob(cents: float) -> float:
    """Detuning of the second oscillator: 1.25^(2 knob - 1)."""
    return 0.5 + 0.5 * cents / 1200.0 / log2(1.25)


def _log(r: Rng, low: float, high: float) -> float:
    return float(np.exp(r.uniform(np.log(low), np.log(high))))


def _wave(r: Rng, *names: str) -> float:
    return _WAVES[names[int(r.integers(len(names)))]]


def _two(r: Rng, low_cents: float, high_cents: float) -> dict[str, float]:
    """Two oscillators, detuned, of about equal level."""
    cents = r.uniform(low_cents, high_cents) * r.choice([-1.0, 1.0])
    return {"osc2_detune": detune_knob(float(cents)), "osc_mix": r.uniform(0.35, 0.65)}


def _filter(
    r: Rng, base: tuple[float, float], amount: tuple[float, float], decay: tuple[float, float]
) -> dict[str, float]:
    """Cutoff and depth of the envelope in harmonics, its decay in seconds."""
    return {
        "filter_cutoff": cutoff_knob(_log(r, *base)), "filter_env_amount": 0.5 + _log(r, *amount) / 32.0,
        "filter_decay": time_knob(_log(r, *decay)), "filter_resonance": r.uniform(0.05, 0.6),
    }  # fmt: skip


def _loudness(attack_s: float, decay_s: float, sustain: float, release_s: float) -> dict[str, float]:
    return {
        "amp_attack": time_knob(attack_s), "amp_decay": time_knob(decay_s), "amp_sustain": sustain,
        "amp_release": time_knob(release_s),
    }  # fmt: skip


def _saw_bass(r: Rng) -> dict[str, float]:
    loud = _loudness(0.002, _log(r, 0.2, 1.5), r.uniform(0.4, 0.9), r.uniform(0.03, 0.12))
    more = {"filter_sustain": r.uniform(0, 0.3), "distortion_crunch": float(r.choice([0.0, 0.0, 0.3]))}
    return _two(r, 2, 8) | _filter(r, (1.5, 6), (1, 9), (0.06, 0.4)) | loud | more


def _square_bass(r: Rng) -> dict[str, float]:
    width = r.uniform(0.0, 0.5)
    pulse = {
        "osc1_waveform": _WAVES["pulse"],
        "osc2_waveform": _wave(r, "pulse", "sine"),
        "osc1_pulsewidth": width,
        "osc2_pulsewidth": width,
    }
    return _saw_bass(r) | pulse


def _saw_lead(r: Rng) -> dict[str, float]:
    loud = _loudness(_log(r, 0.002, 0.02), r.uniform(0.3, 1.5), r.uniform(0.6, 1.0), r.uniform(0.08, 0.3))
    vibrato = {"lfo_freq": (r.uniform(4.8, 6.2) ** 0.5) / 7.5, "freq_mod_amount": float(r.choice([0.0, 0.1, 0.14]))}
    return (
        _two(r, 3, 13)
        | _filter(r, (3, 14), (0.5, 6), (0.1, 0.8))
        | loud
        | vibrato
        | {"filter_sustain": r.uniform(0.2, 0.6)}
    )


def _square_lead(r: Rng) -> dict[str, float]:
    width = r.uniform(0.0, 0.55)
    return _saw_lead(r) | {
        "osc1_waveform": _WAVES["pulse"], "osc2_waveform": _WAVES["pulse"], "osc1_pulsewidth": width,
        "osc2_pulsewidth": min(0.6, width + 0.1),
    }  # fmt: skip


def _stab(r: Rng) -> dict[str, float]:
    loud = _loudness(0.002, _log(r, 0.2, 0.9), r.uniform(0.2, 0.7), r.uniform(0.08, 0.3))
    return _two(r, 4, 16) | _filter(r, (1.2, 4), (2, 14), (0.08, 0.4)) | loud | {"filter_sustain": r.uniform(0, 0.25)}


def _brass(r: Rng) -> dict[str, float]:
    loud = _loudness(r.uniform(0.01, 0.04), 0.8, 0.9, r.uniform(0.12, 0.3))
    slow = {
        "filter_attack": time_knob(r.uniform(0.02, 0.09)),
        "filter_sustain": r.uniform(0.3, 0.7),
        "filter_resonance": r.uniform(0.0, 0.3),
    }
    return _two(r, 4, 11) | _filter(r, (1.2, 3), (3, 10), (0.3, 1.2)) | loud | slow


def _saw_pad(r: Rng) -> dict[str, float]:
    loud = _loudness(_log(r, 0.02, 0.45), 1.5, 0.9, r.uniform(0.25, 0.6))
    slow = {
        "filter_attack": time_knob(_log(r, 0.05, 1.2)), "filter_sustain": 0.5, "lfo_freq": (r.uniform(0.1, 0.6) ** 0.5) / 7.5,
        "filter_mod_amount": r.uniform(0.0, 0.2), "filter_resonance": r.uniform(0.0, 0.3),
    }  # fmt: skip
    return _two(r, 5, 14) | _filter(r, (1.5, 7), (0.5, 5), (1.0, 2.0)) | loud | slow


def _pluck(r: Rng) -> dict[str, float]:
    loud = _loudness(0.001, _log(r, 0.12, 0.6), r.uniform(0, 0.3), r.uniform(0.06, 0.25))
    waves = {
        "osc1_waveform": _wave(r, "saw", "pulse"),
        "osc2_waveform": _wave(r, "saw", "pulse"),
        "osc1_pulsewidth": r.uniform(0, 0.5),
    }
    return _two(r, 3, 12) | _filter(r, (1.0, 4), (3, 15), (0.05, 0.25)) | loud | waves | {"filter_sustain": 0.0}


_DRAWS: dict[str, Callable[[Rng], dict[str, float]]] = {
    "saw bass": _saw_bass, "square bass": _square_bass, "saw lead": _saw_lead, "square lead": _square_lead, "stab": _stab,
    "brass": _brass, "saw pad": _saw_pad, "pluck": _pluck,
}  # fmt: skip
KINDS = tuple(_DRAWS)
_ORDER = {kind: index for index, kind in enumerate(KINDS)}
