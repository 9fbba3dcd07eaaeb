"""Side-cars: `pad.wav.json` or `pad.json` with facts, `pad.wav.txt` or `pad.txt` with captions, one a line.

    {"tempo": 124, "meter": "4/4", "first_beat_seconds": 0.012, "key": "F# minor", "caption": "warm pad",
     "melody": "pad.mid"}

tempo: a number or "7200/61". caption: a text or a list of them. melody: a MIDI file beside it, beat 0 on the first
beat. Anything wrong is remarked and left out; it never costs the sound its place.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from engine.controls import parse_key
from engine.errors import BadRequest
from engine.timing import Meter, parse_tempo
from engine.training.folder.hints import Hints

MAX_BYTES = 100_000
MAX_CAPTIONS = 12
MAX_CAPTION = 300
FIELDS = ("tempo", "meter", "first_beat_seconds", "key", "caption", "captions", "melody", "one_shot")


def sidecars(audio: Path) -> list[Path]:
    """The side-car files of a sound that are there."""
    names = [audio.with_name(audio.name + end) for end in (".json", ".txt")]
    names += [audio.with_suffix(end) for end in (".json", ".txt")]
    return [path for path in names if path.is_file()]


def read_sidecars(audio: Path) -> list[Hints]:
    """Hints of each side-car, the most specific first."""
    return [(read_json if path.suffix == ".json" else read_text)(path) for path in sidecars(audio)]


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MAX_BYTES).decode("utf-8", "replace")


def read_text(path: Path) -> Hints:
    """One caption a line."""
    try:
        lines = [" ".join(line.split())[:MAX_CAPTION] for line in _content(path).splitlines()]
    except OSError as error:
        return Hints(remarks=(f"{path.name} cannot be read: {error.strerror}",))
    return Hints(captions=tuple(line for line in lines if line)[:MAX_CAPTIONS]).said_by("side-car")


def read_json(path: Path) -> Hints:
    """The facts of a JSON side-car; what is wrong with it becomes a remark."""
    try:
        facts = json.loads(_content(path))
    except (OSError, ValueError, RecursionError) as error:
        return Hints(remarks=(f"{path.name} is no JSON: {str(error)[:80]}",))
    if not isinstance(facts, dict):
        return Hints(remarks=(f'{path.name} must hold an object like {{"tempo": 120}}',))
    found: dict[str, Any] = {}
    remarks = [
        f"{path.name}: {name!r} is not known; known are {', '.join(FIELDS)}" for name in facts if name not in FIELDS
    ]
    for name in FIELDS:
        if facts.get(name) is not None:
            try:
                found.update(_field(name, facts[name], path))
            except (BadRequest, ValueError, TypeError) as error:
                remarks.append(f"{path.name}: {name}: {str(error)[:200]}")
    return Hints(remarks=tuple(remarks), **found).said_by("side-car")


def _field(name: str, value: Any, path: Path) -> dict[str, Any]:
    if name == "tempo":
        return {"tempo": parse_tempo(str(value))}
    if name == "meter":
        return {"meter": Meter.parse(str(value))}
    if name == "key":
        key = parse_key(str(value))
        return {"key": (key.root, key.mode)}
    if name == "one_shot":
        return {"one_shot": value is True}
    if name == "melody":
        return {"melody": _beside(path, str(value))}
    if name in ("caption", "captions"):
        texts = value if isinstance(value, list) else [value]
        clean = [" ".join(str(text).split())[:MAX_CAPTION] for text in texts]
        return {"captions": tuple(text for text in clean if text)[:MAX_CAPTIONS]}
    seconds = float(value)
    if not math.isfinite(seconds) or abs(seconds) > 3600:
        raise ValueError(f"{value!r} is no number of seconds")
    return {"first_beat_seconds": seconds}


def _beside(path: Path, name: str) -> Path:
    """A file in the side-car's own folder."""
    if Path(name).name != name:
        raise ValueError("name a file in the same folder")
    if not (path.parent / name).is_file():
        raise ValueError(f"there is no file {name}")
    return path.parent / name
