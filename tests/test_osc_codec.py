"""OSC: the codec against python-osc as an oracle; what is malformed."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from bridge.clock import NTP_EPOCH_OFFSET_S, NTP_FRACTION, OfflineClock, seconds_until
from bridge.osc import codec as osc_codec
from bridge.osc.codec import Malformed, decode, encode

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
VALUES = st.one_of(
    st.tuples(st.just("i"), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just("f"), st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False)),
    st.tuples(st.just("d"), st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)),
    st.tuples(st.just("h"), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just("s"), TEXT),
)


def oracle(tagged: list[tuple[str, int | float | str]]) -> bytes:
    builder = OscMessageBuilder(address="/a/b")
    for tag, value in tagged:
        builder.add_arg(value, tag)
    return bytes(builder.build().dgram)


@given(st.lists(VALUES, max_size=8))
def test_the_codec_agrees_with_python_osc(tagged: list[tuple[str, int | float | str]]) -> None:
    tags, values = "".join(tag for tag, _ in tagged), tuple(value for _, value in tagged)
    datagram = oracle(tagged)
    assert encode("/a/b", tags, values) == datagram
    assert decode(datagram) == [osc_codec.Message("/a/b", values, 1)]
    assert OscMessage(encode("/a/b", tags, values)).params == list(values)


def time_tag(unix_s: float) -> int:
    """The OSC time tag (64-bit NTP) of a Unix time in seconds."""
    return round((unix_s + NTP_EPOCH_OFFSET_S) * NTP_FRACTION)


def bundle(tag: float, *contents: bytes | list[bytes]) -> bytes:
    """A bundle by hand: elements, or nested bundles."""
    when = 1 if tag == IMMEDIATELY else time_tag(tag)
    return b"#bundle\0" + struct.pack(">Q", when) + b"".join(struct.pack(">i", len(c)) + c for c in contents)  # type: ignore[arg-type]


def test_bundles_keep_order_and_time_tags() -> None:
    builder = OscBundleBuilder(IMMEDIATELY)
    for k in range(3):
        message = OscMessageBuilder(address=f"/m{k}")
        message.add_arg(k, "i")
        builder.add_content(message.build())
    assert [m.address for m in decode(bytes(builder.build().dgram))] == ["/m0", "/m1", "/m2"]
    inner = bundle(1e9, encode("/in", "", ()))
    found = decode(bundle(2e9, encode("/out", "", ()), inner))
    assert [(m.address, m.time_tag) for m in found] == [("/out", time_tag(2e9)), ("/in", time_tag(1e9))]


GOOD = encode("/a", "i", (1,))


def nested(depth: int) -> bytes:
    data = GOOD
    for _ in range(depth):
        data = bundle(IMMEDIATELY, data)
    return data


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"/a\0\0",
        b"/a\0\0,i\0\0",
        GOOD[:-1],
        GOOD + b"\0\0\0\0",
        b"/a\0x,i\0\0\0\0\0\1",
        b"/a\0\0i\0\0\0\0\0\0\1",
        b"/a\0\0,b\0\0\0\0\0\0",
        b"/a\0\0,[]\0\0\0\0\0",
        b"/\xff\0\0,\0\0\0",
        b"x" * 16,
        struct.pack(">4s4sf", b"/a\0\0", b",f\0\0", math.nan),
        struct.pack(">4s4sf", b"/a\0\0", b",f\0\0", -math.inf),
        struct.pack(">4s4sd", b"/a\0\0", b",d\0\0", math.nan),
        b"#bundle\0",
        b"#bundle\0" + b"\0" * 8 + struct.pack(">i", 0),
        b"#bundle\0" + b"\0" * 8 + struct.pack(">i", -4) + GOOD,
        b"#bundle\0" + b"\0" * 8 + struct.pack(">i", 400) + GOOD,
        b"#bundle\0" + b"\0" * 8 + struct.pack(">i", 10) + GOOD,
        b"#bundle\0" + b"\0" * 8 + b"\0\0",
        nested(5),
        bundle(IMMEDIATELY, *[GOOD] * 65),
        b"/a\0\0," + b"i" * 9_000 + b"\0" * 40_003,
    ],
)
def test_malformed_datagrams_are_refused(datagram: bytes) -> None:
    with pytest.raises(Malformed):
        decode(datagram)


def test_the_deepest_and_longest_that_is_allowed() -> None:
    assert len(decode(nested(4))) == 1
    assert len(decode(bundle(IMMEDIATELY, *[GOOD] * 64))) == 64


def test_time_tags_against_the_wall_clock() -> None:
    clock = OfflineClock(now_s=5.0, unix_s=1.7e9)
    assert seconds_until(1, clock) == 0.0
    assert seconds_until(time_tag(1.7e9 + 2.5), clock) == pytest.approx(2.5, abs=1e-5)
    clock.advance(3.0)
    assert seconds_until(time_tag(1.7e9 + 2.5), clock) == pytest.approx(-0.5, abs=1e-5)
