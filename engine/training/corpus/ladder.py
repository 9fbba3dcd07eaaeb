"""The ladder of scale notes a melody climbs: it bends where a chord has notes outside the scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.training.corpus.chordnames import degree_semitones
from engine.training.corpus.progressions import SCALES
from engine.training.corpus.song import ChordSpan

_PENTATONIC = frozenset({"folk", "lofi", "soul", "reggae", "afro", "ambient", "trap", "boombap", "downtempo", "indie"})


class Ladder:
    """Scale notes over a range. Rungs are counted from MIDI 0; pitches are MIDI numbers."""

    def __init__(self, key_root: int, mode: str, span: tuple[int, int], style_key: str) -> None:
        self.key_root = key_root
        self.scale = SCALES.get(mode, SCALES["major"])
        self.low, self.high = span
        outside = {5, 11} if 4 in self.scale else {2, 8, 1}  # what the pentatonic leaves out, against the tonic
        self.coloured = frozenset(outside) if style_key in _PENTATONIC else frozenset()
        self._inside = frozenset((s + key_root) % 12 for s in self.scale)
        self._known: dict[tuple[int, tuple[int, ...]], int] = {}

    def pitch(self, rung: int, chord: ChordSpan | None = None) -> int:
        """MIDI pitch of a rung; over a chord with a foreign note the scale note beside it gives way."""
        known = (rung, () if chord is None else chord.pitch_classes)
        if known not in self._known:
            self._known[known] = self._pitch(rung, chord)
        return self._known[known]

    def _pitch(self, rung: int, chord: ChordSpan | None) -> int:
        octave, degree = divmod(rung, len(self.scale))
        pitch = 12 * octave + self.scale[degree] + self.key_root
        if chord is None or pitch % 12 in chord.pitch_classes:
            return pitch
        inside = self._inside
        for foreign in (p for p in chord.pitch_classes if p not in inside):
            if (foreign - pitch) % 12 == 1 and (foreign + 1) % 12 not in inside:
                return pitch + 1
            if (pitch - foreign) % 12 == 1 and (foreign - 1) % 12 not in inside:
                return pitch - 1
            if (foreign - pitch) % 12 in (1, 11):
                return pitch + (1 if (foreign - pitch) % 12 == 1 else -1)
        return pitch

    def nearest(self, pitch: float) -> int:
        """The rung nearest to a pitch."""
        guess = int((pitch - self.key_root) / 12 * len(self.scale))
        return min(range(guess - 4, guess + 5), key=lambda rung: abs(self.pitch(rung) - pitch))

    def neighbour(self, pitch: int, chord: ChordSpan, side: int) -> int:
        """The ladder's next pitch above (side 1) or below (side -1)."""
        rung = self.nearest(pitch)
        options = [self.pitch(rung + k, chord) for k in range(-3, 4)]
        beyond = [p for p in options if (p - pitch) * side > 0]
        return min(beyond, key=lambda p: abs(p - pitch))

    def place(
        self,
        rung: int,
        chord: ChordSpan,
        previous: int | None,
        before: int,
        chord_tone: bool,
        length_q: float,
        move: int | None = None,
    ) -> int:
        """The pitch for a wanted rung. before: the interval that led to `previous`, in semitones.

        move: rungs the motif goes from its note before to this one; kept even where that note was bent.
        """
        here = None if previous is None or move is None else self.nearest(previous)

        def cost(k: int) -> float:
            pitch = self.pitch(k, chord)
            inside = pitch % 12 in chord.pitch_classes
            total = (
                1.0 * abs(k - rung)
                if here is None or move is None
                else 0.45 * abs(k - rung) + 1.1 * abs(k - here - move)
            )
            total += 3.5 if chord_tone and not inside else 0.0
            if not inside and length_q >= 0.5 and any((pitch - p) % 12 == 1 for p in chord.pitch_classes):
                total += 1.6  # a semitone above a chord tone grates when it stays
            if not inside and (pitch - self.key_root) % 12 in self.coloured:
                total += 0.7
            total += 0.6 * max(0, pitch - self.high) + 0.6 * max(0, self.low - pitch)
            return total + (self._leap_cost(pitch, previous, before) if previous is not None else 0.0)

        best = min(range(rung - 7, rung + 8), key=lambda k: (cost(k), abs(k - rung), k))
        pitch = self.pitch(best, chord)
        while pitch > self.high:
            pitch -= 12
        while pitch < self.low:
            pitch += 12
        return pitch

    @staticmethod
    def _leap_cost(pitch: int, previous: int, before: int) -> float:
        interval = pitch - previous
        total = 0.4 * (abs(interval) > 2) + 0.2 * max(0, abs(interval) - 5)
        total += 3.0 if abs(interval) in (6, 10, 11) or abs(interval) > 12 else 0.0
        if abs(before) > 5 and (interval * before > 0 or abs(interval) > 4):
            total += 1.2
        return total + (0.2 if interval == 0 else 0.0)

    def stable(
        self,
        pitch: int,
        chord: ChordSpan,
        degrees: Sequence[tuple[str, float]],
        open_end: bool,
        rng: np.random.Generator,
    ) -> int:
        """A resting pitch near `pitch`: a stable degree of the style, in the chord where one is."""
        wanted = {2, 7, 11, 10} if open_end else {0, 3, 4, 7}
        options = []
        for name, weight in degrees:
            semitones = degree_semitones(name)
            if semitones not in self.scale:
                semitones = {4: 3, 3: 4, 11: 10, 10: 11, 9: 8, 8: 9}.get(semitones, semitones)
            pitch_class = (semitones + self.key_root) % 12
            fit = 1.0 if pitch_class in chord.pitch_classes else 0.08
            options.append((pitch_class, weight * fit * (1.5 if semitones in wanted else 1.0)))
        for pitch_class in chord.pitch_classes[:3]:
            options.append((pitch_class, 0.05 if (pitch_class - self.key_root) % 12 in wanted else 0.02))
        classes, weights = [c for c, _ in options], np.array([w for _, w in options])
        found = int(rng.choice(classes, p=weights / weights.sum()))
        near = [p for p in range(pitch - 6, pitch + 7) if p % 12 == found and self.low <= p <= self.high]
        return min(near, key=lambda p: (abs(p - pitch), p)) if near else pitch
