"""The wire structs of live sessions: commands, status, traces, and the audio that went into a cache."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from engine.events import Quantiles
from engine.types import MAX_SECONDS, Rate, Struct

Instance = Annotated[str, msgspec.Meta(max_length=32)]
Action = Literal["hold", "release", "recall", "policy", "quantise", "tempo-map", "continue", "panic", "look-ahead"]
MelodyPolicy = Literal["echo", "now", "off"]
MapText = Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
MAX_TRACES = 1_000
MAX_HOLD_BARS = 64
MAX_NOTES = 256


class LiveCommand(Struct, frozen=True):
    """What a player asks of a live session; `instance` empty: of all.

    hold: repeat the last `bars` bars. release: end the hold. recall: bring back `take` of `bar` (-1: the newest).
    policy: what live notes do (`policy`). quantise: the grid on which changes land (`quantise`). tempo-map: the whole
    project's `tempo` and `meter` as a request has them, bar 0 at project frame 0. continue: the next bar continues
    what the track carries. panic: drop what is planned and plan nothing. look-ahead: `bars`, 1 to 8.
    """

    action: Action
    instance: Instance = ""
    id: Annotated[str, msgspec.Meta(max_length=128)] = ""
    bars: Annotated[int, msgspec.Meta(ge=1, le=MAX_HOLD_BARS)] | None = None
    bar: Annotated[int, msgspec.Meta(ge=-100_000, le=100_000)] | None = None
    take: Annotated[int, msgspec.Meta(ge=-1, le=1_000_000)] = -1
    policy: MelodyPolicy | None = None
    quantise: Literal["now", "beat", "bar"] | None = None
    tempo: MapText | None = None
    meter: MapText = "4/4"


class LiveDone(Struct, frozen=True):
    """The live command with this id was obeyed."""

    id: str


class AskLive(Struct, frozen=True):
    """Asks what the live sessions do; with the newest `traces` and played `notes` of each."""

    traces: Annotated[int, msgspec.Meta(ge=0, le=MAX_TRACES)] = 0
    notes: Annotated[int, msgspec.Meta(ge=0, le=MAX_NOTES)] = 0


class LiveTrace(Struct, frozen=True):
    """A change from its arrival to the first sample that it changed. Times are the engine's monotonic nanoseconds.

    announced_frame: where it was to take hold, on its grid; first_changed_frame: where it did (the seam of 20 ms
    before it aside), written to the cache at first_written_ns by the render request_id. None: not yet.
    """

    serial: int
    kind: str
    quantise: str
    arrived_ns: int
    announced_frame: int
    request_id: str | None = None
    first_written_ns: int | None = None
    first_changed_frame: int | None = None


class LiveNote(Struct, frozen=True):
    """A note that was played, at the play head of its moment: `quarter` quarters into `bar`, project frame `frame`.

    serial: counts a session's notes from 1. arrived_ns: the engine's monotonic clock. length: in quarters; None while
    its key is down. answer_bar: the bar that it guides, where it guides one.
    """

    serial: int
    arrived_ns: int
    frame: int
    bar: int
    quarter: float
    pitch: int
    velocity: int
    length: float | None = None
    answer_bar: int | None = None


class LiveTake(Struct, frozen=True):
    """A bar heard before, kept for `recall`."""

    bar: int
    take: int


class LiveSessionStatus(Struct, frozen=True):
    """One session: a plugin's cache and what the engine does for it.

    state: "waiting" (the host has not told tempo and bars), "ready", "held", "silent" (panic, or live is off).
    Frames are project frames at `rate`; bar counts from 0; bars_ready, ready_until_frame: playable from the head on.
    bar_lines: from two bars before the head's to one past what is ready. quarter: quarters into that bar.
    first_piece_s: from a render's begin to its first frames in the cache, of the last 512. late_frames: what came too
    late to be written. missed_frames, misses: what the plugin could not play, and how often. steered: what MIDI
    controls have set, by target. error: a sync source that is silent, or the last render that failed, in a sentence.
    """

    instance: str
    title: str
    state: Literal["waiting", "ready", "held", "silent"]
    rate: int
    generation: int
    frame: int
    rolling: bool
    bar: int | None
    tempo: float | None
    meter: str | None
    committed_frame: int
    ready_until_frame: int
    bars_ready: float
    look_ahead_bars: int
    latency_s: float
    renders: int
    cancels: int
    failures: int
    late_frames: int
    policy: MelodyPolicy
    quantise: Literal["now", "beat", "bar"]
    takes: tuple[LiveTake, ...] = ()
    traces: tuple[LiveTrace, ...] = ()
    error: str = ""
    quarter: float | None = None
    missed_frames: int = 0
    misses: int = 0
    first_piece_s: Quantiles = Quantiles()
    steered: dict[str, float] = msgspec.field(default_factory=dict)
    notes: tuple[LiveNote, ...] = ()
    bar_lines: tuple[int, ...] = ()


class LiveStatus(Struct, frozen=True):
    """All live sessions, by instance."""

    sessions: tuple[LiveSessionStatus, ...]


class LiveAudio(Struct, frozen=True):
    """What was written to the cache of an instance; its float32 interleaved frames follow.

    first_frame: project frame. Of several messages about one frame the last one holds, within a generation.
    """

    instance: str
    first_frame: int
    generation: int
    frames: Annotated[int, msgspec.Meta(ge=0, le=MAX_SECONDS * 192_000)]
    channels: Annotated[int, msgspec.Meta(ge=2, le=2)]
    rate: Rate
