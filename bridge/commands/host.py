"""host: a process of its own that plays what an engine renders, through the user's effects and instruments."""

from __future__ import annotations

import queue
import signal
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.commands.common import Real, Whole, json_option, print_line, remark
from bridge.commands.menu import examples
from engine.errors import AttaccaError, BadRequest, Unavailable
from engine.types import MAX_BARS

if TYPE_CHECKING:
    from engine.timing import TempoMap
    from plugin_host.host import Host, HostReport, Sink
    from plugin_host.instrument import Band
    from plugin_host.timeline import Timeline

path = click.Path(path_type=Path)
DEFAULT_HOST_OSC = "127.0.0.1:9811"
LOOK_SECONDS = 0.02
ENGINE_SECONDS = 3.0
"""An engine that runs finds a new timeline sooner."""
OFFLINE_BLOCK_FRAMES = 4096
ENDINGS = (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))
"""Ctrl-C, an end asked for, a terminal that was closed: what was recorded is kept."""
OSC_HELP = 'Where start, stop, panic, chain, ... are heard; "off": nowhere; port 0: any.'


@click.command(
    epilog=examples(
        'attacca host --prompt "warm house" --tempo 122 --chain chain.toml --record night.wav',
        "attacca host --transport follow --tempo 0:120,8:90",
        'attacca host --prompt "warm house" --bars 8 -o bars.wav',
    )
)
@click.option(
    "--jack", "server", default="", metavar="SERVER", help="Through this JACK server (default: one that runs)."
)
@click.option("--device", help="Through a sound device instead, by name or number.")
@click.option("-o", "output", type=path, metavar="OUT.wav", help="Offline to a WAV, as fast as it is rendered.")
@click.option(
    "--transport",
    type=click.Choice(["lead", "follow", "off"]),
    default="lead",
    show_default=True,
    help="JACK's: lead it (bar, beat, start), follow it, or have one of our own.",
)
@click.option("--cache", metavar="INSTANCE", help='Read the cache of a plugin ("any": the only one) beside it.')
@click.option("--prompt", default="", help="What the engine is to play, where the host has a cache of its own.")
@click.option("--seed", type=Whole(0, 2**53), default=1, show_default=True, help="The same seed gives the same bars.")
@click.option("--tempo", default="120", show_default=True, help='BPM, or a map "bar:bpm,...".')
@click.option("--meter", default="4/4", show_default=True, help='n/d, or a map "bar:n/d,...".')
@click.option("--intensity", type=Real(-60, 0), default=-60.0, metavar="DB", help="A level to aim at, dBFS; -60: none.")
@click.option("--from-bar", type=Whole(1, 10_000), default=1, show_default=True, help="The first bar, from 1.")
@click.option("--bars", type=Whole(1, 100_000), help="End after so many bars (default: when told to).")
@click.option("--ready-bars", type=Whole(0, 8), default=2, show_default=True, help="Bars rendered before it rolls.")
@click.option("--rate", type=Whole(8_000, 192_000), help="Hz, of -o and --device; default: 48000. JACK has its own.")
@click.option("--chain", type=path, metavar="CHAIN.toml", help="Effects and instruments; watched while it plays.")
@click.option("--plan", type=path, metavar="PLAN", help="What the chain's instruments play: MIDI or JSON.")
@click.option("--plan-bar", type=Whole(1, 10_000), default=1, show_default=True, help="Where the plan begins.")
@click.option(
    "--fallback",
    type=click.Choice(["repeat", "silence"]),
    default="repeat",
    show_default=True,
    help="What sounds where nothing is ready: the last bar again, or nothing.",
)
@click.option(
    "--ahead-ms",
    type=Real(20, 1000),
    default=250.0,
    show_default=True,
    help="Prepared before it is heard, ms.",
)
@click.option("--record", type=path, metavar="TAKE.wav", help="Record what is heard, beside playing.")
@click.option("--osc", default=DEFAULT_HOST_OSC, show_default=True, metavar="HOST:PORT", help=OSC_HELP)
@click.option("--midi", metavar="PORT", help="Panic, start and stop from a MIDI input; last: the remembered one.")
@click.option("--panic-note", type=Whole(0, 127), help="A key of --midi that silences everything.")
@click.option("--instance", default="host", show_default=True, help="The name of the host's own cache.")
@json_option
def host(as_json: bool, output: Path | None, **options: Any) -> None:
    """Plays what a running engine renders (attacca serve), through your effects and instruments, on time.

    Keys: p panic, space start and stop, q end.
    """
    told: list[HostReport] = []
    if output is not None:
        fields = _offline(output, options)
    else:
        _live(options, told.append)
        import msgspec

        fields = msgspec.to_builtins(told[-1])
    if as_json:
        print_line(fields)
    else:
        missed = f"{fields['missed_frames']} frames missed"
        late = "" if output else f", {fields['underruns']} underruns, {fields['xruns']} periods lost"
        click.echo(f"{fields['output']}: {fields['played_frames']} frames played, {missed}{late}")


