"""Who plays what: a SoundFont or a synthesiser patch for every part of a song, and what is held out.

Parts that the score gives to a synthesiser (General MIDI's synth basses, leads, pads, brass) are
played by a patch of ours, most of the time in electronic styles; everything else is sampled. Where
csound or amsynth are asked for they take such parts over (`outside`). Songs of the test split play in
half of the cases on sources no training song may use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from engine.training.corpus import outside, synths
from engine.training.corpus.levels import Stem
from engine.training.corpus.outside import Outside
from engine.training.corpus.patches import Patch, bank, patch
from engine.training.corpus.song import Part, Song
from engine.training.corpus.soundfonts import SoundFont, find_held_out, find_soundfonts
from engine.training.corpus.sweep import Curve, cutoff_curve, swept
from engine.training.corpus.synth import Synth

ELECTRONIC = frozenset(
    {"house", "techno", "drum and bass", "trap", "synthwave", "ambient", "downtempo", "lo-fi hip hop", "indie pop"}
)
_BASS_PROGRAMS = frozenset({38, 39, 80, 81, 87, 89})
_BASSES = {
    "house": ("saw bass", "square bass", "fm bass", "sub"),
    "techno": ("acid", "acid", "saw bass", "fm bass", "sub"),
    "drum and bass": ("reese", "reese", "sub", "fm bass"),
    "trap": ("808", "808", "808", "sub"),
    "synthwave": ("saw bass", "saw bass", "square bass"),
    "ambient": ("sub", "saw bass"),
    "downtempo": ("sub", "saw bass", "fm bass"),
}
_ANY_BASS = ("saw bass", "square bass", "fm bass")
_VOICES = frozenset({82, 83, 84, 85, 91})  # what captions call a choir, a charang, a voice stays sampled
_STRINGS, _BRASS, _BELLS = frozenset({50, 51}), frozenset({62, 63}), frozenset({10, 14, 98})
_WORDS = {
    "acid": "acid bass", "sub": "sub bass", "808": "808 bass", "reese": "reese bass", "fm bass": "FM bass",
    "supersaw": "supersaw", "stab": "synth stabs", "pluck": "synth plucks", "fm bell": "FM bells", "glass pad": "glassy pad",
}  # fmt: skip
_SWEEP_OCTAVES = {"bass": 1.2, "lead": 1.0, "counter": 1.2, "pad": 2.2, "comp1": 2.2, "comp2": 2.2, "arp": 2.6}
_SWEPT_SAMPLES = frozenset({"comp1", "comp2", "pad", "arp"})


@dataclass(frozen=True, slots=True)
class Sources:
    """The choice for one song. fonts, patches: by part name; sweeps: parts whose cutoff moves.

    held_out: whether every source of the song is a held-out one.
    """

    font: SoundFont
    fonts: dict[str, SoundFont]
    patches: dict[str, Patch | Outside]
    held_out: bool
    sweeps: frozenset[str] = field(default_factory=frozenset)

    def words(self) -> list[str]:
        """What a listener would call the patches that have a name of their own, for captions."""
        return [word for sound in self.patches.values() if (word := _WORDS.get(sound.kind)) is not None]

    def describe(self) -> dict[str, object]:
        """For the song's metadata: soundfont, soundfonts and synths by part, held_out, sweeps."""
        return {
            "soundfont": self.font.name,
            "soundfonts": {part: font.name for part, font in self.fonts.items()},
            "synths": {part: sound.name for part, sound in self.patches.items()},
            "held_out": self.held_out,
            "sweeps": sorted(self.sweeps),
        }


def kinds_for(part: Part, style: str) -> tuple[str, ...]:
    """Kinds of patch that may play a part, none where the score asks for a played instrument."""
    program, role = part.program, part.name
    if part.group == "drums":
        return ()
    if role == "bass":
        return _BASSES.get(style, _ANY_BASS) if program in _BASS_PROGRAMS else ()
    if program in _BELLS:
        return ("fm bell", "fm keys") if program == 98 else ("fm bell",)
    if program == 5:
        return ("fm keys",)
    if program in _BRASS:
        return ("brass", "stab")
    if program in _STRINGS:
        return ("saw pad",)
    if not 80 <= program <= 97 or program in _VOICES:
        return ()
    if role == "arp":
        return ("pluck", "pluck", "square lead" if program == 80 else "saw lead")
    if role in ("lead", "counter") and program <= 87:
        return {80: ("square lead",), 81: ("saw lead", "supersaw")}.get(program, ("saw lead", "soft lead"))
    if role in ("comp1", "comp2"):
        return ("stab", "pluck", "supersaw") if program <= 87 or program == 90 else ("saw pad", "glass pad")
    return ("supersaw", "saw pad") if program in (81, 90) else ("saw pad", "saw pad", "glass pad")


