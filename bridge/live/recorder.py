"""A performance, taken down: what each session's play head passed as WAV, what was played as MIDI, both in one time.

In DIR each session gets a folder of its own: `played.mid`, `generated.wav`, and `transcript.json` with every note, its
place, and which bars answered it. WAV and MIDI begin on the same bar line. Nothing is taken down while the transport
stands; where the cache held nothing there is silence, which is counted. Around a locate up to 50 ms may be left out on
either side: the plugin tells where the head is, not from where it jumped. A loop of the host is followed to the sample.

*Threading*: `attacca-transcript` looks at the heads 20 times a second and writes what they have passed; `hear` (from
any one thread) hands in the newest notes; `close` waits for the thread, and writes what is left. What it keeps: 100 000
notes at most, the oldest stay; 3 hours of audio at 48 kHz, which is what a WAV file holds.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bridge.files.wavefile import unwritable, write_whole
from bridge.live.listening import Listening
from bridge.live.map import ProjectMap
from bridge.live.messages import LiveNote, LiveSessionStatus
from bridge.midi.transcript import Placed, Stretch, answers, midi_file, placed
from bridge.timeline.files import discover
from bridge.timeline.layout import CHANNELS
from bridge.timeline.structs import Transport
from engine.errors import Unavailable
from engine.types import Audio

LOOK_S = 0.05
SCAN_S = 0.5
MAX_NOTES = 100_000
MAX_FRAMES = (2**32 - 4096) // (4 * CHANNELS)


class Tape:
    """One session's: audio into an open file, stretches and notes in memory."""

    def __init__(self, source: Listening, folder: Path) -> None:
        """Raises Unavailable where the folder cannot be written."""
        import soundfile

        self.source, self.folder = source, folder
        self.stretches: list[Stretch] = []
        self.notes: dict[int, LiveNote] = {}
        self.frames = self.missing_frames = 0
        self._generation, self._jumps = -1, -1
        self._part = folder / f".generated.wav.{os.getpid()}.part"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file: Any = soundfile.SoundFile(self._part, "w", source.rate, CHANNELS, subtype="FLOAT", format="WAV")
        except (OSError, RuntimeError) as error:
            raise unwritable(folder / "generated.wav", _os_error(error)) from error

    def look(self) -> None:
        """Take down what the head has passed since the last look."""
        transport = self.source.transport()
        generation, song = self.source.song()
        if transport is None or song is None or self.frames >= MAX_FRAMES:
            return
        same = transport.jumps == self._jumps and bool(self.stretches)
        rolls_on = same and transport.frame >= self.stretches[-1].end
        if rolls_on:
            self._pass(transport.frame)
        else:
            rolls_on = self._looped(transport)
        if transport.playing and (not rolls_on or generation != self._generation):
            self._begin(transport, song, rolls_on)
            self._generation, self._jumps = generation, transport.jumps
            self._pass(transport.frame)

    def hear(self, status: LiveSessionStatus) -> None:
        """The session's newest notes; those that end later come again."""
        for note in status.notes:
            if note.serial in self.notes or len(self.notes) < MAX_NOTES:
                self.notes[note.serial] = note

    def close(self) -> dict[str, Any]:
        """Writes the three files; what they hold. Raises Unavailable."""
        self.look()
        notes = placed(sorted(self.notes.values(), key=lambda note: note.serial), self.stretches)
        try:
            self._file.close()
            os.replace(self._part, self.folder / "generated.wav")
        except (OSError, RuntimeError) as error:
            raise unwritable(self.folder / "generated.wav", _os_error(error)) from error
        finally:
            self._part.unlink(missing_ok=True)
        write_whole(self.folder / "played.mid", midi_file(notes, self.stretches))
        told = self._told(notes)
        write_whole(self.folder / "transcript.json", msgspec.json.format(msgspec.json.encode(told), indent=1))
        return {name: told[name] for name in ("instance", "rate", "frames", "missing_frames")} | {
            "folder": str(self.folder), "notes": len(notes), "answers": len(told["answers"]),
        }  # fmt: skip

    def _begin(self, transport: Transport, song: ProjectMap, rolls_on: bool) -> None:
        """A new stretch; the first one begins on its bar's line."""
        first = self.stretches[-1].end if rolls_on else transport.frame
        if not self.stretches:
            first = song.frame(song.bar_at(transport.frame))
        self.stretches.append(Stretch(self.frames, max(0, first), song, time.monotonic_ns()))

    def _looped(self, transport: Transport) -> bool:
        """Whether the host's own loop turned the head back: then its rest was heard, and its begin again."""
        if not self.stretches or not transport.looping:
            return False
        last = self.stretches[-1]
        turned = transport.jumps == self._jumps + 1 and transport.loop_first <= transport.frame < transport.loop_last
        if not turned or last.end > transport.loop_last:
            return False
        self._pass(transport.loop_last)
        self.stretches.append(Stretch(self.frames, transport.loop_first, last.song, time.monotonic_ns()))
        self._jumps = transport.jumps
        self._pass(transport.frame)
        return True

    def _pass(self, frame: int) -> None:
        """Write what lies between the last stretch's end and a frame."""
        stretch = self.stretches[-1]
        count = min(frame - stretch.end, MAX_FRAMES - self.frames)
        if count <= 0:
            return
        audio, known = self._read(stretch.end, count)
        self.missing_frames += int(count - known.sum())
        self._file.write(audio)
        stretch.frames += count
        self.frames += count

    def _read(self, first: int, count: int) -> tuple[Audio, np.ndarray[Any, np.dtype[np.bool_]]]:
        audio, known = self.source.read(first, count, self._generation)
        newest, _ = self.source.song()
        if not known.all() and newest != self._generation:
            newer, there = self.source.read(first, count, newest)
            audio, known = np.where(known[:, None], audio, newer), known | there
        return np.ascontiguousarray(audio), known

    def _told(self, notes: list[Placed]) -> dict[str, Any]:
        rows = [{"tape_frame": one.tape_frame, **msgspec.to_builtins(one.note)} for one in notes]
        stretches = [{"tape_frame": s.tape_frame, "project_frame": s.first, "frames": s.frames} for s in self.stretches]
        answered = [
            {"tape_frame": at, "bar": ones[0].note.answer_bar, "serials": [one.note.serial for one in ones]}
            for at, ones in answers(notes, self.stretches).items()
        ]
        return {
            "instance": self.source.instance, "rate": self.source.rate, "frames": self.frames,
            "missing_frames": self.missing_frames, "stretches": stretches, "notes": rows, "answers": answered,
        }  # fmt: skip


