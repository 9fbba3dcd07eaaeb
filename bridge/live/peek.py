"""What an engine says in a timeline cache, read from the file without attaching.

*Threading*: none; a few bounded reads of a file.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from bridge.timeline import files, layout
from bridge.timeline.structs import EngineStatus
from engine.errors import Unavailable

TRIES = 8


def peek(path: Path) -> EngineStatus | None:
    """The engine's status; None where there is none, or it is not ours to read."""
    try:
        fd = files.open_file(path)
    except Unavailable:
        return None
    region = layout.regions(1)["engine"]
    try:
        if files.header_of(fd) is None:
            return None
        for _ in range(TRIES):
            raw = os.pread(fd, region.itemsize, region.offset)
            if len(raw) == region.itemsize and (found := np.frombuffer(raw, region.dtype).tolist()[0])[0] % 2 == 0:
                return EngineStatus(*found[1:]) if found[0] else None
    finally:
        os.close(fd)
    return None
