"""What the blocks of a timeline cache say, as Python values, and the place of a frame in the published map."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NO_INTENSITY_DB = -60.0
"""At or below this the knob asks for no intensity."""


@dataclass(frozen=True)
class CacheInfo:
    """A cache file as found. whole: it has its magic. version: its layout; rate, minutes and title need ours."""

    path: Path
    instance: str
    whole: bool
    creator_alive: bool
    engine_attached: bool
    version: int
    rate: int
    minutes: float
    bytes: int
    title: str


@dataclass(frozen=True)
class Transport:
    """The host's transport at a block's first frame.

    musical: bar (0-based), quarter (into the bar), tempo (quarters a minute) and meter are the host's own.
    loop_first..loop_last: project frames, the last one excluded. jumps, blocks: counted since the plugin began.
    """

    frame: int
    monotonic_ns: int
    playing: bool
    looping: bool
    musical: bool
    block_frames: int
    bar: int
    quarter: float
    tempo: float
    numerator: int
    denominator: int
    loop_first: int
    loop_last: int
    jumps: int
    blocks: int


@dataclass(frozen=True)
class Knobs:
    """The plugin's parameters. monotonic_ns, frame: when the last one moved, and where the play head was.

    hold: 0 is off, else a number of bars. continues, panics: they step up. changes: steps with any change.
    """

    monotonic_ns: int = 0
    frame: int = 0
    intensity_db: float = NO_INTENSITY_DB
    blend: float = 0.0
    guidance: float = 3.0
    look_ahead_bars: float = 2.0
    live: int = 0
    hold: int = 0
    continues: int = 0
    panics: int = 0
    changes: int = 0

    def bounded(self) -> Knobs:
        """Within the legal ranges; what is not finite becomes the default."""
        low_high = {
            "intensity_db": (NO_INTENSITY_DB, 0.0), "blend": (0.0, 1.0), "guidance": (1.0, 6.0),
            "look_ahead_bars": (1.0, 8.0), "live": (0, 1), "hold": (0, 64),
        }  # fmt: skip
        values = dict(vars(self))
        for name, (low, high) in low_high.items():
            value = values[name]
            values[name] = min(max(value, low), high) if math.isfinite(value) else getattr(Knobs, name)
        return Knobs(**values)


@dataclass(frozen=True)
class Words:
    """The plugin's state in words. A prompt holds at most 1023 bytes of UTF-8, the title 63."""

    seed: int = 0
    changes: int = 0
    prompt_a: str = ""
    prompt_b: str = ""
    title: str = ""


@dataclass(frozen=True)
class Segment:
    """From project frame `frame` + `fraction` on: `quarter` quarters into bar `bar` (0-based), at `tempo`."""

    frame: int
    fraction: float
    bar: int
    quarter: float
    tempo: float
    numerator: int
    denominator: int

    @property
    def bar_quarters(self) -> float:
        return self.numerator * 4 / self.denominator


@dataclass(frozen=True)
class Position:
    """A place in music: bar (0-based), quarters into it, tempo and meter there."""

    bar: int
    quarter: float
    tempo: float
    numerator: int
    denominator: int


@dataclass(frozen=True)
class EngineStatus:
    """What the engine says of itself. heartbeat_ns: its monotonic clock; 0: no engine was there yet."""

    heartbeat_ns: int = 0
    pid: int = 0
    state: int = 0
    committed_frame: int = 0
    ready_until_frame: int = 0
    bars_ready: float = 0.0
    latency_s: float = 0.0
    renders: int = 0


@dataclass(frozen=True)
class HeardNote:
    """A MIDI message of 1-4 bytes at a project frame. monotonic_ns: when the plugin heard it."""

    frame: int
    monotonic_ns: int
    data: bytes


@dataclass(frozen=True)
class Counters:
    """What the plugin counts; never reset while it lives."""

    blocks: int = 0
    played_frames: int = 0
    missed_frames: int = 0
    misses: int = 0
    torn_slots: int = 0
    off_grid_blocks: int = 0
    notes_dropped: int = 0
    scrubbed_samples: int = 0
    last_miss_frame: int = 0


def position_at(segments: Sequence[Segment], rate: int, frame: float) -> Position | None:
    """Where project frame `frame` (whole or not) lies by a map; None before its first segment. The C++ twin agrees."""
    after = bisect_right([segment.frame + segment.fraction for segment in segments], frame)
    if after == 0:
        return None
    here = segments[after - 1]
    quarters = here.quarter + ((frame - here.frame) - here.fraction) * here.tempo / (60.0 * rate)
    bars = math.floor(quarters / here.bar_quarters)
    quarter = quarters - bars * here.bar_quarters
    return Position(here.bar + bars, quarter, here.tempo, here.numerator, here.denominator)
