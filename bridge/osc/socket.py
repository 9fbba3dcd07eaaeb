"""The UDP socket of OSC and the thread that waits in it.

*Threading*: `attacca-osc` blocks in the socket, without a poll before it, and hands each datagram on; it reads into
one buffer. `send` may be called from any thread and never waits: what the socket does not take at once is lost, as
datagrams are. `close` returns after STOP_S at most.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import threading
from collections.abc import Callable
from functools import lru_cache

from bridge import protocol
from bridge.hurry import hurry
from bridge.osc.codec import MAX_DATAGRAM_BYTES
from engine.errors import BadRequest, Refused, Unavailable

STOP_S = 0.25
Peer = tuple[str, int]
Hear = Callable[[bytes, Peer], None]


class OscSocket:
    """Binds at once; hears from `start` on."""

    def __init__(self, address: str, open_to_others: bool) -> None:
        """Raises BadRequest (address), Refused (open without permission), Unavailable (bind)."""
        self._udp = _bind(address, open_to_others)
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        host, port = self._udp.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def start(self, hear: Hear) -> None:
        """Call `hear` with each datagram and its sender, on the own thread. It must not raise."""
        self._thread = threading.Thread(target=self._run, args=(hear,), name="attacca-osc", daemon=True)
        self._thread.start()

    def send(self, datagram: bytes, target: Peer) -> None:
        with contextlib.suppress(OSError):
            self._udp.sendto(datagram, socket.MSG_DONTWAIT, target)

    def stop(self) -> None:
        """Hear nothing any more; `send` still works."""
        self._stopping = True
        if self._thread is not None:
            with contextlib.suppress(OSError):
                self._udp.shutdown(socket.SHUT_RD)
            self._thread.join()

    def close(self) -> None:
        self.stop()
        self._udp.close()

    def _run(self, hear: Hear) -> None:
        hurry()
        buffer = bytearray(MAX_DATAGRAM_BYTES + 1)
        view = memoryview(buffer)
        while not self._stopping:
            try:
                size, sender = self._udp.recvfrom_into(buffer)
            except OSError:  # the time to look whether to stop; or an earlier reply found nobody
                continue
            if not self._stopping:
                hear(bytes(view[:size]), (sender[0], sender[1]))


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback


def split_address(text: str) -> Peer:
    """HOST:PORT, with an IPv6 host in brackets. Raises BadRequest."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise BadRequest(f"an OSC address is HOST:PORT, as in {protocol.DEFAULT_OSC}; got {text!r}")
    return host.strip("[]"), int(port)


def _bind(address: str, open_to_others: bool) -> socket.socket:
    host, port = split_address(address)
    try:
        family, kind, proto, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    except OSError as error:
        raise BadRequest(f"{host!r} is no address of this machine") from error
    if not is_loopback(str(where[0])) and not open_to_others:
        raise Refused(
            f"{address} can be reached from other machines: name those that may send with --osc-allow, "
            f"or serve at {protocol.DEFAULT_OSC}"
        )
    udp = socket.socket(family, kind, proto)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 0, round(STOP_S * 1e6)))
    try:
        udp.bind(where)
    except OSError as error:
        udp.close()
        raise Unavailable(
            f"OSC cannot be served at {address} ({error.strerror}): another engine may run; "
            "stop it, or choose a port with --osc 127.0.0.1:PORT"
        ) from error
    return udp
