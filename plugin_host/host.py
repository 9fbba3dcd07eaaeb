"""The host: plays a timeline through the user's chain, on time, until it is told to stop. What `attacca host` runs.

Threading
    The main thread opens, calls `step` a few times a second (chain file, device, end) and closes; `roll`,
    `halt`, `locate`, `panic`, `edit` and `record` may come from other threads (OSC, MIDI, keys), one at a time
    under a lock that neither the player thread nor the audio callback takes. But for `panic`, which takes none:
    it always gets through.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from engine import errors
from engine.types import Struct
from plugin_host.chain import ChainSpec, Effect, load_chain
from plugin_host.instrument import Band
from plugin_host.outputs.jackd import JackOutput
from plugin_host.realtime import hasten
from plugin_host.recording import Recorder
from plugin_host.rolling import RollingPlayer
from plugin_host.stream import Stream
from plugin_host.timeline import OwnTimeline, Timeline
from plugin_host.voice import Fallback

WATCH_SECONDS: Final = 0.2
Say = Callable[[str], None]


class HostReport(Struct, frozen=True, kw_only=True):
    """What the host counted, for people and for `--json`."""

    output: str
    timeline: str
    rate: int
    block_frames: int
    frame: int
    rolling: bool
    muted: bool
    engine: bool
    """Whether an engine writes to the timeline now."""
    ready_seconds: float
    """Rendered sound from the play head on."""
    latency_frames: int
    """What effects and limiter delay; it has been compensated."""
    ahead_frames: int
    played_frames: int
    missed_frames: int
    """Frames that were due and not rendered."""
    underruns: int
    """Blocks that the player thread had not ready."""
    xruns: int
    """Blocks that the device reports missed."""
    skips: int
    """How often the server lost periods and went on later."""
    jumps: int
    edits: int
    effects: tuple[str, ...]
    instruments: tuple[str, ...]
    rebuilt: int
    bypassed: tuple[str, ...]
    scrubbed_samples: int
    limited_frames: int
    dc_frames: int
    clipped_samples: int
    recording: str | None
    recorded_frames: int
    lost_frames: int


class Sink(Protocol):
    """Where a rolling player is pulled: JACK or a device."""

    name: str
    rate_hz: int
    channels: int
    block_frames: int
    xruns: int

    @property
    def alive(self) -> bool: ...

    def start(self, player: Any) -> None: ...

    def stop(self) -> None: ...


class Host:
    """Plays `timeline` to `sink`, both made for each other's rate; `close` it."""

    def __init__(
        self, sink: Sink, timeline: Timeline, *, chain: Path | None = None, band: Band | None = None,
        fallback: Fallback = "repeat", first_frame: int = 0, ahead_seconds: float = 0.25, say: Say = lambda _: None,
    ) -> None:  # fmt: skip
        """say: gets remarks, one sentence each. Raises `errors.AttaccaError` (chain, rate)."""
        if sink.rate_hz != timeline.rate_hz:
            raise errors.BadRequest(
                f"{sink.name} runs at {sink.rate_hz} Hz, the timeline {timeline.name} at {timeline.rate_hz}:"
                " give both the same rate"
            )
        self.sink, self.timeline, self.say = sink, timeline, say
        self._chain = chain
        self._seen = _stamp(chain)
        spec = ChainSpec() if chain is None else load_chain(chain, build=False)
        self.stream = Stream(timeline, spec, sink.channels, band, fallback)
        self.player = RollingPlayer(
            self.stream, sink.rate_hz, sink.channels, sink.block_frames, ahead_seconds, first_frame, self._hurry
        )
        self.stream.ahead_frames = self.player.ahead_frames
        self._recorder: Recorder | None = None
        self._recorded = self._lost = self._edits = 0
        self._watched_at = self._told_tempo = 0.0
        self._had_engine: bool | None = None
        self._lock = threading.RLock()
        self._open = False
        self._closed: HostReport | None = None

    # ---- the main thread ----

    def open(self) -> None:
        """Get ready to roll; what real-time priority there is not, is said from the player thread."""
        self.player.open()
        self._open = True
        self.sink.start(self.player)

    def step(self) -> None:
        """What is to be seen to now and then. Raises what ended the sound."""
        if self.player.error is not None:
            raise self.player.error
        if not self.sink.alive:
            raise errors.Unavailable(
                f"{self.sink.name} is gone or changed its period: start JACK or the device, then the host again"
            )
        now = time.monotonic()
        if now - self._watched_at >= WATCH_SECONDS:
            self._watched_at = now
            self._watch()

    def close(self) -> HostReport:
        """End playing, recording and the timeline; keep the plugins' states. Twice is once."""
        if self._closed is not None:
            return self._closed
        try:
            if self._open:
                self.player.stop()
                time.sleep(3 * self.player.block_frames / self.player.rate_hz)
            self.sink.stop()
        finally:
            self.player.close()
            try:
                self.record(None)
                self.save()
            finally:
                self._closed = self.report()
                self.timeline.close()
        return self._closed

    def ready_frames(self, at_most: int) -> int:
        """How many frames are rendered from the play head on."""
        known = self.timeline.known(self.player.frame, at_most)
        return int(known.argmin()) if not known.all() else at_most

    # ---- any thread ----

    def roll(self) -> None:
        """Start, or sound again after a panic."""
        with self._lock:
            self.player.start()
            if isinstance(self.sink, JackOutput) and self.sink.transport == "lead":
                self.sink.roll()

    def halt(self) -> None:
        with self._lock:
            if not isinstance(self.sink, JackOutput) or self.sink.transport == "off":
                self.player.stop()
            elif self.sink.transport == "lead":
                self.sink.halt()
            else:
                raise errors.Refused("JACK's transport leads: stop it there, or use panic")

    def locate(self, frame: int) -> None:
        with self._lock:
            if not isinstance(self.sink, JackOutput) or self.sink.transport == "off":
                self.player.locate(frame)
            elif self.sink.transport == "lead":
                self.sink.locate(frame)
            else:
                raise errors.Refused("JACK's transport leads: locate there")

    def panic(self) -> None:
        """Silence within a block and 5 ms, until `roll`; the engine is told, too."""
        self.player.panic()
        if isinstance(self.timeline, OwnTimeline):
            self.timeline.panic()
        self.say("panic: silent until start")

    def edit(self, chain: Path | None) -> None:
        """Play through this chain from now on (None: no effects), and watch that file."""
        with self._lock:
            self.stream.edit(ChainSpec() if chain is None else load_chain(chain, build=False))
            self._edits += 1
            self._chain, self._seen = chain, _stamp(chain)

    def record(self, path: Path | None) -> None:
        """Record to a WAV from now on, to one with a number where that is there already; None: end it."""
        with self._lock:
            recorder, self._recorder = self._recorder, None
            self.player.heard = None
            if recorder is not None:
                time.sleep(0.02 if self._open else 0.0)  # the player thread may still hand one block over
                self._recorded, self._lost = recorder.frames, recorder.lost_frames
                recorder.close()
                self._recorded, self._lost = recorder.frames, recorder.lost_frames
            if path is not None:
                recorder = Recorder(path, self.sink.rate_hz, self.sink.channels, self.sink.block_frames)
                self._recorder, self.player.heard = recorder, recorder.take
                if recorder.path != path:
                    self.say(f"{path} is there already: recording to {recorder.path}")

    def save(self) -> None:
        """Write the state of each plugin whose entry names a file for it."""
        with self._lock:
            for stage in self.stream.pipeline.stages:
                if stage.effect.state is not None:
                    self._keep(stage.effect, stage.state)
            for seat in self.stream.band.seats if self.stream.band is not None else ():
                if seat.instrument.state is not None:
                    self._keep(seat.instrument, bytes(seat.plugin.raw_state))

    def report(self) -> HostReport:
        """The counters now."""
        pipeline, voice, recorder = self.stream.pipeline, self.stream.voice, self._recorder
        band = self.stream.band
        return HostReport(
            output=self.sink.name,
            timeline=self.timeline.name,
            rate=self.sink.rate_hz,
            block_frames=self.sink.block_frames,
            frame=self.player.frame,
            rolling=self.player.rolling,
            muted=self.player.muted,
            engine=self.stream.engine_there(),
            ready_seconds=self.ready_frames(10 * self.sink.rate_hz) / self.sink.rate_hz,
            latency_frames=pipeline.latency_frames,
            ahead_frames=self.player.ahead_frames,
            played_frames=voice.played_frames,
            missed_frames=voice.missed_frames,
            underruns=self.player.underruns,
            xruns=self.sink.xruns,
            skips=self.player.skips,
            jumps=self.player.jumps,
            edits=self._edits,
            effects=tuple(stage.effect.label for stage in pipeline.stages),
            instruments=() if band is None else tuple(seat.instrument.label for seat in band.seats),
            rebuilt=sum(stage.rebuilds for stage in pipeline.stages),
            bypassed=tuple(stage.effect.label for stage in pipeline.stages if stage.bypassed),
            scrubbed_samples=pipeline.scrubbed_samples,
            limited_frames=pipeline.safety.limited_frames,
            dc_frames=pipeline.safety.dc_frames,
            clipped_samples=pipeline.safety.clipped_samples,
            recording=None if recorder is None else str(recorder.path),
            recorded_frames=self._recorded if recorder is None else recorder.frames,
            lost_frames=self._lost if recorder is None else recorder.lost_frames,
        )

    def _hurry(self) -> None:
        reason = hasten()
        if reason is not None:
            self.say(reason)

    def _watch(self) -> None:
        """Take an edited chain file in; one that is wrong is told, and the chain stays as it is."""
        for effect in self.stream.pipeline.stages:
            effect.restock()
        self._compare_tempo()
        self._tell_engine()
        stamp = _stamp(self._chain)
        if stamp is None or stamp == self._seen:
            return
        self._seen = stamp
        try:
            self.edit(self._chain)
        except errors.AttaccaError as error:
            self.say(f"the chain stays as it was: {error}")
        else:
            self.say(f"chain: {', '.join(effect for effect in self._labels()) or 'no effects'}")

    def _tell_engine(self) -> None:
        """An engine that goes or comes while it plays is told."""
        had, there = self._had_engine, self.stream.engine_there()
        self._had_engine = there
        if had and not there:
            self.say("the engine is gone: what it has rendered plays on; start it again (attacca serve)")
        elif had is False and there:
            self.say("an engine renders now")

    def _compare_tempo(self) -> None:
        """Whoever leads the transport may have another tempo than the bars that are rendered: told once a tempo."""
        found = self.sink.differing_tempo() if isinstance(self.sink, JackOutput) else None
        if found is not None and found[0] != self._told_tempo:
            self._told_tempo = found[0]
            self.say(
                f"JACK's transport is at {found[0]:g} bpm here and this host's bars at {found[1]:g}:"
                f" start it with --tempo {found[0]:g}"
            )

    def _labels(self) -> list[str]:
        spec = ChainSpec() if self._chain is None else load_chain(self._chain, build=False)
        return [effect.label for effect in (*spec.instruments, *spec.effects)]

    def _keep(self, effect: Effect, state: bytes | None) -> None:
        if state is None or effect.state is None:
            return
        part = effect.state.with_name(f".{effect.state.name}.{os.getpid()}")
        try:
            part.write_bytes(state)
            part.replace(effect.state)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink()
            self.say(f"the state of {effect.label} could not be kept: {error}")


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    """What tells whether a file was changed."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
