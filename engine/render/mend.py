"""Where new sound and what stays meet inside of an edit: 20 ms of equal power before each line, all else untouched.

The fade into a hole covers the last 20 ms of what stays before it, the fade out of it the last 20 ms of the hole, so
that every downbeat is whole. What stays has the source's own sample values.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.render.line import Frames
from engine.types import Audio, BarAudio


@dataclass
class Mend:
    """holes: frames made anew; stay [frames, channels]: what stays, or what holes fade into, over all new bars.
    seam_frames: how long fades are; last_seam_frames: the one at the end of the last hole.
    """

    holes: list[Frames]
    stay: Audio
    seam_frames: int
    last_seam_frames: int

    def mended(self, bar: BarAudio) -> BarAudio:
        """A bar, or a piece of one; the lead-in, which a client fades in, is left alone."""
        if bar.first_frame < 0:
            return bar
        end = bar.first_frame + len(bar.audio)
        made, kept = self.weights(bar.first_frame, end)
        stay = self.stay[bar.first_frame : end]
        audio = np.where((made == 1.0)[:, None], bar.audio, made[:, None] * bar.audio + kept[:, None] * stay)
        audio = np.where((kept == 1.0)[:, None], stay, audio)
        return msgspec.structs.replace(bar, audio=np.ascontiguousarray(audio, np.float32))

    def weights(self, first: int, end: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Gains [end - first] of new sound and of what stays."""
        at = np.arange(first, end)
        angle = np.zeros(len(at))
        for begin, stop in self.holes:
            seam = self.last_seam_frames if (begin, stop) == self.holes[-1] else self.seam_frames
            rising = (at - (begin - self.seam_frames) + 0.5) / max(1, self.seam_frames)
            falling = (stop - at - 0.5) / max(1, seam)
            inside = np.minimum(np.clip(rising, 0.0, 1.0), np.clip(falling, 0.0, 1.0))
            angle = np.maximum(angle, inside * np.where(at < stop, 1.0, 0.0))
        made = np.where(angle >= 1.0, 1.0, np.sin(angle * np.pi / 2))
        kept = np.where(angle >= 1.0, 0.0, np.where(angle <= 0.0, 1.0, np.cos(angle * np.pi / 2)))
        return made.astype(np.float32), kept.astype(np.float32)
