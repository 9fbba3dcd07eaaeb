"""Every OSC address that a DAW-side client names is in the table, and what it sends fits the types and ranges there."""

from __future__ import annotations

import json
import re
import shlex
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bridge.addresses import BY_ADDRESS, Address, Value, check
from plugin_host.daw.touchosc.make_layout import LAYOUT, layout

DAW = Path(__file__).resolve().parent.parent / "plugin_host" / "daw"
FITS = {"s": "s", "i": "ifdh", "f": "fdi", "d|f": "dfi"}
CLIENTS = ("ardour", "max", "puredata", "reaper", "supercollider", "touchosc")
FILES = sorted(path for path in DAW.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def text_of(path: Path) -> str:
    return zlib.decompress(path.read_bytes()).decode() if path.suffix == ".tosc" else path.read_text()


def fits(row: Address, tags: str) -> bool:
    """Whether type tags are those of a row, its groups repeated as often as there are tags."""
    kinds = [arg.kind for arg in row.args]
    again = [arg.kind for arg in row.repeat]
    while again and len(kinds) < len(tags):
        kinds += again
    return len(kinds) == len(tags) and all(tag in FITS[kind] for kind, tag in zip(kinds, tags, strict=True))


def test_every_client_has_a_folder_with_a_page_of_its_own() -> None:
    assert {path.name for path in DAW.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(CLIENTS)
    for client in CLIENTS:
        page = (DAW / client / "README.md").read_text()
        for part in ("## Install", "## Latency", "## Verified", "1. ", "2. ", "3. "):
            assert part in page, f"{client}: {part}"
        assert f"({client}/README.md)" in (DAW / "README.md").read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DAW)))
def test_every_address_is_in_the_table(path: Path) -> None:
    found = set(re.findall(r"/attacca/[a-z]+(?:/[a-z]+)?", text_of(path)))
    assert {address for address in found if address not in BY_ADDRESS} == set()


# ---- Pure Data: [oscformat -f TAGS attacca ...]; without -f numbers are floats


def pd_formats() -> list[tuple[str, str | None]]:
    text = "".join(path.read_text() for path in (DAW / "puredata").glob("*.pd"))
    found = re.findall(r"#X obj \d+ \d+ oscformat (?:-f (\w+) )?(attacca[a-z ]*);", text)
    return [("/" + words.replace(" ", "/"), tags or None) for tags, words in found]


def test_pd_sends_what_the_table_takes() -> None:
    found = pd_formats()
    assert {address for address, _ in found} == {
        f"/attacca/{name}"
        for name in ("prompt", "generate", "continue", "intensity", "melody", "ping", "panic", "live/hold")
    }
    for address, tags in found:
        row = BY_ADDRESS[address]
        assert row.direction == "to engine"
        assert fits(row, tags if tags else "f" * (len(row.args) + len(row.repeat))), address


def test_pd_and_max_listen_for_every_reply() -> None:
    replies = {row.address.removeprefix("/attacca/") for row in BY_ADDRESS.values() if row.direction == "from engine"}
    routed = re.search(r"route (done[a-z ]*);", (DAW / "puredata" / "example.pd").read_text())
    assert routed is not None
    assert set(routed[1].split()) == replies
    assert {"/attacca/done", "/attacca/progress", "/attacca/fail"} <= set(max_objects("route")[0])


# ---- REAPER: send("/attacca/...", "tags", ...)


def test_reaper_sends_what_the_table_takes() -> None:
    found = re.findall(
        r'send\("(/attacca/[a-z/]+)", "(\w*)"', (DAW / "reaper" / "attacca_replace_selection.py").read_text()
    )
    assert len(found) == 6
    assert all(fits(BY_ADDRESS[address], tags) for address, tags in found), found


# ---- SuperCollider: sendMsg('/attacca/...', ...), OSCFunc(..., '/attacca/...')


