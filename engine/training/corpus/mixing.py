"""The mixer's settings of each part of a song: gain, pan, sends, ducking (STYLES section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.training.corpus.song import MixSettings, Part
from engine.training.corpus.style import Style

GROUPS = {
    "drums": "drums", "percussion": "drums", "bass": "bass", "comp1": "chords", "comp2": "chords",
    "pad": "chords", "arp": "other", "lead": "lead", "counter": "other",
}  # fmt: skip
_GAIN_DB = {
    "drums": 0.0, "percussion": -3.0, "bass": -3.5, "lead": -2.0, "comp1": -5.5, "comp2": -7.5,
    "pad": -9.5, "arp": -8.0, "counter": -6.5,
}  # fmt: skip
_SEND_DB = {
    "drums": -20.0, "percussion": -16.0, "bass": -30.0, "comp1": -14.0, "comp2": -14.0, "pad": -8.0,
    "arp": -12.0, "lead": -12.0, "counter": -12.0,
}  # fmt: skip
_WIDTH = {"percussion": 0.4, "comp1": 0.28, "comp2": -0.32, "arp": -0.4, "lead": 0.08, "counter": -0.25}
_DUCK_SHARE = {"bass": 1.0, "comp1": 0.8, "comp2": 0.8, "pad": 1.0, "arp": 0.6, "counter": 0.4, "lead": 0.25}
_DRUM_GAIN_DB = {10: 0.0, 13: -1.0, 8: -5.0, 15: 3.0, 16: 1.5, 18: -2.0, 19: -1.0, 20: -4.0, 22: 0.0, 5: 1.0}
_SUSTAINED_BASSES = frozenset({38, 39, 87})
_ACOUSTIC = frozenset({15, 16, 18, 19, 20, 22})
_WETNESS_DB = {12: -4.0, 17: -3.0, 6: -3.0, 8: 5.0, 7: 2.0, 20: 3.0, 18: 3.0, 14: 1.0}


@dataclass(frozen=True, slots=True)
class Desk:
    """One song's draw of the mixer: which side is which, how wet, how much it pumps."""

    style: Style
    side: float
    wet_db: float
    duck: float

    @staticmethod
    def draw(style: Style, rng: np.random.Generator) -> Desk:
        """Sides by chance, wetness +-2 dB, ducking 0.6-1.2 of the style's."""
        side = float(rng.choice([-1.0, 1.0]))
        wet_db = _WETNESS_DB.get(style.number, 0.0) + float(rng.uniform(-2, 2))
        return Desk(style, side, wet_db, float(rng.uniform(0.6, 1.2)))

    def set_up(self, part: Part, rng: np.random.Generator) -> Part:
        """Fill in the part's mixer fields."""
        style, role = self.style, part.name
        gain = _GAIN_DB[role] + float(rng.normal(0, 1.0))
        if role in ("drums", "percussion"):
            gain += _DRUM_GAIN_DB.get(style.number, 0.0)
        elif style.number in _ACOUSTIC:
            gain += {"lead": 2.5, "comp1": 2.0, "pad": 3.0, "counter": 2.0}.get(role, 0.0)
        if style.number == 8:
            gain += {"pad": 1.5, "comp1": 1.0, "lead": 4.0, "bass": 3.0, "arp": 1.0}.get(role, 0.0)
        if role == "bass" and part.program in _SUSTAINED_BASSES:
            gain -= 1.5
        if style.number == 20:
            gain += {"comp1": 2.0, "bass": -1.0}.get(role, 0.0)
        part.gain_db = round(gain, 2)
        part.pan = round(float(np.clip(self.side * _WIDTH.get(role, 0.0) * rng.uniform(0.5, 1.2), -0.6, 0.6)), 3)
        part.reverb_send_db = round(min(-5.0, _SEND_DB[role] + self.wet_db), 2)
        part.duck_db = round(style.duck_db * self.duck * _DUCK_SHARE.get(role, 0.0), 2)
        if style.delay_beats and role in ("lead", "comp1", "arp", "counter") and rng.random() < 0.6:
            part.delay_send_db = round(float(rng.uniform(-20, -11)), 2)
        self._colour(part, rng)
        return part

    def _colour(self, part: Part, rng: np.random.Generator) -> None:
        """Filters, drive and chorus: dark pads, driven basses, wide keys."""
        style, role = self.style, part.name
        if role in ("pad", "comp1", "arp") and style.number in (1, 2, 3, 4, 7, 8, 9) and rng.random() < 0.4:
            part.lowpass_hz = round(float(np.exp(rng.uniform(np.log(1200), np.log(7000)))))
        if role in ("drums", "bass") and style.drive_db and rng.random() < 0.5:
            part.drive_db = round(style.drive_db * float(rng.uniform(0.5, 1.2)), 2)
        if role in ("pad", "comp1", "comp2") and style.chorus and rng.random() < 0.5:
            part.chorus = round(style.chorus * float(rng.uniform(0.5, 1.0)), 2)


def draw_mix(style: Style, rng: np.random.Generator) -> MixSettings:
    """The song's mix: RT60 +-25 %, loudness +-1.5 LU around the style's."""
    return MixSettings(
        rt60_s=round(style.rt60_s * float(rng.uniform(0.75, 1.25)), 3),
        reverb=style.reverb,
        duck_release_ms=round(style.duck_release_ms * float(rng.uniform(0.85, 1.15)), 1),
        delay_beats=style.delay_beats or 0.75,
        bus_gain_reduction_db=style.bus_gain_reduction_db,
        tape=round(style.tape * float(rng.uniform(0.5, 1.2)), 3),
        bus_lowpass_hz=None if style.lowpass_hz is None else round(style.lowpass_hz * float(rng.uniform(0.85, 1.3))),
        loudness_lufs=round(style.loudness_lufs + float(rng.uniform(-1.5, 1.5)), 2),
    )
