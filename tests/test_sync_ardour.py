"""Ardour's OSC surface as a sync source: what a real one sent, replayed over real sockets; and nonsense."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.osc.codec import encode
from bridge.sync.ardour import ArdourSource
from bridge.sync.open import open_source
from bridge.sync.position import HostPosition
from bridge.sync.surface import Surface
from engine.errors import BadRequest, Unavailable
from engine.timing import Meter
from tests.ardour_fake import FakeArdour, check_place, takes
from tests.sync_helpers import wait_for
from tests.waiting import WAIT_S, wait

S = 10**9
FOUR, SEVEN = takes().values()


def heard(take: list[tuple[float, bytes]], until_s: float = 1e9) -> tuple[Surface, list[HostPosition]]:
    surface, found = Surface(), []
    for seconds, datagram in take:
        if seconds <= until_s:
            surface.hear(datagram, round(seconds * S))
            position = surface.position()
            found += [position] if position is not None else []
    return surface, found


def test_a_roll_in_four_four_tells_tempo_bar_and_quarter_after_a_beat() -> None:
    surface, found = heard(FOUR, 3.38)
    last = surface.position()
    assert last is not None and (last.source, last.rate, last.playing, last.jumps) == ("ardour", 48_000, True, 0)
    assert (last.frame, last.bar, last.quarter, last.tempo) == (68_864, 0, 2 + Fraction(1669, 1920), 120)
    assert next(p for p in found if p.quarter is not None).frame < 30_000, "one beat after it began"
    for position in found:
        if position.tempo is not None:
            assert abs(float(position.tempo) - 120) < 0.5


def test_a_roll_in_seven_eight_learns_beat_and_meter() -> None:
    """Its beats are eighths of 960 ticks; nothing says so but the samples."""
    surface, found = heard(SEVEN, 8.75)
    last = surface.position()
    assert last is not None and last.playing and last.bar == 1
    assert (last.meter, last.tempo) == (Meter(7, 8), 97)
    check_place(last, 97)
    for position in found:
        if position.quarter is not None and position.bar is not None and position.frame > 30_000:
            assert abs((position.bar * 3.5 + float(position.quarter)) * 60 / 97 * 48_000 - position.frame) < 40
    settled = [p for p in found if p.playing and p.frame > 107_000 and p.frame < 480_000]
    assert settled and {p.meter for p in settled} == {Meter(7, 8)}


def test_a_locate_is_one_jump_and_a_loop_or_stop_is_none() -> None:
    _, before = heard(SEVEN, 3.38)
    _, after = heard(SEVEN, 4.7)
    assert before[-1].jumps == 0 and after[-1].jumps == 1
    assert (after[-1].frame, after[-1].playing) == (514_816, False)
    _, start = heard(SEVEN, 5.0)
    assert (start[-1].frame, start[-1].bar, start[-1].quarter, start[-1].jumps) == (0, 0, 0, 2)


def test_the_report_that_was_under_way_for_the_shortest_time_tells_the_time() -> None:
    late = [(s + 0.03 if b"/position/samples" in d and k % 3 else s, d) for k, (s, d) in enumerate(SEVEN)]
    _, found = heard(sorted(late), 3.3)
    rolled = [p for p in found if p.playing and p.frame > 20_000]
    offsets_ms = [p.at_ns / 1e6 - p.frame / 48 for p in rolled]
    assert max(offsets_ms) - min(offsets_ms) < 12


def test_a_session_that_closes_is_no_position() -> None:
    surface, found = heard(FOUR)
    assert surface.position() is None and found[-1].frame > 480_000
    assert surface.malformed == 0


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=64),
            st.builds(
                lambda address, text: encode(address, "s", (text,)),
                st.sampled_from(["/position/bbt", "/position/samples", "/transport_play", "/reply", "/heartbeat"]),
                st.one_of(
                    st.text(max_size=20), st.from_regex(r"-?[0-9]{1,20}", fullmatch=True),
                    st.from_regex(r"-?[0-9]{1,7}\|[0-9]{1,4}\|[0-9]{1,6}", fullmatch=True),
                ),
            ),
            st.builds(
                lambda address, number: encode(address, "f", (number,)),
                st.sampled_from(["/position/samples", "/position/bbt", "/transport_play"]),
                st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False),
            ),
            st.sampled_from([datagram for _, datagram in SEVEN]),
            st.builds(lambda rate: b"#reply\0\0" + encode("/x", "sh", ("end_route_list", rate))[4:],
                      st.integers(-(2**63), 2**63 - 1)),
        ),
        max_size=60,
    )
)  # fmt: skip
@settings(max_examples=60)
def test_no_datagram_breaks_it_or_gives_an_illegal_position(datagrams: list[bytes]) -> None:
    surface = Surface()
    for k, datagram in enumerate([SEVEN[0][1], *datagrams]):
        surface.hear(datagram, k * S // 20)
        position = surface.position()
        if position is not None:
            assert position.tempo is None or 20 <= position.tempo <= 400
            assert position.quarter is None or position.quarter >= 0
            assert 8_000 <= position.rate <= 192_000


@pytest.fixture
def ardour() -> Iterator[FakeArdour]:
    fake = FakeArdour(SEVEN)
    try:
        yield fake
    finally:
        fake.close()


def test_it_registers_listens_and_leaves(ardour: FakeArdour) -> None:
    source = open_source(f"ardour:127.0.0.1:{ardour.port}")
    assert isinstance(source, ArdourSource)
    try:
        found = wait_for(source, lambda p: p.playing and p.tempo is not None and p.quarter is not None)
        assert abs(float(found.tempo or 0) - 97) < 1
        assert abs(time.monotonic_ns() - found.at_ns) < WAIT_S * S
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger:
            ours = source._socket.getsockname()
            for _ in range(20):
                stranger.sendto(encode("/position/samples", "s", ("999999999",)), ours)
        source.send("/transport_stop")
        stopped = wait_for(source, lambda p: not p.playing and p.frame == 514_816)
        assert stopped.jumps >= 1, "the locate; what a busy machine holds up looks like a jump, too"
    finally:
        source.close()
        source.close()
    wait(lambda: ardour.heard[-1][0] == "/set_surface" and ardour.heard[-1][1][2] == 0, "the farewell")
    addresses = [address for address, _ in ardour.heard]
    assert addresses[:2] == ["/set_surface", "/strip/list"] and "/transport_stop" in addresses
    assert "malformed" not in addresses


def test_no_ardour_is_no_position_and_no_hurry(ardour: FakeArdour) -> None:
    ardour.close()
    source = ArdourSource(port=ardour.port)
    began_s = time.monotonic()
    assert source.position() is None
    source.close()
    assert time.monotonic() - began_s < WAIT_S
    with pytest.raises(BadRequest):
        ArdourSource(port=0)
    with pytest.raises(Unavailable, match="cannot talk OSC"):
        ArdourSource(host="no such host")
