"""Play a file or a buffer through a chain, to a device or a WAV: what `attacca play` calls.

Threading: the caller's thread opens, waits and closes; the player thread prepares the sound; a
device's own thread pulls it (`plugin_host.player`). No torch, and pedalboard and sounddevice are
imported when they are needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from engine import errors
from engine.types import RATE_RANGE_HZ, Audio, Struct
from plugin_host.chain import TAIL_LIMIT_SECONDS, ChainSpec, load_chain
from plugin_host.outputs import Output
from plugin_host.outputs.device import DeviceOutput
from plugin_host.outputs.offline import OfflineOutput
from plugin_host.pipeline import CHAIN_CHANNELS, MAX_CHANNELS, Pipeline
from plugin_host.player import Player
from plugin_host.source import Source, open_buffer, open_file

POLL_SECONDS = 0.02


class PlayReport(Struct, frozen=True, kw_only=True):
    """What was played, for people and for `--json`. Times in seconds."""

    source: str
    output: str
    frames: int
    rate: int
    channels: int
    audio_seconds: float
    wall_seconds: float
    effects: tuple[str, ...]
    latency_frames: int
    """Delay of chain and limiter; it has been compensated."""
    peak_db: float
    scrubbed_samples: int
    """NaN, Inf or above +60 dBFS, silenced: in the source or made by an effect."""
    limited_frames: int
    """Frames that the limiter turned down by more than 0.01 dB."""
    clipped_samples: int
    rebuilt: tuple[str, ...]
    """Effects that went wrong and were built anew, once per time."""
    bypassed: tuple[str, ...]
    """Effects that went wrong again and again and were taken out."""
    underruns: int
    """Blocks the player had not ready, and blocks the device reports missed."""
    remarks: tuple[str, ...] = ()


def play(
    file: Path,
    chain: Path | None = None,
    output: Path | None = None,
    device: str | None = None,
    *,
    rate_hz: int | None = None,
    channels: int | None = None,
    tail_seconds: float | None = None,
    progress: Callable[[float], None] | None = None,
) -> PlayReport:
    """Play a sound file through chain.toml to a WAV (`output`) or else to a sound device.

    rate_hz and channels are those of the output (None: the file's, or what the device takes);
    tail_seconds is how long the sound may ring on (None: what the chain says, else 0, so that
    an offline file has exactly its source's frames). progress gets 0..1. Raises `errors.BadRequest`
    (chain, file, folder), `errors.BadAudio`, `errors.Unavailable` (pedalboard, PortAudio, device, disk).
    """
    if output is not None and output.resolve() == file.resolve():
        raise errors.BadRequest(f"this would overwrite {file}; give -o another name")
    spec = ChainSpec() if chain is None else load_chain(chain)
    return _play(open_file(file), str(file), spec, output, device, rate_hz, channels, tail_seconds, progress)


def play_buffer(
    audio: Audio,
    source_rate_hz: int,
    chain: ChainSpec | None = None,
    output: Path | None = None,
    device: str | None = None,
    *,
    rate_hz: int | None = None,
    channels: int | None = None,
    tail_seconds: float | None = None,
    progress: Callable[[float], None] | None = None,
) -> PlayReport:
    """As `play`, for rendered sound: float32 [frames, channels] at source_rate_hz."""
    source = open_buffer(audio, source_rate_hz)
    return _play(source, "buffer", chain or ChainSpec(), output, device, rate_hz, channels, tail_seconds, progress)


def _play(
    source: Source,
    name: str,
    spec: ChainSpec,
    output: Path | None,
    device: str | None,
    rate_hz: int | None,
    channels: int | None,
    tail_seconds: float | None,
    progress: Callable[[float], None] | None,
) -> PlayReport:
    if output is not None and device is not None:
        raise errors.BadRequest("play to a file (-o) or to a device (--device), not to both")
    if spec.instruments:
        raise errors.BadRequest("instruments play a plan: attacca host --plan")
    tail = _checked_tail(spec.tail_seconds if tail_seconds is None else tail_seconds)
    rate, count, remarks = _wanted(source, spec, rate_hz, channels)
    sink = _sink(output, device, rate, count, source.exact_floats)
    try:
        pipeline = Pipeline(spec, sink.rate_hz, sink.channels)
    except errors.BadRequest:
        if sink.channels != 1 or channels is not None:
            raise
        sink = _sink(output, device, rate, 2, source.exact_floats)
        pipeline = Pipeline(spec, sink.rate_hz, 2)
        remarks = (*remarks, "an effect takes stereo alone: the mono sound was played in stereo")
    run = _Run(source, pipeline, tail, progress)
    player = Player(run.blocks(), sink.rate_hz, sink.channels, sink.block_frames)
    started = time.monotonic()
    perform(player, sink)
    return run.report(name, sink, player, time.monotonic() - started, remarks)


def _sink(output: Path | None, device: str | None, rate_hz: int, channels: int, floats: bool) -> Output:
    if output is not None:
        return OfflineOutput(output, rate_hz, channels, floats)
    return DeviceOutput(device, rate_hz, channels)


def perform(player: Player, sink: Output) -> None:
    """Play it all. Raises what the player ended with, and `errors.Unavailable` when the device goes."""
    try:
        player.start()
        sink.start(player)
        while not player.drained:
            if not sink.alive:
                raise errors.Unavailable(f"the device {sink.name} stopped playing")
            time.sleep(POLL_SECONDS)
    finally:
        player.stop()
        sink.stop()
    if player.error is not None:
        raise player.error


class _Run:
    """One playing: the blocks as the player thread draws them, and what is counted on the way."""

    def __init__(
        self, source: Source, pipeline: Pipeline, tail_seconds: float, progress: Callable[[float], None] | None
    ) -> None:
        self._source = source
        self._pipeline = pipeline
        self._tail_frames = round(tail_seconds * pipeline.rate_hz)
        self._progress = progress
        self._frames = 0
        self._peak = 0.0

    def blocks(self) -> Iterator[Audio]:
        pipeline = self._pipeline
        for block in self._source.blocks(pipeline.rate_hz, pipeline.channels):
            yield self._counted(pipeline.process(block))
        yield self._counted(pipeline.finish(self._tail_frames))

    def _counted(self, audio: Audio) -> Audio:
        self._frames += len(audio)
        if len(audio):
            self._peak = max(self._peak, float(np.abs(audio).max()))
        if self._progress is not None:
            total = self._source.frames_at(self._pipeline.rate_hz) + self._tail_frames
            self._progress(min(1.0, self._frames / total))
        return audio

    def report(
        self, name: str, sink: Output, player: Player, wall_seconds: float, remarks: tuple[str, ...]
    ) -> PlayReport:
        pipeline = self._pipeline
        stages = pipeline.stages
        scrubbed = self._source.scrubbed_samples + pipeline.scrubbed_samples
        if scrubbed:
            remarks = (*remarks, f"{scrubbed} samples that were NaN, infinite or above +60 dBFS became silence")
        return PlayReport(
            source=name,
            output=sink.name,
            frames=self._frames,
            rate=sink.rate_hz,
            channels=sink.channels,
            audio_seconds=self._frames / sink.rate_hz,
            wall_seconds=wall_seconds,
            effects=tuple(stage.effect.label for stage in stages),
            latency_frames=pipeline.latency_frames,
            peak_db=20 * float(np.log10(max(self._peak, 1e-10))),
            scrubbed_samples=scrubbed,
            limited_frames=pipeline.safety.limited_frames,
            clipped_samples=pipeline.safety.clipped_samples,
            rebuilt=tuple(stage.effect.label for stage in stages for _ in range(stage.rebuilds)),
            bypassed=tuple(stage.effect.label for stage in stages if stage.bypassed),
            underruns=player.underruns + (sink.xruns if isinstance(sink, DeviceOutput) else 0),
            remarks=remarks,
        )


def _wanted(
    source: Source, spec: ChainSpec, rate_hz: int | None, channels: int | None
) -> tuple[int, int, tuple[str, ...]]:
    """Rate and channels to ask of the output, and remarks on what that costs."""
    low, high = RATE_RANGE_HZ
    rate = source.rate_hz if rate_hz is None else rate_hz
    count = source.channels if channels is None else channels
    if not low <= rate <= high:
        raise errors.BadRequest(f"the rate is {low} to {high} Hz, not {rate}")
    if not 1 <= count <= MAX_CHANNELS:
        raise errors.BadRequest(f"the output has 1 to {MAX_CHANNELS} channels, not {count}")
    if spec.effects and count > CHAIN_CHANNELS:
        return rate, CHAIN_CHANNELS, (f"effects run in stereo: {count} channels were mixed down to {CHAIN_CHANNELS}",)
    return rate, count, ()


def _checked_tail(tail_seconds: float) -> float:
    if not 0 <= tail_seconds <= TAIL_LIMIT_SECONDS:
        raise errors.BadRequest(f"the tail is 0 to {TAIL_LIMIT_SECONDS:g} seconds, not {tail_seconds}")
    return tail_seconds
