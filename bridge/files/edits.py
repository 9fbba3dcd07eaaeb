"""Edits of a file or an array: bars replaced, varied, put in front or laid over, the rest with its own sample values.

    from bridge.files import edits
    from bridge.client import connect

    with connect() as engine:
        edited = edits.fill(engine, "loop.wav", "3-4", tempo=122)
        edits.accompany(engine, "loop.wav", parts=("bass",), tempo=122).take.save("bass.wav")

Bars of an edit are named as a DAW counts them, from 1: "3-4,7" is bars 3, 4 and 7. *Threading*: as `bridge.client`.
"""

from __future__ import annotations

import itertools
import re
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bridge.client import Engine, Source
from bridge.files.joining import new_starts_at
from bridge.files.wavefile import AudioFile
from bridge.take import Take
from engine.controls import on_grid
from engine.errors import BadRequest
from engine.timing import shown
from engine.types import MAX_BARS, SEAM_SECONDS, Audio, Request

BARS_SENTENCE = 'Bars are counted from 1, as in "3", "3-4" or "3-4,7"'
LAST_BAR = 100_000
TOLERANCE_SECONDS = 0.05
_RANGE = re.compile(r"\s*([0-9]{1,6})\s*(?:-\s*([0-9]{1,6})\s*)?")
Samples = NDArray[np.float64]


class Span(NamedTuple):
    """Bars of an edit as a request has them: the first (from 0), how many, and which of them stay (0: the first)."""

    at_bar: int
    bars: int
    keep: tuple[int, ...] = ()


class Made(Protocol):
    """What a request brought: audio [frames, channels] and the lead-in that a seam fades in, or None."""

    @property
    def audio(self) -> Audio: ...

    @property
    def lead_in(self) -> Audio | None: ...


class Edited(NamedTuple):
    """audio: the whole, float64 [frames, channels]; take: the new bars alone."""

    audio: Samples
    rate: int
    take: Take


def parse_bars(text: str) -> Span:
    """The span of "3-4,7"; BadRequest for bars that are out of order, met twice, or more than a request has."""
    matches = [_RANGE.fullmatch(part) for part in text[:4000].split(",")]
    pairs = [(int(m[1]), int(m[2] or m[1])) for m in matches if m]
    wrong = len(pairs) < len(matches) or any(not 1 <= a <= b <= LAST_BAR for a, b in pairs)
    if wrong or any(a[1] >= b[0] for a, b in itertools.pairwise(pairs)):
        raise BadRequest(f"{BARS_SENTENCE}, in rising order; got {shown(text)}.")
    first, last = pairs[0][0], pairs[-1][1]
    if last - first >= MAX_BARS:
        raise BadRequest(f"The bars of one edit lie within {MAX_BARS} bars; got {shown(text)}.")
    new = {bar for a, b in pairs for bar in range(a, b + 1)}
    keep = tuple(bar - first for bar in range(first, last + 1) if bar not in new)
    return Span(first - 1, last - first + 1, keep)


def whole_bars(request: Request, frames: int, rate: int) -> int:
    """How many whole bars `frames` hold on the request's grid, up to 50 ms short. BadRequest for none."""
    from msgspec.structs import replace

    bare = replace(request, at_bar=0, edit=None, bars=1, intensity=None, melody=None, chords=None)
    tempo_map, place = on_grid(bare, frames, rate)
    bars = 0
    while place.frame_of(tempo_map.bar_start_quarters(bars + 1), tempo_map, rate) - frames <= TOLERANCE_SECONDS * rate:
        bars += 1
        if bars == MAX_BARS:
            break
    if bars == 0:
        raise BadRequest("The input holds no whole bar at this tempo; give a longer one, or its tempo.")
    return bars


# ---- putting sound in its place ----------------------------------------------------------------


def replaced(original: AudioFile, request: Request, made: Made) -> Samples:
    """IN with the new bars in their place, as long as it was; what stays has IN's exact values.

    The 20 ms before the first new bar fade into the lead-in; the engine has made all other seams.
    """
    start, held = new_starts_at(original, request), original.samples
    end = min(len(held), start + len(made.audio))
    seam = min(start, round(SEAM_SECONDS * original.rate))
    lead_in = np.zeros((0, held.shape[1]), np.float32) if made.lead_in is None else made.lead_in
    result = held.copy()
    result[start - seam : end] = mended(held[start - seam : end], made.audio[: end - start], lead_in, seam)
    return result


