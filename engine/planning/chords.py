"""Chords of a plan: against the key and back, as block chords, and named from notes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from engine.controls.harmony import MODES, NO_CHORD, chord_tones, parse_key
from engine.controls.keyed import NAMES

NONE = "N.C."
QUALITIES = (
    "", "m", "7", "maj7", "m7", "9", "maj9", "m9", "m7b5", "dim", "dim7", "aug", "sus4", "sus2", "6", "m6", "69",
    "add9", "madd9", "5", "7b9", "7#9", "13", "m11", "7#11", "7b13", "7sus4", "9sus", "13sus", "m(maj7)", "maj7#11",
    "maj9#11", "maj13", "11", "m69", "7#5", "7b5", "13b9", "m13", "m9b5",
)  # fmt: skip
"""Kinds of chord that tokens tell apart. New ones go to the end: their places are the model's."""
MODE_NAMES = tuple(MODES)
ROOT_KEY, BASS_KEY = 48, 36


@lru_cache(maxsize=1)
def interval_sets() -> tuple[frozenset[int], ...]:
    """Semitones above the root of each quality."""
    return tuple(frozenset(chord_tones("C" + quality)[1]) for quality in QUALITIES)


def is_none(name: str) -> bool:
    """Whether a name stands for no chord."""
    return name in NO_CHORD


@lru_cache(maxsize=4096)
def relative(name: str, root: int) -> tuple[int, int, int]:
    """(degree 0-11 above `root`, quality, bass above the chord's root) of a chord; degree 12 stands for none.

    A quality that is not in QUALITIES becomes the one that shares most of its notes. BadRequest for no chord name.
    """
    if is_none(name):
        return 12, 0, 0
    own, tones, bass = chord_tones(name)
    wanted = frozenset((tone - own) % 12 for tone in tones)
    return (own - root) % 12, _nearest(wanted), (bass - own) % 12


def absolute(degree: int, quality: int, bass: int, root: int) -> str:
    """The name of what `relative` told apart."""
    if degree >= 12:
        return NONE
    own = (root + degree) % 12
    return named(own, quality, (own + bass) % 12)


def named(root: int, quality: int, bass: int) -> str:
    """A chord's name; its bass after a slash where it is not the root."""
    return NAMES[root] + QUALITIES[quality] + (f"/{NAMES[bass]}" if bass != root else "")


def _nearest(wanted: frozenset[int]) -> int:
    sets = interval_sets()
    if wanted in sets:
        return sets.index(wanted)
    return max(range(len(sets)), key=lambda i: (len(wanted & sets[i]) / len(wanted | sets[i]), -i))


def moved(name: str, semitones: int) -> str:
    """The chord transposed; its kind is spelt as it was."""
    if is_none(name):
        return name
    root, _, bass = chord_tones(name)
    quality = name.partition("/")[0] if "6/9" not in name else name.replace("6/9", "69").partition("/")[0]
    quality = quality[1:].lstrip("#b♯♭") if quality[1:2] in "#b♯♭" else quality[1:]
    over = f"/{NAMES[(bass + semitones) % 12]}" if bass != root else ""
    return NAMES[(root + semitones) % 12] + quality + over


def voicing(name: str) -> tuple[int, ...]:
    """The chord as MIDI keys, the bass lowest; nothing for none."""
    if is_none(name):
        return ()
    root, tones, bass = chord_tones(name)
    upper = {ROOT_KEY + root}
    for place, tone in enumerate(tones[1:], 1):
        step = (tone - root) % 12
        upper.add(ROOT_KEY + root + step + (12 if place > 3 and step < 10 else 0))
    return tuple(sorted(upper | ({BASS_KEY + bass} if bass != root else set())))


def recognised(keys: Iterable[int]) -> str:
    """A name for the notes that sound, from the bass up; what fits no kind exactly becomes the nearest."""
    heard = sorted(set(keys))
    if not heard:
        return NONE
    bass, tones = heard[0] % 12, {key % 12 for key in heard}
    best: tuple[float, str] = (-1.0, NONE)
    for root in [bass, *sorted(tones - {bass})]:
        wanted = frozenset((tone - root) % 12 for tone in tones)
        for quality, held in enumerate(interval_sets()):
            score = len(wanted & held) / len(wanted | held) - (0.02 if root != bass else 0.0) - 1e-4 * quality
            if score > best[0]:
                best = score, named(root, quality, bass)
    return best[1]


def key_name(root: int, mode: str) -> str:
    """As `parse_key` reads it; a mode that it does not know is called minor."""
    return f"{NAMES[root]} {mode if mode in MODES else 'minor'}"


def key_of(text: str | None) -> tuple[int, str] | None:
    """(root 0-11, mode) of a key's name; None without one. BadRequest for what is no key."""
    if text is None:
        return None
    key = parse_key(text)
    return key.root, key.mode


def check_name(name: str) -> None:
    """BadRequest for what is no chord's name."""
    if not is_none(name):
        chord_tones(name)
