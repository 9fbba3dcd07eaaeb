"""The engine's side of a timeline cache: reads what the plugin reports, writes audio and the project map.

*Threading*: one thread (the live session's) owns the map, the status and the notes; `write` may be called from any
thread and is serialised by a lock that is held for a copy of 64 slots at most. Reads are safe from any thread.
Nothing waits for the plugin: a block whose writer hangs gives the last good copy after a few milliseconds.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import astuple, fields, replace
from pathlib import Path

import numpy as np

from bridge.timeline import files, layout
from bridge.timeline.memory import (
    BoolMask,
    Memory,
    as_audio,
    cut_span,
    known_cache,
    load,
    read_cache,
    span_slots,
    store,
)
from bridge.timeline.pages import Pages
from bridge.timeline.structs import Counters, EngineStatus, HeardNote, Knobs, Segment, Transport, Words
from engine.errors import BadRequest, Unavailable
from engine.types import Audio


class EngineSide:
    """A cache that this engine writes to. Make it with `attach`; `close` it, or die: the audio stays."""

    def __init__(self, fd: int, path: Path) -> None:
        """Takes over `fd`. Raises Unavailable and Refused."""
        header = files.check_header(fd, path)
        files.take_engine_lock(fd, path)
        self.path = path
        self.rate = int(header["rate"])
        self.pages = int(header["pages"])
        self.instance = bytes(header["instance"]).decode("ascii", "replace")
        self._fd = fd
        self._memory: Memory | None = Memory(files.map_file(fd, self.pages), self.pages)
        self._pages = Pages(self._memory)
        self._writing = threading.Lock()
        self._spared: tuple[tuple[int, int], ...] = ()
        self._knobs, self._words = Knobs(), Words()
        self._status = EngineStatus()
        self._mend_map()

    @classmethod
    def attach(cls, path: Path) -> EngineSide:
        """Opens a plugin's cache for writing.

        Raises Unavailable (no cache, other layout, plugin gone) and Refused (another engine has it).
        """
        fd = files.open_file(path)
        try:
            return cls(fd, path)
        except BaseException:
            os.close(fd)
            raise

    def close(self) -> None:
        """Says OFF and lets go; audio and tags stay for the plugin to play. Closing twice is harmless."""
        with self._writing:
            if self._memory is None:
                return
            self.publish_status(state=layout.OFF)
            self._memory = None
            files.unlock(self._fd, files.ENGINE)
            os.close(self._fd)

    @property
    def alive(self) -> bool:
        """Whether the plugin that made the cache is still there."""
        return self._memory is not None and files.locked(self._fd, files.CREATOR)

    def transport(self) -> Transport | None:
        """The newest report; None: none yet, or its writer hangs. `musical` only where the figures can be used."""
        found = self._open().get("transport")
        if found is None:
            return None
        frame, at_ns, flags, block, bar, quarter, tempo, numerator, denominator, *rest = found
        usable = math.isfinite(quarter) and math.isfinite(tempo) and tempo > 0 and numerator > 0 and denominator > 0
        musical = bool(flags & layout.MUSICAL) and usable
        playing, looping = bool(flags & layout.PLAYING), bool(flags & layout.LOOPING)
        place = (bar, quarter, tempo, numerator, denominator)
        return Transport(frame, at_ns, playing, looping, musical, block, *place, *rest)

    def knobs(self) -> Knobs:
        """The knobs within their legal ranges; the last good copy where the plugin hangs."""
        found = self._open().get("knobs")
        if found is not None:
            self._knobs = Knobs(*found).bounded()
        return self._knobs

    def words(self) -> Words:
        """The prompts, the seed and the title; the last good copy where the plugin hangs."""
        found = self._open().get("words")
        if found is not None:
            seed, changes, *texts = found
            self._words = Words(seed, changes, *(text.decode("utf-8", "replace") for text in texts))
        return self._words

    def counters(self) -> Counters:
        return Counters(*self._open().blocks["counters"].tolist()[0])

    def has_notes(self) -> bool:
        """Whether the ring holds a note that was not taken out."""
        ring = self._open().blocks["notes"]
        return bool(ring["written"][0] != ring["read"][0])

    def notes(self) -> list[HeardNote]:
        """Takes all notes out of the ring, oldest first."""
        memory = self._open()
        ring, entries = memory.blocks["notes"], memory.blocks["note"]
        written, read = int(ring["written"][0]), int(ring["read"][0])
        if not 0 <= written - read <= layout.MAX_NOTES:
            read = max(0, written - layout.MAX_NOTES)
        taken = [entries[n % layout.MAX_NOTES].tolist() for n in range(read, written)]
        ring["read"][0] = written
        return [HeardNote(frame, at_ns, data.ljust(4, b"\0")[: min(size, 4)]) for frame, at_ns, size, data in taken]

    def context(self, first_frame: int, frames: int) -> tuple[Audio, BoolMask]:
        """What the track carried: audio [frames, 2], zero where the mask [frames] is false."""
        memory = self._open()
        slots = span_slots(first_frame, max(0, frames))
        index = np.where(slots >= 0, slots % layout.CONTEXT_SLOTS, -1)
        return load(memory.blocks["context_tag"], memory.context_audio, index, first_frame, frames)

    @property
    def generation(self) -> int:
        """The generation of the published map; 0 before the first."""
        return int(self._open().blocks["map"]["generation"][0])

    def publish_map(self, segments: Sequence[Segment]) -> int:
        """Publishes the tempo map under a new generation, which it returns; all older audio is invalid from then on.

        Raises BadRequest for more than 512 segments, or ones that are not in order.
        """
        places = [segment.frame + segment.fraction for segment in segments]
        if len(segments) > layout.MAX_SEGMENTS or places != sorted(places):
            raise BadRequest(
                f"a map of {len(segments)} segments: use at most {layout.MAX_SEGMENTS}, in order of frames"
            )
        memory = self._open()
        table = np.array([astuple(segment) for segment in segments], memory.blocks["segment"].dtype)
        block = memory.blocks["map"]
        generation = self.generation % (2**32 - 1) + 1
        odd = int(block["seq"][0]) | 1
        block["seq"][0] = odd
        memory.blocks["segment"][: len(table)] = table
        block[0] = (odd, generation, len(table))
        block["seq"][0] = odd + 1
        return generation

    def write(self, first_frame: int, audio: Audio, generation: int | None = None) -> int:
        """Writes audio [frames, 2] float32 from a project frame on, and returns how many frames were stored.

        generation: the one that it was rendered for; nothing is stored when another is current (None: the
        current one). Frames before 0 or beyond the page table are left out; so are those of a page for which
        there is no room because every page is protected.
        """
        audio = as_audio(audio)
        skip, frames = cut_span(first_frame, len(audio))
        at, end, stored = first_frame + skip, first_frame + skip + frames, 0
        while at < end:
            upto = min(end, (at // layout.PAGE_FRAMES + 1) * layout.PAGE_FRAMES)
            part = audio[at - first_frame : upto - first_frame]
            with self._writing:
                current = self.generation
                if generation is not None and generation != current:
                    return stored
                stored += self._write_page(at, part, current)
            at = upto
        return stored

    def read(self, first_frame: int, frames: int, generation: int | None = None) -> tuple[Audio, BoolMask]:
        """What a reader would play now: audio [frames, 2], zero where the mask [frames] is false.

        generation: an earlier one, to carry over what the newest map leaves where it was.
        """
        wanted = self.generation if generation is None else generation
        return read_cache(self._open(), first_frame, frames, wanted)

    def known(self, first_frame: int, frames: int) -> BoolMask:
        """The mask of `read` alone."""
        return known_cache(self._open(), first_frame, frames, self.generation)

    def segments(self) -> list[Segment]:
        """The published map; empty before the first."""
        memory = self._open()
        count = min(int(memory.blocks["map"]["count"][0]), layout.MAX_SEGMENTS)
        return [Segment(*row) for row in memory.blocks["segment"][:count].tolist()]

    def protect(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Project frames (first, last + 1) whose pages eviction must spare, in place of those said before."""
        size = layout.PAGE_FRAMES
        self._spared = tuple((first // size, -(-last // size)) for first, last in ranges if first < last)

    def publish_status(self, **changes: int | float) -> None:
        """Changes fields of the status (state, committed_frame, ready_until_frame, ...) and beats its heart."""
        self._status = replace(self._status, **changes, heartbeat_ns=time.monotonic_ns(), pid=os.getpid())  # type: ignore[arg-type]
        self._open().put("engine", tuple(getattr(self._status, field.name) for field in fields(EngineStatus)))

    def _write_page(self, first_frame: int, audio: Audio, generation: int) -> int:
        memory = self._open()
        physical = self._pages.place(first_frame // layout.PAGE_FRAMES, generation, self._spared)
        if physical is None:
            return 0
        slots = span_slots(first_frame, len(audio))
        index = physical * layout.PAGE_SLOTS + slots % layout.PAGE_SLOTS
        store(memory.blocks["tag"], memory.audio, index, first_frame, audio, generation)
        return len(audio)

    def _mend_map(self) -> None:
        """An engine that died inside `publish_map` leaves the map odd: publish an empty one."""
        if int(self._open().blocks["map"]["seq"][0]) % 2:
            self.publish_map(())

    def _open(self) -> Memory:
        memory = self._memory
        if memory is None:
            raise Unavailable(f"the timeline cache of {self.instance} is closed: attach again")
        return memory
