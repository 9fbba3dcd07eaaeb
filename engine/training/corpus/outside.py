"""Synthesisers of the system that may play parts when they are asked for: csound and amsynth.

They are asked for by name (`build --synths csound,amsynth`); what a song without them is does not depend on
whether they are installed. Kinds of sound are those of `patches`, so that captions stay as true as with ours;
csound knows an organ and an electronic drum kit besides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.errors import BadRequest, Unavailable
from engine.training.corpus import amsynth, amsynth_bank, csound, csound_bank, csound_kit, orchestra
from engine.training.corpus.amsynth_bank import AmsynthPatch
from engine.training.corpus.csound_bank import CsoundPatch
from engine.training.corpus.levels import Stem
from engine.training.corpus.patches import bank
from engine.training.corpus.song import Part

Curve = NDArray[np.float32]
Outside = CsoundPatch | AmsynthPatch
SYNTHS = ("csound", "amsynth")
_ORGANS, _MACHINES = frozenset({16, 17, 18}), frozenset({24, 25})
_INSTALLED: dict[str, tuple[Callable[[], bool], str]] = {
    "csound": (csound.installed, csound.PACKAGE),
    "amsynth": (amsynth.installed, amsynth.PACKAGE),
}


def asked(text: str) -> tuple[str, ...]:
    """Names from a list with commas, in our order. BadRequest for an unknown one."""
    names = {name.strip() for name in text.split(",") if name.strip()}
    unknown = names - set(SYNTHS)
    if unknown:
        raise BadRequest(f"--synths knows {' and '.join(SYNTHS)}, not {', '.join(sorted(unknown))}.")
    return tuple(name for name in SYNTHS if name in names)


def require(synths: Sequence[str]) -> None:
    """Raises Unavailable, naming the package, for what is asked for and not installed."""
    for name in synths:
        there, package = _INSTALLED[name]
        if not there():
            raise Unavailable(f"The synthesiser {name} is not installed. Try: apt-get install {package}")


def pick(
    part: Part, kinds: Sequence[str], synths: Sequence[str], electronic: bool, held_out: bool, rng: np.random.Generator
) -> Outside | None:
    """The patch that plays a part instead of what else would, None where it stays; chance comes from `rng` alone.

    kinds: those of our own patches that fit the part.
    """
    take, drawn = (float(x) for x in rng.random(2))
    number = int(rng.integers(1 << 30))
    offers = [(name, kind) for name in synths for kind in _offered(name, part, kinds)]
    chance = 0.6 if part.group == "drums" else 0.7 if electronic else 0.4
    if not offers or take >= chance or any(control.controller == -1 for control in part.controls):
        return None
    name, kind = offers[int(drawn * len(offers))]
    numbers = bank(held_out)
    number = numbers[number % len(numbers)]
    return csound_bank.csound_patch(kind, number) if name == "csound" else amsynth_bank.amsynth_patch(kind, number)


def _offered(name: str, part: Part, kinds: Sequence[str]) -> list[str]:
    if name == "amsynth":
        return [kind for kind in kinds if kind in amsynth_bank.KINDS]
    if part.group == "drums":
        return ["kit"] if part.name == "drums" and part.program in _MACHINES else []
    if part.program in _ORGANS:
        return ["organ"]
    return [kind for kind in kinds if kind in orchestra.KINDS]


def leaves(sound: Outside, part: Part) -> list[int]:
    """Keys of a part that the patch does not play: cymbals and hand percussion of a drum kit."""
    return sorted({note.pitch for note in part.notes} - csound_kit.KEYS) if sound.kind == "kit" else []


def render(sound: Outside, part: Part, tempo: float, frames: int, sweep: Curve) -> Stem:
    """Stereo stem [2, frames] at 48 kHz, calibrated. Raises Unavailable where the synthesiser fails."""
    if isinstance(sound, AmsynthPatch):
        return amsynth.render_amsynth(sound, part, tempo, frames, sweep)
    if sound.kind == "kit":
        return csound_kit.render_kit(sound, part, tempo, frames)
    return csound.render_csound(sound, part, tempo, frames, sweep)
