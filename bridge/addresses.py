"""The OSC side of the protocol, as a table: address -> arguments -> names, units, ranges.

Signatures are those of docs/protocol.md, which is made from this table. Senders differ in
their number types (Pure Data sends every number as a float), so an `i` takes an integral float
and an `f` takes an int or a double; what is out of range is answered in one sentence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from bridge.live.messages import MAX_HOLD_BARS
from engine.errors import BadRequest
from engine.types import MAX_BARS

Value = int | float | str
Kind = Literal["s", "i", "f", "d|f"]
Direction = Literal["to engine", "from engine"]

MAX_TEXT = 1000
MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class Arg:
    """One argument. low and high bound numbers (inclusive) or the length of a string."""

    kind: Kind
    name: str
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""


@dataclass(frozen=True)
class Address:
    """A row: fixed `args`, then any number of groups `repeat` (at most `max_groups`)."""

    address: str
    direction: Direction
    args: tuple[Arg, ...]
    doc: str
    repeat: tuple[Arg, ...] = ()
    max_groups: int = 0


ID = Arg("s", "id", 1, 128, "characters")
BARS = Arg("i", "bars", 1, MAX_BARS, "bars")
TEMPO = Arg("d|f", "tempo", 20, 400, "quarters per minute")
METER = Arg("s", "meter", 0, 16, "characters; n/d, empty means 4/4")
SEED = Arg("i", "seed", -1, MAX_SEED, "-1: the engine picks one")
SOURCE = Arg("s", "path", 1, MAX_TEXT, "characters; a WAV or FLAC the engine can read")
EDITED = Arg("s", "bars", 1, MAX_TEXT, "characters; counted from 1, as 3 or 3-4")
SEVERAL = Arg("s", "bars", 1, MAX_TEXT, "characters; counted from 1, as 3-4 or 3-4,7")
PLACE = (TEMPO, METER, SEED)
BEAT = Arg("f", "beat", 0, 100_000, "quarters from the first new bar")

ADDRESSES: tuple[Address, ...] = (
    Address(
        "/attacca/generate",
        "to engine",
        (ID, Arg("s", "prompt", 0, MAX_TEXT, "characters; empty: the prompt set before"), BARS, TEMPO, METER, SEED),
        "Makes new bars from a prompt and the state set before.",
    ),
    Address(
        "/attacca/continue",
        "to engine",
        (ID, SOURCE, BARS, *PLACE),
        "Makes new bars that follow a file, under the state set before.",
    ),
    Address(
        "/attacca/fill",
        "to engine",
        (ID, SOURCE, SEVERAL, *PLACE),
        "Makes bars of a file anew from what lies around them; `done` names the whole file with its new bars.",
    ),
    Address(
        "/attacca/vary",
        "to engine",
        (ID, SOURCE, SEVERAL, Arg("f", "strength", 0.01, 1, "(0.01: hardly, 1: as a fill)"), *PLACE),
        "As fill, but goes on from what the bars hold.",
    ),
    Address(
        "/attacca/accompany",
        "to engine",
        (
            ID,
            SOURCE,
            EDITED,
            Arg("s", "parts", 0, 64, "characters, as drums,bass; empty: the parts set before"),
            *PLACE,
        ),
        "Makes a part that sounds under bars of a file; `done` names the part alone.",
    ),
    Address(
        "/attacca/loop",
        "to engine",
        (ID, Arg("s", "path", 0, MAX_TEXT, "characters; empty: from the prompt set before"), BARS, *PLACE),
        "Makes bars whose last one leads into the first; with a file they sound like what follows it.",
    ),
    Address(
        "/attacca/extend",
        "to engine",
        (ID, SOURCE, Arg("s", "end", 4, 5, "characters: front or back"), BARS, *PLACE),
        "Makes bars before or after a file; `done` names the longer file.",
    ),
    Address("/attacca/cancel", "to engine", (ID,), "Takes a request back; its `/attacca/fail` comes within 100 ms."),
    Address(
        "/attacca/prompt",
        "to engine",
        (),
        "Sets the prompt of later requests that bring none; without arguments, clears it.",
        (Arg("s", "prompt", 1, MAX_TEXT, "characters"), Arg("f", "weight", 0, 100)),
        16,
    ),
    Address(
        "/attacca/style",
        "to engine",
        (),
        "Sets audio files whose style is mixed into the prompts of later requests; without arguments, clears them.",
        (
            Arg("s", "path", 1, MAX_TEXT, "characters; an audio file the engine can read, heard for its first 20 s"),
            Arg("f", "weight", 0, 100),
        ),
        8,
    ),
    Address(
        "/attacca/intensity",
        "to engine",
        (),
        "Sets the intensity curve of later requests, linear between points; without arguments, clears it.",
        (BEAT, Arg("f", "level", -60, 6, "dBFS")),
        2_000,
    ),
    Address(
        "/attacca/melody",
        "to engine",
        (),
        "Sets the melody of later requests; without arguments, clears it.",
        (
            Arg("i", "pitch", 0, 127, "MIDI note"),
            BEAT,
            Arg("f", "length", 0.001, 10_000, "quarters"),
            Arg("f", "velocity", 1, 127),
        ),
        2_000,
    ),
    Address(
        "/attacca/key",
        "to engine",
        (),
        "Sets the key of later requests; without arguments, clears it.",
        (Arg("s", "key", 1, 32, "characters, as Am or F# dorian"),),
        1,
    ),
    Address(
        "/attacca/chords",
        "to engine",
        (),
        "Sets the chords of later requests, one a bar unless told; without arguments, clears them.",
        (Arg("s", "chords", 1, 4_000, "characters, as Am F C G"),),
        1,
    ),
    Address(
        "/attacca/parts",
        "to engine",
        (),
        "Sets which parts play in later requests; without arguments, clears them.",
        (Arg("s", "part", 1, 16, "characters: drums, bass, chords, lead or other"),),
        5,
    ),
    Address("/attacca/ping", "to engine", (Arg("s", "token", 0, 128, "characters"),), "Answered by `/attacca/pong`."),
    Address(
        "/attacca/subscribe",
        "to engine",
        (Arg("i", "port", 0, 65_535, "UDP port on the sender's host; 0 ends it"),),
        "Sends a copy of every reply to this port. The sender itself then gets its replies there only.",
    ),
    Address("/attacca/panic", "to engine", (), "Takes every request back."),
    Address(
        "/attacca/live/hold",
        "to engine",
        (Arg("i", "bars", 0, MAX_HOLD_BARS, "bars; 0 releases them"),),
        "All live sessions repeat the last bars.",
    ),
    Address(
        "/attacca/live/recall",
        "to engine",
        (
            Arg("i", "bar", -100_000, 100_000, "counted from 0"),
            Arg("i", "take", -1, 1_000_000, "-1: the newest"),
        ),
        "Brings back a bar heard before.",
    ),
    Address(
        "/attacca/live/policy",
        "to engine",
        (Arg("s", "policy", 1, 8, "characters: echo, now or off"),),
        "What live notes do: guide the next bar, go on from now, nothing.",
    ),
    Address(
        "/attacca/live/quantise",
        "to engine",
        (Arg("s", "grid", 1, 8, "characters: bar, beat or now"),),
        "Where changes take hold.",
    ),
    Address("/attacca/live/continue", "to engine", (), "The next bar continues what the track carries."),
    Address("/attacca/live/panic", "to engine", (), "Live sessions drop what is planned and plan nothing."),
    Address(
        "/attacca/done",
        "from engine",
        (
            ID,
            Arg("s", "path", unit="a float WAV in the engine's render folder; empty to other machines"),
            Arg("i", "frames"),
            Arg("i", "rate", unit="Hz"),
            Arg("f", "compute_s", unit="seconds from dequeue to last sample"),
        ),
        "The request is done and its file is whole.",
    ),
    Address(
        "/attacca/fail",
        "from engine",
        (Arg("s", "id"), Arg("s", "code"), Arg("s", "text")),
        "The request ended otherwise, or a message broke its range (then the id may be empty).",
    ),
    Address("/attacca/progress", "from engine", (ID, Arg("f", "fraction", 0, 1)), "How far a render is."),
    Address("/attacca/pong", "from engine", (Arg("s", "token"),), "Answers `/attacca/ping`."),
)

BY_ADDRESS = {row.address: row for row in ADDRESSES}


def typetags(address: str, values: int) -> str:
    """The type tags with which `values` arguments travel; a tempo goes as a float."""
    row = BY_ADDRESS[address]
    groups = (values - len(row.args)) // len(row.repeat) if row.repeat else 0
    args = row.args + row.repeat * groups
    assert len(args) == values, f"{address} takes {signature(row)}"
    return "".join("f" if arg.kind == "d|f" else arg.kind for arg in args)


def signature(row: Address) -> str:
    """As in the documentation: `i:bars d|f:tempo ...`."""
    fixed = [f"{arg.kind}:{arg.name}" for arg in row.args]
    again = [f"{arg.kind}:{arg.name}" for arg in row.repeat]
    return " ".join(fixed + ([" ".join(again) + " ..."] if again else []))


def check(row: Address, values: tuple[Value, ...]) -> tuple[Value, ...]:
    """The arguments converted to what the table says. Raises BadRequest in one sentence."""
    rest = len(values) - len(row.args)
    groups, odd = divmod(rest, len(row.repeat)) if row.repeat else (0, rest)
    if rest < 0 or odd or groups > row.max_groups:
        most = f" (at most {row.max_groups} times)" if row.repeat else ""
        raise BadRequest(f"{row.address} takes {signature(row) or 'no arguments'}{most}; {len(values)} came")
    return tuple(_value(row, arg, value) for arg, value in zip(row.args + row.repeat * groups, values, strict=True))


def _value(row: Address, arg: Arg, value: Value) -> Value:
    if arg.kind == "s":
        if isinstance(value, str) and arg.low <= len(value) <= arg.high:
            return value
        raise BadRequest(f"{row.address}: {arg.name} is text of {arg.low:g} to {arg.high:g} {arg.unit}")
    if isinstance(value, str) or not math.isfinite(value) or not arg.low <= value <= arg.high:
        raise BadRequest(f"{row.address}: {arg.name} is {_legal(arg)}; got {str(value)[:40]}")
    if arg.kind == "i":
        if value != int(value):
            raise BadRequest(f"{row.address}: {arg.name} is {_legal(arg)}; got {value}")
        return int(value)
    return float(value)


def _legal(arg: Arg) -> str:
    kind = "a whole number" if arg.kind == "i" else "a number"
    return f"{kind} from {arg.low:.10g} to {arg.high:.10g}" + (f" ({arg.unit})" if arg.unit else "")
