"""For the tests of the plugin: its core by ctypes, a cache to fill, exact tempo maps, an oracle of what is heard."""

from __future__ import annotations

import atexit
import ctypes
import subprocess
import tempfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bridge.timeline.cache import EngineSide, Segment
from tests.timeline_helpers import PLUGIN, CPlace, shm_folder

RATE = 8_000
FADE, RISE = RATE // 200, RATE // 50
LOOK = FADE + RISE
UNTOLD = -1e300
UNTOLD_FRAME = -(2**63)
FLAGS = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
PARAMETERS = (
    "intensity", "blend", "guidance", "look_ahead", "output_gain", "dry", "live", "hold", "fallback", "continue",
    "panic", "bars_ready", "misses",
)  # fmt: skip
Planes = NDArray[np.float32]


class CHostTime(ctypes.Structure):
    _fields_ = (
        ("frame", ctypes.c_int64), ("playing", ctypes.c_bool), ("musical", ctypes.c_bool),
        ("quarters", ctypes.c_double), ("line", ctypes.c_double), ("bar", ctypes.c_double), ("tempo", ctypes.c_double),
        ("numerator", ctypes.c_uint32), ("denominator", ctypes.c_uint32), ("loop_first", ctypes.c_double),
        ("loop_last", ctypes.c_double), ("coarse", ctypes.c_double), ("jitter", ctypes.c_int64),
        ("offset", ctypes.c_int64),
    )  # fmt: skip


def build(target: Path, *sources: str, flags: Sequence[str] = ()) -> Path:
    """Compiles C++ from the plugin's folder (or by absolute path), all warnings being errors."""
    files = [str(PLUGIN / source) for source in sources]
    subprocess.run(["g++", *FLAGS, *flags, f"-I{PLUGIN}", *files, "-o", str(target)], check=True, timeout=300)
    return target


def load_core(path: Path) -> ctypes.CDLL:
    """The library of plugin_c_api.cpp with its signatures."""
    library = ctypes.CDLL(str(path))
    p, i, u, d, f, text = (
        ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint32, ctypes.c_double, ctypes.c_float, ctypes.c_char_p,
    )  # fmt: skip
    n = ctypes.c_int
    table = {
        "pl_new": (p,), "pl_delete": (None, p), "pl_open": (n, p, d, d, text, text, u), "pl_close": (None, p),
        "pl_set_instance": (n, p, text), "pl_instance": (None, p, text, u),
        "pl_set_prompts": (None, p, text, text, i), "pl_set": (None, p, u, f), "pl_get": (f, p, u),
        "pl_parameter": (u, text), "pl_host_time_bytes": (ctypes.c_uint64,),
        "pl_process": (None, p, p, p, p, u, i), "pl_note": (None, p, u, text, u, i),
        "pl_roll": (None, p, i, p, p, p, u, u, d), "pl_position": (n, p, p, p),
        "tm_new": (p,), "tm_delete": (None, p), "tm_load": (None, p, d, p, u), "tm_next_line": (i, p, i),
        "tm_place": (n, p, i, p), "tm_agrees": (n, p, i, u, p), "tm_frame_of": (n, p, i, d, p),
        "bc_new": (p, d), "bc_delete": (None, p), "bc_at": (n, p, p, u, p, p, p),
    }  # fmt: skip
    for name, (result, *arguments) in table.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    assert library.pl_host_time_bytes() == ctypes.sizeof(CHostTime)
    return library


