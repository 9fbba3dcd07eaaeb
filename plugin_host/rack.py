"""The effects of a chain at work, and their exchange while sound runs through them.

An edit keeps what it does not touch: the effects that both chains begin with and end with stay the same
instances, with their tails and their state. What lies between is built anew, runs beside the old part for
WARM_FRAMES, and takes over in a fade of FADE_FRAMES on the same frames, whatever either part delays: an edit
never clicks and never shifts a frame.

Threading
    `process` and `reset` belong to the player thread; `edit` to one other thread, the main one (VST3s want to be loaded
    there). A built exchange is handed over by one assignment and taken between two blocks; `edit` waits for the one
    before it, at most WAIT_SECONDS, and never makes the player thread wait.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final

import numpy as np

from engine import errors
from plugin_host.chain import Effect
from plugin_host.stage import Planar, Stage

WARM_FRAMES: Final = 4096
FADE_FRAMES: Final = 960
WAIT_SECONDS: Final = 5.0


class Exchange:
    """Stages first..last of a rack, and what comes in their place."""

    def __init__(self, first: int, old: list[Stage], new: list[Stage], channels: int) -> None:
        self.first = first
        self.old = old
        self.new = new
        self.done = False
        self._at = 0
        empty: Planar = np.zeros((channels, 0), np.float32)
        self._old_sound, self._new_sound = empty, empty
        self._new_at = 0
        turn = np.arange(1, FADE_FRAMES + 1, dtype=np.float32) / (FADE_FRAMES + 1)
        self._rise = (0.5 - 0.5 * np.cos(np.pi * turn)).astype(np.float32)

    def begin(self) -> None:
        """Count from the frames that the old part holds now. The player thread calls it before the first block."""
        self._at = -sum(stage.held_frames for stage in self.old)

    def process(self, audio: Planar) -> Planar:
        """Frames in to frames out, old, then both, then new. Frame 0 is the first that both were shown."""
        self._old_sound = np.concatenate([self._old_sound, _through(self.old, audio)], axis=1)
        self._new_sound = np.concatenate([self._new_sound, _through(self.new, audio)], axis=1)
        out = self._draw_old(WARM_FRAMES - self._at)
        if self._at >= WARM_FRAMES:
            self._forget_new()
            out = np.concatenate([out, self._fade()], axis=1)
        if self._at >= WARM_FRAMES + FADE_FRAMES:
            self.done = True
            out = np.concatenate([out, self._new_sound], axis=1)
        return out

    def _draw_old(self, frames: int) -> Planar:
        count = max(0, min(frames, self._old_sound.shape[1]))
        out, self._old_sound = self._old_sound[:, :count], self._old_sound[:, count:]
        self._at += count
        return out

    def _forget_new(self) -> None:
        """What the new part made for frames that were heard from the old one."""
        count = max(0, min(self._at - self._new_at, self._new_sound.shape[1]))
        self._new_sound = self._new_sound[:, count:]
        self._new_at += count

    def _fade(self) -> Planar:
        begun = self._at - WARM_FRAMES
        there = self._new_sound.shape[1] if self._new_at == self._at else 0
        count = max(0, min(FADE_FRAMES - begun, self._old_sound.shape[1], there))
        rise = self._rise[begun : begun + count]
        new, self._new_sound = self._new_sound[:, :count], self._new_sound[:, count:]
        self._new_at += count
        return self._draw_old(count) * (1 - rise) + new * rise


class Rack:
    """Stages in order, at one rate and channel count. Raises `errors.BadRequest` if an effect cannot run."""

    def __init__(self, effects: tuple[Effect, ...], rate_hz: int, channels: int) -> None:
        self.rate_hz = rate_hz
        self.channels = channels
        self.stages = [Stage(effect, rate_hz, channels) for effect in effects]
        self._waiting: Exchange | None = None
        self._running: Exchange | None = None
        self._retired = 0

    @property
    def latency_frames(self) -> int:
        return sum(stage.latency_frames for stage in self.stages)

    @property
    def scrubbed_samples(self) -> int:
        return self._retired + sum(stage.scrubbed_samples for stage in self.stages)

    @property
    def settled(self) -> bool:
        """No exchange waits or runs."""
        return self._waiting is None and self._running is None

    def edit(self, effects: tuple[Effect, ...]) -> None:
        """Have these effects from one of the next blocks on. Raises `errors.BadRequest` and changes nothing then."""
        end = time.monotonic() + WAIT_SECONDS
        while not self.settled:
            if time.monotonic() > end:
                raise errors.Unavailable("the chain is still being changed: play on, then change it again")
            time.sleep(0.002)
        old = [stage.effect for stage in self.stages]
        first, last = _common(old, list(effects))
        gone = self.stages[first : len(old) - last]
        wanted = effects[first : len(effects) - last]
        if gone or wanted:
            new = [Stage(_carrying(effect, gone), self.rate_hz, self.channels) for effect in wanted]
            self._waiting = Exchange(first, gone, new, self.channels)

    def process(self, audio: Planar) -> Planar:
        """[channels, any frames] to the frames that are ready."""
        if self._waiting is not None:
            self._running = self._waiting
            self._running.begin()
            self._waiting = None
        running = self._running
        if running is None:
            return _through(self.stages, audio)
        after = running.first + len(running.old)
        audio = running.process(_through(self.stages[: running.first], audio))
        out = _through(self.stages[after:], audio)
        if running.done:
            self._settle(running)
        return out

    def reset(self) -> None:
        """As if nothing had been heard; an exchange that waits or runs is done at once."""
        self.settle()
        for stage in self.stages:
            stage.reset()

    def settle(self) -> None:
        """Have an exchange that waits or runs done at once; for when nothing is heard."""
        exchange = self._running or self._waiting
        if exchange is not None:
            self._waiting = None
            self._settle(exchange)

    def _settle(self, exchange: Exchange) -> None:
        self._retired += sum(stage.scrubbed_samples for stage in exchange.old)
        after = exchange.first + len(exchange.old)
        self.stages = [*self.stages[: exchange.first], *exchange.new, *self.stages[after:]]
        self._running = None


def _through(stages: list[Stage], audio: Planar) -> Planar:
    for stage in stages:
        audio = stage.process(audio)
    return audio


def _common(old: list[Effect], new: list[Effect]) -> tuple[int, int]:
    """How many effects both begin with, and how many of the rest they end with."""
    shorter = min(len(old), len(new))
    first = next((k for k in range(shorter) if old[k] != new[k]), shorter)
    rest = shorter - first
    last = next((k for k in range(rest) if old[-1 - k] != new[-1 - k]), rest)
    return first, last


def _carrying(effect: Effect, gone: list[Stage]) -> Effect:
    """The effect with the state of the instance that it replaces: the same plugin, other parameters."""
    for stage in gone:
        same = (stage.effect.vst3, stage.effect.plugin) == (effect.vst3, effect.plugin)
        if effect.vst3 is not None and same:
            return replace(effect, carried=stage.state)
    return effect
