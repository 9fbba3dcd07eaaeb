"""One effect at work: any blocks in, latency accounted for, rebuilt when it goes wrong.

pedalboard compensates an effect's latency by withholding its first frames, and an effect that
is shown a larger block than before silently starts anew. So sound is gathered into blocks of
BLOCK_FRAMES, and every block size gives the same samples. Frame k that comes out belongs to
frame k that went in; what is withheld is asked for with silence at the end (`pipeline.finish`).

An effect whose output holds NaN, Inf or more than +60 dBFS has a poisoned state (one NaN silences
a reverb for good): its bad samples are silenced and it is built anew and fed what it had
withheld, so that not a frame shifts. After MAX_REBUILDS blocks in a row it is bypassed.

Some VST3s keep sounding through a reset; pedalboard resets those by loading them anew, which only the main thread
may do. A locate, on the player thread, shows such a plugin silence instead until it is silent (`drain`).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine import errors
from plugin_host.chain import Effect

BLOCK_FRAMES: Final = 512
MAX_REBUILDS: Final = 8
LATENCY_LIMIT_SECONDS: Final = 4

DRAIN_SECONDS: Final = 2.0
"""A tail that is longer is cut."""
SILENT: Final = 1e-5

WILD: Final = 1000.0

Planar = NDArray[np.float32]
"""Sound as effects take it: float32 [channels, frames]."""


def scrub(audio: NDArray[np.float32]) -> int:
    """Silence, in place, every sample that is NaN, Inf or above +60 dBFS; return how many there were."""
    wrong = ~(np.abs(audio) <= WILD)
    count = int(np.count_nonzero(wrong))
    if count:
        audio[wrong] = 0.0
    return count


def resets_on_any_thread(plugin: Any) -> bool:
    """Whether `plugin.reset()` works elsewhere than on the main thread. Where not, build another."""
    works: list[bool] = []

    def attempt() -> None:
        try:
            plugin.reset()
        except RuntimeError:
            return
        works.append(True)

    thread = threading.Thread(target=attempt, name="attacca-reset")
    thread.start()
    thread.join()
    return bool(works)


def drain(run: Callable[[], NDArray[np.float32]], rate_hz: int, latency_frames: int) -> None:
    """Have a plugin play on silence until it is silent; `run` gives what it makes of BLOCK_FRAMES, any shape."""
    blocks = round(DRAIN_SECONDS * rate_hz / BLOCK_FRAMES)
    late = -(-latency_frames // BLOCK_FRAMES)
    for n in range(late + blocks):
        sound = run()
        if n >= late and not (np.abs(sound) > SILENT).any():
            return


class Stage:
    """Runs `effect` at one rate and channel count. All calls from one thread.

    Raises `errors.BadRequest` when the effect cannot be built or refuses the channel count.
    """

    def __init__(self, effect: Effect, rate_hz: int, channels: int) -> None:
        self.effect = effect
        self.rate_hz = rate_hz
        self.channels = channels
        self.rebuilds = 0
        self.scrubbed_samples = 0
        self.bypassed = False
        self._in_a_row = 0
        self._barren = False
        self._skip_frames = 0
        self._withheld_frames = 0
        self._pending: Planar = np.zeros((channels, 0), np.float32)
        self._plugin, self.latency_frames = self._fresh()
        self._resets = effect.vst3 is None or resets_on_any_thread(self._plugin)
        if not self._resets:
            self._plugin, _ = self._fresh()
        self._spare: Any = None if effect.vst3 is None else self._fresh()[0]
        blocks = -(-self.latency_frames // BLOCK_FRAMES)
        self._history: Planar = np.zeros((channels, (blocks + 1) * BLOCK_FRAMES if blocks else 0), np.float32)

    def process(self, audio: Planar) -> Planar:
        """[channels, any frames] to the frames that are ready: all but what effect and gathering hold back."""
        pending = np.concatenate([self._pending, audio], axis=1)
        whole = pending.shape[1] // BLOCK_FRAMES * BLOCK_FRAMES
        self._pending = pending[:, whole:]
        blocks = [self._block(pending[:, at : at + BLOCK_FRAMES]) for at in range(0, whole, BLOCK_FRAMES)]
        return np.concatenate([pending[:, :0], *blocks], axis=1)

    @property
    def held_frames(self) -> int:
        """Frames that went in and did not come out yet."""
        return int(self._pending.shape[1]) + self._withheld_frames

    @property
    def state(self) -> bytes | None:
        """What a VST3 would save now; None for a built-in, whose parameters are all that it has."""
        return None if self.effect.vst3 is None else bytes(self._plugin.raw_state)

    def reset(self) -> None:
        """As if nothing had been heard: no tail, nothing held. What was counted stays."""
        self._pending = self._pending[:, :0]
        self._history[:] = 0.0
        self._in_a_row = self._skip_frames = self._withheld_frames = 0
        if not self._resets:
            self._drain()
            return
        try:
            self._plugin.reset()
        except RuntimeError:
            self.bypassed = self.bypassed or not self._replace()

    def restock(self) -> None:
        """Have a spare again where the one that there was is used up. The main thread calls it, now and then."""
        if self.effect.vst3 is None or self._spare is not None or self.bypassed or self._barren:
            return
        try:
            self._spare = self._fresh()[0]
        except errors.AttaccaError:
            self._barren = True

    def _drain(self) -> None:
        """Silence through it. What a new one withholds it has then withheld, so as much is skipped."""
        silence = np.zeros((self.channels, BLOCK_FRAMES), np.float32)

        def run() -> Planar:
            out: Planar = self._plugin.process(silence, self.rate_hz, buffer_size=BLOCK_FRAMES, reset=False)
            self._scrub(out)
            return out

        drain(run, self.rate_hz, self.latency_frames)
        self._skip_frames = self.latency_frames

    def _block(self, block: Planar) -> Planar:
        if self.bypassed:
            return block
        self._remember(block)
        out = self._run(block)
        self._withheld_frames += BLOCK_FRAMES - out.shape[1]
        if not self._scrub(out):
            self._in_a_row = 0
            return out
        self._in_a_row += 1
        rest = self._rebuild() if self._in_a_row <= MAX_REBUILDS else self._bypass()
        self._withheld_frames -= rest.shape[1]
        return np.concatenate([out, rest], axis=1)

    def _run(self, audio: Planar) -> Planar:
        out: Planar = self._plugin.process(audio, self.rate_hz, buffer_size=BLOCK_FRAMES, reset=False)
        skipped = min(self._skip_frames, out.shape[1])
        self._skip_frames -= skipped
        return out[:, skipped:]

    def _remember(self, block: Planar) -> None:
        if self._history.shape[1]:
            self._history[:, :-BLOCK_FRAMES] = self._history[:, BLOCK_FRAMES:].copy()
            self._history[:, -BLOCK_FRAMES:] = block

    def _scrub(self, out: Planar) -> int:
        count = scrub(out)
        self.scrubbed_samples += count
        return count

    def _rebuild(self) -> Planar:
        """Build the effect anew, show it the recent past; return the frames it owes already."""
        self.rebuilds += 1
        if not self._replace():
            return self._bypass()
        if not self._history.shape[1]:
            return np.zeros((self.channels, 0), np.float32)
        self._skip_frames = self._history.shape[1] - self._withheld_frames
        if self._in_a_row > 1:
            self._history[:] = 0.0  # the cause may be in the recent past itself
        out = self._run(self._history.copy())
        self._scrub(out)
        return out

    def _replace(self) -> bool:
        """Put a sound instance in the place of the poisoned one; False if there is none.

        A VST3 may refuse to be loaded outside the main thread: its place is taken by the spare that
        was made beforehand, and the poisoned one becomes the spare if it can be reset (else `restock` makes one).
        """
        if self._spare is None:
            try:
                self._plugin, _ = self._fresh()
            except (errors.AttaccaError, RuntimeError):
                return False
            return True
        poisoned, self._plugin = self._plugin, self._spare
        self._spare = None
        if self._resets:
            with contextlib.suppress(RuntimeError):
                poisoned.reset()
                self._spare = poisoned
        return True

    def _bypass(self) -> Planar:
        """Give back, dry, the frames that the effect withheld; from now on sound passes untouched."""
        self.bypassed = True
        start = self._history.shape[1] - self._withheld_frames
        return self._history[:, start:].copy()

    def _fresh(self) -> tuple[Any, int]:
        """A new instance, prepared for BLOCK_FRAMES, and its latency in frames (found by feeding silence)."""
        plugin = self.effect.build()
        silence = np.zeros((self.channels, BLOCK_FRAMES), np.float32)
        latency = 0
        try:
            plugin.process(silence, self.rate_hz, buffer_size=BLOCK_FRAMES, reset=False)
            plugin.reset()  # some VST3s only withhold their latency from here on
            for _ in range(max(1, self.rate_hz * LATENCY_LIMIT_SECONDS // BLOCK_FRAMES)):
                got = plugin.process(silence, self.rate_hz, buffer_size=BLOCK_FRAMES, reset=False).shape[1]
                latency += BLOCK_FRAMES - got
                if got == BLOCK_FRAMES:
                    break
            plugin.reset()
        except (ValueError, RuntimeError) as error:
            raise errors.BadRequest(
                f"{self.effect.label} cannot work with {self.channels} channels at {self.rate_hz} Hz: {error}"
            ) from error
        return plugin, latency
