"""The layout of a timeline cache, as tables: one home for both sides of the shared memory.

A cache is one file of POSIX shared memory: a header, small blocks that one side writes and the other
reads, a page table, and slots of 256 frames of audio. Python reads this module; C++ reads
`plugin_host/plugin/timeline_layout.hpp`, which `python -m bridge.timeline.layout` prints from it.

Who writes what: `header`, `transport`, `knobs`, `words`, `counters`, `notes` and the context slots
belong to the plugin (the creator); `engine`, `map`, the page table and the slots to the engine.
Blocks marked *seqlock* begin with a counter that is odd while they are written.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

MAGIC = 0x3141434341545441
"""The bytes `ATTACCA1`, little endian, written last: a cache without them is not whole yet."""
VERSION = 1
PREFIX = "attacca-"
SLOT_FRAMES = 256
PAGE_SLOTS = 64
PAGE_FRAMES = SLOT_FRAMES * PAGE_SLOTS
PROJECT_PAGES = 65_536
"""What the page table addresses: 6.2 hours at 48 kHz."""
CONTEXT_SLOTS = 4_096
"""What the context ring holds: 2^20 frames, 21.8 s at 48 kHz."""
CHANNELS = 2
MAX_SEGMENTS = 512
MAX_NOTES = 1_024
TEXT_BYTES = 1_024
ALIGN = 4_096

PLAYING, LOOPING, MUSICAL = 1, 2, 4
"""Flags of the transport; MUSICAL says that bar, quarter, tempo and meter are the host's own."""
OFF, LOADING, READY = 0, 1, 2
"""States of the engine block."""

Field = tuple[str, str]
_TEXT = f"S{TEXT_BYTES}"

HEADER: tuple[Field, ...] = (
    ("magic", "u8"), ("version", "u4"), ("rate", "u4"), ("channels", "u4"), ("pages", "u4"),
    ("total_bytes", "u8"), ("created_unix_ns", "i8"), ("creator_pid", "u4"), ("pad", "u4"), ("instance", "S40"),
)  # fmt: skip
TRANSPORT: tuple[Field, ...] = (
    ("seq", "u8"), ("frame", "i8"), ("monotonic_ns", "i8"), ("flags", "u4"), ("block_frames", "u4"),
    ("bar", "i8"), ("quarter", "f8"), ("tempo", "f8"), ("numerator", "u4"), ("denominator", "u4"),
    ("loop_first", "i8"), ("loop_last", "i8"), ("jumps", "u8"), ("blocks", "u8"),
)  # fmt: skip
KNOBS: tuple[Field, ...] = (
    ("seq", "u8"), ("monotonic_ns", "i8"), ("frame", "i8"), ("intensity_db", "f8"), ("blend", "f8"), ("guidance", "f8"),
    ("look_ahead_bars", "f8"), ("live", "u4"), ("hold", "u4"), ("continues", "u8"), ("panics", "u8"), ("changes", "u8"),
)  # fmt: skip
WORDS: tuple[Field, ...] = (
    ("seq", "u8"), ("seed", "i8"), ("changes", "u8"), ("prompt_a", _TEXT), ("prompt_b", _TEXT), ("title", "S64"),
)  # fmt: skip
COUNTERS: tuple[Field, ...] = (
    ("blocks", "u8"), ("played_frames", "u8"), ("missed_frames", "u8"), ("misses", "u8"), ("torn_slots", "u8"),
    ("off_grid_blocks", "u8"), ("notes_dropped", "u8"), ("scrubbed_samples", "u8"), ("last_miss_frame", "i8"),
)  # fmt: skip
NOTES: tuple[Field, ...] = (("written", "u8"), ("read", "u8"))
NOTE: tuple[Field, ...] = (("frame", "i8"), ("monotonic_ns", "i8"), ("size", "u4"), ("bytes", "S4"))
ENGINE: tuple[Field, ...] = (
    ("seq", "u8"), ("heartbeat_ns", "i8"), ("pid", "u4"), ("state", "u4"), ("committed_frame", "i8"),
    ("ready_until_frame", "i8"), ("bars_ready", "f8"), ("latency_s", "f8"), ("renders", "u8"),
)  # fmt: skip
MAP: tuple[Field, ...] = (("seq", "u8"), ("generation", "u4"), ("count", "u4"))
SEGMENT: tuple[Field, ...] = (
    ("frame", "i8"), ("fraction", "f8"), ("bar", "i8"), ("quarter", "f8"), ("tempo", "f8"),
    ("numerator", "u4"), ("denominator", "u4"),
)  # fmt: skip
"""From project frame `frame` + `fraction` on, the position is `quarter` quarters into `bar`, at `tempo`."""
TAG: tuple[Field, ...] = (
    ("seq", "u8"), ("slot", "i8"), ("generation", "u4"), ("begin", "u2"), ("end", "u2"), ("written_ns", "i8"),
)  # fmt: skip
"""A slot holds audio for frames begin..end of project slot `slot`; outside them nothing is known."""
CONTEXT_TAG: tuple[Field, ...] = (("seq", "u8"), ("slot", "i8"), ("begin", "u2"), ("end", "u2"), ("pad", "u4"))


@dataclass(frozen=True)
class Region:
    """A stretch of the file: `count` records of `fields` (or, without fields, of `itemsize` bytes) at `offset`."""

    name: str
    offset: int
    count: int
    fields: tuple[Field, ...]
    itemsize: int

    @property
    def dtype(self) -> np.dtype[np.void]:
        return record(self.fields)


