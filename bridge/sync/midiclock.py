"""MIDI clock with song position as a sync source: 24 ticks a quarter, start, continue, stop, locate.

A MIDI clock says neither meter nor frame: the meter is told to the source (4/4 unless said otherwise), and frames are
counted by the quarters at the told tempo (`QuarterAxis`). After *start* the first tick is quarter 0; a song position
is a jump; a clock that was running when we came is followed from its next start, continue or song position on.

*Threading*: `feed` is called by the thread of a MIDI port, `position` by the reader's; one lock, held for less
than a millisecond (a fit through at most 192 ticks). No tick for half a second: taken as stopped, until one comes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from fractions import Fraction

from bridge.sync.position import HostPosition, host_position
from bridge.sync.regress import QuarterAxis, SteadyTempo
from bridge.sync.ticks import TICKS_PER_QUARTER, TickFit
from engine.timing import Meter

CLOCK, START, CONTINUE, STOP, SONG_POSITION = 0xF8, 0xFA, 0xFB, 0xFC, 0xF2
SILENCE_NS = 500_000_000
_TICKS_PER_SIXTEENTH = 6


class MidiClock:
    """A sync source that is fed with MIDI messages."""

    def __init__(
        self,
        rate: int = 48_000,
        meter: Meter | None = None,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """rate: of the frames that are told."""
        self.name = "midi"
        self._rate, self._meter = rate, meter or Meter(4, 4)
        self._now_ns = now_ns
        self._close: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._fit, self._steady, self._axis = TickFit(), SteadyTempo(), QuarterAxis(rate)
        self._playing = False
        self._song_ticks: int | None = None
        self._last_tick_ns = 0
        self._jumps = 0

    def feed(self, data: bytes, at_ns: int) -> None:
        """One complete MIDI message and when it came; what is no clock is ignored."""
        if not data or data[0] < 0xF2:
            return
        with self._lock:
            if data[0] == CLOCK:
                self._tick(at_ns)
            elif data[0] == START:
                self._locate(0)
                self._roll(0)
            elif data[0] == CONTINUE and self._song_ticks is not None:
                self._roll(self._song_ticks)
            elif data[0] == STOP and self._playing:
                self._playing, self._song_ticks = False, self._fit.index
            elif data[0] == SONG_POSITION and len(data) == 3:
                self._locate(((data[1] & 0x7F) | (data[2] & 0x7F) << 7) * _TICKS_PER_SIXTEENTH)

    def position(self) -> HostPosition | None:
        """Where the song is now; None until a start or a song position, and before the tempo is known."""
        now_ns = self._now_ns()
        with self._lock:
            tempo = self._steady.held
            if self._song_ticks is None or (tempo is None and self._song_ticks > 0):
                return None
            playing = self._playing and now_ns - self._last_tick_ns < SILENCE_NS
            quarters = self._quarters(now_ns if playing else min(now_ns, self._last_tick_ns))
            frame = 0 if tempo is None else self._axis.frame(quarters, tempo)
            bar, quarter = divmod(quarters, self._meter.bar_quarters)
            return host_position(
                self.name, now_ns, frame, self._rate, playing, tempo=tempo, bar=int(bar), quarter=quarter,
                numerator=self._meter.numerator, denominator=self._meter.denominator, jumps=self._jumps,
            )  # fmt: skip

    @property
    def made_up_for(self) -> int:
        """Ticks that were lost on the way."""
        return self._fit.corrected

    def on_close(self, close: Callable[[], None]) -> None:
        """`close` is called when the source is closed: what ends its feeding."""
        self._close = close

    def close(self) -> None:
        self._close()

    def _quarters(self, now_ns: int) -> Fraction:
        ticks: float | None = self._fit.at(now_ns) if self._playing else None
        if ticks is None:
            assert self._song_ticks is not None
            ticks = float(self._song_ticks)
        return Fraction(round(ticks * 10**6 / TICKS_PER_QUARTER), 10**6)

    def _tick(self, at_ns: int) -> None:
        self._fit.feed(at_ns)
        self._last_tick_ns = at_ns
        measured, held = self._fit.tempo, self._steady.held
        if measured is not None and self._fit.settled(None if held is None else float(held)):
            self._steady.offer(*measured)

    def _roll(self, ticks: int) -> None:
        self._fit.start(ticks)
        self._playing, self._song_ticks = True, ticks

    def _locate(self, ticks: int) -> None:
        now = self._fit.index if self._playing else self._song_ticks
        if now is not None and ticks != now:
            self._jumps += 1
        self._axis.jump()
        self._song_ticks = ticks
        if self._playing:
            self._fit.start(ticks)
