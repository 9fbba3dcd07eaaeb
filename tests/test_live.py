"""Live sessions: a host plays what the engine renders, through real shared memory and real sockets."""

from __future__ import annotations

import math
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from bridge.timeline.cache import Transport
from tests.live_helpers import RATE, THREE_TEMPI, Coloured, beat, host, measured, missed, stage, wait


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


def test_a_loop_is_ahead_of_its_own_end(tmp_path: Path) -> None:
    with stage(tmp_path) as s, host(tmp_path, "0:120,2:130", frame=0) as h:
        h.loop = (beat(h.song, 1), beat(h.song, 4))
        h.frame = beat(h.song, 1)
        h.report()
        wait(s.status, "the session to begin")
        s.engine.live("tempo-map", tempo="0:120,2:130")
        h.ready(2)
        assert missed(h.play(3 * (h.loop[1] - h.loop[0]))) == []
        s.explained(h)
        status = s.status()
        assert status is not None
        assert status.renders <= 3, "visited bars are kept"
        assert {block.frame for block in h.played} <= set(range(*h.loop))


def test_one_change_a_bar_lands_on_its_bar(tmp_path: Path) -> None:
    with stage(tmp_path) as s, host(tmp_path, "240") as h:
        h.ready(2)
        bar = beat(h.song, 1)
        measured(s, h, 0.25)
        for n in range(6):
            h.play(bar // 4, speed=1)
            h.side.set_words(prompt_a=f"sound {n}")
            assert missed(h.play(bar - bar // 4, speed=1)) == []
        s.explained(h)
        traces = [trace for trace in s.traces() if trace.kind == "prompt"]
        assert len(traces) == 6
        for n, trace in enumerate(traces):
            assert trace.announced_frame == (n + 1) * bar == trace.first_changed_frame
            assert trace.first_written_ns is not None
            assert trace.first_written_ns > trace.arrived_ns
            assert str(trace.request_id).startswith("live-test-")
        texts = [tuple(part.text for part in request.prompts) for request in s.renderer.requests]
        assert [f"sound {n}" for n in range(6)] == list(dict.fromkeys(t[0] for t in texts if t))


def test_knobs_become_the_request(tmp_path: Path) -> None:
    with stage(tmp_path) as s, host(tmp_path, playing=False) as h:
        h.side.set_words(prompt_a="warm house", prompt_b="rain", seed=5)
        h.side.set_knobs(blend=0.25, guidance=2.0, intensity_db=-12.0, look_ahead_bars=1)
        h.ready(2)
        request = s.renderer.requests[-1]
        assert [(part.text, part.weight) for part in request.prompts] == [("warm house", 0.75), ("rain", 0.25)]
        assert (request.guidance, request.intensity[0].db, request.steps, request.priority) == (2.0, -12.0, 2, 9)
        before = len(s.renderer.requests)
        h.side.set_knobs(intensity_db=-60.0, blend=1.0)
        wait(lambda: len(s.renderer.requests) > before, "the change to be rendered")
        request = s.renderer.requests[-1]
        assert [part.text for part in request.prompts] == ["rain"] and request.intensity is None


def test_what_follows_continues_what_is_there(tmp_path: Path) -> None:
    with stage(tmp_path) as s, host(tmp_path, playing=False) as h:
        h.ready(2)
        h.playing = True
        h.play(4 * beat(h.song, 1))
        rows = list(zip(s.renderer.requests, s.renderer.contexts, strict=True))
        assert rows[0][0].kind == "generate"
        later = [(request, context) for request, context in rows if request.kind == "continue"]
        assert later
        for request, context in later:
            assert context is not None
            assert len(context) <= 4 * RATE
            assert len(context) == 4 * RATE or Fraction(request.source_offset) == 0


def test_the_tracks_own_sound_is_continued(tmp_path: Path) -> None:
    with stage(tmp_path) as s, host(tmp_path, "240", tone=0.5) as h:
        h.side.set_knobs(live=0)
        bar = beat(h.song, 1)
        h.play(3 * bar, speed=2)
        h.side.set_knobs(live=1)
        h.side.set_knobs(continues=1)
        h.ready(1)
        context = s.renderer.contexts[0]
        assert context is not None
        assert s.renderer.requests[0].kind == "continue"
        assert float(np.abs(context).max()) == pytest.approx(0.5, abs=0.01)


def test_two_caches_do_not_mix(tmp_path: Path) -> None:
    with stage(tmp_path) as s, host(tmp_path, instance="a") as a, host(tmp_path, "100", instance="b") as b:
        a.side.set_words(prompt_a="one")
        b.side.set_words(prompt_a="other")
        a.ready(2)
        b.ready(2)
        for _ in range(8):
            assert missed(a.play(RATE // 2)) == missed(b.play(RATE // 2)) == []
        s.explained(a, b)
        asked = {request.id.split("-")[1]: {p.text for p in request.prompts} for request in s.renderer.requests}
        assert asked == {"a": {"one"}, "b": {"other"}}
        assert {status.instance for status in s.engine.live_status().sessions} == {"a", "b"}
        a.close()
        wait(lambda: s.status("a") is None, "the session to go with its plugin")
        assert missed(b.play(RATE)) == []


def test_a_new_engine_takes_up_what_an_old_one_left(tmp_path: Path) -> None:
    with host(tmp_path, *THREE_TEMPI) as h:
        with stage(tmp_path) as s:
            h.ready(3)
            h.play(beat(h.song, 4) + RATE // 2)
            h.ready(2)
            generation = h.side.segments()[0]
        assert not h.side.engine_attached
        there = beat(h.song, 5)
        assert missed(h.play(there - h.frame)) == [], "bars rendered before play on without an engine"
        with stage(tmp_path) as s:
            h.ready(2)
            assert h.side.segments()[0] == generation, "the map is taken up, and with it what is in the cache"
            h.locate(beat(h.song, 3))
            assert missed(h.play(beat(h.song, 2))) == []
            first = wait(s.status, "the session")
            assert first.renders <= 3


def test_every_change_of_a_turning_knob_is_traced_to_its_sample(tmp_path: Path) -> None:
    with stage(tmp_path, Coloured(0.15)) as s, host(tmp_path, "120") as h:
        h.ready(2)
        for n in range(12):
            h.side.set_knobs(intensity_db=-30.0 + n)
            assert missed(h.play(RATE // 6, speed=1)) == []
        h.play(2 * RATE, speed=1)
        traces = [trace for trace in s.traces() if trace.kind == "intensity"]
        assert len(traces) >= 8
        assert [trace for trace in traces if trace.first_written_ns is None] == []
        assert all(trace.first_changed_frame >= trace.announced_frame for trace in traces)
        s.explained(h)


def test_an_unannounced_jump_is_covered_soon_and_a_visited_bar_at_once(tmp_path: Path) -> None:
    with stage(tmp_path, Coloured(0.05)) as s, host(tmp_path, "120", block=128) as h:
        h.ready(2)
        h.play(RATE, speed=1)
        h.locate(beat(h.song, 20, 0.7))
        blocks = h.play(2 * RATE, speed=1)
        gap = missed(blocks)
        assert 0 < len(gap) * h.block < RATE, "about the render's own latency"
        assert gap == [blocks[0].frame + k * h.block for k in range(len(gap))], "once covered, it stays"
        h.locate(beat(h.song, 0, 1.0))
        assert missed(h.play(RATE, speed=1)) == []
        s.explained(h)


def test_nonsense_from_a_host_harms_nobody(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    with stage(tmp_path), host(tmp_path) as h:
        wild = [math.nan, math.inf, -1e300, -3.0, 0.0, 19.0, 20.0, 120.0, 400.0, 999.0]
        for n in range(400):
            transport = Transport(
                frame=int(rng.choice([-(2**60), -5, 0, 7, 100_000, 2**40, 2**62])), monotonic_ns=time.monotonic_ns(),
                playing=bool(rng.integers(2)), looping=bool(rng.integers(2)), musical=bool(rng.integers(4)),
                block_frames=int(rng.choice([0, 1, 128, 2**31])), bar=int(rng.choice([-9, 0, 3, 2**50])),
                quarter=float(rng.choice([*wild, 0.5])), tempo=float(rng.choice(wild)),
                numerator=int(rng.choice([0, 3, 4, 7, 99])), denominator=int(rng.choice([0, 3, 4, 8])),
                loop_first=int(rng.integers(-9, 99_999)), loop_last=int(rng.integers(-9, 99_999)),
                jumps=int(rng.integers(9)), blocks=1000 + n,
            )  # fmt: skip
            h.side.report(transport)
            h.side.push_note(int(rng.integers(-9, 10**6)), bytes(rng.integers(0, 256, 3).tolist()), 0)
            h.side.set_knobs(intensity_db=float(rng.choice(wild)), blend=float(rng.choice(wild)), hold=n % 3)
            time.sleep(0.003)
        h.blocks, h.jumps = 5000, 50
        h.side.set_knobs(live=1, hold=0, intensity_db=-60.0, blend=0.0)
        h.ready(2)
        assert missed(h.play(2 * RATE)) == []
        assert all(np.isfinite(block.audio).all() for block in h.played)
