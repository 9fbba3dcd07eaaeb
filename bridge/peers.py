"""Who is connected to the engine's ROUTER, and what each has not taken yet.

*Threading*: the loop's thread alone. Nothing here waits: a message that a client does not take stays in that client's
backlog, which is bounded (10 s without a message taken, 1 GB); beyond that the client is lost. So is one that has gone.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import zmq

from bridge.loop import Loop

MAX_STALL_S = 10.0
MAX_BACKLOG_BYTES = 1 << 30
RETRY_S = 0.01
MAX_CLIENTS = 256


@dataclass
class Client:
    """A peer: what it has not taken yet, and which requests are its own."""

    identity: bytes
    backlog: deque[list[Any]] = field(default_factory=deque)
    backlog_bytes: int = 0
    moved_s: float = 0.0
    requests: set[str] = field(default_factory=set)
    subscribed: bool = False
    hears_live: bool = False


class Peers:
    """The clients of a socket, at most MAX_CLIENTS."""

    def __init__(self, socket: zmq.Socket[bytes], loop: Loop, lost: Callable[[Client], None]) -> None:
        """lost: called with each client that is gone or stuck, once nothing more is sent to it."""
        self._socket, self._loop, self._lost = socket, loop, lost
        self._clients: dict[bytes, Client] = {}
        self.lost_count = 0

    def __iter__(self) -> Iterator[Client]:
        """All of them as they are now; they may be lost meanwhile."""
        return iter(list(self._clients.values()))

    def of(self, identity: bytes) -> Client:
        """The client of an identity; a new one may take the place of another."""
        client = self._clients.get(identity)
        if client is None:
            if len(self._clients) >= MAX_CLIENTS:
                self._forget_one()
            client = self._clients[identity] = Client(identity)
        return client

    def send(self, client: Client, frames: list[Any]) -> None:
        """Send after what still waits; nothing to a client that is lost."""
        if self._clients.get(client.identity) is not client:
            return
        if not client.backlog:
            client.moved_s = self._loop.clock.now_s()
        client.backlog.append(frames)
        client.backlog_bytes += sum(len(frame) for frame in frames)
        if len(client.backlog) == 1:
            self._push(client)
        if client.backlog_bytes > MAX_BACKLOG_BYTES:
            self._lose(client)

    def push(self) -> None:
        """Send as much as all of them take now."""
        for client in self:
            self._push(client)

    def _push(self, client: Client) -> None:
        """Send as much of the backlog as the peer takes now; come back in 10 ms for the rest."""
        while client.backlog:
            try:
                self._socket.send_multipart([client.identity, *client.backlog[0]], zmq.NOBLOCK, copy=False)
            except zmq.Again:
                stuck = self._loop.clock.now_s() - client.moved_s > MAX_STALL_S
                if stuck or not self._loop.call_in(RETRY_S, lambda: self._push(client)):
                    self._lose(client)
                return
            except zmq.ZMQError as error:
                if error.errno not in (errno.EHOSTUNREACH, zmq.ENOTSOCK):
                    raise
                self._lose(client)
                return
            client.backlog_bytes -= sum(len(frame) for frame in client.backlog.popleft())
            client.moved_s = self._loop.clock.now_s()

    def _forget_one(self) -> None:
        """Make room: the client heard of longest ago that waits for nothing, else the oldest."""
        idle = (c for c in self._clients.values() if not c.requests and not c.backlog and not c.subscribed)
        self._lose(next(idle, next(iter(self._clients.values()))))

    def _lose(self, client: Client) -> None:
        self._clients.pop(client.identity, None)
        self.lost_count += 1
        client.backlog.clear()
        client.backlog_bytes = 0
        self._lost(client)
