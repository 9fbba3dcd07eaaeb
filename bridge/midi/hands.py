"""Where the controllers of a MIDI input stand, and which bindings hold.

*Threading*: the port's thread feeds `Hands`, the live thread reads it; one lock, held for microseconds. It keeps one
number for each controller of each channel, 2048 at most. `Bindings` belongs to the live thread: it looks at the file's
time of change twice a second, and reads it (100 kB at most) when that is new; one that cannot be read changes nothing.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bridge.midi.mapping import Binding
from bridge.midi.settings import load, settings_path
from engine.errors import AttaccaError

CONTROL = 0xB0
FIRST_MODE_MESSAGE = 120
"""From here on a controller's number means all notes off and the like."""


class Move(NamedTuple):
    """A controller that moved: channel 1-16, number and position 0-127; time.monotonic_ns(); how many-eth move."""

    channel: int
    number: int
    position: int
    at_ns: int
    serial: int


class Hands:
    """The newest position of each controller. `feed` is a bridge.midi.ports.Listener."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._moves: dict[tuple[int, int], Move] = {}
        self._serial = 0

    def feed(self, data: bytes, at_ns: int) -> None:
        """One complete MIDI message; what is no controller is ignored."""
        if len(data) != 3 or data[0] & 0xF0 != CONTROL or data[1] >= FIRST_MODE_MESSAGE:
            return
        channel, number, position = (data[0] & 0x0F) + 1, data[1], data[2] & 0x7F
        with self._lock:
            self._serial += 1
            self._moves[channel, number] = Move(channel, number, position, at_ns, self._serial)

    @property
    def serial(self) -> int:
        """Steps up with each move."""
        return self._serial

    def since(self, serial: int) -> list[Move]:
        """The newest position of each controller that moved after move `serial`, in order."""
        if serial == self._serial:
            return []
        with self._lock:
            return sorted((move for move in self._moves.values() if move.serial > serial), key=lambda move: move.serial)


class Bindings:
    """What is bound now: the file's, read again when it changes."""

    def __init__(self, path: Path | None = None, say: Callable[[str], None] | None = None) -> None:
        """say: hears why a file was not taken, once a file."""
        self.path = path or settings_path()
        self.now: tuple[Binding, ...] = ()
        self._say = say or (lambda text: print(f"attacca: {text}", file=sys.stderr, flush=True))
        self._stamp: tuple[int, int] | None = None
        self.look()

    def look(self) -> None:
        """Reads the file where it has changed since the last look."""
        try:
            found = self.path.stat()
            stamp = (found.st_mtime_ns, found.st_size)
        except OSError:
            self.now, self._stamp = (), None
            return
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self.now = load(self.path).bindings
        except AttaccaError as error:
            self._say(str(error))
