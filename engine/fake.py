"""A renderer without a model: clicks on the beats, a tone on each bar. For protocol and timing.

The tone's pitch comes from seed and prompts, so that a test hears whose bar it is. Speaks the
whole contract of `engine.types.Renderer` in exact frames at any rate, so that clients, DAW
scripts and timing tests start in a second. Its bundle is called "fake" and its figures count
for nothing. Loads without torch.

*Threading*: called from the resident's worker alone. `seconds_per_bar` makes it as slow as a
test wants; it then checks `cancelled` every 5 ms.
"""

from __future__ import annotations

import itertools
import time
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from engine.controls import on_grid
from engine.errors import BadRequest, Cancelled
from engine.render.pieces import cuts_of
from engine.render.source import source_of
from engine.timing import Anchor, TempoMap, new_bar_boundaries
from engine.types import MODEL_RATE_HZ, SEAM_SECONDS, Audio, BarAudio, Plan, Rendered, Request

CLICK_SECONDS = 0.01
TONE_HZ = 440.0
TONES, TONES_AN_OCTAVE = 48, 24
CHECK_SECONDS = 0.005


class FakeRenderer:
    """Implements `engine.types.Renderer` without weights; `seconds_per_bar` delays each bar."""

    bundle = "fake"
    runtime = "fake"
    threads = 1

    def __init__(self, seconds_per_bar: float = 0.0) -> None:
        self.seconds_per_bar = seconds_per_bar

    def warm_up(self) -> None:
        """Nothing to warm."""

    def info(self) -> dict[str, Any]:
        return {"bundle": self.bundle, "runtime": self.runtime, "threads": self.threads, "styles": []}

    def render(
        self,
        request: Request,
        inline: Audio | None,
        emit: Callable[[BarAudio], None],
        progress: Callable[[float], None],
        cancelled: Callable[[], bool],
    ) -> Rendered:
        """Emit the bars of `request`; see `engine.types.Renderer`."""

        def check() -> None:
            if cancelled():
                raise Cancelled("cancelled while it was read")

        source, source_rate = _source(request, inline, check)
        rate = request.rate or source_rate
        channels = request.channels or (2 if source is None else source.shape[1])
        tempo_map, place = on_grid(request, *((0, rate) if source is None else (len(source), source_rate)))
        if place.start_frame > 0:
            emit(_lead_in(min(place.start_frame, round(SEAM_SECONDS * rate)), rate, channels))
        lines = new_bar_boundaries(place, tempo_map, request.bars, rate)
        for k in range(request.bars):
            self._wait(progress, cancelled, k, request.bars)
            audio = _bar(tempo_map, place, k, lines, rate, channels, tone_hz(request))
            for piece in cuts_of([0, len(audio)], 0, rate, request.piece_ms):
                first, last = lines[k] + piece.first, lines[k] + piece.end == lines[-1]
                emit(BarAudio(bar=k, first_frame=first, rate=rate, audio=audio[piece.first : piece.end], last=last))
            progress((k + 1) / request.bars)
        frames = tuple(b - a for a, b in itertools.pairwise(lines))
        return Rendered(
            frames=lines[-1],
            rate=rate,
            channels=channels,
            seed=request.seed or 0,
            bar_frames=frames,
            plan=request.plan if isinstance(request.plan, Plan) else None,
            remarks=(place.remark,) if place.remark else (),
        )

    def _wait(self, progress: Callable[[float], None], cancelled: Callable[[], bool], bar: int, bars: int) -> None:
        """Be as slow as asked, and give up within 5 ms when told to."""
        begin = time.monotonic()
        while True:
            if cancelled():
                raise Cancelled("cancelled while it rendered")
            left = self.seconds_per_bar - (time.monotonic() - begin)
            if left <= 0:
                return
            time.sleep(min(left, CHECK_SECONDS))
            progress((bar + 1 - left / max(self.seconds_per_bar, left)) / bars)


def _source(request: Request, inline: Audio | None, check: Callable[[], None]) -> tuple[Audio | None, int]:
    """What is continued, [frames, channels], and its rate; MODEL_RATE_HZ without one. As the model reads it."""
    if request.kind == "continue" and request.source is None and inline is None:
        raise BadRequest("a continuation needs something to continue: a file, or audio beside the request")
    source = source_of(request, inline, check)
    return (None, MODEL_RATE_HZ) if source is None else (source.audio, source.rate)


def tone_hz(request: Request) -> float:
    """440 Hz without seed and prompts; else one of 48 pitches within two octaves, by both."""
    if not request.seed and not request.prompts:
        return TONE_HZ
    words = ",".join(f"{part.text}:{part.weight!r}" for part in request.prompts)
    step = zlib.crc32(f"{request.seed or 0},{words}".encode()) % TONES
    return float(TONE_HZ / 2 * 2.0 ** (step / TONES_AN_OCTAVE))


def _bar(tempo_map: TempoMap, place: Anchor, k: int, lines: list[int], rate: int, channels: int, hz: float) -> Audio:
    """Bar k of the new ones: a tone that dies away, and a click on each felt beat; peak 0.55.

    The first bar is cut where it begins inside of its bar; what is left of it is the same.
    """
    bar = place.start_bar + k
    quarters = tempo_map.bar_start_quarters(bar)
    first = place.frame_of(quarters, tempo_map, rate)
    late = place.frame_of(place.begin_quarters, tempo_map, rate) - first if k == 0 else 0
    seconds = np.arange(late + lines[k + 1] - lines[k]) / rate
    sound = 0.25 * np.sin(2 * np.pi * hz * seconds) * np.exp(-8 * seconds)
    click = np.exp(-6 * np.arange(max(1, round(CLICK_SECONDS * rate))) / (CLICK_SECONDS * rate))
    for length in tempo_map.meter_at(bar).beats:
        at = place.frame_of(quarters, tempo_map, rate) - first
        part = sound[at : at + len(click)]
        part += 0.3 * click[: len(part)]
        quarters += length
    return np.repeat(sound[late:].astype(np.float32)[:, None], channels, axis=1)


def _lead_in(frames: int, rate: int, channels: int) -> BarAudio:
    """What sounds right before the first new bar and is faded in at the seam: here, silence."""
    audio = np.zeros((frames, channels), np.float32)
    return BarAudio(bar=-1, first_frame=-frames, rate=rate, audio=audio, last=False)
