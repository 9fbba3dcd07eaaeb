"""A plan's notes, played by the user's own VST3 instruments.

Notes lie on project frames by the song's tempo map; what an instrument says that it delays is compensated. After a
locate it begins in silence: notes that began before are not taken up again. An instrument whose sound is not finite is
reset, and after MAX_RESETS blocks in a row it is silent for good.

Threading: `read` and `locate` belong to the player thread; `edit` to the main thread (VST3s want to be loaded
there), which hands the new seats over by one assignment.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import numpy as np

from engine import errors
from engine.timing import TempoMap
from engine.types import Audio
from plugin_host.chain import Instrument
from plugin_host.stage import BLOCK_FRAMES, drain, resets_on_any_thread, scrub

MAX_RESETS: Final = 8
CHANNELS: Final = 2
QUIET: Final = tuple(bytes((0xB0 | channel, what, 0)) for channel in range(16) for what in (120, 123))
"""All sound off, all notes off."""


@dataclass(frozen=True)
class PlanEvent:
    """A MIDI message `quarters` after the song's bar 0; track: one of `chain.TRACKS`."""

    quarters: Fraction
    track: str
    data: bytes


class Seat:
    """One instrument with its notes. Raises `errors.BadRequest` when it cannot be built."""

    def __init__(self, instrument: Instrument, rate_hz: int) -> None:
        self.instrument = instrument
        self.rate_hz = rate_hz
        self.plugin = instrument.build()
        self._resets = resets_on_any_thread(self.plugin)
        if not self._resets:
            self.plugin = instrument.build()
        self.latency_frames = int(self.plugin.reported_latency_samples)
        self.frames: list[int] = []
        self.messages: list[bytes] = []
        self.resets = self.scrubbed_samples = 0
        self._in_a_row = 0
        self._gain = 0.0
        self._fed = 0
        self._late: Audio = np.zeros((0, CHANNELS), np.float32)
        self._held: set[tuple[int, int]] = set()

    def told(self, instrument: Instrument, events: Sequence[tuple[int, PlanEvent]]) -> None:
        """Play, of these events (by rising frame), the tracks that the instrument plays, as loud as it says."""
        self.instrument = instrument
        mine = [(frame, event.data) for frame, event in events if event.track in instrument.plays]
        self.frames, self.messages = [frame for frame, _ in mine], [data for _, data in mine]

    def locate(self, frame: int) -> None:
        """Go on at a frame, with no key down and out of silence."""
        self._fed = frame
        self._late = self._late[:0]
        self._hush()
        self._gain = self._target()
        for _ in range(-(-self.latency_frames // BLOCK_FRAMES)):
            self._late = np.concatenate([self._late, self._feed()])
        self._late = self._late[self.latency_frames :] if self.latency_frames else self._late[:0]

    def _hush(self) -> None:
        """Release what is held; reset, or play the rest of it into nothing (see `stage`)."""
        offs = [bytes((0x80 | channel, key, 0)) for channel, key in self._held]
        self._held.clear()
        self._run(BLOCK_FRAMES, [(data, 0.0) for data in (*offs, *QUIET)])
        if self._resets:
            self.plugin.reset()
        else:
            drain(lambda: self._run(BLOCK_FRAMES, []), self.rate_hz, self.latency_frames)

    def read(self, leaving: bool = False) -> Audio:
        """The next BLOCK_FRAMES, gliding to the gain that is wanted: [frames, 2]."""
        sound = np.concatenate([self._late, self._feed()])
        self._late = sound[BLOCK_FRAMES:]
        before, self._gain = self._gain, 0.0 if leaving else self._target()
        return sound[:BLOCK_FRAMES] * np.linspace(before, self._gain, BLOCK_FRAMES, dtype=np.float32)[:, None]

    def _target(self) -> float:
        return float(10 ** (self.instrument.gain_db / 20)) if self._in_a_row <= MAX_RESETS else 0.0

    def _feed(self) -> Audio:
        first = self._fed
        self._fed += BLOCK_FRAMES
        low, high = bisect_left(self.frames, first), bisect_left(self.frames, self._fed)
        events = [(self.messages[k], (self.frames[k] - first + 0.5) / self.rate_hz) for k in range(low, high)]
        return self._run(BLOCK_FRAMES, [event for event in events if self._is_due(event[0])])

    def _is_due(self, data: bytes) -> bool:
        """Whether the instrument is to hear a message: not the end of a note whose begin it has not heard."""
        kind, note = data[0] & 0xF0, (data[0] & 15, data[1] if len(data) > 1 else 0)
        if kind not in (0x80, 0x90):
            return True
        begins = kind == 0x90 and data[2] > 0
        if not begins and note not in self._held:
            return False
        (self._held.add if begins else self._held.discard)(note)
        return True

    def _run(self, frames: int, events: list[tuple[bytes, float]]) -> Audio:
        options = {"num_channels": CHANNELS, "buffer_size": BLOCK_FRAMES, "reset": False}
        planar = self.plugin.process(events, frames / self.rate_hz, self.rate_hz, **options)
        sound: Audio = np.zeros((frames, CHANNELS), np.float32)
        sound[: planar.shape[1]] = planar.T[:frames]
        wrong = scrub(sound)
        self.scrubbed_samples += wrong
        self._in_a_row = self._in_a_row + 1 if wrong else 0
        if wrong:
            self.resets += 1
            if self._resets:
                self.plugin.reset()
        return sound


class Band:
    """All instruments of a chain, mixed. `bar`: the song's bar at which the plan begins, 0-based."""

    def __init__(self, events: Sequence[PlanEvent], song: TempoMap, rate_hz: int, bar: int = 0) -> None:
        origin = song.bar_start_quarters(bar)
        placed = [(song.sample_at(origin + event.quarters, rate_hz), k, event) for k, event in enumerate(events)]
        self._events = [(frame, event) for frame, _, event in sorted(placed, key=lambda row: row[:2])]
        self._rate_hz = rate_hz
        self.seats: list[Seat] = []
        self._leaving: list[Seat] = []
        self._waiting: list[tuple[Seat, Instrument]] | None = None
        self._frame = 0

    @property
    def empty(self) -> bool:
        return not self.seats and not self._leaving and self._waiting is None

    def edit(self, instruments: Sequence[Instrument]) -> None:
        """Have these instruments from the next block on; those that stay are not loaded again."""
        if instruments and not self._events:
            raise errors.BadRequest("the chain has instruments but there is no plan: give one with --plan")
        free = list(self.seats)
        wanted: list[tuple[Seat, Instrument]] = []
        for number, instrument in enumerate(instruments, start=1):
            seat = next((seat for seat in free if _same(seat.instrument, instrument)), None)
            if seat is None:
                try:
                    seat = Seat(instrument, self._rate_hz)
                except errors.BadRequest as error:
                    raise errors.BadRequest(f"instrument {number}: {error}") from error
            else:
                free.remove(seat)
            wanted.append((seat, instrument))
        if wanted or self.seats:
            self._waiting = wanted

    def locate(self, frame: int) -> None:
        self._take()
        self._leaving = []
        self._frame = frame
        for seat in self.seats:
            seat.locate(frame)

    def read(self) -> Audio:
        """The next BLOCK_FRAMES of all of them: [frames, 2]."""
        self._take()
        out = np.zeros((BLOCK_FRAMES, CHANNELS), np.float32)
        for seat in self.seats:
            out += seat.read()
        for seat in self._leaving:
            out += seat.read(leaving=True)
        self._leaving = []
        self._frame += BLOCK_FRAMES
        return out

    def _take(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        staying = [seat for seat, _ in waiting]
        self._leaving = [seat for seat in self.seats if seat not in staying]
        for seat, instrument in waiting:
            seat.told(instrument, self._events)
            if seat not in self.seats:
                seat.locate(self._frame)
        self.seats = staying


def _same(one: Instrument, other: Instrument) -> bool:
    """Whether one instance can be both: which notes it plays and how loud may differ."""
    return replace(one, plays=(), gain_db=0.0) == replace(other, plays=(), gain_db=0.0)
