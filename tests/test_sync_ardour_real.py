"""The Ardour source beside a real Ardour 7 without a window, on its dummy backend."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from bridge.sync.ardour import ArdourSource
from bridge.sync.position import HostPosition
from engine.timing import Meter
from tests.hosts.ardour_host import Ardour, need_ardour
from tests.hosts.song import Part, Song
from tests.sync_helpers import wait_for

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize(("tempo", "meter"), [("120", Meter(4, 4)), ("97.5", Meter(7, 8))], ids=["4/4", "7/8"])
def test_it_follows_a_real_ardour_that_rolls_and_locates(tmp_path: Path, tempo: str, meter: Meter) -> None:
    """The meter is not told to it: it is learnt from the bars."""
    need_ardour()
    (tmp_path / "plugins").mkdir()
    with Ardour(tmp_path, tmp_path / "plugins") as ardour:
        ardour.create("song", Song((Part(0, Fraction(tempo), meter.numerator, meter.denominator),)))
        source = ArdourSource("127.0.0.1", ardour.osc_port)
        try:
            found = rolled_and_located(source, float(tempo), meter)
        finally:
            source.close()
    assert found.source == "ardour" and found.frame >= 20 * 48_000


def rolled_and_located(source: ArdourSource, tempo: float, meter: Meter, rate: int = 48_000) -> HostPosition:
    """Rolls a real Ardour (one tempo, one meter from bar 0) by its surface, checks what the source says, and stops it.

    Takes two bars and a few seconds. Returns the last position while it rolled.
    """
    source.send("/transport_stop")
    source.send("/goto_start")
    wait_for(source, lambda p: not p.playing and p.frame == 0 and p.rate == rate)
    source.send("/transport_play")
    found = wait_for(source, lambda p: p.playing and p.meter == meter and p.bar == 2)
    assert found.tempo is not None and abs(float(found.tempo) - tempo) < 0.05, found
    check_place(found, tempo)
    jumps = found.jumps
    source.send("/locate", "ii", (20 * rate, 1))
    found = wait_for(source, lambda p: p.playing and p.frame >= 20 * rate)
    assert found.jumps >= jumps + 1, found
    check_place(found, tempo)
    source.send("/transport_stop")
    wait_for(source, lambda p: not p.playing)
    return found


def check_place(found: HostPosition, tempo: float) -> None:
    """Bar and quarter lie where the frame does; a tick is 1/1920 quarter, rounded by Ardour."""
    assert found.bar is not None and found.quarter is not None and found.meter is not None, found
    quarters = found.bar * found.meter.bar_quarters + found.quarter
    assert abs(float(quarters) * 60 / tempo * found.rate - found.frame) < 2 * 60 / tempo * found.rate / 1920 + 1, found
