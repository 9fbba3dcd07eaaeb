"""What Ardour's OSC surface says, as a position: pure, datagram by datagram.

Ardour (7.3) sends `/position/bbt` "005|07|0039" and `/position/samples` "505344" together, ten times a second
while the play head moves, the transport's state when it changes, and a heartbeat every second. It says neither
tempo nor meter: both follow from samples and ticks. A beat is a note of the meter's denominator, so that 4/4 has
1920 ticks a beat and 7/8 has 960; which of them it is shows where a beat line is crossed, the numerator where a bar
line is. Until then bar and quarter are None (the first beat), and meter (the first bar).

*Threading*: one thread at a time. Bounded: 64 points; a datagram that is no OSC is counted and dropped.
"""

from __future__ import annotations

import re
from collections import deque
from fractions import Fraction

import numpy as np

from bridge.addresses import Value
from bridge.osc.codec import Malformed, Message, decode
from bridge.sync.position import HostPosition, Jumps, Number, host_position
from bridge.sync.regress import SteadyTempo, line
from engine.timing import Meter
from engine.timing.tempo import DENOMINATORS

TICKS_PER_QUARTER = 1920
PAIR_NS = 50_000_000
MAX_POINTS = 64
LEAST_DELAY_REPORTS = 20
_BBT = re.compile(r"(-?[0-9]{1,6})\|([0-9]{1,3})\|([0-9]{1,5})")
_SAMPLES = re.compile(r"-?[0-9]{1,15}")
_HASH_REPLY = b"#reply\0\0"
Bbt = tuple[int, int, int]


class Surface:
    """Ardour's play head as far as its surface tells it."""

    def __init__(self, meter: Meter | None = None) -> None:
        """meter: taken as given until what is heard contradicts it."""
        self.rate: int | None = None
        self.heard_ns: int | None = None
        self.malformed = 0
        self._playing = False
        self._bbt: tuple[Bbt, int] | None = None
        self._last: tuple[int, int, Bbt | None] | None = None
        self._jumps = Jumps()
        self._delays: deque[float] = deque(maxlen=LEAST_DELAY_REPORTS)
        self._grid = TickGrid(meter)

    def hear(self, datagram: bytes, at_ns: int) -> None:
        """A datagram from Ardour and when it came."""
        if datagram.startswith(_HASH_REPLY):  # Ardour's lists answer to an address without a slash
            datagram = b"/reply\0\0" + datagram[len(_HASH_REPLY) :]
        try:
            messages = decode(datagram)
        except Malformed:
            self.malformed += 1
            return
        self.heard_ns = at_ns
        for message in messages:
            self._hear(message, at_ns)

    def _hear(self, message: Message, at_ns: int) -> None:
        address, args = message.address, message.args
        if address == "/position/bbt" and args:
            self._hear_bbt(args[0], at_ns)
        elif address == "/position/samples" and args:
            self._hear_samples(args[0], at_ns)
        elif address == "/transport_play" and args and not isinstance(args[0], str):
            self._hear_playing(args[0] == 1, at_ns)
        elif address == "/reply" and len(args) >= 3 and args[0] == "end_route_list":
            self.rate = args[1] if isinstance(args[1], int) and 8_000 <= args[1] <= 192_000 else self.rate

    def _hear_bbt(self, said: Value, at_ns: int) -> None:
        match = _BBT.fullmatch(said) if isinstance(said, str) else None
        self._bbt = None if match is None else ((int(match[1]), int(match[2]), int(match[3])), at_ns)

    def _hear_samples(self, said: Value, at_ns: int) -> None:
        if not isinstance(said, str) or not _SAMPLES.fullmatch(said):
            self._last = None  # a session that closes sends a blank
            return
        frame, rate = int(said), self.rate or 48_000
        bbt = self._bbt[0] if self._bbt is not None and at_ns - self._bbt[1] <= PAIR_NS else None
        self._bbt = None
        if self._jumps.count != self._jumps.seen(frame, at_ns, rate, self._playing):
            self._restart()
        if self._playing:
            self._delays.append(at_ns - frame * 1e9 / rate)
        if bbt is not None:
            self._grid.see(frame, bbt, rate)
        self._last = (frame, at_ns, bbt)

    def _hear_playing(self, playing: bool, at_ns: int) -> None:
        if playing != self._playing:
            self._restart()
            if self._last is not None:
                self._last = (self._last[0], at_ns, self._last[2])
        self._playing = playing

    def _restart(self) -> None:
        self._delays.clear()
        self._grid.restart()

    def position(self) -> HostPosition | None:
        """The newest position; None before rate and play head are known, or after the session was closed."""
        if self._last is None or self.rate is None:
            return None
        frame, at_ns, bbt = self._last
        if self._playing and self._delays:  # the report that was under way for the shortest time tells the time
            at_ns = min(at_ns, round(min(self._delays) + frame * 1e9 / self.rate))
        bar, quarter = self._grid.place(bbt)
        meter = self._grid.meter
        return host_position(
            "ardour", at_ns, frame, self.rate, self._playing, tempo=self._grid.tempo, bar=bar, quarter=quarter,
            numerator=meter.numerator if meter else None, denominator=meter.denominator if meter else None,
            jumps=self._jumps.count,
        )  # fmt: skip