class Core:
    """One plugin without a format. Whoever calls is its main and its audio thread."""

    def __init__(self, library: ctypes.CDLL, folder: Path, rate: int = RATE, minutes: float = 0.5) -> None:
        self.c, self.folder, self.rate = library, folder, rate
        self.core = library.pl_new()
        assert self.open(rate, minutes) == ""

    def open(self, rate: int, minutes: float = 0.5) -> str:
        text = ctypes.create_string_buffer(400)
        self.c.pl_open(self.core, float(rate), minutes, str(self.folder).encode(), text, len(text))
        return text.value.decode()

    def set(self, **values: float) -> None:
        for name, value in values.items():
            self.c.pl_set(self.core, PARAMETERS.index(name), value)

    def get(self, name: str) -> float:
        return float(self.c.pl_get(self.core, PARAMETERS.index(name)))

    @property
    def instance(self) -> str:
        text = ctypes.create_string_buffer(100)
        self.c.pl_instance(self.core, text, len(text))
        return text.value.decode()

    @property
    def path(self) -> Path:
        return self.folder / f"attacca-{self.instance}"

    def process(self, told: CHostTime, frames: int, inputs: Planes | None = None) -> Planes:
        """Plays a block; planes are [2, frames]."""
        out = np.full((2, frames), 9.0, np.float32)
        given = None if inputs is None else np.ascontiguousarray(inputs, np.float32)
        address = None if given is None else given.ctypes.data
        self.c.pl_process(self.core, ctypes.byref(told), address, out.ctypes.data, frames, 0)
        return out

    def roll(self, first: int, frames: int, block: int, place: CPlace, inputs: Planes | None = None) -> Planes:
        """Plays frames from `first` on in blocks; `place` is that of frame 0."""
        out = np.full((2, frames), 9.0, np.float32)
        given = None if inputs is None else np.ascontiguousarray(inputs, np.float32)
        address = None if given is None else given.ctypes.data
        self.c.pl_roll(self.core, first, ctypes.byref(place), address, out.ctypes.data, frames, block, float(self.rate))
        return out

    def delete(self) -> None:
        self.c.pl_delete(self.core)


@contextmanager
def core_with_engine(library: ctypes.CDLL, rate: int = RATE, minutes: float = 0.5) -> Iterator[tuple[Core, EngineSide]]:
    """A plugin in a folder of its own, and an engine that is attached to it."""
    with shm_folder() as folder:
        core = Core(library, folder, rate, minutes)
        engine = EngineSide.attach(core.path)
        try:
            yield core, engine
        finally:
            engine.close()
            core.delete()


def sound(frames: NDArray[np.int64]) -> Planes:
    """What the cache holds at these project frames in these tests: [2, frames]; no two near frames are alike, no 0."""
    x = (frames.astype(np.uint64) * np.uint64(2654435761)) >> np.uint64(7)
    left = (x % np.uint64(65_521)).astype(np.float32) / 131_072 + 0.25
    return np.stack([left, -left * np.float32(0.5)])


def fill(engine: EngineSide, first: int, last: int) -> None:
    engine.write(first, np.ascontiguousarray(sound(np.arange(first, last)).T))


@dataclass(frozen=True)
class Part:
    """From the exact frame `start` on: bar, meter and tempo; parts begin on bar lines."""

    start: Fraction
    bar: int
    tempo: Fraction
    numerator: int
    denominator: int


@dataclass
class ExactMap:
    """A tempo map in fractions: bars of each (count, tempo, numerator, denominator)."""

    rate: int
    parts: list[Part] = field(default_factory=list)

    @classmethod
    def of(cls, rate: int, *bars: tuple[int, Fraction | int, int, int]) -> ExactMap:
        parts, start, bar = [], Fraction(0), 0
        for count, tempo, numerator, denominator in bars:
            parts.append(Part(start, bar, Fraction(tempo), numerator, denominator))
            start += count * Fraction(4 * numerator, denominator) * 60 * rate / Fraction(tempo)
            bar += count
        return cls(rate, parts)

    def part(self, frame: int) -> Part:
        return self.parts[max(0, bisect_right([part.start for part in self.parts], frame) - 1)]

    def quarter_frames(self, part: Part) -> Fraction:
        return 60 * self.rate / part.tempo

    def place(self, frame: int) -> tuple[int, Fraction]:
        part = self.part(frame)
        quarters = (frame - part.start) / self.quarter_frames(part)
        length = Fraction(4 * part.numerator, part.denominator)
        return part.bar + quarters // length, quarters % length

    def lines(self, last: int, parts: int = 1) -> list[int]:
        """The frames of all beat lines before `last`, or of the lines that cut beats in `parts`."""
        found = []
        for index, part in enumerate(self.parts):
            end = self.parts[index + 1].start if index + 1 < len(self.parts) else Fraction(last)
            beat = Fraction(4, part.denominator) * self.quarter_frames(part) / parts
            count = int((end - part.start) / beat) + 1
            exact = [part.start + n * beat for n in range(count)]
            found += [int(line + Fraction(1, 2)) for line in exact if line < end]
        return sorted(set(found))

    def segments(self) -> list[Segment]:
        return [
            Segment(
                part.start // 1, float(part.start % 1), part.bar, 0.0, float(part.tempo), part.numerator,
                part.denominator,
            )
            for part in self.parts
        ]  # fmt: skip

    def told(self, frame: int, **changes: object) -> CHostTime:
        """What a host says that stands at `frame`, playing."""
        part = self.part(frame)
        bar, quarter = self.place(frame)
        facts: dict[str, object] = {
            "frame": frame, "playing": True, "musical": True, "quarters": float(quarter), "line": 0.0,
            "bar": float(bar), "tempo": float(part.tempo), "numerator": part.numerator,
            "denominator": part.denominator,
        }  # fmt: skip
        return CHostTime(**{**facts, **changes})