def record(fields: tuple[Field, ...]) -> np.dtype[np.void]:
    """The packed little-endian record of a table; the tables keep every field aligned by themselves."""
    dtype = np.dtype([(name, kind if kind[0] == "S" else "<" + kind) for name, kind in fields])
    assert dtype.fields is not None
    assert all(kind[0] == "S" or dtype.fields[name][1] % int(kind[1:]) == 0 for name, kind in fields), fields
    return dtype


_BLOCKS: tuple[tuple[str, tuple[Field, ...], int], ...] = (
    ("header", HEADER, 1), ("transport", TRANSPORT, 1), ("knobs", KNOBS, 1), ("words", WORDS, 1),
    ("counters", COUNTERS, 1), ("notes", NOTES, 1), ("note", NOTE, MAX_NOTES), ("engine", ENGINE, 1),
    ("map", MAP, 1), ("segment", SEGMENT, MAX_SEGMENTS), ("context_tag", CONTEXT_TAG, CONTEXT_SLOTS),
)  # fmt: skip


@cache
def regions(pages: int) -> dict[str, Region]:
    """All regions of a cache with room for `pages` pages of 64 slots, in file order.

    Every region begins on a multiple of 64 bytes, the audio on one of 4096. Slot audio is planar:
    float32 [channels][256].
    """
    found, at = {}, 0
    slots = pages * PAGE_SLOTS
    frame_bytes = SLOT_FRAMES * CHANNELS * 4
    table = [
        *((name, fields, count, record(fields).itemsize, 64) for name, fields, count in _BLOCKS),
        ("page_table", (), PROJECT_PAGES, 4, 64),
        ("tag", TAG, slots, record(TAG).itemsize, 64),
        ("context_audio", (), CONTEXT_SLOTS, frame_bytes, ALIGN),
        ("audio", (), slots, frame_bytes, ALIGN),
    ]
    for name, fields, count, itemsize, align in table:
        at = -(-at // align) * align
        found[name] = Region(name, at, count, fields, itemsize)
        at += count * itemsize
    return found


def total_bytes(pages: int) -> int:
    """Size of the whole file."""
    last = regions(pages)["audio"]
    return last.offset + last.count * last.itemsize


def pages_for(minutes: float, rate: int) -> int:
    """Pages that hold `minutes` at `rate`."""
    return max(1, -(-round(minutes * 60 * rate) // PAGE_FRAMES))


_CPP = {"u8": "uint64_t", "i8": "int64_t", "u4": "uint32_t", "u2": "uint16_t", "f8": "double"}


def header_text() -> str:
    """The C++ header that states the same layout."""
    lines = [
        "// Made by `python -m bridge.timeline.layout` from bridge/timeline/layout.py; do not edit.",
        "#pragma once", "#include <cstddef>", "#include <cstdint>", "", "namespace attacca {", "",
    ]  # fmt: skip
    constants = {
        "MAGIC": "uint64_t", "VERSION": "uint32_t", "SLOT_FRAMES": "uint32_t", "PAGE_SLOTS": "uint32_t",
        "PAGE_FRAMES": "uint32_t", "PROJECT_PAGES": "uint32_t", "CONTEXT_SLOTS": "uint32_t", "CHANNELS": "uint32_t",
        "MAX_SEGMENTS": "uint32_t", "MAX_NOTES": "uint32_t", "TEXT_BYTES": "uint32_t", "PLAYING": "uint32_t",
        "LOOPING": "uint32_t", "MUSICAL": "uint32_t", "OFF": "uint32_t", "LOADING": "uint32_t", "READY": "uint32_t",
    }  # fmt: skip
    lines += [
        f"constexpr {kind} {name} = {hex(v) if (v := globals()[name]) > 2**32 else v};"
        for name, kind in constants.items()
    ]
    lines += [f'constexpr const char* PREFIX = "{PREFIX}";', ""]
    for name, fields, _ in [*_BLOCKS, ("tag", TAG, 0)]:
        lines += _struct(name, fields)
    lines += ["struct Offsets {"]
    names = list(regions(1))
    lines += [f"    size_t {name};" for name in names]
    fixed = {name: region.offset for name, region in regions(1).items() if name not in ("context_audio", "audio")}
    lines += ["    size_t total;", "};", "", "inline Offsets offsets(uint64_t pages) {", "    Offsets o{};"]
    lines += [f"    o.{name} = {at};" for name, at in fixed.items()]
    frame_bytes = SLOT_FRAMES * CHANNELS * 4
    lines += [
        "    const uint64_t slots = pages * PAGE_SLOTS;",
        f"    o.context_audio = (o.tag + slots * sizeof(Tag) + {ALIGN - 1}) / {ALIGN} * {ALIGN};",
        f"    o.audio = (o.context_audio + CONTEXT_SLOTS * {frame_bytes}ull + {ALIGN - 1}) / {ALIGN} * {ALIGN};",
        f"    o.total = o.audio + slots * {frame_bytes}ull;", "    return o;", "}", "", "}  // namespace attacca",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _struct(name: str, fields: tuple[Field, ...]) -> list[str]:
    title = "".join(word.capitalize() for word in name.split("_"))
    dtype = record(fields)
    assert dtype.fields is not None
    body = [f"    char {n}[{k[1:]}];" if k[0] == "S" else f"    {_CPP[k]} {n};" for n, k in fields]
    checks = [f"static_assert(offsetof({title}, {n}) == {dtype.fields[n][1]});" for n, _ in fields]
    return [f"struct {title} {{", *body, "};", f"static_assert(sizeof({title}) == {dtype.itemsize});", *checks, ""]


if __name__ == "__main__":
    print(header_text(), end="")
