"""The takes that pages have asked for: their audio, bar by bar, kept for listening, comparing and downloading.

*Threading*: the web server's thread owns it. It holds 64 takes and 512 MB at most and lets the oldest finished one go
first; what is being rendered is bounded by the resident's queue and by the 15 minutes of a request.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from bridge.web.messages import BarRange, Take
from bridge.web.scores import asked_for, put_into
from engine.errors import BadRequest
from engine.events import Ended
from engine.types import Audio, BarAudio, PlanBar, Report, Request

MAX_TAKES = 64
MAX_BYTES = 512 << 20


class Origin(NamedTuple):
    """What an edit came from: the take, where its new bars went, the first of them, all bars, and what it played."""

    take: str
    put: str
    first: int
    bars: int
    played: tuple[PlanBar, ...]


@dataclass
class Held:
    """A take: what was asked for, the pieces that came, and how it ended (None: not yet).

    origin: of an edit, whose pieces are those of the whole; part: the pieces of a part alone that sounds under a take.
    """

    number: int
    request: Request
    origin: Origin | None = None
    pieces: list[BarAudio] = field(default_factory=list)
    part: list[BarAudio] = field(default_factory=list)
    ended: Ended | None = None

    @property
    def bytes_held(self) -> int:
        return sum(piece.audio.nbytes for piece in (*self.pieces, *self.part))

    @property
    def bars_asked(self) -> int:
        """How many bars it has when it is whole."""
        return self.request.bars if self.origin is None else self.origin.bars

    @property
    def report(self) -> Report | None:
        return None if self.ended is None else self.ended.report

    @property
    def played(self) -> tuple[PlanBar, ...]:
        """What is played in each bar: by its plan, else as asked for. Empty where its bars are not known."""
        try:
            own = asked_for(self.request, None if self.report is None else self.report.plan)
        except BadRequest:
            return ()
        if self.origin is None:
            return own
        return put_into(self.origin.played, own, self.origin.first, self.origin.put, self.request.edit == "fill")

    def add(self, piece: BarAudio) -> None:
        """A piece of new sound; the lead-in of a seam belongs to the take before."""
        if piece.first_frame >= 0:
            self.pieces.append(piece)

    def bar_frames(self) -> tuple[int, ...]:
        """Frames of the bars that are whole: all but the last one where it may still go on."""
        frames: dict[int, int] = {}
        for piece in self.pieces:
            frames[piece.bar] = frames.get(piece.bar, 0) + len(piece.audio)
        cut = self.request.piece_ms is not None and self.report is None
        whole = sorted(frames)[: -1 if cut else None]
        return tuple(frames[bar] for bar in whole)

    def told(self) -> Take:
        """The take as pages see it."""
        assert self.ended is not None
        first = self.pieces[0]
        return Take(
            number=self.number,
            request=self.request,
            rate=first.rate,
            channels=first.audio.shape[1],
            bars=self.bars_asked,
            bar_frames=self.bar_frames(),
            ending=self.ended.ending,
            report=self.report,
            played=self.played,
            origin=None if self.origin is None else self.origin.take,
            put=None if self.origin is None else self.origin.put,
            first_new_bar=0 if self.origin is None else self.origin.first,
        )

    def bars(self, wanted: BarRange) -> tuple[int, int]:
        """(first, end) of the bars that are meant. Raises BadRequest, with those that are there."""
        there = len(self.bar_frames())
        end = there if wanted.bars is None else wanted.first + wanted.bars
        if not wanted.first < end <= there:
            raise BadRequest(f"take {self.number} has {there} bars; asked for {wanted.first + 1} to {end}")
        return wanted.first, end

    def audio(self, wanted: BarRange) -> Audio:
        """The sound of some bars, [frames, channels]. Raises BadRequest."""
        first, end = self.bars(wanted)
        lines = [0, *accumulate(self.bar_frames())]
        whole = np.concatenate([piece.audio for piece in self.pieces if first <= piece.bar < end])
        return whole[: lines[end] - lines[first]]

    def wav(self, wanted: BarRange) -> bytes:
        """Some bars as a WAV file of floats, sample for sample what was rendered. Raises BadRequest."""
        return _wav([self.audio(wanted)], self.pieces[0].rate)

    def part_wav(self) -> bytes:
        """The part that sounds under another take, alone. Raises BadRequest where there is none."""
        if not self.part:
            raise BadRequest(f"take {self.number} is no part under another one")
        return _wav([piece.audio for piece in self.part], self.part[0].rate)


def _wav(audio: Sequence[Audio], rate: int) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.concatenate(audio), rate, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


class Shelf:
    """Takes by the id of their request."""

    def __init__(self, max_takes: int = MAX_TAKES, max_bytes: int = MAX_BYTES) -> None:
        self._takes: dict[str, Held] = {}
        self._made = 0
        self._max_takes, self._max_bytes = max_takes, max_bytes

    def begin(self, request: Request, origin: Origin | None = None) -> Held:
        """A take whose request was accepted."""
        self._made += 1
        held = self._takes[request.id] = Held(self._made, request, origin)
        return held

    def end(self, held: Held, ended: Ended) -> tuple[Take | None, list[str]]:
        """Close a take: as pages see it (None: nothing of it was rendered), and the ids that had to go for it."""
        held.ended = ended
        if not held.bar_frames():
            self._takes.pop(held.request.id, None)
            return None, []
        return held.told(), self._make_room()

    def _make_room(self) -> list[str]:
        gone = []
        finished = [key for key, held in self._takes.items() if held.ended is not None]
        size = sum(held.bytes_held for held in self._takes.values())
        while len(finished) > 1 and (len(finished) > self._max_takes or size > self._max_bytes):
            gone.append(finished.pop(0))
            size -= self._takes.pop(gone[-1]).bytes_held
        return gone

    def forget(self, take: str) -> bool:
        """Let go of a finished take."""
        held = self._takes.get(take)
        if held is None or held.ended is None:
            return False
        del self._takes[take]
        return True

    def find(self, take: str) -> Held:
        """Raises BadRequest where it is not there (any more) or is still rendered."""
        held = self._takes.get(take)
        if held is None or held.ended is None:
            raise BadRequest("this take is not kept: it was let go, or is not rendered yet")
        return held

    def all(self) -> tuple[Take, ...]:
        return tuple(held.told() for held in self._takes.values() if held.ended is not None)
