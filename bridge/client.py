"""What a Python user imports: an engine that plays the next bars.

    from bridge.client import connect

    with connect() as engine:
        take = engine.generate("warm house, round bass", bars=4, tempo=122)
        more = engine.continue_((take.audio, take.rate), bars=4, tempo=122)
        more.save("next.wav")

*Threading*: an `Engine` may be used from several threads at once; its socket belongs to a
thread of its own (`bridge.wire`). Every call blocks its caller until the answer, a timeout, or
5 s without any sign of life from the engine.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from bridge import protocol
from bridge.clock import Deadline
from bridge.closing import Closing
from bridge.curve import is_local
from bridge.live.messages import Action, AskLive, LiveAudio, LiveCommand, LiveStatus
from bridge.protocol import (
    AskHealth,
    AskInfo,
    AskMetrics,
    Cancel,
    Failed,
    Info,
    Panic,
    Ping,
    Pong,
    Subscribe,
)
from bridge.requests import Prompt, Tempo, generate_request, new_request
from bridge.take import Stream, Take, next_reply
from bridge.wire import SILENCE_S, Wire
from engine import errors
from engine.events import Accepted, Health, Metrics, Progress
from engine.types import Audio, InlineAudio, Report, Request

__all__ = ["Engine", "Stream", "Take", "connect", "default_endpoint", "generate_request", "new_request"]

Source = str | os.PathLike[str] | tuple[Audio, int]
_T = TypeVar("_T", bound=msgspec.Struct)


class Engine(Closing):
    """A running engine at a ZeroMQ endpoint. Use as a context manager."""

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        keys: Path | None = None,
        connect_timeout_s: float = 2.0,
        silence_s: float = SILENCE_S,
    ) -> None:
        """endpoint: else ATTACCA_ZMQ, else tcp://127.0.0.1:9800. Raises NoEngine after the timeout.

        keys: a folder of CURVE keys (bridge.curve), else ATTACCA_KEYS, for an engine on another machine.
        """
        folder = os.environ.get("ATTACCA_KEYS")
        keys = keys or (Path(folder) if folder else None)
        self.endpoint = endpoint or default_endpoint()
        self._asking = threading.Lock()
        self._wire = Wire(self.endpoint, keys, silence_s)
        try:
            self.ping(connect_timeout_s)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._wire.close()

    # ---- making bars -------------------------------------------------------------------------

    def generate(self, prompt: Prompt = "", bars: int = 4, tempo: Tempo = 120, **options: Any) -> Take:
        """New bars from a prompt. options: any field of `engine.types.Request`, and `timeout_s`."""
        return self.take(generate_request(prompt, bars, tempo, **_of_request(options)), **_of_call(options))

    def continue_(
        self, source: Source, bars: int = 4, tempo: Tempo | None = None, prompt: Prompt = "", **options: Any
    ) -> Take:
        """New bars that follow `source`: a file, or (float32 [frames, channels], rate).

        Give `tempo`, or `source_bars` from which it follows.
        """
        request, inline = self.continue_request(source, bars, tempo, prompt, **_of_request(options))
        return self.take(request, inline, **_of_call(options))

    def continue_request(
        self, source: Source, bars: int = 4, tempo: Tempo | None = None, prompt: Prompt = "", **fields: Any
    ) -> tuple[Request, Audio | None]:
        """The request for `continue_`. A file travels as its path, to an engine elsewhere as audio."""
        if isinstance(source, tuple):
            audio, rate = source
        elif is_local(self.endpoint):
            return new_request("continue", prompt, bars, tempo, source=str(Path(source).absolute()), **fields), None
        else:
            audio, rate = _read(Path(source))
        audio = _as_sound(audio)
        shape = InlineAudio(rate=rate, channels=audio.shape[1], frames=len(audio))
        return new_request("continue", prompt, bars, tempo, inline=shape, **fields), audio

    def take(
        self,
        request: Request,
        inline: Audio | None = None,
        *,
        timeout_s: float | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> Take:
        """Send a request and wait for all of it. Raises what ended it instead (engine.errors)."""
        stream = self.stream(request, inline, timeout_s=timeout_s, on_progress=on_progress)
        pieces = list(stream)
        report = stream.report
        assert report is not None
        audio = np.concatenate([piece.audio for piece in pieces if piece.first_frame >= 0])
        bars = tuple(np.split(audio, np.cumsum(report.bar_frames)[:-1]))
        lead = next((piece.audio for piece in pieces if piece.first_frame < 0), None)
        return Take(audio=audio, rate=report.rate, report=report, bars=bars, lead_in=lead)

    def stream(
        self,
        request: Request,
        inline: Audio | None = None,
        *,
        timeout_s: float | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> Stream:
        """Send a request; iterate over the result for its bars as they come.

        Raises BadRequest at once when a field is out of range.
        """
        _validate(request)
        stream = Stream(self._wire, request, Deadline(timeout_s), on_progress)
        self._wire.send(request, inline)
        return stream

    def cancel(self, request_id: str) -> None:
        """Take a request back; whoever waits for it gets Cancelled."""
        self._wire.send(Cancel(id=request_id))

    def panic(self) -> None:
        """Take every request of everyone back."""
        self._wire.send(Panic())

    def watch(self, timeout_s: float | None = None) -> Iterator[Accepted | Progress | Report | Failed]:
        """What becomes of everybody's requests, until `timeout_s` have passed; no audio."""
        deadline = Deadline(timeout_s)
        replies = self._wire.expect("*")
        try:
            self._wire.send(Subscribe())
            while not deadline.past():
                with contextlib.suppress(queue.Empty):
                    body, _ = replies.get(timeout=deadline.left_s(0.2))
                    if isinstance(body, Exception):
                        raise body
                    if isinstance(body, Accepted | Progress | Report | Failed):
                        yield body
        finally:
            self._wire.forget("*")
            self._wire.send(Subscribe(on=False))

    # ---- asking ------------------------------------------------------------------------------

    def ping(self, timeout_s: float = 2.0) -> float:
        """Round trip in seconds. Raises NoEngine."""
        clock = Deadline(timeout_s)
        token = uuid.uuid4().hex
        replies = self._wire.expect(token)
        try:
            self._wire.send(Ping(token=token))
            body, _ = next_reply(replies, clock, self._wire.endpoint)
        finally:
            self._wire.forget(token)
        assert isinstance(body, Pong)
        return timeout_s - clock.left_s(timeout_s)

    def health(self, canary: bool = False, timeout_s: float = 10.0) -> Health:
        """Whether the engine can be trusted; `canary` renders a test bar first."""
        return self._ask(AskHealth(canary=canary), Health, timeout_s)

    def info(self, timeout_s: float = 5.0) -> Info:
        return self._ask(AskInfo(), Info, timeout_s)

    def metrics(self, timeout_s: float = 5.0) -> Metrics:
        return self._ask(AskMetrics(), Metrics, timeout_s)

    def live_status(self, traces: int = 0, timeout_s: float = 5.0, notes: int = 0) -> LiveStatus:
        """What the live sessions do, with the newest `traces` and played `notes` of each."""
        return self._ask(AskLive(traces=traces, notes=notes), LiveStatus, timeout_s)

    def live(self, action: Action, *, timeout_s: float = 5.0, **fields: Any) -> None:
        """Ask something of a live session, or of all: any field of `bridge.live.messages.LiveCommand`.

        Raises BadRequest, or Refused with what the engine says.
        """
        key = uuid.uuid4().hex
        try:
            command = msgspec.convert({"action": action, "id": key, **fields}, LiveCommand)
        except msgspec.ValidationError as error:
            raise errors.BadRequest(protocol.explain(error, LiveCommand)) from error
        replies = self._wire.expect(key)
        try:
            self._wire.send(command)
            body, _ = next_reply(replies, Deadline(timeout_s), None)
        finally:
            self._wire.forget(key)
        if isinstance(body, Failed):
            raise errors.Refused(body.text)

    def watch_live(self, timeout_s: float | None = None) -> Iterator[tuple[LiveAudio, Audio]]:
        """What live sessions write to their caches, as it comes, until `timeout_s` have passed."""
        deadline, key = Deadline(timeout_s), protocol.TAG_OF[LiveAudio].decode()
        replies = self._wire.expect(key)
        try:
            self._wire.send(Subscribe(live=True))
            while not deadline.past():
                with contextlib.suppress(queue.Empty):
                    body, audio = replies.get(timeout=deadline.left_s(0.2))
                    if isinstance(body, Exception):
                        raise body
                    if isinstance(body, LiveAudio) and audio is not None:
                        yield body, audio
        finally:
            self._wire.forget(key)
            self._wire.send(Subscribe(on=False))

    def _ask(self, question: msgspec.Struct, kind: type[_T], timeout_s: float) -> _T:
        key = protocol.TAG_OF[kind].decode()
        with self._asking:
            replies = self._wire.expect(key)
            try:
                self._wire.send(question)
                body, _ = next_reply(replies, Deadline(timeout_s), None)
            finally:
                self._wire.forget(key)
        assert isinstance(body, kind)
        return body


