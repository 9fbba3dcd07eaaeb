"""The vocabulary: what is asked for and what comes back. Loads without torch.

The structs are the wire structs: `bridge.protocol` maps message tags and OSC addresses to
them, msgspec validates them once at the edge, and everything behind the edge trusts them.
Ranges stand here and nowhere else; tempo and meter are parsed by `engine.timing`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

MAX_BARS = 256
MAX_SECONDS = 15 * 60
MAX_CHANNELS = 8
RATE_RANGE_HZ = (8_000, 192_000)
MODEL_RATE_HZ = 48_000
SEAM_SECONDS = 0.02

Audio = NDArray[np.float32]
"""Sound: float32 [frames, channels], full scale 1.0."""

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Bars = Annotated[int, msgspec.Meta(ge=1, le=MAX_BARS)]
Rate = Annotated[int, msgspec.Meta(ge=RATE_RANGE_HZ[0], le=RATE_RANGE_HZ[1])]
Channels = Annotated[int, msgspec.Meta(ge=1, le=MAX_CHANNELS)]
Steps = Annotated[int, msgspec.Meta(ge=1, le=8)]
Guidance = Annotated[float, msgspec.Meta(ge=1.0, le=6.0)]
Strength = Annotated[float, msgspec.Meta(ge=0.0, le=4.0)]
Weight = Annotated[float, msgspec.Meta(ge=0.0, le=100.0)]
FilePath = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
Text = Annotated[str, msgspec.Meta(max_length=1000)]
Beat = Annotated[float, msgspec.Meta(ge=0.0, le=100_000.0)]
Decibels = Annotated[float, msgspec.Meta(ge=-60.0, le=6.0)]
Pitch = Annotated[int, msgspec.Meta(ge=0, le=127)]
Velocity = Annotated[int, msgspec.Meta(ge=1, le=127)]
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Edit = Literal["fill", "vary", "loop", "front"]
"""What an edit does with the source; see `Request`."""
PART_NAMES = ("drums", "bass", "chords", "lead", "other")
Part = Literal["drums", "bass", "chords", "lead", "other"]


class Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all wire structs: immutable, keyword only, strict."""


class PromptPart(Struct, frozen=True):
    """One voice in a mix of prompts: words, or the path of an audio file that the engine can read."""

    text: Text = ""
    audio: FilePath | None = None
    weight: Weight = 1.0


class CurvePoint(Struct, frozen=True):
    """A point of an intensity curve. beat: quarters from the first new bar; db: dBFS."""

    beat: Beat
    db: Decibels


class Note(Struct, frozen=True):
    """A melody note. beat and length in quarters from the first new bar."""

    pitch: Pitch
    beat: Beat
    length: Annotated[float, msgspec.Meta(gt=0.0, le=10_000.0)]
    velocity: Velocity = 100


class Strengths(Struct, frozen=True):
    """How strongly each condition acts; None leaves it to the model."""

    prompt: Strength | None = None
    melody: Strength | None = None
    intensity: Strength | None = None
    context: Strength | None = None
    chords: Strength | None = None
    beat: Strength | None = None


class Stretch(Struct, frozen=True):
    """A stretch of time in quarters from the first new bar."""

    begin: Beat
    end: Beat


class Only(Struct, frozen=True):
    """Where each target acts; None: over all new bars. Elsewhere it is as if it had not been given."""

    intensity: Stretch | None = None
    melody: Stretch | None = None
    chords: Stretch | None = None


class PlanChord(Struct, frozen=True):
    """A chord of a plan, from `beat` (quarters from its bar's line) to the bar's next chord or end; "N.C." is none."""

    beat: Annotated[float, msgspec.Meta(ge=0.0, le=127.99)]
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=24)]


Drums = Literal["none", "cymbals", "kick", "four", "half", "back", "break", "fill"]


class PlanBar(Struct, frozen=True):
    """One bar of a plan. None: the plan leaves it open; an empty melody is a rest.

    melody: the notes that begin in the bar, beats from its line. drums: the kind of pattern; drum_density: from 0
    (sparse) to 3 (busy). parts: who plays (the bass is one of them). intensity_db as in a curve.
    """

    section: Annotated[str, msgspec.Meta(max_length=32)] | None = None
    key: Annotated[str, msgspec.Meta(max_length=32)] | None = None
    chords: Annotated[tuple[PlanChord, ...], msgspec.Meta(max_length=64)] | None = None
    melody: Annotated[tuple[Note, ...], msgspec.Meta(max_length=256)] | None = None
    drums: Drums | None = None
    drum_density: Annotated[int, msgspec.Meta(ge=0, le=3)] | None = None
    parts: Annotated[tuple[Part, ...], msgspec.Meta(max_length=5)] | None = None
    intensity_db: Decibels | None = None