class TickGrid:
    """Tempo and meter learnt from (frame, bar|beat|tick) pairs of a play head that runs on."""

    def __init__(self, meter: Meter | None = None) -> None:
        self.meter = meter
        self._unit: int | None = None if meter is None else 4 * TICKS_PER_QUARTER // meter.denominator
        self._steady = SteadyTempo()
        self._points: deque[tuple[int, int]] = deque(maxlen=MAX_POINTS)
        self._last: tuple[int, Bbt] | None = None

    @property
    def tempo(self) -> Fraction | None:
        return self._steady.held

    def restart(self) -> None:
        """The next pair does not follow from the last."""
        self._points.clear()
        self._last = None

    def place(self, bbt: Bbt | None) -> tuple[int | None, Number | None]:
        """0-based bar and quarters into it; (None, None) while a beat's length is not known."""
        if bbt is None or self._unit is None:
            return None, None
        return bbt[0] - 1, Fraction((bbt[1] - 1) * self._unit + bbt[2], TICKS_PER_QUARTER)

    def see(self, frame: int, bbt: Bbt, rate: int) -> None:
        """A pair, later than the last one."""
        last, self._last = self._last, (frame, bbt)
        if last is None or frame <= last[0]:
            self._points.clear()
            return
        self._learn(last, frame, bbt)
        ticks = self._between(last[1], bbt)
        if ticks is None or ticks <= 0:
            self._points.clear()
            return
        if not self._points:
            self._points.append((last[0], 0))
        elif self._contradicts(frame - last[0], ticks):
            del_all_but_last(self._points)
        self._points.append((frame, self._points[-1][1] + ticks))
        self._measure(rate)

    def _contradicts(self, frames: int, ticks: int) -> bool:
        """Is this step none of the tempo of the steps before (by more than two ticks and 1/2 %)?"""
        first, last = self._points[0], self._points[-1]
        if last[0] <= first[0]:
            return False
        expected = (last[1] - first[1]) / (last[0] - first[0]) * frames
        return abs(ticks - expected) > 2 + 0.005 * expected

    def _measure(self, rate: int) -> None:
        at = np.array(self._points, np.float64)
        found = line(at[:, 0] / rate, at[:, 1], least_sigma=0.5)
        scale = 60 / TICKS_PER_QUARTER
        self._steady.offer(found.slope * scale, found.slope_error * scale)

    def _learn(self, last: tuple[int, Bbt], frame: int, bbt: Bbt) -> None:
        """The beat's length where a beat line was crossed, the numerator where a bar line was."""
        before, frames = last[1], frame - last[0]
        if len(self._points) < 2 or before[:2] == bbt[:2]:
            return
        first, end = self._points[0], self._points[-1]
        elapsed = (end[1] - first[1]) / (end[0] - first[0]) * frames
        if before[0] == bbt[0] and bbt[1] > before[1]:
            self._set_unit((elapsed + before[2] - bbt[2]) / (bbt[1] - before[1]))
        elif bbt[0] == before[0] + 1 and self._unit is not None:
            into = (before[1] - 1) * self._unit + before[2]
            bar_ticks = elapsed + into - ((bbt[1] - 1) * self._unit + bbt[2])
            self._set_numerator(round(bar_ticks / self._unit), bar_ticks / self._unit)

    def _set_unit(self, ticks: float) -> None:
        for denominator in DENOMINATORS:
            unit = 4 * TICKS_PER_QUARTER // denominator
            if abs(ticks - unit) < 0.06 * unit and unit != self._unit:
                self._unit, self.meter = unit, None

    def _set_numerator(self, numerator: int, exact: float) -> None:
        if self._unit is not None and 1 <= numerator <= 32 and abs(exact - numerator) < 0.1:
            self.meter = Meter(numerator, 4 * TICKS_PER_QUARTER // self._unit)

    def _between(self, before: Bbt, after: Bbt) -> int | None:
        """Ticks between two places; None where a beat or a bar of unknown length lies between."""
        if before[:2] == after[:2]:
            return after[2] - before[2]
        if self._unit is None:
            return None
        ticks = (after[1] - before[1]) * self._unit + after[2] - before[2]
        if after[0] == before[0]:
            return ticks
        if self.meter is None or after[0] != before[0] + 1:
            return None
        return ticks + self.meter.numerator * self._unit


def del_all_but_last(points: deque[tuple[int, int]]) -> None:
    """Keeps the newest point alone."""
    while len(points) > 1:
        points.popleft()
