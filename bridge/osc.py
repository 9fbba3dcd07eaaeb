"""The engine's OSC side: control over UDP, audio as files.

*Threading*: the loop's thread owns the UDP socket and all state here. Events of a request come
from the resident's threads through `loop.call`. One writer thread writes files, so that a slow
disk delays a `done` and nothing else; at most 64 files wait. Datagrams are validated in full
before they are read (`bridge.osc_codec`); what is malformed, unknown or from a stranger is
dropped and counted. Messages with a time tag wait at most 60 s, at most 1024 of them; late
ones are obeyed at once and counted.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bridge import addresses, osc_codec, osc_live, protocol
from bridge.clock import seconds_until
from bridge.loop import Loop
from bridge.osc_codec import MAX_DATAGRAM_BYTES, Malformed, Message
from bridge.render_folder import RenderFolder
from bridge.session import Session
from engine.errors import AttaccaError, BadRequest, Refused, Unavailable
from engine.events import BarReady, Ended, Event, Progress
from engine.types import Audio, CurvePoint, Note, PromptPart, Report, Request

LIVE = "/attacca/live/"
MAX_AHEAD_S = 60.0
LATE_S = 0.01
MAX_SUBSCRIBERS = 32
MAX_WRITES = 64
DATAGRAMS_A_TURN = 64
Peer = tuple[str, int]


@dataclass(eq=False)
class Order:
    """A request that came by OSC: whom to answer, and its bars so far."""

    sender: Peer
    bars: list[Audio] = field(default_factory=list)


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
        self._socket = _bind(address, bool(allow))
        self._session: Session | None = None
        self._subscribers: dict[Peer, Peer] = {}
        self._writer = ThreadPoolExecutor(1, "attacca-files")
        self._writes = 0
        self.counts: Counter[str] = Counter()
        self._handlers: dict[str, Callable[[Peer, tuple[Any, ...]], None]] = {
            "/attacca/generate": self._generate,
            "/attacca/continue": self._continue,
            "/attacca/cancel": self._cancel,
            "/attacca/prompt": self._prompt,
            "/attacca/style": self._style,
            "/attacca/intensity": self._intensity,
            "/attacca/melody": self._melody,
            "/attacca/ping": self._ping,
            "/attacca/subscribe": self._subscribe,
            "/attacca/panic": self._panic,
        }

    @property
    def address(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def open(self, session: Session) -> None:
        """Begin to serve."""
        self._session = session
        session.count(lambda: {f"osc {reason}": n for reason, n in self.counts.items()})
        self._loop.on_readable(self._socket.fileno(), self._receive)

    def finish_files(self) -> None:
        """Wait for the files that are being written. After the last request has ended."""
        self._writer.shutdown(wait=True)

    def close(self) -> None:
        self._writer.shutdown(wait=True)
        self._socket.close()

    # ---- in ----------------------------------------------------------------------------------

    def _receive(self) -> None:
        for _ in range(DATAGRAMS_A_TURN):
            try:
                data, sender = self._socket.recvfrom(MAX_DATAGRAM_BYTES + 1)
            except BlockingIOError:
                return
            except OSError:  # an earlier reply found nobody; not about this read
                continue
            self._datagram(data, (sender[0], sender[1]))

    def _datagram(self, data: bytes, sender: Peer) -> None:
        if not self._may(sender[0]):
            self.counts["strangers"] += 1
            return
        try:
            messages = osc_codec.decode(data)
        except Malformed:
            self.counts["malformed"] += 1
            return
        for message in messages:
            self._at_its_time(message, sender)

    def _at_its_time(self, message: Message, sender: Peer) -> None:
        ahead_s = seconds_until(message.time_tag, self._loop.clock)
        if ahead_s <= 0:
            if ahead_s < -LATE_S:
                self.counts["late"] += 1
            self._handle(message, sender)
        elif ahead_s > MAX_AHEAD_S or not self._loop.call_in(ahead_s, lambda: self._handle(message, sender)):
            self.counts["too far ahead"] += 1

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

    def _generate(self, sender: Peer, values: tuple[Any, ...]) -> None:
        request_id, prompt, bars, tempo, meter, seed = values
        prompts = (PromptPart(text=prompt),) if prompt else ()
        self._order(
            sender,
            Request(
                id=request_id,
                kind="generate",
                bars=bars,
                tempo=_tempo_text(tempo),
                meter=meter or "4/4",
                seed=_seed(seed),
                prompts=prompts,
            ),
        )

    def _continue(self, sender: Peer, values: tuple[Any, ...]) -> None:
        request_id, path, bars, tempo, meter, seed = values
        _files_for(sender)
        self._order(
            sender,
            Request(
                id=request_id,
                kind="continue",
                bars=bars,
                tempo=_tempo_text(tempo),
                meter=meter or "4/4",
                seed=_seed(seed),
                source=path,
            ),
        )

    def _order(self, sender: Peer, request: Request) -> None:
        order = Order(sender)
        self._live().submit(
            request, None, order, lambda event: self._loop.call(lambda: self._event(order, event)), live=True
        )

    def _cancel(self, sender: Peer, values: tuple[Any, ...]) -> None:
        if not self._live().resident.cancel(values[0]):
            raise BadRequest(f"no request {values[0]!r} waits or renders")

    def _prompt(self, sender: Peer, values: tuple[Any, ...]) -> None:
        self._live().prompts = tuple(PromptPart(text=text, weight=weight) for text, weight in _groups(values, 2))

    def _style(self, sender: Peer, values: tuple[Any, ...]) -> None:
        _files_for(sender)
        self._live().styles = tuple(PromptPart(audio=path, weight=weight) for path, weight in _groups(values, 2))

    def _intensity(self, sender: Peer, values: tuple[Any, ...]) -> None:
        points = tuple(CurvePoint(beat=beat, db=level) for beat, level in _groups(values, 2))
        self._live().intensity = points or None

    def _melody(self, sender: Peer, values: tuple[Any, ...]) -> None:
        notes = tuple(
            Note(pitch=pitch, beat=beat, length=length, velocity=round(velocity))
            for pitch, beat, length, velocity in _groups(values, 4)
        )
        self._live().melody = notes or None

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
        osc_live.send(
            self._live(), address, values, lambda error: self._loop.call(lambda: self._fail(sender, "", error))
        )

    # ---- out ---------------------------------------------------------------------------------

    def _event(self, order: Order, event: Event) -> None:
        if isinstance(event, BarReady):
            if event.bar.first_frame >= 0:
                order.bars.append(event.bar.audio)
        elif isinstance(event, Progress):
            self._reply(order.sender, "/attacca/progress", event.id, event.fraction)
        elif isinstance(event, Ended) and event.report is not None:
            self._done(order, event.report)
        elif isinstance(event, Ended):
            self._reply(order.sender, "/attacca/fail", event.id, event.code, event.text)

    def _done(self, order: Order, report: Report) -> None:
        """Hand the bars to the writer; `done` follows when the file is whole."""
        bars, order.bars = order.bars, []
        if self._writes >= MAX_WRITES:
            self._fail(order.sender, report.id, Unavailable("the disk is too slow: too many files wait"))
            return
        self._writes += 1
        self._writer.submit(self._write, order, report, bars)

    def _write(self, order: Order, report: Report, bars: list[Audio]) -> None:
        """On the writer's thread."""
        try:
            path = self.folder.write(report.id, np.concatenate(bars), report.rate)
        except AttaccaError as error:
            failure = error
            self._loop.call(lambda: self._written(order, report, None, failure))
        except Exception as error:
            other = AttaccaError(f"writing the file failed: {type(error).__name__}")
            self._loop.call(lambda: self._written(order, report, None, other))
        else:
            self._loop.call(lambda: self._written(order, report, path, None))

    def _written(self, order: Order, report: Report, path: Path | None, error: AttaccaError | None) -> None:
        self._writes -= 1
        if error is not None:
            self._fail(order.sender, report.id, error)
            return
        values = (report.id, str(path), report.frames, report.rate, report.compute_seconds)
        self._reply(order.sender, "/attacca/done", *values)

    def _fail(self, sender: Peer, request_id: str, error: AttaccaError) -> None:
        self._reply(sender, "/attacca/fail", request_id, error.code, str(error))

    def _reply(self, sender: Peer, address: str, *values: addresses.Value) -> None:
        """To the sender and to all subscribers, one copy each; paths stay on this machine."""
        targets = {self._subscribers.get(sender, sender), *self._subscribers.values()}
        tags = addresses.typetags(address, len(values))
        for target in targets:
            own = values
            if address == "/attacca/done" and not _is_loopback(target[0]):
                own = (values[0], "", *values[2:])
            with contextlib.suppress(OSError):
                self._socket.sendto(osc_codec.encode(address, tags, own), target)

    # ---- small parts -------------------------------------------------------------------------

    def _live(self) -> Session:
        assert self._session is not None
        return self._session

    def _may(self, host: str) -> bool:
        return _is_loopback(host) or any(ipaddress.ip_address(host) in network for network in self._allowed)


