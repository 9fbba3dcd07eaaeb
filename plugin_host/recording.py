"""A WAV of what is heard, beside playing: 32-bit float, as the callback played it, without the pauses.

Threading
    `take` is called by the player thread with each block that was heard: it copies it into a queue of QUEUE_SECONDS and
    never waits. A thread of its own, `attacca-record`, writes the disk. When that is slower for longer, blocks are lost
    and counted, and playing goes on. The file has another name until `close`, which waits for the disk.

A recording that is there already stays: the new one has a number.
"""

from __future__ import annotations

import os
import queue
import threading
from pathlib import Path
from typing import Final

import soundfile

from engine import errors
from engine.types import Audio
from plugin_host.realtime import HELPER_PRIORITY, hasten

QUEUE_SECONDS: Final = 20.0
MAX_BYTES: Final = 2**32 - 2**20
"""Where a WAV ends: what comes after is counted as lost."""


class Recorder:
    """Writes `path` (.wav), or where that is taken `path` with the next free number.

    Raises `errors.BadRequest` and `errors.Unavailable` when it cannot begin.
    """

    def __init__(self, path: Path, rate_hz: int, channels: int, block_frames: int) -> None:
        if path.suffix.lower() != ".wav":
            raise errors.BadRequest(f"{path} should end in .wav: WAV is what is recorded")
        if not path.parent.is_dir():
            raise errors.BadRequest(f"the folder {path.parent} is not there; make it first")
        self.path = unused(path)
        self.frames = self.lost_frames = 0
        self.error: str | None = None
        self._room = MAX_BYTES // (4 * channels)
        self._part = path.with_name(f".{path.stem}-{os.getpid()}.part.wav")
        try:
            self._file = soundfile.SoundFile(self._part, "w", rate_hz, channels, "FLOAT", format="WAV")
        except (soundfile.SoundFileError, OSError) as error:
            raise errors.Unavailable(f"{path} cannot be recorded to: {error}") from error
        blocks = max(8, round(QUEUE_SECONDS * rate_hz / block_frames))
        self._blocks: queue.Queue[Audio | None] = queue.Queue(blocks)
        self._thread = threading.Thread(target=self._write, name="attacca-record", daemon=True)
        self._thread.start()

    def take(self, audio: Audio) -> None:
        """[frames, channels], copied."""
        try:
            self._blocks.put_nowait(audio.copy())
        except queue.Full:
            self.lost_frames += len(audio)

    def close(self) -> None:
        """Write what waits and give the file its name. Raises `errors.Unavailable` when the disk was full."""
        self._blocks.put(None)
        self._thread.join()
        try:
            self._file.close()
            self.path = unused(self.path)
            os.rename(self._part, self.path)
        except (soundfile.SoundFileError, OSError) as error:
            self.error = self.error or str(error)
        if self.error is not None:
            raise errors.Unavailable(f"{self.path} holds {self.frames} frames, then: {self.error}")

    def _write(self) -> None:
        hasten(HELPER_PRIORITY)
        while (block := self._blocks.get()) is not None:
            if self.error is not None or self.frames + len(block) > self._room:
                self.lost_frames += len(block)
                continue
            try:
                self._file.write(block)
                self.frames += len(block)
            except (soundfile.SoundFileError, OSError) as error:
                self.error = f"{error}, perhaps because the disk is full"
                self.lost_frames += len(block)


def unused(path: Path) -> Path:
    """The path, or with the first of -2, -3, ... after its name that is not there yet."""
    found, number = path, 1
    while found.exists():
        number += 1
        found = path.with_stem(f"{path.stem}-{number}")
    return found
