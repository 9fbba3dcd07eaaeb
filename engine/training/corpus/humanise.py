"""From the straight grid to played notes: swing, the style's pushes, correlated noise, velocities.

`beat` stays on the grid; everything here goes into offset_ms, velocity and length (STYLES: offset =
style mean + AR(1) noise, rho 0.5, clipped at 2.5 SD; velocity = accent + phrase arch + noise).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from math import pi, sin

import numpy as np

from engine.training.corpus.song import NoteEvent
from engine.training.corpus.style import Style

TIME_SD_MS = {
    "kick": 3.0, "snare": 5.0, "ghost": 8.0, "hats": 5.0, "percussion": 8.0, "bass": 6.0, "comp1": 10.0,
    "comp2": 10.0, "arp": 4.0, "pad": 20.0, "lead": 12.0, "counter": 12.0,
}  # fmt: skip
VELOCITY_SD = {
    "kick": 4.0, "snare": 5.0, "ghost": 7.0, "hats": 8.0, "percussion": 8.0, "bass": 6.0, "comp1": 7.0,
    "comp2": 7.0, "arp": 6.0, "pad": 4.0, "lead": 9.0, "counter": 7.0,
}  # fmt: skip
_RHO = 0.5
_STRUMMED = frozenset({24, 25, 26, 27, 28, 29, 30, 15, 105, 106, 46})
_STAB_SD_MS = 5.0


@dataclass(frozen=True, slots=True)
class Feel:
    """The song's groove: swing percent on a grid (pair_beats long), tempo, loudness of each section."""

    style: Style
    swing: float
    tempo: float
    phrase_beats: float
    starts: tuple[float, ...]  # beats where sections begin
    levels_db: tuple[float, ...]

    @property
    def pair_beats(self) -> float:
        """Length of the pair that swings: a quarter on the 8th grid, an eighth on the 16th grid."""
        return 1.0 if self.style.swing_grid == 8 else 0.5

    def swing_ms(self, beat: float) -> float:
        """How late the swung place of a straight beat is."""
        pair, share = self.pair_beats, self.swing / 100.0
        within = beat / pair - np.floor(beat / pair + 1e-9)
        warped = within * share / 0.5 if within < 0.5 else share + (within - 0.5) * (1 - share) / 0.5
        return float((warped - within) * pair * 60_000.0 / self.tempo)

    def level_db(self, beat: float) -> float:
        """The section's level at a beat."""
        return self.levels_db[max(0, bisect_right(self.starts, beat + 1e-6) - 1)]


def ar1(count: int, sd: float, rng: np.random.Generator) -> list[float]:
    """AR(1) noise of stationary SD `sd`, clipped at 2.5 SD."""
    shocks = rng.normal(0.0, sd * np.sqrt(1 - _RHO**2), count)
    out, state = [], float(rng.normal(0.0, sd)) if count else 0.0
    for shock in shocks.tolist():
        state = _RHO * state + shock
        out.append(float(np.clip(state, -2.5 * sd, 2.5 * sd)))
    return out


def velocity_scale(level_db: float, share: float) -> float:
    """Velocity factor for a share of the level in dB (synths: about 40 log10 of velocity)."""
    return float(10.0 ** (share * level_db / 40.0))


def humanise(
    notes: Sequence[NoteEvent],
    role: str,
    feel: Feel,
    rng: np.random.Generator,
    *,
    mean_ms: float = 0.0,
    program: int = -1,
    level_share: float = 0.4,
) -> list[NoteEvent]:
    """Play a part. role: a key of TIME_SD_MS; notes of one onset share their timing but for a strum."""
    ordered = sorted(notes, key=lambda n: (n.beat, n.pitch))
    groups = _chords(ordered)
    sd_ms = TIME_SD_MS[role] * feel.style.sd_scale
    if role in ("comp1", "comp2") and feel.style.sd_scale >= 1:
        sd_ms = min(sd_ms, _STAB_SD_MS * feel.style.sd_scale * 1.4)
    times = ar1(len(groups), min(sd_ms, 30.0), rng)
    strum_ms = float(rng.uniform(4.0, 14.0)) if program in _STRUMMED else 0.0
    out: list[NoteEvent] = []
    for group, late_ms in zip(groups, times, strict=True):
        beat = group[0].beat
        base_ms = mean_ms + late_ms + feel.swing_ms(beat)
        arch = 5.0 * sin(pi * ((beat / feel.phrase_beats) % 1.0)) - 2.5
        scale = velocity_scale(feel.level_db(beat), level_share)
        noise = rng.normal(0.0, 1.0, 2 * len(group)).tolist()
        upward = beat % 1.0 < 0.25
        for index, note in enumerate(group):
            rank = index if upward else len(group) - 1 - index
            velocity = note.velocity * scale + arch + noise[2 * index] * VELOCITY_SD[role] * 0.7
            out.append(
                replace(
                    note,
                    velocity=int(np.clip(round(velocity), 8, 126)),
                    offset_ms=round(note.offset_ms + base_ms + rank * strum_ms, 3),
                    length=max(0.03, note.length * (1.0 + 0.05 * min(0.0, noise[2 * index + 1]))),
                )
            )
    return _not_before_start(out)


def _chords(ordered: list[NoteEvent]) -> list[list[NoteEvent]]:
    groups: list[list[NoteEvent]] = []
    for note in ordered:
        if groups and abs(groups[-1][0].beat - note.beat) < 1e-6:
            groups[-1].append(note)
        else:
            groups.append([note])
    return groups


def _not_before_start(notes: list[NoteEvent]) -> list[NoteEvent]:
    """Nothing sounds before the song's first sample."""
    return [replace(n, offset_ms=max(0.0, n.offset_ms)) if n.beat < 0.02 else n for n in notes]


def bass_after_kick(bass: list[NoteEvent], kicks: Sequence[NoteEvent]) -> list[NoteEvent]:
    """A bass note on a kick's beat never sounds before the kick."""
    offsets = {round(k.beat, 4): k.offset_ms for k in kicks}
    return [replace(n, offset_ms=max(n.offset_ms, offsets.get(round(n.beat, 4), n.offset_ms))) for n in bass]


def monophonic(notes: Sequence[NoteEvent], tempo: float) -> list[NoteEvent]:
    """Cut each note where the next one is heard, offsets included; notes swallowed whole fall out."""
    ordered = sorted(notes, key=lambda n: n.beat)
    beat_ms = 60_000.0 / tempo
    out: list[NoteEvent] = []
    for note, following in zip_longest(ordered, ordered[1:]):
        length = note.length
        if following is not None:
            gap = following.beat - note.beat + (following.offset_ms - note.offset_ms) / beat_ms
            length = min(length, gap)
        if length > 0.02:
            out.append(replace(note, length=length))
    return out
