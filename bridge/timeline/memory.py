"""A mapped timeline cache as numpy views: seqlocked blocks, and slots of audio behind tags.

A writer makes a counter odd, writes, and makes it even; a reader copies between two looks at the counter and
takes the copy only if both were equal and even. A slot's audio is written before its tag says that it is
there. Aligned stores of eight bytes are whole and ordered on x86-64, and CPython keeps the order of calls.

*Threading*: each block, and each slot, has one writing thread at a time. Readers never block: they try a bounded
number of times with a pause between, then say that they do not know.
"""

from __future__ import annotations

import mmap
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.timeline import layout
from engine.types import Audio

BoolMask = NDArray[np.bool_]
Ints = NDArray[np.int64]
TRIES = 40
PAUSE_S = 50e-6
SLOT = layout.SLOT_FRAMES


class Memory:
    """All regions of one mapped cache; `pages` pages of 64 slots.

    Attributes are numpy views: record arrays for blocks and tags, `page_table` u32 [65536], `audio` and
    `context_audio` float32 [slots, 2, 256]. The mapping lives as long as one of them does.
    """

    def __init__(self, mapped: mmap.mmap, pages: int) -> None:
        self.pages = pages
        self.blocks: dict[str, NDArray[np.void]] = {}
        self.page_table = np.zeros(0, np.uint32)
        self.audio = self.context_audio = np.zeros((0, layout.CHANNELS, SLOT), np.float32)
        for name, region in layout.regions(pages).items():
            if region.fields:
                self.blocks[name] = np.frombuffer(mapped, region.dtype, region.count, region.offset)
            elif name == "page_table":
                self.page_table = np.frombuffer(mapped, "<u4", region.count, region.offset)
            else:
                samples = region.count * layout.CHANNELS * SLOT
                flat = np.frombuffer(mapped, "<f4", samples, region.offset)
                setattr(self, name, flat.reshape(region.count, layout.CHANNELS, SLOT))

    def put(self, name: str, values: tuple[Any, ...]) -> None:
        """Writes a seqlocked block: all fields but seq, in order."""
        block = self.blocks[name]
        odd = int(block["seq"][0]) | 1
        block["seq"][0] = odd
        block[0] = (odd, *values)
        block["seq"][0] = odd + 1

    def get(self, name: str) -> tuple[Any, ...] | None:
        """A consistent copy of a seqlocked block without seq. None: never written, or its writer hangs in it."""
        block = self.blocks[name]
        seq = block["seq"]
        for _ in range(TRIES):
            before = int(seq[0])
            if before % 2 == 0:
                if before == 0:
                    return None
                fields: tuple[Any, ...] = block.tolist()[0]
                if int(seq[0]) == before:
                    return fields[1:]
            time.sleep(PAUSE_S)
        return None


def text_bytes(text: str, size: int) -> bytes:
    """UTF-8 that fits `size` bytes with a closing NUL, cut between characters; NULs are left out."""
    return text.replace("\0", "").encode("utf-8", "replace")[: size - 1].decode("utf-8", "ignore").encode()


def as_audio(audio: Audio) -> Audio:
    """[frames, 2] float32; anything else is a bug of the caller."""
    if audio.ndim != 2 or audio.shape[1] != layout.CHANNELS:
        raise ValueError(f"audio of shape {audio.shape}: [frames, {layout.CHANNELS}] is wanted")
    return np.asarray(audio, np.float32)