FOUR = ExactMap.of(RATE, (100, 120, 4, 4))
BAR = 4 * RATE // 2
BEAT = RATE // 2
PLACE = CPlace(0, 0.0, 120.0, 4, 4)
"""120 in 4/4: of all tests that need no other."""


@cache
def core_library() -> ctypes.CDLL:
    """The core, compiled once a process."""
    folder = tempfile.TemporaryDirectory(prefix="attacca-core-")
    atexit.register(folder.cleanup)
    return load_core(build(Path(folder.name) / "core.so", "plugin_c_api.cpp", flags=["-fPIC", "-shared"]))


def expected(first: int, frames: int) -> Planes:
    return sound(np.arange(first, first + frames))


class Oracle:
    """Which frames are heard at full level from the cache, which are silent, and which may be a fade.

    It knows the rules, not the code: the voice opens where playing begins or jumps to and the cache has 25 ms, else
    at beat lines, after a jump or start into a gap at quarters of beats (landing on one where 20 ms before it are
    there, too); it closes 5 ms before the cache ends.
    """

    def __init__(self, grid: ExactMap, last: int, held: NDArray[np.bool_]) -> None:
        lines = grid.lines(last)
        self.lines, self.fine = frozenset(lines), frozenset(grid.lines(last, 4))
        self.sought = False
        self.near = frozenset(line + off for line in lines for off in (-1, 0, 1))
        self.run = np.zeros(len(held) + 1, np.int64)
        for at in range(len(held) - 1, -1, -1):
            self.run[at] = self.run[at + 1] + 1 if held[at] else 0
        self.open = False
        self.rolling = False
        self.expected = 0
        self.until = 0
        self.clock = 0

    def block(self, frame: int, frames: int, playing: bool, on_grid: bool) -> tuple[list[int], list[int]]:
        """The offsets in the block that must be the cache's bits, and those that must be silent."""
        exact, silent = [], []
        starts = playing and not self.rolling
        jumps = playing and self.rolling and frame != self.expected
        if self.open and (jumps or not playing):
            self._fade(FADE)
            self.open = False
        self.sought = starts or jumps or (self.sought and playing)
        for offset in range(frames):
            here = frame + offset
            first = offset == 0 and (starts or jumps)
            run = int(self.run[here]) if 0 <= here < len(self.run) and on_grid and playing else 0
            if self.open and run <= FADE:
                self.open = False
                self._fade(FADE)
            elif not self.open and run >= LOOK:
                self._enter(here, first, starts and offset == 0)
            if self.clock >= self.until:
                (exact if self.open else silent).append(offset)
            self.clock += 1
        self.rolling, self.expected = playing, frame + frames
        return exact, silent

    def _fade(self, frames: int) -> None:
        self.until = max(self.until, self.clock + frames)

    def _enter(self, here: int, first: bool, starts: bool) -> None:
        begins = starts or (here == 0 and not first)
        if first or begins:
            self.open = True
            if not (begins and here in self.near):
                self._fade(FADE)
        elif {here, here + RISE} & (self.fine if self.sought else self.lines):
            self.open = True
            self._fade(RISE)
        self.sought = self.sought and not self.open
