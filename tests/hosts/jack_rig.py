"""The other side of a JACK host, run as a process of its own: timebase master, transport, recorder and sound source.

The source is a second client, NAME-source, so that nothing goes round in a circle: its sound (FOLDER/source.npy,
[frames, 2], by project frame) reaches the plugin in the same cycle as the plugin's output reaches the recorder.

`python -m tests.hosts.jack_rig NAME FOLDER SONG.json SECONDS` reads commands, one JSON list a line:
["connect", FROM, TO], ["disconnect", FROM, TO], ["start"], ["stop"], ["locate", FRAME], ["song", PARTS],
["loop", FIRST, LAST] (frames; null ends it), ["forget"] (what was recorded), ["where"], ["save"]; each is answered with
one JSON line.

Threading: JACK's threads call `_process`, `_feed` and `_timebase`, which copy into arrays made beforehand and allocate
nothing big; the main thread reads commands. A cycle that comes after SECONDS of recording is not kept.
"""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import jack
import numpy as np

from tests.hosts.song import Part, Song

TICKS_PER_BEAT = 1920
BBT_VALID = 0x10


def song_of(parts: list[list[Any]], rate: int) -> Song:
    return Song(tuple(Part(bar, Fraction(tempo), num, den) for bar, tempo, num, den in parts), rate)


class Rig:
    """Records what arrives at inputs in_1.. with the transport's frame and state of each cycle."""

    def __init__(self, name: str, folder: Path, parts: list[list[Any]], seconds: float, inputs: int = 4) -> None:
        self.folder = folder
        self.client = jack.Client(name, no_start_server=True)
        rate, self.block = self.client.samplerate, self.client.blocksize
        self.song = song_of(parts, rate)
        cycles = int(seconds * rate / self.block) + 1
        self.audio = np.zeros((cycles, inputs, self.block), np.float32)
        self.frames = np.zeros(cycles, np.int64)
        self.rolling = np.zeros(cycles, bool)
        self.count = 0
        self.xruns = self.loops = 0
        self.rolls = self.goes_back = False
        self.loop: tuple[int, int] | None = None
        self.inputs = [self.client.inports.register(f"in_{index + 1}") for index in range(inputs)]
        self.feeder = jack.Client(f"{name}-source", no_start_server=True)
        self.outputs = [self.feeder.outports.register(f"out_{index + 1}") for index in range(2)]
        source = folder / "source.npy"
        self.source = np.load(source) if source.exists() else np.zeros((0, 2), np.float32)
        self.client.set_process_callback(self._process)
        self.client.set_xrun_callback(self._xrun)
        self.client.set_timebase_callback(self._timebase)
        self.feeder.set_process_callback(self._feed)
        self.client.activate()
        self.feeder.activate()

    def _xrun(self, _delayed_us: float) -> None:
        self.xruns += 1

    def _process(self, frames: int) -> None:
        state, position = self.client.transport_query_struct()
        at, rolling = int(position.frame), state == jack.ROLLING
        if self.count < len(self.frames):
            for index, port in enumerate(self.inputs):
                self.audio[self.count, index] = port.get_array()
            self.frames[self.count] = at
            self.rolling[self.count] = rolling
            self.count += 1
        loop, self.rolls = self.loop, rolling
        if rolling and loop is not None:
            if self.goes_back and at == loop[0]:
                self.loops, self.goes_back = self.loops + 1, False
            if at + frames >= loop[1]:
                self.goes_back = True
                self.client.transport_locate(loop[0])

    def _feed(self, frames: int) -> None:
        state, position = self.feeder.transport_query_struct()
        at, rolling = int(position.frame), state == jack.ROLLING
        for index, port in enumerate(self.outputs):
            there = port.get_array()
            there[:] = 0
            if rolling and at < len(self.source):
                piece = self.source[at : at + frames, index]
                there[: len(piece)] = piece

    def _timebase(self, _state: int, _block: int, position: Any, _new: bool) -> None:
        place = self.song.place(int(position.frame))
        beats = place.quarter * place.part.denominator / 4
        ticks = int(beats * TICKS_PER_BEAT)
        position.valid = BBT_VALID
        position.bar = place.bar + 1
        position.beat = ticks // TICKS_PER_BEAT + 1
        position.tick = ticks % TICKS_PER_BEAT
        position.beats_per_bar = place.part.numerator
        position.beat_type = place.part.denominator
        position.ticks_per_beat = TICKS_PER_BEAT
        position.beats_per_minute = float(place.part.tempo)
        position.bar_start_tick = 0.0

    def answer(self, command: list[Any]) -> Any:
        """Does one command. Returns what is printed."""
        what, *rest = command
        done = True
        if what in ("connect", "disconnect"):
            done = self._cable(what, *rest)
        elif what == "start":
            self.client.transport_start()
        elif what == "stop":
            self.client.transport_stop()
        elif what == "locate":
            self.client.transport_locate(rest[0])
        elif what == "song":
            self.song = song_of(rest[0], self.client.samplerate)
        elif what == "loop":
            self.loop = None if rest[0] is None else (rest[0], rest[1])
        elif what == "forget":
            self.count = self.xruns = 0
        elif what == "save":
            self.save()
        told = {"frame": self.client.transport_frame, "cycles": self.count, "xruns": self.xruns}
        return {**told, "loops": self.loops, "rolling": self.rolls, "done": done}

    def _cable(self, what: str, *ports: str) -> bool:
        """Connects or disconnects; not done where a client has its ports already, but is not active yet."""
        try:
            getattr(self.client, what)(*ports)
        except jack.JackError:
            return False
        return True

    def save(self) -> None:
        """FOLDER/heard.npz: audio [cycles, inputs, block], frames [cycles], rolling [cycles]."""
        now = slice(self.count)
        np.savez(self.folder / "heard.npz", audio=self.audio[now], frames=self.frames[now], rolling=self.rolling[now])


def main() -> None:
    name, folder, song, seconds = sys.argv[1:]
    rig = Rig(name, Path(folder), json.loads(Path(song).read_text()), float(seconds))
    print(json.dumps({"rate": rig.client.samplerate, "block": rig.block}), flush=True)
    for line in sys.stdin:
        print(json.dumps(rig.answer(json.loads(line))), flush=True)
    for client in (rig.feeder, rig.client):
        client.deactivate()
        client.close()


if __name__ == "__main__":
    main()
