"""The exported model on disk: what training and playing share. It checks itself when it is loaded.

    BUNDLE/manifest.json      name, version, format, config, contract, SHA-256 of every other file
    BUNDLE/*.safetensors      codec, vocoder, student, prompt, listener (fp16; no pickle anywhere)
    BUNDLE/MODEL_CARD.md      what it was trained on, how, and how good it is

safetensors has no checksum of its own, so every byte is compared with the manifest at load.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import BadBundle
from engine.whole import whole

FORMAT = 1
MANIFEST = "manifest.json"
CARD = "MODEL_CARD.md"
MODULES = ("codec", "vocoder", "student", "prompt", "listener")
DEFAULT = Path(__file__).parent / "bundles" / "attacca-v4"


@dataclass(frozen=True)
class Bundle:
    """A checked bundle: its folder and manifest."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.manifest["config"]
        return config

    @property
    def styles(self) -> list[str]:
        return list(self.config["styles"])

    def weights(self, module: str) -> Path:
        return self.folder / f"{module}.safetensors"


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, checked for shape but not yet against the files."""
    path = folder / MANIFEST
    if not path.is_file():
        raise BadBundle(f"{folder} is no bundle: it has no {MANIFEST}")
    try:
        manifest = json.loads(path.read_text())
    except (OSError, ValueError) as broken:
        raise BadBundle(f"{path} cannot be read: {broken}") from broken
    needed = {"name", "format", "config", "files"}
    if not isinstance(manifest, dict) or not needed <= manifest.keys():
        raise BadBundle(f"{path} is not a bundle manifest: it must have {', '.join(sorted(needed))}")
    if manifest["format"] != FORMAT:
        raise BadBundle(f"{folder} has format {manifest['format']}; this version reads {FORMAT}")
    if not isinstance(manifest["config"], dict) or not isinstance(manifest["files"], dict):
        raise BadBundle(f"{path} is not a bundle manifest: config and files must be objects")
    return manifest


def load(folder: Path) -> Bundle:
    """Read and verify a bundle; `BadBundle` names the first file that is missing or changed."""
    manifest = read_manifest(folder)
    for name, expected in manifest["files"].items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise BadBundle(f"bundle {folder} lacks {name}; get it anew")
        if sha256(path) != expected:
            raise BadBundle(f"{path} is damaged (its SHA-256 differs); get the bundle anew")
    for module in MODULES:
        if f"{module}.safetensors" not in manifest["files"]:
            raise BadBundle(f"bundle {folder} has no {module}.safetensors")
    return Bundle(folder, manifest)


def seal(folder: Path, manifest: dict[str, Any]) -> Bundle:
    """Write the manifest with the digests of all files in `folder`; returns the loaded bundle."""
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.name != MANIFEST)
    complete = {"format": FORMAT, **manifest, "files": {p.name: sha256(p) for p in files}}
    with whole(folder / MANIFEST) as part:
        part.write_text(json.dumps(complete, indent=1) + "\n")
    return load(folder)
