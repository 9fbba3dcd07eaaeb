"""The client's end of the wire: a DEALER, its thread, and one queue of replies per request.

*Threading*: one daemon thread owns the socket. Callers on any thread hand messages over
through a deque and a wake byte, and read their replies from a queue of their own, so that
a slow caller holds up nobody else. While replies are awaited the thread sends a heartbeat each
second; when nothing at all has come for 5 s, everyone who waits is told that no engine
answers. A queue holds what one request sends, 15 minutes of audio at most.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections import deque
from pathlib import Path
from typing import Any

import msgspec
import zmq

from bridge import protocol
from bridge.clock import SystemClock
from bridge.curve import guard_client
from bridge.protocol import Malformed, Ping, Pong
from bridge.sockets import ZERO_COPY_BYTES
from engine.errors import NoEngine, Refused
from engine.types import Audio

HEARTBEAT_S = 1.0
SILENCE_S = 5.0
POLL_MS = 250

Reply = tuple[Any, Audio | None]
Replies = queue.SimpleQueue[Reply]


class Wire:
    """Sends messages and sorts replies by request id, or by tag for those without one."""

    def __init__(self, endpoint: str, keys: Path | None = None, silence_s: float = SILENCE_S) -> None:
        """silence_s: how long nothing may come before those who wait are told. Raises NoEngine."""
        self.endpoint = endpoint
        self._silence_s = silence_s
        self.malformed = 0
        self._clock = SystemClock()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._dealer(keys)
        self._outbox: deque[list[Any]] = deque()
        self._waiting: dict[str, Replies] = {}
        self._lock = threading.Lock()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._stopping = False
        self._heard_s = self._pinged_s = self._clock.now_s()
        self._thread = threading.Thread(target=self._run, name="attacca-client", daemon=True)
        self._thread.start()

    def _dealer(self, keys: Path | None) -> zmq.Socket[bytes]:
        dealer = self._context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.MAXMSGSIZE, protocol.MAX_AUDIO_BYTES)
        dealer.setsockopt(zmq.SNDHWM, 64)
        dealer.setsockopt(zmq.RCVHWM, 64)
        dealer.copy_threshold = ZERO_COPY_BYTES
        try:
            guard_client(dealer, keys)
            dealer.connect(self.endpoint)
        except zmq.ZMQError as error:
            dealer.close(0)
            self._context.term()
            raise NoEngine(f"{self.endpoint!r} is no endpoint: expected e.g. {protocol.DEFAULT_ZMQ}") from error
        except BaseException:
            dealer.close(0)
            self._context.term()
            raise
        return dealer

    def expect(self, key: str) -> Replies:
        """A queue for the replies under a request id, a tag for those without one, or "*" for the rest.

        Raises Refused when somebody waits for them already.
        """
        with self._lock:
            if key in self._waiting:
                raise Refused(f"somebody waits for {key!r} already: choose another id")
            if not self._waiting:
                self._heard_s = self._clock.now_s()
            replies: Replies = queue.SimpleQueue()
            self._waiting[key] = replies
            return replies

    def forget(self, key: str) -> None:
        with self._lock:
            self._waiting.pop(key, None)

    def send(self, body: msgspec.Struct, audio: Audio | None = None) -> None:
        """Hand a message to the thread. audio: float32 [frames, channels], kept until it is sent."""
        frames: list[Any] = list(protocol.encode(body))
        if audio is not None:
            assert audio.dtype == protocol.AUDIO_DTYPE
            assert audio.flags.c_contiguous
            frames.append(audio.data.cast("B"))
        self._outbox.append(frames)
        self._wake()

    def close(self) -> None:
        self._stopping = True
        self._wake()
        self._thread.join()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._wake_out.send(b"\0")

    # ---- the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._wake_in.fileno(), zmq.POLLIN)
        while not self._stopping:
            poller.poll(POLL_MS if not self._outbox else 10)
            with contextlib.suppress(BlockingIOError):
                self._wake_in.recv(4096)
            self._flush()
            self._read()
            self._heartbeat()
        self._flush()
        self._tell_all("the connection was closed")
        self._socket.close(linger=200)
        self._context.term()
        self._wake_in.close()
        self._wake_out.close()

    def _flush(self) -> None:
        while self._outbox:
            try:
                self._socket.send_multipart(self._outbox[0], zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            self._outbox.popleft()

    def _read(self) -> None:
        while True:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            self._heard_s = self._clock.now_s()
            try:
                body, audio = protocol.decode([frame.buffer for frame in frames], "from engine")
            except Malformed:
                self.malformed += 1
                continue
            self._sort(body, audio)

    def _sort(self, body: Any, audio: Audio | None) -> None:
        key = body.token if isinstance(body, Pong) else getattr(body, "id", "")
        with self._lock:
            replies = self._waiting.get(key or protocol.TAG_OF[type(body)].decode())
            if replies is None:
                replies = self._waiting.get("*")
        if replies is not None:
            replies.put((body, audio))

    def _heartbeat(self) -> None:
        now = self._clock.now_s()
        if not self._waiting:
            return
        if now - self._pinged_s > HEARTBEAT_S and len(self._outbox) < 8:
            self._pinged_s = now
            self._outbox.append(list(protocol.encode(Ping(token="heartbeat"))))
        if now - self._heard_s > self._silence_s:
            self._heard_s = now
            self._tell_all(no_engine(self.endpoint))

    def _tell_all(self, text: str) -> None:
        with self._lock:
            waiting = list(self._waiting.values())
        for replies in waiting:
            replies.put((NoEngine(text), None))


def no_engine(endpoint: str) -> str:
    """The sentence for an engine that does not answer, with the way out."""
    return (
        f"no engine answers at {endpoint}: start one with `attacca serve` "
        "(or `attacca serve --fake`), or name its endpoint with ATTACCA_ZMQ"
    )
