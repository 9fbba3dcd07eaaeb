"""A metronome on JACK: clicks as sound and as MIDI, and a MIDI clock, on the samples of the project's grid; a count-in.

It follows JACK's transport, whose frames are the project's (as Ardour's and those of `serve --sync jack` are). With a
count-in it is what JACK calls a slow client: when somebody starts the transport, it holds the start back until the
bars are counted, and times the clicks so that the transport rolls on the beat after the last one. JACK starts whole
periods, and so the first click may come up to two periods after the key; from there on all is exact.

*Threading*: JACK's thread calls `_process` and `_sync`. They read one tuple that is replaced whole, copy samples and
write events; they wait for nobody and compute no grid. `attacca-click` looks ten times a second whether four seconds
ahead of the head are prepared; where it comes too late, clicks are left out, and counted. `use` and `close` belong to
one other thread.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from typing import Any, NamedTuple

import numpy as np

from bridge.hurry import hurry
from bridge.live.map import ProjectMap
from bridge.midi.click import Beat, beats, clock_ticks, count_in, drum, sixteenths, sound
from bridge.quiet import quiet_libraries
from engine.errors import Unavailable
from engine.types import Audio

AHEAD_S, BEHIND_S = 8.0, 0.5
PREPARE_S = 0.1
MOST_COUNT_IN_BARS = 8
SPARE_S = 30.0
"""So much longer than a count-in JACK lets its clients take to get ready."""
CLOCK, START, CONTINUE, STOP, SONG_POSITION = b"\xf8", b"\xfa", b"\xfb", b"\xfc", 0xF2


class Plan(NamedTuple):
    """What lies on project frames first..end: clicks, a clock's ticks, (frame, number) of sixteenths, all in order.

    counted: the count-in of a start at project frame `head`.
    """

    first: int
    end: int
    clicks: tuple[Beat, ...]
    ticks: tuple[int, ...]
    sixteenths: tuple[tuple[int, int], ...]
    head: int
    counted: tuple[int, tuple[Beat, ...]]


class _Count(NamedTuple):
    """A count-in under way: JACK's frame times of its begin and of the first rolling frame."""

    begin: int
    rolls: int
    clicks: tuple[Beat, ...]


