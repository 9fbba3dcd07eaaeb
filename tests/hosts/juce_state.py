"""The state file of a VST3 in a JUCE host (DawDreamer), opened as far as DPF's keys and values.

JUCE writes a header, XML, and in it a base 64 of its own: "SIZE.TEXT", six bits a letter, the lowest first. In it DPF
writes keys and values as C strings between marks.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping

LETTERS = ".ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+"
MAGIC = b"VC2!"
BEGIN, END = b"__dpf_state_begin__", b"__dpf_state_end__"


def decoded(text: str) -> bytes:
    """The bytes of JUCE's "SIZE.TEXT"."""
    size, letters = text.split(".", 1)
    bits = sum(LETTERS.index(letter) << (6 * index) for index, letter in enumerate(letters))
    return bits.to_bytes(max(int(size), (bits.bit_length() + 7) // 8), "little")[: int(size)]


def encoded(data: bytes) -> str:
    bits, count = int.from_bytes(data, "little"), (len(data) * 8 + 5) // 6
    return f"{len(data)}." + "".join(LETTERS[(bits >> (6 * index)) & 63] for index in range(count))


def component(state: bytes) -> bytes:
    """What the plugin itself wrote."""
    found = re.search(rb"<IComponent>(.*?)</IComponent>", state)
    assert state[:4] == MAGIC
    assert found is not None
    return decoded(found.group(1).decode())


def values(data: bytes) -> dict[str, str]:
    """DPF's keys and values."""
    words = data[data.index(BEGIN) + len(BEGIN) + 1 : data.index(END)].split(b"\0")[:-1]
    return {key.decode(): value.decode() for key, value in zip(words[::2], words[1::2], strict=True)}


def changed(state: bytes, **changes: str) -> bytes:
    """The state file with other values of DPF's keys."""
    data = component(state)
    merged: Mapping[str, str] = {**values(data), **changes}
    words = b"".join(f"{key}\0{value}\0".encode() for key, value in merged.items())
    inside = data[: data.index(BEGIN)] + BEGIN + b"\0" + words + data[data.index(END) :]
    fresh = f"<IComponent>{encoded(inside)}</IComponent>".encode()
    text = re.sub(rb"<IComponent>.*?</IComponent>", fresh, state[8:].rstrip(b"\0"))
    return MAGIC + struct.pack("<I", len(text)) + text + b"\0"
