"""One struct for all sources of sync: what it lets through, and where the play head goes from there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.midi.inputs import MidiInput
from bridge.sync.midiclock import MidiClock
from bridge.sync.open import open_source
from bridge.sync.plugin import PluginSource, from_transport
from bridge.sync.position import FOLLOW_NS, HostPosition, Jumps, exact_tempo, follow, host_position
from bridge.sync.regress import QuarterAxis, SteadyTempo, simplest
from bridge.timeline.cache import EngineSide, PluginSide, Transport, discover
from engine.errors import BadRequest, Unavailable
from engine.timing import Meter

S = 10**9
FLOATS = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=False)
INTS = st.integers(-(2**63), 2**63 - 1)


@dataclass(frozen=True)
class Reported:
    """What a plugin reports."""

    frame: int = 0
    monotonic_ns: int = 0
    playing: bool = True
    looping: bool = False
    musical: bool = True
    bar: int = 0
    quarter: float = 0.0
    tempo: float = 120.0
    numerator: int = 4
    denominator: int = 4
    loop_first: int = 0
    loop_last: int = 0
    jumps: int = 0


def at(frame: int = 0, **more: Any) -> HostPosition:
    given_ = {"tempo": 120, "bar": 0, "quarter": 0, "numerator": 4, "denominator": 4, **more}
    found = host_position("test", given_.pop("at_ns", 0), frame, 48_000, given_.pop("playing", True), **given_)
    assert found is not None
    return found


@given(
    st.builds(
        Reported, INTS, INTS, st.booleans(), st.booleans(), st.booleans(), INTS, FLOATS, FLOATS,
        st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), INTS, INTS, st.integers(0, 2**63),
    ),
    st.integers(0, 2**32 - 1),
    INTS,
)  # fmt: skip
def test_whatever_a_host_reports_becomes_a_legal_position_or_none(said: Reported, rate: int, now_ns: int) -> None:
    found = from_transport(said, rate)
    if found is None:
        return
    for position in (found, follow(found, now_ns)):
        assert position.tempo is None or 20 <= position.tempo <= 400
        assert (position.bar is None) == (position.quarter is None)
        if position.quarter is not None and position.meter is not None:
            assert 0 <= position.quarter < position.meter.bar_quarters
        if position.loop is not None:
            assert position.loop[0] < position.loop[1]
        assert isinstance(position.frame, int) and 8_000 <= position.rate <= 192_000


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (120.0, Fraction(120)), (119.98, Fraction(11998, 100)), (97.3000001, Fraction(973, 10)),
        (7200 / 61, Fraction(7200, 61)), (math.nan, None), (math.inf, None), (19.9, None),
        (400.1, None), (0.0, None), (-120.0, None), (None, None),
    ],
)  # fmt: skip
def test_a_hosts_tempo_is_the_rational_that_it_means(told: float | None, meant: Fraction | None) -> None:
    assert exact_tempo(told) == meant


def test_a_position_on_the_bar_line_is_on_it_whatever_the_last_bit_says() -> None:
    assert (at(quarter=4 - 1e-12).bar, at(quarter=4 - 1e-12).quarter) == (1, 0)
    assert (at(quarter=4.0).bar, at(quarter=-1e-9).quarter) == (1, 0)
    assert at(quarter=4.5).quarter is None and at(quarter=-0.5).bar is None
    assert at(quarter=3.4, numerator=7, denominator=8).quarter == Fraction(17, 5)
    assert at(quarter=3.6, numerator=7, denominator=8).quarter is None
    assert at(numerator=7, denominator=5).meter is None and at(numerator=3.5, denominator=4).meter is None


def test_it_is_followed_by_the_clock_and_not_for_ever() -> None:
    now = follow(at(at_ns=5 * S), 6 * S)
    assert (now.frame, now.bar, now.quarter, now.at_ns) == (48_000, 0, 2, 6 * S)
    now = follow(at(48_000, quarter=3, numerator=7, denominator=8, bar=3), S)
    assert (now.frame, now.bar, now.quarter) == (96_000, 4, Fraction(3, 2))
    assert follow(at(), 100 * S).frame == 48_000 * FOLLOW_NS // S
    assert follow(at(playing=False), S).frame == 0
    assert follow(at(at_ns=5 * S), 0).frame == 0
    assert follow(at(tempo=None), S).bar is None and follow(at(tempo=None), S).frame == 48_000


def test_a_loop_turns_back_and_bars_with_it() -> None:
    now = follow(at(96_000, bar=1, quarter=0, loop=(0, 120_000)), S)
    assert (now.frame, now.bar, now.quarter) == (24_000, 0, 1)
    assert follow(at(200_000, loop=(0, 120_000)), S).frame == 248_000
    assert follow(at(0, loop=(0, 24_000)), S).frame == 0
    assert at(loop=(5, 5)).loop is None


def test_jumps_are_where_the_play_head_was_not_led() -> None:
    jumps = Jumps()
    for k in range(10):
        assert jumps.seen(k * 4_800 + k % 3 * 100, k * S // 10, 48_000, True) == 0
    assert jumps.seen(480_000, S, 48_000, True) == 1
    assert jumps.seen(480_000 + 4_000, S + S // 10, 48_000, False) == 1, "it stopped on the way"
    assert jumps.seen(484_000, 9 * S, 48_000, False) == 1
    assert jumps.seen(0, 10 * S, 48_000, False) == 2
    assert jumps.seen(12_000, 10 * S + S // 2, 48_000, True) == 2, "it started on the way"
    assert jumps.seen(0, 10 * S + S // 2, 48_000, True) == 3


def test_the_plugins_report_counts_as_it_is() -> None:
    source = PluginSource()
    assert source.position() is None

    class Cache:
        rate = 44_100

        def transport(self) -> Reported:
            return Reported(frame=7, monotonic_ns=9, looping=True, loop_last=88_200, bar=2, quarter=1.5, jumps=3)

    source.cache = Cache()
    assert source.position() == HostPosition(
        "plugin", 9, 7, 44_100, True, Fraction(120), 2, Fraction(3, 2), Meter(4, 4), (0, 88_200), 3
    )
    bare = from_transport(Reported(musical=False, bar=2), 48_000)
    assert bare is not None and (bare.bar, bare.tempo, bare.meter, bare.loop) == (None, None, None, None)
    source.close()
    assert source.position() is None


def test_a_real_cache_is_followed_until_its_source_is_closed(tmp_path: Path) -> None:
    plugin = PluginSide.create("sync-test", 44_100, 0.5, tmp_path)
    try:
        engine = EngineSide.attach(next(info.path for info in discover(tmp_path)))
        try:
            source = PluginSource(engine)
            assert source.position() is None, "nothing was reported"
            plugin.report(
                Transport(
                    frame=44_100, monotonic_ns=5, playing=True, looping=True, musical=True, block_frames=128, bar=0,
                    quarter=2.0, tempo=120.0, numerator=7, denominator=8, loop_first=0, loop_last=77_175, jumps=1,
                    blocks=9,
                )
            )  # fmt: skip
            found = source.position()
            assert found is not None and (found.frame, found.rate, found.tempo, found.jumps) == (44_100, 44_100, 120, 1)
            assert (found.bar, found.quarter, found.meter, found.loop) == (0, 2, Meter(7, 8), (0, 77_175))
            plugin.report(
                Transport(
                    frame=-5, monotonic_ns=6, playing=True, looping=True, musical=True, block_frames=128, bar=2**40,
                    quarter=math.nan, tempo=math.inf, numerator=0, denominator=3, loop_first=9, loop_last=1, jumps=2,
                    blocks=10,
                )
            )  # fmt: skip
            assert source.position() == HostPosition("plugin", 6, -5, 44_100, True, jumps=2)
        finally:
            engine.close()
    finally:
        plugin.close()


def test_a_measured_tempo_is_told_as_the_roundest_and_stays() -> None:
    assert simplest(120.02, 0.015) == 120 and simplest(119.98, 0.001) == Fraction(11998, 100)
    assert simplest(97.26, 0.02) == Fraction(973, 10) and simplest(500.0, 1.0) is None
    steady = SteadyTempo()
    assert steady.offer(math.nan, 1) is None and steady.offer(1000, 1) is None
    assert [steady.offer(120 + e, 0.02) for e in (0.01, 0.04, -0.06, 0.05)] == [120] * 4
    assert steady.offer(125.01, 0.02) == 125


def test_frames_of_a_source_that_counts_quarters_never_step_while_it_plays_on() -> None:
    axis = QuarterAxis(48_000)
    assert axis.frame(Fraction(4), Fraction(120)) == 96_000
    assert axis.frame(Fraction(8), Fraction(120)) == 192_000
    assert axis.frame(Fraction(8), Fraction(60)) == 192_000
    assert axis.frame(Fraction(9), Fraction(60)) == 240_000
    axis.jump()
    assert axis.frame(Fraction(4), Fraction(60)) == 192_000


@pytest.mark.parametrize("text", ["", "cubase", "plugin:x", "link:maybe", "ardour:x", "ardour:h:999999", "midi"])
def test_a_source_that_is_none_is_told_the_choice(text: str) -> None:
    with pytest.raises(BadRequest, match=r"jack|ardour:HOST:PORT|midi:PORT"):
        open_source(text)


def test_what_is_not_there_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(open_source("plugin"), PluginSource)
    with pytest.raises(Unavailable, match=r"JACK"):
        open_source("jack:nobody-runs-this")
    monkeypatch.setitem(__import__("sys").modules, "aalink", None)
    with pytest.raises(Unavailable, match=r"pip install 'attacca-engine\[link\]'"):
        open_source("link")
    monkeypatch.setitem(__import__("sys").modules, "jack", None)
    with pytest.raises(Unavailable, match=r"pip install 'attacca-engine\[jack\]'"):
        open_source("jack")


def test_midi_clock_from_the_input_that_is_already_open() -> None:
    ours = MidiInput("socket:127.0.0.1:1", lambda: None)
    source = open_source("midi", midi=ours, meter=Meter(3, 4))
    assert isinstance(source, MidiClock)
    ours._fan.message(b"\xfa")
    found = source.position()
    assert found is not None and (found.frame, found.bar, found.meter) == (0, 0, Meter(3, 4))
    source.close()
    assert ours._fan.listeners == ()


def test_link_tells_tempo_and_beat_of_a_session_of_two() -> None:
    pytest.importorskip("aalink", reason="the extra 'link' is not installed")
    one, two = open_source("link"), open_source("link:free", meter=Meter(3, 4))
    try:
        position, other = one.position(), two.position()
        assert position is not None and other is not None
        assert (position.tempo, position.meter, position.playing) == (120, Meter(4, 4), False)
        assert (other.meter, other.playing) == (Meter(3, 4), True)
        later = two.position()
        assert later is not None and later.frame >= other.frame and later.jumps == 0
    finally:
        one.close()
        two.close()
    assert one.position() is None
