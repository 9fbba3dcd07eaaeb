"""The ROUTER and its settings; what is said when it cannot be bound."""

from __future__ import annotations

import errno
import socket as unix

import zmq

from bridge import protocol
from engine.errors import BadRequest, Unavailable

HIGH_WATER_MESSAGES = 64
HEARTBEAT_MS = 2_000
ZERO_COPY_BYTES = 64 << 10
"""Larger frames are sent from where they lie; a smaller one is copied in less time than it takes to watch over it."""
SCHEMES = ("tcp", "ipc", "inproc")


def router(context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
    """A ROUTER that never lingers, names peers that are gone, and bounds what it takes."""
    socket = context.socket(zmq.ROUTER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    socket.setsockopt(zmq.MAXMSGSIZE, protocol.MAX_AUDIO_BYTES)
    socket.setsockopt(zmq.SNDHWM, HIGH_WATER_MESSAGES)
    socket.setsockopt(zmq.RCVHWM, HIGH_WATER_MESSAGES)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 5 * HEARTBEAT_MS)
    socket.copy_threshold = ZERO_COPY_BYTES
    return socket


def check_endpoint(endpoint: str) -> None:
    """Raises BadRequest for what ZeroMQ could not serve at."""
    scheme, _, place = endpoint.partition("://")
    port = place.rpartition(":")[2]
    if scheme not in SCHEMES or not place:
        raise BadRequest(f"{endpoint!r} is no endpoint: expected e.g. {protocol.DEFAULT_ZMQ} or ipc:///tmp/attacca")
    if scheme == "tcp" and port != "*" and not (port.isdecimal() and int(port) < 65_536):
        raise BadRequest(f"{endpoint} has no port from 0 to 65535 (0 or *: any that is free)")


def bind(socket: zmq.Socket[bytes], endpoint: str) -> str:
    """Bind, and return the endpoint with its real port. Raises Unavailable."""
    if endpoint.startswith("ipc://") and _somebody_listens(endpoint.removeprefix("ipc://")):
        raise _in_use(endpoint)
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        if error.errno == errno.EADDRINUSE:
            raise _in_use(endpoint) from error
        raise Unavailable(f"cannot serve at {endpoint}: {zmq.strerror(error.errno or 0)}") from error
    bound = socket.getsockopt(zmq.LAST_ENDPOINT)
    assert isinstance(bound, bytes)
    return bound.rstrip(b"\0").decode()


def _somebody_listens(path: str) -> bool:
    """Whether an ipc path is served. (ZeroMQ would take it over without a word.)"""
    with unix.socket(unix.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def _in_use(endpoint: str) -> Unavailable:
    return Unavailable(
        f"{endpoint} is in use, perhaps by another engine: stop that one, or choose another "
        "with --zmq tcp://127.0.0.1:PORT"
    )
