"""What sounded before the new bars: its features, latents and level, and what is heard in it. Remembered.

A live session asks for the same bars again whenever a note or a knob changes; the sound before them is the same
to the bit. The last few of them are kept, and recognised by comparing every sample.

*Threading*: used by the renderer's thread alone. Bounded: `KEPT` stretches of 4 s, 2 MB each.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.controls import intensity_envelope
from engine.models import features as F
from engine.models.analysis import analyse
from engine.models.codec import LATENT_HOP, PATCH
from engine.models.listener import Heard
from engine.models.load import Networks
from engine.models.lows import tuning_of
from engine.render.level import power_db
from engine.types import MODEL_RATE_HZ, Audio

UNSURE = 2
HEARABLE = 8
KEPT = 8
SAMPLED = 997
Encode = Callable[[Tensor], Tensor]
"""encode(features [1, 8 n, CHANNELS]) -> latents [1, n, 64]."""


ANSWERS = ("features", "envelope", "level_db", "tuning_cents", "latents", "heard")
"""What is asked of a past, in the order in which one needs the other."""


class Past:
    """A stretch of sound [4096 n, 2] at 48 kHz. Each answer is worked out once, when it is first asked for.

    The last UNSURE of its n latents are not to be relied on: their windows reach past its end.
    """

    def __init__(self, audio: Audio, networks: Networks, encode: Encode) -> None:
        assert len(audio) % LATENT_HOP == 0, len(audio)
        self.audio, self.networks, self.encode = audio, networks, encode

    def answer(self, check: Callable[[], None], answers: tuple[str, ...] = ANSWERS) -> None:
        """Work out what is going to be asked; `check` is called before each answer and may raise."""
        for name in answers:
            check()
            getattr(self, name)

    @cached_property
    def features(self) -> Tensor:
        """In dB [8 n, CHANNELS]."""
        return analyse(self.audio)[: len(self.audio) // F.HOP]

    @cached_property
    def latents(self) -> Tensor:
        """[n, 64]."""
        with torch.no_grad():
            return self.encode(self.features[None])[0]

    @cached_property
    def envelope(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(seconds [T], dBFS [T]) of its intensity."""
        return intensity_envelope(self.audio, MODEL_RATE_HZ)

    @cached_property
    def level_db(self) -> float:
        """In dBFS, over all that is sure."""
        return power_db(self.features[: -UNSURE * PATCH])

    @cached_property
    def tuning_cents(self) -> float:
        """From A4 = 440 Hz; 0 where its lows do not agree."""
        return tuning_of(self.features[:, 2 * F.MELS :].numpy())

    @cached_property
    def heard(self) -> Heard | None:
        """Style, tags, key and parts; None where it is too short to say."""
        sure = self.latents[:-UNSURE]
        return self.networks.listener.hear(sure, self.features[: len(sure) * PATCH]) if len(sure) >= HEARABLE else None


class Pasts:
    """The last few pasts, one memory a renderer."""

    def __init__(self, networks: Networks, encode: Encode | None = None) -> None:
        """encode: a runtime's, else that of the codec itself."""
        self.networks, self.encode = networks, encode or networks.codec.encode
        self.known: dict[tuple[int, bytes], Past] = {}

    def of(self, audio: Audio) -> Past:
        """The past of this very audio [4096 n, 2], known or new; the longest unused one is let go for a new one."""
        key = (len(audio), audio[::SAMPLED].tobytes())
        past = self.known.pop(key, None)
        if past is None or not np.array_equal(past.audio, audio):
            past = Past(audio, self.networks, self.encode)
        self.known[key] = past
        if len(self.known) > KEPT:
            self.known.pop(next(iter(self.known)))
        return past
