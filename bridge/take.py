"""What a client gets: a finished take, or its bars as a stream.

*Threading*: a stream is read by one thread, which blocks until the next bar, the deadline, or the
news that no engine answers; `cancel` may be called from any.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from bridge.clock import Deadline
from bridge.protocol import AudioHeader, Cancel, Failed
from bridge.wire import Replies, Wire, no_engine
from engine import errors
from engine.events import Accepted, Progress
from engine.types import Audio, BarAudio, Report, Request

_ERRORS: dict[str, type[errors.AttaccaError]] = {
    kind.code: kind
    for kind in (
        errors.BadRequest,
        errors.BadAudio,
        errors.BadMidi,
        errors.BadBundle,
        errors.Refused,
        errors.Expired,
        errors.Cancelled,
        errors.NoEngine,
        errors.Unavailable,
    )
}


class Take(msgspec.Struct, frozen=True, kw_only=True):
    """A finished render. audio: float32 [frames, channels]; bars: the same, cut at the bar lines.

    lead_in: of a continuation, the new sound of the 20 ms right before it, which a seam fades in
    while the source fades out, [frames, channels]; else None.
    """

    audio: Audio
    rate: int
    report: Report
    bars: tuple[Audio, ...]
    lead_in: Audio | None = None

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a float WAV, whole or not at all. Raises Unavailable."""
        from bridge.files.wavefile import write_wav

        write_wav(Path(path), self.audio, self.rate)
        return Path(path)


class Stream:
    """Iterates over the bars of one request as they come; `report` is there after the last.

    With `piece_ms` these are pieces: their `bar` counts pieces, and `report.bar_frames` says where the bars are.
    Leaving the loop early does not cancel; `cancel()` does.
    """

    def __init__(self, wire: Wire, request: Request, deadline: Deadline, on_progress: Callable[[float], None] | None):
        self.id = request.id
        self.report: Report | None = None
        self._wire = wire
        self._deadline = deadline
        self._on_progress = on_progress
        self._replies = wire.expect(request.id)
        self._bar = 0

    def __iter__(self) -> Iterator[BarAudio]:
        try:
            while self.report is None:
                body, audio = next_reply(self._replies, self._deadline, self)
                if isinstance(body, AudioHeader):
                    assert audio is not None
                    yield self._bar_audio(body, audio)
                else:
                    self._note(body)
        finally:
            self._wire.forget(self.id)

    def cancel(self) -> None:
        """Take the request back; the loop then raises Cancelled."""
        self._wire.send(Cancel(id=self.id))

    def _bar_audio(self, header: AudioHeader, audio: Audio) -> BarAudio:
        bar = -1 if header.first_frame < 0 else self._bar
        self._bar = bar + 1
        return BarAudio(bar=bar, first_frame=header.first_frame, rate=header.rate, audio=audio, last=header.last)

    def _note(self, body: Any) -> None:
        if isinstance(body, Report):
            self.report = body
        elif isinstance(body, Failed):
            raise _ERRORS.get(body.code, errors.AttaccaError)(body.text)
        elif isinstance(body, Progress) and self._on_progress is not None:
            self._on_progress(body.fraction)
        else:
            assert isinstance(body, Progress | Accepted), type(body)


def next_reply(replies: Replies, deadline: Deadline, waiting: Stream | str | None) -> tuple[Any, Audio | None]:
    """The next reply. A stream that runs out of time is cancelled and raises Expired."""
    while True:
        try:
            body, audio = replies.get(timeout=deadline.left_s(3600.0))
        except queue.Empty:
            if not deadline.past():
                continue
            if isinstance(waiting, str):
                raise errors.NoEngine(no_engine(waiting)) from None
            if waiting is None:
                raise errors.Expired("the engine is there, but busy: it did not answer in time") from None
            waiting.cancel()
            raise errors.Expired("the engine did not finish within timeout_s: the request was taken back") from None
        if isinstance(body, Exception):
            raise body
        return body, audio
