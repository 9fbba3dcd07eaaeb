"""A player for a project's time line: sound ahead of time by project frame, whatever the transport does.

Threading
    The *player thread* runs `_produce`: it has the programme make blocks, labels each with its project frame
    and the *ask* that it answers, and puts it into a ring of slots. The *audio callback* alone calls `pull`
    (its own transport) or `roll`, `hold` and `prepare` (JACK's): it copies the slot of the frame that is due,
    counts, and where the play head jumps asks for another frame. It takes no lock, allocates no array, does no
    I/O and never waits; what it looks through is bounded by the ring. Asks and slot numbers stay below 256,
    where CPython keeps its integers ready. Each shared variable is written by one side alone, after the data it
    announces; the order of the writes is the one that CPython's interpreter lock gives. Other threads hand
    commands over one at a time (`start`, `stop`, `locate`, `panic`).

What is late is not waited for: it is an underrun, the last frame fades out over 5 ms, and what comes next fades
in. A stop or a jump fades 5 ms of what would have come. Periods that the server lost are skipped, and counted.
Slots that were heard, as they were heard, go to `heard` (a recorder).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from engine.types import Audio
from plugin_host.player import FADE_SECONDS, MAX_SLOTS, MIN_SLOTS, fade_in

READY_SECONDS: Final = 0.1
"""How much sound is there before the transport rolls."""
REPORT_SECONDS: Final = 0.004
ASKS: Final = 250
WAITING, HEARD, DROPPED = 0, 1, 2


class Programme(Protocol):
    """What makes the sound. The player thread alone calls it."""

    def locate(self, frame: int) -> None:
        """Go on at a project frame, out of silence."""
        ...

    def block(self, frames: int) -> Audio:
        """The next frames, [frames, channels]."""
        ...

    def report(self, frame: int, rolling: bool, jumps: int) -> None:
        """The frame that is heard next, every few milliseconds."""
        ...


class RollingPlayer:
    """Plays a programme through slots of `block_frames`, from project frame `first_frame` on."""

    def __init__(
        self,
        programme: Programme,
        rate_hz: int,
        channels: int,
        block_frames: int,
        ahead_seconds: float = 0.25,
        first_frame: int = 0,
        begin: Callable[[], None] | None = None,
    ) -> None:
        """begin: called on the player thread before all else, to have it scheduled as it should be."""
        slots = int(np.clip(round(ahead_seconds * rate_hz / block_frames), MIN_SLOTS, MAX_SLOTS)) + 1
        self.rate_hz = rate_hz
        self.channels = channels
        self.block_frames = block_frames
        self.ahead_frames = (slots - 1) * block_frames
        self._enough = min(slots - 2, int(np.ceil(READY_SECONDS * rate_hz / block_frames)))
        self.underruns = self.blocks = self.jumps = self.skips = 0
        self.error: BaseException | None = None
        self.heard: Callable[[Audio], None] | None = None
        self._programme = programme
        self._begin = begin
        self._slots = [np.zeros((block_frames, channels), np.float32) for _ in range(slots)]
        self._ends = [slot[-1] for slot in self._slots]
        self._next = [(slot + 1) % slots for slot in range(slots)]
        self._frames, self._asks, self._fates = [0] * slots, [0] * slots, [WAITING] * slots
        self._read = self._write = self._kept = 0
        self._ask = self._made = 0
        self._asked_frame = self._due = self._making = first_frame
        self._fresh = self._rolling = self._going = self._starting = self._sounding = self._gap = False
        self._muted = self._stopping = False
        self._command: tuple[str, int] | None = None
        self._telling = threading.Lock()
        self._last = np.zeros(channels, np.float32)
        rise = fade_in(block_frames, round(FADE_SECONDS * rate_hz))
        self._fade_in = np.repeat(rise[:, None], channels, axis=1)
        self._fade_out = np.ascontiguousarray(1.0 - self._fade_in)
        self._thread = threading.Thread(target=self._produce, name="attacca-player", daemon=True)

    # ---- the main thread ----

    def open(self) -> None:
        """Start the player thread."""
        self._thread.start()

    def close(self) -> None:
        """End the player thread. The callback may go on pulling: it gets silence."""
        self._stopping = True
        if self._thread.is_alive():
            self._thread.join()

    @property
    def frame(self) -> int:
        """The project frame that is heard next."""
        return self._due

    @property
    def rolling(self) -> bool:
        return self._rolling and not self._muted

    @property
    def muted(self) -> bool:
        return self._muted

    def start(self) -> None:
        """Go on from where the play head is; after a panic sound again."""
        self._tell("start", 0)

    def stop(self) -> None:
        self._tell("stop", 0)

    def locate(self, frame: int) -> None:
        self._tell("locate", frame)

    def panic(self) -> None:
        """Silence within 5 ms, until `start`, whatever the transport does."""
        self._muted = True
        self._tell("stop", 0)

    def _tell(self, what: str, frame: int) -> None:
        """Hand a command to the callback, in order; one that it does not take within a second is dropped."""
        with self._telling:
            end = time.monotonic() + 1.0
            while self._command is not None and time.monotonic() < end:
                time.sleep(0.0005)
            self._command = (what, frame)

    # ---- the audio callback ----

    def pull(self, out: Audio) -> int:
        """Fill out [block_frames, channels] by the player's own transport; answers how many frames are sound."""
        self._obey()
        if self._starting:
            if not self.prepare(self._due):
                return self.hold(out)
            self._starting, self._going = False, True
        return self._roll(out, self._due, self._going)

    def roll(self, out: Audio, frame: int, rolling: bool) -> int:
        """The same by a transport elsewhere, which is at `frame`.

        A server whose client was late may ask for one period twice: `out` is left as the call before filled it.
        """
        self._obey()
        if rolling and self._rolling and frame == self._due - self.block_frames and not self._muted:
            return self.block_frames
        return self._roll(out, frame, rolling)

    def hold(self, out: Audio) -> int:
        """Silence (5 ms of fade before it) while the transport waits for `prepare`."""
        self._rest(out)
        return 0

    def prepare(self, frame: int) -> bool:
        """Whether sound from `frame` on is there; asks for it once."""
        if self._sounding:
            return False  # `hold` fades it out first
        if not self._fresh or self._asked_frame != frame:
            self._rolling = False
            self._ask_for(frame)
            return False
        return self._find(frame) >= 0 and self._ready() >= self._enough

    def _obey(self) -> None:
        command = self._command
        if command is None:
            return
        what, frame = command
        if what == "stop":
            self._going = self._starting = False
        elif what == "start":
            self._muted = False
            self._starting = not self._going
        elif what == "locate":
            self._due = frame
            self._fresh = False
            self._starting, self._going = self._going or self._starting, False
        self._command = None

    def _roll(self, out: Audio, frame: int, rolling: bool) -> int:
        self.blocks += 1
        if not rolling or self._muted:
            self._rest(out)
            self._rolling = self._fresh = False
            self._due = frame
            return 0
        if self._skipped(frame):
            self.skips += 1
            self._gap = True
        elif frame != self._due or not self._rolling:
            self.jumps += self._rolling
            if self._sounding:
                return self._leave(out, frame)
            if not self._fresh or self._asked_frame != frame:
                self._ask_for(frame)
            self._gap = False
        self._rolling = True
        slot = self._find(frame)
        self._due = frame + self.block_frames
        if slot < 0:
            self._starve(out)
            return 0
        np.copyto(out, self._slots[slot])
        np.copyto(self._last, self._ends[slot])
        if self._gap:
            np.multiply(out, self._fade_in, out=out)
            np.copyto(self._slots[slot], out)
            self._gap = False
        self._sounding = True
        self._take(slot, HEARD)
        return self.block_frames

    def _skipped(self, frame: int) -> bool:
        """Whether the transport is further than was due, but not further than there is sound."""
        if not self._rolling and not self._fresh:
            return False
        blocks = (frame - (self._due if self._rolling else self._asked_frame)) // self.block_frames
        return 0 < blocks < self._ready() and self._find(frame) >= 0

    def _leave(self, out: Audio, frame: int) -> int:
        """The play head has jumped to `frame`: this block fades what was, the next begins what comes."""
        self._rest(out)
        self._due = frame + self.block_frames
        self._ask_for(self._due)
        self._rolling = True
        self._gap = True
        return 0

    def _rest(self, out: Audio) -> None:
        """Silence; where there was sound, 5 ms of what would have come fade out."""
        if not self._sounding:
            out.fill(0.0)
            return
        slot = self._find(self._due)
        if slot < 0:
            np.copyto(out, self._last)
        else:
            np.copyto(out, self._slots[slot])
        np.multiply(out, self._fade_out, out=out)
        if slot >= 0:
            np.copyto(self._slots[slot], out)
            self._take(slot, HEARD)
        self._sounding = False

    def _starve(self, out: Audio) -> None:
        self.underruns += 1
        if self._sounding:
            np.copyto(out, self._last)  # in two steps: a broadcasting product would allocate a block
            np.multiply(out, self._fade_out, out=out)
            self._sounding = False
        else:
            out.fill(0.0)
        self._gap = True

    def _ask_for(self, frame: int) -> None:
        self._asked_frame = frame
        self._fresh = True
        self._ask = self._ask % ASKS + 1

    def _find(self, frame: int) -> int:
        """The slot of a frame, -1 where it is not there (yet); what lies before it is dropped."""
        while self._read != self._write:
            slot = self._read
            if self._asks[slot] == self._ask and self._frames[slot] >= frame:
                return slot if self._frames[slot] == frame else -1
            self._take(slot, DROPPED)
        return -1

    def _take(self, slot: int, fate: int) -> None:
        self._fates[slot] = fate
        if fate == HEARD:
            self._fresh = False
        self._read = self._next[slot]

    def _ready(self) -> int:
        count = self._write - self._read
        return count if count >= 0 else count + len(self._slots)

    # ---- the player thread ----

    def _produce(self) -> None:
        try:
            if self._begin is not None:
                self._begin()
            reported = 0.0
            while not self._stopping:
                self._harvest()
                now = time.monotonic()
                if now - reported >= REPORT_SECONDS:
                    reported = now
                    self._programme.report(self._due, self.rolling, self.jumps)
                if not self._make():
                    time.sleep(max(0.001, self.block_frames / self.rate_hz / 4))
            self._harvest()
        except BaseException as error:
            self.error = error

    def _make(self) -> bool:
        """One block into the open slot. False: nothing is asked for, or the ring is full."""
        ask = self._ask
        if ask != self._made:
            frame = self._asked_frame
            self._programme.locate(frame)
            self._made, self._making = ask, frame
        following = self._next[self._write]
        if self._made == 0 or following == self._kept:
            return False
        slot = self._write
        np.copyto(self._slots[slot], self._programme.block(self.block_frames))
        self._frames[slot], self._asks[slot], self._fates[slot] = self._making, self._made, WAITING
        self._making += self.block_frames
        self._write = following
        return True

    def _harvest(self) -> None:
        """Give the slots that the callback is done with free again; those that were heard are recorded."""
        while self._kept != self._read:
            heard = self.heard
            if heard is not None and self._fates[self._kept] == HEARD:
                heard(self._slots[self._kept])
            self._kept = self._next[self._kept]
