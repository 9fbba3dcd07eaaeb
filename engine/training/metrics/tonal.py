"""Key and chords of sound: correlation with key profiles, and triads by template on the notes of each beat.

Notes are peaks across a log-frequency spectrum (how far a semitone stands out from its neighbours), so that drums,
which fill all of it alike, count for little.

Profiles: C. L. Krumhansl and E. J. Kessler, probe-tone ratings (1982). Score of near misses as in MIREX's
key detection: same 1, fifth 0.5, relative 0.3, parallel 0.2.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from engine.controls.harmony import MODES
from engine.models import conditions as K
from engine.training.metrics.probe import FRAME_RATE_HZ, LOWEST, PER_SEMITONE, spectra
from engine.types import MODEL_RATE_HZ, Audio

Array = NDArray[np.float64]
KEY_PROFILES = np.array(
    [
        [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88],
        [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17],
    ]
)
KEY_RANGE, CHORD_RANGE = (50, 72), (48, 84)
TRIADS = (frozenset({0, 4, 7}), frozenset({0, 3, 7}))
NO_TRIAD = -1
Key = tuple[int, bool]


def notes(audio: Audio, rate: int = MODEL_RATE_HZ) -> Array:
    """How far each MIDI note from LOWEST on stands out [T, notes], FRAME_RATE_HZ frames a second, 1 is 60 dB."""
    level = spectra(audio, rate).mean(dim=1).double().numpy()
    padded = np.pad(level, ((0, 0), (PER_SEMITONE + 1, PER_SEMITONE + 1)), mode="edge")
    at = np.arange(level.shape[1] // PER_SEMITONE) * PER_SEMITONE + PER_SEMITONE + 1
    beside = [padded[:, at + step] for step in (-PER_SEMITONE, 1 - PER_SEMITONE, PER_SEMITONE - 1, PER_SEMITONE)]
    return np.asarray(np.maximum(padded[:, at] - np.mean(beside, axis=0), 0.0))


def folded(found: Array, span: tuple[int, int]) -> Array:
    """Chroma [12, T] of notes [T, n] with MIDI pitch from span[0] to below span[1]."""
    chroma = np.zeros((12, len(found)))
    for pitch in range(*span):
        chroma[pitch % 12] += found[:, pitch - LOWEST]
    return chroma


def family(root: int, mode: str) -> Key:
    """(root, minor) of a mode: minor where its third is, as key finders know but two."""
    steps = MODES.get(K.MODE_ALIASES.get(mode, mode), MODES["minor"])
    return root, 4 not in steps


def estimated_key(found: Array) -> Key:
    """(root, minor) whose profile correlates best with the mean chroma of notes [T, n]."""
    mean = folded(found, KEY_RANGE).mean(axis=1)
    profiles = np.stack([np.roll(profile, root) for profile in KEY_PROFILES for root in range(12)])
    centred = profiles - profiles.mean(axis=1, keepdims=True)
    fit = (centred @ (mean - mean.mean())) / np.linalg.norm(centred, axis=1)
    best = int(fit.argmax())
    return best % 12, best >= 12


def key_score(found: Key, wanted: Key) -> float:
    """1 for the same key, 0.5 a fifth above or below, 0.3 the relative, 0.2 the parallel, else 0."""
    interval, same_mode = (found[0] - wanted[0]) % 12, found[1] == wanted[1]
    if interval == 0:
        return 1.0 if same_mode else 0.2
    if same_mode and interval in (5, 7):
        return 0.5
    return 0.3 if not same_mode and interval == (3 if wanted[1] else 9) else 0.0


def in_scale(found: Array, pitch_classes: tuple[int, ...]) -> bool:
    """Is `pitch_classes` the best of its own twelve transpositions for the mean chroma of notes [T, n]?"""
    mean = folded(found, CHORD_RANGE).mean(axis=1)
    scores = [mean[[(pc + shift) % 12 for pc in pitch_classes]].sum() for shift in range(12)]
    return int(np.argmax(scores)) == 0


def triad_of(pitch_classes: NDArray[np.bool_], root: int) -> int:
    """root + 12 if minor, of a chord [12] that holds a major or minor triad on `root`; NO_TRIAD otherwise."""
    steps = {(int(pc) - root) % 12 for pc in np.flatnonzero(pitch_classes)}
    for kind, triad in enumerate(TRIADS):
        if triad <= steps and not ({3, 4} <= steps):
            return root + 12 * kind
    return NO_TRIAD


def triads_of(pitch_classes: NDArray[np.bool_]) -> frozenset[int]:
    """All major and minor triads that a chord [12] holds: Am7 is A minor, and C major, too."""
    return frozenset(t for root in range(12) if (t := triad_of(pitch_classes, root)) != NO_TRIAD)


def estimated_triads(found: Array, edges_s: Array) -> NDArray[np.int64]:
    """Between edges [n + 1] in seconds the triad (root, + 12 if minor) that fits notes [T, n] best."""
    chroma = folded(found, CHORD_RANGE)
    at = np.round(edges_s * FRAME_RATE_HZ).astype(int).clip(0, len(found) - 1)
    masks = np.zeros((24, 12))
    for kind, triad in enumerate(TRIADS):
        for root in range(12):
            masks[root + 12 * kind, [(root + step) % 12 for step in triad]] = 1.0
    masks = (masks - masks.mean(axis=1, keepdims=True)) / masks.std(axis=1, keepdims=True)
    result = []
    for first, last in pairwise(at):
        mean = chroma[:, first : max(first + 1, last)].mean(axis=1)
        result.append(int((masks @ mean).argmax()))
    return np.array(result)
