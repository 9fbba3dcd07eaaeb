"""Style from audio: a reference file becomes a prompt vector, as words do.

Only the first seconds of a file are heard, and each file is heard once as long as it does not change.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from engine.errors import BadAudio
from engine.models import features as F
from engine.models.analysis import analyse
from engine.models.codec import PATCH
from engine.models.load import Networks
from engine.render.source import SILENCE, Check, Source, model_view, named, unchecked
from engine.types import MAX_CHANNELS, RATE_RANGE_HZ

HEARD_SECONDS = 20.0
SHORTEST_SECONDS = 1.0
KEPT = 64

Vector = NDArray[np.float32]


class References:
    """The prompt vectors [styles + tags] of audio files; one for each renderer, used by its thread alone."""

    def __init__(self, networks: Networks) -> None:
        self.networks = networks
        self.known: dict[tuple[str, int, int], Vector] = {}

    def vector(self, path: str, check: Check = unchecked) -> Vector:
        """What the first HEARD_SECONDS of a file sound like. `BadAudio` says what is wrong with it.

        `check` is called before each of its steps, none of which takes 80 ms, and may raise.
        """
        check()
        try:
            state = Path(path).stat()
        except (OSError, ValueError) as error:
            raise BadAudio(f"there is no file {named(path)}") from error
        key = (path, state.st_mtime_ns, state.st_size)
        if key not in self.known:
            heard = hear(self.networks, read_start(path), check)
            if len(self.known) >= KEPT:
                self.known.pop(next(iter(self.known)))
            self.known[key] = heard
        return self.known[key]


def read_start(path: str) -> Source:
    """The first HEARD_SECONDS of a file. Raises BadAudio where that is too short, silent, non-finite or unreadable."""
    name = named(path)
    if not Path(path).is_file():
        raise BadAudio(f"there is no file {name}")
    try:
        with soundfile.SoundFile(path) as file:
            rate, channels = int(file.samplerate), int(file.channels)
            if not RATE_RANGE_HZ[0] <= rate <= RATE_RANGE_HZ[1] or not 1 <= channels <= MAX_CHANNELS:
                raise BadAudio(
                    f"{name} has {channels} channels at {rate} Hz; 1 to {MAX_CHANNELS} channels "
                    f"at {RATE_RANGE_HZ[0]} to {RATE_RANGE_HZ[1]} Hz are read"
                )
            audio = file.read(round(HEARD_SECONDS * rate), dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise BadAudio(f"cannot read {name} as audio; WAV, FLAC, OGG, MP3 and AIFF are read") from error
    if len(audio) < SHORTEST_SECONDS * rate:
        raise BadAudio(f"{name} lasts {len(audio) / rate:.2f} s; a style can be heard from {SHORTEST_SECONDS:g} s on")
    if not np.isfinite(audio).all():
        raise BadAudio(f"{name} holds NaN or infinite samples")
    if float(np.abs(audio).max()) < SILENCE:
        raise BadAudio(f"the first {HEARD_SECONDS:g} s of {name} are silent: there is no style to hear")
    return Source(np.asarray(audio, np.float32), rate)


def features_of(source: Source, check: Check = unchecked) -> torch.Tensor:
    """Features [8 N, CHANNELS] in dB of a whole source, analysed in pieces of two seconds or so."""
    seconds = len(source.audio) / source.rate
    check()
    audio = model_view(source, len(source.audio), seconds)
    piece, margin = 192 * F.HOP, 16
    parts = []
    for first in range(0, len(audio), piece):
        check()
        before = min(first, margin * F.HOP)
        frames = analyse(audio[first - before : first + piece + margin * F.HOP])
        parts.append(frames[before // F.HOP :][: min(192, -(-(len(audio) - first) // F.HOP))])
    whole = torch.cat(parts)
    return whole[: len(whole) // PATCH * PATCH]


@torch.no_grad()
def hear(networks: Networks, source: Source, check: Check = unchecked) -> Vector:
    """The prompt vector [styles + tags] of a source, which must be a second long or more."""
    assert len(source.audio) >= 0.99 * SHORTEST_SECONDS * source.rate
    features = features_of(source, check)
    check()
    return networks.listener.hear(networks.codec.encode(features[None])[0], features).prompt
