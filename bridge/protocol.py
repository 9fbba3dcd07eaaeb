"""The protocol is a table: tag -> struct -> direction, from which validators and docs derive.

ZeroMQ: a client's DEALER speaks to the engine's ROUTER in multipart messages
`[tag, msgpack body]`, or `[tag, msgpack body, float32 audio]` where the table says so.
OSC addresses are in `bridge.addresses`. `python -m bridge.protocol` prints docs/protocol.md.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from bridge.live.messages import AskLive, LiveAudio, LiveCommand, LiveDone, LiveStatus
from engine.events import Accepted, Ended, Health, Metrics, Progress
from engine.types import MAX_SECONDS, Audio, Channels, Id, Plan, PlanBar, Rate, Report, Request, Struct

VERSION = 1
DEFAULT_ZMQ = "tcp://127.0.0.1:9800"
DEFAULT_OSC = "127.0.0.1:9810"
DEFAULT_WEB = 9820
MAX_BODY_BYTES = 2 << 20
MAX_AUDIO_BYTES = 512 << 20
AUDIO_DTYPE = np.dtype("<f4")

Direction = Literal["to engine", "from engine"]


class Cancel(Struct, frozen=True):
    id: Id


class Panic(Struct, frozen=True):
    """Takes back every request of every client."""


class Ping(Struct, frozen=True):
    token: Annotated[str, msgspec.Meta(max_length=128)] = ""


class Pong(Struct, frozen=True):
    token: str
    protocol: int = VERSION


class AskHealth(Struct, frozen=True):
    """canary: render the canary again first, ahead of all that waits."""

    canary: bool = False


class AskInfo(Struct, frozen=True):
    """Asks what the engine is."""


class Info(Struct, frozen=True):
    """What the engine is; `detail` is the renderer's own description (styles, parts, licence)."""

    protocol: int
    bundle: str
    runtime: str
    threads: int
    detail: dict[str, Any]


class AskMetrics(Struct, frozen=True):
    """Asks for counts and quantiles since the start."""


class Subscribe(Struct, frozen=True):
    """From now on (or no longer) this client hears accepted, progress and ends of all requests.

    live: also the audio that live sessions write to their caches.
    """

    on: bool = True
    live: bool = False


class AudioHeader(Struct, frozen=True):
    """One bar, or a piece of it; its float32 interleaved frames follow as a frame of their own.

    first_frame counts from the first new bar; a continuation's lead-in, the new sound right before
    it, which the seam fades in (engine.render.join), has a negative one. `last`: nothing follows.
    """

    id: str
    first_frame: int
    frames: Annotated[int, msgspec.Meta(ge=0, le=MAX_SECONDS * 192_000)]
    channels: Channels
    rate: Rate
    last: bool


class Failed(Struct, frozen=True):
    """The end of a request that brings no audio. `id` is empty when it is about no request."""

    id: str
    ending: Literal["cancelled", "expired", "refused", "failed"]
    code: str
    text: str


@dataclasses.dataclass(frozen=True)
class Message:
    """A row of the table. audio: whether a float32 frame may or must follow the body."""

    tag: bytes
    struct: type[msgspec.Struct]
    direction: Direction
    doc: str
    audio: Literal["no", "maybe", "yes"] = "no"


MESSAGES: tuple[Message, ...] = (
    Message(b"request", Request, "to engine", "Asks for new bars. With `inline`, its audio follows.", "maybe"),
    Message(b"cancel", Cancel, "to engine", "Takes a request back; its `failed` comes within 100 ms."),
    Message(b"panic", Panic, "to engine", "Takes every request back."),
    Message(b"ping", Ping, "to engine", "Answered at once by `pong` with the same token. Also the heartbeat."),
    Message(b"health?", AskHealth, "to engine", "Asks whether the engine can be trusted."),
    Message(b"info?", AskInfo, "to engine", "Asks what the engine is."),
    Message(b"metrics?", AskMetrics, "to engine", "Asks for counts and times."),
    Message(b"subscribe", Subscribe, "to engine", "Progress of all requests, also those of others and of OSC."),
    Message(
        b"live", LiveCommand, "to engine", "Asks something of a live session; answered by `live-done` or `failed`."
    ),
    Message(b"live?", AskLive, "to engine", "Asks what the live sessions do."),
    Message(b"accepted", Accepted, "from engine", "The request stands in the queue."),
    Message(b"progress", Progress, "from engine", "How far a render is."),
    Message(b"audio", AudioHeader, "from engine", "One bar (with `piece_ms`, a piece of it) once decoded.", "yes"),
    Message(b"done", Report, "from engine", "The end of a request whose bars have all been sent."),
    Message(b"failed", Failed, "from engine", "The end of any other request: one code, one sentence."),
    Message(b"pong", Pong, "from engine", "Answers `ping`."),
    Message(b"health", Health, "from engine", "Answers `health?`."),
    Message(b"info", Info, "from engine", "Answers `info?`."),
    Message(b"metrics", Metrics, "from engine", "Answers `metrics?`."),
    Message(b"live-done", LiveDone, "from engine", "The `live` command was obeyed."),
    Message(b"live-status", LiveStatus, "from engine", "Answers `live?`."),
    Message(b"live-audio", LiveAudio, "from engine", "What was written to a timeline cache, to who subscribed.", "yes"),
)

