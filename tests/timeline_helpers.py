"""For the tests of the timeline cache: folders, processes to kill, a reference of slots, the C++ twin by ctypes."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bridge.timeline import layout
from bridge.timeline.cache import BoolMask, EngineSide, PluginSide, Segment, Transport
from engine.types import Audio
from tests.waiting import WAIT_S

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "plugin_host" / "plugin"
FOUR_FOUR = Segment(frame=0, fraction=0.0, bar=0, quarter=0.0, tempo=120.0, numerator=4, denominator=4)
SLOT = layout.SLOT_FRAMES
PAGE = layout.PAGE_FRAMES
END = layout.PROJECT_PAGES * PAGE


@contextmanager
def shm_folder() -> Iterator[Path]:
    """A folder of shared memory of our own."""
    with tempfile.TemporaryDirectory(prefix="attacca-test-", dir="/dev/shm") as name:
        yield Path(name)


@contextmanager
def small_tmpfs(path: Path, size_mib: int) -> Iterator[Path]:
    """A file system of so many MiB; skips where this user may not mount one."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(path)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a tmpfs")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def memory_of(side: PluginSide | EngineSide) -> dict[str, NDArray[np.void]]:
    """The blocks and tags themselves, to break them."""
    assert side._memory is not None
    return side._memory.blocks


def pages_held(side: EngineSide) -> list[int]:
    """The project pages, of the first twenty, that hold valid audio."""
    return [page for page in range(20) if side.read(page * PAGE, PAGE)[1].any()]


def small_cache(folder: Path, pages: int = 4, instance: str = "test", rate: int = 8_000) -> PluginSide:
    """A cache of a few pages."""
    side = PluginSide.create(instance, rate, minutes=pages * PAGE / rate / 60, folder=folder)
    assert side.pages == pages
    return side


def noise(frames: int, seed: int = 0) -> Audio:
    """[frames, 2], no sample zero."""
    return np.random.default_rng(seed).uniform(0.1, 1.0, (frames, 2)).astype(np.float32)


def some_transport(frame: int = 0, **changes: object) -> Transport:
    fields: dict[str, object] = {
        "frame": frame, "monotonic_ns": 7, "playing": True, "looping": False, "musical": True, "block_frames": 128,
        "bar": 3, "quarter": 1.25, "tempo": 123.456, "numerator": 7, "denominator": 8, "loop_first": 0, "loop_last": 0,
        "jumps": 2, "blocks": 99,
    }  # fmt: skip
    return Transport(**{**fields, **changes})  # type: ignore[arg-type]


