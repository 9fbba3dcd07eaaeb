"""One open page: its WebSocket, the requests that are its own, and what it has not taken yet.

*Threading*: everything runs on the web server's thread; the resident's threads hand events over through `Hub.call`.
Nothing waits for a page: what it does not take stays in its backlog, which is bounded (10 s without a message taken,
512 MB). Beyond that, and when its connection ends, the page counts as gone and its requests are cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from aiohttp import WSMsgType, web

from bridge.live.messages import AskLive, LiveAudio, LiveCommand, LiveDone, LiveStatus
from bridge.protocol import AskInfo, AskMetrics, AudioHeader, Cancel, Failed, Malformed, Panic, Subscribe, ended_message
from bridge.session import Session, live_of
from bridge.web import messages
from bridge.web.messages import Continue, Forget, Takes
from bridge.web.shelf import Held, Shelf
from bridge.web.whole import Whole, put_of, sound_of, warned
from engine.errors import AttaccaError, BadRequest, Refused
from engine.events import Accepted, BarReady, Ended, Event
from engine.planning.bars import check_plan
from engine.types import Audio, BarAudio, Plan, Request

MAX_STALL_S = 10.0
MAX_BACKLOG_BYTES = 512 << 20
Message = str | bytes


class Hub(Protocol):
    """What pages share."""

    session: Session
    shelf: Shelf

    def call(self, work: Callable[[], None]) -> None:
        """Run on the server's thread, soon. From any thread."""

    def tell_all(self, body: msgspec.Struct) -> None: ...

    def look_who_hears(self) -> None: ...


class Page:
    """Serves one WebSocket until it ends."""

    def __init__(self, hub: Hub, socket: web.WebSocketResponse) -> None:
        self._hub, self._socket = hub, socket
        self._requests: set[str] = set()
        self._backlog: deque[Message] = deque()
        self._backlog_bytes = 0
        self._news = asyncio.Event()
        self._sent = asyncio.Event()
        self._gone = self._closing = False
        self.hears_live = False
        self.malformed = 0

    async def serve(self) -> None:
        """Until the page goes."""
        sender = asyncio.create_task(self._send_all())
        try:
            self.send(Takes(takes=self._hub.shelf.all()))
            async for message in self._socket:
                if message.type != WSMsgType.TEXT:
                    self.malformed += 1
                    continue
                self._hear(message.data)
        finally:
            self._leave()
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender

    async def close(self) -> None:
        """Send what waits, and say goodbye; 1 s at most."""
        self._closing = True
        self._news.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._sent.wait()

    def _leave(self) -> None:
        """Nothing more is sent, and what it had asked for is taken back."""
        self._gone = True
        self._backlog.clear()
        for request_id in list(self._requests):
            self._hub.session.resident.cancel(request_id)

    # ---- out ---------------------------------------------------------------------------------

    def send(self, body: msgspec.Struct) -> None:
        self._queue(messages.encode(body))

    def send_audio(self, header: AudioHeader | LiveAudio, audio: Audio) -> None:
        self._queue(messages.encode_audio(header, audio))

    def _queue(self, message: Message) -> None:
        if self._gone:
            return
        self._backlog.append(message)
        self._backlog_bytes += len(message)
        self._news.set()
        if self._backlog_bytes > MAX_BACKLOG_BYTES:
            self._leave()

    async def _send_all(self) -> None:
        while not self._gone and not self._closing:
            await self._news.wait()
            self._news.clear()
            while self._backlog:
                message = self._backlog.popleft()
                self._backlog_bytes -= len(message)
                try:
                    async with asyncio.timeout(MAX_STALL_S):
                        await self._put(message)
                except (TimeoutError, ConnectionError):
                    self._leave()
        await self._socket.close()
        self._sent.set()

    async def _put(self, message: Message) -> None:
        if isinstance(message, str):
            await self._socket.send_str(message)
        else:
            await self._socket.send_bytes(message)

    # ---- in ----------------------------------------------------------------------------------

    def _hear(self, text: str) -> None:
        try:
            body = messages.decode(text)
        except Malformed as error:
            self.malformed += 1
            self._fail(messages.request_id(text), BadRequest(str(error)))
            return
        self._answer(body)

    def _answer(self, body: Any) -> None:
        session = self._hub.session
        match body:
            case Request():
                self._ask(body, None)
            case Continue():
                self._continue(body)
            case Cancel():
                if not session.resident.cancel(body.id):
                    self._fail(body.id, BadRequest(f"no request {body.id!r} waits or renders"))
            case Panic():
                session.resident.cancel_all()
            case Forget():
                if self._hub.shelf.forget(body.take):
                    self._hub.tell_all(body)
            case AskMetrics():
                self.send(session.metrics())
            case AskInfo():
                self.send(session.info())
            case Subscribe():
                self.hears_live = body.on and body.live
                self._hub.look_who_hears()
            case LiveCommand():
                self._live(body)
            case AskLive():
                self._live_status(body)
            case _:
                raise AssertionError(f"a tag without an answer: {type(body).__name__}")

    def _continue(self, body: Continue) -> None:
        """The take's own sound travels beside the request; what an edit makes is put into it."""
        try:
            held = self._hub.shelf.find(body.take)
            if body.request.kind != "continue" or body.request.inline is not None:
                raise BadRequest('a take is continued by a request of kind "continue" that brings no audio')
            audio, shape = sound_of(held)
            request = msgspec.structs.replace(body.request, inline=shape)
            put = put_of(request)
            whole = None if put is None or request.source else Whole(held, audio, request, put)
        except AttaccaError as error:
            self._fail(body.request.id, error)
            return
        self._ask(request, audio, whole)

    def _ask(self, request: Request, audio: Audio | None, whole: Whole | None = None) -> None:
        """Submit; a page names no files and brings no audio of its own."""
        try:
            if request.source or request.style or any(part.audio for part in request.prompts):
                raise Refused("the page names no files: use `attacca continue` for files of this machine")
            if audio is None and request.inline is not None:
                raise BadRequest("the page brings no audio: continue a take instead")
            if request.id in self._requests:
                raise Refused(f"a request with the id {request.id!r} is still under way")
            if isinstance(request.plan, Plan):
                check_plan(request.plan)  # who edits it hears at once what is wrong with it
        except AttaccaError as error:
            self._fail(request.id, error)
            return
        self._requests.add(request.id)
        render = _Render(self, self._hub, request, whole)
        if not self._hub.session.submit(request, audio, self, lambda e: self._hub.call(lambda: render.hear(e))):
            self._requests.discard(request.id)

    def ended(self, request_id: str) -> None:
        """A request of this page is no longer under way."""
        self._requests.discard(request_id)

    def _live(self, command: LiveCommand) -> None:
        def answer(error: AttaccaError | None) -> None:
            if error is None:
                self.send(LiveDone(id=command.id))
            else:
                self._fail(command.id, error)

        try:
            live_of(self._hub.session).command(command, lambda error: self._hub.call(lambda: answer(error)))
        except AttaccaError as error:
            answer(error)

    def _live_status(self, question: AskLive) -> None:
        live = self._hub.session.live
        if live is None:
            self.send(LiveStatus(sessions=()))
        else:
            live.ask(question.traces, lambda status: self._hub.call(lambda: self.send(status)))

    def _fail(self, request_id: str, error: AttaccaError) -> None:
        self.send(Failed(id=request_id, ending="refused", code=error.code, text=str(error)))


