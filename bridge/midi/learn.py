"""Learning which knob is meant: the one that moves.

*Threading*: the port's thread feeds it, one other thread waits; one lock, held for microseconds. It keeps one number
for each controller, 2048 at most.
"""

from __future__ import annotations

import threading
import time

from bridge.midi.hands import CONTROL, FIRST_MODE_MESSAGE
from bridge.midi.mapping import Knob
from engine.errors import Unavailable

LEAST_TRAVEL = 8
"""Steps of 128 that a knob must have moved to be meant; a button moves by more at once."""
SETTLE_S = 0.3
"""So long after the first one others may still turn out to have moved further."""
FINE_OFFSET = 32
"""Controllers 32-63 are the fine halves of 0-31."""


class Learner:
    """Adds up how far each controller travels. `feed` is a bridge.midi.ports.Listener."""

    def __init__(self) -> None:
        self._moved = threading.Condition()
        self._last: dict[tuple[int, int], int] = {}
        self._travel: dict[tuple[int, int], int] = {}

    def feed(self, data: bytes, at_ns: int) -> None:
        """One complete MIDI message; what is no controller is ignored."""
        if len(data) != 3 or data[0] & 0xF0 != CONTROL or data[1] >= FIRST_MODE_MESSAGE:
            return
        key, position = ((data[0] & 0x0F) + 1, data[1]), data[2] & 0x7F
        with self._moved:
            before = self._last.get(key)
            self._last[key] = position
            step = abs(position - before) if before is not None else LEAST_TRAVEL * (position in (0, 127))
            self._travel[key] = self._travel.get(key, 0) + step
            self._moved.notify_all()

    def wait(self, seconds: float) -> Knob:
        """The knob that is moved within so many seconds. Raises Unavailable where none is."""
        with self._moved:
            if not self._moved.wait_for(lambda: self._furthest() is not None, seconds):
                raise Unavailable(f"no knob was moved for {seconds:g} s: check the port, then turn one from end to end")
        time.sleep(SETTLE_S)
        with self._moved:
            found = self._furthest()
        assert found is not None
        return found

    def _furthest(self) -> Knob | None:
        far = {key: travel for key, travel in self._travel.items() if travel >= LEAST_TRAVEL}
        if not far:
            return None
        channel, number = max(far, key=lambda key: far[key])
        coarse = number - FINE_OFFSET
        if FINE_OFFSET <= number < 2 * FINE_OFFSET and (channel, coarse) in self._travel:
            number = coarse
        return Knob("cc", channel, number)
