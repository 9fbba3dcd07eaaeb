"""The old tail rings on: what a source holds after the cut and dies away sounds on over the new bars.

A file that was bounced with its reverb is longer than its bars. Continued at its last bar line, its tail would be cut
off in 20 ms. So what is left of it is added to the new bars, and the seam keeps it whole: the lead-in that a client
fades in carries what the fade takes from the source (IN cos a + (L + IN tan a/2) sin a = IN + L sin a). What goes on
with new attacks is no tail, and is replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import numpy as np
import soxr

from engine.render.condition import Place
from engine.render.fit import to_channels
from engine.render.limiter import CEILING
from engine.render.source import SILENCE, to_stereo
from engine.types import SEAM_SECONDS, Audio, BarAudio, Request

BLOCK_SECONDS, FADE_SECONDS = 0.05, 0.02
LONGEST_SECONDS = 8.0
RISE_DB, FALL_DB = 4.0, 12.0
FLOOR_DB, QUIET_DB = -90.0, -70.0


@dataclass
class Ringing:
    """before [seam, channels]: the source right before the cut; tail [frames, channels]: what it holds after it."""

    before: Audio
    tail: Audio

    def over(self, emit: Callable[[BarAudio], None]) -> Callable[[BarAudio], None]:
        """`emit` for bars that the tail sounds over."""
        return lambda bar: emit(self._rung(bar))

    def _rung(self, bar: BarAudio) -> BarAudio:
        if bar.first_frame < 0:
            count = len(bar.audio)
            angle = (np.arange(len(self.before)) + 0.5) / len(self.before) * (np.pi / 2)
            carried = self.before * np.tan(angle / 2)[:, None]
            return _with(bar, bar.audio + carried[len(carried) - count :])
        here = self.tail[bar.first_frame : bar.first_frame + len(bar.audio)]
        if len(here) == 0:
            return bar
        audio = bar.audio.copy()
        audio[: len(here)] += here
        return _with(bar, np.clip(audio, -CEILING, CEILING))


def _with(bar: BarAudio, audio: Audio) -> BarAudio:
    return msgspec.structs.replace(bar, audio=np.ascontiguousarray(audio, np.float32))


def ringing(request: Request, place: Place) -> Ringing | None:
    """The tail of a continuation at a bar inside of its source, where it is one; the reply says so."""
    if place.source is None or request.edit is not None or request.under or request.at_bar is None:
        return None
    source, start = place.source, place.anchor.start_frame
    rest = source.audio[start:]
    if start == 0 or not dies_away(rest, source.rate):
        return None
    fade = min(len(rest), round(FADE_SECONDS * source.rate))
    rest = rest.copy()
    rest[len(rest) - fade :] *= np.cos((np.arange(fade) + 0.5) / fade * (np.pi / 2))[:, None].astype(np.float32)
    seam = min(start, round(SEAM_SECONDS * source.rate))
    both = np.concatenate([source.audio[start - seam : start], rest])
    if place.rate != source.rate:
        both = np.asarray(soxr.resample(both, source.rate, place.rate, "HQ"), np.float32)
        seam = min(round(seam * place.rate / source.rate), round(SEAM_SECONDS * place.rate))
    if both.shape[1] != place.channels:
        both = to_channels(to_stereo(both), place.channels)
    seconds = len(rest) / source.rate
    place.remarks.append(f"The {seconds:.2f} s that die away in the input after the cut ring on over the new bars.")
    return Ringing(both[:seam], both[seam:])


def dies_away(audio: Audio, rate: int) -> bool:
    """Whether sound [frames, channels] only falls, to 12 dB below its beginning or more, within 8 s."""
    block = round(BLOCK_SECONDS * rate)
    count = len(audio) // block
    if count < 2 or len(audio) > LONGEST_SECONDS * rate or float(np.abs(audio[:block]).max()) < SILENCE:
        return False
    power = np.square(audio[: count * block], dtype=np.float64).reshape(count, -1).mean(axis=1)
    level = np.maximum(FLOOR_DB, 10 * np.log10(power + 1e-12))
    lowest = np.minimum.accumulate(level)
    falls = (level[1:] <= np.maximum(lowest[:-1], QUIET_DB) + RISE_DB).all()
    return bool(falls) and bool(level[0] - level[-1] >= FALL_DB)
