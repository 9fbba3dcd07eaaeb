"""A WAV file, as fast as it can be made, and whole or not at all.

Written under a temporary name in its own folder and renamed when it is complete; after an error
or an interrupt nothing is left. Integers are rounded here: libsndfile reads n as n / 2^23 but
writes x as x * (2^23 - 1), which would not give a 24-bit file back as it was.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile

from engine import errors
from engine.types import Audio
from plugin_host.player import Player

BLOCK_FRAMES: Final = 4096


class OfflineOutput:
    """Writes `path` (.wav) as 24-bit PCM or, with `floats`, 32-bit float.

    Raises `errors.BadRequest` for another suffix or a missing folder, `errors.Unavailable` if the
    folder cannot be written to or the disk is full.
    """

    alive = True

    def __init__(self, path: Path, rate_hz: int, channels: int, floats: bool) -> None:
        if path.suffix.lower() != ".wav":
            raise errors.BadRequest(f"{path} should end in .wav: WAV is what is written")
        if path.is_dir():
            raise errors.BadRequest(f"{path} is a folder, not a file")
        if not path.parent.is_dir():
            raise errors.BadRequest(f"the folder {path.parent} is not there; make it first")
        self.name = str(path)
        self.rate_hz = rate_hz
        self.channels = channels
        self.block_frames = BLOCK_FRAMES
        self.frames = 0
        self._path = path
        self._floats = floats
        self._complete = False
        self._temporary: Path | None = None
        self._file: Any = None

    def start(self, player: Player) -> None:
        """Pull until the player is drained. A file needs no clock: it waits for the player, never misses."""
        self._open()
        block = np.zeros((self.block_frames, self.channels), np.float32)
        try:
            while not player.drained:
                if player.ready:
                    self._write(block[: player.pull(block)])
                else:
                    time.sleep(0.0002)
            self._file.close()
        except (soundfile.SoundFileError, OSError, AssertionError) as error:
            raise self._full(error) from error
        self._complete = player.error is None

    def stop(self) -> None:
        if self._temporary is None:
            return
        temporary, self._temporary = self._temporary, None
        try:
            self._file.close()
            if self._complete:
                if soundfile.info(str(temporary)).frames != self.frames:
                    raise self._full(None)
                _forget_time(temporary)
                os.replace(temporary, self._path)
        except (soundfile.SoundFileError, OSError) as error:
            raise self._full(error) from error
        finally:
            temporary.unlink(missing_ok=True)

    def _open(self) -> None:
        subtype = "FLOAT" if self._floats else "PCM_24"
        try:
            handle, name = tempfile.mkstemp(prefix=f".{self._path.stem}-", suffix=".wav", dir=self._path.parent)
            os.close(handle)
            self._temporary = Path(name)
            os.chmod(name, 0o666 & ~_umask())
            self._file = soundfile.SoundFile(name, "w", self.rate_hz, self.channels, subtype, format="WAV")
        except (soundfile.SoundFileError, OSError) as error:
            raise errors.Unavailable(f"{self._path} cannot be written: {error}") from error

    def _write(self, audio: Audio) -> None:
        self.frames += len(audio)
        if self._floats:
            self._file.write(audio)
        else:
            scaled = np.clip(np.rint(audio.astype(np.float64) * 2**23), -(2**23), 2**23 - 1)
            self._file.write(scaled.astype(np.int32) << 8)

    def _full(self, error: BaseException | None) -> errors.Unavailable:
        told = "" if error is None else str(error)
        reason = f" ({told})" if told and "System error" not in told else ""
        return errors.Unavailable(
            f"{self._path} could not be written{reason}, perhaps because the disk is full; nothing was kept:"
            " free some space or write elsewhere"
        )


def _forget_time(path: Path) -> None:
    """Zero the time of day that libsndfile puts into a float WAV's PEAK chunk: same sound, same bytes."""
    with path.open("r+b") as file:
        at = file.read(256).find(b"PEAK")
        if at >= 0:
            file.seek(at + 12)
            file.write(bytes(4))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
