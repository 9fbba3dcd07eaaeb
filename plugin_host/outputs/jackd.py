"""A JACK client: two ports, and a project's play head that follows JACK's transport or leads it.

Threading
    libjack's own thread calls `_process` for each period, and before it `_sync` when the transport wants to
    start somewhere: both only copy and count (no lock, no array, no I/O). JACK waits (2 s at most) until
    `_sync` says that the sound is there, so that what follows is on its frames from the first one on. `start`,
    `stop` and the transport's buttons belong to other threads. A server that goes away leaves `alive` false;
    another block size does, too. libjack ends its thread by cancelling it, and a thread that waits for the
    interpreter's lock then would take the lock along: so the callback ends itself before the client is closed,
    and no other thread of libjack's calls Python.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from typing import Any, Final, Literal

import numpy as np

from bridge.timeline.cache import Position
from engine import errors
from plugin_host.player import Player
from plugin_host.rolling import RollingPlayer

Transport = Literal["follow", "lead", "off"]
ROLLING: Final = 1
STARTING: Final = 3
TICKS_PER_BEAT: Final = 1920.0
BBT_VALID: Final = 0x10
BBT_OFFSET_VALID: Final = 0x40
NEXT_LINE_FRAMES: Final = 0.5 - 1e-6
"""A line at x lies on frame floor(x + 1/2): what lies less than half a frame ahead of a frame has begun on it."""
DIFFERING: Final = 1e-4
STALL_SECONDS: Final = 2.0
"""A callback that stays away for so long does not come back."""
END_SECONDS: Final = 0.02
"""What libjack's thread needs to end after its last callback."""


def jack_module() -> Any:
    """The jack module. Raises `errors.Unavailable` saying what to install."""
    try:
        import jack
    except OSError as error:
        raise errors.Unavailable("playing through JACK needs libjack: apt-get install jackd2") from error
    except ImportError as error:
        raise errors.Unavailable(
            'playing through JACK needs JACK-Client: pip install "attacca-engine[jack]"'
        ) from error
    return jack