class _Render:
    """One request of a page: its events, to the page and onto the shelf."""

    def __init__(self, page: Page, hub: Hub, request: Request, whole: Whole | None) -> None:
        self._page, self._hub, self._request, self._whole = page, hub, request, whole
        self._held: Held | None = None

    def hear(self, event: Event) -> None:
        """On the server's thread."""
        if isinstance(event, Accepted):
            origin = None if self._whole is None else self._whole.origin
            self._held = self._hub.shelf.begin(self._request, origin)
            self._page.send(event)
        elif isinstance(event, BarReady):
            self._bar(event)
        elif isinstance(event, Ended):
            self._end(event)
        else:
            self._page.send(event)

    def _bar(self, event: BarReady) -> None:
        assert self._held is not None
        if self._whole is None:
            self._put(event.id, event.bar)
            return
        if self._whole.origin.put == "over" and event.bar.first_frame >= 0:
            self._held.part.append(event.bar)
        for bar in self._whole.take(event.bar):
            self._put(event.id, bar)

    def _put(self, request_id: str, bar: BarAudio) -> None:
        """A bar of the take, onto the shelf and to the page."""
        assert self._held is not None
        self._held.add(bar)
        frames, channels = bar.audio.shape
        header = AudioHeader(
            id=request_id, first_frame=bar.first_frame, frames=frames, channels=channels, rate=bar.rate, last=bar.last
        )
        if bar.first_frame >= 0:
            self._page.send_audio(header, bar.audio)

    def _end(self, event: Ended) -> None:
        """The take first, for every page; then the end, for its own."""
        self._page.ended(event.id)
        if self._held is not None:
            event = warned(self._held, event)
            take, gone = self._hub.shelf.end(self._held, event)
            if take is not None:
                self._hub.tell_all(take)
            for other in gone:
                self._hub.tell_all(Forget(take=other))
        self._page.send(ended_message(event))
