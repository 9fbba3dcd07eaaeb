"""Patches for Csound: numbered draws of every parameter of the instruments in `orchestra`.

Patch `csound/acid-12` is the same sound for ever: a function of its kind and number alone. Numbers with
`number % 8 == 5` are held out, as in `patches`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.training.corpus.orchestra import KINDS

Rng = np.random.Generator
_SALT = 0x43534F
_ORDER = {kind: index for index, kind in enumerate((*KINDS, "kit"))}

DEFAULTS: dict[str, float] = {
    "iglide": 0.0, "ivibcents": 0.0, "ivibhz": 5.2, "ifatt": 0.003, "ifdec": 0.3, "ifsus": 0.3, "icut": 2000.0,
    "ienvoct": 1.0, "iveloct": 0.6, "itrack": 0.3, "iatt": 0.003, "idec": 0.5, "isus": 0.8, "irel": 0.1, "idrive": 1.0,
    "ires": 0.2, "idet": 8.0, "isine": 0.0, "ichohz": 0.5, "ichomix": 0.5,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CsoundPatch:
    """A sound of the bank; `values` are all parameters of its instrument."""

    kind: str
    number: int
    values: tuple[tuple[str, float], ...]

    @property
    def name(self) -> str:
        """What the metadata calls it, e.g. `csound/acid-12`."""
        return f"csound/{self.kind.replace(' ', '-')}-{self.number}"


def csound_patch(kind: str, number: int) -> CsoundPatch:
    """The patch of a kind (one of `orchestra.KINDS`, or "kit") and number. KeyError for an unknown kind."""
    rng = np.random.default_rng([_SALT, _ORDER[kind], number])
    values = (DEFAULTS if kind != "kit" else {}) | _DRAWS[kind](rng)
    return CsoundPatch(kind, number, tuple((name, round(float(value), 6)) for name, value in values.items()))


def _log(r: Rng, low: float, high: float) -> float:
    return float(np.exp(r.uniform(np.log(low), np.log(high))))


def _pick(r: Rng, *values: float) -> float:
    return float(r.choice(values))


def _acid(r: Rng) -> dict[str, float]:
    return {
        "ishape": _pick(r, 0, 0, 10), "icut": _log(r, 160, 480), "ires": r.uniform(5, 14), "ienvoct": r.uniform(1.8, 3.8),
        "iveloct": r.uniform(1, 2.4), "ifdec": _log(r, 0.08, 0.35), "ifsus": 0.0, "idec": _log(r, 0.3, 1.0), "isus": r.uniform(0.2, 0.6),
        "irel": 0.03, "idrive": r.uniform(1.2, 4.0), "iglide": _pick(r, 0, 0, 0.03), "itrack": 0.2, "iatt": 0.002,
    }  # fmt: skip


def _saw_bass(r: Rng) -> dict[str, float]:
    return {
        "icut": _log(r, 150, 600), "ires": r.uniform(0.1, 0.6), "ienvoct": r.uniform(1, 3), "ifdec": _log(r, 0.06, 0.4), "ifsus": r.uniform(0, 0.3),
        "idec": _log(r, 0.2, 1.5), "isus": r.uniform(0.4, 0.9), "irel": r.uniform(0.03, 0.12), "idet": r.uniform(3, 9), "isine": r.uniform(0, 0.8),
        "idrive": r.uniform(0.6, 2.0),
    }  # fmt: skip


def _sub(r: Rng) -> dict[str, float]:
    return {
        "isaw": r.uniform(0, 0.2), "icut": _log(r, 200, 700), "ienvoct": r.uniform(0, 1), "iatt": 0.004, "idec": _log(r, 0.5, 2),
        "isus": r.uniform(0.6, 1), "irel": r.uniform(0.05, 0.12), "idrive": r.uniform(0.5, 1.6),
    }  # fmt: skip


def _long_sub(r: Rng) -> dict[str, float]:
    return {
        "idrop": r.uniform(5, 24), "idroptime": r.uniform(0.02, 0.06), "idec": _log(r, 0.5, 1.6), "isus": 0.0, "iatt": 0.002,
        "irel": r.uniform(0.06, 0.2), "idrive": r.uniform(0.8, 4.0), "iglide": _pick(r, 0, 0.03, 0.06),
    }  # fmt: skip


def _reese(r: Rng) -> dict[str, float]:
    return {
        "icut": _log(r, 250, 1200), "ires": r.uniform(0.1, 0.45), "ienvoct": r.uniform(0, 1), "isus": 1.0, "irel": r.uniform(0.05, 0.12),
        "idet": r.uniform(10, 28), "isine": r.uniform(0.3, 0.9), "iwoboct": r.uniform(0.2, 1.0), "iwobhz": _log(r, 0.2, 4), "iwide": r.uniform(0.1, 0.5),
        "idrive": r.uniform(0.8, 2.5), "iglide": _pick(r, 0, 0.02, 0.04), "iatt": 0.005,
    }  # fmt: skip


def _fm_bass(r: Rng) -> dict[str, float]:
    return {
        "iratio": _pick(r, 1, 1, 2, 3), "iindex": r.uniform(0.8, 4), "ifmdec": _log(r, 0.06, 0.6), "isine": r.uniform(0, 0.5), "idec": _log(r, 0.25, 1.5),
        "isus": r.uniform(0.2, 0.8), "irel": r.uniform(0.03, 0.1), "idrive": r.uniform(0.5, 1.5), "iatt": 0.002,
    }  # fmt: skip


def _saw_lead(r: Rng) -> dict[str, float]:
    return {
        "icut": _log(r, 800, 4500), "ires": r.uniform(0.05, 0.5), "ienvoct": r.uniform(0.3, 2), "ifdec": _log(r, 0.1, 0.8), "itrack": r.uniform(0.3, 0.8),
        "iatt": _log(r, 0.002, 0.02), "idec": r.uniform(0.3, 1.5), "isus": r.uniform(0.6, 1), "irel": r.uniform(0.08, 0.3), "idet": r.uniform(4, 16),
        "ivibcents": _pick(r, 0, 8, 18), "iglide": _pick(r, 0, 0, 0.025), "idrive": r.uniform(0.5, 1.8),
    }  # fmt: skip


def _square_lead(r: Rng) -> dict[str, float]:
    return _saw_lead(r) | {"ipwm": r.uniform(0, 1), "isub": _pick(r, 0, 0, 0.3)}


def _supersaw(r: Rng) -> dict[str, float]:
    return {
        "icut": _log(r, 2000, 9000), "ires": r.uniform(0.5, 1.4), "ienvoct": r.uniform(0, 1.2), "ifdec": _log(r, 0.2, 1.0), "itrack": 0.4,
        "iatt": _log(r, 0.002, 0.02), "isus": r.uniform(0.7, 1), "irel": r.uniform(0.1, 0.4), "idet": r.uniform(12, 42), "iwide": r.uniform(0.4, 0.95),
    }  # fmt: skip


def _stab(r: Rng) -> dict[str, float]:
    return {
        "ishape": _pick(r, 0, 2), "icut": _log(r, 350, 1500), "ires": r.uniform(0.1, 0.55), "ienvoct": r.uniform(1, 3.5), "ifdec": _log(r, 0.08, 0.4),
        "ifsus": r.uniform(0, 0.25), "idec": _log(r, 0.2, 0.9), "isus": r.uniform(0.2, 0.7), "irel": r.uniform(0.08, 0.3), "idet": r.uniform(5, 22), "itrack": 0.4,
    }  # fmt: skip


def _brass(r: Rng) -> dict[str, float]:
    return {
        "icut": _log(r, 400, 1100), "ires": r.uniform(0.05, 0.35), "ienvoct": r.uniform(1.5, 3), "ifatt": r.uniform(0.02, 0.09), "ifdec": r.uniform(0.3, 1.2),
        "ifsus": r.uniform(0.3, 0.7), "iatt": r.uniform(0.01, 0.04), "isus": 0.9, "irel": r.uniform(0.12, 0.3), "idet": r.uniform(5, 14), "itrack": 0.5,
    }  # fmt: skip


def _pluck(r: Rng) -> dict[str, float]:
    return {
        "ishape": _pick(r, 0, 2), "icut": _log(r, 400, 1800), "ires": r.uniform(0.6, 3.5), "ienvoct": r.uniform(1.5, 3.5), "ifdec": _log(r, 0.05, 0.25),
        "ifsus": 0.0, "idec": _log(r, 0.12, 0.6), "isus": r.uniform(0, 0.3), "irel": r.uniform(0.06, 0.25), "idet": r.uniform(3, 16), "itrack": 0.5, "iatt": 0.002,
    }  # fmt: skip


def _saw_pad(r: Rng) -> dict[str, float]:
    return {
        "icut": _log(r, 400, 2600), "ires": r.uniform(0, 0.35), "ienvoct": r.uniform(0.2, 1.5), "ifatt": _log(r, 0.05, 1.2), "ifdec": 1.5, "ifsus": 0.5,
        "iatt": _log(r, 0.02, 0.45), "isus": 0.9, "idec": 1.5, "irel": r.uniform(0.25, 0.6), "idet": r.uniform(6, 20), "ipwm": _pick(r, 0, 0, 0.4),
        "ichohz": r.uniform(0.3, 0.9), "ichomix": r.uniform(0.4, 0.9),
    }  # fmt: skip


def _glass_pad(r: Rng) -> dict[str, float]:
    return {
        "iratio": _pick(r, 1, 2, 3, 4), "iindex": r.uniform(0.3, 1.5), "ifmdec": r.uniform(1, 5), "idet": r.uniform(4, 12), "iatt": _log(r, 0.02, 0.4),
        "isus": 0.9, "idec": 2.0, "irel": r.uniform(0.3, 0.6), "ichohz": r.uniform(0.3, 0.9), "ichomix": r.uniform(0.3, 0.8),
    }  # fmt: skip


def _fm_bell(r: Rng) -> dict[str, float]:
    return {
        "iratio": _pick(r, 1.41, 2.0, 3.0, 3.5, 5.0), "iindex": r.uniform(0.8, 2.8), "ifmdec": _log(r, 0.2, 1.2), "iatt": 0.002, "idec": r.uniform(0.5, 1.8),
        "isus": 0.0, "irel": r.uniform(0.3, 0.6),
    }  # fmt: skip


def _fm_keys(r: Rng) -> dict[str, float]:
    return {
        "iratio": _pick(r, 1, 1, 2), "iindex": r.uniform(0.4, 1.7), "ifmdec": _log(r, 0.1, 0.9), "itine": r.uniform(0, 0.25), "itrem": _pick(r, 0, 0.15, 0.3),
        "iatt": 0.002, "idec": r.uniform(0.7, 2), "isus": r.uniform(0, 0.3), "irel": r.uniform(0.1, 0.3),
    }  # fmt: skip


def _organ(r: Rng) -> dict[str, float]:
    bars = {f"ibar{n}": float(r.integers(0, 9)) / 8 * 0.3 for n in range(1, 8)}
    return bars | {
        "ibar2": 0.3, "iclick": r.uniform(0, 0.08), "ileslie": _pick(r, 0.7, 0.9, 6.2), "idrive": r.uniform(0.5, 2.2), "iatt": 0.004, "isus": 1.0,
        "irel": 0.04,
    }  # fmt: skip


def _kit(r: Rng) -> dict[str, float]:
    return {
        "ikickhz": r.uniform(42, 60), "ikicktop": r.uniform(160, 420), "ikickdec": _log(r, 0.18, 0.7), "ikickdrive": r.uniform(1, 4),
        "ikickclick": r.uniform(0.02, 0.4), "isnarehz": r.uniform(160, 230), "isnaredec": _log(r, 0.12, 0.4), "isnarenoise": r.uniform(0.3, 0.9),
        "iclaphz": r.uniform(900, 1700), "iclapdec": _log(r, 0.12, 0.35), "ihathz": r.uniform(320, 560), "ihatnoise": r.uniform(0.1, 0.9),
        "ihatcut": r.uniform(6000, 9500), "iclosed": _log(r, 0.035, 0.11), "iopen": _log(r, 0.25, 0.7), "irimhz": r.uniform(420, 900),
        "itomhz": r.uniform(75, 110),
    }  # fmt: skip


_DRAWS: dict[str, Callable[[Rng], dict[str, float]]] = {
    "acid": _acid, "saw bass": _saw_bass, "sub": _sub, "808": _long_sub, "reese": _reese, "fm bass": _fm_bass, "saw lead": _saw_lead,
    "square lead": _square_lead, "supersaw": _supersaw, "stab": _stab, "brass": _brass, "pluck": _pluck, "saw pad": _saw_pad,
    "glass pad": _glass_pad, "fm bell": _fm_bell, "fm keys": _fm_keys, "organ": _organ, "kit": _kit,
}  # fmt: skip
