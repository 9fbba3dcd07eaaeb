"""A chain and the safety stage as one thing: sound of any block size in, the same frames out.

Offline and live, and every block size, give the same samples (`plugin_host.stage` gathers them).
Nothing is shifted: all latency is compensated, and `finish` asks for what is still inside.

Threading: the player thread alone calls this, but for `edit` (see `plugin_host.rack`) and the counters.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.types import Audio
from plugin_host.chain import ChainSpec, Effect
from plugin_host.rack import Rack
from plugin_host.safety import Safety
from plugin_host.stage import BLOCK_FRAMES, Stage, scrub

MAX_CHANNELS: Final = 8
CHAIN_CHANNELS: Final = 2
"""Effects run in mono or stereo: with more channels several of pedalboard's silently do nothing."""


class Pipeline:
    """Input scrubbed, effects in order, safety last. Raises `errors.BadRequest` if an effect cannot run."""

    def __init__(self, chain: ChainSpec, rate_hz: int, channels: int) -> None:
        assert 1 <= channels <= (CHAIN_CHANNELS if chain.effects else MAX_CHANNELS)
        self.rate_hz = rate_hz
        self.channels = channels
        self.rack = Rack(chain.effects, rate_hz, channels)
        self.safety = Safety(rate_hz, channels)
        self._scrubbed_in = 0
        self._frames_in = 0
        self._frames_out = 0

    @property
    def stages(self) -> list[Stage]:
        return self.rack.stages

    @property
    def latency_frames(self) -> int:
        """What chain and limiter delay, and what is compensated, in frames."""
        return self.safety.latency_frames + self.rack.latency_frames

    @property
    def scrubbed_samples(self) -> int:
        return self._scrubbed_in + self.safety.scrubbed_samples + self.rack.scrubbed_samples

    def process(self, audio: Audio) -> Audio:
        """[frames, channels], any number of frames, to [0 or more frames, channels]."""
        self._frames_in += len(audio)
        planar = np.array(audio.T, np.float32, order="C", copy=True)
        self._scrubbed_in += scrub(planar)
        planar = self.safety.process(self.rack.process(planar))
        self._frames_out += planar.shape[1]
        return np.ascontiguousarray(planar.T)

    def edit(self, effects: tuple[Effect, ...]) -> None:
        """Have these effects from one of the next blocks on, without a click. Raises `errors.BadRequest`."""
        self.rack.edit(effects)

    def reset(self) -> None:
        """As if nothing had gone in: the next frame that comes out is the next that goes in."""
        self.rack.reset()
        self.safety.reset()
        self._frames_in = self._frames_out = 0

    def finish(self, tail_frames: int = 0) -> Audio:
        """The rest: after it, exactly the frames that went in and `tail_frames` more have come out."""
        wanted = self._frames_in + tail_frames - self._frames_out
        silence = np.zeros((BLOCK_FRAMES, self.channels), np.float32)
        parts: list[Audio] = []
        for _ in range((wanted + self.latency_frames) // BLOCK_FRAMES + len(self.stages) + 3):
            if sum(map(len, parts)) >= wanted:
                break
            parts.append(self.process(silence))
        rest = np.concatenate([*parts, np.zeros((wanted, self.channels), np.float32)])
        return np.ascontiguousarray(rest[:wanted])