def _song(options: dict[str, Any]) -> TempoMap:
    from engine.timing import TempoMap, parse_meters

    return TempoMap.parse(options["tempo"], parse_meters(options["meter"]))


def _timeline(options: dict[str, Any], rate_hz: int, song: TempoMap) -> Timeline:
    """The plugin's cache that is named, else one of our own that asks an engine for music."""
    from plugin_host.timeline import OwnTimeline, open_timeline

    if options["cache"] is not None:
        return open_timeline(options["cache"])
    own = OwnTimeline(options["instance"], rate_hz, song, intensity_db=options["intensity"], look_ahead_bars=4.0)
    own.words(options["prompt"], options["seed"])
    return own


def _band(options: dict[str, Any], song: TempoMap, rate_hz: int) -> Band | None:
    """The plan's notes, for the chain's instruments."""
    from plugin_host.instrument import Band

    if options["plan"] is None:
        return None
    return Band(plan_events(options["plan"]), song, rate_hz, options["plan_bar"] - 1)


def plan_events(plan: Path) -> list[Any]:
    """What a plan file plays, as MIDI by quarters and track. Raises BadMidi and BadRequest."""
    import io

    import mido

    from engine.planning.files import read_plan
    from engine.planning.midi import TICKS, to_midi
    from plugin_host.chain import TRACKS
    from plugin_host.instrument import PlanEvent

    events = []
    for track in mido.MidiFile(file=io.BytesIO(to_midi(read_plan(plan)))).tracks:
        tick = 0
        for message in track:
            tick += message.time
            if track.name.lower() in TRACKS and message.type in ("note_on", "note_off"):
                events.append(PlanEvent(Fraction(tick, TICKS), track.name.lower(), bytes(message.bytes())))
    return events


def _span(options: dict[str, Any], song: TempoMap, rate_hz: int) -> tuple[int, int | None]:
    """The first frame, and the one after the last, None: no end."""
    first = options["from_bar"] - 1
    last = (
        None if options["bars"] is None else song.sample_at(song.bar_start_quarters(first + options["bars"]), rate_hz)
    )
    return song.sample_at(song.bar_start_quarters(first), rate_hz), last


def _sink(options: dict[str, Any]) -> Sink:
    """JACK where it is asked for or runs, else a device."""
    from plugin_host.outputs.device import DeviceOutput
    from plugin_host.outputs.jackd import JackOutput

    if options["device"] is not None:
        return DeviceOutput(options["device"], options["rate"] or 48_000, 2)
    try:
        return JackOutput(options["server"] or None, 2, options["transport"])
    except Unavailable as error:
        if options["server"]:
            raise
        remark(str(error))
    return DeviceOutput(None, options["rate"] or 48_000, 2)


