"""click: a metronome with a count-in, and a MIDI clock, on the grid of the live sessions.

*Threading*: the main thread looks for a changed tempo map four times a second; the client has threads of its own
(bridge.midi.clickout). SIGINT and SIGTERM end it at once.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.commands.common import Real, Whole, print_line, remark, stopping
from bridge.commands.menu import examples
from engine.errors import AttaccaError, BadRequest

if TYPE_CHECKING:
    from bridge.live.listening import Listening
    from bridge.live.map import ProjectMap
    from bridge.midi.clickout import ClickOut

LOOK_S = 0.25
EXAMPLES = ("attacca click --count-in 1", "attacca click --tempo 0:120,8:90 --meter 3/4 --midi synth:in")


@click.command("click", epilog=examples(*EXAMPLES))
@click.option("--count-in", "bars", type=Whole(0, 8), default=0, metavar="BARS", help="Bars counted before a start.")
@click.option("--tempo", help='A tempo map, as in "0:120,8:90"; default: the map of the live session.')
@click.option("--meter", default="4/4", show_default=True, help="n/d, or a map; goes with --tempo.")
@click.option("--instance", default="", help="Whose map, where there are several sessions.")
@click.option("--connect", "ports", multiple=True, metavar="PORT", help="Where the sound goes; default: what is heard.")
@click.option("--midi", "midi_ports", multiple=True, metavar="PORT", help="Where wood blocks on channel 10 go.")
@click.option("--clock", "clock_ports", multiple=True, metavar="PORT", help="Where the MIDI clock goes.")
@click.option("--seconds", type=Real(0.1, 86_400), help="End after so many seconds.")
@click.option("--json", "as_json", is_flag=True, help="At the end, one line of JSON.")
def click_track(
    bars: int,
    tempo: str | None,
    meter: str,
    instance: str,
    ports: tuple[str, ...],
    midi_ports: tuple[str, ...],
    clock_ports: tuple[str, ...],
    seconds: float | None,
    as_json: bool,
) -> None:
    """Clicks on the beats of JACK's transport, sample-exact; counts bars in before it starts. Until Ctrl-C."""
    from bridge.live.map import announced
    from bridge.midi.clickout import ClickOut

    out = ClickOut(None, bars)
    try:
        if tempo is not None:
            out.use(announced(out.rate, tempo, meter))
        for ours, theirs in (("click", ports or ("",)), ("click midi", midi_ports), ("clock", clock_ports)):
            for port in theirs:
                out.connect(ours, port)
        whose = "its own tempo map" if tempo is not None else "the live session's map"
        remark(f"clicks follow JACK's transport on {whose}" + (f"; bars counted in: {bars}" if bars else ""))
        _run(out, instance if tempo is None else None, seconds)
    finally:
        out.close()
    if as_json:
        print_line({"clicks": out.clicks, "late": out.late})


def _run(out: ClickOut, instance: str | None, seconds: float | None) -> None:
    """Until stopped; with an instance (empty: any) its map is followed."""
    end_s = None if seconds is None else time.monotonic() + seconds
    follower = None if instance is None else MapFollower(instance)
    with stopping() as stop:
        while not stop.is_set() and (end_s is None or time.monotonic() < end_s):
            song = None if follower is None else follower.look(out.rate)
            if song is not None:
                out.use(song)
            stop.wait(LOOK_S if end_s is None else max(0.0, min(LOOK_S, end_s - time.monotonic())))


class MapFollower:
    """The map of a live session; looked for until there is one, and again where its plugin goes."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._source: Listening | None = None
        self._generation = -1

    def look(self, rate: int) -> ProjectMap | None:
        """A map that is new. Raises BadRequest where its rate is not JACK's."""
        from bridge.timeline.cache import discover

        found = [info for info in discover() if info.creator_alive and info.engine_attached]
        paths = {info.path for info in found if self._instance in ("", info.instance)}
        if self._source is None or self._source.path not in paths:
            self._source = self._open(sorted(paths))
        if self._source is None:
            return None
        if self._source.rate != rate:
            raise BadRequest(f"JACK runs at {rate} Hz and the session at {self._source.rate}: give both one rate")
        generation, song = self._source.song()
        if song is None or generation == self._generation:
            return None
        self._generation = generation
        return song

    def _open(self, paths: list[Path]) -> Listening | None:
        from bridge.live.listening import Listening

        self._generation = -1
        for path in paths:
            try:
                return Listening(path)
            except AttaccaError:
                continue
        return None
