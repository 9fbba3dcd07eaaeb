"""A key without chords becomes chords: a plain progression of its own triads, one a bar.

The model follows chords far better than a key alone (docs/LOG.md), so a key that is asked for is
told to it as what it would have played there anyway: tonic first, major and minor triads only.
"""

from __future__ import annotations

from engine.controls.harmony import Key

NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
QUALITIES = {(4, 7): "", (3, 7): "m"}
BRIGHT = ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 4, 3), (0, 5, 1, 4))
DARK = ((0, 5, 2, 6), (0, 3, 6, 2), (0, 6, 5, 6), (0, 5, 3, 4))


def triad(key: Key, degree: int) -> str:
    """The name of the triad on a degree 0-6 of the key; empty where it is neither major nor minor."""
    root, third, fifth = (key.pitch_classes[(degree + step) % 7] for step in (0, 2, 4))
    quality = QUALITIES.get(((third - root) % 12, (fifth - root) % 12))
    return "" if quality is None else NAMES[root] + quality


def progression(key: Key, seed: int) -> str:
    """Four chords as a request would name them; degrees without a plain triad are the tonic's.

    The same seed gives the same chords. A key whose tonic has no plain triad gets its fifth alone.
    """
    tonic = triad(key, 0)
    if not tonic:
        return f"{NAMES[key.root]}5"
    plans = BRIGHT if (key.pitch_classes[2] - key.root) % 12 == 4 else DARK
    return " ".join(triad(key, degree) or tonic for degree in plans[seed % len(plans)])
