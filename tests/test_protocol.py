"""The protocol as a table: what it says is what is checked and what is documented."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import addresses, protocol, protocol_doc
from bridge.protocol import MESSAGES, AudioHeader, Cancel, Malformed, Ping, decode, encode
from engine.errors import BadRequest
from engine.types import CurvePoint, InlineAudio, Note, PromptPart, Request, Strengths

ROOT = Path(__file__).resolve().parent.parent

# As settled, written out by hand: address -> type tags of the fixed arguments, then of the repeated group.
SETTLED = {
    "/attacca/generate": ("s:id s:prompt i:bars d|f:tempo s:meter i:seed", ""),
    "/attacca/continue": ("s:id s:path i:bars d|f:tempo s:meter i:seed", ""),
    "/attacca/cancel": ("s:id", ""),
    "/attacca/prompt": ("", "s f"),
    "/attacca/intensity": ("", "f f"),
    "/attacca/melody": ("", "i f f f"),
    "/attacca/ping": ("s", ""),
    "/attacca/subscribe": ("i", ""),
    "/attacca/panic": ("", ""),
    "/attacca/done": ("s:id s:path i:frames i:rate f:compute_s", ""),
    "/attacca/fail": ("s:id s:code s:text", ""),
    "/attacca/progress": ("s:id f", ""),
    "/attacca/pong": ("s", ""),
}
# Added since: audio beside words in a mix of prompts.
SETTLED["/attacca/style"] = ("", "s f")
# Edits of files, and small targets for later requests.
SETTLED |= {
    "/attacca/fill": ("s:id s:path s:bars d|f:tempo s:meter i:seed", ""),
    "/attacca/vary": ("s:id s:path s:bars f:strength d|f:tempo s:meter i:seed", ""),
    "/attacca/accompany": ("s:id s:path s:bars s:parts d|f:tempo s:meter i:seed", ""),
    "/attacca/loop": ("s:id s:path i:bars d|f:tempo s:meter i:seed", ""),
    "/attacca/extend": ("s:id s:path s:end i:bars d|f:tempo s:meter i:seed", ""),
    "/attacca/key": ("", "s"),
    "/attacca/chords": ("", "s"),
    "/attacca/parts": ("", "s"),
}
# Added since: live sessions.
SETTLED |= {
    "/attacca/live/hold": ("i:bars", ""),
    "/attacca/live/recall": ("i:bar i:take", ""),
    "/attacca/live/policy": ("s", ""),
    "/attacca/live/quantise": ("s", ""),
    "/attacca/live/continue": ("", ""),
    "/attacca/live/panic": ("", ""),
}


def test_the_page_is_what_the_tables_say() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert page == protocol_doc.render(), "run: python -m bridge.protocol > docs/protocol.md"


def test_osc_signatures_are_the_settled_ones() -> None:
    assert set(addresses.BY_ADDRESS) == set(SETTLED)
    for address, (fixed, repeated) in SETTLED.items():
        row = addresses.BY_ADDRESS[address]
        for wanted, arg in zip(fixed.split(), row.args, strict=True):
            kind, _, name = wanted.partition(":")
            assert (kind, name or arg.name) == (arg.kind, arg.name)
        assert [arg.kind for arg in row.repeat] == repeated.split()


def test_audio_headers_hold_exactly_the_settled_fields() -> None:
    assert AudioHeader.__struct_fields__ == ("id", "first_frame", "frames", "channels", "rate", "last")


def unbounded(kind: Any, path: str) -> Iterator[str]:
    """Paths of numbers without both bounds, and of texts and tuples without a length."""
    inspect = msgspec.inspect
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        if (kind.ge is None and kind.gt is None) or kind.le is None:
            yield path
    elif isinstance(kind, inspect.StrType):
        if kind.max_length is None:
            yield path
    elif isinstance(kind, inspect.VarTupleType):
        if kind.max_length is None:
            yield path
        yield from unbounded(kind.item_type, path)
    elif isinstance(kind, inspect.UnionType):
        for part in kind.types:
            yield from unbounded(part, path)
    elif isinstance(kind, inspect.StructType):
        for field in kind.fields:
            yield from unbounded(field.type, f"{path}.{field.encode_name}")
    elif not isinstance(kind, inspect.BoolType | inspect.NoneType | inspect.LiteralType):
        yield f"{path} is a {type(kind).__name__}"


def test_everything_that_comes_in_is_bounded() -> None:
    found = [
        p
        for m in MESSAGES
        if m.direction == "to engine"
        for p in unbounded(msgspec.inspect.type_info(m.struct), m.struct.__name__)
    ]
    assert found == []


REQUESTS = st.builds(
    Request,
    id=st.text(min_size=1, max_size=20),
    kind=st.sampled_from(["generate", "continue"]),
    bars=st.integers(1, 256),
    tempo=st.none() | st.sampled_from(["120", "7200/61", "0:120,4:90"]),
    seed=st.none() | st.integers(0, 2**53),
    guidance=st.none() | st.floats(1, 6, allow_subnormal=False),
    prompts=st.lists(
        st.builds(PromptPart, text=st.text(max_size=9), weight=st.floats(0, 100, allow_subnormal=False)), max_size=3
    ).map(tuple),
    intensity=st.none()
    | st.lists(
        st.builds(
            CurvePoint, beat=st.floats(0, 99, allow_subnormal=False), db=st.floats(-60, 6, allow_subnormal=False)
        ),
        max_size=3,
    ).map(tuple),
    melody=st.none()
    | st.lists(
        st.builds(
            Note,
            pitch=st.integers(0, 127),
            beat=st.floats(0, 9, allow_subnormal=False),
            length=st.floats(0.1, 9, allow_subnormal=False),
        ),
        max_size=3,
    ).map(tuple),
    strengths=st.builds(Strengths, melody=st.none() | st.floats(0, 4, allow_subnormal=False)),
    under=st.booleans(),
    meter=st.sampled_from(["4/4", "0:4/4,8:7/8"]),
    at_bar=st.none() | st.integers(0, 100_000),
    at_beat=st.none() | st.floats(0, 128, allow_subnormal=False),
    source_offset=st.none() | st.fractions(max_denominator=10**9).map(str),
)


@given(REQUESTS)
def test_requests_survive_the_wire(request: Request) -> None:
    assert decode(list(encode(request)), "to engine") == (request, None)


@given(st.integers(1, 50), st.integers(1, 8))
def test_audio_survives_the_wire(frames: int, channels: int) -> None:
    audio = np.arange(frames * channels, dtype=np.float32).reshape(frames, channels)
    header = AudioHeader(id="a", first_frame=-3, frames=frames, channels=channels, rate=48_000, last=False)
    body, got = decode([*encode(header), audio.tobytes()], "from engine")
    assert body == header
    assert got is not None and got.dtype == np.float32 and np.array_equal(got, audio)


def raw(**fields: Any) -> list[bytes]:
    given = {"id": "a", "kind": "generate", "bars": 4, "tempo": "120"} | fields
    return [b"request", msgspec.msgpack.encode(given)]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"bars": 0}, "from 1 to 256"),
        ({"bars": 257}, "from 1 to 256"),
        ({"bars": "4"}, "bars"),
        ({"bars": 4.5}, "bars"),
        ({"rate": 7_999}, "from 8000 to 192000"),
        ({"steps": 9}, "from 1 to 8"),
        ({"guidance": math.nan}, "from 1 to 6"),
        ({"guidance": math.inf}, "from 1 to 6"),
        ({"prompts": [{"text": "x", "weight": math.nan}]}, "prompts[0].weight"),
        ({"intensity": [{"beat": 0, "db": math.nan}]}, "intensity[0].db"),
        ({"intensity": [{"beat": -1, "db": 0}]}, "intensity[0].beat"),
        ({"melody": [{"pitch": 60, "beat": 0.0, "length": math.nan}]}, "melody[0].length"),
        ({"strengths": {"melody": math.nan}}, "strengths.melody"),
        ({"kind": "sing"}, "one of continue, generate"),
        ({"nonsense": 1}, "nonsense"),
        ({"parts": ["kazoo"]}, "drums"),
    ],
)
def test_what_breaks_a_range_is_told_in_a_sentence(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(Malformed, match=r".") as caught:
        decode(list(raw(**fields)), "to engine")
    assert says in str(caught.value)
    assert protocol.request_id(list(raw(**fields))) == "a"


def inline(**fields: int) -> bytes:
    shape = {"rate": 8_000, "channels": 2, "frames": 10} | fields
    return raw(kind="continue", inline=shape)[1]


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b"ping"],
        [b"ping", b""],
        [b"ping", b"\xc1"],
        [b"pong", *encode(Ping())[1:]],
        [b"no such tag", b"\x80"],
        [b"x" * 1000, b"\x80"],
        [*encode(Ping()), b""],
        [*encode(Ping()), b"", b""],
        [b"request", inline()],
        [b"request", inline(), b"\0" * 79],
        [b"request", inline(), b"\0" * 81],
        [b"request", inline(frames=2**40), b"\0" * 80],
        [b"request", b"\x91" * 100_000],
        [b"request", b"\xdf\xff\xff\xff\xff"],
        [b"ping", msgspec.msgpack.encode({"token": "x" * 129})],
        [b"ping", b"\0" * ((2 << 20) + 1)],
        [b"cancel", msgspec.msgpack.encode({"id": ""})],
    ],
)
def test_what_is_malformed_is_refused(frames: list[bytes]) -> None:
    with pytest.raises(Malformed):
        decode(list(frames), "to engine")


def test_a_request_without_a_readable_id_has_none() -> None:
    assert protocol.request_id([b"request", b"\xc1"]) == ""
    assert protocol.request_id([b"request"]) == ""
    assert protocol.request_id([b"request", msgspec.msgpack.encode({"id": 7})]) == ""


def test_inline_audio_comes_as_frames_by_channels() -> None:
    request = Request(id="a", kind="continue", bars=1, inline=InlineAudio(rate=8_000, channels=2, frames=3))
    _, audio = decode([*encode(request), np.arange(6, dtype="<f4").tobytes()], "to engine")
    assert audio is not None and audio.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_a_direction_is_held() -> None:
    with pytest.raises(Malformed):
        decode(list(encode(Cancel(id="a"))), "from engine")


GENERATE = addresses.BY_ADDRESS["/attacca/generate"]


def test_integral_floats_are_ints_and_ints_are_numbers() -> None:
    checked = addresses.check(GENERATE, ("a", "house", 4.0, 120, "4/4", -1.0))
    assert checked == ("a", "house", 4, 120.0, "4/4", -1)
    assert [type(value) for value in checked] == [str, str, int, float, str, int]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (("a", "p", 0, 120.0, "4/4", 1), "bars is a whole number from 1 to 256"),
        (("a", "p", 4.5, 120.0, "4/4", 1), "bars is a whole number"),
        (("a", "p", 4, 19.9, "4/4", 1), "tempo is a number from 20 to 400"),
        (("a", "p", 4, math.nan, "4/4", 1), "tempo"),
        (("a", "p", 4, math.inf, "4/4", 1), "tempo"),
        (("a", "p", "4", 120.0, "4/4", 1), "bars"),
        (("", "p", 4, 120.0, "4/4", 1), "id is text of 1 to 128"),
        ((7, "p", 4, 120.0, "4/4", 1), "id is text"),
        (("a", "p", 4, 120.0, "4/4", 2**31), "seed"),
        (("a", "p", 4, 120.0, "4/4"), "takes s:id s:prompt i:bars d|f:tempo s:meter i:seed; 5 came"),
        ((), "0 came"),
    ],
)
def test_osc_arguments_out_of_range_are_told_in_a_sentence(values: tuple[addresses.Value, ...], says: str) -> None:
    with pytest.raises(BadRequest) as caught:
        addresses.check(GENERATE, values)
    assert says in str(caught.value)


def test_groups_repeat_whole_and_bounded() -> None:
    row = addresses.BY_ADDRESS["/attacca/melody"]
    assert addresses.check(row, ()) == ()
    assert addresses.check(row, (60, 0, 1, 100) * 3) == (60, 0.0, 1.0, 100.0) * 3
    for wrong in ((60, 0, 1), (60, 0, 1, 100, 62), (60, 0, 1, 100) * 2_001, (128, 0, 1, 100)):
        with pytest.raises(BadRequest):
            addresses.check(row, wrong)
