"""Ardour's OSC surface (port 3819) as a sync source, and as something to press buttons on.

We register as a surface with a port of our own; Ardour then tells play head, state and heartbeat there
(`bridge.sync.surface` says what follows from that). The loop's range it does not tell: a loop that turns back is
a jump.

*Threading*: one thread, `attacca-sync-ardour`, reads the socket (0.2 s at most between looks at the stop flag) and
registers again every second while Ardour is silent, so that Ardour may start later or restart. `position` takes
a lock that the thread holds for some 100 us a datagram. Datagrams from elsewhere are dropped.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from bridge.addresses import Value
from bridge.osc.codec import MAX_DATAGRAM_BYTES, encode
from bridge.sync.position import HostPosition
from bridge.sync.surface import Surface
from engine.errors import BadRequest, Unavailable
from engine.timing import Meter

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 3819
SILENCE_NS = 3_000_000_000
REGISTER_NS = 1_000_000_000
FEEDBACK = 8 | 16 | 32 | 1024
"""Heartbeat, master section (with the transport), bar and beat, samples."""


class ArdourSource:
    """A surface of a (local) Ardour. Opening it needs no Ardour yet."""

    def __init__(self, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT, meter: Meter | None = None) -> None:
        """Raises BadRequest for an address that is none, Unavailable when no port can be bound."""
        self.name = "ardour"
        if not 1 <= port <= 65_535:
            raise BadRequest(f"Ardour's OSC port is 1 to 65535 ({DEFAULT_PORT} unless changed there); got {port}")
        try:
            self._where = (socket.gethostbyname(host), port)
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.bind(("127.0.0.1" if self._where[0].startswith("127.") else "", 0))
        except OSError as error:
            raise Unavailable(f"cannot talk OSC with {host}:{port}: {error.strerror or error}") from error
        self._socket.settimeout(0.2)
        self._surface = Surface(meter)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="attacca-sync-ardour", daemon=True)
        self._thread.start()

    def position(self) -> HostPosition | None:
        """None while Ardour is silent (no heartbeat for 3 s) or has no session."""
        with self._lock:
            return None if self._silent(time.monotonic_ns()) else self._surface.position()

    def send(self, address: str, tags: str = "", args: tuple[Value, ...] = ()) -> None:
        """Any message to Ardour: "/transport_play", "/transport_stop", "/locate" "ii" (frame, roll) ..."""
        with contextlib.suppress(OSError):  # nobody listens there, yet
            self._socket.sendto(encode(address, tags, args), self._where)

    def close(self) -> None:
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._thread.join()
        self._register(0)
        self._socket.close()

    def _listen(self) -> None:
        registered_ns = 0
        while not self._stopping.is_set():
            now_ns = time.monotonic_ns()
            if now_ns - registered_ns > REGISTER_NS and (self._silent(now_ns) or self._surface.rate is None):
                registered_ns = now_ns
                self._register(FEEDBACK)
                self.send("/strip/list")  # its end tells the sample rate
            with contextlib.suppress(OSError):
                datagram, sender = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
                if sender == self._where:
                    with self._lock:
                        self._surface.hear(datagram, time.monotonic_ns())

    def _register(self, feedback: int) -> None:
        """Bank size, strip types, feedback, fader mode, send and plugin pages, our port."""
        ours = int(self._socket.getsockname()[1])
        self.send("/set_surface", "iiiiiii", (0, 0, feedback, 0, 0, 0, ours))

    def _silent(self, now_ns: int) -> bool:
        heard_ns = self._surface.heard_ns
        return heard_ns is None or now_ns - heard_ns > SILENCE_NS
