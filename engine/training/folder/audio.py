"""Sound files to 48 kHz stereo, or the reason why one is left out.

*Unreadable*: libsndfile cannot decode it, or it holds NaN or infinite samples. *Silent*: no second is louder than
-60 dBFS. *Clipped*: over 0.1 % of the samples stand in runs of six or more equal values within 0.13 dB of full scale
(an overdriven recording; a loud, limited master has no such runs, and lossy codecs blur them, so that an MP3 of a
clipped recording may pass). *Too short*: under a second; less than one bar is decided once the tempo is known.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from engine.controls import intensity_envelope
from engine.render.source import to_stereo
from engine.types import MAX_CHANNELS, MODEL_RATE_HZ, RATE_RANGE_HZ, Audio

SUFFIXES = frozenset({".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc"})
SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 20 * 60
SILENT_DB = -60.0
CLIP_LEVEL = 0.985
CLIP_RUN = 6
CLIP_SHARE = 1e-3
PEAK = 0.98
_PREFIXES = re.compile(r"^(Error opening .the file.: |Error : )")
BLOCK_FRAMES = 1 << 20


class LeftOutError(Exception):
    """Why a file is not used, in a few words that can stand behind its name."""


@dataclass(frozen=True)
class Sound:
    """audio [frames, 2] at 48 kHz, |audio| <= 0.98; seconds of the whole file; gain_db that was applied."""

    audio: Audio
    seconds: float
    rate_hz: int
    channels: int
    gain_db: float
    remarks: tuple[str, ...] = ()


def find_sounds(folder: Path) -> list[Path]:
    """All sound files below `folder` by suffix, sorted; hidden files and folders and links out of it are passed by."""
    found = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            found.append(path)
    return found


def fingerprint(path: Path) -> str:
    """SHA-256 of a file's bytes, so that copies are found."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_FRAMES):
            digest.update(block)
    return digest.hexdigest()


def read_sound(path: Path) -> Sound:
    """Decode, check and resample one file; LeftOutError says why not."""
    samples, rate, whole = _decode(path)
    if not np.isfinite(samples).all():
        raise LeftOutError("unreadable: it holds NaN or infinite samples")
    if len(samples) < SHORTEST_SECONDS * rate:
        raise LeftOutError(f"too short: {len(samples) / rate:.2f} s (from {SHORTEST_SECONDS:g} s on)")
    level = float(intensity_envelope(samples, rate)[1].max())
    if level <= SILENT_DB:
        raise LeftOutError("silent: no second of it is louder than -60 dBFS")
    share = clipped_share(samples)
    if share > CLIP_SHARE:
        raise LeftOutError(f"clipped: {100 * share:.1f} % of its samples are cut off at full scale")
    remarks = () if whole <= len(samples) else (f"only its first {LONGEST_SECONDS // 60} minutes are used",)
    audio = resampled(to_stereo(samples), rate)
    peak = float(np.abs(audio).max())
    gain = min(1.0, PEAK / peak)
    gain_db = round(20.0 * float(np.log10(gain)), 2) if gain < 1.0 else 0.0
    return Sound(np.asarray(audio * gain, np.float32), whole / rate, rate, samples.shape[1], gain_db, remarks)


def _decode(path: Path) -> tuple[Audio, int, int]:
    """(samples [frames, channels], rate, frames of the whole file); at most LONGEST_SECONDS."""
    try:
        if path.stat().st_size == 0:
            raise LeftOutError("unreadable: the file is empty")
        with soundfile.SoundFile(path) as file:
            _check_shape(file.channels, file.samplerate)
            limit = min(file.frames, LONGEST_SECONDS * file.samplerate)
            samples = file.read(limit, dtype="float32", always_2d=True)
            return samples, int(file.samplerate), max(int(file.frames), len(samples))
    except (OSError, RuntimeError, MemoryError, ValueError) as error:
        detail = _PREFIXES.sub("", " ".join(str(error).replace(str(path), "the file").split()))[:100]
        raise LeftOutError(f"unreadable: {detail or type(error).__name__}") from error


def _check_shape(channels: int, rate: int) -> None:
    if not 1 <= channels <= MAX_CHANNELS:
        raise LeftOutError(f"unreadable: {channels} channels (1 to {MAX_CHANNELS} are read)")
    if not RATE_RANGE_HZ[0] <= rate <= RATE_RANGE_HZ[1]:
        raise LeftOutError(f"unreadable: a rate of {rate} Hz ({RATE_RANGE_HZ[0]} to {RATE_RANGE_HZ[1]} are read)")


def resampled(audio: Audio, rate: int) -> Audio:
    """[frames, channels] at `rate` to the model's rate."""
    if rate == MODEL_RATE_HZ:
        return audio
    return np.asarray(soxr.resample(audio, rate, MODEL_RATE_HZ, "HQ"), np.float32)


def clipped_share(samples: Audio) -> float:
    """Share of samples [frames, channels] in runs of CLIP_RUN or more equal values at full scale; the worst channel."""
    return max(_clipped(samples[:, channel]) for channel in range(samples.shape[1]))


def _clipped(wave: NDArray[np.float32]) -> float:
    high = np.abs(wave) >= CLIP_LEVEL
    if not high.any():
        return 0.0
    held = high[1:] & high[:-1] & (wave[1:] == wave[:-1])
    edges = np.flatnonzero(np.diff(np.concatenate([[0], held.astype(np.int8), [0]])))
    runs = edges[1::2] - edges[::2] + 1
    return float(runs[runs >= CLIP_RUN].sum() / len(wave))
