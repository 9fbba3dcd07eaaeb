"""A file with new bars in it, copied block by block: in memory are the new bars, however long the file is.

What stays keeps its exact sample values. The 20 ms before the first new bar fade into the lead-in; the engine has
made all other seams.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from bridge.files.edits import mended
from bridge.files.wavefile import MAX_WAV_BYTES, holding_subtype, unwritable
from engine.controls import on_grid
from engine.errors import BadAudio, BadRequest
from engine.types import SEAM_SECONDS, Audio, Request
from engine.whole import whole

if TYPE_CHECKING:
    from soundfile import SoundFile

Put = Literal["inside", "front", "behind"]
"""Where the new bars go: in the place of the source's own, before its first frame, or after its end."""
BLOCK_FRAMES = 65_536
Samples = NDArray[np.float64]


def splice(source: Path, target: Path, request: Request, new: Audio, lead_in: Audio, put: Put) -> int:
    """Write `target`, the source with its new bars [frames, channels], whole or not at all; how many frames it has.

    Raises BadAudio where the source is no longer what it was, Unavailable where the disk is full, BadRequest beyond
    the 4 GiB of a WAV.
    """
    import soundfile

    try:
        with whole(target) as part, opened(source) as held:
            if held.channels != new.shape[1]:
                raise BadAudio(f"{source} is no longer what it was when its new bars were made.")
            subtype = holding_subtype(held.subtype)
            if (held.frames + len(new)) * held.channels * (8 if subtype == "DOUBLE" else 4) > MAX_WAV_BYTES:
                raise BadRequest("A WAV file holds at most 4 GiB; cut the source first.")
            with soundfile.SoundFile(part, "w", held.samplerate, held.channels, subtype, format="WAV") as out:
                for block in blocks(held, request, new, lead_in, put):
                    out.write(block)
                frames = out.tell()
    except OSError as error:
        raise unwritable(target, error) from error
    except soundfile.LibsndfileError as error:
        raise unwritable(target, OSError(0, "", str(target))) from error
    return int(frames)


def opened(path: Path) -> SoundFile:
    """An audio file to read; BadAudio otherwise."""
    import soundfile

    try:
        return soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        raise BadAudio(f"{path} cannot be read as audio any more.") from error


def blocks(held: SoundFile, request: Request, new: Audio, lead_in: Audio, put: Put) -> Iterator[Samples]:
    """The whole in order, [n, channels] each."""
    if put == "front":
        yield new.astype(np.float64)
        yield from copied(held, held.frames)
        return
    start = on_grid(request, held.frames, held.samplerate)[1].start_frame
    seam = min(start, round(SEAM_SECONDS * held.samplerate))
    yield from copied(held, start - seam)
    if put == "behind":
        before = padded(held.read(seam, dtype="float64", always_2d=True), seam)
        yield mended(np.concatenate([before, np.zeros(new.shape)]), new, lead_in, seam)
        return
    here = held.read(seam + len(new), dtype="float64", always_2d=True)
    yield mended(here, new[: len(here) - seam], lead_in, seam)
    yield from copied(held, held.frames - held.tell())


def copied(held: SoundFile, count: int) -> Iterator[Samples]:
    """The next `count` frames as they are; silence where the file has ended."""
    while count > 0:
        block = held.read(min(count, BLOCK_FRAMES), dtype="float64", always_2d=True)
        yield padded(block, min(count, BLOCK_FRAMES))
        count -= BLOCK_FRAMES


def padded(block: Samples, frames: int) -> Samples:
    return np.pad(block, ((0, frames - len(block)), (0, 0))) if len(block) < frames else block
