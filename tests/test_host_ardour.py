"""Ardour 7 without a window, on its dummy backend: sessions, OSC transport, bounces."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.hosts.ardour_host import Ardour, fill_region, read_region
from tests.hosts.probe_plugin import URI, build_probe, frames_of, read_log
from tests.hosts.song import Part, Song

SHORT = Song((Part(0, Fraction(240)), Part(1, Fraction("197.3"), 3, 4)))
EDGE_FRAMES = 64  # a region's own fades


def test_a_plugin_hears_its_track_and_is_bounced_at_the_exact_frame(tmp_path: Path) -> None:
    probe, log = build_probe(), tmp_path / "log"
    frames, more = SHORT.frame(2), {"ATTACCA_PROBE_LOG": str(log)}
    audio = np.random.default_rng(4).uniform(-0.5, 0.5, (frames, 2)).astype(np.float32)
    with Ardour(tmp_path, probe.lv2_path, **more) as ardour:
        session = ardour.create("probed", SHORT)
        ardour.track("loop")
        ardour.make_region("source", frames)
        ardour.add_plugin(URI)
        ardour.set_parameter(ardour.parameters()["Gain"], 0.5)
        ardour.save()
    fill_region(session, "source", audio, SHORT.rate)
    with Ardour(tmp_path, probe.lv2_path, **more) as ardour:
        ardour.load("probed")
        ardour.find_track("loop")
        assert ardour.parameter(0) == 0.5, "the parameter comes back with the session"
        ardour.osc("/transport_play")
        ardour.roll_until(frames + 20_000)
        ardour.stop()
        ardour.bounce(SHORT.frame(1), frames, "bounced")
        ardour.save()
    bounced = read_region(session, "bounced")
    assert np.array_equal(frames_of(bounced[:, 0]), np.arange(SHORT.frame(1), frames))
    heard = audio[SHORT.frame(1) :, 0] * np.float32(0.5)
    assert np.array_equal(bounced[:-EDGE_FRAMES, 1], heard[:-EDGE_FRAMES])
    told = read_log(log)
    rolled = told[(told["playing"] == 1) & (told["block_frames"] <= 1024)]
    assert rolled["frame"][0] == 0
    assert np.all(np.diff(rolled["frame"]) == rolled["block_frames"][:-1]), "no frame is left out or told twice"
    for record in rolled[:: len(rolled) // 20]:
        place = SHORT.place(int(record["frame"]))
        assert (record["bar"], record["beats_per_bar"]) == (place.bar + 1, place.part.numerator)
        assert abs(record["beat"] - 1 + record["tick"] / 1920 - float(place.quarter)) < 1.5 / 1920
