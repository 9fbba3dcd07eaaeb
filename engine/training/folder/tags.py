"""Tags inside sound files, read with a bounded parser of our own: ID3v2, Vorbis comments, RIFF `acid` and `INFO`.

Only what helps training is taken: tempo, key, meter, length in beats, genre, title, comment. A tag that is broken is as
good as none.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from engine.controls import parse_key
from engine.errors import BadRequest
from engine.timing import Meter, parse_tempo
from engine.training.folder.hints import Hints, KeyHint
from engine.training.folder.names import words_in

MAX_TAG_BYTES = 1 << 20
MAX_FIELDS = 500
_ID3 = {"TBP": "bpm", "TKE": "key", "TCO": "genre", "TT2": "title", "TIT": "title"}
_ACID_ONE_SHOT, _ACID_HAS_ROOT = 1, 2


def read_tags(path: Path) -> Hints:
    """Hints from a file's own tags; nothing for formats and files that have none."""
    try:
        with path.open("rb") as file:
            return _hints(_fields(file)).said_by("tags")
    except (OSError, ValueError, struct.error, IndexError, ZeroDivisionError, OverflowError):
        return Hints()


def _fields(file: BinaryIO) -> dict[str, str]:
    head = file.read(12)
    file.seek(0)
    if head[:3] == b"ID3":
        return _id3(file.read(MAX_TAG_BYTES))
    if head[:4] == b"fLaC":
        return _flac(file)
    if head[:4] == b"OggS":
        return _vorbis(_after(file.read(MAX_TAG_BYTES), (b"\x03vorbis", b"OpusTags")))
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return _chunks(file, "<")
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _chunks(file, ">")
    return {}


def _after(data: bytes, marks: tuple[bytes, ...]) -> bytes:
    for mark in marks:
        at = data.find(mark)
        if at >= 0:
            return data[at + len(mark) :]
    return b""


def _id3(data: bytes) -> dict[str, str]:
    """Text frames of an ID3v2.2 to 2.4 tag. Unsynchronised tags are read as they stand."""
    version = data[3]
    found: dict[str, str] = {}
    end = min(len(data), 10 + _syncsafe(data[6:10]))
    width, at = (3, 10) if version == 2 else (4, 10)
    for _ in range(MAX_FIELDS):
        name = data[at : at + width]
        if at + 2 * width + 2 > end or not name.strip(b"\0"):
            break
        raw = data[at + width : at + 2 * width]
        size = _syncsafe(raw) if version == 4 else int.from_bytes(raw, "big")
        start = at + (6 if version == 2 else 10)
        kind = _ID3.get(name[:3].decode("latin-1"))
        if kind and size > 1:
            found.setdefault(kind, _id3_text(data[start : min(end, start + size)]))
        at = start + size
    return found


def _syncsafe(raw: bytes) -> int:
    value = 0
    for byte in raw:
        value = value << 7 | byte & 127
    return value


def _id3_text(raw: bytes) -> str:
    code = {0: "latin-1", 1: "utf-16", 2: "utf-16-be", 3: "utf-8"}.get(raw[0], "latin-1")
    return raw[1:].decode(code, "replace").split("\0")[0].strip()


def _flac(file: BinaryIO) -> dict[str, str]:
    file.seek(4)
    for _ in range(MAX_FIELDS):
        head = file.read(4)
        size = int.from_bytes(head[1:4], "big")
        if head[0] & 127 == 4:
            return _vorbis(file.read(min(size, MAX_TAG_BYTES)))
        if head[0] & 128:
            break
        file.seek(size, 1)
    return {}


def _vorbis(data: bytes) -> dict[str, str]:
    """Vorbis comments: little-endian lengths before the vendor and each `NAME=value`."""
    found: dict[str, str] = {}
    if len(data) < 8:
        return found
    at = 4 + int.from_bytes(data[:4], "little")
    count = min(MAX_FIELDS, int.from_bytes(data[at : at + 4], "little"))
    at += 4
    for _ in range(count):
        size = int.from_bytes(data[at : at + 4], "little")
        name, _, value = data[at + 4 : at + 4 + size].decode("utf-8", "replace").partition("=")
        kind = {"tempo": "bpm", "initialkey": "key", "initial_key": "key"}.get(name.lower(), name.lower())
        if kind in ("bpm", "key", "genre", "title", "description") and value.strip():
            found.setdefault(kind, value.strip())
        at += 4 + size
        if at >= len(data):
            break
    return found


def _riff_chunks(file: BinaryIO, order: str) -> Iterator[tuple[bytes, bytes]]:
    """(id, first bytes of the body) of each chunk but the sound itself."""
    file.seek(12)
    for _ in range(MAX_FIELDS):
        head = file.read(8)
        if len(head) < 8:
            return
        size = struct.unpack(f"{order}I", head[4:])[0]
        if head[:4] in (b"data", b"SSND"):
            file.seek(size + size % 2, 1)
            continue
        body = file.read(min(size, MAX_TAG_BYTES))
        file.seek(size - len(body) + size % 2, 1)
        yield head[:4], body


def _chunks(file: BinaryIO, order: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, body in _riff_chunks(file, order):
        if name == b"acid" and len(body) >= 24:
            found.update(_acid(body))
        elif name.lower() == b"id3 " and body[:3] == b"ID3":
            found = {**_id3(body), **found}
        elif name == b"LIST" and body[:4] == b"INFO":
            found = {**_info(body[4:]), **found}
        elif name in (b"NAME", b"ANNO"):
            found.setdefault("title", body.decode("latin-1").strip("\0 "))
    return found


def _info(body: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while at + 8 <= len(body):
        size = int.from_bytes(body[at + 4 : at + 8], "little")
        kind = {b"IGNR": "genre", b"INAM": "title"}.get(body[at : at + 4])
        if kind:
            found[kind] = body[at + 8 : at + 8 + size].decode("utf-8", "replace").strip("\0 ")
        at += 8 + size + size % 2
    return found


def _acid(body: bytes) -> dict[str, str]:
    """Sony's loop chunk: flags, root note, length in beats, meter, tempo."""
    flags, root, _, _, beats, below, above, tempo = struct.unpack("<IHHfIHHf", body[:24])
    if flags & _ACID_ONE_SHOT:
        return {"one-shot": "yes"}
    found = {"bpm": f"{tempo:.3f}", "beats": str(beats), "meter": f"{above}/{below}"}
    return found | ({"root": str(root % 12)} if flags & _ACID_HAS_ROOT else {})


def _key(fields: dict[str, str]) -> KeyHint | None:
    try:
        if fields.get("key"):
            key = parse_key(fields["key"])
            return key.root, key.mode
    except BadRequest:
        pass
    return (int(fields["root"]), None) if "root" in fields else None


def _number(parse: object, text: str | None) -> object:
    assert callable(parse)
    try:
        return parse(text) if text else None
    except (BadRequest, ValueError):
        return None


def _hints(fields: dict[str, str]) -> Hints:
    tempo, meter = _number(parse_tempo, fields.get("bpm")), _number(Meter.parse, fields.get("meter"))
    beats = int(fields.get("beats", "0"))
    texts = [fields[kind] for kind in ("genre", "title") if kind in fields]
    return Hints(
        tempo=tempo if isinstance(tempo, Fraction) else None,
        meter=meter if isinstance(meter, Meter) else None,
        beats=Fraction(beats) if 0 < beats <= 4096 else None,
        key=_key(fields),
        one_shot=True if "one-shot" in fields else None,
        words=tuple(word for text in texts for word in words_in(text)),
    )