def span_slots(first_frame: int, frames: int) -> Ints:
    """The slots that frames first_frame .. first_frame + frames - 1 touch."""
    return np.arange(first_frame // SLOT, -(-(first_frame + frames) // SLOT), dtype=np.int64)


def cut_span(first_frame: int, frames: int) -> tuple[int, int]:
    """The part of a span that slots can address: (frames to skip, frames to keep)."""
    skip = max(0, -first_frame)
    last = min(first_frame + frames, layout.PROJECT_PAGES * layout.PAGE_FRAMES)
    return skip, max(0, last - first_frame - skip)


def runs_of(index: Ints) -> Iterator[tuple[int, int, int]]:
    """(first, end, place of the first) of stretches of slots that lie behind each other in memory."""
    if not len(index):
        return
    breaks = (np.flatnonzero(np.diff(index) != 1) + 1).tolist()
    for first, end in zip([0, *breaks], [*breaks, len(index)], strict=True):
        yield first, end, int(index[first])


def store(
    tags: NDArray[np.void],
    planes: Audio,
    index: Ints,
    first_frame: int,
    audio: Audio,
    generation: int | None = None,
) -> None:
    """Writes audio [frames, 2] from first_frame on; index: the place of each touched slot, none twice.

    What a slot holds already stays where the new frames overlap or touch it, else it is replaced. The samples
    go straight to their places: no copy is made on the way. generation: None for tags that have none.
    """
    slots = span_slots(first_frame, len(audio))
    if not len(slots):
        return
    lead = first_frame - int(slots[0]) * SLOT
    begin, end = np.zeros(len(slots), np.int64), np.full(len(slots), SLOT, np.int64)
    begin[0], end[-1] = lead, first_frame + len(audio) - int(slots[-1]) * SLOT

    old = tags[index]
    odd = old["seq"] | np.uint64(1)
    keep = (old["seq"] % 2 == 0) & (old["slot"] == slots) & (old["begin"] < old["end"])
    if generation is not None:
        keep &= old["generation"] == generation
    keep &= (begin <= old["end"]) & (end >= old["begin"])

    tags["seq"][index] = odd
    _store_audio(planes, index, lead, audio)
    tags["slot"][index] = slots
    tags["begin"][index] = np.where(keep, np.minimum(begin, old["begin"]), begin)
    tags["end"][index] = np.where(keep, np.maximum(end, old["end"]), end)
    if generation is not None:
        tags["generation"][index] = generation
        tags["written_ns"][index] = time.monotonic_ns()
    tags["seq"][index] = odd + np.uint64(1)


def _store_audio(planes: Audio, index: Ints, lead: int, audio: Audio) -> None:
    """Audio [frames, 2] into the slots at `index`, from frame `lead` of the first on: whole slots at a time."""
    head = min(len(audio), SLOT - lead) if lead or len(audio) < SLOT else 0
    if head:
        planes[index[0], :, lead : lead + head] = audio[:head].T
    first = 1 if head else 0
    whole = (len(audio) - head) // SLOT
    middle = audio[head : head + whole * SLOT].reshape(whole, SLOT, layout.CHANNELS).transpose(0, 2, 1)
    for begin, end, place in runs_of(index[first : first + whole]):
        planes[place : place + end - begin] = middle[begin:end]
    rest = audio[head + whole * SLOT :]
    if len(rest):
        planes[index[-1], :, : len(rest)] = rest.T


def load(
    tags: NDArray[np.void],
    planes: Audio,
    index: Ints,
    first_frame: int,
    frames: int,
    generation: int | None = None,
) -> tuple[Audio, BoolMask]:
    """Audio [frames, 2] and which frames are valid [frames]; index: the place of each touched slot, -1: none.

    Each sample is copied once, from its place into the result.
    """
    if frames <= 0:
        return np.zeros((0, layout.CHANNELS), np.float32), np.zeros(0, np.bool_)
    slots = span_slots(first_frame, frames)
    sound = np.zeros((len(slots), SLOT, layout.CHANNELS), np.float32)
    valid = np.zeros((len(slots), SLOT), np.bool_)
    todo = np.flatnonzero(index >= 0)
    for _ in range(4):
        places, runs = index[todo], _runs(index, todo)
        before = tags["seq"][places]  # from here to the second look as little as can be: a writer may come between
        tag = tags[places]
        for row, place, count in runs:
            sound[row : row + count] = planes[place : place + count].transpose(0, 2, 1)
        calm = (before == tags["seq"][places]) & (before % 2 == 0)
        right = calm & (tag["slot"] == slots[todo])
        if generation is not None:
            right &= tag["generation"] == generation
        _mark(todo, tag, right, sound, valid)
        todo = todo[~calm]
        if not len(todo):
            break
        time.sleep(PAUSE_S)
    lead = first_frame - int(slots[0]) * SLOT
    flat = sound.reshape(-1, layout.CHANNELS)[lead : lead + frames]
    return np.ascontiguousarray(flat), valid.reshape(-1)[lead : lead + frames].copy()


def _mark(rows: Ints, tag: NDArray[np.void], good: BoolMask, sound: Audio | None, valid: BoolMask) -> None:
    """Say which frames of rows that were copied are valid, by their tags; what is not is silence."""
    whole = good & (tag["begin"] == 0) & (tag["end"] == SLOT)
    valid[rows[whole]] = True
    if sound is not None:
        sound[rows[~good]] = 0
    for n in np.flatnonzero(good & ~whole):
        row, begin, end = rows[n], max(0, int(tag["begin"][n])), max(0, int(tag["end"][n]))
        valid[row, begin:end] = True
        if sound is not None:
            sound[row, ~valid[row]] = 0


def _runs(index: Ints, wanted: Ints) -> list[tuple[int, int, int]]:
    """(row, place, count) of the wanted slots whose rows and places run in step: one copy each."""
    steps = np.flatnonzero((np.diff(wanted) != 1) | (np.diff(index[wanted]) != 1)) + 1
    groups = np.split(wanted, steps) if len(wanted) else []
    return [(int(rows[0]), int(index[rows[0]]), len(rows)) for rows in groups]


def cache_index(page_table: NDArray[np.uint32], pages: int, slots: Ints) -> Ints:
    """The place of each project slot in the audio region, -1 where it has none."""
    inside = (slots >= 0) & (slots < layout.PROJECT_PAGES * layout.PAGE_SLOTS)
    entry = page_table[np.where(inside, slots, 0) // layout.PAGE_SLOTS].astype(np.int64)
    found = inside & (entry >= 1) & (entry <= pages)
    return np.where(found, (entry - 1) * layout.PAGE_SLOTS + slots % layout.PAGE_SLOTS, -1)


def read_cache(memory: Memory, first_frame: int, frames: int, generation: int) -> tuple[Audio, BoolMask]:
    """What a reader plays: audio [frames, 2], zero where the mask [frames] says that nothing is known."""
    index = cache_index(memory.page_table, memory.pages, span_slots(first_frame, max(0, frames)))
    return load(memory.blocks["tag"], memory.audio, index, first_frame, frames, generation)


def known_cache(memory: Memory, first_frame: int, frames: int, generation: int) -> BoolMask:
    """The mask of `read_cache` alone, without the audio; a slot that is being written counts as unknown."""
    if frames <= 0:
        return np.zeros(0, np.bool_)
    slots = span_slots(first_frame, frames)
    index = cache_index(memory.page_table, memory.pages, slots)
    rows = np.flatnonzero(index >= 0)
    tag = memory.blocks["tag"][index[rows]]
    good = (tag["seq"] % 2 == 0) & (tag["slot"] == slots[rows]) & (tag["generation"] == generation)
    valid = np.zeros((len(slots), SLOT), np.bool_)
    _mark(rows, tag, good, None, valid)
    lead = first_frame - int(slots[0]) * SLOT
    return valid.reshape(-1)[lead : lead + frames]
