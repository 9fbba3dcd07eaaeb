"""Loops: bars whose last one leads into the first.

They are made as any other bars. Then their beginning is spoken, put behind their end and encoded again (a loop is
rarely a whole number of latents), and the last bar is made anew between what comes before and that. In the last 20 ms
its sound fades into what was spoken right before the first bar, so that the end meets the beginning sample by sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from engine.models import features as F
from engine.models.codec import LATENT_HOP, PATCH
from engine.models.denoiser import INTENSITY_FEATURES
from engine.render.condition import MARGIN, Material, Place
from engine.render.edits import Edited
from engine.render.line import AFTER, Line
from engine.render.mend import Mend
from engine.render.past import UNSURE, Encode
from engine.render.source import Check
from engine.types import MODEL_RATE_HZ, SEAM_SECONDS, Audio, BarAudio

Speak = Callable[[Tensor], Iterator[Audio]]
"""Pieces [n, 2] at 48 kHz, from time zero on, of latents from -UNSURE on."""


class Looped:
    """A loop's place in the four stages. `line_of` once its bars are made, then `Edited.make`."""

    def __init__(self, place: Place) -> None:
        """A loop that follows a source tells its lead-in, too: it may be joined to it."""
        self.place = place
        seam = round(SEAM_SECONDS * place.rate)
        frames = place.lines[-1]
        self.mend = Mend([(0, frames)], np.zeros((0, place.channels), np.float32), seam, seam)

    @property
    def turn(self) -> int:
        """The latent at which the way back begins: the last bar's, or half of an only one."""
        lines, rate = self.place.lines, self.place.rate
        frame = lines[-2] if len(lines) > 2 else lines[-1] // 2
        return round(frame / rate * MODEL_RATE_HZ / LATENT_HOP)

    def edited(self, made: Tensor, material: Material, speak: Speak, encode: Encode, check: Check) -> Edited:
        """The edit that leads the made latents [n, 64] (from -UNSURE on) back to their beginning."""
        samples = round(self.place.seconds * MODEL_RATE_HZ)
        back = math.ceil(samples / LATENT_HOP) + UNSURE
        seen = self._beginning(made, samples, back, speak, check)
        with torch.no_grad():
            after = encode(seen[None])[0, MARGIN : MARGIN + AFTER - UNSURE]
        missing, over, width = material.missing, max(0, back + UNSURE - len(made)), made.shape[1]
        latents = torch.cat(
            [torch.zeros(missing, width), material.sure, made[: back + UNSURE], torch.zeros(over, width)]
        )
        known = torch.ones(len(latents) + len(after), dtype=torch.bool)
        known[:missing] = False
        known[self.turn + material.before : back + material.before] = False
        self._tell_level(material, samples)
        line = Line(material.before, torch.cat([latents, after]), known, torch.zeros(0, F.CHANNELS))
        return Edited(line, [(self.turn, back)], self.mend)

    def _beginning(self, made: Tensor, samples: int, back: int, speak: Speak, check: Check) -> Tensor:
        """Features [8 n, CHANNELS] of the loop's beginning behind its end, from latent back - MARGIN on."""
        offset = samples - (back - MARGIN) * LATENT_HOP
        wanted = (AFTER - UNSURE + 2 * MARGIN) * LATENT_HOP - offset
        most = min(wanted, samples)
        pieces: list[Audio] = []
        for piece in speak(made[: UNSURE + -(-most // LATENT_HOP) + MARGIN]):
            check()
            pieces.append(piece)
            if sum(map(len, pieces)) >= most:
                break
        once = np.concatenate(pieces)[:samples]
        turns = np.tile(once, (-(-wanted // len(once)), 1))[:wanted]
        view = np.pad(turns, ((offset, 0), (0, 0)))
        count = (AFTER - UNSURE + 2 * MARGIN) * PATCH
        return F.analyse_tensor(torch.from_numpy(np.ascontiguousarray(view, np.float32)))[:count]

    def _tell_level(self, material: Material, samples: int) -> None:
        """Behind the end it is as loud as at the beginning."""
        end, zero = samples // F.HOP + material.before * PATCH, material.before * PATCH
        behind = material.frames[end:, -INTENSITY_FEATURES:]
        begin = material.frames[zero : zero + len(behind), -INTENSITY_FEATURES:]
        behind[: len(begin)] = begin.copy()

    def mending(self, emit: Callable[[BarAudio], None]) -> Callable[[BarAudio], None]:
        """`emit` for bars whose last frames fade into the sound before the first."""

        def mended(bar: BarAudio) -> None:
            if bar.first_frame < 0:
                frames = self.place.lines[-1]
                self.mend.stay = np.zeros((frames, self.place.channels), np.float32)
                self.mend.stay[frames - len(bar.audio) :] = bar.audio
                if self.place.source is None:
                    return
            emit(self.mend.mended(bar))

        return mended