@contextmanager
def child(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A Python process that has printed a line; killed at the end."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdin is not None
    try:
        assert process.stdout.readline().strip() == "ready"
        yield process
    finally:
        process.kill()
        process.wait(20)
        process.stdout.close()
        process.stdin.close()


HAMMERED = 6
"""Pages that are written in turns; with four in the cache, two thirds of the writes evict one."""


def hammer(side: EngineSide, limit_s: float) -> None:
    """Writes whole pages without pause, each slot full of 512 x revision + its number (exact in float32)."""
    rng = np.random.default_rng(0)
    side.publish_map([FOUR_FOUR])
    end_s = time.monotonic() + limit_s
    revision = 0
    while time.monotonic() < end_s and revision < 2**15 - 1:
        revision += 1
        page = int(rng.integers(0, HAMMERED))
        slots = np.arange(page * layout.PAGE_SLOTS, (page + 1) * layout.PAGE_SLOTS)
        values = np.repeat(slots + 512.0 * revision, SLOT).astype(np.float32)
        side.write(page * PAGE, np.stack([values, values], 1))


HAMMER = """
import sys; from pathlib import Path; from bridge.timeline.cache import EngineSide
from tests.timeline_helpers import hammer
side = EngineSide.attach(Path(sys.argv[1])); print("ready", flush=True); hammer(side, float(sys.argv[2]))
"""


def reads_while_hammered(path: Path, read: Callable[[int, int], tuple[Audio, BoolMask]]) -> tuple[int, int]:
    """Reads pages while another process hammers, for a second and until much was read and much was written (a minute
    at most), and checks that each slot is whole, right and no older than before. -> slots read, newest revision seen"""
    reads, last = 0, np.zeros(HAMMERED * layout.PAGE_SLOTS, np.int64)
    rng, begun_s = np.random.default_rng(1), time.monotonic()
    with child(HAMMER, path, WAIT_S) as process:
        while (since_s := time.monotonic() - begun_s) < WAIT_S:
            if since_s > 1.0 and reads > 200 and last.max() > 100:
                break
            page = int(rng.integers(0, HAMMERED))
            sound, valid = read(page * PAGE, PAGE)
            parts, masks = sound.reshape(layout.PAGE_SLOTS, -1), valid.reshape(layout.PAGE_SLOTS, -1)
            known = masks.all(1)
            assert np.array_equal(known, masks.any(1)) and not parts[~known].any()
            assert (parts == parts[:, :1]).all()
            revisions, names = np.divmod(parts[:, 0].astype(np.int64), 512)
            slots = page * layout.PAGE_SLOTS + np.flatnonzero(known)
            assert np.array_equal(names[known], slots) and (revisions[known] >= last[slots]).all()
            last[slots] = revisions[known]
            reads += len(slots)
        assert process.poll() in (None, 0)
    return reads, int(last.max())


class SlotModel:
    """What a cache must hold, frame by frame: a write joins a slot's range where they touch, else replaces it."""

    def __init__(self, frames: int) -> None:
        self.audio = np.zeros((frames, 2), np.float32)
        self.valid = np.zeros(frames, np.bool_)

    def write(self, first_frame: int, audio: Audio) -> None:
        at = np.arange(first_frame, first_frame + len(audio))
        inside = (at >= 0) & (at < len(self.valid))
        for slot in np.unique(at[inside] // SLOT):
            new = at[inside & (at // SLOT == slot)]
            held = np.flatnonzero(self.valid[slot * SLOT : (slot + 1) * SLOT]) + slot * SLOT
            if len(held) and (new[0] > held[-1] + 1 or new[-1] < held[0] - 1):
                self.valid[held] = False
                self.audio[held] = 0
            self.valid[new] = True
        self.audio[at[inside]] = audio[inside]


class CPlace(ctypes.Structure):
    _fields_ = (
        ("bar", ctypes.c_int64), ("quarter", ctypes.c_double), ("tempo", ctypes.c_double),
        ("numerator", ctypes.c_uint32), ("denominator", ctypes.c_uint32),
    )  # fmt: skip


class CRead(ctypes.Structure):
    _fields_ = (("leading", ctypes.c_uint32), ("valid", ctypes.c_uint32), ("torn", ctypes.c_uint32))


def compile_twin(target: Path) -> Path:
    """Builds the C functions of the twin, all warnings being errors."""
    flags = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fPIC", "-shared"]
    subprocess.run(["g++", *flags, str(PLUGIN / "timeline_c_api.cpp"), "-o", str(target)], check=True, timeout=100)
    return target


def load_twin(path: Path) -> ctypes.CDLL:
    """The library with its signatures."""
    library = ctypes.CDLL(str(path))
    p, i, u, u64, text = ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_char_p
    table = {
        "tc_total_bytes": (u64, u64), "tc_offsets": (None, u64, p), "tc_version": (u,),
        "tc_pages_for": (i, ctypes.c_double, u), "tc_new": (p,), "tc_delete": (None, p),
        "tc_create": (ctypes.c_int, p, text, u, ctypes.c_double, text, p, u),
        "tc_attach": (ctypes.c_int, p, text, p, u),
        "tc_close": (None, p), "tc_instance": (text, p), "tc_path": (text, p), "tc_rate": (u, p), "tc_pages": (u64, p),
        "tc_engine_attached": (ctypes.c_int, p), "tc_reclaim": (ctypes.c_int, text), "tc_report": (None, p, p),
        "tc_set_knobs": (None, p, p), "tc_set_words": (None, p, i, text, text, text),
        "tc_capture": (None, p, i, u, p, p), "tc_push_note": (ctypes.c_int, p, i, text, u, i),
        "tc_count_miss": (None, p, i), "tc_hammer": (i, p, ctypes.c_double),
        "tc_counters": (None, p, p), "tc_status": (ctypes.c_int, p, p),
        "tc_refresh_map": (ctypes.c_int, p), "tc_generation": (u, p), "tc_segments": (u, p, p),
        "tc_position_at": (ctypes.c_int, p, i, p), "tc_read": (None, p, i, u, p, p, p, p),
    }  # fmt: skip
    for name, (result, *arguments) in table.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Twin:
    """One C++ TimelineCache. Its main thread and its audio thread are whoever calls."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.c = library
        self.cache = library.tc_new()

    def create(self, instance: str, rate: int, minutes: float, folder: Path) -> str:
        text = ctypes.create_string_buffer(400)
        self.c.tc_create(self.cache, instance.encode(), rate, minutes, str(folder).encode(), text, len(text))
        return text.value.decode()

    def attach(self, path: Path) -> str:
        text = ctypes.create_string_buffer(400)
        self.c.tc_attach(self.cache, str(path).encode(), text, len(text))
        return text.value.decode()

    @property
    def path(self) -> Path:
        return Path(self.c.tc_path(self.cache).decode())

    @property
    def instance(self) -> str:
        return str(self.c.tc_instance(self.cache).decode())

    def put(self, name: str, record: str, values: tuple[object, ...]) -> None:
        """Calls a function that takes one of the layout's structs; values without seq."""
        fields = {"transport": layout.TRANSPORT, "knobs": layout.KNOBS}[record]
        block = np.zeros(1, layout.record(fields))
        block[0] = (0, *values)
        getattr(self.c, name)(self.cache, block.ctypes.data)

    def capture(self, first_frame: int, audio: Audio) -> None:
        planes = np.ascontiguousarray(audio.T)
        self.c.tc_capture(self.cache, first_frame, len(audio), planes[0].ctypes.data, planes[1].ctypes.data)

    def read(self, first_frame: int, frames: int, refresh: bool = True) -> tuple[Audio, BoolMask, CRead]:
        """Audio [frames, 2], mask [frames] and the counts; takes over the newest map before."""
        if refresh:
            self.c.tc_refresh_map(self.cache)
        planes = np.full((2, max(1, frames)), 99, np.float32)
        valid = np.full(max(1, frames), 99, np.uint8)
        result = CRead()
        left, right, at = planes[0].ctypes.data, planes[1].ctypes.data, valid.ctypes.data
        self.c.tc_read(self.cache, first_frame, frames, left, right, at, ctypes.byref(result))
        return planes.T[:frames].copy(), valid[:frames].astype(np.bool_), result

    def segments(self) -> list[tuple[object, ...]]:
        table: NDArray[np.void] = np.zeros(layout.MAX_SEGMENTS, layout.record(layout.SEGMENT))
        return list(table[: self.c.tc_segments(self.cache, table.ctypes.data)].tolist())

    def delete(self) -> None:
        self.c.tc_delete(self.cache)


def reads_of_a_busy_plugin(made: Twin, engine: EngineSide) -> tuple[int, list[int]]:
    """Reads while the plugin's side writes for a second. -> context slots read whole, frames of the transports read"""
    thread = threading.Thread(target=made.c.tc_hammer, args=(made.cache, 1.0))  # without the interpreter's lock
    thread.start()
    seen, known = [], 0
    try:
        while thread.is_alive():
            sound, valid = engine.context(0, 3 * SLOT)
            for part, mask in zip(sound.reshape(3, -1), valid.reshape(3, -1), strict=True):
                assert (part == part[0]).all() and mask.all() == mask.any() == part.any()
                known += int(mask.all())
            t = engine.transport()
            if t is not None:
                assert t.frame == t.monotonic_ns == t.bar == t.loop_first == t.loop_last == t.jumps == t.blocks
                seen.append(t.frame)
    finally:
        thread.join()
    return known, seen
