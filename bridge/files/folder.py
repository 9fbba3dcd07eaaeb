"""The engine's own folder for rendered files: private, never half a file, never ever-growing.

*Threading*: `write` runs on the OSC server's writer thread, one file at a time.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from pathlib import Path

from bridge.files.wavefile import write_wav
from engine.errors import Unavailable
from engine.types import Audio

KEEP_FILES = 256
KEEP_SECONDS = 3600.0


def default_folder() -> Path:
    """`renders` in the user's cache: XDG_CACHE_HOME, else ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "attacca" / "renders"


class RenderFolder:
    """Names and writes files. In the default folder, old ones go beyond 256 (after an hour at least)."""

    def __init__(self, path: Path | None = None) -> None:
        """Makes the default folder; a named one must be there. Raises Unavailable."""
        self._prunes = path is None
        self.path = (path or default_folder()).absolute()
        self._serial = itertools.count(1)
        try:
            if self._prunes:
                self.path.mkdir(parents=True, exist_ok=True)
                self.path.chmod(0o700)
        except OSError as error:
            raise Unavailable(
                f"the folder for renders, {self.path}, cannot be made ({error.strerror}): give --render-dir DIR"
            ) from error
        if not self.path.is_dir() or not os.access(self.path, os.W_OK):
            raise Unavailable(f"the render folder {self.path} is not there or cannot be written: choose another")

    def write(self, request_id: str, audio: Audio, rate: int) -> Path:
        """Write a float WAV [frames, channels] under a name of its own. Raises Unavailable."""
        path = self.name(request_id)
        write_wav(path, audio, rate)
        return path

    def name(self, request_id: str) -> Path:
        """A name of its own for a file that is about to be written; makes room for it."""
        if self._prunes:
            self._prune()
        safe = re.sub(r"[^A-Za-z0-9_-]+", "_", request_id)[:48] or "take"
        return self.path / f"{safe}-{os.getpid()}-{next(self._serial)}.wav"

    def _prune(self) -> None:
        files = sorted(self.path.glob("*.wav"), key=lambda file: file.stat().st_mtime)
        for file in files[:-KEEP_FILES]:
            if time.time() - file.stat().st_mtime > KEEP_SECONDS:
                file.unlink(missing_ok=True)
