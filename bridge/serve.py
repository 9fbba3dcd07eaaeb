"""Composition root of the engine process: renderer, resident, sockets, ready line.

*Threading*: the calling thread becomes the loop's thread until SIGINT, SIGTERM or `stop`; the
resident has its worker. Sockets are bound before anything is loaded, so that a port in use
costs no wait; they answer from `ready` on. Shutting down ends all requests as cancelled and
takes 5 s at most.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from bridge import protocol
from bridge.live.leads import Leads
from bridge.live.sessions import Live
from bridge.loop import Loop
from bridge.midi.hands import Bindings, Hands
from bridge.midi.inputs import MidiInput, NoteCollector
from bridge.midi.remembered import open_chosen
from bridge.osc.server import OscServer
from bridge.session import Session
from bridge.sync.open import open_source
from bridge.sync.position import SyncSource
from bridge.zeromq import ZeroMQServer
from engine.errors import BadRequest, Unavailable
from engine.resident import Resident
from engine.runtimes.memory import uncollected
from engine.timing import Meter
from engine.types import Audio, Renderer
from engine.whole import whole

if TYPE_CHECKING:
    from bridge.live.messages import LiveAudio
    from bridge.web.server import WebServer

OFF = "off"
PLUGIN = "plugin"


@dataclass(frozen=True)
class Options:
    """What `attacca serve` takes. zmq and osc may be "off"; ports 0 or * pick a free one.

    runtime: see `engine.runtimes.names`. web: the control page's port, if it is wanted.
    """

    bundle: Path | None = None
    fake: bool = False
    device: str = "auto"
    runtime: str | None = None
    zmq: str = protocol.DEFAULT_ZMQ
    osc: str = protocol.DEFAULT_OSC
    ready_file: Path | None = None
    render_dir: Path | None = None
    osc_allow: tuple[str, ...] = ()
    curve_keys: Path | None = None
    midi_in: str | None = None
    sync: str = PLUGIN
    sync_meter: str = "4/4"
    fake_seconds_per_bar: float = 0.0
    live: bool = True
    live_steps: int = 2
    cache_dir: Path | None = None
    web: int | None = None


class Server:
    """An engine with its sockets. `start` returns when it is ready; `run` serves until `stop`."""

    def __init__(self, options: Options) -> None:
        """Binds the sockets. Raises Refused, Unavailable or BadRequest."""
        self.options = options
        self.loop = Loop()
        self.zeromq: ZeroMQServer | None = None
        self.osc: OscServer | None = None
        self.web: WebServer | None = None
        self.resident: Resident | None = None
        self.live: Live | None = None
        self._midi: MidiInput | None = None
        self._sync: SyncSource | None = None
        self._notes, self._hands = NoteCollector(), Hands()
        try:
            self._bind()
        except BaseException:
            self.close()
            raise

    def _bind(self) -> None:
        options = self.options
        if options.zmq != OFF:
            self.zeromq = ZeroMQServer(self.loop, options.zmq, options.curve_keys)
        if options.osc != OFF:
            self.osc = OscServer(self.loop, options.osc, options.osc_allow, options.render_dir)
        if options.web is not None:
            from bridge.web.server import WebServer

            self.web = WebServer(options.web, options.live, options.cache_dir)
        if not self._sockets():
            raise BadRequest("there is nothing to serve: both --zmq and --osc are off")
        if options.midi_in is not None:
            self._midi = open_chosen(options.midi_in, self._notes)
            self._midi.listen(self._hands.feed)
        if options.sync.strip() != PLUGIN:
            if not options.live:
                raise BadRequest("--sync is for live sessions: leave out --sync or --no-live")
            self._sync = open_source(options.sync, meter=Meter.parse(options.sync_meter), midi=self._midi)

    def _sockets(self) -> list[ZeroMQServer | OscServer | WebServer]:
        return [socket for socket in (self.zeromq, self.osc, self.web) if socket is not None]

    def start(self, renderer: Renderer | None = None) -> None:
        """Load, warm up, canary, freeze; then the sockets answer. Raises BadBundle and the like."""
        self.resident = Resident(renderer or load(self.options), check=_checker())
        self.resident.start()
        session = Session(self.resident, self._notes)
        session.count(lambda: {"bugs": self.loop.callback_errors})
        if self.options.live:
            self.live = session.live = self._live(self.resident)
            session.count(lambda: {"live bugs": self.live.bugs if self.live else 0})
        for socket in self._sockets():
            socket.open(session)
        if self.live is not None:
            self.live.start()

    def _live(self, resident: Resident) -> Live:
        """The live sessions, with what leads them."""
        leads = Leads(
            source=self._sync.position if self._sync is not None else None,
            notes=self._notes if self._midi is not None else None,
            hands=self._hands,
            bindings=Bindings(),
        )
        folder, steps = self.options.cache_dir, self.options.live_steps
        return Live(resident, folder, listener=self._hear_live, steps=steps, leads=leads)

    def _hear_live(self, header: LiveAudio, audio: Audio) -> None:
        for socket in (self.zeromq, self.web):
            if socket is not None:
                socket.hear_live(header, audio)

    def ready(self) -> dict[str, Any]:
        """What the ready line and the ready file say."""
        assert self.resident is not None
        health = self.resident.health()
        return {
            "protocol": protocol.VERSION,
            "pid": os.getpid(),
            "zmq": self.zeromq.endpoint if self.zeromq else None,
            "osc": self.osc.address if self.osc else None,
            "web": self.web.url if self.web else None,
            "midi": self._midi.name if self._midi else None,
            "sync": self.options.sync.strip() if self.options.live else None,
            "render_dir": str(self.osc.folder.path) if self.osc else None,
            "bundle": health.bundle,
            "runtime": health.runtime,
            "threads": health.threads,
            "canary_ok": health.canary_ok,
        }

    def run(self) -> None:
        self.loop.run()

    def stop(self) -> None:
        """From any thread or signal handler."""
        self.loop.stop()

    def close(self) -> None:
        """End all requests, tell their senders, close the sockets."""
        if self.live is not None:
            self.live.close()
        if self._sync is not None:
            self._sync.close()
        if self._midi is not None:
            self._midi.close()
        if self.resident is not None:
            self.resident.close()
        self.loop.drain()
        if self.osc is not None:
            self.osc.finish_files()
        self.loop.drain()
        for socket in self._sockets():
            socket.close()
        self.loop.close()


def serve(options: Options, announce: Callable[[str], None] = print) -> int:
    """Run an engine until SIGINT or SIGTERM. `announce` gets the line `ready {json}`. Returns 0."""
    server = Server(options)
    try:
        with uncollected():
            server.start()
        line = json.dumps(server.ready(), separators=(",", ":"))
        with _ready_file(options.ready_file, line), _signals(server.stop):
            announce(f"ready {line}")
            sys.stdout.flush()
            server.run()
    finally:
        server.close()
    return 0


@contextlib.contextmanager
def serving(options: Options, renderer: Renderer | None = None) -> Iterator[Server]:
    """An engine in a thread of this process, for tests and notebooks."""
    server = Server(options)
    thread = threading.Thread(target=server.run, name="attacca-loop", daemon=True)
    try:
        server.start(renderer)
        thread.start()
        yield server
    finally:
        server.stop()
        if thread.ident is not None:
            thread.join()
        server.close()


def load(options: Options) -> Renderer:
    """The renderer that the options ask for. Only here is torch loaded, and not for the fake."""
    if options.fake:
        from engine.fake import FakeRenderer

        return FakeRenderer(options.fake_seconds_per_bar)
    from engine.render.load import load_renderer
    from engine.runtimes.memory import keep_freed

    keep_freed()
    renderer: Renderer = load_renderer(options.bundle, options.device, options.runtime, _say)
    return renderer


def _say(text: str) -> None:
    print(f"attacca: {text}", file=sys.stderr, flush=True)


def _checker() -> Callable[[Any], object]:
    from engine.controls import check

    return check


@contextlib.contextmanager
def _ready_file(path: Path | None, line: str) -> Iterator[None]:
    """The ready file, written whole, there as long as the engine serves."""
    if path is None:
        yield
        return
    try:
        with whole(path) as part:
            part.write_text(line + "\n", encoding="utf-8")
    except OSError as error:
        raise Unavailable(f"cannot write the ready file {path}: {error.strerror}") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM end the service instead of the process; only on the main thread."""

    def handle(number: int, frame: FrameType | None) -> None:
        stop()

    old = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
