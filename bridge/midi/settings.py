"""What is remembered of a user's MIDI: the input chosen last and what knobs steer, in CONFIG/attacca/midi.json.

CONFIG is XDG_CONFIG_HOME, else ~/.config. The file is read strictly: what is unknown or out of range is told, never
guessed. It is written whole or not at all.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec

from bridge.files.wavefile import write_whole
from bridge.midi.mapping import Binding, check_binding
from engine.errors import BadRequest, Unavailable
from engine.types import Struct

MAX_BINDINGS = 64
MAX_BYTES = 100_000


class Settings(Struct, frozen=True):
    """input: a port's name or pattern, as `--midi-in` takes it; empty: none was chosen yet."""

    input: Annotated[str, msgspec.Meta(max_length=200)] = ""
    bindings: Annotated[tuple[Binding, ...], msgspec.Meta(max_length=MAX_BINDINGS)] = ()


def settings_path() -> Path:
    """Where the file is, or would be."""
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "attacca" / "midi.json"


def load(path: Path | None = None) -> Settings:
    """The settings; the default ones where there is no file. Raises BadRequest and Unavailable."""
    path = path or settings_path()
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error
    try:
        found = msgspec.json.decode(data[:MAX_BYTES], type=Settings)
        for binding in found.bindings:
            check_binding(binding)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadRequest) as error:
        raise BadRequest(f"{path} is not what Attacca wrote ({error}): mend it or remove it") from error
    return found


def save(settings: Settings, path: Path | None = None) -> Path:
    """Writes the settings whole; only their owner may read them. Raises Unavailable and BadRequest."""
    path = path or settings_path()
    if len(settings.bindings) > MAX_BINDINGS:
        raise BadRequest(f"at most {MAX_BINDINGS} knobs can be mapped: forget some with attacca midi forget")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Unavailable(f"cannot make {path.parent} ({error.strerror}): set XDG_CONFIG_HOME") from error
    write_whole(path, msgspec.json.format(msgspec.json.encode(settings), indent=2) + b"\n")
    return path


def with_binding(settings: Settings, binding: Binding) -> Settings:
    """The settings with a binding; it takes the place of what its knob did before. Raises BadRequest."""
    check_binding(binding)
    kept = tuple(old for old in settings.bindings if old.knob != binding.knob)
    return msgspec.structs.replace(settings, bindings=(*kept, binding))


def without(settings: Settings, target: str | None = None) -> Settings:
    """The settings without what steers `target`; None: without any binding."""
    kept = tuple(old for old in settings.bindings if target is not None and old.target != target)
    return msgspec.structs.replace(settings, bindings=kept)
