"""A timeline and a plan's instruments, through chain and safety, as one programme for a player.

Threading: `locate`, `block` and `report` belong to the player thread; `edit` to the main thread, which hands
new effects and instruments over (see `rack`, `instrument`) and reads the counters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from engine import errors
from engine.types import Audio
from plugin_host.chain import ChainSpec
from plugin_host.instrument import Band
from plugin_host.pipeline import Pipeline
from plugin_host.source import mix_matrix
from plugin_host.stage import BLOCK_FRAMES
from plugin_host.timeline import Timeline, engine_there
from plugin_host.voice import Fallback, Voice

PATIENCE_SECONDS: Final = 120.0
POLL_SECONDS: Final = 0.01
WORD_SECONDS: Final = 3.0
"""After waiting so long without an engine it is said that there is none."""
NO_ENGINE: Final = "no engine writes to this timeline yet: start one (attacca serve)"
STILL_SECONDS: Final = 0.5
"""Without a block for so long nobody waits for a fade: an edit is done at once."""


class Stream:
    """The sound of `timeline` and `band` from any project frame on, at the timeline's rate.

    Latency of effects and limiter is compensated: what `block` gives lies on its frames. `ahead_frames` is what the
    player prepares; reports to the engine lie so much before what is heard, because there the timeline is read.
    """

    def __init__(
        self, timeline: Timeline, chain: ChainSpec, channels: int, band: Band | None = None,
        fallback: Fallback = "repeat",
    ) -> None:  # fmt: skip
        self.timeline = timeline
        self.voice = Voice(timeline, fallback)
        self.band = band
        self.pipeline = Pipeline(ChainSpec(chain.effects), timeline.rate_hz, channels)
        self.channels = channels
        self.ahead_frames = 0
        self._matrix = mix_matrix(2, channels)
        self._rendered, self._gain = chain.rendered, 1.0 if chain.rendered else 0.0
        self._instruments(chain)
        self.say: Callable[[str], None] = lambda _: None
        """Gets remarks of `blocks`, one sentence each, on the thread that draws them."""
        self._told = False
        self._made_at = 0.0
        self._made: Audio = np.zeros((0, channels), np.float32)

    @property
    def latency_frames(self) -> int:
        """What is held back on the way and compensated: effects, limiter, gathering into blocks."""
        return self.pipeline.latency_frames + BLOCK_FRAMES

    def edit(self, chain: ChainSpec) -> None:
        """Have this chain from one of the next blocks on, without a click. Raises `errors.AttaccaError`."""
        self.pipeline.edit(chain.effects)
        self._instruments(chain)
        self._rendered = chain.rendered

    def _instruments(self, chain: ChainSpec) -> None:
        if self.band is not None:
            self.band.edit(chain.instruments)
        elif chain.instruments:
            raise errors.BadRequest("the chain has instruments but there is no plan: give one with --plan")

    def locate(self, frame: int) -> None:
        self.voice.locate(frame)
        if self.band is not None:
            self.band.locate(frame)
        self.pipeline.reset()
        self._gain = 1.0 if self._rendered else 0.0
        self._made = self._made[:0]

    def block(self, frames: int) -> Audio:
        self._made_at = time.monotonic()
        while len(self._made) < frames:
            self._made = np.concatenate([self._made, self.pipeline.process(self._next())])
        out, self._made = self._made[:frames], self._made[frames:]
        return out

    def report(self, frame: int, rolling: bool, jumps: int) -> None:
        if not rolling and time.monotonic() - self._made_at > STILL_SECONDS:
            self.pipeline.rack.settle()
        ahead = self.ahead_frames + self.latency_frames if rolling else 0
        self.timeline.report(frame + ahead, rolling, BLOCK_FRAMES, jumps)

    def blocks(
        self, first_frame: int, frames: int, tail_frames: int = 0, stopping: Callable[[], bool] = lambda: False
    ) -> Iterator[Audio]:
        """Exactly `frames` (and the tail) from a frame on, waiting for whoever renders them, or until `stopping`.

        Raises `errors.Unavailable` when nothing new was rendered for PATIENCE_SECONDS.
        """
        self.locate(first_frame)
        done = 0
        while done < frames:
            count = min(BLOCK_FRAMES, frames - done)
            self._wait_for(first_frame + done, min(count + self.voice.look, frames - done), stopping)
            sound = self._next()[:count]
            yield self.pipeline.process(sound)
            done += count
        yield self.pipeline.finish(tail_frames)

    def _wait_for(self, frame: int, frames: int, stopping: Callable[[], bool]) -> None:
        begin = time.monotonic()
        self.timeline.report(frame, True, BLOCK_FRAMES, 0)
        while not self.timeline.known(frame, frames).all():
            waited = time.monotonic() - begin
            if stopping() or waited > PATIENCE_SECONDS:
                raise errors.Unavailable(f"nobody rendered project frame {frame}: start an engine (attacca serve)")
            if waited > WORD_SECONDS and not self._told and not self.engine_there():
                self._told = True
                self.say(NO_ENGINE)
            time.sleep(POLL_SECONDS)

    def engine_there(self) -> bool:
        """Whether an engine writes to the timeline now."""
        return engine_there(self.timeline.status(), time.monotonic_ns())

    def _next(self) -> Audio:
        """The next BLOCK_FRAMES before effects: [frames, channels]."""
        sound = self.voice.read(BLOCK_FRAMES)
        gain = 1.0 if self._rendered else 0.0
        if gain != 1.0 or self._gain != 1.0:
            sound = sound * np.linspace(self._gain, gain, BLOCK_FRAMES, dtype=np.float32)[:, None]
            self._gain = gain
        if self.band is not None and not self.band.empty:
            sound = sound + self.band.read()
        mixed: Audio = sound if self._matrix is None else sound @ self._matrix
        return mixed
