"""What is known around bars that are made anew: the latents of a request's whole line, and which of them stay.

The line runs from the context before time zero to the context after the new bars. Latent j stands where
`engine.render.condition` says. A stretch of sound that stays is known but for its `UNSURE` latents next to a
hole, whose windows reach into it.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.models import features as F
from engine.models.codec import LATENT_HOP, LATENTS, PATCH
from engine.render.condition import Place, encoded
from engine.render.past import UNSURE, Encode
from engine.render.source import SILENCE, Check, Source
from engine.types import MODEL_RATE_HZ, Audio

AFTER = 40
Frames = tuple[int, int]
"""first, end: frames at the caller's rate from the first new bar on."""


@dataclass
class Line:
    """latents [n, 64] and known [n] (bool) from latent -before on; features [8 n, CHANNELS] of the source there."""

    before: int
    latents: Tensor
    known: Tensor
    features: Tensor

    @property
    def end(self) -> int:
        """The latent after the last one, counted from time zero."""
        return len(self.latents) - self.before

    def holes(self) -> list[tuple[int, int]]:
        """(first, end) of each run of latents that are not known, counted from time zero."""
        flags = np.concatenate([[True], self.known.numpy(), [True]])
        edges = np.flatnonzero(np.diff(flags.astype(np.int8)))
        return [(int(a) - self.before, int(b) - self.before) for a, b in edges.reshape(-1, 2)]

    def put(self, first: int, made: Tensor) -> None:
        """Latents [n, 64] that were made, from latent `first` on; they are known from now on."""
        here = slice(first + self.before, first + self.before + len(made))
        self.latents[here] = made
        self.known[here] = True

    def steady(self) -> Tensor:
        """Features [T, CHANNELS] of all that stays."""
        return self.features[self.known.repeat_interleave(PATCH)]


def holes_of(lines: list[int], keep: tuple[int, ...]) -> list[Frames]:
    """The new bars in runs, as frames, without those that are kept. lines: bars + 1 frames, the first 0."""
    bars = [bar for bar in range(len(lines) - 1) if bar not in set(keep)]
    runs: list[Frames] = []
    for bar in bars:
        if runs and runs[-1][1] == lines[bar]:
            runs[-1] = (runs[-1][0], lines[bar + 1])
        else:
            runs.append((lines[bar], lines[bar + 1]))
    return runs


def stays(place: Place, first: int, count: int, holes: list[Frames]) -> Tensor:
    """Which of the latents first ... first + count are known [count]: those that lie inside of what stays."""
    known = torch.zeros(count, dtype=torch.bool)
    if place.source is None:
        return known
    scale = MODEL_RATE_HZ / place.rate
    edges = [first * LATENT_HOP / scale, *itertools.chain.from_iterable(holes), math.inf]
    last_frame = len(place.source.audio) - place.anchor.start_frame
    for index, (low, high) in enumerate(zip(edges[0::2], edges[1::2], strict=True)):
        low, high = max(low, -place.anchor.start_frame), min(high, last_frame)
        if high <= low or _silent(place.source, place.anchor.start_frame + low, place.anchor.start_frame + high):
            continue
        begin = math.ceil(low * scale / LATENT_HOP) + (UNSURE if index else 0)
        end = math.floor(high * scale / LATENT_HOP) - UNSURE
        known[max(0, begin - first) : max(0, end - first)] = True
    return known


def _silent(source: Source, first: float, end: float) -> bool:
    piece = source.audio[max(0, math.floor(first)) : math.ceil(end)]
    return len(piece) == 0 or float(np.abs(piece).max()) < SILENCE


def line_of(place: Place, holes: list[Frames], before: int, encode: Encode, check: Check) -> Line:
    """The line of an edit: `before` latents of context, the new bars, and AFTER latents after them."""
    count = before + place.latents + AFTER
    known = stays(place, -before, count, holes)
    latents, features = encoded(place, -before, count, encode, check, _analysed)
    assert latents.shape == (count, LATENTS), latents.shape
    return Line(before, latents, known, features)


def _analysed(audio: Audio) -> Tensor:
    return F.analyse_tensor(torch.from_numpy(audio))
