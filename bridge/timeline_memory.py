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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge import timeline_layout as layout
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


def store(
    tags: NDArray[np.void],
    planes: Audio,
    index: Ints,
    first_frame: int,
    audio: Audio,
    generation: int | None = None,
) -> None:
    """Writes audio [frames, 2] from first_frame on; index: the place of each touched slot, none twice.

    What a slot holds already stays where the new frames overlap or touch it, else it is replaced.
    generation: None for tags that have none.
    """
    slots = span_slots(first_frame, len(audio))
    lead = first_frame - int(slots[0]) * SLOT
    padded = np.zeros((len(slots) * SLOT, layout.CHANNELS), np.float32)
    padded[lead : lead + len(audio)] = audio
    new = padded.reshape(len(slots), SLOT, layout.CHANNELS).transpose(0, 2, 1)
    begin, end = np.zeros(len(slots), np.int64), np.full(len(slots), SLOT, np.int64)
    begin[0], end[-1] = lead, first_frame + len(audio) - int(slots[-1]) * SLOT

    old = tags[index]
    odd = old["seq"] | np.uint64(1)
    keep = (old["seq"] % 2 == 0) & (old["slot"] == slots) & (old["begin"] < old["end"])
    if generation is not None:
        keep &= old["generation"] == generation
    keep &= (begin <= old["end"]) & (end >= old["begin"])

    tags["seq"][index] = odd
    whole = (begin == 0) & (end == SLOT)
    planes[index[whole]] = new[whole]
    for n in np.flatnonzero(~whole):
        planes[index[n], :, begin[n] : end[n]] = new[n, :, begin[n] : end[n]]
    tags["slot"][index] = slots
    tags["begin"][index] = np.where(keep, np.minimum(begin, old["begin"]), begin)
    tags["end"][index] = np.where(keep, np.maximum(end, old["end"]), end)
    if generation is not None:
        tags["generation"][index] = generation
        tags["written_ns"][index] = time.monotonic_ns()
    tags["seq"][index] = odd + np.uint64(1)


def load(
    tags: NDArray[np.void],
    planes: Audio,
    index: Ints,
    first_frame: int,
    frames: int,
    generation: int | None = None,
) -> tuple[Audio, BoolMask]:
    """Audio [frames, 2] and which frames are valid [frames]; index: the place of each touched slot, -1: none."""
    if frames <= 0:
        return np.zeros((0, layout.CHANNELS), np.float32), np.zeros(0, np.bool_)
    slots = span_slots(first_frame, frames)
    sound = np.zeros((len(slots), SLOT, layout.CHANNELS), np.float32)
    valid = np.zeros((len(slots), SLOT), np.bool_)
    todo = np.flatnonzero(index >= 0)
    for _ in range(4):
        before = tags["seq"][index[todo]]
        tag, copy = tags[index[todo]], planes[index[todo]]
        calm = (before == tags["seq"][index[todo]]) & (before % 2 == 0)
        right = calm & (tag["slot"] == slots[todo])
        if generation is not None:
            right &= tag["generation"] == generation
        at = np.arange(SLOT)
        inside = right[:, None] & (at >= tag["begin"][:, None]) & (at < tag["end"][:, None])
        valid[todo] = inside
        sound[todo] = np.where(inside[:, :, None], copy.transpose(0, 2, 1), np.float32(0))
        todo = todo[~calm]
        if not len(todo):
            break
        time.sleep(PAUSE_S)
    lead = first_frame - int(slots[0]) * SLOT
    flat = sound.reshape(-1, layout.CHANNELS)[lead : lead + frames]
    return np.ascontiguousarray(flat), valid.reshape(-1)[lead : lead + frames].copy()


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
