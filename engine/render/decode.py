"""Stage 3: latents to sound at 48 kHz, streamed, only what is needed.

Codec and vocoder look a little to both sides. `Decoder` keeps that margin: each push returns the
samples that no later latent can change, the last one the rest.

*Threading*: a `Decoder` belongs to its request's thread, which runs codec and vocoder network. `speak` waits until its
sound is there; between `begin` and `finish` helper threads of the synthesis (`engine.models.synthesis`) work on one
piece while the network looks at the next. One piece at most is under way: `finish` it before another begins. Helpers
end when the decoder is let go, at the end of a request or when it is cancelled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.models import features as F
from engine.models.codec import LATENT_HOP, PATCH
from engine.models.lownotes import LowNotes
from engine.models.synthesis import Synthesis
from engine.models.vocoder import NEPER_DB, WIDTH, Levels
from engine.models.voice import Piece
from engine.render import level
from engine.runtimes.base import Decodes
from engine.types import Audio

CODEC_REACH = 2
VOCODER_REACH = 4
PRE_SAMPLES = F.WINDOW // 2
TRIM_FRAMES = 512


class Ahead(NamedTuple):
    """A piece that the network has seen: levels [2, N, BINS] and spreads [2, N, SPREADS], of which those from `inside`
    on count, the lows and the gain."""

    levels: NDArray[np.float32]
    spread: NDArray[np.float32]
    low: NDArray[np.float32]
    inside: int
    gain: NDArray[np.float32] | np.float32


class Begun(NamedTuple):
    """A piece that is worked on, and the factor of its samples."""

    piece: Piece
    gain: NDArray[np.float32] | np.float32


class Decoder:
    """Streams audio from consecutive latents. One per request, one thread.

    before [k, 64]: latents right before the first one pushed, for a warm start (may be empty).
    The first sample returned lies PRE_SAMPLES before frame `unheard`, counted from the first of `before` (or
    of the first push): what lies before it is context for codec, vocoder and level, but not spoken.
    target_db: level in dBFS to ride towards, one a feature frame from the first one on, or None; gain_db
    applies to all. tuning_cents: basses are taken to the notes of this tuning; low_leads [T, 12]: which of them go
    before others (`engine.models.lownotes`), from the first frame on too. width: the most of the noise's power that is
    a channel's own.
    """

    def __init__(
        self,
        codec: Decodes,
        vocoder: Levels,
        before: Tensor,
        seed: int,
        target_db: NDArray[np.float32] | None = None,
        tuning_cents: float | None = None,
        unheard: int = 0,
        width: float = WIDTH,
        low_leads: NDArray[np.float32] | None = None,
    ) -> None:
        self.codec = codec
        self.synthesis = Synthesis(vocoder, seed=seed, width=width)
        self.synthesis.state.tuning_cents = tuning_cents
        self.synthesis.state.notes = None if low_leads is None else LowNotes(low_leads[unheard:])
        self.latents = before
        self.decoded = 0
        self.features = torch.zeros(0, F.CHANNELS)
        self.spoken = unheard
        self.dropped = 0
        self.target_db = target_db
        self.reach = VOCODER_REACH if target_db is None else level.REACH_FRAMES
        self.gain_db = 0.0

    @torch.no_grad()
    def push(self, latents: Tensor, last: bool = False) -> None:
        """Take latents [n, 64]; their features become final but for the codec's reach."""
        self.latents = torch.cat([self.latents, latents])
        end = len(self.latents) - (0 if last else CODEC_REACH)
        first = max(0, self.decoded - CODEC_REACH)
        if end > self.decoded:
            decoded = self.codec.decode(self.latents[None, first:])[0]
            offset = (self.decoded - first) * PATCH
            fresh = decoded[offset : offset + (end - self.decoded) * PATCH]
            self.features = torch.cat([self.features, fresh])
            self.decoded = end

    def ready(self, last: bool = False) -> int:
        """Feature frames that can be spoken now."""
        return len(self.features) - self.spoken - (0 if last else self.reach)

    def speak(self, frames: int) -> Audio:
        """The next 512 x frames samples [n, 2]."""
        return self.finish(self.begin(self.look(frames)))

    def begin(self, ahead: Ahead) -> Begun:
        """Have helpers work on a piece beside what follows."""
        piece = self.synthesis.begin(ahead.levels, ahead.spread, ahead.low, ahead.inside, 2 * len(ahead.low))
        return Begun(piece, ahead.gain)

    def finish(self, begun: Begun) -> Audio:
        """The samples of a piece that was begun."""
        sound = self.synthesis.finish(begun.piece)
        sound *= begun.gain
        return sound

    def look(self, frames: int) -> Ahead:
        """What the network says of the next `frames`, which count as spoken."""
        first = max(0, self.spoken - VOCODER_REACH)
        last = min(len(self.features), self.spoken + frames + VOCODER_REACH)
        levels, spread = self.synthesis.levels(self.features[first:last])
        low = self.features[self.spoken : self.spoken + frames, 2 * F.MELS :].numpy()
        ahead = Ahead(levels, spread, low, 2 * (self.spoken - first), self._gain(frames))
        self.spoken += frames
        self._let_go()
        return ahead

    def _let_go(self) -> None:
        """Forget features that nothing will look at again, some seconds at a time."""
        done = self.spoken - self.reach - 2
        if done >= TRIM_FRAMES:
            self.features = self.features[done:].clone()
            self.spoken, self.dropped = self.spoken - done, self.dropped + done

    def _gain(self, frames: int) -> NDArray[np.float32] | np.float32:
        """The factor of the next 512 x frames samples: one for all, or one for each [n, 1]."""
        if self.target_db is None:
            return np.float32(10.0 ** (self.gain_db / 20.0))
        first = max(0, self.spoken - self.reach - 2)
        last = min(len(self.features), self.spoken + frames + self.reach)
        wanted = self.target_db[self.dropped + first : self.dropped + last]
        ridden = level.ride_gain_db(self.features[first:last], wanted) + self.gain_db
        at = self.spoken - first - PRE_SAMPLES // F.HOP + np.arange(frames + 1)
        nepers = ridden[np.clip(at, 0, len(ridden) - 1), None] * np.float32(1.0 / NEPER_DB)
        between = nepers[:-1] + np.diff(nepers, axis=0) * (np.arange(F.HOP, dtype=np.float32) / F.HOP)
        return np.exp(between, out=between).reshape(-1, 1)


__all__ = ["LATENT_HOP", "PRE_SAMPLES", "Decoder"]
