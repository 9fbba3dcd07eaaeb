"""Edits: bars made anew from what lies before and after them.

An edit takes the place of stage 2: its line of latents (`engine.render.line`) holds what stays, and each hole is made
in windows that see both sides. "vary" starts from what the hole held (`engine.diffusion.restart`). Loops are in
`engine.render.looping`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.diffusion import restart
from engine.models import conditions as K
from engine.models.codec import LATENTS, PATCH
from engine.models.denoiser import INTENSITY_FEATURES, Conditions
from engine.render.condition import CONTEXT, Material, Place
from engine.render.job import Job
from engine.render.level import power_db, smoothed_db
from engine.render.line import AFTER, Line, holes_of, line_of
from engine.render.mend import Mend
from engine.render.past import UNSURE, Encode
from engine.render.sample import WINDOW
from engine.render.source import Check
from engine.runtimes.base import Runtime
from engine.types import SEAM_SECONDS, Audio, BarAudio, Request

SOFT_SECONDS = 0.005
"""How long sound fades out where what follows is not there before it begins."""
DECODED_BEYOND = 4
LEAST_CONTEXT = 20
LAST_PIECE = 60
USUAL_STRENGTH = 0.5


@dataclass
class Edited:
    """What an edit does in place of plain sampling. holes: latents to make, (first, end) from time zero; until: where
    what is heard ends, if not with the last hole.
    """

    line: Line
    holes: list[tuple[int, int]]
    mend: Mend | None
    place_eighths: int | None = None
    until: int = 0

    def make(self, runtime: Runtime, job: Job) -> Tensor:
        """Latents [n, 64] from -UNSURE to a little past the new bars; what stays is what it was."""
        generator = torch.Generator().manual_seed(job.seed)
        for span in self.spans:
            self._piece(runtime, job, span, generator)
        return self.made

    @property
    def spans(self) -> list[tuple[int, int]]:
        """(first, end) of what is made at a time, in order."""
        return [span for hole in self.holes for span in pieces(hole)]

    @property
    def made(self) -> Tensor:
        """What `make` returns, once all holes are made."""
        return self.line.latents[self.line.before - UNSURE : self.last + self.line.before]

    @property
    def last(self) -> int:
        """Where `make` ends: past the last hole, as far as something is known there, for the decoder's sake."""
        end = max(self.until, self.holes[-1][1])
        beyond = self.line.known[self.line.before + end : self.line.before + end + DECODED_BEYOND]
        return end + int(beyond.all()) * len(beyond)

    def _piece(self, runtime: Runtime, job: Job, span: tuple[int, int], generator: torch.Generator) -> None:
        """Make the latents of one window and put them on the line."""
        first, last = span
        low, high = window_around(self.line, span)
        given = conditions_of(job.material, self.line, low, high)
        shape, how = (1, high - low, LATENTS), (job.steps, job.guidance, job.check)

        def draw() -> Tensor:
            return torch.randn(shape, generator=generator)

        if self.place_eighths is None:
            clean = runtime.sample(given, draw, *how)[0]
        else:
            held = self.line.latents[None, low + self.line.before : high + self.line.before]
            clean = runtime.resample(given, held, draw, self.place_eighths, *how)[0]
        self.line.put(first, clean[first - low : last - low])

    def mending(self, emit: Callable[[BarAudio], None]) -> Callable[[BarAudio], None]:
        """`emit` for bars whose seams with what stays are made."""
        mend = self.mend
        return emit if mend is None else lambda bar: emit(mend.mended(bar))


