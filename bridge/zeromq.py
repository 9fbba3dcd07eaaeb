"""The engine's ZeroMQ side: a ROUTER for requests, one audio message a bar or piece of a bar.

*Threading*: the loop's thread owns the socket; the resident's threads reach it through
`loop.call`. Nothing here waits: what a client does not take waits in `bridge.peers`, within
bounds; beyond them the client is lost and its requests are cancelled. So are those of a client
that has gone. Malformed messages are dropped and counted; a request that only breaks a range is
told so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import zmq

from bridge import protocol
from bridge.curve import guard_server
from bridge.live.messages import AskLive, LiveAudio, LiveCommand, LiveDone, LiveStatus
from bridge.loop import Loop
from bridge.peers import Client, Peers
from bridge.protocol import (
    AskHealth,
    AskInfo,
    AskMetrics,
    AudioHeader,
    Cancel,
    Failed,
    Malformed,
    Panic,
    Ping,
    Pong,
    Subscribe,
)
from bridge.session import Session, live_of
from bridge.sockets import bind, check_endpoint, router
from engine.errors import AttaccaError, BadRequest, Refused
from engine.events import BarReady, Ended, Event
from engine.types import Audio, Request

MESSAGES_A_TURN = 64


class ZeroMQServer:
    """Binds at once; serves as long as its loop runs."""

    def __init__(
        self,
        loop: Loop,
        endpoint: str = protocol.DEFAULT_ZMQ,
        curve_keys: Path | None = None,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
    ) -> None:
        """Raises BadRequest (no endpoint), Refused (open without keys) and Unavailable (cannot bind)."""
        check_endpoint(endpoint)
        self._loop = loop
        self._context = context or zmq.Context()
        self._own_context = context is None
        self._session: Session | None = None
        self._live_heard = False
        self.dropped = 0
        self._socket = router(self._context)
        self.peers = Peers(self._socket, loop, self._lost)
        self._authenticator = None
        try:
            self._authenticator = guard_server(self._socket, endpoint, curve_keys)
            self.endpoint = bind(self._socket, endpoint)
        except BaseException:
            self._close_sockets()
            raise

    def open(self, session: Session) -> None:
        """Begin to serve."""
        self._session = session
        session.watch(self._watch)
        session.count(lambda: {"zmq malformed": self.dropped, "zmq lost clients": self.peers.lost_count})
        self._loop.on_readable(self._socket, self._receive)

    def close(self) -> None:
        """Send what peers take at once, and close. Their last messages get 200 ms to leave."""
        self.peers.push()
        self._close_sockets(linger_ms=200)

    def _close_sockets(self, linger_ms: int = 0) -> None:
        if self._authenticator is not None:
            self._authenticator.stop()
        self._socket.close(linger=linger_ms)
        if self._own_context:
            self._context.term()

    # ---- in ----------------------------------------------------------------------------------

    def _receive(self) -> None:
        for _ in range(MESSAGES_A_TURN):
            try:
                identity, *frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            self._message(identity.bytes, [frame.buffer for frame in frames])

    def _message(self, identity: bytes, frames: list[memoryview | bytes]) -> None:
        client = self.peers.of(identity)
        try:
            body, audio = protocol.decode(frames, "to engine")
        except Malformed as error:
            self._malformed(client, frames, error)
            return
        self._answer(client, body, audio)

    def _malformed(self, client: Client, frames: list[memoryview | bytes], error: Malformed) -> None:
        """A request with a readable id is refused in a sentence; anything else is dropped."""
        known = bool(frames) and bytes(frames[0][:16]) == b"request"
        request_id = protocol.request_id(frames) if known else ""
        if request_id:
            self._fail(client, request_id, BadRequest(str(error)))
        else:
            self.dropped += 1

    def _answer(self, client: Client, body: Any, audio: Audio | None) -> None:
        session = self._session
        assert session is not None
        match body:
            case Request():
                self._request(client, body, audio)
            case Cancel():
                if not session.resident.cancel(body.id):
                    self._fail(client, body.id, BadRequest(f"no request {body.id!r} waits or renders"))
            case Panic():
                session.resident.cancel_all()
            case Ping():
                self._send(client, Pong(token=body.token))
            case AskHealth(canary=True):
                session.resident.canary(lambda health: self._loop.call(lambda: self._send(client, health)))
            case AskHealth():
                self._send(client, session.resident.health())
            case AskMetrics():
                self._send(client, session.metrics())
            case AskInfo():
                self._send(client, session.info())
            case Subscribe():
                client.subscribed, client.hears_live = body.on, body.on and body.live
                self._look_who_hears()
            case LiveCommand():
                self._live(client, body)
            case AskLive():
                self._live_status(client, body)
            case _:
                raise AssertionError(f"a tag without an answer: {type(body).__name__}")

    def _request(self, client: Client, request: Request, audio: Audio | None) -> None:
        assert self._session is not None
        if request.id in client.requests:
            self._fail(client, request.id, Refused(f"a request with the id {request.id!r} is still under way"))
            return
        client.requests.add(request.id)
        accepted = self._session.submit(
            request, audio, client, lambda event: self._loop.call(lambda: self._event(client, event))
        )
        if not accepted:
            client.requests.discard(request.id)

    def _live(self, client: Client, command: LiveCommand) -> None:
        """Hand a command to the live thread; its answer comes back to this loop."""
        assert self._session is not None

        def answer(error: AttaccaError | None) -> None:
            if error is None:
                self._send(client, LiveDone(id=command.id))
            else:
                self._fail(client, command.id, error)

        try:
            live_of(self._session).command(command, lambda error: self._loop.call(lambda: answer(error)))
        except AttaccaError as error:
            answer(error)

    def _live_status(self, client: Client, question: AskLive) -> None:
        assert self._session is not None
        if self._session.live is None:
            self._send(client, LiveStatus(sessions=()))
            return

        def answer(status: LiveStatus) -> None:
            self._loop.call(lambda: self._send(client, status))

        self._session.live.ask(question.traces, answer, question.notes)

    # ---- out ---------------------------------------------------------------------------------

    def _event(self, client: Client, event: Event) -> None:
        if isinstance(event, BarReady):
            self._audio(client, event)
        elif isinstance(event, Ended):
            client.requests.discard(event.id)
            self._send(client, protocol.ended_message(event))
        else:
            self._send(client, event)

    def _watch(self, owner: object, event: Event) -> None:
        """Everything but audio, to those who subscribed and do not get it anyway. Any thread."""
        if not isinstance(event, BarReady):
            self._loop.call(lambda: self._tell_subscribers(owner, event))

    def _tell_subscribers(self, owner: object, event: Event) -> None:
        assert not isinstance(event, BarReady)
        message = protocol.ended_message(event) if isinstance(event, Ended) else event
        for client in self.peers:
            if client.subscribed and client is not owner:
                self._send(client, message)

    def _audio(self, client: Client, event: BarReady) -> None:
        bar = event.bar
        frames, channels = bar.audio.shape
        header = AudioHeader(
            id=event.id,
            first_frame=bar.first_frame,
            frames=frames,
            channels=channels,
            rate=bar.rate,
            last=bar.last,
        )
        audio = np.ascontiguousarray(bar.audio, protocol.AUDIO_DTYPE)
        self.peers.send(client, [*protocol.encode(header), audio.data.cast("B")])

    def hear_live(self, header: LiveAudio, audio: Audio) -> None:
        """Tell those who listen what went into a cache. From any thread; `audio` [frames, 2] is kept, not copied."""
        if self._live_heard:
            self._loop.call(lambda: self._live_audio(header, audio))

    def _look_who_hears(self) -> None:
        self._live_heard = any(client.hears_live for client in self.peers)

    def _live_audio(self, header: LiveAudio, audio: Audio) -> None:
        for client in self.peers:
            if client.hears_live:
                self.peers.send(client, [*protocol.encode(header), audio.data.cast("B")])

    def _fail(self, client: Client, request_id: str, error: AttaccaError) -> None:
        self._send(client, Failed(id=request_id, ending="refused", code=error.code, text=str(error)))

    def _send(self, client: Client, body: msgspec.Struct) -> None:
        self.peers.send(client, protocol.encode(body))

    def _lost(self, client: Client) -> None:
        """The requests of a client that is gone are taken back."""
        self._look_who_hears()
        assert self._session is not None
        for request_id in list(client.requests):
            self._session.resident.cancel(request_id)
