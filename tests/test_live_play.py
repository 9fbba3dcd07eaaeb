"""What a performer does with a live session: hold, recall, notes, panic; and engines that die."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bridge.osc.client import OscClient
from engine.errors import BadRequest, Refused
from tests.live_helpers import Coloured, Host, Stage, beat, engine_of, host, measured, missed, stage, wait

NOTE_ON, NOTE_OFF = 0x90, 0x80


def begun(s: Stage, h: Host) -> int:
    """Two bars that are there, and a measured latency; frames of a bar."""
    h.ready(2)
    measured(s, h, 0.3)
    return beat(h.song, 1)


def test_held_bars_repeat_without_a_render(tmp_path: Path) -> None:
    with stage(tmp_path) as s, host(tmp_path, "240") as h:
        bar = begun(s, h)
        h.play(2 * bar + bar // 4, speed=1)
        s.engine.live("hold", bars=1)
        renders = s.status().renders
        assert missed(h.play(4 * bar, speed=1)) == []
        status = s.status()
        assert status.state == "held" and status.renders - renders <= 1, "but what was under way"
        seam = 960
        held = h.side.play(2 * bar, bar)[0]
        for k in (3, 4, 5):
            assert (h.side.play(k * bar, bar)[0][seam:] == held[seam:]).all()
        s.engine.live("release")
        assert missed(h.play(2 * bar, speed=1)) == []
        assert s.status().renders > renders
        assert not (h.side.play(7 * bar, bar)[0][seam:] == held[seam:]).all()
        s.explained(h)
        trace = [t for t in s.traces() if t.kind == "hold"]
        assert trace[0].announced_frame == 3 * bar


def test_the_hold_knob_waits_for_its_bars(tmp_path: Path) -> None:
    with stage(tmp_path) as s, host(tmp_path, "240") as h:
        h.side.set_knobs(hold=2)
        bar = begun(s, h)
        h.play(3 * bar, speed=1)
        wait(lambda: h.play(bar // 8, speed=1) and s.status().state == "held", "bars to be held")
        h.side.set_knobs(hold=0)
        wait(lambda: h.play(bar // 8, speed=1) and s.status().state == "ready", "the release")


def test_recall_brings_back_a_bar_that_was_heard(tmp_path: Path) -> None:
    with stage(tmp_path) as s, host(tmp_path, "240") as h:
        bar = begun(s, h)
        h.play(3 * bar, speed=1)
        first = h.side.play(2 * bar, bar)[0]
        h.playing = False
        h.locate(bar)
        wait(lambda: s.status().frame == bar, "the locate to be seen: the change lands on the bar after it")
        h.side.set_words(prompt_a="something else")
        wait(lambda: not (h.side.play(2 * bar, bar)[0] == first).all(), "the bar to be rendered again")
        takes = wait(lambda: [take for take in s.status().takes if take.bar == 2], "the bar to be kept")
        assert [take.take for take in takes] == [0]
        s.engine.live("recall", bar=2, take=0)
        assert (h.side.play(2 * bar, bar)[0][960:-960] == first[960:-960]).all()
        with pytest.raises(Refused, match="bar 40 has no take 0; kept are: none"):
            s.engine.live("recall", bar=40, take=0)
        with pytest.raises(Refused, match="needs bar"):
            s.engine.live("recall")


def test_echo_what_was_played_guides_the_next_bar(tmp_path: Path) -> None:
    with stage(tmp_path) as s, host(tmp_path, "240") as h:
        bar = begun(s, h)
        h.play(bar + bar // 4, speed=1)
        now = time.monotonic_ns()
        h.side.push_note(bar + bar // 4, bytes((NOTE_ON, 64, 90)), now)
        h.side.push_note(bar + bar // 2, bytes((NOTE_OFF, 64, 0)), now)
        assert missed(h.play(2 * bar, speed=1)) == []
        trace = next(t for t in s.traces() if t.kind == "note")
        assert trace.announced_frame == trace.first_changed_frame == 2 * bar
        assert trace.arrived_ns == now
        request = next(r for r in s.renderer.requests if r.id == trace.request_id)
        assert [(n.pitch, n.beat, n.length, n.velocity) for n in request.melody] == [(64, 1.0, 1.0, 90)]
        later = s.renderer.requests[-1]
        assert later.melody is None, "an echo guides one bar"


def test_now_a_key_that_is_down_goes_on_from_the_next_beat(tmp_path: Path) -> None:
    with stage(tmp_path) as s, host(tmp_path, "120") as h:
        begun(s, h)
        s.engine.live("policy", policy="now")
        bar = beat(h.song, 1)
        h.play(bar + bar // 8, speed=2)
        h.side.push_note(h.frame, bytes((NOTE_ON, 72, 90)), time.monotonic_ns())
        h.play(bar, speed=1)
        trace = next(t for t in s.traces() if t.kind == "note")
        assert bar + bar // 8 < trace.announced_frame == trace.first_changed_frame < 2 * bar
        assert trace.announced_frame % (bar // 4) == 0
        request = next(r for r in s.renderer.requests if r.id == trace.request_id)
        beats = trace.announced_frame / (bar // 4) - 4
        assert request.at_beat == beats
        assert [(n.pitch, n.beat) for n in request.melody] == [(72, beats)]
        s.engine.live("policy", policy="off")
        s.engine.live("quantise", quantise="beat")
        assert (s.status().policy, s.status().quantise) == ("off", "beat")


def test_panic_drops_what_is_planned_until_it_is_continued(tmp_path: Path) -> None:
    with stage(tmp_path) as s, host(tmp_path, "240") as h:
        bar = begun(s, h)
        h.play(bar, speed=1)
        h.side.set_knobs(panics=1)
        wait(lambda: s.status().state == "silent", "the panic")
        h.play(bar, speed=1)
        assert float(np.abs(h.played[-1].audio).max()) == 0.0
        renders = s.status().renders
        h.play(bar // 2, speed=1)
        assert s.status().renders == renders
        s.engine.live("continue")
        h.ready(1)
        assert s.status().state == "ready"
        s.engine.live("panic")
        assert s.status().state == "silent"
        h.side.set_knobs(live=0)
        wait(lambda: not s.server.live._sessions["test"].controls.live, "live to be switched off")
        h.side.set_knobs(live=1)
        wait(lambda: s.status().state == "ready", "live to be switched on again")


def test_osc_commands_reach_all_sessions(tmp_path: Path) -> None:
    with stage(tmp_path) as s, host(tmp_path, "240") as h:
        bar = begun(s, h)
        h.play(2 * bar, speed=1)
        assert s.server.osc is not None
        with OscClient(s.server.osc.address) as osc:
            osc.send("/attacca/live/policy", "now")
            osc.send("/attacca/live/quantise", "beat")
            osc.send("/attacca/live/hold", 1)
            wait(
                lambda: (
                    (status := s.status()) and (status.policy, status.quantise, status.state) == ("now", "beat", "held")
                ),
                "OSC",
            )
            osc.send("/attacca/live/hold", 0)
            wait(lambda: s.status().state == "ready", "the release")
            osc.send("/attacca/live/policy", "loud")
            osc.send("/attacca/live/recall", 90, 0)
            told = [osc.receive(60.0), osc.receive(60.0)]
            assert "one of echo, now, off" in str(told[0])
            assert "no take 0" in str(told[1])


def test_an_engine_without_live_says_so(tmp_path: Path) -> None:
    from bridge.client import Engine
    from bridge.serve import Options, serving

    with serving(Options(fake=True, zmq="tcp://127.0.0.1:*", osc="off", live=False)) as server:
        assert server.zeromq is not None
        with Engine(server.zeromq.endpoint) as engine:
            assert engine.live_status().sessions == ()
            with pytest.raises(Refused, match="--no-live"):
                engine.live("panic")
            with pytest.raises(BadRequest, match="from 1 to 64"):
                engine.live("hold", bars=99)


def test_a_renderer_that_fails_is_asked_again_with_patience(tmp_path: Path) -> None:
    class Broken(Coloured):
        def render(self, request, *rest, **more):  # type: ignore[no-untyped-def]
            if request.id.startswith("live-") and not self.well:
                self.requests.append(request)
                raise ZeroDivisionError("by zero")
            return super().render(request, *rest, **more)

        well = False

    renderer = Broken()
    with stage(tmp_path, renderer) as s, host(tmp_path, playing=False) as h:
        h.report()
        wait(lambda: (status := s.status()) and status.failures >= 2, "two failures")
        assert "by zero" in s.status().error
        assert len(renderer.requests) <= 4
        renderer.well = True
        h.ready(2)
        wait(lambda: s.status().error == "", "the error to be forgotten")


def test_a_killed_engine_leaves_the_cache_playable(tmp_path: Path) -> None:
    with host(tmp_path, "240") as h:
        bar = beat(h.song, 1)
        with engine_of(tmp_path, "--fake-seconds-per-bar", "0.1") as (process, _):
            h.ready(2)
            h.play(bar, speed=1)
            listing = subprocess.run(
                [sys.executable, "-m", "bridge.cli", "live", "--json"],
                env=os.environ | {"ATTACCA_CACHE_DIR": str(tmp_path)},
                capture_output=True,
                text=True,
                check=True,
            )
            row = json.loads(listing.stdout)["caches"][0]
            assert (row["instance"], row["state"], row["engine_pid"]) == ("test", "live", process.pid)
            process.kill()
            process.wait(60)
        wait(lambda: not h.side.engine_attached, "the lock to fall")
        assert missed(h.play(bar, speed=1)) == []
        with engine_of(tmp_path) as (process, _):
            begin = h.frame
            blocks = h.play(4 * bar, speed=1)
            assert missed([block for block in blocks if block.frame >= begin + 2 * bar]) == []
            process.terminate()
            assert process.wait(60) == 0


def test_stale_caches_are_listed_and_removed(tmp_path: Path) -> None:
    code = "import os, sys; from pathlib import Path; from bridge.timeline.cache import PluginSide;"
    code += "PluginSide.create('gone', 48000, 0.5, Path(sys.argv[1])); os._exit(9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    env = os.environ | {"ATTACCA_CACHE_DIR": str(tmp_path)}

    def live(*words: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "bridge.cli", "live", *words], env=env, capture_output=True, text=True, check=True
        ).stdout

    assert "gone: stale" in live()
    assert json.loads(live("clean", "--json"))["removed"] == ["gone"]
    assert "No plugin is loaded" in live()
