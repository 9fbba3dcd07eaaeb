"""A recorded performance, played in over JACK MIDI: do the next bars follow its melody?

    python -m benchmarks.performance [--bundle DIR | --fake] [--steps 2] [--json]

A JACK server on its dummy driver, an engine that hears a MIDI port on it, a block host that rolls. The shipped
performance (16 bars that a hand could have played) goes in note by note, on the host's bars; each bar is to be echoed
by a later one. What the host really played is judged, twice: with the notes guiding it, and with the policy off.

    followed      melody accuracy by chroma (DEFINITIONS) of what was heard in the bars that answer
    not_followed  the same of the run whose notes guide nothing
    chance        of the first run against other bars of the performance
    next_bar      share of notes that the very next bar answered
    stuck         keys that were still down two seconds after the port went in the middle of a note

One JSON line goes to results.jsonl. Exit code 1: something asked for is not so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import asked, line, stage
from benchmarks.stage import BlockHost, Score
from bridge.client import Engine
from bridge.commands import measure
from bridge.live.messages import LiveNote
from engine.controls.midifile import read_notes
from engine.errors import Unavailable
from engine.types import Audio, Note

PERFORMANCE = Path(__file__).resolve().parent.parent / "bridge" / "samples" / "performance.mid"
TEMPO, BAR_QUARTERS, BARS = 104.0, 4, 16
FIRST_BAR = 2
"""The host's bar in which the performance begins; those before are the engine's to warm up."""
PORT = "performer:keys"
LEAST_OVER_CHANCE = 0.2
STUCK_S = 2.0
NOTE_ON, NOTE_OFF = 0x90, 0x80
RATE = 48_000
FRAMES_A_SECOND = 20


class Performer:
    """A JACK client that sends MIDI messages, each in the period in which it is due.

    *Threading*: `due` is filled before JACK's thread looks into it; that thread takes from its left end alone.
    """

    def __init__(self, server: str) -> None:
        """Raises Unavailable."""
        import jack

        self.due: deque[tuple[int, bytes]] = deque()
        try:
            self._client = jack.Client("performer", no_start_server=True, servername=server)
            self._port = self._client.midi_outports.register("keys")
            self._client.set_process_callback(self._process)
            self._client.activate()
        except jack.JackError as error:
            raise Unavailable(f"no client on the JACK server: {error}") from error

    def _process(self, frames: int) -> None:
        self._port.clear_buffer()
        while self.due and self.due[0][0] <= time.monotonic_ns():
            self._port.write_midi_event(0, self.due.popleft()[1])

    def close(self) -> None:
        self._client.close(ignore_errors=True)


@contextmanager
def jack_server() -> Iterator[str]:
    """A JACK server of our own, for this process and those that it starts. Raises Unavailable."""
    missing = [tool for tool in ("jackd", "jack_wait") if shutil.which(tool) is None]
    if missing:
        raise Unavailable(f"this needs {', '.join(missing)}: apt-get install jackd2")
    name = f"attacca-performance-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="attacca-config.") as config:
        own = {
            "JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1", "JACK_NO_AUDIO_RESERVATION": "1",
            "MIDO_BACKEND": "mido.backends.rtmidi/UNIX_JACK", "XDG_CONFIG_HOME": config,
        }  # fmt: skip
        before = {key: os.environ.get(key) for key in own}
        os.environ.update(own)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        server = subprocess.Popen(["jackd", "-R", "-n", name, "-d", "dummy", "-r", str(RATE), "-p", "128"], **quiet)  # type: ignore[call-overload]
        try:
            waited = subprocess.run(["jack_wait", "-s", name, "-w", "-t", "10"], **quiet, timeout=30, check=False)  # type: ignore[call-overload]
            if waited.returncode:
                raise Unavailable("jackd does not start here")
            yield name
        finally:
            server.terminate()
            server.wait(30)
            for key, value in before.items():
                os.environ.pop(key) if value is None else os.environ.update({key: value})


@dataclass
class Run:
    """What was heard, from project frame 0 on; what the engine says was played; keys down at the end."""

    audio: Audio
    notes: tuple[LiveNote, ...]
    stuck: int
    missed_frames: int


def play(options: list[str], policy: str, folder: Path) -> Run:
    """One run of the whole performance."""
    score = Score(
        (FIRST_BAR + BARS + 4) * 240 / TEMPO + 30, "performance", tempo=TEMPO, look_ahead=1, keep_audio=True,
        prompt="solo piano melody, slow and clear",
    )  # fmt: skip
    with jack_server() as server:
        performer = Performer(server)
        try:
            with stage.live_engine(*options, "--midi-in", PORT) as process, Engine(process.zmq) as engine:
                with BlockHost(score, folder) as host:
                    return perform(engine, host, performer, policy)
        finally:
            performer.close()


def perform(engine: Engine, host: BlockHost, performer: Performer, policy: str) -> Run:
    """Rolls the host, sends the notes on its bars, pulls the port in the middle of one more."""
    host.watcher.wait_ready(1)
    engine.live("policy", instance=host.start["instance"], policy=policy)
    host.say("play")
    host.wait_past(round(host.score.bar_frames / 2))
    transport = host.watcher.transport()
    assert transport is not None
    begin_ns = transport.monotonic_ns - transport.frame * 10**9 // RATE
    performer.due.extend(messages(begin_ns))
    host.wait_past(round((FIRST_BAR + BARS + 1) * host.score.bar_frames))
    performer.due.append((0, bytes((NOTE_ON, 60, 80))))
    time.sleep(0.5)
    performer.close()
    time.sleep(STUCK_S)
    (status,) = engine.live_status(notes=256).sessions
    stuck = sum(note.length is None for note in status.notes)
    host.wait_past(round((FIRST_BAR + BARS + 3) * host.score.bar_frames))
    played = host.finish()
    assert played.audio is not None
    rolling = played.rows["flags"] & stage.ROLLING != 0
    audio = played.audio.reshape(len(played.rows), -1, 2)[rolling].reshape(-1, 2)
    return Run(audio, status.notes[:-1], stuck, int(played.rows["missed"].sum()))


def messages(begin_ns: int) -> list[tuple[int, bytes]]:
    """The performance's messages, each with the time (monotonic) at which it is due; the host's frame 0 is begin_ns."""
    found = []
    for note in read_notes(PERFORMANCE):
        for beat, status, velocity in ((note.beat, NOTE_ON, note.velocity), (note.beat + note.length, NOTE_OFF, 0)):
            quarters = FIRST_BAR * BAR_QUARTERS + beat
            found.append((begin_ns + round(quarters * 60e9 / TEMPO), bytes((status, note.pitch, velocity))))
    return sorted(found, key=lambda message: (message[0], message[1][0]))


# ---- judging -----------------------------------------------------------------------------


class Ear:
    """The chroma [12, n] of all that was heard, 20 times a second."""

    def __init__(self, audio: Audio) -> None:
        from engine.training.metrics.control import chroma_at

        self._times = np.arange(int(len(audio) / RATE * FRAMES_A_SECOND)) / FRAMES_A_SECOND
        self._chroma = chroma_at(audio, self._times, RATE)

    def accuracy(self, answered: list[tuple[int, list[Note]]]) -> float:
        """Melody accuracy over bars (number, notes that it should follow, beats from its line)."""
        from engine.training.metrics.control import TimedNote, frame_targets, melody_score

        beat_s = 60 / TEMPO
        bar_s = BAR_QUARTERS * beat_s
        timed = [
            TimedNote(note.pitch, bar * bar_s + note.beat * beat_s, bar * bar_s + (note.beat + note.length) * beat_s)
            for bar, notes in answered
            for note in notes
        ]
        times, pitch, rest = frame_targets(timed, len(self._times) / FRAMES_A_SECOND)
        bars = np.isin(times // bar_s, [bar for bar, _ in answered])
        return melody_score(self._chroma[:, : len(times)], np.where(bars, pitch, -1), rest & bars).accuracy


def by_answer(notes: tuple[LiveNote, ...]) -> list[tuple[int, list[Note]]]:
    """Bar that answers -> the played notes that it was told."""
    found: dict[int, list[Note]] = {}
    for note in notes:
        if note.answer_bar is not None and note.length is not None:
            told = Note(pitch=note.pitch, beat=note.quarter, length=note.length, velocity=note.velocity)
            found.setdefault(note.answer_bar, []).append(told)
    return sorted(found.items())


def figures(run: Run, control: Run) -> dict[str, Any]:
    """The rows of both runs."""
    answered = by_answer(run.notes)
    bars, lines = [bar for bar, _ in answered], [notes for _, notes in answered]
    heard, unguided = Ear(run.audio), Ear(control.audio)
    shifted = [heard.accuracy(list(zip(bars, lines[k:] + lines[:k], strict=True))) for k in (3, 5, 7)]
    return {
        "notes": len(run.notes),
        "bars": len(bars),
        "followed": round(heard.accuracy(answered), 4),
        "not_followed": round(unguided.accuracy(answered), 4),
        "chance": round(float(np.mean(shifted)), 4),
        "next_bar": round(sum(n.answer_bar == n.bar + 1 for n in run.notes) / max(1, len(run.notes)), 4),
        "stuck": run.stuck + control.stuck,
        "missed_frames": run.missed_frames,
    }


def verdicts(found: dict[str, Any], notes: int) -> dict[str, bool]:
    return {
        "all_notes_heard": found["notes"] == notes,
        "the_next_bars_follow_the_melody": found["followed"] - found["chance"] >= LEAST_OVER_CHANCE,
        "no_note_is_stuck_after_disconnect": found["stuck"] == 0,
    }


def run(options: list[str], steps: int) -> dict[str, Any]:
    """Both runs and what they say."""
    runs = []
    for policy in ("echo", "off"):
        with stage.cache_dir() as folder:
            runs.append(play([*options, "--live-steps", str(steps)], policy, folder))
    found = figures(*runs)
    return {"steps": steps, "tempo": TEMPO, **found, "asked_for": verdicts(found, len(read_notes(PERFORMANCE)))}


def show(found: dict[str, Any], bundle: str) -> None:
    names = ("followed", "not_followed", "chance", "next_bar", "stuck", "notes", "missed_frames")
    measure.print_table(f"a performance over JACK MIDI, {bundle}", names, [[str(found[key]) for key in names]])


@click.command(help=__doc__)
@click.option("--steps", type=click.IntRange(1, 8), default=2, show_default=True)
@line.options(with_fake=True)
def main(steps: int, **shared: Any) -> None:
    asked.run("performance", lambda options: run(options, steps), show, shared)


if __name__ == "__main__":
    main()
