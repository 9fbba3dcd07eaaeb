"""A live job as a request: what is wished for, the context that it continues, its place on the project's grid. Pure but
for reading the cache."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np

from bridge.live.map import ProjectMap
from bridge.timeline.engine import EngineSide
from bridge.timeline.structs import NO_INTENSITY_DB, Knobs, Words
from engine.horizon.plans import Job
from engine.types import Audio, CurvePoint, InlineAudio, Note, PromptPart, Request, Strengths

CONTEXT_S = 4.0
LEAST_CONTEXT_S = 0.5
MAX_SHIFT_BARS = 8
SILENT = 1e-4
PRIORITY = 9
STEPS = 2
PIECE_MS = 100
LONGEST_OFFSET = 10**30
SEED_STEP, SEEDS = 7_919, 2**53


@dataclass(frozen=True)
class Wishes:
    """What the player asks for, as the plugin's knobs and words say it; strengths are steered by MIDI alone."""

    prompt_a: str = ""
    prompt_b: str = ""
    blend: float = 0.0
    guidance: float = 3.0
    intensity_db: float = NO_INTENSITY_DB
    seed: int = 0
    prompt_strength: float | None = None
    melody_strength: float | None = None


KINDS: dict[str, tuple[str, ...]] = {
    "prompt": ("prompt_a", "prompt_b", "blend", "prompt_strength"),
    "melody": ("melody_strength",),
    "guidance": ("guidance",),
    "intensity": ("intensity_db",),
    "seed": ("seed",),
}
"""Kind of a change -> the wishes that it sets."""


def wishes_of(knobs: Knobs, words: Words) -> Wishes:
    return Wishes(words.prompt_a, words.prompt_b, knobs.blend, knobs.guidance, knobs.intensity_db, words.seed)


def differences(old: Wishes, new: Wishes) -> dict[str, dict[str, Any]]:
    """Kind -> fields and values, of what differs."""
    found = {}
    for kind, names in KINDS.items():
        if any(getattr(old, name) != getattr(new, name) for name in names):
            found[kind] = {name: getattr(new, name) for name in names}
    return found


@dataclass(frozen=True)
class Context:
    """Audio [frames, 2] that ends where a job begins; first: its first project frame. own: all of it our own bars."""

    first: int
    audio: Audio
    own: bool = False


def context_of(side: EngineSide, song: ProjectMap, job: Job, captured: bool = False) -> Context | None:
    """The 4 s before a job: our own bars, else what the track carried; None where there is neither.

    captured: only what the track carried counts, as "continue this" asks for.
    """
    frames = min(round(CONTEXT_S * side.rate), job.at.frame - song.unbroken_from(job.at.frame))
    first = job.at.frame - frames
    if frames <= 0:
        return None
    if not captured:
        audio, known = side.read(first, frames)
        own = bool(known.all())
        if not own:
            heard, there = side.context(first, frames)
            audio, known = np.where(known[:, None], audio, heard), known | there
        if (found := _tail(audio, known, first, side.rate)) is not None:
            return replace(found, own=own)
    return _earlier(side, song, job, frames)


def _earlier(side: EngineSide, song: ProjectMap, job: Job, frames: int) -> Context | None:
    """What the track carried, from the nearest whole number of bars before, so that the beat stays."""
    for bars in range(MAX_SHIFT_BARS + 1 if frames > 0 else 0):
        shift = song.frame(job.at.bar) - song.frame(job.at.bar - bars)
        first = job.at.frame - frames
        audio, there = side.context(first - shift, frames)
        if (found := _tail(audio, there, first, side.rate)) is not None:
            return found
    return None


def _tail(audio: Audio, known: np.ndarray[Any, np.dtype[np.bool_]], first: int, rate: int) -> Context | None:
    """The known frames at the end, where they are long enough and not silent."""
    gaps = np.flatnonzero(~known)
    start = int(gaps[-1]) + 1 if len(gaps) else 0
    tail = audio[start:]
    if len(tail) < LEAST_CONTEXT_S * rate:
        return None
    peak = max(float(tail.max()), -float(tail.min()))
    if not math.isfinite(peak):
        tail = np.nan_to_num(tail)
    return Context(first + start, tail) if not peak <= SILENT else None


def request_for(
    request_id: str,
    job: Job,
    song: ProjectMap,
    wishes: Wishes,
    context: Context | None,
    melody: tuple[Note, ...] | None,
    steps: int = STEPS,
    deadline_ms: int | None = None,
) -> tuple[Request, Audio | None]:
    """The request of a job, and the audio that travels beside it."""
    first = job.at.frame if context is None else context.first
    base = job.at.bar if context is None else song.bar_at(first)
    tempo, meter = song.texts(base, job.until_bar)
    loud = wishes.intensity_db > NO_INTENSITY_DB
    request = Request(
        id=request_id,
        kind="generate" if context is None else "continue",
        bars=job.until_bar - job.at.bar,
        tempo=tempo,
        meter=meter,
        rate=song.rate,
        channels=2,
        at_bar=job.at.bar - base,
        at_beat=float(job.at.quarter) if job.at.quarter else None,
        source_offset=_offset(first - song.exact(base)),
        seed=(wishes.seed + job.at.bar * SEED_STEP) % SEEDS,
        steps=steps,
        guidance=wishes.guidance,
        prompts=_prompts(wishes),
        intensity=(CurvePoint(beat=0.0, db=wishes.intensity_db),) if loud else None,
        melody=melody,
        strengths=Strengths(prompt=wishes.prompt_strength, melody=wishes.melody_strength),
        measure=False,
        piece_ms=PIECE_MS,
        priority=PRIORITY,
        deadline_ms=deadline_ms,
    )
    if context is None:
        return request, None
    shape = InlineAudio(rate=song.rate, channels=2, frames=len(context.audio))
    return msgspec.structs.replace(request, inline=shape), context.audio


def _offset(frames: Fraction) -> str:
    if frames.denominator > LONGEST_OFFSET:
        frames = frames.limit_denominator(10**15)
    return str(frames)


def _prompts(wishes: Wishes) -> tuple[PromptPart, ...]:
    weighed = ((wishes.prompt_a, 1 - wishes.blend), (wishes.prompt_b, wishes.blend))
    return tuple(PromptPart(text=text[:1000], weight=weight) for text, weight in weighed if text.strip() and weight > 0)


def obeyed(wishes: Wishes, patch: dict[str, Any]) -> Wishes:
    """The wishes after a change."""
    return replace(wishes, **patch)
