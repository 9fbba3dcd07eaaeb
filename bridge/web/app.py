"""The routes of the control page: the page itself, its WebSocket, and what can be downloaded.

*Threading*: on the web server's thread; a take's files are made on a thread of their own, as that can take long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
from aiohttp import web

from bridge.live.messages import LiveAudio
from bridge.protocol import AUDIO_DTYPE
from bridge.session import Session
from bridge.web.guard import Guard
from bridge.web.messages import MAX_TEXT_BYTES, BarRange
from bridge.web.page import Page
from bridge.web.scores import What, midi_of
from bridge.web.shelf import Held, Shelf
from engine.errors import AttaccaError, BadRequest, Refused
from engine.types import Audio

STATIC = Path(__file__).parent / "static"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
MAX_PAGES = 16
HEARTBEAT_S = 5.0


class App:
    """Everything that open pages share; it is made and used on the server's thread."""

    def __init__(self, session: Session, guard: Guard, call: Callable[[Callable[[], None]], None]) -> None:
        self.session, self.shelf, self.call = session, Shelf(), call
        self._pages: set[Page] = set()
        self._guard = guard
        self._malformed = 0
        self.live_heard = False
        self._files = _files()
        session.count(lambda: {"web malformed": self._malformed, "web refused": guard.refused})

    def routes(self) -> web.Application:
        app = web.Application(middlewares=[self._guard.middleware()], client_max_size=1024)
        app.on_response_prepare.append(self._guard.sign)
        app.router.add_get("/", self._page)
        app.router.add_get("/static/{path:.+}", self._static)
        app.router.add_get("/socket", self._socket)
        app.router.add_get("/takes/{take}/audio.f32", self._samples)
        app.router.add_get("/takes/{take}/audio.wav", self._wav)
        app.router.add_get("/takes/{take}/part.wav", self._part)
        app.router.add_get("/takes/{take}/{what:melody|plan}.mid", self._midi)
        return app

    async def close(self) -> None:
        for page in list(self._pages):
            await page.close()

    # ---- what pages share (bridge.web.page.Hub) ------------------------------------------------

    def tell_all(self, body: msgspec.Struct) -> None:
        for page in self._pages:
            page.send(body)

    def look_who_hears(self) -> None:
        self.live_heard = any(page.hears_live for page in self._pages)

    def live_audio(self, header: LiveAudio, audio: Audio) -> None:
        for page in self._pages:
            if page.hears_live:
                page.send_audio(header, audio)

    # ---- routes ------------------------------------------------------------------------------

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return self._file("index.html")

    async def _static(self, request: web.Request) -> web.StreamResponse:
        return self._file(request.match_info["path"])

    def _file(self, path: str) -> web.Response:
        if path not in self._files:
            raise web.HTTPNotFound(text="there is no such file")
        kind, data = self._files[path]
        return web.Response(body=data, content_type=kind, charset="utf-8")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if len(self._pages) >= MAX_PAGES:
            raise web.HTTPServiceUnavailable(text=f"{MAX_PAGES} pages are open already: close one")
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MAX_TEXT_BYTES, compress=False)
        await socket.prepare(request)
        page = Page(self, socket)
        self._pages.add(page)
        try:
            await page.serve()
        finally:
            self._pages.discard(page)
            self._malformed += page.malformed
            self.look_who_hears()
        return socket

    async def _samples(self, request: web.Request) -> web.StreamResponse:
        held, wanted = self._wanted(request)
        data = await _apart(lambda: held.audio(wanted).astype(AUDIO_DTYPE, copy=False).tobytes())
        return web.Response(body=data, content_type="application/octet-stream")

    async def _wav(self, request: web.Request) -> web.StreamResponse:
        held, wanted = self._wanted(request)
        data = await _apart(lambda: held.wav(wanted))
        return _download(data, "audio/wav", _name(held, wanted, "wav"))

    async def _part(self, request: web.Request) -> web.StreamResponse:
        held, _ = self._wanted(request)
        data = await _apart(held.part_wav)
        return _download(data, "audio/wav", f"attacca-take-{held.number}-part.wav")

    async def _midi(self, request: web.Request) -> web.StreamResponse:
        held, wanted = self._wanted(request)
        what: What = "melody" if request.match_info["what"] == "melody" else "plan"
        data = await _apart(lambda: midi_of(held, what, *held.bars(wanted)))
        return _download(data, "audio/midi", _name(held, wanted, f"{what}.mid"))

    def _wanted(self, request: web.Request) -> tuple[Held, BarRange]:
        """The take and the bars that an address names; a sentence where they are not there."""
        try:
            held = self.shelf.find(request.match_info["take"])
        except AttaccaError as error:
            raise web.HTTPNotFound(text=str(error)) from error
        try:
            wanted = msgspec.convert(dict(request.query), BarRange, strict=False)
            held.bars(wanted)
        except (msgspec.ValidationError, BadRequest) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return held, wanted


async def _apart(work: Callable[[], bytes]) -> bytes:
    try:
        return await asyncio.to_thread(work)
    except (BadRequest, Refused) as error:
        raise web.HTTPBadRequest(text=str(error)) from error


def _download(data: bytes, kind: str, name: str) -> web.Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(body=data, content_type=kind, headers=headers)


def _name(held: Held, wanted: BarRange, ending: str) -> str:
    first, end = held.bars(wanted)
    return f"attacca-take-{held.number}-bars-{first + 1}-{end}.{ending}"


def _files() -> dict[str, tuple[str, bytes]]:
    """The page's files by their path under /static/, read once."""
    paths = (path for path in STATIC.rglob("*") if path.suffix in TYPES)
    return {path.relative_to(STATIC).as_posix(): (TYPES[path.suffix], path.read_bytes()) for path in paths}
