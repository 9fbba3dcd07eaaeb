"""An edit of a take: its new bars put into the take that it changes, so that what is heard and kept is the whole.

Bars before the new ones come with the first of these, their last 20 ms faded into the lead-in; the engine has made all
other seams. What stays keeps its exact samples. *Threading*: as the page that asked; nothing here waits.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Literal

import msgspec
import numpy as np

from bridge.web.messages import BarRange
from bridge.web.shelf import Held, Origin
from engine import controls
from engine.errors import BadRequest
from engine.events import Ended
from engine.types import SEAM_SECONDS, Audio, BarAudio, InlineAudio, Request

Put = Literal["inside", "front", "over"]
"""Where new bars go: in the place of the take's own, before them, or under them."""
LINES_APART_FRAMES = 2


def put_of(request: Request) -> Put | None:
    """Where a request's bars go; None: they are a take of their own."""
    if request.edit in ("fill", "vary"):
        return "inside"
    if request.edit == "front":
        return "front"
    return "over" if request.under else None


class Whole:
    """A take with new bars in it, as they come."""

    def __init__(self, held: Held, audio: Audio, request: Request, put: Put) -> None:
        """audio: the take's, [frames, channels]; request: with this audio inline. Raises BadRequest."""
        controls.check(request)
        self._put, self._audio, self._rate = put, audio, held.pieces[0].rate
        if request.rate not in (None, self._rate) or request.channels not in (None, audio.shape[1]) or request.at_beat:
            raise BadRequest("An edit of a take keeps its rate and channels and makes whole bars.")
        self._lines = [0, *accumulate(held.bar_frames())]
        self._bars = request.bars
        self._first = self._start = 0
        if put != "front":
            self._first, self._start = _place(held, request, len(audio), self._lines)
        self._new_end = self._start
        self._lead_in = np.zeros((0, audio.shape[1]), np.float32)
        self._begun = False
        bars = len(self._lines) - 1 + (request.bars if put == "front" else 0)
        self.origin = Origin(held.request.id, put, self._first, bars, held.played)

    def take(self, piece: BarAudio) -> list[BarAudio]:
        """What the whole has for a piece of new sound: this piece in its place, and what lies around it."""
        if piece.first_frame < 0:
            self._lead_in = np.concatenate([self._lead_in, piece.audio])
            return []
        found = [] if self._begun else self._before()
        self._begun = True
        begin = self._start + piece.first_frame
        self._new_end = begin + len(piece.audio)
        audio = piece.audio if self._put != "over" else piece.audio + self._under(begin, self._new_end)
        found.append(BarAudio(bar=self._first + piece.bar, first_frame=begin, rate=self._rate, audio=audio, last=False))
        if piece.last:
            found += self._after()
            found[-1] = msgspec.structs.replace(found[-1], last=True)
        return found

    def _before(self) -> list[BarAudio]:
        """The bars before the new ones."""
        from engine.render.join import join

        audio = self._audio[: self._start]
        if self._put == "inside":
            none = np.zeros((0, audio.shape[1]), np.float32)
            audio = join(audio, none, self._lead_in, round(SEAM_SECONDS * self._rate))
        return self._cut(audio, 0, 0, [*self._lines[: self._first], self._start])

    def _after(self) -> list[BarAudio]:
        """The bars after the new ones: what is left of the take, or in front of all of it."""
        if self._put == "front":
            return self._cut(self._audio, self._bars, self._new_end, self._lines)
        lines = [self._new_end, *self._lines[self._first + self._bars + 1 :]]
        return self._cut(self._audio[self._new_end :], self._first + self._bars, self._new_end, lines)

    def _cut(self, audio: Audio, bar: int, first_frame: int, lines: list[int]) -> list[BarAudio]:
        """Audio [frames, channels] that begins on lines[0], in bars from `bar` on."""
        return [
            BarAudio(
                bar=bar + k,
                first_frame=first_frame + a - lines[0],
                rate=self._rate,
                audio=audio[a - lines[0] : b - lines[0]],
                last=False,
            )
            for k, (a, b) in enumerate(pairwise(lines))
        ]

    def _under(self, begin: int, end: int) -> Audio:
        held = self._audio[begin:end]
        return np.pad(held, ((0, end - begin - len(held)), (0, 0)))


def _place(held: Held, request: Request, frames: int, lines: list[int]) -> tuple[int, int]:
    """(the first new bar, its first frame) in a take. BadRequest where its bars are not there or lie elsewhere."""
    rate = held.pieces[0].rate
    tempo_map, place = controls.on_grid(request, frames, rate)
    first, end = held.bars(BarRange(first=place.start_bar, bars=request.bars))
    until = place.frame_of(tempo_map.bar_start_quarters(end), tempo_map, rate) + place.shift_frames
    if max(abs(place.start_frame - lines[first]), abs(until - lines[end])) > LINES_APART_FRAMES:
        asked = held.request
        raise BadRequest(f"Take {held.number} goes at {asked.tempo} in {asked.meter}: an edit of it keeps both.")
    return first, place.start_frame


def sound_of(held: Held) -> tuple[Audio, InlineAudio]:
    """A take's whole bars [frames, channels], and what a request says of them."""
    audio = held.audio(BarRange())
    return audio, InlineAudio(rate=held.pieces[0].rate, channels=audio.shape[1], frames=len(audio))


def warned(held: Held, ended: Ended) -> Ended:
    """The end of a render; where a take and a part under it go beyond full scale together, with a remark."""
    peak = max((float(np.abs(piece.audio).max(initial=0.0)) for piece in held.pieces), default=0.0)
    if ended.report is None or not held.part or peak <= 1.0:
        return ended
    over_db = 20 * float(np.log10(peak))
    remark = f"Take and part together peak at {over_db:+.1f} dBFS: turn them down; the part alone is there as WAV."
    report = msgspec.structs.replace(ended.report, remarks=(*ended.report.remarks, remark))
    return msgspec.structs.replace(ended, report=report)
