"""The CLAP in a host of our own, which says every block's transport itself."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.hosts.clap_host import ClapHost, moment, quarters_at
from tests.hosts.probe_plugin import build_probe, frames_of, read_log
from tests.hosts.song import Part, Song

ODD = Song(
    (
        Part(0, Fraction(132), 7, 8),
        Part(2, Fraction("97.3")),
        Part(3, Fraction("140.125")),
        Part(4, Fraction("140.125"), 3, 4),
    )
)
BLOCK = 512


def test_what_a_dpf_clap_is_told(tmp_path: Path) -> None:
    """DPF counts quarters by the numerator: quarters are exact, bars are not; the frame is the steady time."""
    frames = ODD.frame(5) // BLOCK * BLOCK
    audio = np.random.default_rng(2).uniform(-0.5, 0.5, (frames, 2)).astype(np.float32)
    with ClapHost(build_probe().clap, "tests.attacca.probe", ATTACCA_PROBE_LOG=str(tmp_path / "log")) as host:
        blocks = [host.block(moment(ODD, at), BLOCK, audio[at : at + BLOCK]) for at in range(0, frames, BLOCK)]
        host.block(moment(ODD, 0), BLOCK)
    heard = np.concatenate(blocks)
    assert np.array_equal(frames_of(heard[:, 0]), np.arange(frames))
    assert np.array_equal(heard[:, 1], audio[:, 0])
    told = read_log(tmp_path / "log")[1:]
    assert told["frame"].tolist() == list(range(0, frames + BLOCK, BLOCK)), "a locate does not move the steady time"
    for record, at in zip(told, [*range(0, frames, BLOCK), 0], strict=True):
        place = ODD.place(at)
        said = (record["bar"] - 1) * record["beats_per_bar"] + record["beat"] - 1 + record["tick"] / 1920
        assert abs(said - quarters_at(ODD, place.bar) - place.quarter) < 1e-8
        assert record["tempo"] == float(place.part.tempo)
        assert (record["beats_per_bar"], record["beat_type"]) == (place.part.numerator, place.part.denominator)
    assert host.process.returncode == 0


def test_parameters_and_state_of_a_clap() -> None:
    with ClapHost(build_probe().clap, "tests.attacca.probe") as host:
        gain = host.parameters()["Gain"]
        assert (gain.lowest, gain.highest, gain.now) == (0.0, 2.0, 1.0)
        host.set({gain.id: 0.25})
        ones = np.ones((BLOCK, 2), np.float32)
        assert np.all(host.block(moment(ODD, 0), BLOCK, ones)[:, 1] == 0.25)
        state = host.save()
    with ClapHost(build_probe().clap, "tests.attacca.probe") as host:
        assert host.load(state)
        assert host.parameters()["Gain"].now == 0.25
