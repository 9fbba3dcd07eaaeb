"""Where sound comes from: a file or a buffer, at the rate and with the channels that are wanted.

Reads block by block, so that an hour costs no more memory than a second. Bad samples are
silenced before the resampler sees them (one NaN would spread over its whole filter).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from engine import errors
from engine.types import RATE_RANGE_HZ, Audio
from plugin_host.pipeline import MAX_CHANNELS
from plugin_host.stage import scrub

READ_FRAMES: Final = 8192
HALF_POWER: Final = 2**-0.5


@dataclass
class Source:
    """Sound to play: a file (`path`) or a buffer (`audio` [frames, channels]).

    exact_floats says that 24-bit integers would not hold its samples; scrubbed_samples counts
    while blocks are drawn.
    """

    rate_hz: int
    channels: int
    frames: int
    exact_floats: bool
    path: Path | None = None
    audio: Audio | None = None
    scrubbed_samples: int = 0

    def blocks(self, rate_hz: int, channels: int) -> Iterator[Audio]:
        """The sound in blocks, float32 [frames, channels], in all `frames_at(rate_hz)` frames."""
        matrix = mix_matrix(self.channels, channels)
        mixed = (self._mixed(block, matrix) for block in self._read())
        return mixed if rate_hz == self.rate_hz else _resampled(mixed, self.rate_hz, rate_hz, channels, self.frames)

    def frames_at(self, rate_hz: int) -> int:
        """Length in frames at another rate: floor(x + 1/2) of the exact quotient."""
        return (2 * self.frames * rate_hz + self.rate_hz) // (2 * self.rate_hz)

    def _mixed(self, block: Audio, matrix: NDArray[np.float32] | None) -> Audio:
        self.scrubbed_samples += scrub(block)
        return block if matrix is None else block @ matrix

    def _read(self) -> Iterator[Audio]:
        if self.audio is not None:
            for at in range(0, self.frames, READ_FRAMES):
                yield self.audio[at : at + READ_FRAMES].copy()
            return
        try:
            with soundfile.SoundFile(self.path) as file:
                yield from file.blocks(READ_FRAMES, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, OSError) as error:
            raise errors.BadAudio(f"{self.path} cannot be read to its end: it is damaged or cut off") from error


def open_file(path: Path) -> Source:
    """A sound file as a source. Raises `errors.BadAudio` if it is missing, unreadable, empty or odd."""
    if not path.is_file():
        raise errors.BadAudio(f"there is no sound file {path}")
    try:
        info = soundfile.info(str(path))
    except (soundfile.SoundFileError, OSError) as error:
        raise errors.BadAudio(f"{path} is no sound file that can be read") from error
    exact_floats = info.subtype in {"FLOAT", "DOUBLE", "PCM_32"}
    return _checked(Source(info.samplerate, info.channels, info.frames, exact_floats, path=path), str(path))


def open_buffer(audio: Audio, rate_hz: int) -> Source:
    """Rendered sound [frames, channels] as a source. Raises `errors.BadAudio` if it is empty or odd."""
    if audio.ndim != 2:
        raise errors.BadAudio(f"a buffer is [frames, channels], not {audio.shape}")
    return _checked(Source(rate_hz, audio.shape[1], len(audio), True, audio=audio.astype(np.float32)), "the buffer")


def _checked(source: Source, what: str) -> Source:
    low, high = RATE_RANGE_HZ
    if source.frames == 0:
        raise errors.BadAudio(f"{what} is empty")
    if not low <= source.rate_hz <= high:
        raise errors.BadAudio(f"{what} has a rate of {source.rate_hz} Hz; {low} to {high} Hz can be played")
    if not 1 <= source.channels <= MAX_CHANNELS:
        raise errors.BadAudio(f"{what} has {source.channels} channels; 1 to {MAX_CHANNELS} can be played")
    return source


def mix_matrix(have: int, want: int) -> NDArray[np.float32] | None:
    """Gains [have, want] from `have` channels to `want`; None when nothing is to be done.

    Mono goes to left and right at full level; more outputs than inputs leave the rest silent.
    Downwards the shares of each output add up to 1, so that no sum can be louder than its loudest
    part: 5.1 by the ratios of ITU-R BS.775 (centre and surrounds at 0.707, LFE left out), else
    channels in turn (0, 2, 4 left; 1, 3, 5 right).
    """
    if have == want:
        return None
    gains = np.zeros((have, want), np.float64)
    if have == 1:
        gains[0, : min(want, 2)] = 1.0
    elif want > have:
        gains[range(have), range(have)] = 1.0
    elif have == 6 and want <= 2:
        sides = np.array([[1, 0], [0, 1], [HALF_POWER, HALF_POWER], [0, 0], [HALF_POWER, 0], [0, HALF_POWER]])
        gains[:] = sides if want == 2 else sides.sum(axis=1, keepdims=True)
    else:
        gains[range(have), np.arange(have) % want] = 1.0
    if want < have:
        gains /= gains.sum(axis=0, keepdims=True)
    return gains.astype(np.float32)


def _resampled(blocks: Iterator[Audio], have_hz: int, want_hz: int, channels: int, frames: int) -> Iterator[Audio]:
    """Streaming soxr at VHQ, cut or padded to floor(x + 1/2) frames of the exact length."""
    stream = soxr.ResampleStream(have_hz, want_hz, channels, dtype="float32", quality="VHQ")
    left = (2 * frames * want_hz + have_hz) // (2 * have_hz)
    for block in blocks:
        out = stream.resample_chunk(block)[:left]
        left -= len(out)
        yield out
    rest = stream.resample_chunk(np.zeros((0, channels), np.float32), last=True)[:left]
    yield np.concatenate([rest, np.zeros((left - len(rest), channels), np.float32)])