def _groups(values: tuple[Any, ...], size: int) -> list[tuple[Any, ...]]:
    return [values[at : at + size] for at in range(0, len(values), size)]


def _id_of(row: addresses.Address, message: Message) -> str:
    """The request id to echo in a `fail`, where the message has one."""
    named = bool(row.args) and row.args[0].name == "id" and bool(message.args)
    return str(message.args[0])[:128] if named else ""


def _tempo_text(tempo: float) -> str:
    return f"{tempo:.3f}"


def _seed(seed: int) -> int | None:
    return None if seed < 0 else seed


def _files_for(sender: Peer) -> None:
    """Raises Refused where the sender sits at another machine."""
    if not _is_loopback(sender[0]):
        raise Refused("over OSC, files are read and named for senders on the engine's machine only")


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise BadRequest(f"--osc-allow takes addresses as 192.168.1.20 or 192.168.1.0/24; got {text!r}") from error


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
    if not _is_loopback(str(where[0])) and not open_to_others:
        raise Refused(
            f"{address} can be reached from other machines: name those that may send with --osc-allow, "
            f"or serve at {protocol.DEFAULT_OSC}"
        )
    udp = socket.socket(family, kind, proto)
    udp.setblocking(False)
    try:
        udp.bind(where)
    except OSError as error:
        udp.close()
        raise Unavailable(
            f"OSC cannot be served at {address} ({error.strerror}): another engine may run; "
            "stop it, or choose a port with --osc 127.0.0.1:PORT"
        ) from error
    return udp
