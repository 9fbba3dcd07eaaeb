"""The takes that pages have asked for: their audio, bar by bar, kept for listening, comparing and downloading.

*Threading*: the web server's thread owns it. It holds 64 takes and 512 MB at most and lets the oldest finished one go
first; what is being rendered is bounded by the resident's queue and by the 15 minutes of a request.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from bridge.web.messages import BarRange, Take
from engine.errors import BadRequest
from engine.events import Ended
from engine.types import Audio, BarAudio, Request

MAX_TAKES = 64
MAX_BYTES = 512 << 20


@dataclass
class Held:
    """A take: what was asked for, the pieces that came, and how it ended (None: not yet)."""

    number: int
    request: Request
    pieces: list[BarAudio] = field(default_factory=list)
    ended: Ended | None = None

    @property
    def bytes_held(self) -> int:
        return sum(piece.audio.nbytes for piece in self.pieces)

    def add(self, piece: BarAudio) -> None:
        """A piece of new sound; the lead-in of a seam belongs to the take before."""
        if piece.first_frame >= 0:
            self.pieces.append(piece)

    def bar_frames(self) -> tuple[int, ...]:
        """Frames of the bars that are whole: all but the last one where it may still go on."""
        frames: dict[int, int] = {}
        for piece in self.pieces:
            frames[piece.bar] = frames.get(piece.bar, 0) + len(piece.audio)
        done = self.ended is not None and self.ended.report is not None
        cut = self.request.piece_ms is not None and not done
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
            bar_frames=self.bar_frames(),
            ending=self.ended.ending,
            report=self.ended.report,
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
        import soundfile

        buffer = io.BytesIO()
        soundfile.write(buffer, self.audio(wanted), self.pieces[0].rate, format="WAV", subtype="FLOAT")
        return buffer.getvalue()


class Shelf:
    """Takes by the id of their request."""

    def __init__(self, max_takes: int = MAX_TAKES, max_bytes: int = MAX_BYTES) -> None:
        self._takes: dict[str, Held] = {}
        self._made = 0
        self._max_takes, self._max_bytes = max_takes, max_bytes

    def begin(self, request: Request) -> Held:
        """A take whose request was accepted."""
        self._made += 1
        held = self._takes[request.id] = Held(self._made, request)
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