class JackOutput:
    """Ports out_1, out_2, ... of a client, connected to the server's first playback ports if `connect`.

    transport: follow JACK's, lead it (timebase master; `place` says bar and beat of a frame), or off: the player's
    own. Raises `errors.Unavailable` without libjack or a server.
    """

    def __init__(
        self,
        server: str | None = None,
        channels: int = 2,
        transport: Transport = "follow",
        *,
        name: str = "attacca",
        connect: bool = True,
        place: Callable[[float], Position | None] | None = None,
    ) -> None:
        self._jack = jack_module()
        self._client = self._connect(name, server)
        self.name = f"jack:{self._client.name}"
        self.rate_hz = int(self._client.samplerate)
        self.block_frames = int(self._client.blocksize)
        self.channels = channels
        self.transport = transport
        self.place = place
        self.xruns = self.calls = 0
        self._resized = self._active = self._ending = self._ended = self._leads = False
        self._next_time = -1
        self._seen_calls, self._seen_at = 0, 0.0
        self._wanted_ports = connect
        self._player: Player | RollingPlayer | None = None
        self._rolls: RollingPlayer | None = None
        self._out = np.zeros((self.block_frames, channels), np.float32)
        self._columns = [self._out[:, channel] for channel in range(channels)]
        self._ports = [self._client.outports.register(f"out_{n + 1}") for n in range(channels)]
        self._client.set_process_callback(self._process)
        if transport != "off":
            self._client.set_sync_callback(self._sync)

    @property
    def alive(self) -> bool:
        now = time.monotonic()
        if self._seen_calls != self.calls:
            self._seen_calls, self._seen_at = self.calls, now
        return not self._resized and (not self._active or now - self._seen_at < STALL_SECONDS)

    @property
    def realtime(self) -> bool:
        """Whether the server gives its clients real-time priority."""
        return bool(self._client.realtime)

    def start(self, player: Player | RollingPlayer) -> None:
        """Begin to play. Leading, the transport is told bar and beat; it starts with `roll`.

        Raises `errors.Refused` where another program tells bar and beat: it keeps them.
        """
        if player.block_frames != self.block_frames:
            raise errors.Unavailable(f"JACK's period is {self.block_frames} frames now: start again")
        self._player = player
        self._rolls = player if isinstance(player, RollingPlayer) and self.transport != "off" else None
        self._seen_at = time.monotonic()
        self._leads = self.transport == "lead" and self._client.set_timebase_callback(self._tell, conditional=True)
        if self.transport == "lead" and not self._leads:
            raise errors.Refused(
                "another program leads JACK's transport (a DAW, another host): play along with --transport follow,"
                " or have it let go of the timebase first"
            )
        self._client.activate()
        self._active = True
        if self._wanted_ports:
            self._connect_ports()

    def stop(self) -> None:
        client, active, alive = self._client, self._active, self.alive
        self._active = False
        if active and alive:
            if self._leads:
                with contextlib.suppress(self._jack.JackError):
                    client.transport_stop()
            self._ending = True
            end = time.monotonic() + STALL_SECONDS
            while not self._ended and time.monotonic() < end:
                time.sleep(0.001)
            time.sleep(END_SECONDS)
        with contextlib.suppress(self._jack.JackError):
            client.close(ignore_errors=True)

    # ---- the transport's buttons, from any thread but the callback's ----

    def roll(self) -> None:
        self._client.transport_start()

    def halt(self) -> None:
        self._client.transport_stop()

    def locate(self, frame: int) -> None:
        self._client.transport_frame = max(0, frame)

    def differing_tempo(self) -> tuple[float, float] | None:
        """Quarters a minute as another timebase master says them, and by `place`, where they differ while it rolls."""
        if self.transport != "follow" or self.place is None or not self._active:
            return None
        try:
            state, said = self._client.transport_query()
        except (AssertionError, self._jack.JackError):  # torn by a write; the next reading is whole
            return None
        place = self.place(said["frame"])
        theirs = said.get("beats_per_minute", 0.0)
        if state != self._jack.ROLLING or place is None or said.get("beat_type") != 4.0 or theirs <= 0:
            return None  # what a beat is, masters do not agree on but in quarters
        return (theirs, place.tempo) if abs(theirs / place.tempo - 1) > DIFFERING else None

    # ---- libjack's threads ----

    def _process(self, frames: int) -> None:
        self.calls += 1
        if self._ending:
            self._ended = True
            raise self._jack.CallbackExit
        time_frames = self._client.last_frame_time
        self.xruns += time_frames != self._next_time and self._next_time >= 0
        self._next_time = (time_frames + frames) % 2**32
        player, rolls = self._player, self._rolls
        if frames != self.block_frames or player is None:
            self._resized = self._resized or frames != self.block_frames
            self._out.fill(0.0)
            for port in self._ports:
                port.get_array().fill(0.0)
            return
        if rolls is None:
            player.pull(self._out)
        else:
            state, position = self._client.transport_query_struct()
            if state == STARTING:
                rolls.hold(self._out)
            else:
                rolls.roll(self._out, position.frame, state == ROLLING)
        for port, column in zip(self._ports, self._columns, strict=True):
            np.copyto(port.get_array(), column)

    def _sync(self, state: int, position: Any) -> bool:
        rolls = self._rolls
        if rolls is None or state != STARTING or rolls.muted:
            return True
        return rolls.prepare(position.frame)

    def _tell(self, state: int, blocksize: int, position: Any, new_position: bool) -> None:
        """Bar, beat and the last tick that has begun, and how many frames ago that was."""
        place = None if self.place is None else self.place(position.frame + NEXT_LINE_FRAMES)
        if place is None:
            return
        beat = 4 / place.denominator
        beats, part = divmod(place.quarter / beat, 1.0)
        tick, rest = divmod(part * TICKS_PER_BEAT, 1.0)
        position.valid = BBT_VALID | BBT_OFFSET_VALID
        position.bar, position.beat, position.tick = place.bar + 1, int(beats) + 1, int(tick)
        position.ticks_per_beat = TICKS_PER_BEAT
        position.bar_start_tick = place.bar * place.numerator * TICKS_PER_BEAT
        position.beats_per_bar, position.beat_type = float(place.numerator), float(place.denominator)
        position.beats_per_minute = place.tempo / beat
        position.bbt_offset = int(rest / TICKS_PER_BEAT * beat * 60.0 * self.rate_hz / place.tempo)

    # ---- setting up ----

    def _connect(self, name: str, server: str | None) -> Any:
        jack = self._jack
        _quiet(jack)
        try:
            wanted = server or os.environ.get("JACK_DEFAULT_SERVER")
            return jack.Client(name, no_start_server=True, servername=wanted)
        except jack.JackOpenError as error:
            there = f"no JACK server {server!r} runs" if server else "no JACK server runs"
            raise errors.Unavailable(f"{there}: start one (jackd -R -d alsa), or play to --device") from error

    def _connect_ports(self) -> None:
        playback = self._client.get_ports(is_audio=True, is_input=True, is_physical=True)
        for port, target in zip(self._ports, playback, strict=False):
            with contextlib.suppress(self._jack.JackError):
                self._client.connect(port, target)


def _quiet(jack: Any) -> None:
    """libjack's own words go nowhere; ours say what matters."""
    jack.set_error_function(_silence)
    jack.set_info_function(_silence)


def _silence(words: str) -> None:
    pass
