"""ONNX files of a bundle in the user's cache: written once, whole or not at all, checked whenever they are read.

    CACHE/attacca/runtimes/KEY/    KEY: digest of the bundle's manifest, this exporter's version, ONNX Runtime's version
        GRAPH.onnx GRAPH-int8.onnx the five graphs; GRAPH-fp16.onnx as well where there is a GPU
        probe.safetensors          torch's answers to `engine.runtimes.probe`
        files.json                 SHA-256 of every other file
        picks.json                 what `auto` chose, by machine

CACHE is XDG_CACHE_HOME, else ~/.cache. Folders of other bundles go when more than KEPT were used since.

*Threading*: none. Two processes may write at once: each writes a folder of its own and renames it; the first one stays.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.bundle import MANIFEST, Bundle, sha256
from engine.models.load import Networks
from engine.runtimes.onnx_cpu import GRAPHS
from engine.runtimes.ort import onnxruntime
from engine.whole import whole

EXPORTER = 2
KEPT = 3
FILES = "files.json"
PROBE = "probe.safetensors"
INT8_GROUPS = frozenset({"frames", "qkv", "out", "gate_up", "down", "codec", "codec_out", "vocoder", "level"})
"""Layers whose weights int8 holds; input, output, modulation, prompt and spread stay in float32, the encoder too."""
SMALLER = frozenset({"prepare", "step", "decode", "vocoder"})
"""The graphs that there are in int8 and float16; the encoder is float32 alone: what is heard is not rounded."""
KINDS = {"onnx": "fp32", "onnx-int8": "int8", "onnx-cuda": "fp16"}
STALE_SECONDS = 3600.0


def cache_root() -> Path:
    """Where runtimes keep their files."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "attacca" / "runtimes"


def folder_of(bundle: Bundle) -> Path:
    """The folder of this bundle under these versions; it may not be there yet."""
    told = f"{sha256(bundle.folder / MANIFEST)} {EXPORTER} {onnxruntime.__version__}"
    return cache_root() / hashlib.sha256(told.encode()).hexdigest()[:24]


def file_name(graph: str, kind: str) -> str:
    """kind: fp32, int8 or fp16."""
    return f"{graph}.onnx" if kind == "fp32" or graph not in SMALLER else f"{graph}-{kind}.onnx"


def files_for(folder: Path, name: str) -> dict[str, Path]:
    """The file of each graph for a runtime of KINDS."""
    return {graph: folder / file_name(graph, KINDS[name]) for graph in GRAPHS}


def write_graphs(networks: Networks, folder: Path, kinds: Iterable[str]) -> None:
    """Write all graphs in each of `kinds`."""
    from engine.runtimes import export_denoiser, export_sound

    for kind in kinds:
        groups, half = INT8_GROUPS if kind == "int8" else frozenset[str](), kind == "fp16"
        graphs = {
            "prepare": export_denoiser.prepare_graph(networks.student, groups, half),
            "step": export_denoiser.step_graph(networks.student, groups, half),
            "decode": export_sound.decode_graph(networks.codec, groups, half),
            "vocoder": export_sound.vocoder_graph(networks.vocoder, groups, half),
        }
        for name, graph in graphs.items():
            graph.save(folder / file_name(name, kind))
    export_sound.encode_graph(networks.codec).save(folder / file_name("encode", "fp32"))


def build(
    target: Path, networks: Networks, wanted: Callable[[], dict[str, Tensor]], kinds: Iterable[str] = ("fp32", "int8")
) -> None:
    """Fill `target` with graphs, torch's answers to the probe and their digests. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        write_graphs(networks, part, kinds)
        save_file(wanted(), str(part / PROBE))
        digests = {path.name: sha256(path) for path in sorted(part.iterdir())}
        (part / FILES).write_text(json.dumps(digests, indent=1) + "\n")
        if target.exists():
            shutil.rmtree(target, ignore_errors=True)
        part.rename(target)
    except OSError:
        if not (target / FILES).is_file():
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def damage(folder: Path, names: set[str]) -> str | None:
    """What is wrong with these files, or None."""
    try:
        digests = json.loads((folder / FILES).read_text())
        for name in sorted(names):
            if sha256(folder / name) != digests[name]:
                return f"{name} is damaged"
    except (OSError, ValueError, KeyError, TypeError) as missing:
        return f"a file is missing or cannot be read ({missing})"
    return None


def stored_answers(folder: Path) -> dict[str, Tensor]:
    answers: dict[str, Tensor] = load_file(str(folder / PROBE))
    return answers


def prune(folder: Path) -> None:
    """Mark `folder` as used now; let go of the least recently used ones beyond KEPT, and of what broke off."""
    try:
        os.utime(folder)
        others = [path for path in folder.parent.iterdir() if path.is_dir() and path != folder]
        stale = time.time() - STALE_SECONDS
        parts = [path for path in others if path.name.endswith(".part")]
        whole = sorted(set(others) - set(parts), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in [*whole[KEPT - 1 :], *(part for part in parts if part.stat().st_mtime < stale)]:
            shutil.rmtree(path, ignore_errors=True)
    except OSError:
        return


def read_picks(folder: Path) -> dict[str, list[object]]:
    """Runtime and threads by machine; empty where there is no such file."""
    try:
        picks = json.loads((folder / "picks.json").read_text())
    except (OSError, ValueError):
        return {}
    return picks if isinstance(picks, dict) else {}


def write_pick(folder: Path, machine: str, pick: list[object]) -> None:
    """Remember a pick; a cache that cannot be written is none."""
    try:
        with whole(folder / "picks.json") as part:
            part.write_text(json.dumps({**read_picks(folder), machine: pick}, indent=1) + "\n")
    except OSError:
        return
