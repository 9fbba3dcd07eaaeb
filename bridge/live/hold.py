"""Bars that are held: read once, then copied ahead of the play head again and again. No render.

*Threading*: the live thread owns it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bridge.live.map import ProjectMap
from bridge.timeline.engine import EngineSide
from engine.horizon.plans import Hold
from engine.types import SEAM_SECONDS, Audio


@dataclass(frozen=True)
class HeldBars:
    """audio: the held bars and, where it was there, what followed them; lines: where each begins in it, and the end."""

    audio: Audio
    lines: tuple[int, ...]
    seam_frames: int

    def bar(self, source: int, frames: int) -> Audio:
        """Held bar `source` (0: the first) as `frames` of a bar; where the turn begins anew, over what followed."""
        first = self.lines[source]
        part = self.audio[first : first + frames]
        if len(part) < frames:
            part = np.concatenate([part, np.zeros((frames - len(part), part.shape[1]), np.float32)])
        after = self.audio[self.lines[-1] : self.lines[-1] + min(self.seam_frames, frames)]
        if source > 0 or not len(after):
            return part
        angle = ((np.arange(len(after)) + 0.5) / len(after) * (np.pi / 2)).astype(np.float32)[:, None]
        head = after * np.cos(angle) + part[: len(after)] * np.sin(angle)
        return np.concatenate([head, part[len(after) :]])


def held_bars(side: EngineSide, song: ProjectMap, hold: Hold) -> HeldBars | None:
    """What a hold repeats; None where the cache does not have all of it."""
    lines = [song.frame(hold.first + k) for k in range(hold.bars + 1)]
    seam = round(SEAM_SECONDS * side.rate)
    audio, known = side.read(lines[0], lines[-1] - lines[0] + seam + 1)
    gaps = np.flatnonzero(~known)
    whole = len(audio) if not len(gaps) else int(gaps[0])
    length = lines[-1] - lines[0]
    if whole < length:
        return None
    upto = len(audio) if whole == len(audio) else length
    return HeldBars(audio[:upto], tuple(line - lines[0] for line in lines), seam)
