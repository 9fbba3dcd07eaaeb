"""jalv (LV2) on a JACK server's dummy driver, with a timebase master of our own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.hosts.jack_host import Heard, HostServer, Jalv, RigClient, jack_server
from tests.hosts.jack_rig import song_of
from tests.hosts.probe_plugin import URI, build_probe, frames_of, read_log
from tests.hosts.song import Song

TAKES = 6
"""A busy machine may drop periods of any JACK client: one take of so many must be whole."""
ODD = [[0, "152", 7, 8], [1, "197.3", 4, 4], [2, "240.125", 4, 4]]


def wire(rig: RigClient, jalv: Jalv, first: int = 1) -> None:
    """The rig's source into the plugin, the plugin's two outputs into the recorder's inputs `first` and `first` + 1."""
    outs = [port for port in jalv.ports if "out" in port]
    ins = [port for port in jalv.ports if "audio_in" in port]
    for index in range(2):
        rig.connect(outs[index], f"rig:in_{first + index}")
        rig.connect(f"rig-source:out_{index + 1}", ins[index])


def probe_on(server: HostServer, tmp_path: Path) -> tuple[RigClient, Jalv]:
    np.save(tmp_path / "source.npy", np.random.default_rng(3).uniform(-0.5, 0.5, (480_000, 2)).astype(np.float32))
    jalv = server.jalv(URI, "probe", build_probe().lv2_path, ATTACCA_PROBE_LOG=str(tmp_path / "log"))
    rig = server.rig(ODD, 20)
    wire(rig, jalv)
    return rig, jalv


def take(rig: RigClient, song: Song) -> Heard:
    """From frame 0 into the third bar, then a locate, and a loop taken twice."""
    rig.do("forget")
    rig.locate(0)
    rig.do("start")
    rig.play_until(song.frame(2) + 20_000)
    rig.do("locate", 10 * 1024)
    rig.loop(10 * 1024, 20 * 1024, 2)
    rig.stop()
    return rig.heard()


def test_what_the_host_tells_an_lv2(tmp_path: Path) -> None:
    """Frames are exact over start, locate and loop; a position comes only with a change, DPF counts on from it."""
    song = song_of(ODD, 48_000)
    with jack_server(tmp_path) as server:
        rig, _ = probe_on(server, tmp_path)
        for _ in range(TAKES):
            runs = take(rig, song).runs()
            if rig.do("where")["xruns"] == 0:
                break
            (tmp_path / "log").write_bytes(b"")
    firsts = [first for first, _ in runs]  # lost cycles, if any, begin stretches of their own
    assert firsts[0] == 0
    assert firsts.count(10 * 1024) >= 2
    source = np.load(tmp_path / "source.npy")
    for first, audio in runs:
        assert np.array_equal(frames_of(audio[:, 0]), np.arange(first, first + len(audio)))
        assert np.array_equal(audio[:, 1], source[first : first + len(audio), 0])
    told = read_log(tmp_path / "log")
    rolling = told[told["playing"] == 1]
    assert np.all(np.isin(rolling["tempo"], np.float32([152, 197.3, 240.125])))
    second = rolling[rolling["frame"] >= song.frame(1) + 1024][0]
    place = song.place(int(second["frame"]))
    assert (second["bar"], second["beats_per_bar"]) == (place.bar + 1, 4)
    assert abs(second["beat"] - 1 + second["tick"] / 1920 - float(place.quarter)) < 2 / 1920