BY_TAG = {message.tag: message for message in MESSAGES}
TAG_OF = {message.struct: message.tag for message in MESSAGES}
_DECODERS = {message.tag: msgspec.msgpack.Decoder(message.struct) for message in MESSAGES}
_ENCODER = msgspec.msgpack.Encoder()


class Malformed(Exception):
    """A message that is not in the table, or not as the table has it. `text` says what is wrong."""


def encode(body: msgspec.Struct) -> list[bytes]:
    """[tag, msgpack] of a message without audio."""
    return [TAG_OF[type(body)], _ENCODER.encode(body)]


def decode(frames: list[bytes | memoryview], direction: Direction) -> tuple[Any, Audio | None]:
    """The struct and the audio [frames, channels] of a multipart message. Raises Malformed.

    Bounded: at most three frames, a body of 2 MB, 512 MB of audio whose size the body states.
    The audio is a read-only view of its frame, not a copy.
    """
    if not 2 <= len(frames) <= 3 or len(frames[0]) > 16:
        raise Malformed("expected [tag, body] or [tag, body, audio]")
    message = BY_TAG.get(bytes(frames[0]))
    if message is None or message.direction != direction:
        raise Malformed("unknown tag")
    if len(frames[1]) > MAX_BODY_BYTES:
        raise Malformed(f"the body is larger than {MAX_BODY_BYTES >> 20} MB")
    try:
        body = _DECODERS[message.tag].decode(frames[1])
    except msgspec.ValidationError as error:
        raise Malformed(explain(error, message.struct)) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(str(error)) from error
    return body, _audio(message, body, frames)


def _audio(message: Message, body: Any, frames: list[bytes | memoryview]) -> Audio | None:
    shape = body.inline if isinstance(body, Request) else body if isinstance(body, AudioHeader | LiveAudio) else None
    if shape is None:
        if len(frames) == 3:
            raise Malformed("audio beside a message that states none")
        return None
    if len(frames) != 3:
        raise Malformed("the audio frame is missing")
    size = shape.frames * shape.channels * AUDIO_DTYPE.itemsize
    if size > MAX_AUDIO_BYTES or len(frames[2]) != size:
        raise Malformed(f"the audio frame holds {len(frames[2])} bytes, the body says {size}")
    return np.frombuffer(frames[2], AUDIO_DTYPE).reshape(shape.frames, shape.channels)


def explain(error: msgspec.ValidationError, struct: type[msgspec.Struct]) -> str:
    """The sentence for a value out of range: which field, what it takes, what came."""
    what, _, path = str(error).partition(" - at `$.")
    name = path.rstrip("`").partition(".")[0].partition("[")[0]
    legal = _legal(struct).get(name)
    return str(error) if legal is None else f"{path.rstrip('`')}: {what}. Legal: {legal}"


@cache
def _legal(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Field -> its type and range in words. (Asking msgspec takes a third of a millisecond.)"""
    info: Any = msgspec.inspect.type_info(struct)
    return {field.encode_name: describe(field.type) for field in info.fields}


def describe(kind: msgspec.inspect.Type) -> str:
    """A type and its range in words, for sentences and tables."""
    match kind:
        case msgspec.inspect.UnionType():
            parts = [describe(part) for part in kind.types if not isinstance(part, msgspec.inspect.NoneType)]
            return " or ".join(parts) + (", or none" if len(parts) < len(kind.types) else "")
        case msgspec.inspect.IntType():
            return f"a whole number{_range(kind.ge, kind.gt, kind.le)}"
        case msgspec.inspect.FloatType():
            return f"a number{_range(kind.ge, kind.gt, kind.le)}"
        case msgspec.inspect.StrType():
            return "text" + (f" of up to {kind.max_length} characters" if kind.max_length else "")
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.LiteralType():
            return "one of " + ", ".join(str(value) for value in kind.values)
        case msgspec.inspect.VarTupleType():
            most = f"up to {kind.max_length} of " if kind.max_length else "any number of "
            return most + describe(kind.item_type)
        case msgspec.inspect.StructType() if kind.cls in (Plan, PlanBar):
            return f"{kind.cls.__name__} (see there)"
        case msgspec.inspect.StructType():
            fields = ", ".join(f"{f.encode_name}: {describe(f.type)}" for f in kind.fields)
            return f"{{{fields}}}"
    return "a table" if isinstance(kind, msgspec.inspect.DictType) else "any value"


def _range(ge: float | None, gt: float | None, le: float | None) -> str:
    low = f"{ge:g}" if ge is not None else f"more than {gt:g}" if gt is not None else None
    if low is None:
        return ""
    return f" from {low}" + (f" to {le:.10g}" if le is not None else "")


def request_id(frames: list[bytes | memoryview]) -> str:
    """The id in a request that did not decode, so that its sender can be told; else empty."""
    try:
        found = msgspec.msgpack.decode(frames[1], type=_OnlyId).id
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, IndexError):
        return ""
    return found


class _OnlyId(msgspec.Struct):
    id: Id


def ended_message(ended: Ended) -> Report | Failed:
    """The wire form of an end."""
    if ended.ending == "done":
        assert ended.report is not None
        return ended.report
    return Failed(id=ended.id, ending=ended.ending, code=ended.code, text=ended.text)


if __name__ == "__main__":
    from bridge.protocol_doc import render

    print(render(), end="")
