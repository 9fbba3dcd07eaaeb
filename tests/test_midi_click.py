"""The metronome: its clicks lie on the engine's bar lines to the sample, and a count-in ends where the song begins."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.commands.click_track import MapFollower
from bridge.live.map import ProjectMap, announced
from bridge.midi.click import beats, clock_ticks, count_in, sixteenths, sound
from bridge.midi.clickout import ClickOut
from bridge.timeline.cache import EngineSide, PluginSide
from engine.errors import BadRequest, Unavailable
from tests.jack_server import JackServer, jack_or_skip
from tests.waiting import wait

RATE, PERIOD = 48_000, 1024
ROOT = Path(__file__).resolve().parent.parent
TEMPI = st.sampled_from(["120", "97.3", "0:120,2:61.7", "0:133.333,1+2:88"])
METERS = st.sampled_from(["4/4", "3/4", "6/8", "0:4/4,2:7/8"])


@given(TEMPI, METERS, st.integers(0, 10**6), st.integers(1, 10**6))
def test_clicks_lie_on_the_grids_own_beats_whoever_asks_for_which_part(
    tempo: str, meter: str, first: int, frames: int
) -> None:
    song = announced(RATE, tempo, meter)
    whole = beats(song, 0, first + frames)
    assert beats(song, first, first + frames) == [beat for beat in whole if beat.frame >= first]
    assert whole == sorted(whole)
    lines = [beat.frame for beat in whole if beat.accent]
    assert lines == [song.frame(bar) for bar in range(len(lines))]
    ticks = clock_ticks(song, first, first + frames)
    assert ticks == sorted(set(ticks))
    assert {frame for frame, _ in sixteenths(song, first, first + frames)} <= set(ticks)


def test_a_clock_has_24_ticks_a_quarter_and_numbers_sixteenths_from_bar_0() -> None:
    song = announced(RATE, "120", "0:4/4,1:7/8,2:4/4")
    assert len(clock_ticks(song, 0, song.frame(1))) == 96
    assert len(clock_ticks(song, song.frame(1), song.frame(2))) == 84
    numbers = dict(sixteenths(song, 0, song.frame(3)))
    assert [numbers[song.frame(bar)] for bar in range(3)] == [0, 16, 30]


@pytest.mark.parametrize(("meter", "beats_a_bar"), [("4/4", 4), ("3/4", 3), ("6/8", 2)])
def test_a_count_in_fills_whole_bars_before_its_frame(meter: str, beats_a_bar: int) -> None:
    song = announced(RATE, "97.3", meter)
    length, clicks = count_in(song, song.frame(5), 2)
    assert length == pytest.approx(song.exact(7) - song.exact(5), abs=1)
    assert len(clicks) == 2 * beats_a_bar
    assert [click.accent for click in clicks] == ([True] + [False] * (beats_a_bar - 1)) * 2
    assert clicks[0].frame == 0
    gaps = np.diff([*(click.frame for click in clicks), length])
    assert np.ptp(gaps) <= 1


def test_a_count_in_to_the_middle_of_a_bar_counts_what_is_before_it_too() -> None:
    song = announced(RATE, "120", "4/4")
    length, clicks = count_in(song, song.frame(3, Fraction(2)), 1)
    assert length == 6 * 24_000
    assert [(click.frame // 24_000, click.accent) for click in clicks] == [
        (0, True), (1, False), (2, False), (3, False), (4, True), (5, False),
    ]  # fmt: skip


def test_a_click_is_short_and_begins_on_its_first_sample() -> None:
    for accent in (True, False):
        wave = sound(accent, RATE)
        assert len(wave) < RATE // 20 and abs(wave[0]) > 0.3
        assert np.abs(wave).max() <= 0.5 and abs(wave[-1]) < 1e-3


# ---- on JACK -----------------------------------------------------------------------------


class Ear:
    """Records a metronome's ports: sound by the transport's frame, and by JACK's frame time; MIDI with both."""

    def __init__(self, server: JackServer) -> None:
        import jack

        self.client = jack.Client("ear", no_start_server=True, servername=server.name)
        self.audio = self.client.inports.register("in")
        self.midi = self.client.midi_inports.register("midi")
        self.clock = self.client.midi_inports.register("clock")
        self.heard: list[tuple[int, int, bool, np.ndarray[Any, Any]]] = []
        self.messages: list[tuple[str, int, int, bool, bytes]] = []
        self.jack = jack
        self.client.set_process_callback(self.process)
        self.client.activate()

    def process(self, frames: int) -> None:
        state, position = self.client.transport_query_struct()
        rolls, now = state == self.jack.ROLLING, self.client.last_frame_time
        self.heard.append((now, position.frame, rolls, self.audio.get_array().copy()))
        for name, port in (("midi", self.midi), ("clock", self.clock)):
            for offset, data in port.incoming_midi_events():
                self.messages.append((name, now + offset, position.frame + offset, rolls, bytes(data)))

    def onsets(self, rolling: bool) -> list[tuple[int, int]]:
        """(frame time, transport frame) of each sample at which a click begins."""
        found = []
        for now, frame, rolls, audio in self.heard:
            if rolls == rolling:
                loud = np.flatnonzero(np.abs(audio) > 0.3)
                found += [(now + int(k), frame + int(k)) for k in loud]
        return [pair for k, pair in enumerate(found) if k == 0 or pair[0] - found[k - 1][0] > 2_000]

    def close(self) -> None:
        self.client.close(ignore_errors=True)


