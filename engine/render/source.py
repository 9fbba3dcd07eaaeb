"""What is continued: read once, checked once, brought to the model's rate where the model listens."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from engine.controls.edits import check_bars
from engine.errors import BadAudio, BadRequest
from engine.timing import Anchor, TempoMap
from engine.types import MAX_CHANNELS, MAX_SECONDS, MODEL_RATE_HZ, RATE_RANGE_HZ, Audio, Request

SILENCE = 1e-4
LONGEST_NAME = 160
BLOCK_FRAMES = 1 << 18
"""What is read or looked through between two looks at whether the request still stands."""

Check = Callable[[], None]


def named(path: str) -> str:
    """A path as it may stand in a sentence: quoted, escaped, its end kept where it is long."""
    return ascii(path if len(path) <= LONGEST_NAME else "..." + path[-LONGEST_NAME:])


def unchecked() -> None:
    """Where nobody cancels."""


@dataclass(frozen=True)
class Source:
    """Audio [frames, channels] at rate Hz."""

    audio: Audio
    rate: int


def read_audio(path: str, check: Check = unchecked) -> Source:
    """A WAV, FLAC, OGG, MP3 or AIFF file; `BadAudio` says in one sentence what is wrong with it.

    `check` is called every few seconds of audio and may raise.
    """
    if not Path(path).is_file():
        raise BadAudio(f"there is no file {named(path)}")
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames > MAX_SECONDS * file.samplerate:
                raise BadAudio(f"{named(path)} is longer than {MAX_SECONDS // 60} minutes; cut it first")
            _check_shape(file.channels, file.samplerate, named(path))
            source = Source(_read_blocks(file, check), int(file.samplerate))
    except MemoryError as error:
        raise BadAudio(f"{named(path)} does not fit into this machine's memory; cut it first") from error
    except (OSError, RuntimeError) as error:
        raise BadAudio(f"cannot read {named(path)} as audio; WAV, FLAC, OGG, MP3 and AIFF are read") from error
    return checked(source, named(path), check)


def _read_blocks(file: soundfile.SoundFile, check: Check) -> Audio:
    """All frames of an open file, float32 [frames, channels]; no more than are there."""
    audio, held = np.zeros((file.frames, file.channels), np.float32), 0
    while held < len(audio):
        check()
        read = len(file.read(out=audio[held : held + BLOCK_FRAMES], always_2d=True))
        if read == 0:
            break
        held += read
    return audio[:held]


def checked(source: Source, name: str, check: Check = unchecked) -> Source:
    """The source, or `BadAudio` if it is empty, non-finite, silent, or its rate or channels are out of range."""
    if len(source.audio) == 0:
        raise BadAudio(f"{name} is empty: there is nothing to continue")
    _check_shape(source.audio.shape[1], source.rate, name)
    peak = 0.0
    for first in range(0, len(source.audio), BLOCK_FRAMES):
        check()
        block = source.audio[first : first + BLOCK_FRAMES]
        low, high = float(block.min()), float(block.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise BadAudio(f"{name} holds NaN or infinite samples")
        peak = max(peak, high, -low)
    if peak < SILENCE:
        raise BadAudio(f"{name} is silent: there is nothing to continue")
    return source


def _check_shape(channels: int, rate: int, name: str) -> None:
    if not 1 <= channels <= MAX_CHANNELS:
        raise BadAudio(f"{name} has {channels} channels; 1 to {MAX_CHANNELS} are read")
    if not RATE_RANGE_HZ[0] <= rate <= RATE_RANGE_HZ[1]:
        raise BadAudio(f"{name} has a rate of {rate} Hz; {RATE_RANGE_HZ[0]} to {RATE_RANGE_HZ[1]} are read")


def source_of(request: Request, inline: Audio | None, check: Check = unchecked) -> Source | None:
    """The audio that a continuation follows, None for a generation."""
    if request.kind == "generate":
        return None
    if inline is not None and request.inline is not None:
        return checked(Source(np.asarray(inline, np.float32), request.inline.rate), "the audio sent", check)
    assert request.source is not None
    return read_audio(request.source, check)


def check_inside(request: Request, source: Source | None, tempo_map: TempoMap, place: Anchor) -> Source | None:
    """The source of an edit; new bars at its front find room before it. BadRequest where the bars are not all in it."""
    if source is None or request.edit == "loop":
        return source
    if request.edit == "front":
        room = tempo_map.sample_at(tempo_map.bar_start_quarters(request.bars), source.rate)
        return Source(np.pad(source.audio, ((room, 0), (0, 0))), source.rate)
    check_bars(request, len(source.audio), source.rate, tempo_map, place)
    if request.rate not in (None, source.rate) or request.channels not in (None, source.audio.shape[1]):
        raise BadRequest(
            f"An edit keeps the input's {source.rate} Hz and {source.audio.shape[1]} channels; leave rate and channels"
            " away."
        )
    return source


def to_stereo(audio: Audio) -> Audio:
    """[frames, n] to [frames, 2]: mono doubled, more than two folded down alternately."""
    if audio.shape[1] == 1:
        return np.repeat(audio, 2, axis=1)
    if audio.shape[1] == 2:
        return audio
    return np.stack([audio[:, 0::2].mean(1), audio[:, 1::2].mean(1)], axis=1)


def model_view(source: Source, end_frame: int, seconds: float) -> Audio:
    """The last `seconds` before `end_frame` as the model hears them: 48 kHz stereo, ending there.

    What lies past the source's end is silence (padding up to the bar line).
    """
    first = max(0, end_frame - round((seconds + 0.5) * source.rate))
    piece = to_stereo(source.audio[first:end_frame])
    missing = end_frame - first - len(piece)
    piece = np.pad(piece, ((0, max(0, missing)), (0, 0)))
    if source.rate != MODEL_RATE_HZ:
        piece = np.asarray(soxr.resample(piece, source.rate, MODEL_RATE_HZ, "HQ"), np.float32)
    return np.ascontiguousarray(piece[-round(seconds * MODEL_RATE_HZ) :], np.float32)
