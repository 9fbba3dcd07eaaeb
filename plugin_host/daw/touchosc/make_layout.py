"""Writes attacca.tosc, the TouchOSC layout: `python -m plugin_host.daw.touchosc.make_layout [FILE]`.

A .tosc is XML, compressed with zlib; the same table gives the same bytes. A phone sits at another address than the
engine, so the layout has what needs no files: prompts and level of later requests, and the live sessions.
"""

from __future__ import annotations

import sys
import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

LAYOUT = Path(__file__).with_name("attacca.tosc")
WIDTH, HEIGHT, GAP, ROW, COLUMNS = 720, 1280, 16, 110, 4
IDS = uuid.UUID("3b0c4a52-9a5e-4e0b-8a55-0a77acca0001")
CONVERSIONS = {"i": "INTEGER", "f": "FLOAT", "s": "STRING"}
Argument = tuple[str, str | float]


@dataclass(frozen=True)
class Control:
    """A button, or a fader with its range. arguments: (type tag, constant); a fader adds its value as a float."""

    caption: str
    address: str
    arguments: tuple[Argument, ...] = ()
    fader: tuple[float, float] | None = None
    colour: tuple[float, float, float] = (0.2, 0.35, 0.6)


def prompt(words: str) -> Control:
    return Control(words, "/attacca/prompt", (("s", words), ("f", 1.0)))


def hold(caption: str, bars: int) -> Control:
    return Control(caption, "/attacca/live/hold", (("i", bars),), colour=(0.55, 0.4, 0.1))


def policy(caption: str, word: str) -> Control:
    return Control(caption, "/attacca/live/policy", (("s", word),), colour=(0.15, 0.45, 0.3))


def quantise(caption: str, word: str) -> Control:
    return Control(caption, "/attacca/live/quantise", (("s", word),), colour=(0.35, 0.25, 0.5))


RED = (0.7, 0.15, 0.15)
ROWS: tuple[tuple[str, tuple[Control, ...]], ...] = (
    ("prompt of later requests", tuple(prompt(words) for words in ("deep house", "techno", "lo-fi", "ambient"))),
    ("level of later requests, -60 to 0 dB", (Control("", "/attacca/intensity", (("f", 0.0),), fader=(-60.0, 0.0)),)),
    ("", (Control("no prompt", "/attacca/prompt"), Control("no level", "/attacca/intensity"))),
    ("hold the last bars", (hold("1", 1), hold("2", 2), hold("4", 4), hold("let go", 0))),
    ("notes that are played", (policy("guide", "echo"), policy("go on now", "now"), policy("off", "off"))),
    ("changes land on the next", (quantise("bar", "bar"), quantise("beat", "beat"), quantise("now", "now"))),
    ("", (Control("go on from the track", "/attacca/live/continue"),)),
    (
        "",
        (Control("live: stop", "/attacca/live/panic", colour=RED), Control("all: stop", "/attacca/panic", colour=RED)),
    ),
)


def _property(parent: ET.Element, kind: str, key: str, value: str | dict[str, float]) -> None:
    entry = ET.SubElement(parent, "property", {"type": kind})
    ET.SubElement(entry, "key").text = key
    held = ET.SubElement(entry, "value")
    if isinstance(value, str):
        held.text = value
        return
    for name, number in value.items():
        ET.SubElement(held, name).text = f"{number:g}"


def _value(parent: ET.Element, key: str, default: str) -> None:
    entry = ET.SubElement(parent, "value")
    for name, text in (("key", key), ("locked", "0"), ("lockedDefaultCurrent", "1"), ("default", default)):
        ET.SubElement(entry, name).text = text
    ET.SubElement(entry, "defaultPull").text = "0"


def _partial(parent: ET.Element, kind: str, conversion: str, value: str, low: float = 0, high: float = 1) -> None:
    entry = ET.SubElement(parent, "partial")
    fields = {"type": kind, "conversion": conversion, "value": value, "scaleMin": f"{low:g}", "scaleMax": f"{high:g}"}
    for name, text in fields.items():
        ET.SubElement(entry, name).text = text


