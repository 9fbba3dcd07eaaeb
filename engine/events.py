"""What the resident engine says about a request and about itself. Loads without torch.

Every accepted request produces Accepted, any number of Progress and BarReady, then exactly
one Ended. A request that is refused produces one Ended and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from engine.types import BarAudio, Ending, Report, Struct

State = Literal["starting", "ready", "stopping", "stopped"]


class Accepted(Struct, frozen=True):
    """The request stands in the queue; `ahead` counts the requests that were there before."""

    id: str
    ahead: int


class Progress(Struct, frozen=True):
    """How far a render is, 0..1. At most some fifty a second."""

    id: str
    fraction: float


class Ended(Struct, frozen=True):
    """The one end of a request: `report` when it is done, else a code and a sentence."""

    id: str
    ending: Ending
    code: str = ""
    text: str = ""
    report: Report | None = None


class BarReady(msgspec.Struct, frozen=True, kw_only=True):
    """One bar is rendered. Carries an array, so that it is no wire struct itself."""

    id: str
    bar: BarAudio


Event = Accepted | Progress | BarReady | Ended
Listener = Callable[[Event], None]


class Health(Struct, frozen=True):
    """Whether the engine can be trusted now. `canary_*` tell of the last canary render."""

    state: State
    ok: bool
    canary_ok: bool
    canary_text: str
    canary_age_seconds: float
    bundle: str
    runtime: str
    threads: int
    uptime_seconds: float
    waiting: int
    rendering: str | None
    silent_seconds: float


class Quantiles(Struct, frozen=True):
    """p50, p95, p99 of the last `count` values; zeros when there are none."""

    count: int = 0
    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0


class Metrics(Struct, frozen=True):
    """Counts since the start, and quantiles over the last 512 finished renders (seconds).

    longest_check_gap_ms: the longest time a render went without looking whether it is cancelled.
    dropped: what the sockets threw away, by reason.
    """

    submitted: int
    waiting: int
    rendering: int
    done: int
    cancelled: int
    expired: int
    refused: int
    failed: int
    audio_seconds: float
    compute_seconds: Quantiles
    queue_seconds: Quantiles
    first_bar_seconds: Quantiles
    real_time_factor: Quantiles
    longest_check_gap_ms: float
    listener_errors: int
    dropped: dict[str, int] = msgspec.field(default_factory=dict)
