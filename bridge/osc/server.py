"""The engine's OSC side: control over UDP, audio as files.

*Threading*: `attacca-osc` waits in the socket and obeys what comes at once, in order, so that an answer waits
for no poll; it asks to be scheduled before the renderer, where that is permitted. What comes later runs on
the loop's thread: messages with a time tag, and the events of requests, which the resident's threads hand to
`loop.call`. One lock guards the state; it is held for one message or one event. One writer thread writes
files, so that a slow disk delays a `done` and nothing else; at most 64 files wait. Datagrams are validated in
full before they are read (`bridge.osc.codec`); what is malformed, unknown or from a stranger is dropped and
counted. Messages with a time tag wait at most 60 s, at most 1024 of them; late ones are obeyed at once and
counted. A reply that the socket does not take at once is dropped.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from bridge import addresses, protocol
from bridge.clock import seconds_until
from bridge.files.folder import RenderFolder
from bridge.loop import MAX_TIMERS, Loop
from bridge.osc import codec, orders, setting
from bridge.osc import live as live_addresses
from bridge.osc.codec import Malformed, Message
from bridge.osc.orders import Order
from bridge.osc.socket import OscSocket, Peer, is_loopback
from bridge.session import Session
from engine.errors import AttaccaError, BadRequest, Refused, Unavailable
from engine.events import BarReady, Ended, Event, Progress
from engine.types import Report

LIVE = "/attacca/live/"
MAX_AHEAD_S = 60.0
LATE_S = 0.01
MAX_SUBSCRIBERS = 32
MAX_WRITES = 64
REPLY_TAGS = {
    row.address: addresses.typetags(row.address, len(row.args))
    for row in addresses.ADDRESSES
    if row.direction == "from engine"
}


class OscServer:
    """Binds at once; serves as long as its loop runs."""

    def __init__(
        self,
        loop: Loop,
        address: str = protocol.DEFAULT_OSC,
        allow: tuple[str, ...] = (),
        render_dir: Path | None = None,
    ) -> None:
        """Raises BadRequest (address), Refused (open without --osc-allow), Unavailable (bind, folder)."""
        self._loop = loop
        self._allowed = [_network(text) for text in allow]
        self.folder = RenderFolder(render_dir)
        self._socket = OscSocket(address, bool(allow))
        self._allows = lru_cache(maxsize=256)(self._may)
        self._state = threading.RLock()
        self._session: Session | None = None
        self._subscribers: dict[Peer, Peer] = {}
        self._writer = ThreadPoolExecutor(1, "attacca-files")
        self._writes = self._scheduled = 0
        self.counts: Counter[str] = Counter()
        self._handlers: dict[str, Callable[[Peer, tuple[Any, ...]], None]] = {
            **{address: partial(self._make, address) for address in orders.MAKERS},
            **{address: partial(self._set, address) for address in setting.SETTERS},
            "/attacca/cancel": self._cancel,
            "/attacca/ping": self._ping,
            "/attacca/subscribe": self._subscribe,
            "/attacca/panic": self._panic,
        }

    @property
    def address(self) -> str:
        return self._socket.address

    def open(self, session: Session) -> None:
        """Begin to serve."""
        self._session = session
        session.count(lambda: {f"osc {reason}": n for reason, n in list(self.counts.items())})
        self._socket.start(self._receive)

    def finish_files(self) -> None:
        """Hear nothing more, and wait for the files that are being written. After the last request has ended."""
        self._socket.stop()
        self._writer.shutdown(wait=True)

    def close(self) -> None:
        self._writer.shutdown(wait=True)
        self._socket.close()

    # ---- in ----------------------------------------------------------------------------------

    def _receive(self, data: bytes, sender: Peer) -> None:
        """On the socket's thread. What raises is a bug of ours: the loop tells and counts it."""
        try:
            with self._state:
                self._datagram(data, sender)
        except Exception as error:
            self._loop.call(partial(_raise, error))

    def _datagram(self, data: bytes, sender: Peer) -> None:
        if not self._allows(sender[0]):
            self.counts["strangers"] += 1
            return
        try:
            messages = codec.decode(data)
        except Malformed:
            self.counts["malformed"] += 1
            return
        for message in messages:
            self._at_its_time(message, sender)

    def _at_its_time(self, message: Message, sender: Peer) -> None:
        ahead_s = seconds_until(message.time_tag, self._loop.clock)
        if ahead_s > 0:
            self._schedule(ahead_s, message, sender)
            return
        if ahead_s < -LATE_S:
            self.counts["late"] += 1
        self._handle(message, sender)

    def _schedule(self, ahead_s: float, message: Message, sender: Peer) -> None:
        """Have the loop obey a message when it is due."""
        if ahead_s > MAX_AHEAD_S or self._scheduled >= MAX_TIMERS:
            self.counts["too far ahead"] += 1
            return
        self._scheduled += 1
        due_s = self._loop.clock.now_s() + ahead_s

        def handle() -> None:
            with self._state:
                self._scheduled -= 1
                self._handle(message, sender)

        def wait() -> None:
            if not self._loop.call_in(due_s - self._loop.clock.now_s(), handle):
                with self._state:
                    self._scheduled -= 1
                    self.counts["too far ahead"] += 1

        self._loop.call(wait)

    def _handle(self, message: Message, sender: Peer) -> None:
        row = addresses.BY_ADDRESS.get(message.address)
        if row is None or row.direction != "to engine":
            self.counts["unknown"] += 1
            return
        request_id = _id_of(row, message)
        try:
            values = addresses.check(row, message.args)
            if message.address.startswith(LIVE):
                self._live_order(message.address, sender, values)
            else:
                self._handlers[message.address](sender, values)
        except AttaccaError as error:
            self._fail(sender, request_id, error)

    def _make(self, address: str, sender: Peer, values: tuple[Any, ...]) -> None:
        wanted = orders.asked(address, values)
        if wanted.request.source is not None:
            _files_for(sender)
        order = Order(sender, wanted)
        self._live().submit(
            wanted.request, None, order, lambda event: self._loop.call(lambda: self._event(order, event)), live=True
        )

    def _cancel(self, sender: Peer, values: tuple[Any, ...]) -> None:
        if not self._live().resident.cancel(values[0]):
            raise BadRequest(f"no request {values[0]!r} waits or renders")

    def _set(self, address: str, sender: Peer, values: tuple[Any, ...]) -> None:
        if address == "/attacca/style":
            _files_for(sender)
        setting.put(self._live(), address, values)

    def _ping(self, sender: Peer, values: tuple[Any, ...]) -> None:
        self._reply(sender, "/attacca/pong", values[0])

    def _subscribe(self, sender: Peer, values: tuple[Any, ...]) -> None:
        self._subscribers.pop(sender, None)
        if values[0] == 0:
            return
        target = (sender[0], values[0])
        for other in [peer for peer, to in self._subscribers.items() if to == target]:
            del self._subscribers[other]
        if len(self._subscribers) >= MAX_SUBSCRIBERS:
            raise Refused(f"{MAX_SUBSCRIBERS} subscribers are the most: end one with /attacca/subscribe 0")
        self._subscribers[sender] = target

    def _panic(self, sender: Peer, values: tuple[Any, ...]) -> None:
        self._live().resident.cancel_all()

    def _live_order(self, address: str, sender: Peer, values: tuple[Any, ...]) -> None:
        live_addresses.send(
            self._live(), address, values, lambda error: self._loop.call(lambda: self._fail(sender, "", error))
        )

    # ---- out ---------------------------------------------------------------------------------

    def _event(self, order: Order, event: Event) -> None:
        """On the loop's thread."""
        with self._state:
            self._tell(order, event)

    def _tell(self, order: Order, event: Event) -> None:
        if isinstance(event, BarReady):
            order.take(event.bar)
        elif isinstance(event, Progress):
            self._reply(order.sender, "/attacca/progress", event.id, event.fraction)
        elif isinstance(event, Ended) and event.report is not None:
            self._done(order, event.report)
        elif isinstance(event, Ended):
            self._reply(order.sender, "/attacca/fail", event.id, event.code, event.text)

    def _done(self, order: Order, report: Report) -> None:
        """Hand the bars to the writer; `done` follows when the file is whole."""
        if self._writes >= MAX_WRITES:
            self._fail(order.sender, report.id, Unavailable("the disk is too slow: too many files wait"))
            return
        self._writes += 1
        self._writer.submit(self._write, order, report)

    def _write(self, order: Order, report: Report) -> None:
        """On the writer's thread."""
        try:
            found = order.write(self.folder, report)
        except AttaccaError as error:
            failure = error
            self._loop.call(lambda: self._written(order, report, failure))
        except Exception as error:
            other = AttaccaError(f"writing the file failed: {type(error).__name__}")
            self._loop.call(lambda: self._written(order, report, other))
        else:
            self._loop.call(lambda: self._written(order, report, found))

    def _written(self, order: Order, report: Report, found: tuple[Path, int] | AttaccaError) -> None:
        """On the loop's thread."""
        with self._state:
            self._writes -= 1
            if isinstance(found, AttaccaError):
                self._fail(order.sender, report.id, found)
                return
            values = (report.id, str(found[0]), found[1], report.rate, report.compute_seconds)
            self._reply(order.sender, "/attacca/done", *values)

    def _fail(self, sender: Peer, request_id: str, error: AttaccaError) -> None:
        with self._state:
            self._reply(sender, "/attacca/fail", request_id, error.code, str(error))

    def _reply(self, sender: Peer, address: str, *values: addresses.Value) -> None:
        """To the sender and to all subscribers, one copy each; paths stay on this machine."""
        targets = {self._subscribers.get(sender, sender), *self._subscribers.values()}
        tags = REPLY_TAGS[address]
        for target in targets:
            own = values
            if address == "/attacca/done" and not is_loopback(target[0]):
                own = (values[0], "", *values[2:])
            self._socket.send(codec.encode(address, tags, own), target)

    # ---- small parts -------------------------------------------------------------------------

    def _live(self) -> Session:
        assert self._session is not None
        return self._session

    def _may(self, host: str) -> bool:
        return is_loopback(host) or any(ipaddress.ip_address(host) in network for network in self._allowed)


def _raise(error: Exception) -> None:
    raise error


def _id_of(row: addresses.Address, message: Message) -> str:
    """The request id to echo in a `fail`, where the message has one."""
    named = bool(row.args) and row.args[0].name == "id" and bool(message.args)
    return str(message.args[0])[:128] if named else ""


def _files_for(sender: Peer) -> None:
    """Raises Refused where the sender sits at another machine."""
    if not is_loopback(sender[0]):
        raise Refused("over OSC, files are read and named for senders on the engine's machine only")


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise BadRequest(f"--osc-allow takes addresses as 192.168.1.20 or 192.168.1.0/24; got {text!r}") from error
