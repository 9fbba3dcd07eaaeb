"""The control page's server: loopback only, a thread of its own.

*Threading*: `attacca-web` runs an asyncio loop and owns all that lies behind it (pages, takes). The composition root
makes, opens and closes a `WebServer`; `hear_live` is called on the live thread and hands on, the resident's threads
hand events over with `call_soon_threadsafe`: none of them ever waits for the page. What a page does not take is
bounded there (bridge.web.page). The port is bound before anything is loaded; the page answers from `open` on. `close`
comes after the resident has ended all requests: pages are told, and it returns within STOP_S.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
from collections.abc import Callable
from pathlib import Path

try:
    from aiohttp import web
except ImportError as missing:
    from engine.errors import Unavailable

    raise Unavailable("the control page needs aiohttp: pip install 'attacca-engine[web]' has it") from missing

from bridge.live.messages import LiveAudio
from bridge.protocol import DEFAULT_WEB
from bridge.session import Session
from bridge.web.announce import announce, withdraw
from bridge.web.app import App
from bridge.web.guard import Guard
from engine.errors import BadRequest, Unavailable
from engine.types import Audio

HOST = "127.0.0.1"
START_S = 10.0
STOP_S = 5.0


class WebServer:
    """Binds at once; serves from `open` on."""

    def __init__(self, port: int = DEFAULT_WEB, announced: bool = False, folder: Path | None = None) -> None:
        """port 0: any that is free. announced: plugins find the address, in `folder` or beside the timeline caches.

        Raises BadRequest and Unavailable.
        """
        self._announced, self._folder = announced, folder
        self._socket = _bind(port)
        self.port = int(self._socket.getsockname()[1])
        self._guard = Guard(self.port)
        self._loop = asyncio.new_event_loop()
        self._app: App | None = None
        self._stop = asyncio.Event()
        self._started = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where the page is, with the token of this start."""
        return f"http://{HOST}:{self.port}/?token={self._guard.token}"

    def open(self, session: Session) -> None:
        """Begin to serve."""
        self._thread = threading.Thread(target=self._run, args=(session,), name="attacca-web", daemon=True)
        self._thread.start()
        if not self._started.wait(START_S):
            raise Unavailable(f"the control page did not start within {START_S:g} s: start the engine again")
        if self._announced:
            announce(self.url, self._folder)

    def close(self) -> None:
        """End the pages' connections, and the thread."""
        if self._thread is None:
            self._socket.close()
            self._loop.close()
            return
        if self._announced:
            withdraw(self.url, self._folder)
        self.call(self._stop.set)
        self._thread.join(STOP_S)

    def hear_live(self, header: LiveAudio, audio: Audio) -> None:
        """Tell pages that listen what went into a cache. From any thread; `audio` [frames, 2] is kept, not copied."""
        app = self._app
        if app is not None and app.live_heard:
            self.call(lambda: app.live_audio(header, audio))

    def call(self, work: Callable[[], None]) -> None:
        """Run on the server's thread, soon; nothing any more once it has stopped. From any thread."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(work)

    def _run(self, session: Session) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve(session))
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
        finally:
            self._loop.close()

    async def _serve(self, session: Session) -> None:
        self._app = App(session, self._guard, self.call)
        runner = web.AppRunner(self._app.routes(), handle_signals=False, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.SockSite(runner, self._socket).start()
        self._started.set()
        await self._stop.wait()
        await self._app.close()
        await runner.cleanup()


def _bind(port: int) -> socket.socket:
    if not 0 <= port <= 65_535:
        raise BadRequest(f"--web takes a port from 0 (any) to 65535; got {port}")
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        tcp.bind((HOST, port))
    except OSError as error:
        tcp.close()
        why = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise Unavailable(
            f"the control page cannot be served at {HOST}:{port} ({why}): choose another port with --web PORT"
        ) from error
    return tcp