class Recorder:
    """A tape for each live session of this machine, from `start` to `close`."""

    def __init__(self, folder: Path, say: Callable[[str], None], caches: Path | None = None) -> None:
        """folder: must be there. say: hears what cannot be taken down. Raises Unavailable."""
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise Unavailable(f"the folder {folder} is not there or cannot be written: make it first")
        self.folder = folder / time.strftime("%Y-%m-%d_%H-%M-%S")
        self._say, self._caches = say, caches
        self._tapes: dict[str, Tape] = {}
        self._given_up: set[str] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="attacca-transcript", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def hear(self, sessions: Iterable[LiveSessionStatus]) -> None:
        """What sessions have told, with their newest notes."""
        with self._lock:
            for status in sessions:
                if status.instance in self._tapes:
                    self._tapes[status.instance].hear(status)

    def close(self) -> list[dict[str, Any]]:
        """Ends it; what was written, by session."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        found = []
        for tape in self._tapes.values():
            try:
                found.append(tape.close())
            except Unavailable as error:
                self._say(str(error))
        return found

    def _run(self) -> None:
        scanned_s = -SCAN_S
        while not self._stopping.wait(LOOK_S):
            if time.monotonic() - scanned_s >= SCAN_S:
                scanned_s = time.monotonic()
                self._scan()
            for instance, tape in list(self._tapes.items()):
                if instance not in self._given_up:
                    with self._guarded(instance):
                        tape.look()

    def _scan(self) -> None:
        for info in discover(self._caches):
            if info.instance in self._tapes or info.instance in self._given_up or not info.engine_attached:
                continue
            with self._guarded(info.instance):
                tape = Tape(Listening(info.path), self.folder / info.instance)
                with self._lock:
                    self._tapes[info.instance] = tape

    @contextlib.contextmanager
    def _guarded(self, instance: str) -> Iterator[None]:
        """What fails is told once, and that session is taken down no more; what was, is still written at the end."""
        try:
            yield
        except (Unavailable, OSError, RuntimeError) as error:
            self._given_up.add(instance)
            self._say(f"{instance} is not taken down any more: {error}")


def _os_error(error: Exception) -> OSError:
    return error if isinstance(error, OSError) else OSError(0, str(error))
