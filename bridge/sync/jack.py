"""JACK transport as a sync source: frame, state, and bar and beat where a timebase master says them.

*Threading*: `position` reads the server's shared memory, microseconds, from any one thread. libjack has threads of
its own; one of them calls us when the server goes, then `position` is None for good: open another source.
JACK's clock is the kernel's raw monotonic one; it is moved onto `time.monotonic_ns` at each reading.
"""

from __future__ import annotations

import contextlib
import os
import time
from fractions import Fraction
from typing import Any

from bridge.quiet import quiet_libraries
from bridge.sync.position import HostPosition, Jumps, exact_tempo, host_position
from engine.errors import Unavailable

MAX_AGE_NS = 2_000_000_000


class JackTransport:
    """A client of a running JACK server that looks at its transport. Never starts a server."""

    def __init__(self, server: str | None = None) -> None:
        """server: its name; else JACK_DEFAULT_SERVER, else "default". Raises Unavailable."""
        self.name = "jack"
        self._gone = False
        self._jumps = Jumps()
        self._beats = BeatUnit()
        self._client: Any = _client(server)
        self._client.set_shutdown_callback(self._lost)
        self._client.activate()

    def position(self) -> HostPosition | None:
        if self._gone or self._client is None:
            return None
        try:
            state, said = self._client.transport_query()
        except AssertionError:  # torn by a write; the next reading is whole
            return None
        at_ns = monotonic_of(said["usecs"])
        playing = state == _rolling()
        frame, rate = said["frame"], said["frame_rate"]
        jumps = self._jumps.seen(frame, at_ns, rate, playing)
        return host_position(self.name, at_ns, frame, rate, playing, jumps=jumps, **self._beats.musical(said))

    def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception), quiet_libraries():
                client.close(ignore_errors=True)

    def _lost(self, status: object, reason: str) -> None:
        self._gone = True


class BeatUnit:
    """Bars, quarters and quarters a minute out of JACK's bars, beats and beats a minute.

    A beat is a note of `beat_type`; whether a minute's beats are those or quarters, masters do not agree. While
    the transport rolls, frames tell which; until then beats are taken for beats. With an offset (`bbt_offset`,
    which is only there where the master says that it is valid) bar and beat are those of so many frames before.
    """

    def __init__(self) -> None:
        self._in_quarters: bool | None = None
        self._last: tuple[int, int, Fraction] | None = None

    def musical(self, said: dict[str, Any]) -> dict[str, Any]:
        """Keyword arguments of `host_position`; empty without a timebase master or with nonsense."""
        if not _sane(said):
            return {}
        unit = Fraction(4) / Fraction(said["beat_type"])
        quarter = (said["beat"] - 1 + Fraction(said["tick"]) / Fraction(said["ticks_per_beat"])) * unit
        bpm, bar = Fraction(said["beats_per_minute"]), said["bar"] - 1
        offset, rate = said.get("bbt_offset", 0), said["frame_rate"]
        self._learn(said["frame"] - offset, rate, bar, quarter, bpm, unit)
        tempo = exact_tempo(bpm if self._in_quarters else bpm * unit)
        if offset and tempo is not None:
            bar, quarter = later(bar, quarter, offset * tempo / (60 * rate), Fraction(said["beats_per_bar"]) * unit)
        meter = {"numerator": said["beats_per_bar"], "denominator": said["beat_type"]}
        return {"tempo": tempo, "bar": bar, "quarter": quarter, **meter}

    def _learn(self, frame: int, rate: int, bar: int, quarter: Fraction, bpm: Fraction, unit: Fraction) -> None:
        """Within a bar and a second of rolling, how many quarters went by says what a minute's beats are."""
        last, self._last = self._last, (frame, bar, quarter)
        if unit == 1 or last is None or last[1] != bar:
            return
        frames, quarters = frame - last[0], quarter - last[2]
        if not rate // 100 <= frames <= rate:
            self._last = last if 0 <= frames < rate // 100 else self._last
            return
        measured = quarters * 60 * rate / frames
        if abs(measured / bpm - 1) < Fraction(1, 10):
            self._in_quarters = True
        elif abs(measured / (bpm * unit) - 1) < Fraction(1, 10):
            self._in_quarters = False


def later(bar: int, quarter: Fraction, quarters: Fraction, bar_quarters: Fraction) -> tuple[int, Fraction]:
    """A place so many quarters on; past its bar's end in the next bars. A place outside of its bar stays outside."""
    if not 0 <= quarter < bar_quarters:
        return bar, quarter
    bars, inside = divmod(quarter + quarters, bar_quarters)
    return bar + int(bars), inside


_RANGES = {
    "frame_rate": (8_000, 192_000), "beat_type": (1, 64), "ticks_per_beat": (1, 10**6), "beats_per_minute": (1, 10**4),
    "beat": (0, 10**4), "tick": (-1, 10**6), "bbt_offset": (0, 2 * 10**6),
    "beats_per_bar": (1, 10**4),
}  # fmt: skip


def _sane(said: dict[str, Any]) -> bool:
    """Does a timebase master say bar and beat in numbers that can be reckoned with?"""
    whole = {"bbt_offset": 0, **said}
    return "bar" in said and all(low <= whole.get(key, -2) <= high for key, (low, high) in _RANGES.items())


def monotonic_of(usecs: int) -> int:
    """time.monotonic_ns() of a time on JACK's clock: the raw monotonic one, or (other builds) the plain one."""
    now_ns = time.monotonic_ns()
    raw_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) if hasattr(time, "CLOCK_MONOTONIC_RAW") else now_ns
    for clock_ns in (raw_ns, now_ns):
        age_ns = clock_ns - usecs * 1000
        if -1_000_000 <= age_ns <= MAX_AGE_NS:
            return now_ns - age_ns
    return now_ns


def _rolling() -> Any:
    import jack

    return jack.ROLLING


def _client(server: str | None) -> Any:
    try:
        with quiet_libraries():
            import jack
    except ImportError as error:
        raise Unavailable("JACK transport needs JACK-Client: pip install 'attacca-engine[jack]'") from error
    except OSError as error:
        raise Unavailable("JACK transport needs JACK's library: sudo apt install jackd2 (or libjack0)") from error
    try:
        with quiet_libraries():
            return jack.Client("attacca-sync", no_start_server=True, servername=server)
    except (jack.JackError, OSError) as error:
        which = server or os.environ.get("JACK_DEFAULT_SERVER", "default")
        raise Unavailable(
            f"no JACK server {which!r} runs; start it (jackd, or PipeWire's) or leave jack out"
        ) from error
