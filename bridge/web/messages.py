"""What a page and the engine say to each other over the page's WebSocket.

To the engine: a text `{"tag": ..., "body": {...}}`, a row of TO_ENGINE; most structs are those of `bridge.protocol`.
From the engine: such a text, or a binary message: the length of a JSON header as uint32, the header (padded with
spaces to a multiple of 4), float32 interleaved frames. All little-endian.
"""

from __future__ import annotations

import struct
from typing import Annotated, Any

import msgspec
import numpy as np

from bridge import protocol
from bridge.live.messages import AskLive, LiveCommand
from bridge.protocol import AskInfo, AskMetrics, Cancel, Malformed, Panic, Subscribe
from engine.types import MAX_BARS, Audio, Ending, Id, PlanBar, Report, Request, Struct

MAX_TEXT_BYTES = protocol.MAX_BODY_BYTES


class Continue(Struct, frozen=True):
    """Asks for bars from a take that is still kept; the request is of kind "continue", without a source.

    Bars that follow it or loop are a take of their own; a fill, a variation, bars at the front and a part under it
    (`under`) come back as the whole take with them.
    """

    take: Id
    request: Request


class Forget(Struct, frozen=True):
    """Lets go of a take's audio."""

    take: Id


class Take(Struct, frozen=True):
    """A take on the shelf. bar_frames: of its whole bars; `report` only where it was rendered to its end.

    played: what each bar plays, by its plan or as asked for. origin: the take that an edit changed, `put`: where its
    new bars went ("inside", "front", "over"), first_new_bar: the first of them.
    """

    number: int
    request: Request
    rate: int
    channels: int
    bars: int
    bar_frames: tuple[int, ...]
    ending: Ending
    report: Report | None = None
    played: tuple[PlanBar, ...] = ()
    origin: str | None = None
    put: str | None = None
    first_new_bar: int = 0


class Takes(Struct, frozen=True):
    """All takes, oldest first."""

    takes: tuple[Take, ...]


class BarRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bars of a take, from `first` (0: its first one); all from there on where `bars` is not given."""

    first: Annotated[int, msgspec.Meta(ge=0, lt=MAX_BARS)] = 0
    bars: Annotated[int, msgspec.Meta(ge=1, le=MAX_BARS)] | None = None


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    tag: Annotated[str, msgspec.Meta(max_length=16)]
    body: msgspec.Raw = msgspec.Raw(b"{}")


TO_ENGINE: dict[str, type[msgspec.Struct]] = {
    "request": Request,
    "continue": Continue,
    "cancel": Cancel,
    "panic": Panic,
    "forget": Forget,
    "info?": AskInfo,
    "metrics?": AskMetrics,
    "live": LiveCommand,
    "live?": AskLive,
    "subscribe": Subscribe,
}
FROM_ENGINE: dict[type[msgspec.Struct], str] = {
    **{kind: tag.decode() for kind, tag in protocol.TAG_OF.items()},
    Take: "take",
    Takes: "takes",
    Forget: "forget",
}
_DECODERS = {tag: msgspec.json.Decoder(kind) for tag, kind in TO_ENGINE.items()}
_ENVELOPE = msgspec.json.Decoder(_Envelope)
_ENCODER = msgspec.json.Encoder()


class _OnlyId(msgspec.Struct):
    id: Id


class _Inner(msgspec.Struct):
    request: _OnlyId


def decode(text: str) -> Any:
    """The struct of a message to the engine. Raises Malformed with a sentence."""
    try:
        envelope = _ENVELOPE.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Malformed(f"expected {{tag, body}}: {error}") from error
    kind = TO_ENGINE.get(envelope.tag)
    if kind is None:
        raise Malformed("unknown tag")
    try:
        return _DECODERS[envelope.tag].decode(envelope.body)
    except msgspec.ValidationError as error:
        raise Malformed(protocol.explain(error, kind)) from error
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Malformed(str(error)) from error


def request_id(text: str) -> str:
    """The id of a request that did not decode, so that its sender can be told; else empty."""
    for kind in (_Inner, _OnlyId):
        try:
            found: Any = msgspec.json.decode(_ENVELOPE.decode(text).body, type=kind)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            continue
        return str(found.request.id if isinstance(found, _Inner) else found.id)
    return ""


def encode(body: msgspec.Struct) -> str:
    """The text of a message from the engine."""
    return _ENCODER.encode({"tag": FROM_ENGINE[type(body)], "body": body}).decode()


def encode_audio(header: msgspec.Struct, audio: Audio) -> bytes:
    """The binary message of a header and its frames; audio: [frames, channels]."""
    text = _ENCODER.encode({"tag": FROM_ENGINE[type(header)], "body": header})
    text += b" " * (-len(text) % 4)
    return struct.pack("<I", len(text)) + text + np.ascontiguousarray(audio, protocol.AUDIO_DTYPE).tobytes()
