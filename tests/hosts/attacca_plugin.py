"""The plugins as `make plugin` builds them, and how their caches are found.

Threading: a file lock keeps two test processes from building at once.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.timeline.cache import CacheInfo, discover

ROOT = Path(__file__).resolve().parents[2]
URI, NAME, CLAP_ID = "urn:attacca:attacca", "Attacca", "attacca.attacca"


@dataclass(frozen=True)
class Plugins:
    """The folder with all bundles, and the effect's."""

    folder: Path

    @property
    def vst3(self) -> Path:
        return self.folder / "Attacca.vst3"

    @property
    def clap(self) -> Path:
        return self.folder / "Attacca.clap"


def build_plugins() -> Plugins:
    """Builds what is not up to date; skips where g++ or DPF is missing."""
    dpf = Path(os.environ.get("DPF_PATH", "/usr/share/dpf"))
    if shutil.which("g++") is None or not (dpf / "distrho/DistrhoPlugin.hpp").exists():
        pytest.skip("needs g++ and dpf-source: sudo apt install g++ dpf-source")
    folder = ROOT / "build" / "plugin"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "plugin.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = ["make", "-j2", "-C", str(ROOT / "plugin_host" / "plugin"), "all"]
        made = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert made.returncode == 0, made.stderr
    return Plugins(folder)


def await_caches(folder: Path, count: int = 1, seconds: float = 60.0) -> list[CacheInfo]:
    """The caches in a folder whose plugins live, by instance, as soon as there are `count`."""
    deadline = time.monotonic() + seconds
    while True:
        found = [info for info in discover(folder) if info.whole and info.creator_alive]
        if len(found) >= count:
            return sorted(found, key=lambda info: info.instance)
        assert time.monotonic() < deadline, f"{len(found)} of {count} caches after {seconds} s"
        time.sleep(0.02)
