"""A sound device, through PortAudio (sounddevice).

Threading
    PortAudio's own thread calls `_callback` for each block. It copies one slot of the player and
    counts: no lock, no array, no I/O. `start` and `stop` belong to the main thread; `stop` returns
    when the callback runs no more, with the device's own buffer played to its end. A device whose
    callback stays away for STALL_SECONDS (a JACK server that died) is given up, not waited for.
"""

from __future__ import annotations

import atexit
import time
from typing import Any, Final

from engine import errors
from engine.types import Audio
from plugin_host.player import Player

BLOCK_FRAMES: Final = 1024
STALL_SECONDS: Final = 2.0


def sounddevice() -> Any:
    """The sounddevice module. Raises `errors.Unavailable` saying what to install."""
    try:
        import sounddevice as module
    except OSError as error:
        raise errors.Unavailable(
            "playing to a sound device needs PortAudio: apt-get install libportaudio2 (or write a file with -o OUT.wav)"
        ) from error
    except ImportError as error:
        raise errors.Unavailable("playing to a sound device needs sounddevice: pip install sounddevice") from error
    return module


class DeviceOutput:
    """A device by name, part of a name or number (None: the default), opened for `rate_hz` if it can.

    Raises `errors.Unavailable` without PortAudio, without such a device, or if it does not open.
    """

    def __init__(self, device: str | None, rate_hz: int, channels: int) -> None:
        self._sd = sounddevice()
        info = self._find(device)
        self.name = str(info["name"])
        self.index = int(info["index"])
        self.channels = min(max(2, channels), int(info["max_output_channels"]))
        self.rate_hz = self._rate(rate_hz, int(info["default_samplerate"]))
        self.block_frames = BLOCK_FRAMES
        self.xruns = 0
        self._player: Player | None = None
        self._stream: Any = None
        self._calls = 0
        self._seen_calls = 0
        self._seen_at = 0.0

    @property
    def alive(self) -> bool:
        """False when the stream has ended or its callback has not come for STALL_SECONDS."""
        now = time.monotonic()
        if self._seen_calls != self._calls:
            self._seen_calls, self._seen_at = self._calls, now
        return self._stream is not None and self._stream.active and now - self._seen_at < STALL_SECONDS

    def start(self, player: Player) -> None:
        self._player = player
        self._seen_at = time.monotonic()
        try:
            self._stream = self._sd.OutputStream(
                samplerate=self.rate_hz,
                blocksize=self.block_frames,
                device=self.index,
                channels=self.channels,
                dtype="float32",
                latency="high",
                callback=self._callback,
            )
            self._stream.start()
        except self._sd.PortAudioError as error:
            raise errors.Unavailable(f"the device {self.name} does not open: {error}") from error

    def stop(self) -> None:
        if self._stream is not None:
            alive = self.alive
            stream, self._stream = self._stream, None
            if not alive:
                self._abandon()
                return
            try:
                stream.stop()
                stream.close()
            except self._sd.PortAudioError as error:
                raise errors.Unavailable(f"the device {self.name} went away: {error}") from error

    def _abandon(self) -> None:
        """Leave a dead stream as it is: PortAudio would wait for ever for its callback, and at exit again."""
        handler = getattr(self._sd, "_exit_handler", None)
        if handler is not None:
            atexit.unregister(handler)

    def _callback(self, out: Audio, frames: int, time: Any, status: Any) -> None:
        self._calls += 1
        if status:
            self.xruns += 1
        if frames == self.block_frames and self._player is not None:
            self._player.pull(out)
        else:
            out.fill(0.0)

    def _find(self, device: str | None) -> Any:
        wanted = int(device) if device is not None and device.isdecimal() else device
        try:
            return self._sd.query_devices(wanted, "output")
        except (ValueError, self._sd.PortAudioError) as error:
            names = [str(info["name"]) for info in self._sd.query_devices() if info["max_output_channels"] > 0]
            if not names:
                raise errors.Unavailable("this machine has no sound output; write a file with -o OUT.wav") from error
            asked = "default sound output" if device is None else f"sound output {device!r}"
            raise errors.Unavailable(f"there is no {asked}; there are: {', '.join(names)}") from error

    def _rate(self, rate_hz: int, default_hz: int) -> int:
        try:
            self._sd.check_output_settings(device=self.index, channels=self.channels, samplerate=rate_hz)
        except (ValueError, self._sd.PortAudioError):
            return default_hz
        return rate_hz
