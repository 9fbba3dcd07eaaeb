"""Fixed OSC signatures: python-osc and the general codec as oracles, damage, time."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from bridge import addresses
from bridge.osc import codec as osc_codec
from bridge.osc import fixed as osc_fixed
from bridge.osc.client import build
from bridge.osc.codec import IMMEDIATELY, Malformed, Message, decode, decode_any, encode
from engine.errors import BadRequest

Value = int | float | str
OF = {
    "i": st.integers(-(2**31), 2**31 - 1),
    "f": st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False),
    "d": st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
    "s": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
}
KEYS = sorted(osc_fixed.LAYOUTS)


@st.composite
def messages(draw: st.DrawFn) -> tuple[str, str, tuple[Value, ...]]:
    address, tags = draw(st.sampled_from(KEYS))
    return address, tags, tuple(draw(OF[tag]) for tag in tags)


def oracle(address: str, tags: str, values: tuple[Value, ...]) -> bytes:
    builder = OscMessageBuilder(address=address)
    for tag, value in zip(tags, values, strict=True):
        builder.add_arg(value, tag)
    return bytes(builder.build().dgram)


@given(messages())
def test_fixed_messages_are_those_of_python_osc(message: tuple[str, str, tuple[Value, ...]]) -> None:
    address, tags, values = message
    datagram = oracle(*message)
    assert encode(address, tags, values) == datagram
    assert osc_fixed.read(datagram) == (address, tuple(OscMessage(datagram).params))
    assert decode(datagram) == decode_any(datagram) == [Message(address, values, IMMEDIATELY)]


@given(messages(), st.data())
def test_what_does_not_fit_to_the_byte_gets_the_general_answer(
    message: tuple[str, str, tuple[Value, ...]], data: st.DataObject
) -> None:
    """Bytes changed, cut off or put behind: the same messages or the same refusal, and nothing else."""
    datagram = bytearray(oracle(*message))
    for _ in range(data.draw(st.integers(0, 3))):
        datagram[data.draw(st.integers(0, len(datagram) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(datagram)))
    damaged = bytes(datagram[: data.draw(st.sampled_from((len(datagram), cut)))]) + data.draw(st.binary(max_size=8))
    assert outcome(decode, damaged) == outcome(decode_any, damaged)


@given(st.binary(max_size=200))
def test_noise_gets_the_general_answer(noise: bytes) -> None:
    assert outcome(decode, noise) == outcome(decode_any, noise)


def outcome(read: Callable[[bytes], list[Message]], datagram: bytes) -> list[Message] | None:
    try:
        return read(datagram)
    except Malformed:
        return None


def test_every_row_of_the_table_is_compiled() -> None:
    assert {address for address, _ in KEYS} == set(addresses.BY_ADDRESS)
    assert ("/attacca/generate", "ssidsi") in KEYS and ("/attacca/generate", "ssifsi") in KEYS
    assert ("/attacca/prompt", "sfsf") in KEYS


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_that_are_none_are_refused(number: float) -> None:
    datagram = oracle("/attacca/progress", "sf", ("a", 0.5))[:-4] + struct.pack(">f", number)
    assert osc_fixed.read(datagram) is None
    with pytest.raises(Malformed):
        decode(datagram)


def test_text_is_cut_at_its_first_nul_and_at_a_thousand_characters() -> None:
    fail = ("/attacca/fail", "sss", ("a\0b", "c", "x" * 2_000))
    assert decode(encode(*fail))[0].args == ("a", "c", "x" * 1_000)
    assert encode(*fail) == osc_codec._packed("/attacca/fail", "sss", ("a", "c", "x" * 1_000))


@pytest.mark.parametrize(("tags", "value"), [("i", 2**31), ("i", 1.5), ("f", 1e39), ("f", "x")])
def test_numbers_that_a_type_does_not_hold(tags: str, value: Value) -> None:
    address = "/attacca/subscribe" if tags == "i" else "/other"
    with pytest.raises(Malformed, match="does not hold"):
        encode(address, tags, (value,))


def test_a_client_says_what_an_address_takes() -> None:
    with pytest.raises(BadRequest, match="i:port"):
        build("/attacca/subscribe", 2**40)


def best_us(work: Callable[[], object], rounds: int = 20, times: int = 50) -> float:
    """Microseconds of one call, in the best of some rounds: other programs may hold the processor in others."""
    found = []
    for _ in range(rounds):
        begin = time.perf_counter_ns()
        for _ in range(times):
            work()
        found.append((time.perf_counter_ns() - begin) / times / 1000)
    return min(found)


GENERATE = ("/attacca/generate", "ssifsi", ("take-1", "warm house, round bass", 4, 120.0, "4/4", 3))
DONE = ("/attacca/done", "ssiif", ("take-1", "/tmp/attacca/take-1.wav", 384_000, 48_000, 0.5))


def by_python_osc(address: str, tags: str, values: tuple[Value, ...]) -> bytes:
    builder = OscMessageBuilder(address=address)
    for tag, value in zip(tags, values, strict=True):
        builder.add_arg(value, tag)
    return bytes(builder.build().dgram)


@pytest.mark.parametrize("message", [GENERATE, DONE], ids=lambda message: message[0])
def test_the_hot_path_is_quicker_than_python_osc(message: tuple[str, str, tuple[Value, ...]]) -> None:
    datagram = encode(*message)
    assert by_python_osc(*message) == datagram
    assert best_us(lambda: encode(*message)) < best_us(lambda: by_python_osc(*message))
    assert best_us(lambda: decode(datagram)) < best_us(lambda: OscMessage(datagram).params)


HEAD = b"#bundle\0" + b"\0" * 7 + b"\1"
PING = encode("/attacca/ping", "s", ("x",))


@pytest.mark.parametrize(
    "datagram",
    [
        oracle("/attacca/fail", "sss", ("a", "b", "c" * 65_400)),
        b"/attacca/ping\0\0\0,s\0\0" + b"x" * 65_400,
        b"/" + b"x" * 65_000 + b",",
        b"," * 65_504,
        b"/a\0\0," + b"i" * 8_191 + b"\0" * 4 + b"\0\0\0\1" * 8_191,
        HEAD + (struct.pack(">i", len(PING)) + PING) * 64,
        HEAD + (struct.pack(">i", len(HEAD)) + HEAD) * 3_000,
    ],
    ids=("text", "no end", "address", "commas", "numbers", "bundle", "bundles"),
)
def test_the_longest_datagrams_take_no_longer_than_a_blink(datagram: bytes) -> None:
    assert len(datagram) <= osc_codec.MAX_DATAGRAM_BYTES
    assert best_us(lambda: outcome(decode, datagram), rounds=5, times=1) < 50_000