class Plan(Struct, frozen=True):
    """What is to be played, bar by bar. meter as in a request, its bars counted from the plan's first.

    fill: what the bars leave open is written before it is rendered; else it is left to the renderer.
    """

    bars: Annotated[tuple[PlanBar, ...], msgspec.Meta(min_length=1, max_length=MAX_BARS)]
    meter: Annotated[str, msgspec.Meta(max_length=4000)] = "4/4"
    fill: bool = False


class InlineAudio(Struct, frozen=True):
    """Describes float32 interleaved audio that travels as its own frame beside a request."""

    rate: Rate
    channels: Channels
    frames: Annotated[int, msgspec.Meta(ge=1, le=MAX_SECONDS * RATE_RANGE_HZ[1])]


class Request(Struct, frozen=True):
    """One request for new bars.

    kind "generate" makes bars from nothing but its conditions; "continue" follows `source`
    (a path the engine can read) or audio that travels beside the request (`inline`).
    tempo is quarters per minute as text: "120", "119.98", "7200/61" (kept as it is), or a map
    by bars "0:120,4+1.5:90" (from 1.5 quarters into bar 4 on). meter is "n/d", or a map "0:4/4,8:7/8".
    `under` says that the source sounds under the new bars. at_bar is the first new bar, of the map; at_beat: the
    new bars begin this many quarters into it (to 1/960), all else as if they began on its line.
    source_offset: how many frames of the source's rate (of a generation: of its own) after the map's bar 0 the
    first frame lies, as "96000" or "-1/3"; each bar line then lies on the frame floor(x + 1/2) of its place x
    counted from there, and the grid is not moved to the source's end.
    prompts are mixed by their weights; `style` is short for one more of weight 1 with that audio file.
    With `piece_ms`, bars come in pieces of at most that length, the same samples as whole bars.

    edit "fill" makes bars anew in the middle of the source, from what lies before and after them; "vary" as well, but
    starts from what they hold: `strength` says how far it goes from there (in eighths, 1 is a fill). `keep` lists bars
    among the new ones (0 is the first) that come back as the source has them. "front": new bars before the source,
    whose frame 0 then lies on the bar line after them. "loop": the last new bar leads into the first one.
    long: how more bars than one window holds are made; "fused": overlapping windows at once (`engine.render.crops`).
    refine: how long each window's starting noise is searched for closer adherence, "70" iterations or "5s" seconds a
    request; it works towards curve, melody, the prompts' words, and `form`, which needs it: letters by bars ("ABA").
    measure: whether the report says how well the sound follows what was asked for.
    plan: bars to play as a plan says (targets of the request itself come first), or true: one is written first; "auto":
    so is one for a generation that is told words but neither chords nor melody, where the bundle has a planner. The
    report holds what was played.
    """

    id: Id
    kind: Literal["generate", "continue"]
    bars: Bars
    tempo: Annotated[str, msgspec.Meta(min_length=1, max_length=4000)] | None = None
    source_bars: Bars | None = None
    meter: Annotated[str, msgspec.Meta(max_length=4000)] = "4/4"
    rate: Rate | None = None
    channels: Channels | None = None
    seed: Seed | None = None
    steps: Steps = 4
    guidance: Guidance | None = None
    prompts: Annotated[tuple[PromptPart, ...], msgspec.Meta(max_length=16)] = ()
    intensity: Annotated[tuple[CurvePoint, ...], msgspec.Meta(max_length=10_000)] | None = None
    melody: Annotated[tuple[Note, ...], msgspec.Meta(max_length=10_000)] | None = None
    key: Annotated[str, msgspec.Meta(max_length=32)] | None = None
    chords: Annotated[str, msgspec.Meta(max_length=4000)] | None = None
    parts: Annotated[tuple[Part, ...], msgspec.Meta(max_length=5)] | None = None
    style: FilePath | None = None
    form: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    refine: Annotated[str, msgspec.Meta(min_length=1, max_length=16)] | None = None
    strengths: Strengths = Strengths()
    source: Annotated[str, msgspec.Meta(max_length=4096)] | None = None
    inline: InlineAudio | None = None
    at_bar: Annotated[int, msgspec.Meta(ge=0, le=100_000)] | None = None
    at_beat: Annotated[float, msgspec.Meta(ge=0.0, le=128.0)] | None = None
    source_offset: Annotated[str, msgspec.Meta(min_length=1, max_length=90)] | None = None
    under: bool = False
    edit: Edit | None = None
    keep: Annotated[
        tuple[Annotated[int, msgspec.Meta(ge=0, le=MAX_BARS - 1)], ...], msgspec.Meta(max_length=MAX_BARS)
    ] = ()
    strength: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] | None = None
    only: Only | None = None
    long: Literal["chained", "fused", "independent"] = "chained"
    measure: bool = True
    plan: Plan | bool | Literal["auto"] = False
    piece_ms: Annotated[int, msgspec.Meta(ge=20, le=2_000)] | None = None
    priority: Annotated[int, msgspec.Meta(ge=0, le=9)] = 5
    deadline_ms: Annotated[int, msgspec.Meta(ge=1, le=3_600_000)] | None = None


