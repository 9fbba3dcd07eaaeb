"""OSC datagrams, strictly and in bounded time: what is not exactly right is Malformed.

Accepts messages with flat arguments of the types i, h, f, d, s, and bundles of them (four deep,
64 messages at most). Every size, padding byte and type tag is checked before it is used, and
no number is NaN or infinite; so nothing that comes after needs to be careful. (The general
parsers loop for ever on a bundle element of size zero, or pass NaN on.) Messages of the table
take a shorter way (bridge.osc.fixed) with the same answers.

*Threading*: pure functions; time is bounded by the datagram's length.
"""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

from bridge.addresses import Value
from bridge.osc import fixed
from bridge.osc.fixed import padded

MAX_DATAGRAM_BYTES = fixed.LONGEST_BYTES
MAX_DEPTH = 4
MAX_MESSAGES = 64
MAX_ARGS = 8_192
LONGEST_TEXT = 1_000
IMMEDIATELY = 1
_BUNDLE = b"#bundle\0"
_NUMBERS = {"i": struct.Struct(">i"), "h": struct.Struct(">q"), "f": struct.Struct(">f"), "d": struct.Struct(">d")}


class Malformed(Exception):
    """A datagram that is no OSC, or more of it than is allowed."""


class Message(NamedTuple):
    """One message; time_tag is that of the innermost bundle around it (1: immediately)."""

    address: str
    args: tuple[Value, ...]
    time_tag: int


def decode(datagram: bytes) -> list[Message]:
    """All messages of a datagram, in order. Raises Malformed, and nothing else."""
    known = fixed.read(datagram)
    return decode_any(datagram) if known is None else [Message(*known, IMMEDIATELY)]


def decode_any(datagram: bytes) -> list[Message]:
    """The same, whatever the signature."""
    if not 8 <= len(datagram) <= MAX_DATAGRAM_BYTES or len(datagram) % 4:
        raise Malformed("size")
    found: list[Message] = []
    _packet(datagram, 0, len(datagram), IMMEDIATELY, 0, found)
    return found


def _packet(data: bytes, at: int, end: int, time_tag: int, depth: int, found: list[Message]) -> None:
    if data[at : at + 1] == b"/":
        if len(found) >= MAX_MESSAGES:
            raise Malformed("too many messages")
        found.append(_message(data[at:end], time_tag))
    elif data[at : at + 8] == _BUNDLE and end - at >= 16:
        _bundle(data, at + 8, end, depth + 1, found)
    else:
        raise Malformed("neither message nor bundle")


def _bundle(data: bytes, at: int, end: int, depth: int, found: list[Message]) -> None:
    if depth > MAX_DEPTH:
        raise Malformed("nested too deep")
    (time_tag,) = struct.unpack_from(">Q", data, at)
    at += 8
    while at < end:
        if end - at < 4:
            raise Malformed("a size is cut off")
        (size,) = struct.unpack_from(">i", data, at)
        at += 4
        if size < 8 or size % 4 or size > end - at:
            raise Malformed("an element's size")
        _packet(data, at, at + size, time_tag, depth, found)
        at += size


def _message(data: bytes, time_tag: int) -> Message:
    address, at = _string(data, 0)
    tags, at = _string(data, at)
    if not tags.startswith(",") or len(tags) > MAX_ARGS:
        raise Malformed("type tags")
    args: list[Value] = []
    for tag in tags[1:]:
        if tag == "s":
            text, at = _string(data, at)
            args.append(text)
            continue
        number, at = _number(data, at, tag)
        args.append(number)
    if at != len(data):
        raise Malformed("bytes after the last argument")
    return Message(address, tuple(args), time_tag)


def _number(data: bytes, at: int, tag: str) -> tuple[int | float, int]:
    form = _NUMBERS.get(tag)
    if form is None or at + form.size > len(data):
        raise Malformed("an argument")
    (number,) = form.unpack_from(data, at)
    if not math.isfinite(number):
        raise Malformed("a number that is none")
    return number, at + form.size


def _string(data: bytes, at: int) -> tuple[str, int]:
    end = data.find(b"\0", at)
    if end < 0:
        raise Malformed("a string without an end")
    after = (end // 4 + 1) * 4
    if data[end:after].strip(b"\0") or after > len(data):
        raise Malformed("the padding of a string")
    try:
        return data[at:end].decode("utf-8"), after
    except UnicodeDecodeError as error:
        raise Malformed("a string that is no UTF-8") from error


def encode(address: str, tags: str, args: tuple[Value, ...], longest: int = LONGEST_TEXT) -> bytes:
    """One message; tags are i, h, f, d, s. Text is cut at its first NUL and at `longest` characters.

    Raises Malformed for a number that its type does not hold.
    """
    assert len(tags) == len(args)
    args = tuple(a if not isinstance(a, str) else a.partition("\0")[0][:longest] for a in args)
    layout = fixed.LAYOUTS.get((address, tags))
    try:
        return _packed(address, tags, args) if layout is None else fixed.write(layout, args)
    except (struct.error, OverflowError) as error:
        raise Malformed(f"a number that {tags!r} does not hold") from error


def _packed(address: str, tags: str, args: tuple[Value, ...]) -> bytes:
    """The same, whatever the signature."""
    parts = [padded(address.encode("utf-8", "replace")), padded(b"," + tags.encode())]
    for tag, value in zip(tags, args, strict=True):
        if tag == "s":
            assert isinstance(value, str)
            parts.append(padded(value.encode("utf-8", "replace")))
        else:
            parts.append(_NUMBERS[tag].pack(value))
    return b"".join(parts)