def _offline(output: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Writes a stretch of bars to a WAV; waits for the engine, and so misses nothing."""
    from plugin_host.chain import ChainSpec, load_chain
    from plugin_host.outputs.offline import OfflineOutput
    from plugin_host.play import perform
    from plugin_host.player import Player
    from plugin_host.stream import Stream

    if options["bars"] is None:
        raise BadRequest(f"Offline needs an end: give --bars, from 1 to {MAX_BARS}.")
    song, rate = _song(options), options["rate"] or 48_000
    timeline = _timeline(options, rate, song)
    try:
        rate = timeline.rate_hz
        first, last = _span(options, song, rate)
        assert last is not None
        sink = OfflineOutput(output, rate, 2, True)
        chain = ChainSpec() if options["chain"] is None else load_chain(options["chain"], build=False)
        stream = Stream(timeline, chain, 2, _band(options, song, rate), options["fallback"])
        stream.say = remark
        tail = round(chain.tail_seconds * rate)
        player: Player = Player(
            stream.blocks(first, last - first, tail, lambda: player.stopping), rate, 2, OFFLINE_BLOCK_FRAMES
        )
        perform(player, sink)
        voice = stream.voice
        counted = {"played_frames": voice.played_frames, "missed_frames": voice.missed_frames}
        latency = stream.pipeline.latency_frames
        return {"output": str(output), "rate": rate, "frames": sink.frames, "latency_frames": latency, **counted}
    finally:
        timeline.close()


def _live(options: dict[str, Any], report: Callable[[HostReport], None]) -> None:
    """Plays until the last bar, a key, a signal or an error."""
    from plugin_host.host import Host
    from plugin_host.realtime import HELPER_PRIORITY, calm_interpreter, hasten

    song = _song(options)
    sink = _sink(options)
    try:
        timeline = _timeline(options, sink.rate_hz, song)
    except BaseException:
        sink.stop()
        raise
    try:
        first, last = _span(options, song, sink.rate_hz)
        _tell_places(sink, timeline, song)
        running = Host(
            sink, timeline, chain=options["chain"], band=_band(options, song, sink.rate_hz), say=remark,
            fallback=options["fallback"], first_frame=first, ahead_seconds=options["ahead_ms"] / 1000,
        )  # fmt: skip
    except BaseException:
        sink.stop()
        timeline.close()
        raise
    try:
        hasten(HELPER_PRIORITY)
        calm_interpreter()
        running.open()
        if options["record"] is not None:
            running.record(options["record"])
        _play(running, options, song, first, last)
    finally:
        report(running.close())


def _tell_places(sink: Sink, timeline: Timeline, song: TempoMap) -> None:
    """Have a leading JACK client tell bar and beat."""
    from bridge.timeline.structs import position_at
    from plugin_host.outputs.jackd import JackOutput
    from plugin_host.timeline import song_segments

    if isinstance(sink, JackOutput):
        segments = song_segments(song, sink.rate_hz)
        sink.place = lambda frame: position_at(segments, sink.rate_hz, frame)


def _play(running: Host, options: dict[str, Any], song: TempoMap, first: int, last: int | None) -> None:
    from bridge.commands.host_remote import Remote, midi_obeys, single_keys
    from bridge.midi.inputs import open_input
    from bridge.midi.remembered import LAST, open_chosen

    tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    ending: list[int] = []
    old = {number: signal.signal(number, lambda n, _: ending.append(n)) for number in ENDINGS}
    remote = None if options["osc"] == "off" else Remote(running, options["osc"], tasks.put)
    keyboard = None
    try:
        if options["midi"] is not None:
            keyboard = open_chosen(LAST) if options["midi"] == LAST else open_input(options["midi"])
            keyboard.listen(midi_obeys(running, options["panic_note"]))
        if remote is not None:
            remote.start()
        _say_ready(running, remote)
        ready = song.bar_frames(options["from_bar"] - 1, max(1, options["ready_bars"]), running.sink.rate_hz)
        waiting: int | None = sum(ready) if options["ready_bars"] else 0
        if not _leads(running):
            waiting = None
        elif first:
            running.locate(first)
        asked, ask_s = False, time.monotonic() + ENGINE_SECONDS
        with single_keys() as key:
            while not ending and (last is None or running.player.frame < last):
                running.step()
                if not asked and time.monotonic() >= ask_s:
                    asked = True
                    _ask_for_engine(running)
                if waiting is not None and (not waiting or running.ready_frames(waiting) == waiting):
                    running.roll()
                    waiting = None
                while not tasks.empty():
                    tasks.get()()
                if not _pressed(running, key(LOOK_SECONDS)):
                    break
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        if remote is not None:
            remote.close()
        if keyboard is not None:
            keyboard.close()


def _leads(running: Host) -> bool:
    """Whether the play head is ours to start."""
    return getattr(running.sink, "transport", "off") != "follow"


def _say_ready(running: Host, remote: Any) -> None:
    report = running.report()
    where = "" if remote is None else f", OSC at {remote.address}"
    delay = report.latency_frames / report.rate * 1000
    remark(
        f"{report.output} at {report.rate} Hz, {report.block_frames} frames a period; timeline {report.timeline}{where}"
    )
    remark(f"effects and limiter delay {report.latency_frames} frames ({delay:.1f} ms), compensated to the sample")


def _ask_for_engine(running: Host) -> None:
    from plugin_host.stream import NO_ENGINE

    if not running.report().engine:
        remark(NO_ENGINE)


def _pressed(running: Host, key: str) -> bool:
    """Obey a key. False: end."""
    try:
        if key == "p":
            running.panic()
        elif key == " ":
            running.halt() if running.player.rolling else running.roll()
    except AttaccaError as error:
        remark(str(error))
    return key != "q"
