"""What the composer writes and the renderer plays: a song as exact data, no audio.

All times are quarters (beats of the tempo) from the song's start, *before* humanising;
`offset_ms` is the groove's own displacement (swing beyond the grid, push, humanisation), so that
the event time a style prescribes is known exactly: seconds(beat) + offset_ms / 1000.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class NoteEvent:
    """One played note. beat, length in quarters; velocity 1-127; offset_ms negative = early."""

    beat: float
    length: float
    pitch: int
    velocity: int
    offset_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class ControlEvent:
    """A MIDI controller or pitch bend. controller -1 is pitch bend (value in semitones)."""

    beat: float
    controller: int
    value: float


@dataclass(slots=True)
class Part:
    """One instrument. group is one of drums, bass, chords, lead, other (engine.types.PART_NAMES).

    program: General MIDI 0-127 (for drums: the kit number on bank 128). gain_db, pan (-1..1) and
    sends are the mixer's; `mono_below_hz`, `duck_db`, `lowpass_hz` are None or 0 where unused.
    """

    name: str
    group: str
    program: int
    notes: list[NoteEvent] = field(default_factory=list)
    controls: list[ControlEvent] = field(default_factory=list)
    gain_db: float = 0.0
    pan: float = 0.0
    reverb_send_db: float = -20.0
    delay_send_db: float | None = None
    duck_db: float = 0.0
    lowpass_hz: float | None = None
    drive_db: float = 0.0
    chorus: float = 0.0


@dataclass(frozen=True, slots=True)
class ChordSpan:
    """A sounding chord. root and pitch classes 0-11 (C = 0); bass is the pitch class below."""

    beat: float
    length: float
    root: int
    pitch_classes: tuple[int, ...]
    bass: int
    name: str


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of whole bars. level_db is against the loudest section."""

    name: str
    first_bar: int
    bars: int
    level_db: float


@dataclass(frozen=True, slots=True)
class MixSettings:
    """The song's mix: reverb time and kind, duck release, bus compression, loudness target."""

    rt60_s: float = 1.0
    reverb: str = "room"
    duck_release_ms: float = 150.0
    delay_beats: float = 0.75
    bus_gain_reduction_db: float = 2.0
    tape: float = 0.0
    bus_lowpass_hz: float | None = None
    loudness_lufs: float = -12.0


@dataclass(slots=True)
class Song:
    """A whole piece. Tempo in quarters per minute, meter (numerator, denominator).

    melody is the lead line as it sounds (also inside its part), monophonic, for conditioning.
    beat_groups: lengths of the felt beats of one bar in quarters, e.g. (1,1,1,1), (3/2, 3/2) in
    6/8, (1, 1, 3/2) in 7/8. tags hold genre, moods, instruments, era, production, tempo word.
    keys: (first bar, root, mode) wherever the key begins or changes, from bar 0 on; key_root and mode
    are the main key, the one with most bars. slower: (place in quarters, tempo) from which other tempi than
    `tempo` hold, in order (`tempomap`); most songs have none. composer: the version that wrote it.
    """

    seed: int
    style: str
    tempo: Fraction
    meter: tuple[int, int]
    key_root: int
    mode: str
    bars: int
    sections: list[Section]
    chords: list[ChordSpan]
    parts: list[Part]
    melody: list[NoteEvent]
    beat_groups: tuple[Fraction, ...]
    swing: float
    mix: MixSettings
    tags: dict[str, list[str]]
    keys: list[tuple[int, int, str]] = field(default_factory=list)
    slower: tuple[tuple[Fraction, Fraction], ...] = ()
    composer: int = 1

    @property
    def bar_beats(self) -> Fraction:
        """Length of a bar in quarters."""
        return Fraction(4 * self.meter[0], self.meter[1])
