"""Python, the packages that Attacca needs, and those of its extras."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
from ctypes.util import find_library
from pathlib import Path

from bridge.commands.checks.line import Line

LEAST_PYTHON = (3, 11)
DISTRIBUTION = "attacca-engine"
SOUNDFONTS = ("/usr/share/sounds/sf3", "/usr/share/sounds/sf2", "/usr/share/soundfonts")
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*([^;]*)")
_BOUND = re.compile(r"(>=|<=|==|<|>|!=)\s*([0-9][0-9.]*)")


def check_python() -> Line:
    found = f"Python {sys.version.split()[0]}, {os.cpu_count()} cores"
    if sys.version_info < LEAST_PYTHON:
        return Line("python", "failed", found, "Install Python 3.11 or newer, then: make PYTHON=python3.12 setup.")
    return Line("python", "ok", found)


def check_packages() -> Line:
    """What the installed package itself says it needs; extras have their own lines."""
    try:
        needed = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return Line("packages", "failed", f"{DISTRIBUTION} is not installed here", "pip install -e . (or: make setup).")
    required = [text for text in needed if "extra ==" not in text]
    wrong = [problem for text in required if (problem := problem_of(text))]
    if wrong:
        names = " ".join(f"'{text.partition(';')[0].strip()}'" for text in required if problem_of(text))
        return Line("packages", "failed", "; ".join(wrong), f"pip install {names} (or: make setup).")
    return Line("packages", "ok", f"all {len(required)} are there")


def problem_of(requirement: str) -> str:
    """What is wrong with a required package, in words; empty where nothing is."""
    matched = _REQUIREMENT.match(requirement)
    assert matched is not None
    name, bounds = matched[1], matched[2]
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"{name} is not installed"
    return "" if within(version, bounds) else f"{name} is {version}, but {bounds.strip()} is needed"


def within(version: str, bounds: str) -> bool:
    """Whether a version lies within bounds such as `>=1.2,<2`; what follows a version's numbers is not looked at."""
    here = _numbers(version)
    for sign, text in _BOUND.findall(bounds):
        there = _numbers(text)
        size = max(len(here), len(there))
        a, b = (numbers + (0,) * (size - len(numbers)) for numbers in (here, there))
        kept = {">=": a >= b, "<=": a <= b, "==": a == b, "!=": a != b, "<": a < b, ">": a > b}
        if not kept[sign]:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", re.split(r"[+a-zA-Z]", version, maxsplit=1)[0]))


def check_torch() -> Line:
    import torch

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
    return Line("torch", "ok", f"{torch.__version__} on {device}, {torch.get_num_threads()} threads")


def check_onnxruntime() -> Line:
    there = [name for name in ("onnxruntime", "onnxruntime-gpu") if installed(name)]
    if len(there) == 2:
        both = "onnxruntime and onnxruntime-gpu are both installed and share one module"
        return Line("onnxruntime", "failed", both, "pip uninstall both, then install exactly one.")
    if not there:
        return Line("onnxruntime", "missing", "not installed", "pip install 'attacca-engine[cpu]' (or [gpu]).")
    from engine.runtimes.ort import onnxruntime

    return Line("onnxruntime", "ok", f"{there[0]} {onnxruntime.__version__}")


def check_page() -> Line:
    """The control page in a browser (`serve --web`)."""
    if installed("aiohttp"):
        return Line("page", "ok", f"aiohttp {importlib.metadata.version('aiohttp')}: attacca serve --web")
    return Line("page", "missing", "aiohttp is not there (the control page)", "pip install 'attacca-engine[web]'.")


def check_training() -> Line:
    library, fonts = find_library("fluidsynth"), soundfonts()
    if library and fonts and installed("pedalboard") and installed("pyfluidsynth"):
        return Line("training", "ok", f"FluidSynth and {fonts[0].name}")
    way_out = "To train: sudo apt install libfluidsynth3 musescore-general-soundfont-small; make setup."
    return Line("training", "missing", "FluidSynth, a SoundFont or pedalboard is not there", way_out)


def installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def soundfonts() -> list[Path]:
    return [path for folder in SOUNDFONTS for path in sorted(Path(folder).glob("MuseScore_General*.sf[23]"))]