connect = Engine


def default_endpoint() -> str:
    """ATTACCA_ZMQ, or tcp://127.0.0.1:9800."""
    return os.environ.get("ATTACCA_ZMQ") or protocol.DEFAULT_ZMQ


def _validate(request: Request) -> None:
    try:
        msgspec.convert(msgspec.to_builtins(request), Request)
    except msgspec.ValidationError as error:
        raise errors.BadRequest(protocol.explain(error, Request)) from error


def _as_sound(audio: Any) -> Audio:
    """float32 [frames, channels] of an array of floats; one dimension is mono. BadAudio for other arrays."""
    try:
        given = np.asarray(audio)
    except ValueError as error:
        raise errors.BadAudio(f"audio is an array [frames, channels]: {error}") from error
    if given.dtype.kind != "f" or given.ndim not in (1, 2):
        raise errors.BadAudio(
            f"audio is floats, full scale 1.0, [frames, channels]; got {given.dtype} with {given.ndim} dimensions"
            " (divide int16 by 32768)"
        )
    return np.ascontiguousarray(given[:, None] if given.ndim == 1 else given, protocol.AUDIO_DTYPE)


def _read(path: Path) -> tuple[Audio, int]:
    from bridge.files.wavefile import read_exact

    file = read_exact(path)
    return file.samples.astype(np.float32), file.rate


def _of_request(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in ("timeout_s", "on_progress")}


def _of_call(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name in ("timeout_s", "on_progress")}
