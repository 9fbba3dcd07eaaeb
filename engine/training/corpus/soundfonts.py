"""Where the sampled instruments are: MIT-licensed General MIDI SoundFonts of the system.

Training songs use only fonts whose licence lets us ship what was rendered with them. TimGM6mb
(GPL) is the held-out one: test songs alone are rendered with it, and no such render is shipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.errors import Unavailable

INSTALL_HINT = "apt-get install libfluidsynth3 musescore-general-soundfont-small"


@dataclass(frozen=True, slots=True)
class SoundFont:
    """A General MIDI SoundFont on disk; `name` goes into the metadata of what it renders."""

    name: str
    path: Path
    licence: str


_SOUNDS = Path("/usr/share/sounds")
KNOWN = (
    SoundFont("MuseScore_General_Lite", _SOUNDS / "sf3/MuseScore_General_Lite.sf3", "MIT"),
    SoundFont("FluidR3_GM", _SOUNDS / "sf2/FluidR3_GM.sf2", "MIT"),
)

HELD_OUT = SoundFont("TimGM6mb", _SOUNDS / "sf2/TimGM6mb.sf2", "GPL-2")


def find_held_out() -> SoundFont | None:
    """The SoundFont that only test songs may use, None where it is not installed."""
    return HELD_OUT if HELD_OUT.path.is_file() else None


def find_soundfonts() -> tuple[SoundFont, ...]:
    """All SoundFonts for training that are installed, at least one. Raises Unavailable when none is."""
    found = tuple(font for font in KNOWN if font.path.is_file())
    if not found:
        raise Unavailable(f"No General MIDI SoundFont is installed. Try: {INSTALL_HINT}")
    return found
