"""JACK transport as a sync source, against a real server with a timebase master of ours."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from bridge.sync.jack import BeatUnit, JackTransport, monotonic_of
from bridge.sync.open import open_source
from bridge.sync.position import HostPosition, follow
from engine.timing import Meter
from tests.jack_server import JackServer, jack_or_skip
from tests.sync_helpers import wait_for
from tests.waiting import WAIT_S, quickest

jack_or_skip()

RATE = 48_000


@pytest.fixture
def server() -> Iterator[JackServer]:
    with JackServer.or_skip(f"attacca-sync-{os.getpid()}") as running:
        yield running


@pytest.mark.parametrize("ago_beats", [0.0, 5.3], ids=["now", "frames ago"])
def test_frame_state_bar_and_beat_of_a_real_transport(server: JackServer, ago_beats: float) -> None:
    """The same place, whether the master tells that of the period or an earlier one and by how many frames."""
    master = server.timebase(tempo=97.5, numerator=7, denominator=8, ago_beats=ago_beats)
    source = open_source(f"jack:{server.name}")
    try:
        master.transport_frame = 0
        found = wait_for(source, lambda p: p.bar is not None)
        assert (found.frame, found.playing, found.bar, found.quarter) == (0, False, 0, 0)
        assert (found.tempo, found.meter, found.rate, found.loop) == (Fraction(195, 2), Meter(7, 8), RATE, None)
        assert 0 <= time.monotonic_ns() - found.at_ns < WAIT_S * 1e9
        master.transport_start()
        wait_for(source, lambda p: p.playing and p.frame > 0)
        reads, off = list[HostPosition](), list[float]()
        for _ in range(30):
            time.sleep(0.02)
            found = source.position()
            assert found is not None and found.playing and found.bar is not None and found.quarter is not None
            assert found.meter is not None and found.tempo == Fraction(195, 2)
            quarters = found.bar * found.meter.bar_quarters + found.quarter
            off.append(float(abs(quarters * 60 * RATE / found.tempo - found.frame)))
            reads.append(found)
        assert median(off) < 20, "a tick is 7 frames; a master that is late tells the place of the period before"
        assert [p.frame for p in reads] == sorted(p.frame for p in reads)
        apart = [abs(follow(a, b.at_ns).frame - b.frame) for a, b in pairwise(reads)]
        assert median(apart) < 0.01 * RATE, "a busy machine's JACK pauses now and then"
        for to in range(60, 66):
            counted = jumps_of_a_locate_and_a_stop(source, master, to * RATE)
            if counted == (1, 0):
                break
        assert counted == (1, 0), "a busy machine's JACK pauses, which is a jump, too; but not each time"
    finally:
        source.close()
    assert source.position() is None


def jumps_of_a_locate_and_a_stop(source: Any, master: Any, to: int) -> tuple[int, int]:
    master.transport_start()
    before = wait_for(source, lambda p: p.playing and p.frame < to).jumps
    master.transport_frame = to
    located = wait_for(source, lambda p: p.playing and p.frame >= to).jumps
    master.transport_stop()
    return located - before, wait_for(source, lambda p: not p.playing).jumps - located


def test_without_a_timebase_master_there_are_frames_alone(server: JackServer) -> None:
    import jack

    source = JackTransport(server.name)
    client = jack.Client("mover", no_start_server=True, servername=server.name)
    try:
        client.transport_frame = 4_800
        found = wait_for(source, lambda p: p.frame == 4_800)
        assert (found.bar, found.tempo, found.meter, found.playing) == (None, None, None, False)
    finally:
        client.close()
        source.close()
        source.close()


SERVER_DIES = """
import sys, time
from bridge.sync.jack import JackTransport
source = JackTransport(sys.argv[1])
print("up" if source.position() is not None else "nothing", flush=True)
for _ in range(400):
    time.sleep(0.05)
    if source.position() is None:
        break
