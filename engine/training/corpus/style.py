"""What a style is: its grooves, fills, basses, form, ranges and sounds. `styletable` reads them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Groove:
    """A drum cell: one dict letter -> step string for each bar. meter None: any meter of so many steps."""

    name: str
    steps: int
    bars: tuple[dict[str, str], ...]
    meter: tuple[int, int] | None = None


@dataclass(frozen=True)
class Fill:
    """What replaces the groove from step `at` on; strings are `steps` long."""

    name: str
    at: int
    steps: int
    lines: dict[str, str]


@dataclass(frozen=True)
class BassNote:
    """pos and length in steps of the bar; accent 1-9 (velocity 14 a unit)."""

    pos: int
    length: int
    degree: str
    accent: int = 7


@dataclass(frozen=True)
class BassPattern:
    """A bass cell of one or more bars."""

    name: str
    steps: int
    bars: tuple[tuple[BassNote, ...], ...]
    meter: tuple[int, int] | None = None

    @property
    def notes(self) -> tuple[BassNote, ...]:
        """The notes of the first bar."""
        return self.bars[0]


@dataclass(frozen=True)
class SectionPlan:
    """A section of the form: bars lo-hi, level against the loudest section, changes of parts."""

    name: str
    bars: tuple[int, int]
    level_db: float
    changes: str


@dataclass(frozen=True)
class Style:
    """One style. Tempi in quarters per minute (12/8: dotted quarters), ranges in MIDI pitches."""

    name: str
    number: int
    kind: str  # loop, song, through, jazz: how literal the repeats are
    bpm: tuple[float, float, float]  # low, high, typical
    meters: tuple[tuple[tuple[int, int], float], ...]
    swing_grid: int  # 16 or 8
    swing: tuple[float, float]  # percent of the pair where its second note sits
    micro_ms: dict[str, float]
    modes: tuple[str, ...]
    grooves: tuple[Groove, ...]
    fills: tuple[Fill, ...]
    basses: tuple[BassPattern, ...]
    bass_range: tuple[int, int]
    bass_gate: float
    progressions: tuple[str, ...]
    comps: tuple[str, ...]
    melody_range: tuple[int, int]
    melody_cells: tuple[str, ...]
    melody_rest: float
    stable_degrees: tuple[tuple[str, float], ...]
    contour: str
    form: tuple[SectionPlan, ...]
    programs: dict[str, tuple[int, ...]]
    kits: tuple[int, ...]
    rt60_s: float
    reverb: str
    duck_db: float
    duck_release_ms: float
    delay_beats: float | None
    loudness_lufs: float
    genres: tuple[str, ...]
    moods: tuple[str, ...]
    descriptors: tuple[str, ...]
    lowpass_hz: float | None = None
    tape: float = 0.0
    drive_db: float = 0.0
    chorus: float = 0.0
    bus_gain_reduction_db: float = 2.0
    variations: str = field(default="", repr=False)

    @property
    def sd_scale(self) -> float:
        """How loosely it is played: 0.3 programmed, 1 live, 1.4 behind the beat, 3 ambient."""
        return {1: 0.3, 2: 0.3, 4: 0.3, 7: 0.3, 5: 1.4, 13: 1.4, 8: 3.0}.get(self.number, 1.0)
