"""The fixed OSC signatures of the table, each compiled into structs: what travels on the hot path, in both directions.

A datagram is known by its head (address and type tags, padded), which is looked up whole. What has another
head, or does not fit its layout to the byte, is left to the general codec (bridge.osc.codec), which gives the
same answer more slowly, or says what is wrong.

*Threading*: pure functions over tables that nobody changes; time is bounded by the datagram's length.
"""

from __future__ import annotations

import struct
from itertools import groupby, product
from math import isfinite
from typing import NamedTuple

from bridge.addresses import ADDRESSES, Address, Value

LONGEST_BYTES = 65_507
LONGEST_HEAD = 64
USUAL_GROUPS = 4
"""Rows that repeat are compiled for so many groups; more are left to the general codec."""
_PADDING = (b"\0\0\0\0", b"\0\0\0", b"\0\0", b"\0")
_CODES = {"i": "i", "f": "f", "d": "d"}


class Run(NamedTuple):
    """Numbers that follow each other; form: None for one string instead. floats: one of them may be NaN."""

    form: struct.Struct | None
    numbers: int
    floats: bool


class Layout(NamedTuple):
    """A signature: what its datagrams begin with, then its runs."""

    address: str
    head: bytes
    runs: tuple[Run, ...]


def padded(data: bytes) -> bytes:
    """An OSC string: ended by one to four NULs, a multiple of four."""
    return data + _PADDING[len(data) % 4]


def layout_of(address: str, tags: str) -> Layout:
    """The layout of an address with tags of i, f, d and s."""
    runs: list[Run] = []
    for text, group in groupby(tags, lambda tag: tag == "s"):
        same = "".join(group)
        if text:
            runs += [Run(None, 1, False)] * len(same)
        else:
            form = struct.Struct(">" + "".join(_CODES[tag] for tag in same))
            runs.append(Run(form, len(same), "f" in same or "d" in same))
    return Layout(address, padded(address.encode()) + padded(b"," + tags.encode()), tuple(runs))


def signatures(row: Address) -> list[str]:
    """The type tags with which a row travels: a tempo as a float or a double, a few groups where it repeats."""
    fixed = ["".join(kinds) for kinds in product(*(arg.kind.split("|") for arg in row.args))]
    again = "".join(arg.kind for arg in row.repeat)
    return [tags + again * groups for tags in fixed for groups in range(USUAL_GROUPS + 1 if again else 1)]


LAYOUTS = {(row.address, tags): layout_of(row.address, tags) for row in ADDRESSES for tags in signatures(row)}
_BY_HEAD = {layout.head: layout for layout in LAYOUTS.values()}


def read(datagram: bytes) -> tuple[str, tuple[Value, ...]] | None:
    """(address, arguments) of a message that fits a layout to the byte; None: ask the general codec."""
    size, comma = len(datagram), datagram.find(b",", 0, LONGEST_HEAD)
    stop = datagram.find(b"\0", comma, comma + LONGEST_HEAD) if comma > 0 else -1
    at = (stop // 4 + 1) * 4
    layout = _BY_HEAD.get(datagram[:at]) if stop > 0 and size <= LONGEST_BYTES else None
    if layout is None:
        return None
    args: list[Value] = []
    for form, _, floats in layout.runs:
        if form is not None:
            after = at + form.size
            if after > size:
                return None
            found = form.unpack_from(datagram, at)
            if floats and not all(map(isfinite, found)):
                return None
            args += found
        else:
            end = datagram.find(b"\0", at)
            after = (end // 4 + 1) * 4
            if end < 0 or after > size or datagram[end:after] != _PADDING[end % 4]:
                return None
            try:
                args.append(datagram[at:end].decode())
            except UnicodeDecodeError:
                return None
        at = after
    return (layout.address, tuple(args)) if at == size else None


def write(layout: Layout, args: tuple[Value, ...]) -> bytes:
    """The datagram of checked arguments. Text holds no NUL. Raises struct.error and OverflowError for misfits."""
    parts, at = [layout.head], 0
    for form, numbers, _ in layout.runs:
        if form is not None:
            parts.append(form.pack(*args[at : at + numbers]))
        else:
            text = args[at]
            assert isinstance(text, str)
            parts.append(padded(text.encode("utf-8", "replace")))
        at += numbers
    return b"".join(parts)