def pieces(hole: tuple[int, int]) -> list[tuple[int, int]]:
    """A hole in windows' worth: one where both sides find room beside it; else the last one, which sees what
    comes after, is short."""
    first, end = hole
    total = end - first
    if total <= WINDOW - 2 * LEAST_CONTEXT:
        return [hole]
    rest = total - LAST_PIECE
    count = -(-rest // (WINDOW - CONTEXT))
    edges = [first + round(rest * i / count) for i in range(count + 1)]
    return [*itertools.pairwise(edges), (edges[-1], end)]


def window_around(line: Line, span: tuple[int, int]) -> tuple[int, int]:
    """(low, high) of the window that makes `span`: what is known on both sides, in fair shares of WINDOW."""
    first, last = span
    low, high = first, last
    while low > max(-line.before, first - CONTEXT) and bool(line.known[low - 1 + line.before]):
        low -= 1
    while high < min(line.end, last + AFTER) and bool(line.known[high + line.before]):
        high += 1
    room = WINDOW - (last - first)
    after = min(high - last, max(room // 2, room - (first - low)))
    before = min(first - low, room - after)
    return first - before, last + after


def conditions_of(material: Material, line: Line, low: int, high: int) -> Conditions:
    """What the denoiser is told about latents low ... high of the line."""
    here = slice(low + line.before, high + line.before)
    mask = line.known[here, None].float()[None]
    context = line.latents[None, here] * mask
    frames = np.ascontiguousarray(material.frames[(low + material.before) * PATCH : (high + material.before) * PATCH])
    nothing = torch.zeros_like(context), torch.zeros_like(mask)
    return Conditions(context, mask, *nothing, K.pack_frames(frames)[None], torch.from_numpy(material.overall)[None])


def edit_of(request: Request, place: Place, material: Material, encode: Encode, check: Check) -> Edited:
    """Prepare a fill, a variation or new bars at the front; changes `material` to what its line holds."""
    assert place.source is not None, request.edit
    frames = holes_of(place.lines, request.keep)
    line = line_of(place, frames, material.before, encode, check)
    holes = [(max(a, -UNSURE), b if b < line.end else place.latents) for a, b in line.holes()]
    holes = [(a, b) for a, b in holes if a < min(b, place.latents)]
    new = _new_frames(material, holes)
    _tell_nothing(material, new)
    _tell_level(request, material, line, new)
    if len(material.context):
        material.context = line.latents[: line.before].clone()
    eighths = None
    if request.edit == "vary":
        eighths = restart.nearest_place(USUAL_STRENGTH if request.strength is None else request.strength)
        material.level_db = power_db(line.features[new])
    soft = SOFT_SECONDS if request.edit == "front" else SEAM_SECONDS
    seams = round(SEAM_SECONDS * place.rate), round(soft * place.rate)
    return Edited(line, holes, Mend(frames, _staying(place), *seams), eighths)


def _new_frames(material: Material, holes: list[tuple[int, int]]) -> NDArray[np.bool_]:
    """Which feature frames of the line are made anew."""
    new = np.zeros(len(material.frames), bool)
    for first, end in holes:
        new[(first + material.before) * PATCH : (end + material.before) * PATCH] = True
    return new


def _tell_nothing(material: Material, new: NDArray[np.bool_]) -> None:
    """Nothing is said of the notes that stay."""
    kept = material.frames[~new]
    K.withhold_notes(kept, len(kept), len(kept))
    material.frames[~new] = kept


def _tell_level(request: Request, material: Material, line: Line, new: NDArray[np.bool_]) -> None:
    """What stays is as loud as it is; new bars without a curve as what stays, or as what they vary."""
    flag, value = -INTENSITY_FEATURES, -INTENSITY_FEATURES + 1
    if not material.frames[:, flag].any():
        return
    level = smoothed_db(line.features)
    told = ~new if request.intensity is not None or request.edit != "vary" else np.ones_like(new)
    material.frames[told, value] = K.scaled_db(level[told])
    steady = level[~new]
    if request.intensity is None and request.edit != "vary" and len(steady):
        material.frames[new, value] = K.scaled_db(np.median(steady[steady > steady.max() - 25.0]))


def _staying(place: Place) -> Audio:
    """The source under the new bars [frames, channels]; silence where it has ended."""
    assert place.source is not None
    first, count = place.anchor.start_frame, place.lines[-1]
    stay = place.source.audio[first : first + count]
    return np.pad(stay, ((0, count - len(stay)), (0, 0)))
