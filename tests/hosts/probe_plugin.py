"""The probe plugin: built with DPF as VST3, CLAP and LV2, and its log as a numpy table.

Threading: several test processes may build at once; each builds in its own folder and renames it into place.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

SOURCE = Path(__file__).resolve().parent / "probe"
BUILT = Path(__file__).resolve().parents[2] / "build" / "probes"
DPF = Path("/usr/share/dpf")
URI = "urn:attacca:tests:probe"
FRACTION = 1 << 23
RECORD = np.dtype(
    [
        ("monotonic_ns", "<i8"),
        ("frame", "<i8"),
        ("block_frames", "<i4"),
        ("playing", "<i4"),
        ("valid", "<i4"),
        ("bar", "<i4"),
        ("beat", "<i4"),
        ("instance", "<i4"),
        ("tick", "<f8"),
        ("ticks_per_beat", "<f8"),
        ("tempo", "<f8"),
        ("bar_start_tick", "<f8"),
        ("beats_per_bar", "<f4"),
        ("beat_type", "<f4"),
    ]
)


@dataclass(frozen=True)
class Probe:
    """The three bundles of the built probe. lv2_path: for LV2_PATH."""

    vst3: Path
    clap: Path
    lv2: Path

    @property
    def lv2_path(self) -> Path:
        return self.lv2.parent


def read_log(path: Path) -> np.ndarray:
    """What the host said, one record (RECORD) a block, in order of the calls."""
    return np.frombuffer(path.read_bytes(), RECORD) if path.exists() else np.empty(0, RECORD)


def frames_of(left: np.ndarray) -> np.ndarray:
    """The project frames (mod 2^23) that the probe's left output names. [frames] int64"""
    return np.rint(left.astype(np.float64) * FRACTION).astype(np.int64)


def build_probe() -> Probe:
    """Builds once per state of the sources, about 10 s; skips where g++ or dpf-source is missing."""
    if shutil.which("g++") is None or not (DPF / "distrho/DistrhoPluginMain.cpp").exists():
        pytest.skip("needs g++ and dpf-source: sudo apt install g++ dpf-source")
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(SOURCE.iterdir()))).hexdigest()[:12]
    folder = BUILT / digest
    if not folder.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=BUILT))
        _compile_all(fresh)
        try:
            fresh.rename(folder)
        except OSError:  # somebody else was first
            shutil.rmtree(fresh)
    return _bundles(folder)


def _bundles(folder: Path) -> Probe:
    return Probe(folder / "AttaccaProbe.vst3", folder / "AttaccaProbe.clap", folder / "lv2" / "AttaccaProbe.lv2")


def _compile_all(folder: Path) -> None:
    bundles = _bundles(folder)
    binaries = {
        "VST3": bundles.vst3 / "Contents/x86_64-linux/AttaccaProbe.so",
        "CLAP": bundles.clap,
        "LV2": bundles.lv2 / "AttaccaProbe.so",
    }
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(_compile, binaries, binaries.values()))
    generate = "import ctypes, sys; ctypes.CDLL(sys.argv[1]).lv2_generate_ttl(b'AttaccaProbe')"
    subprocess.run([sys.executable, "-c", generate, binaries["LV2"]], cwd=bundles.lv2, check=True, capture_output=True)


def _compile(target: str, binary: Path) -> None:
    binary.parent.mkdir(parents=True, exist_ok=True)
    command = [
        "g++",
        "-std=c++17",
        "-O1",
        "-shared",
        "-fPIC",
        "-fvisibility=hidden",
        f"-DDISTRHO_PLUGIN_TARGET_{target}",
    ]
    command += [
        f"-I{SOURCE}",
        f"-I{DPF}/distrho",
        str(SOURCE / "probe.cpp"),
        str(DPF / "distrho/DistrhoPluginMain.cpp"),
    ]
    subprocess.run([*command, "-o", str(binary), "-lrt", "-ldl"], check=True, capture_output=True, timeout=100)


class Gate:
    """Holds an offline host at a project frame: a block runs once the gate is past its last frame.

    Set ATTACCA_PROBE_GATE to `path` before the host loads the probe.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(8))
        self._frame = np.memmap(path, np.int64, "r+", shape=(1,))

    def open_until(self, frame: int) -> None:
        """Lets blocks run that end at `frame` or before."""
        self._frame[0] = frame

    def close(self) -> None:
        """Lets everything through."""
        self._frame[0] = 2**62