def _message(parent: ET.Element, control: Control) -> None:
    osc = ET.SubElement(parent, "osc")
    for name, text in (("enabled", "1"), ("send", "1"), ("receive", "0"), ("feedback", "0"), ("connections", "00001")):
        ET.SubElement(osc, name).text = text
    trigger = ET.SubElement(ET.SubElement(osc, "triggers"), "trigger")
    ET.SubElement(trigger, "var").text = "x"
    ET.SubElement(trigger, "condition").text = "ANY" if control.fader else "RISE"
    path = ET.SubElement(osc, "path")
    for part in control.address.strip("/").split("/"):
        _partial(path, "CONSTANT", "STRING", "/")
        _partial(path, "CONSTANT", "STRING", part)
    arguments = ET.SubElement(osc, "arguments")
    for tag, constant in control.arguments:
        _partial(arguments, "CONSTANT", CONVERSIONS[tag], str(constant))
    if control.fader:
        _partial(arguments, "VALUE", "FLOAT", "x", *control.fader)


Place = tuple[int, int, int, int]


def _node(kind: str, name: str, place: Place, colour: tuple[float, float, float], shown: bool = True) -> ET.Element:
    node = ET.Element("node", {"ID": str(uuid.uuid5(IDS, name)), "type": kind})
    properties = ET.SubElement(node, "properties")
    _property(properties, "s", "name", name)
    _property(properties, "r", "frame", dict(zip("xywh", place, strict=True)))
    _property(properties, "c", "color", dict(zip("rgba", (*colour, 1.0 if shown else 0.0), strict=True)))
    _property(properties, "b", "background", str(int(shown)))
    _property(properties, "b", "interactive", str(int(kind in ("BUTTON", "FADER"))))
    _property(properties, "b", "visible", "1")
    if kind == "BUTTON":
        _property(properties, "i", "buttonType", "0")
    if kind == "FADER":
        _property(properties, "i", "orientation", "1")
    if kind == "LABEL":
        for key, number in (("textAlignH", "2"), ("textAlignV", "2"), ("textSize", "26")):
            _property(properties, "i", key, number)
        _property(properties, "c", "textColor", dict.fromkeys("rgba", 1.0))
    for part in ("values", "messages", "children"):
        ET.SubElement(node, part)
    return node


def _label(text: str, name: str, place: Place) -> ET.Element:
    node = _node("LABEL", name, place, (0, 0, 0), shown=False)
    _value(_part(node, "values"), "text", text)
    return node


def _part(node: ET.Element, name: str) -> ET.Element:
    found = node.find(name)
    assert found is not None
    return found


def _controls() -> Iterator[ET.Element]:
    """Buttons and faders row by row, captions above and on them: later nodes lie on top."""
    y = GAP
    for number, (title, controls) in enumerate(ROWS):
        if title:
            yield _label(title, f"title {number}", (GAP, y, WIDTH - 2 * GAP, 34))
            y += 38
        width = (WIDTH - GAP * (len(controls) + 1)) // len(controls)
        for column, control in enumerate(controls):
            place = (GAP + column * (width + GAP), y, width, ROW - 20)
            node = _node("FADER" if control.fader else "BUTTON", f"control {number}.{column}", place, control.colour)
            _value(_part(node, "values"), "x", "0")
            _message(_part(node, "messages"), control)
            yield node
            if control.caption:
                yield _label(control.caption, f"caption {number}.{column}", place)
        y += ROW


def layout() -> bytes:
    """The whole .tosc."""
    root = _node("GROUP", "Attacca", (0, 0, WIDTH, HEIGHT), (0.06, 0.06, 0.08))
    _part(root, "children").extend(_controls())
    whole = ET.Element("lexml", {"version": "3"})
    whole.append(root)
    return zlib.compress(b'<?xml version="1.0" encoding="UTF-8"?>' + ET.tostring(whole, encoding="utf-8"), 6)


if __name__ == "__main__":
    (Path(sys.argv[1]) if len(sys.argv) > 1 else LAYOUT).write_bytes(layout())
