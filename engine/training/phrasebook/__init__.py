"""The phrasebook: how people ask for each style, one table a family of styles.

    PHRASEBOOK["house"].all()    every entry of a style

An entry belongs to the style that most people who type it would want to hear, though some stand in two ("disco" is
house and funk): a prompt vector may be undecided. Written from general knowledge, names of artists left out.
"""

from __future__ import annotations

from engine.training.phrasebook.bands import BANDS
from engine.training.phrasebook.beats import BEATS
from engine.training.phrasebook.club import CLUB
from engine.training.phrasebook.quiet import QUIET
from engine.training.phrasebook.table import Said
from engine.training.phrasebook.world import WORLD

__all__ = ["PHRASEBOOK", "Said"]

PHRASEBOOK: dict[str, Said] = {**CLUB, **BEATS, **BANDS, **WORLD, **QUIET}