def choose(song: Song, split: str, asked: Sequence[str] = ()) -> Sources:
    """The sources of a song of a split, from the song's seed alone (and from which SoundFonts are installed).

    asked: synthesisers of `outside.SYNTHS` that may take parts over; the rest of the song stays what it is without
    them. Raises Unavailable when no SoundFont for training is installed.
    """
    rng = np.random.default_rng([song.seed, 0x534F5243])
    held_out = bool(rng.random() < 0.5) and split == "test"
    away = find_held_out() if held_out else None
    fonts = find_soundfonts() if away is None else (away,)
    main = fonts[int(rng.integers(len(fonts)))]
    chosen: dict[str, SoundFont] = {}
    patches: dict[str, Patch | Outside] = {}
    sweeps: set[str] = set()
    for part in song.parts:
        other, take, drawn, swept_ = (float(x) for x in rng.random(4))
        number = int(rng.integers(1 << 30))
        kinds = kinds_for(part, song.style)
        if kinds and take < _chance(part, song.style) and not any(c.controller == -1 for c in part.controls):
            numbers = bank(held_out)
            patches[part.name] = patch(kinds[int(drawn * len(kinds))], numbers[number % len(numbers)])
            sweeps |= {part.name}
        else:
            chosen[part.name] = main if other < 0.65 else fonts[number % len(fonts)]
            if part.name in _SWEPT_SAMPLES and song.style in ELECTRONIC and swept_ < 0.35:
                sweeps |= {part.name}
    if asked:
        _take_over(song, asked, held_out, chosen, patches, sweeps)
    held_out = held_out and (away is not None or not chosen)
    return Sources(main, chosen, patches, held_out, frozenset(sweeps))


def _take_over(
    song: Song, asked: Sequence[str], held_out: bool, chosen: dict[str, SoundFont], patches: dict[str, Patch | Outside],
    sweeps: set[str],
) -> None:  # fmt: skip
    """Let the synthesisers asked for play what they can of a song; what they leave keeps its SoundFont."""
    rng = np.random.default_rng([song.seed, 0x4F5554])
    for part in song.parts:
        kinds = kinds_for(part, song.style)
        sound = outside.pick(part, kinds, asked, song.style in ELECTRONIC, held_out, rng)
        if sound is None:
            continue
        patches[part.name] = sound
        if not outside.leaves(sound, part):
            chosen.pop(part.name, None)
        if part.group != "drums":
            sweeps.add(part.name)


def _chance(part: Part, style: str) -> float:
    if part.program in (5, 10, 14):
        return 0.35
    return 0.85 if style in ELECTRONIC else 0.5


@lru_cache(maxsize=4)
def _loaded(font: SoundFont) -> Synth:
    """One loaded fluidsynth per process and font."""
    return Synth(font.path)


class Rack:
    """Everything that sounds in one song; `render` is what the mixer calls."""

    def __init__(self, song: Song, sources: Sources) -> None:
        self._song, self._sources = song, sources

    def render(self, part: Part, tempo: float, frames: int) -> Stem:
        """Stereo stem [2, frames] of one part, calibrated, before the part's gain."""
        sound = self._sources.patches.get(part.name)
        if isinstance(sound, Patch):
            return synths.render_patch(sound, part, tempo, frames, self._curve(part, frames))
        font = self._sources.fonts.get(part.name, self._sources.font)
        if sound is not None:
            stem = outside.render(sound, part, tempo, frames, self._curve(part, frames))
            left = outside.leaves(sound, part)
            rest = replace(part, notes=[note for note in part.notes if note.pitch in left])
            return stem + _loaded(font).render(rest, tempo, frames) if left else stem
        stem = _loaded(font).render(part, tempo, frames)
        if part.name in self._sources.sweeps:
            shut: Curve = np.minimum(self._curve(part, frames), np.float32(0.0)) * np.float32(1.5)
            stem = swept(stem, shut)
        return stem

    def _curve(self, part: Part, frames: int) -> Curve:
        """The part's cutoff over the song: its own draw, gentle outside electronic styles."""
        rng = np.random.default_rng([self._song.seed, 0x53574550, *part.name.encode()])
        most = _SWEEP_OCTAVES.get(part.name, 1.0) * (1.0 if self._song.style in ELECTRONIC else 0.35)
        return cutoff_curve(self._song, frames, rng, most)
