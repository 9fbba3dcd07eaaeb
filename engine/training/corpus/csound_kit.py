"""Drums synthesised by Csound: kick, snare, clap, hats, rim and toms as one-shots, placed at the exact sample.

Keys that the kit does not know (cymbals, hand percussion) are left to the SoundFont.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from engine.training.corpus.csound import perform
from engine.training.corpus.csound_bank import CsoundPatch
from engine.training.corpus.levels import RATE_HZ, Stem, block_power, from_db, k_weighted
from engine.training.corpus.orchestra import KIT, PRE_ROLL
from engine.training.corpus.placing import Hit, attack_frame, place_hits, trimmed
from engine.training.corpus.song import Part
from engine.training.corpus.synth import wanted_drum_db

_SLOT_SECONDS = 1.5
_LAYERS = (0.4, 0.7, 1.0)
_TOMS = {41: 0.8, 43: 0.9, 45: 1.0, 47: 1.15, 48: 1.35, 50: 1.6}
_HATS = {42: "iclosed", 44: "iclosed", 46: "iopen"}
KEYS = frozenset({35, 36, 37, 38, 39, 40, *_HATS, *_TOMS})


def render_kit(patch: CsoundPatch, part: Part, tempo: float, frames: int) -> Stem:
    """The strokes of a drum part [2, frames] whose keys the kit knows, calibrated like the sampled kits."""
    notes = [note for note in part.notes if note.pitch in KEYS]

    def hit(key: int, velocity: int) -> Hit:
        layer = int(np.searchsorted(_LAYERS[:-1], velocity / 127.0 - 0.15))
        found = _hits(patch)[key, layer]
        share = np.float32((velocity / 127.0) ** 2)
        return Hit(found.audio * share, found.onset)

    return place_hits(notes, hit, tempo, frames)


@lru_cache(maxsize=16)
def _hits(patch: CsoundPatch) -> dict[tuple[int, int], Hit]:
    """All strokes of a kit, by key and layer of loudness, each at the level of velocity 127."""
    places = [(key, layer) for key in sorted(KEYS) for layer in range(len(_LAYERS))]
    lines = []
    for place, (key, layer) in enumerate(places):
        seconds = PRE_ROLL / RATE_HZ + place * _SLOT_SECONDS
        lines.append(f"i{_instrument(key)} {seconds:.9f} {_SLOT_SECONDS - 0.05} {_LAYERS[layer]} {_more(patch, key)}")
    slot = round(_SLOT_SECONDS * RATE_HZ)
    settings = "\n".join(f"g{name} = {value}" for name, value in patch.values)
    sound = perform(settings + KIT, lines, PRE_ROLL + len(places) * slot)[:, PRE_ROLL:]
    made = {}
    for place, (key, layer) in enumerate(places):
        audio = sound[:, place * slot : (place + 1) * slot]
        level_db = 10.0 * np.log10(block_power(k_weighted(audio), 1440).max() + 1e-12)
        gain_db = float(np.clip(wanted_drum_db(key) - level_db, -30.0, 30.0)) + 20.0 * np.log10(127**2 / 110**2)
        made[key, layer] = Hit(trimmed(audio * np.float32(from_db(gain_db))), attack_frame(audio))
    return made


def _instrument(key: int) -> int:
    if key in _TOMS:
        return 45
    return {35: 36, 40: 38}.get(key, 42 if key in _HATS else key)


def _more(patch: CsoundPatch, key: int) -> float:
    """p5 of a stroke: how long a hat sounds, how high a tom is."""
    values = dict(patch.values)
    if key in _HATS:
        return values[_HATS[key]]
    return values["itomhz"] * _TOMS.get(key, 1.0)
