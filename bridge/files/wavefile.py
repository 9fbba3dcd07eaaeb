"""Audio files at the edge: read with the caller's mistakes named, written whole or not at all."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import BadAudio, BadRequest, Unavailable
from engine.types import MAX_SECONDS
from engine.whole import whole

Subtype = Literal["FLOAT", "DOUBLE"]
WIDER_THAN_FLOAT32 = {"PCM_32", "DOUBLE"}
MAX_WAV_BYTES = 2**32 - 4096


class AudioFile(NamedTuple):
    """samples: float64 [frames, channels], exact for every PCM and float subtype."""

    samples: NDArray[np.float64]
    rate: int
    subtype: str


def read_exact(path: Path) -> AudioFile:
    """A WAV, FLAC or other file that libsndfile knows, with its exact sample values. BadAudio otherwise."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            if file.frames > MAX_SECONDS * file.samplerate:
                raise BadAudio(f"{path} is longer than {MAX_SECONDS // 60} minutes; cut it first.")
            return AudioFile(file.read(dtype="float64", always_2d=True), file.samplerate, file.subtype)
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        if not path.exists():
            raise BadAudio(f"{path} is not there; give the path of an audio file.") from error
        raise BadAudio(f"{path} cannot be read as audio; WAV, FLAC, AIFF, OGG and MP3 are known.") from error


def holding_subtype(subtype: str) -> Subtype:
    """A WAV subtype in which every sample value of `subtype` is kept exactly."""
    return "DOUBLE" if subtype in WIDER_THAN_FLOAT32 else "FLOAT"


def check_target(path: Path, option: str) -> Path:
    """A WAV path that can be written, or BadRequest/Unavailable: asked before anything is rendered."""
    if path.is_dir():
        raise BadRequest(f"{option}: {path} is a folder; give a file name in it.")
    if path.suffix.lower() not in (".wav", ".wave"):
        raise BadRequest(f"{option}: Attacca writes WAV files; give {path.with_suffix('.wav').name}.")
    folder = path.parent
    if not folder.is_dir():
        raise Unavailable(f"{option}: the folder {folder} is not there; make it first or choose another.")
    if not os.access(folder, os.W_OK):
        raise Unavailable(f"{option}: the folder {folder} cannot be written to; choose another.")
    return path


def write_wav(path: Path, samples: NDArray[np.floating], rate: int, subtype: Subtype = "FLOAT") -> None:
    """Writes a whole WAV under its final name, or leaves what was there. samples: [frames, channels].

    Raises Unavailable on a full disk or a missing folder, BadRequest above the format's 4 GiB.
    """
    import soundfile

    if samples.size * (8 if subtype == "DOUBLE" else 4) > MAX_WAV_BYTES:
        raise BadRequest("A WAV file holds at most 4 GiB; ask for fewer bars, channels or a lower rate.")
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype=subtype)
    data = buffer.getbuffer()
    peak = bytes(data[:200]).find(b"PEAK")
    if peak >= 0:
        data[peak + 12 : peak + 16] = bytes(4)  # the time of writing, so that the same audio gives the same bytes
    write_whole(path, data)


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Writes bytes beside `path` and renames them into place, so that nobody sees half a file."""
    try:
        with whole(path) as part, open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> Unavailable:
    """The sentence for a file that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Unavailable(f"{path} does not fit on the disk; free some space or write elsewhere.")
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Unavailable(f"The folder {path.parent} is not there; make it first or choose another.")
    return Unavailable(f"{path} cannot be written: {error.strerror}.")