print("gone" if source.position() is None else "still", flush=True)
source.close()
print("closed", flush=True)
"""


def test_a_server_that_dies_is_no_position_and_no_crash(server: JackServer) -> None:
    command = [sys.executable, "-c", SERVER_DIES, server.name]
    watcher = subprocess.Popen(command, env=server.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert watcher.stdout is not None and watcher.stdout.readline() == b"up\n"
    server.server.terminate()
    assert watcher.communicate(timeout=60)[0] == b"gone\nclosed\n"
    assert watcher.returncode == 0


def said(frame: int, tempo: float, denominator: int, bpm: float) -> dict[str, Any]:
    beats = frame / RATE * tempo / 60 * denominator / 4
    return {
        "frame": frame, "frame_rate": RATE, "bar": 1, "beat": 1 + int(beats), "tick": int(beats % 1 * 1920),
        "ticks_per_beat": 1920.0, "beats_per_bar": 16.0, "beat_type": float(denominator), "beats_per_minute": bpm,
    }  # fmt: skip


@pytest.mark.parametrize(("bpm", "first"), [(120.0, 60), (240.0, 120)])
def test_quarters_a_minute_whatever_a_minutes_beats_are(bpm: float, first: int) -> None:
    """120 quarters a minute in x/8, told as quarters (Ardour) or as beats (others): frames decide."""
    unit = BeatUnit()
    assert unit.musical(said(0, 120, 8, bpm))["tempo"] == first
    for frame in range(1_000, 10_000, 100):
        musical = unit.musical(said(frame, 120, 8, bpm))
    assert musical["tempo"] == 120


@pytest.mark.parametrize("denominator", [4, 8])
def test_a_place_of_some_frames_ago_is_carried_on_to_the_period(denominator: int) -> None:
    """Two beats to a bar, told by every third beat alone: what lies between is offset, over bar lines too."""
    unit, quarter_frames = BeatUnit(), RATE // 2
    beat_frames = quarter_frames * 4 // denominator
    for frame in range(0, 4 * RATE, 480):
        told = frame // beat_frames // 3 * 3
        place = {"bar": 1 + told // 2, "beat": 1 + told % 2, "tick": 0, "bbt_offset": frame - told * beat_frames}
        musical = unit.musical({**said(frame, 120, denominator, 30.0 * denominator), "beats_per_bar": 2.0, **place})
        bar, inside = divmod(Fraction(frame, quarter_frames), Fraction(8, denominator))
        assert (musical["bar"], musical["quarter"], musical["tempo"]) == (bar, inside, 120)


def test_a_minutes_beats_are_learnt_from_the_frames_that_the_places_are_of() -> None:
    """120 quarters a minute in 16/8, told as quarters, each place one of 0 to 11999 frames ago."""
    unit, drawn = BeatUnit(), random.Random(3)
    for frame in range(12_000, 60_000, 700):
        offset = drawn.randrange(12_000)
        musical = unit.musical({**said(frame - offset, 120, 8, 120.0), "frame": frame, "bbt_offset": offset})
    assert musical["tempo"] == 120
    assert float(musical["quarter"]) == pytest.approx(frame / (RATE / 2), abs=1 / 960)


def test_an_offset_that_cannot_be_is_no_place() -> None:
    assert BeatUnit().musical({**said(48_000, 120, 4, 120.0), "bbt_offset": 2**32 - 1}) == {}


NUMBERS = st.one_of(st.integers(-(2**31), 2**31), st.floats(allow_subnormal=False))


SOUND = {**said(1_000, 120, 8, 240.0), "bbt_offset": 300}


@settings(phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    st.lists(
        st.fixed_dictionaries({k: st.one_of(st.just(v), st.integers(0, 10_000), NUMBERS) for k, v in SOUND.items()}),
        max_size=5,
    )
)
def test_a_master_may_say_anything(reports: list[dict[str, Any]]) -> None:
    unit = BeatUnit()
    for report in reports:
        whole = {key: int(report[key]) if report[key] == report[key] and abs(report[key]) < 2**31 else 0
                 for key in ("frame", "frame_rate", "bar", "beat", "tick", "bbt_offset")}  # fmt: skip
        musical = unit.musical({**report, **whole})
        assert musical.get("tempo") is None or 20 <= musical["tempo"] <= 400


def test_jacks_clock_is_moved_onto_ours() -> None:
    before = time.monotonic_ns()

    def off_s() -> float:
        now, raw = time.monotonic_ns(), time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        return abs(monotonic_of(raw // 1000 - 5_000) - (now - 5_000_000)) / 1e9

    assert quickest(off_s, 0.002) < 0.002, "but for what the processor was held by others between two readings"
    assert monotonic_of(0) >= before
