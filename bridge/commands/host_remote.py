"""What reaches a running host from outside: OSC, a MIDI input, keys of the terminal.

    /attacca/host/start                 roll; after a panic sound again
    /attacca/host/stop
    /attacca/host/locate  frame (i, h) | seconds (f, d)
    /attacca/host/panic                 silence now
    /attacca/host/chain   path          play through this chain file ("": no effects)
    /attacca/host/record  path          record to this WAV ("": end it)
    /attacca/host/save                  keep the plugins' states
    /attacca/host/status                answered by /attacca/host/status json

What is refused is answered by /attacca/host/error sentence. MIDI: controllers 120 and 123 (all sound, all notes
off), and the panic note if there is one, are a panic; start, continue and stop are what they say.

*Threading*: OSC comes on the socket's thread, MIDI on the port's, keys on the main thread; each calls the host, which
takes one command at a time and never waits longer than an edit takes. A panic waits for nobody.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bridge.osc import codec
from bridge.osc.codec import Malformed
from bridge.osc.socket import OscSocket, Peer
from engine.errors import AttaccaError, BadRequest, Refused, Unavailable

if TYPE_CHECKING:
    from plugin_host.host import Host

PREFIX = "/attacca/host/"
ALL_SOUND_OFF, ALL_NOTES_OFF = 120, 123
START, CONTINUE, STOP = 0xFA, 0xFB, 0xFC
Ask = Callable[[Callable[[], None]], None]


class Remote:
    """Obeys OSC at `address` on loopback. later: has what takes long (an edit loads plugins) done elsewhere."""

    def __init__(self, host: Host, address: str, later: Ask) -> None:
        """Raises BadRequest (address), Refused (not loopback) and Unavailable (taken)."""
        self._host = host
        self._later = later
        self._hurried = False
        self._socket = _socket(address)
        self.address = self._socket.address

    def start(self) -> None:
        self._socket.start(self._hear)

    def close(self) -> None:
        self._socket.close()

    def _hear(self, datagram: bytes, sender: Peer) -> None:
        if not self._hurried:
            from plugin_host.realtime import HELPER_PRIORITY, hasten

            self._hurried = True
            hasten(HELPER_PRIORITY)
        try:
            messages = codec.decode(datagram)
        except Malformed:
            return
        for message in messages:
            if message.address.startswith(PREFIX):
                self._answered(sender, partial(self._obey, message.address, message.args, sender))

    def _answered(self, sender: Peer, act: Callable[[], None]) -> None:
        try:
            act()
        except AttaccaError as error:
            self._say(sender, "error", str(error))

    def _say(self, sender: Peer, what: str, text: str) -> None:
        self._socket.send(codec.encode(PREFIX + what, "s", (text,), 8_000), sender)

    def _obey(self, address: str, args: tuple[Any, ...], sender: Peer) -> None:
        host, what = self._host, address.removeprefix(PREFIX)
        plain = {"start": host.roll, "stop": host.halt, "panic": host.panic, "save": host.save}
        if what in plain and not args:
            plain[what]()
        elif what == "locate" and len(args) == 1 and not isinstance(args[0], str):
            frame = args[0] if isinstance(args[0], int) else round(args[0] * host.sink.rate_hz)
            host.locate(max(0, int(frame)))
        elif what in ("chain", "record") and len(args) == 1 and isinstance(args[0], str):
            path = Path(args[0]).expanduser() if args[0] else None
            act = host.edit if what == "chain" else host.record
            self._later(partial(self._answered, sender, partial(act, path)))
        elif what == "status" and not args:
            self._say(sender, "status", msgspec.json.encode(host.report()).decode())
        else:
            raise BadRequest(f"there is no {address} with these arguments; see attacca host --help")


def _socket(address: str) -> OscSocket:
    try:
        return OscSocket(address, False)
    except Refused as error:
        raise Refused(f"the host obeys programs on this machine alone: --osc 127.0.0.1:PORT, not {address}") from error
    except Unavailable as error:
        raise Unavailable(
            f"OSC cannot be heard at {address}: another host may run; stop it, or choose --osc 127.0.0.1:PORT or off"
        ) from error


def midi_obeys(host: Host, panic_note: int | None) -> Callable[[bytes, int], None]:
    """A listener of a MIDI input."""

    def listen(data: bytes, at_ns: int) -> None:
        kind = data[0] & 0xF0
        with contextlib.suppress(AttaccaError):
            if kind == 0xB0 and data[1] in (ALL_SOUND_OFF, ALL_NOTES_OFF):
                host.panic()
            elif kind == 0x90 and data[2] and data[1] == panic_note:
                host.panic()
            elif data[0] in (START, CONTINUE):
                host.roll()
            elif data[0] == STOP:
                host.halt()

    return listen


def _no_key(seconds: float) -> str:
    time.sleep(seconds)
    return ""


@contextlib.contextmanager
def single_keys() -> Iterator[Callable[[float], str]]:
    """A function that waits so many seconds for a key and gives it, or "" (always where there is no terminal)."""
    if not sys.stdin or not sys.stdin.isatty():
        yield _no_key
        return
    import termios
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield lambda seconds: _key(terminal, seconds)
    finally:
        with contextlib.suppress(termios.error):  # a terminal that is gone
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _key(terminal: int, seconds: float) -> str:
    """One key and no more, so that `select` knows of the next; a terminal that is gone has none."""
    if not select.select([terminal], [], [], seconds)[0]:
        return ""
    try:
        key = os.read(terminal, 1)
    except OSError:
        key = b""
    return key.decode("latin-1") or _no_key(seconds)
