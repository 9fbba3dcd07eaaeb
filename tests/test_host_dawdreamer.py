"""DawDreamer (VST3): an offline host, paced by what is ready."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.hosts.dawdreamer_host import DawDreamer, block_positions, dawdreamer
from tests.hosts.probe_plugin import Gate, build_probe, frames_of, read_log
from tests.hosts.song import Part, Song
from tests.waiting import wait

THREE_TEMPI = Song((Part(0, Fraction(132)), Part(1, Fraction("97.3")), Part(2, Fraction("140.125"))))
FRAMES = THREE_TEMPI.frame(3) // 512 * 512


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    dawdreamer()
    path = tmp_path / "probe.log"
    monkeypatch.setenv("ATTACCA_PROBE_LOG", str(path))
    return path


def test_what_the_host_tells_a_vst3(log: Path) -> None:
    """The frame is exact; quarters are the sum of the tempi told; each render is a locate to frame 0; 4/4 always."""
    audio = np.random.default_rng(1).uniform(-0.5, 0.5, (FRAMES, 2)).astype(np.float32)
    host = DawDreamer(THREE_TEMPI, {"probe": build_probe().vst3}, audio)
    for _ in range(2):
        before = len(read_log(log))
        heard = host.render(FRAMES)
        assert np.array_equal(frames_of(heard[:, 0]), np.arange(FRAMES))
        assert np.array_equal(heard[:, 1], audio[:, 0])
        told = read_log(log)[before:]
        told = told[told["playing"] == 1]
        quarters, tempi = block_positions(THREE_TEMPI, FRAMES, 512)
        assert told["frame"].tolist() == list(range(0, FRAMES, 512))
        assert np.array_equal(told["tempo"], tempi)
        assert set(tempi) == {132.0, float(np.float32(97.3)), 140.125}
        said = (told["bar"] - 1) * 4 + told["beat"] - 1 + told["tick"] / 1920
        assert np.abs(said - quarters).max() < 1e-9
        assert set(told["beats_per_bar"]) == {4.0}


def rolled(log: Path) -> list[int]:
    """Frames of the blocks that the probe was told while the transport rolled."""
    told = read_log(log)
    frames: list[int] = told[told["playing"] == 1]["frame"].tolist()
    return frames


def test_a_gate_paces_the_host(log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(tmp_path / "gate")
    monkeypatch.setenv("ATTACCA_PROBE_GATE", str(gate.path))
    host = DawDreamer(THREE_TEMPI, {"probe": build_probe().vst3})
    with host.start(FRAMES) as render:
        for until in (0, 10_240, 40_960):
            gate.open_until(until)
            wait(lambda until=until: until in rolled(log), f"the host to reach frame {until}")
            time.sleep(0.2)
            assert max(rolled(log)) == until
        gate.close()
    assert np.array_equal(frames_of(render.audio[:, 0]), np.arange(FRAMES))