class ClickOut:
    """The client. Ports: `click` (sound), `click midi` (wood blocks on channel 10), `clock` (MIDI clock)."""

    def __init__(self, song: ProjectMap | None, count_in_bars: int = 0, server: str | None = None) -> None:
        """song: at JACK's rate; None until `use`. Raises Unavailable without JACK."""
        try:
            import jack
        except (ImportError, OSError) as error:
            raise Unavailable(
                "a metronome needs JACK: pip install 'attacca-engine[jack]', apt install jackd2"
            ) from error
        try:
            with quiet_libraries():
                self._client: Any = jack.Client("attacca click", no_start_server=True, servername=server)
        except jack.JackError as error:
            raise Unavailable("no JACK server runs here: start it (jackd, or PipeWire's) and try again") from error
        self._jack, self._bars = jack, min(count_in_bars, MOST_COUNT_IN_BARS)
        self.rate: int = self._client.samplerate
        self._song = song
        self._plan: Plan | None = None
        self._sounds = {accent: sound(accent, self.rate) for accent in (True, False)}
        self._rings: tuple[Audio, int] | None = None
        self._rolled, self._state = False, jack.STOPPED
        self._count: _Count | None = None
        self._next_frame: int | None = None
        self._begin: tuple[int, bytes] | None = None
        self.clicks = self.late = 0
        self._open()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._prepare_on, name="attacca-click", daemon=True)
        self._thread.start()

    def use(self, song: ProjectMap) -> None:
        """Another map, from now on."""
        self._song = song

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._client.close(ignore_errors=True)

    def connect(self, ours: str, theirs: str) -> None:
        """Connect one of our ports by its short name; `theirs` empty: to what is heard. Raises Unavailable."""
        if not theirs:
            for port in self._client.get_ports(is_audio=True, is_input=True, is_physical=True):
                self._client.connect(f"{self._client.name}:{ours}", port.name)
            return
        try:
            self._client.connect(f"{self._client.name}:{ours}", theirs)
        except self._jack.JackError as error:
            raise Unavailable(f"cannot connect {ours} to {theirs}: {error}") from error

    def _open(self) -> None:
        client = self._client
        self._audio = client.outports.register("click")
        self._midi = client.midi_outports.register("click midi")
        self._clock = client.midi_outports.register("clock")
        client.set_process_callback(self._process)
        if self._bars:
            client.set_sync_callback(self._sync)
        client.activate()

    # ---- ahead of the head ---------------------------------------------------------------

    def _prepare_on(self) -> None:
        hurry()
        prepared: ProjectMap | None = None
        while True:
            song, head = self._song, self._client.transport_frame
            if song is not None and (song is not prepared or self._runs_out(head)):
                self._prepare(song, head)
                prepared = song
            if self._stopping.wait(PREPARE_S):
                return

    def _runs_out(self, head: int) -> bool:
        """Whether the plan does not reach far enough, or is for a start from somewhere else."""
        plan = self._plan
        if plan is None or not plan.first <= head <= plan.end - round(AHEAD_S / 2 * self.rate):
            return True
        return not self._rolled and head != plan.head

    def _prepare(self, song: ProjectMap, head: int) -> None:
        first, end = max(0, head - round(BEHIND_S * self.rate)), head + round(AHEAD_S * self.rate)
        length, clicks = count_in(song, head, self._bars) if self._bars else (0, [])
        self._plan = Plan(
            first, end, tuple(beats(song, first, end)), tuple(clock_ticks(song, first, end)),
            tuple(sixteenths(song, first, end)), head, (length, tuple(clicks)),
        )  # fmt: skip
        if self._bars:
            self._client.set_sync_timeout(round((length / self.rate + SPARE_S) * 1e6))

    # ---- on JACK's thread ----------------------------------------------------------------

    def _sync(self, state: Any, position: Any) -> bool:
        """May the transport roll? Where it was stopped: once the bars are counted."""
        plan, now = self._plan, self._client.last_frame_time
        if state != self._jack.STARTING or self._rolled or plan is None:
            self._count = None
            return True
        if plan.head != position.frame and self._count is None:
            return False
        period = self._client.blocksize
        if self._count is None:
            length, clicks = plan.counted
            rolls = now + -(-length // period) * period
            self._count = _Count(rolls - length, rolls, clicks)
        return bool(now + period >= self._count.rolls)

    def _process(self, frames: int) -> None:
        out = self._audio.get_array()
        out[:] = 0.0
        self._midi.clear_buffer()
        self._clock.clear_buffer()
        state, position = self._client.transport_query_struct()
        rolls = state == self._jack.ROLLING
        self._ring(out)
        if rolls:
            self._play(out, position.frame, frames)
        elif self._count is not None:
            self._play_count(out, self._client.last_frame_time, frames)
        if self._rolled and state == self._jack.STOPPED:
            self._clock.write_midi_event(0, STOP)
            self._next_frame = None
        if state in (self._jack.ROLLING, self._jack.STOPPED):
            self._rolled = rolls
        if rolls:
            self._count = None

    def _play(self, out: Audio, first: int, frames: int) -> None:
        plan = self._plan
        if plan is None or not plan.first <= first <= first + frames <= plan.end:
            self.late += plan is not None
            return
        if first != self._next_frame:
            self._locate(plan, first)
        self._next_frame = first + frames
        for n in range(bisect_left(plan.ticks, first), bisect_left(plan.ticks, first + frames)):
            if self._begin is not None and plan.ticks[n] == self._begin[0]:
                self._clock.write_midi_event(plan.ticks[n] - first, self._begin[1])
                self._begin = None
            self._clock.write_midi_event(plan.ticks[n] - first, CLOCK)
        self._clicks(out, plan.clicks, first, frames)

    def _locate(self, plan: Plan, first: int) -> None:
        """The head begins, or is somewhere else: the place is told, and the clock goes on from the next sixteenth."""
        if self._next_frame is not None:
            self._clock.write_midi_event(0, STOP)
        self._begin = (0, START) if first == 0 else None
        n = bisect_left(plan.sixteenths, (first, 0))
        if first > 0 and n < len(plan.sixteenths):
            frame, number = plan.sixteenths[n]
            self._clock.write_midi_event(0, bytes((SONG_POSITION, number & 0x7F, number >> 7 & 0x7F)))
            self._begin = (frame, CONTINUE)

    def _play_count(self, out: Audio, now: int, frames: int) -> None:
        assert self._count is not None
        self._clicks(out, self._count.clicks, now - self._count.begin, frames)

    def _clicks(self, out: Audio, clicks: tuple[Beat, ...], first: int, frames: int) -> None:
        for n in range(bisect_left(clicks, (first,), key=_place), bisect_left(clicks, (first + frames,), key=_place)):
            at, ring = clicks[n].frame - first, self._sounds[clicks[n].accent]
            size = min(len(ring), frames - at)
            np.add(out[at : at + size], ring[:size], out=out[at : at + size])
            self._rings = (ring, size)
            self._midi.write_midi_event(at, drum(clicks[n].accent))
            self.clicks += 1

    def _ring(self, out: Audio) -> None:
        """The rest of a click that began in an earlier period."""
        if self._rings is not None:
            ring, at = self._rings
            size = min(len(ring) - at, len(out))
            out[:size] = ring[at : at + size]
            self._rings = (ring, at + size) if at + size < len(ring) else None


def _place(beat: Beat) -> tuple[int]:
    return (beat.frame,)