def test_count_in_clicks_and_clock_on_a_real_transport(jack_server: JackServer) -> None:
    """A busy machine may drop periods of any JACK client: one take of six must be whole."""
    song = announced(RATE, "240", "3/4")
    out, ear = ClickOut(song, count_in_bars=2), Ear(jack_server)
    try:
        for ours, theirs in (("click", "ear:in"), ("click midi", "ear:midi"), ("clock", "ear:clock")):
            out.connect(ours, theirs)
        for _ in range(6):
            told = one_take(song, ear)
            if not told:
                break
    finally:
        out.close()
        ear.close()
    assert told == ""


def one_take(song: ProjectMap, ear: Ear) -> str:
    """From bar 4 on, counted in, for three bars. -> what was wrong, "" where nothing was"""
    start, client = song.frame(4), ear.client
    client.transport_frame = start
    wait(lambda: client.transport_frame == start, "the locate")
    ear.heard.clear()
    ear.messages.clear()
    wait(lambda: len(ear.heard) > 20, "the transport to stand for a while")
    client.transport_start()
    wait(lambda: client.transport_state == ear.jack.ROLLING, "the count-in to end")
    wait(lambda: client.transport_frame > song.frame(7), "three bars")
    client.transport_stop()
    wait(lambda: client.transport_state == ear.jack.STOPPED, "the stop")
    wait(lambda: any(data == b"\xfc" for *_, data in list(ear.messages)), "the clock to tell it")
    heard, messages = list(ear.heard), list(ear.messages)
    first_rolling = next(now for now, frame, rolls, _ in heard if rolls)
    end = max(frame + len(audio) for _, frame, rolls, audio in heard if rolls)
    length, clicks = count_in(song, start, 2)
    if [now - first_rolling for now, _ in ear.onsets(False)] != [click.frame - length for click in clicks]:
        return "the song begins on the beat after the last that is counted"
    meant = [beat.frame for beat in beats(song, start, end)]
    if [frame for _, frame in ear.onsets(True)] != meant:
        return "each click lies on its beat's own sample"
    drums = [(frame, data) for name, _, frame, rolls, data in messages if name == "midi" and rolls]
    if [frame for frame, data in drums if data[-1]] != meant or {data[0] for _, data in drums} != {0x99}:
        return "each drum lies on its beat's own sample"
    clock = [(frame, data) for name, _, frame, rolls, data in messages if name == "clock" and rolls]
    if [frame for frame, data in clock if data == b"\xf8"] != clock_ticks(song, start, end):
        return "the clock has 24 ticks a quarter"
    begun = (start, bytes((0xF2, 4 * 12, 0))) in clock and (start, b"\xfb") in clock
    return "" if begun else "the clock tells where it begins"


def test_without_a_server_it_says_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    jack_or_skip()
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    with pytest.raises(Unavailable, match="no JACK server"):
        ClickOut(None, server="attacca-nobody")


def test_the_map_of_a_live_session_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTACCA_CACHE_DIR", str(tmp_path))
    follower = MapFollower("")
    assert follower.look(RATE) is None, "nobody is there yet"
    plugin = PluginSide.create("song", RATE, 0.5, tmp_path)
    engine = EngineSide.attach(plugin.path)
    try:
        song = announced(RATE, "0:97.3,4:120", "0:7/8,4:4/4")
        engine.publish_map(song.segments())
        found = follower.look(RATE)
        assert found is not None
        assert [found.frame(bar) for bar in range(9)] == [song.frame(bar) for bar in range(9)]
        assert follower.look(RATE) is None, "it is the same"
        assert MapFollower("other").look(RATE) is None
        engine.publish_map(announced(RATE, "60", "4/4").segments())
        found = follower.look(RATE)
        assert found is not None and found.frame(1) == 4 * RATE
        with pytest.raises(BadRequest, match="give both one rate"):
            MapFollower("song").look(44_100)
    finally:
        engine.close()
        plugin.close()


def test_the_command_runs_for_its_time(jack_server: JackServer) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bridge.cli", "click", "--tempo", "120", "--seconds", "1", "--json"],
        cwd=ROOT, env=jack_server.environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 0 and json.loads(ran.stdout) == {"clicks": 0, "late": 0}
    assert "its own tempo map" in ran.stderr
