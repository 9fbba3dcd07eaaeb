"""Live sessions: a host plays what the engine renders, through real shared memory and real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live_helpers import RATE, THREE_TEMPI, beat, host, missed, stage, wait


def test_a_standing_host_has_its_bars_before_it_plays(tmp_path: Path) -> None:
    with stage(tmp_path) as s, host(tmp_path, playing=False) as h:
        h.ready(3)
        h.playing = True
        assert missed(h.play(4 * RATE)) == []
        s.explained(h)


@pytest.mark.parametrize("announce", [True, False])
def test_every_frame_is_what_was_told_over_tempi_and_meters(tmp_path: Path, announce: bool) -> None:
    with stage(tmp_path) as s, host(tmp_path, *THREE_TEMPI) as h:
        h.report()
        wait(s.status, "the session to begin")
        if announce:
            s.engine.live("tempo-map", tempo=THREE_TEMPI[0], meter=THREE_TEMPI[1])
            h.ready(2)
        first = h.play(beat(h.song, 9))
        assert missed(first) == []
        h.locate(beat(h.song, 2, 1.0))
        h.ready(2)
        assert missed(h.play(beat(h.song, 5) - h.frame)) == []
        s.explained(h)
        status = s.status()
        assert status is not None
        assert (status.failures, status.error) == (0, "")
        assert (status.generation == 2) == announce
