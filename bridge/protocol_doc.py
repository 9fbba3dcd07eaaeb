"""docs/protocol.md, made from the tables. Print it with `python -m bridge.protocol`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from bridge import addresses, protocol
from bridge.addresses import Address, Arg
from bridge.live.messages import LiveCommand, LiveNote, LiveSessionStatus, LiveTrace
from engine.types import Plan, PlanBar, Report, Request

PREAMBLE = """# The protocol

Made from the tables in `bridge/protocol.py` and `bridge/addresses.py` by
`python -m bridge.protocol > docs/protocol.md`; do not edit. Version {version}.

An engine that is ready prints one line, `ready {{json}}`, and writes the same JSON to `--ready-file`:
`zmq` and `osc` are the addresses it really serves at.

Every request ends exactly once: done, cancelled, expired, refused or failed. Requests wait by
`priority` (9 first), then by the earlier deadline, then in the order they came; 64 wait at most.

## ZeroMQ

Default `{zmq}`. A DEALER sends `[tag, body]` or `[tag, body, audio]`; the body is msgpack, a map
from field names to values, and unknown fields are refused. Audio is float32, little endian,
interleaved, in a frame of its own; each bar is one message. A body is at most {body} MB, audio
at most {audio} MB. What is malformed is dropped and counted; a request that breaks a range is
answered by `failed`. Beyond loopback CURVE keys are needed on both sides (`--curve-keys DIR`).
"""

OSC = """## OSC

Default `{osc}`, UDP. Replies go to the sender and to every subscriber, one copy each. Types are
`i`, `f`, `s`, and `d` or `h` where a number is meant; an `i` takes a float that is whole, an `f` takes an int.
Bundles may be nested four deep, and their time tags may lie 60 s ahead. `...` repeats the last group.
Beyond loopback, only senders named by `--osc-allow` are heard, and file paths do not travel.
"""

CODES = """## Codes of `failed` and `/attacca/fail`

| code | means |
|---|---|
| bad-request | a value outside its range, an id that does not wait or render |
| bad-audio, bad-midi | a file that is missing, unreadable, empty, silent, or holds NaN |
| refused | the queue is full, the id is still under way, or this is not allowed here |
| expired | the deadline passed first |
| cancelled | its sender or a panic took it back, its client went away, or the engine shut down |
| unavailable | a disk, device or library is missing |
| failed | a bug of ours |
"""


def render() -> str:
    """The whole page."""
    lines = [
        PREAMBLE.format(
            version=protocol.VERSION,
            zmq=protocol.DEFAULT_ZMQ,
            body=protocol.MAX_BODY_BYTES >> 20,
            audio=protocol.MAX_AUDIO_BYTES >> 20,
        ),
        *_messages("to engine"),
        *_messages("from engine"),
        *_fields(Request),
        *_fields(Report),
        *_fields(Plan),
        *_fields(PlanBar),
        *_fields(LiveCommand),
        *_fields(LiveSessionStatus),
        *_fields(LiveTrace),
        *_fields(LiveNote),
        OSC.format(osc=protocol.DEFAULT_OSC),
        *_addresses("to engine"),
        *_addresses("from engine"),
        CODES,
    ]
    return "\n".join(lines).rstrip() + "\n"


def _messages(direction: protocol.Direction) -> Iterator[str]:
    yield f"### {direction.capitalize()}\n"
    yield "| tag | fields | audio | |"
    yield "|---|---|---|---|"
    for message in protocol.MESSAGES:
        if message.direction == direction:
            names = ", ".join(f"`{name}`" for name in message.struct.__struct_fields__)
            long = (
                f"see {message.struct.__name__}"
                if message.struct in (Request, Report, LiveCommand)
                else names or "none"
            )
            yield f"| `{message.tag.decode()}` | {long} | {message.audio} | {message.doc} |"
    yield ""


def _fields(struct: type[msgspec.Struct]) -> Iterator[str]:
    info: Any = msgspec.inspect.type_info(struct)
    yield f"### {struct.__name__}\n"
    yield "| field | takes | unless given |"
    yield "|---|---|---|"
    for field in info.fields:
        unless = "required" if field.required else f"`{_default(field)}`"
        yield f"| `{field.encode_name}` | {protocol.describe(field.type)} | {unless} |"
    yield ""


def _default(field: Any) -> str:
    if field.default is msgspec.UNSET or field.default is msgspec.NODEFAULT:
        return "{}"
    value = msgspec.to_builtins(field.default)
    if value is None:
        return "none"
    return "{}" if isinstance(value, dict) else str(value)


def _addresses(direction: addresses.Direction) -> Iterator[str]:
    yield f"### {direction.capitalize()}\n"
    yield "| address | arguments | |"
    yield "|---|---|---|"
    for row in addresses.ADDRESSES:
        if row.direction == direction:
            signature = addresses.signature(row).replace("|", "\\|") or "none"
            doc = " ".join(part for part in (row.doc, _ranges(row)) if part)
            yield f"| `{row.address}` | `{signature}` | {doc} |".replace("  ", " ").replace(" |", " |")
    yield ""


def _ranges(row: Address) -> str:
    told = [text for arg in row.args + row.repeat if (text := _range(arg))]
    return f"({'; '.join(told)})" if told else ""


def _range(arg: Arg) -> str:
    low, high = f"{arg.low:.10g}", f"{arg.high:.10g}"
    span = f"{low} to {high}" if "inf" not in low + high else ""
    glue = ", " if arg.unit[:1].isdigit() or arg.unit.startswith("-") else " "
    text = glue.join(part for part in (span, arg.unit) if part)
    return f"{arg.name}: {text}" if text else ""