class BarAudio(msgspec.Struct, frozen=True, kw_only=True):
    """One bar of rendered audio or a piece of it (or, with first_frame < 0, the lead-in that a seam fades in).

    first_frame counts frames at `rate` from the first new bar; audio is [frames, channels]; last: nothing follows.
    """

    bar: int
    first_frame: int
    rate: int
    audio: Audio
    last: bool


class Adherence(Struct, frozen=True):
    """How well the returned sound follows its targets; None where there was no such target or nothing to judge.

    intensity_error_db: root mean square distance from the curve, every 10 ms. melody_accuracy: share of 20 Hz frames,
    50 ms off note edges, whose strongest pitch class is the melody's. text_similarity, style_similarity: cosine between
    the sound and the prompt's words, or the reference, in the bundle's joint space. form_error: mean squared distance
    of the sound's self-similarity (cosines of MFCC 2-20 at 2 Hz) from the form's 1 within a letter and 0 between.
    """

    intensity_error_db: float | None = None
    melody_accuracy: float | None = None
    text_similarity: float | None = None
    style_similarity: float | None = None
    form_error: float | None = None


class Report(Struct, frozen=True):
    """What a finished request was, for people and for benchmarks. Times in seconds.

    first_audio_seconds: until the first new frames were out; first_bar_seconds: until the first bar was, all of it.
    bar_frames and bar_seconds count whole bars, in how many pieces they ever came.
    """

    id: str
    frames: int
    rate: int
    channels: int
    audio_seconds: float
    queue_seconds: float
    compute_seconds: float
    total_seconds: float
    real_time_factor: float
    times_real_time: float
    first_bar_seconds: float
    seed: int
    bundle: str
    runtime: str
    threads: int
    bar_frames: tuple[int, ...]
    bar_seconds: tuple[float, ...] = ()
    first_audio_seconds: float = 0.0
    context_seconds: float = 0.0
    adherence: Adherence | None = None
    plan: Plan | None = None
    remarks: tuple[str, ...] = ()


Ending = Literal["done", "cancelled", "expired", "refused", "failed"]


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """What a renderer knows when it has emitted the last bar; the resident adds the times."""

    frames: int
    rate: int
    channels: int
    seed: int
    bar_frames: tuple[int, ...]
    context_seconds: float = 0.0
    adherence: Adherence | None = None
    plan: Plan | None = None
    remarks: tuple[str, ...] = ()


class Renderer(Protocol):
    """Makes bars of audio. The resident engine holds exactly one and calls it from one thread.

    `render` validates what a schema cannot (raising `errors.BadRequest`), emits the bars in
    order as soon as each is ready, calls `progress` with 0..1, and checks `cancelled` at
    least every 80 ms, raising `errors.Cancelled` when it is true.
    """

    bundle: str
    runtime: str
    threads: int

    def warm_up(self) -> None: ...

    def info(self) -> dict[str, Any]: ...

    def render(
        self,
        request: Request,
        inline: Audio | None,
        emit: Callable[[BarAudio], None],
        progress: Callable[[float], None],
        cancelled: Callable[[], bool],
    ) -> Rendered: ...
