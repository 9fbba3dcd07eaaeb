"""What is wanted: targets over feature frames from time zero, each a loss in the field's own terms (DITTO-2, 4.1).

intensity mean squared error in dB^2 · melody negative log-likelihood in nats · structure mean squared error of the
self-similarity · text one less the cosine · overlap mean squared error in dB^2. Each is partial in time by its mask.
Losses count by their weight over their unit, so that a unit's worth of any is about as far from its target.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from engine.control import extract
from engine.models.features import FRAME_RATE_HZ
from engine.models.joint import Joint


@dataclass(frozen=True)
class Seen:
    """Features [B, T, CHANNELS] dB of frames `first` ... `first + T`; those before `fresh` are past and stay."""

    features: Tensor
    first: int
    fresh: int

    @property
    def last(self) -> int:
        return self.first + self.features.shape[1]


class Target(Protocol):
    """One thing that is wanted. weight: 1 is usual; enough: a loss at which it counts as met."""

    name: str
    unit: float
    weight: float
    enough: float

    def loss(self, seen: Seen) -> Tensor | None:
        """A scalar in the field's terms, or None where nothing of it lies in what is seen."""
        ...

    def keep(self, seen: Seen) -> None:
        """These frames are final: the next ones are held against them."""
        ...


@dataclass
class Intensity:
    """level_db [T] dBFS at feature frames from time zero on; mask [T] where it is wanted (None: everywhere)."""

    level_db: Tensor
    mask: Tensor | None = None
    weight: float = 1.0
    enough: float = 0.25
    name: str = "intensity"
    unit: float = 2.0

    def loss(self, seen: Seen) -> Tensor | None:
        """dB^2 over the fresh frames and the half second before them, whose windows reach into the fresh ones."""
        begin, end = max(0, seen.first), min(seen.last, len(self.level_db))
        if end <= max(begin, seen.fresh):
            return None
        found = extract.intensity_db(seen.features[:, begin - seen.first : end - seen.first])
        judged = max(begin, seen.fresh - int(extract.HALF_WINDOW_FRAMES))
        error = (found[:, judged - begin :] - self.level_db[judged:end].to(found)).square()
        return _mean(error, None if self.mask is None else self.mask[judged:end])

    def keep(self, seen: Seen) -> None:
        """Nothing: the half second before is seen again."""


@dataclass
class Melody:
    """pitch [T] MIDI notes at feature frames from time zero on, -1 where none is wanted (rests, edges, elsewhere).

    octave: how much the octave counts beside the pitch class; sharpness: see `extract.log_classes`.
    """

    pitch: Tensor
    weight: float = 1.0
    octave: float = 0.1
    sharpness: float = 2.0
    enough: float = 0.1
    name: str = "melody"
    unit: float = 1.0

    def loss(self, seen: Seen) -> Tensor | None:
        """Negative log-likelihood in nats of the pitch class, and of its octave, where a note is wanted."""
        begin, end = max(0, seen.fresh), min(seen.last, len(self.pitch))
        if end - begin < extract.CHROMA_FRAMES:
            return None
        at = extract.chroma_frames(end - begin).round().long()
        wanted = self.pitch[begin:end][at]
        judged = wanted >= 0
        if not bool(judged.any()):
            return None
        pitches = extract.pitch_power(seen.features[:, begin - seen.first : end - seen.first])[:, judged]
        wanted = wanted[judged].to(pitches.device)
        classes = extract.log_classes(pitches, self.sharpness)
        chosen = classes.gather(-1, (wanted % 12)[None, :, None].expand(len(classes), -1, 1))
        loss = -chosen.mean()
        if self.octave > 0:
            loss = loss - self.octave * extract.log_octaves(pitches, wanted).mean()
        return loss

    def keep(self, seen: Seen) -> None:
        """Nothing: frames do not depend on each other."""


