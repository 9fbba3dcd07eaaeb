"""The plugin's side of a timeline cache in Python: hosts of our own and tests; a DAW's plugin is its C++ twin.

*Threading*: one thread calls it. `play` never blocks for the engine; what is written while it reads counts as missing.
"""

from __future__ import annotations

import os
import time
from dataclasses import astuple, replace
from pathlib import Path

from bridge.timeline import files, layout
from bridge.timeline.memory import BoolMask, Memory, as_audio, cut_span, read_cache, span_slots, store, text_bytes
from bridge.timeline.structs import Counters, EngineStatus, Knobs, Segment, Transport, Words
from engine.errors import BadRequest, Unavailable
from engine.types import Audio


class PluginSide:
    """A cache of our own. Make it with `create`; `close` unlinks it."""

    def __init__(self, fd: int, path: Path, rate: int, pages: int) -> None:
        """Takes over a locked file without magic, and makes a whole cache of it."""
        self.path = path
        self.instance = path.name.removeprefix(layout.PREFIX)
        self.rate = rate
        self.pages = pages
        self._fd = fd
        self._memory: Memory | None = Memory(files.map_file(fd, pages), pages)
        self._knobs, self._words = Knobs(), Words()
        self._map: tuple[int, list[Segment]] = (0, [])
        self._status = EngineStatus()
        self.set_knobs()
        self.set_words()
        self._write_header()

    @classmethod
    def create(cls, instance: str, rate: int, minutes: float = 5.0, folder: Path | None = None) -> PluginSide:
        """Makes the cache of an instance; `instance` of the result differs where the id was taken.

        Raises BadRequest (id, rate, minutes) and Unavailable (no room, no folder).
        """
        fd, path, pages = files.create_file(instance, rate, minutes, folder)
        try:
            return cls(fd, path, rate, pages)
        except BaseException:
            files.remove(fd, path)
            os.close(fd)
            raise

    def close(self) -> None:
        """Unlinks the file and lets go. Closing twice is harmless."""
        if self._memory is None:
            return
        self._memory = None
        files.remove(self._fd, self.path)
        files.unlock(self._fd, files.CREATOR)
        os.close(self._fd)

    @property
    def engine_attached(self) -> bool:
        """Whether an engine writes to it."""
        return self._memory is not None and files.locked(self._fd, files.ENGINE)

    def report(self, transport: Transport) -> None:
        """Publishes the transport of a block."""
        t = transport
        flags = layout.PLAYING * t.playing | layout.LOOPING * t.looping | layout.MUSICAL * t.musical
        place = (t.bar, t.quarter, t.tempo, t.numerator, t.denominator, t.loop_first, t.loop_last, t.jumps, t.blocks)
        self._open().put("transport", (t.frame, t.monotonic_ns, flags, t.block_frames, *place))

    def set_knobs(self, **changes: int | float) -> None:
        """Changes fields of the knobs; `changes` steps, monotonic_ns is now unless it is given."""
        stamped = {"monotonic_ns": time.monotonic_ns(), "changes": self._knobs.changes + 1, **changes}
        self._knobs = replace(self._knobs, **stamped)  # type: ignore[arg-type]
        self._open().put("knobs", astuple(self._knobs))

    def set_words(self, **changes: int | str) -> None:
        """Changes fields of the words (seed, prompt_a, prompt_b, title); `changes` steps."""
        self._words = words = replace(self._words, **{"changes": self._words.changes + 1, **changes})  # type: ignore[arg-type]
        prompts = (text_bytes(words.prompt_a, layout.TEXT_BYTES), text_bytes(words.prompt_b, layout.TEXT_BYTES))
        self._open().put("words", (words.seed, words.changes, *prompts, text_bytes(words.title, 64)))

    def capture(self, first_frame: int, audio: Audio) -> None:
        """Puts what the track carries, [frames, 2], into the context ring; frames before 0 are left out."""
        audio = as_audio(audio)
        skip, frames = cut_span(first_frame, len(audio))
        room = (layout.CONTEXT_SLOTS - 1) * layout.SLOT_FRAMES
        skip, frames = skip + max(0, frames - room), min(frames, room)
        if frames:
            memory, first = self._open(), first_frame + skip
            index = span_slots(first, frames) % layout.CONTEXT_SLOTS
            store(memory.blocks["context_tag"], memory.context_audio, index, first, audio[skip : skip + frames])

    def push_note(self, frame: int, data: bytes, monotonic_ns: int) -> bool:
        """Hands on a MIDI message of 1 to 4 bytes. False: the ring is full, and it was dropped and counted."""
        if not 1 <= len(data) <= 4:
            raise BadRequest(f"a MIDI message of {len(data)} bytes: use 1 to 4")
        ring = self._open().blocks["notes"]
        written = int(ring["written"][0])
        if written - int(ring["read"][0]) >= layout.MAX_NOTES:
            self.count(notes_dropped=1)
            return False
        self._open().blocks["note"][written % layout.MAX_NOTES] = (frame, monotonic_ns, len(data), data)
        ring["written"][0] = written + 1
        return True

    def play(self, first_frame: int, frames: int) -> tuple[Audio, BoolMask]:
        """Audio [frames, 2] of the current generation, zero where the mask [frames] is false. Counts nothing."""
        return read_cache(self._open(), first_frame, frames, self.segments()[0])

    def count(self, **counts: int) -> None:
        """Adds to counters; last_miss_frame is set."""
        block = self._open().blocks["counters"]
        for name, step in counts.items():
            block[name][0] = step if name == "last_miss_frame" else int(block[name][0]) + step

    def counters(self) -> Counters:
        return Counters(*self._open().blocks["counters"].tolist()[0])

    def segments(self) -> tuple[int, list[Segment]]:
        """The generation and the map; the last good copy while it is written, (0, []) before the first."""
        memory = self._open()
        block = memory.blocks["map"]
        for _ in range(2):
            before, generation, count = block.tolist()[0]
            table = memory.blocks["segment"][: min(count, layout.MAX_SEGMENTS)].tolist()
            if before % 2 == 0 and before == int(block["seq"][0]):
                if generation != self._map[0]:
                    self._map = (generation, [Segment(*row) for row in table])
                break
        return self._map

    def status(self) -> EngineStatus:
        """What the engine said last."""
        found = self._open().get("engine")
        if found is not None:
            self._status = EngineStatus(*found)
        return self._status

    def _write_header(self) -> None:
        header = self._open().blocks["header"]
        total, instance = layout.total_bytes(self.pages), self.instance.encode("ascii")
        fixed = (layout.VERSION, self.rate, layout.CHANNELS, self.pages, total)
        header[0] = (0, *fixed, time.time_ns(), os.getpid(), 0, instance)
        header["magic"][0] = layout.MAGIC

    def _open(self) -> Memory:
        memory = self._memory
        if memory is None:
            raise Unavailable(f"the timeline cache of {self.instance} is closed: create it again")
        return memory
