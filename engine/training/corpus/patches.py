"""Banks of synthesiser patches by kind: numbered draws from musical ranges, an eighth held out.

Patch `reese 12` is the same sound for ever: a function of its kind and number alone. Numbers
with `number % 8 == 5` make the held-out bank, which only songs of the test split may use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.training.corpus.voice import Voice

BANK_SIZE = 96
_SALT = 0x53594E
Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Patch:
    """A sound of the bank."""

    kind: str
    number: int
    voice: Voice

    @property
    def name(self) -> str:
        """What the metadata calls it, e.g. `own/reese-12`."""
        return f"own/{self.kind.replace(' ', '-')}-{self.number}"


def is_held_out(number: int) -> bool:
    """Whether a patch number belongs to the bank of the test split."""
    return number % 8 == 5


def bank(held_out: bool) -> tuple[int, ...]:
    """Patch numbers of one of the two banks; together they are all, and they share none."""
    return tuple(n for n in range(BANK_SIZE) if is_held_out(n) is held_out)


def patch(kind: str, number: int) -> Patch:
    """The patch of a kind and number. KeyError for an unknown kind."""
    rng = np.random.default_rng([_SALT, _ORDER[kind], number])
    return Patch(kind, number, _KINDS[kind](rng))


def _log(rng: Rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _u(rng: Rng, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


# --- basses -------------------------------------------------------------------------------


def _saw_bass(r: Rng) -> Voice:
    return Voice(
        unison=int(r.choice([1, 2])), detune_cents=_u(r, 3, 9), saw=1.0, sine=_u(r, 0.0, 0.9), cutoff_hz=_log(r, 120, 500),
        resonance=_u(r, 0.1, 0.6), env_octaves=_u(r, 1.0, 3.2), filter_decay_s=_log(r, 0.06, 0.4),
        filter_sustain=_u(r, 0, 0.3), decay_s=_log(r, 0.2, 1.5), sustain=_u(r, 0.4, 0.9), release_s=_u(r, 0.03, 0.12),
        drive=_u(r, 0, 1.0), attack_s=0.003, poles=int(r.choice([2, 4, 4])),
    )  # fmt: skip


def _square_bass(r: Rng) -> Voice:
    return _saw_bass(r)._replace(saw=0.0, pulse=0.8, pulse_width=_u(r, 0.3, 0.5), unison=1)


def _acid(r: Rng) -> Voice:
    return Voice(
        saw=float(r.choice([1.0, 1.0, 0.0])), pulse=float(r.choice([0.0, 0.7])) + 0.3, cutoff_hz=_log(r, 140, 420),
        resonance=_u(r, 0.7, 0.93), env_octaves=_u(r, 2.0, 4.0), velocity_octaves=_u(r, 1.0, 2.5), filter_decay_s=_log(r, 0.08, 0.3),
        filter_sustain=0.0, decay_s=_log(r, 0.3, 1.0), sustain=_u(r, 0.2, 0.6), release_s=0.03, drive=_u(r, 0.2, 1.5),
        glide_s=float(r.choice([0.0, 0.0, 0.03])), attack_s=0.002, track=0.2,
    )  # fmt: skip


def _sub(r: Rng) -> Voice:
    return Voice(
        saw=_u(r, 0.0, 0.15), sine=1.0, cutoff_hz=_log(r, 200, 700), env_octaves=_u(r, 0.0, 1.0), attack_s=0.004,
        decay_s=_log(r, 0.5, 2.0), sustain=_u(r, 0.6, 1.0), release_s=_u(r, 0.05, 0.12), drive=_u(r, 0, 1.2), poles=2,
    )  # fmt: skip


def _long_sub(r: Rng) -> Voice:
    return Voice(
        saw=0.0, sine=1.0, cutoff_hz=_log(r, 400, 3000), env_octaves=_u(r, 0.0, 1.5), attack_s=0.002, decay_s=_log(r, 0.5, 1.4),
        sustain=0.0, release_s=_u(r, 0.06, 0.2), drive=_u(r, 0.6, 5.0), poles=2, drop_semitones=_u(r, 4, 24),
        drop_s=_u(r, 0.008, 0.03), glide_s=float(r.choice([0.0, 0.03, 0.06])),
    )  # fmt: skip


def _reese(r: Rng) -> Voice:
    return Voice(
        unison=int(r.choice([2, 3])), detune_cents=_u(r, 8, 22), width=_u(r, 0.2, 0.5), saw=1.0, sine=_u(r, 0.4, 1.2),
        cutoff_hz=_log(r, 250, 1200), resonance=_u(r, 0.1, 0.5), env_octaves=_u(r, 0, 1), sustain=1.0, decay_s=1.0,
        release_s=_u(r, 0.05, 0.12), drive=_u(r, 0.5, 2.5), wobble_octaves=_u(r, 0.2, 1.2),
        wobble_beats=float(r.choice([1, 2, 4, 8])), attack_s=0.005, glide_s=float(r.choice([0.0, 0.02, 0.04])),
    )  # fmt: skip


def _fm_bass(r: Rng) -> Voice:
    return Voice(
        saw=0.0, fm=1.0, sine=_u(r, 0, 0.6), fm_ratio=float(r.choice([1, 1, 2, 3])), fm_index=_u(r, 0.8, 3.5),
        fm_decay_s=_log(r, 0.06, 0.6), cutoff_hz=_log(r, 1500, 6000), env_octaves=0.5, decay_s=_log(r, 0.25, 1.5),
        sustain=_u(r, 0.2, 0.8), release_s=_u(r, 0.03, 0.1), drive=_u(r, 0, 0.8), attack_s=0.002, poles=2,
    )  # fmt: skip


# --- leads --------------------------------------------------------------------------------


def _saw_lead(r: Rng) -> Voice:
    return Voice(
        unison=int(r.choice([1, 2, 3])), detune_cents=_u(r, 3, 14), width=_u(r, 0.1, 0.5), cutoff_hz=_log(r, 700, 4000),
        resonance=_u(r, 0.05, 0.5), env_octaves=_u(r, 0.3, 2.0), filter_decay_s=_log(r, 0.1, 0.8), track=_u(r, 0.3, 0.8),
        attack_s=_log(r, 0.002, 0.02), decay_s=_u(r, 0.3, 1.5), sustain=_u(r, 0.6, 1.0), release_s=_u(r, 0.08, 0.3),
        vibrato_cents=float(r.choice([0.0, 8.0, 18.0])), vibrato_hz=_u(r, 4.8, 6.2), glide_s=float(r.choice([0.0, 0.0, 0.025])),
        drive=_u(r, 0, 0.8),
    )  # fmt: skip


def _square_lead(r: Rng) -> Voice:
    lead = _saw_lead(r)
    return lead._replace(
        saw=0.0, pulse=1.0, pulse_width=_u(r, 0.25, 0.5), pulse_sway=_u(r, 0, 0.12), unison=min(2, lead.unison)
    )


def _supersaw(r: Rng) -> Voice:
    return Voice(
        unison=int(r.choice([5, 7])), detune_cents=_u(r, 10, 32), width=_u(r, 0.5, 0.95), cutoff_hz=_log(r, 1800, 8000),
        resonance=_u(r, 0, 0.25), env_octaves=_u(r, 0, 1.2), filter_decay_s=_log(r, 0.2, 1.0), track=0.4, poles=2,
        attack_s=_log(r, 0.002, 0.02), decay_s=1.0, sustain=_u(r, 0.7, 1), release_s=_u(r, 0.1, 0.4), noise=_u(r, 0, 0.03),
    )  # fmt: skip


def _soft_lead(r: Rng) -> Voice:
    return Voice(
        saw=_u(r, 0.0, 0.25), sine=1.0, pulse=_u(r, 0.0, 0.25), cutoff_hz=_log(r, 600, 2500), env_octaves=_u(r, 0, 1),
        attack_s=_log(r, 0.005, 0.05), sustain=_u(r, 0.7, 1), release_s=_u(r, 0.1, 0.3), vibrato_cents=_u(r, 0, 22),
        vibrato_hz=_u(r, 4.5, 6), glide_s=float(r.choice([0.0, 0.03])), noise=_u(r, 0, 0.03), track=0.6,
    )  # fmt: skip


# --- chords, pads, plucks ------------------------------------------------------------------


def _stab(r: Rng) -> Voice:
    return Voice(
        unison=int(r.choice([2, 3, 5])), detune_cents=_u(r, 5, 22), width=_u(r, 0.2, 0.8), pulse=float(r.choice([0.0, 0.6])),
        cutoff_hz=_log(r, 350, 1500), resonance=_u(r, 0.1, 0.6), env_octaves=_u(r, 1.0, 3.5), filter_decay_s=_log(r, 0.08, 0.4),
        filter_sustain=_u(r, 0, 0.25), decay_s=_log(r, 0.2, 0.9), sustain=_u(r, 0.2, 0.7), release_s=_u(r, 0.08, 0.3), track=0.4,
    )  # fmt: skip


def _brass(r: Rng) -> Voice:
    return Voice(
        unison=int(r.choice([2, 3])), detune_cents=_u(r, 5, 14), width=_u(r, 0.2, 0.6), cutoff_hz=_log(r, 400, 1100),
        resonance=_u(r, 0.05, 0.35), env_octaves=_u(r, 1.5, 3.0), filter_attack_s=_u(r, 0.02, 0.09), filter_decay_s=_u(r, 0.3, 1.2),
        filter_sustain=_u(r, 0.3, 0.7), attack_s=_u(r, 0.01, 0.04), sustain=0.9, release_s=_u(r, 0.12, 0.3), track=0.5,
    )  # fmt: skip


def _saw_pad(r: Rng) -> Voice:
    return Voice(
        unison=int(r.choice([3, 5])), detune_cents=_u(r, 6, 22), width=_u(r, 0.5, 1.0), pulse=float(r.choice([0.0, 0.0, 0.5])),
        pulse_sway=0.15, cutoff_hz=_log(r, 400, 2500), resonance=_u(r, 0, 0.35), env_octaves=_u(r, 0.2, 1.5),
        filter_attack_s=_log(r, 0.05, 1.2), filter_decay_s=1.5, filter_sustain=0.5, attack_s=_log(r, 0.02, 0.45), sustain=0.9,
        decay_s=1.5, release_s=_u(r, 0.25, 0.6), wobble_octaves=_u(r, 0, 0.4), wobble_beats=float(r.choice([8, 16, 32])), track=0.3,
    )  # fmt: skip


def _glass_pad(r: Rng) -> Voice:
    return Voice(
        unison=3, saw=_u(r, 0.0, 0.3), detune_cents=_u(r, 5, 15), width=0.8, fm=0.8, fm_ratio=float(r.choice([1, 2, 3, 4])),
        fm_index=_u(r, 0.3, 1.4), fm_decay_s=_u(r, 1.0, 5.0), sine=0.3, cutoff_hz=_log(r, 1500, 6000), poles=2,
        attack_s=_log(r, 0.02, 0.4), sustain=0.9, decay_s=2.0, release_s=_u(r, 0.3, 0.6), noise=_u(r, 0, 0.02),
    )  # fmt: skip


def _pluck(r: Rng) -> Voice:
    pulse = float(r.choice([0.0, 0.8]))
    return Voice(
        unison=int(r.choice([1, 2, 3])), detune_cents=_u(r, 3, 16), width=_u(r, 0.2, 0.7), saw=1.0 - 0.7 * pulse, pulse=pulse,
        cutoff_hz=_log(r, 400, 1800), resonance=_u(r, 0.1, 0.65), env_octaves=_u(r, 1.5, 3.5), filter_decay_s=_log(r, 0.05, 0.25),
        filter_sustain=0.0, decay_s=_log(r, 0.12, 0.6), sustain=_u(r, 0, 0.35), release_s=_u(r, 0.06, 0.25), attack_s=0.002, track=0.5,
    )  # fmt: skip


def _fm_keys(r: Rng) -> Voice:
    return Voice(
        saw=0.0, fm=1.0, sine=_u(r, 0.1, 0.5), fm_ratio=float(r.choice([1, 1, 2, 14])), fm_index=_u(r, 0.4, 1.6),
        fm_decay_s=_log(r, 0.1, 0.9), cutoff_hz=_log(r, 3000, 9000), env_octaves=0.3, poles=2, attack_s=0.002,
        decay_s=_u(r, 0.7, 2.0), sustain=_u(r, 0, 0.3), release_s=_u(r, 0.1, 0.3), velocity_octaves=1.0,
    )  # fmt: skip


def _fm_bell(r: Rng) -> Voice:
    return Voice(
        saw=0.0, fm=1.0, fm_ratio=float(r.choice([1.41, 2.0, 3.0, 3.5, 5.0])), fm_index=_u(r, 0.8, 2.6), sine=0.4,
        fm_decay_s=_log(r, 0.2, 1.2), cutoff_hz=12000.0, env_octaves=0.0, poles=2, attack_s=0.002, decay_s=_u(r, 0.5, 1.6),
        sustain=0.0, release_s=_u(r, 0.3, 0.6),
    )  # fmt: skip


_KINDS: dict[str, Callable[[Rng], Voice]] = {
    "saw bass": _saw_bass, "square bass": _square_bass, "acid": _acid, "sub": _sub, "808": _long_sub, "reese": _reese,
    "fm bass": _fm_bass, "saw lead": _saw_lead, "square lead": _square_lead, "supersaw": _supersaw, "soft lead": _soft_lead,
    "stab": _stab, "brass": _brass, "saw pad": _saw_pad, "glass pad": _glass_pad, "pluck": _pluck, "fm keys": _fm_keys,
    "fm bell": _fm_bell,
}  # fmt: skip
KINDS = tuple(_KINDS)
_ORDER = {kind: index for index, kind in enumerate(KINDS)}
