"""The sender's side of OSC, for scripts and tests: builds messages by the table, reads replies.

*Threading*: one socket, used by one thread. `receive` waits at most its timeout.
"""

from __future__ import annotations

import socket

from bridge import addresses, protocol
from bridge.addresses import Value
from bridge.clock import Deadline
from bridge.closing import Closing
from bridge.osc import codec
from bridge.osc.socket import split_address
from engine.errors import BadRequest, NoEngine


class OscClient(Closing):
    """Sends to an engine and hears its replies on the same socket."""

    def __init__(self, address: str = protocol.DEFAULT_OSC) -> None:
        self.address = address
        self._peer = split_address(address)
        family = socket.AF_INET6 if ":" in self._peer[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))

    def close(self) -> None:
        self._socket.close()

    @property
    def port(self) -> int:
        """The own UDP port, e.g. for /attacca/subscribe."""
        return int(self._socket.getsockname()[1])

    def send(self, address: str, *values: Value) -> None:
        """Send one message with the table's types."""
        self.send_raw(build(address, *values))

    def send_raw(self, datagram: bytes) -> None:
        self._socket.sendto(datagram, self._peer)

    def receive(self, timeout_s: float = 5.0) -> codec.Message:
        """The next reply. Raises NoEngine when none comes in time."""
        self._socket.settimeout(max(timeout_s, 1e-6))
        try:
            return codec.decode(self._socket.recv(codec.MAX_DATAGRAM_BYTES))[0]
        except (TimeoutError, ConnectionError) as error:
            raise NoEngine(f"no engine answers by OSC at {self.address}: start one with `attacca serve`") from error

    def wait_for(self, *wanted: str, timeout_s: float = 30.0) -> codec.Message:
        """The next reply to one of these addresses; others are skipped. Raises NoEngine."""
        deadline = Deadline(timeout_s)
        while True:
            reply = self.receive(deadline.left_s(timeout_s))
            if reply.address in wanted:
                return reply


def build(address: str, *values: Value) -> bytes:
    """One datagram, types by the table. Raises BadRequest for a number that its type does not hold."""
    try:
        tags = addresses.typetags(address, len(values))
        return codec.encode(address, tags, values, codec.MAX_DATAGRAM_BYTES)
    except codec.Malformed as error:
        raise BadRequest(f"{address} takes {addresses.signature(addresses.BY_ADDRESS[address])}: {error}") from error