def mended(held: Samples, new: Audio, lead_in: Audio, seam: int) -> Samples:
    """held [seam + len(new), channels] with the new bars behind its first `seam` frames, which fade into the lead-in.

    Frames that are what they were keep their exact values.
    """
    from engine.render.join import join

    was = held.astype(np.float32)
    now = join(was[:seam], new, lead_in, seam)
    return np.where(now != was, now, held)


def in_front(original: AudioFile, made: Made) -> Samples:
    """The new bars, then IN."""
    return np.concatenate([made.audio.astype(np.float64), original.samples])


def laid_over(original: AudioFile, request: Request, made: Made) -> Samples:
    """IN and the new part together, as long as the longer one."""
    start = new_starts_at(original, request)
    result = np.zeros((max(len(original.samples), start + len(made.audio)), original.samples.shape[1]))
    result[: len(original.samples)] = original.samples
    result[start : start + len(made.audio)] += made.audio
    return result


# ---- asking a running engine -------------------------------------------------------------------


def fill(engine: Engine, source: Source, bars: str, tempo: Any = None, prompt: Any = "", **options: Any) -> Edited:
    """Replace bars, as "3-4,7". options: as for `Engine.continue_`."""
    return _replace(engine, source, parse_bars(bars), tempo, prompt, edit="fill", **options)


def vary(
    engine: Engine,
    source: Source,
    bars: str,
    strength: float = 0.5,
    tempo: Any = None,
    prompt: Any = "",
    **options: Any,
) -> Edited:
    """A new take on bars; `strength` from 0 (hardly) to 1 (as a fill), 0.5 unless given."""
    return _replace(engine, source, parse_bars(bars), tempo, prompt, edit="vary", **options)


def accompany(
    engine: Engine, source: Source, bars: int | None = None, tempo: Any = None, prompt: Any = "", **options: Any
) -> Edited:
    """A part that sounds under what is there: `take` is the part, `audio` both together."""
    original = _sound(source)
    probe, _ = engine.continue_request(source, 1, tempo, prompt, **_fields(options))
    count = bars or whole_bars(probe, len(original.samples), original.rate)
    return _ask(engine, source, original, count, tempo, prompt, laid_over, under=True, at_bar=0, **options)


def extend_front(
    engine: Engine, source: Source, bars: int, tempo: Any = None, prompt: Any = "", **options: Any
) -> Edited:
    """New bars that lead into what is there."""
    return _ask(engine, source, _sound(source), bars, tempo, prompt, _put_in_front, edit="front", **options)


def _put_in_front(original: AudioFile, request: Request, made: Made) -> Samples:
    return in_front(original, made)


def _replace(engine: Engine, source: Source, span: Span, tempo: Any, prompt: Any, **options: Any) -> Edited:
    fields = {"at_bar": span.at_bar, "keep": span.keep, **options}
    return _ask(engine, source, _sound(source), span.bars, tempo, prompt, replaced, **fields)


def _ask(
    engine: Engine, source: Source, original: AudioFile, bars: int, tempo: Any, prompt: Any, put: Any, **options: Any
) -> Edited:
    request, inline = engine.continue_request(source, bars, tempo, prompt, **_fields(options))
    take = engine.take(request, inline, **{k: v for k, v in options.items() if k in CALL})
    return Edited(put(original, request, take), original.rate, take)


CALL = ("timeout_s", "on_progress")


def _fields(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in CALL}


def _sound(source: Source) -> AudioFile:
    """What is edited, with its exact sample values."""
    from pathlib import Path

    from bridge.files.wavefile import read_exact

    if not isinstance(source, tuple):
        return read_exact(Path(source))
    audio, rate = source
    samples = np.asarray(audio, np.float64)
    return AudioFile(samples[:, None] if samples.ndim == 1 else samples, rate, "FLOAT")