@dataclass
class Structure:
    """similarity [n, n] wanted of half-second rows from time zero on, 0..1; NaN where nothing is wanted.

    Rows that are kept stay what they are; only pairs with a fresh row count.
    """

    similarity: Tensor
    weight: float = 1.0
    enough: float = 0.01
    name: str = "structure"
    unit: float = 0.05
    kept: list[Tensor] = field(default_factory=list)

    def _rows(self, seen: Seen) -> Tensor | None:
        """Rows [B, n, 19] from the first that is not kept to the last whose frames are all there."""
        edges = extract.row_edges(min(seen.last, round(len(self.similarity) * extract.ROW_FRAMES)))[len(self.kept) :]
        inside = [edge - seen.first for edge in edges]
        if len(inside) < 2 or inside[0] < 0:
            return None
        return extract.mfcc_rows(seen.features, inside)

    def loss(self, seen: Seen) -> Tensor | None:
        """Mean squared error of the cosines of fresh rows with all rows so far."""
        rows = self._rows(seen)
        if rows is None:
            return None
        count = len(self.kept) + rows.shape[1]
        before = [row[None].expand(len(rows), -1, -1) for row in self.kept]
        found = extract.self_similarity(rows, torch.cat([*before, rows], dim=1))
        wanted = self.similarity[len(self.kept) : count, :count].to(found)
        return _mean((found - wanted.nan_to_num(0.0)).square(), ~wanted.isnan())

    def keep(self, seen: Seen) -> None:
        """The rows that are complete are held against later ones."""
        rows = self._rows(seen)
        if rows is not None:
            self.kept += list(rows.detach().transpose(0, 1)[:, :1])


@dataclass
class Text:
    """The sound should fit words: `wanted` [SPACE] is their unit vector in the joint space. Frames first to last."""

    joint: Joint
    wanted: Tensor
    first: int = 0
    last: int | None = None
    weight: float = 1.0
    enough: float = 0.1
    name: str = "text"
    unit: float = 0.25

    def loss(self, seen: Seen) -> Tensor | None:
        """One less the cosine of what is fresh, at least a second of it."""
        begin = max(self.first, seen.fresh, seen.first)
        end = seen.last if self.last is None else min(seen.last, self.last)
        if end - begin < FRAME_RATE_HZ:
            return None
        heard = extract.embedding(self.joint, seen.features[:, begin - seen.first : end - seen.first])
        return 1.0 - (heard @ self.wanted.to(heard)).mean()

    def keep(self, seen: Seen) -> None:
        """Nothing: each window is heard by itself."""


@dataclass
class Timbre:
    """A guard: mean spectrum [CHANNELS] in dB and mean power in dBFS stay those of plain sampling, so that nearness to
    a target is not bought with another sound or level. It is no target: it never keeps a search from being met."""

    spectrum_db: Tensor
    power_db: float
    weight: float = 1.0
    enough: float = float("inf")
    name: str = "timbre"
    unit: float = 20.0

    def loss(self, seen: Seen) -> Tensor | None:
        """dB^2 of what is fresh: the mean square distance over bands, and that of the power."""
        spectrum, power = mean_levels(seen)
        moved = (spectrum - self.spectrum_db.to(spectrum)).square().mean()
        return moved + (power - self.power_db).square().mean()

    def keep(self, seen: Seen) -> None:
        """Nothing: each window has its own."""


def mean_levels(seen: Seen) -> tuple[Tensor, Tensor]:
    """Mean levels in dB [B, CHANNELS] and mean power in dBFS [B] of the fresh frames."""
    fresh = seen.features[:, max(0, seen.fresh - seen.first) :]
    return fresh.mean(1), 10.0 * torch.log10(extract.power(fresh).mean(1) + 1e-9)


def form_similarity(letters: list[str], seconds: list[float]) -> Tensor:
    """The self-similarity [n, n] that a form asks for at 2 Hz: 1 where two rows lie in sections of one letter, else 0.

    letters: one a bar; seconds: of the bar lines, one more than letters, the first 0.
    """
    rows = int(seconds[-1] * extract.ROWS_HZ)
    bars = [max(k for k in range(len(letters)) if seconds[k] <= (row + 0.5) / extract.ROWS_HZ) for row in range(rows)]
    names = [letters[bar] for bar in bars]
    return torch.tensor([[1.0 if a == b else 0.0 for b in names] for a in names])


def _mean(error: Tensor, mask: Tensor | None) -> Tensor | None:
    """The mean of error [B, ...] where mask [...] says so; None where that is nowhere."""
    if mask is None:
        return error.mean()
    chosen = error[:, mask.to(error.device)] if mask.dim() < error.dim() else error[mask]
    return chosen.mean() if chosen.numel() else None