def test_supercollider_converts_every_number_that_it_sends() -> None:
    text = (DAW / "supercollider" / "Attacca.sc").read_text()
    sent = re.findall(r"sendMsg\('(/attacca/[a-z/]+)'", text) + re.findall(r"prAsk\('(/attacca/[a-z/]+)'", text)
    assert all(BY_ADDRESS[address].direction == "to engine" for address in sent)
    heard = re.findall(r"OSCFunc\(\{.*\}, '(/attacca/[a-z/]+)'", text)
    assert all(BY_ADDRESS[address].direction == "from engine" for address in heard)
    assert len(heard) == 3


# ---- Max: message boxes that begin with an address


def max_boxes() -> list[dict[str, object]]:
    patcher = json.loads((DAW / "max" / "attacca.maxpat").read_text())["patcher"]
    return [entry["box"] for entry in patcher["boxes"]]


def max_objects(name: str) -> list[list[str]]:
    words = [str(box.get("text", "")).split() for box in max_boxes() if box["maxclass"] == "newobj"]
    return [rest for first, *rest in words if first == name]


def max_value(word: str) -> Value:
    """What Max makes of a word: a whole number, a float, or text."""
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def test_max_messages_pass_the_table() -> None:
    inserted = {
        "/attacca/generate": {"$1": "4", "$2": "122.", "$3": "max-1"},
        "/attacca/continue": {"$1": "max-c-1", "$2": "/a.wav", "$3": "122."},
    }
    messages = [str(box["text"]) for box in max_boxes() if str(box.get("text", "")).startswith("/attacca")]
    assert len(messages) >= 10
    for message in messages:
        address, *words = shlex.split(message)
        values = tuple(max_value(inserted.get(address, {}).get(word, word)) for word in words)
        check(BY_ADDRESS[address], values)


def test_max_cables_lead_from_and_to_what_is_there() -> None:
    patcher = json.loads((DAW / "max" / "attacca.maxpat").read_text())["patcher"]
    boxes = {entry["box"]["id"]: entry["box"] for entry in patcher["boxes"]}
    assert len(boxes) == len(patcher["boxes"])
    for entry in patcher["lines"]:
        (source, outlet), (target, inlet) = entry["patchline"]["source"], entry["patchline"]["destination"]
        assert outlet < boxes[source]["numoutlets"]
        assert inlet < boxes[target]["numinlets"]


# ---- TouchOSC


def touchosc_messages() -> Iterator[tuple[str, list[ET.Element]]]:
    """Address and arguments of each message of the shipped layout."""
    for osc in ET.fromstring(zlib.decompress(LAYOUT.read_bytes())).iter("osc"):
        address = "".join(partial.findtext("value", "") for partial in osc.iterfind("path/partial"))
        yield address, list(osc.iterfind("arguments/partial"))


def test_touchosc_messages_pass_the_table() -> None:
    kinds = {"INTEGER": int, "FLOAT": float, "STRING": str}
    found = list(touchosc_messages())
    assert len(found) == 20
    for address, arguments in found:
        for end in ("scaleMin", "scaleMax"):  # of a fader; a constant is the same at both
            shown = [
                kinds[one.findtext("conversion", "")](
                    one.findtext("value" if one.findtext("type") == "CONSTANT" else end, "")
                )
                for one in arguments
            ]
            check(BY_ADDRESS[address], tuple(shown))


def test_the_touchosc_layout_is_what_its_maker_makes() -> None:
    assert zlib.decompress(LAYOUT.read_bytes()) == zlib.decompress(layout()), "make it anew: see make_layout.py"
    root = ET.fromstring(zlib.decompress(LAYOUT.read_bytes()))
    places = [[float(side.text or "") for side in frame] for frame in root.iterfind(".//property[key='frame']/value")]
    assert all(x >= 0 and y >= 0 and x + w <= 720 and y + h <= 1280 for x, y, w, h in places)
