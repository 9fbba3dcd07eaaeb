"""The real plugin (VST3) in DawDreamer with a real engine process: what is played is what the engine told.

The host is offline: it waits at a gate until bars are ready. It cannot tell a signature, and its only locate is the
one back to frame 0 with which every render begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.hosts.attacca_plugin import Plugins, build_plugins
from tests.hosts.dawdreamer_host import DawDreamer, dawdreamer
from tests.hosts.juce_state import component, values
from tests.hosts.live_rig import Live, cache_folder, instance_of, live_engine
from tests.hosts.probe_plugin import Gate, build_probe
from tests.hosts.song import Part, Song
from tests.waiting import wait

BLOCK = 480
EVEN = Song((Part(0, Fraction(120)), Part(2, Fraction(100)), Part(4, Fraction(150))))
"""Every bar line on a block's edge, so that the host's own map is the announced one."""
ODD = Song((Part(0, Fraction(132)), Part(2, Fraction("97.3")), Part(4, Fraction("140.125"))))
AHEAD_FRAMES = 24_000


@pytest.fixture
def caches(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    dawdreamer()
    with cache_folder(monkeypatch) as folder:
        yield folder


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    monkeypatch.setenv("ATTACCA_PROBE_GATE", str(gate.path))
    yield gate
    gate.close()


@pytest.fixture
def plugins() -> Plugins:
    return build_plugins()


def cue(live: Live, host: DawDreamer, gate: Gate, instances: list[str]) -> None:
    """Puts the play head to the beginning and waits until two bars are ready there."""
    gate.open_until(BLOCK)
    host.render(BLOCK)
    for instance in instances:
        live.await_session(instance, lambda s: s.bars_ready >= 2 and s.frame == BLOCK and not s.rolling)


def render(live: Live, host: DawDreamer, gate: Gate, frames: int, instances: list[str]) -> np.ndarray:
    """A render from frame 0, held while less than half a second is ready."""
    gate.open_until(0)
    with host.start(frames) as run:

        def paced() -> bool:
            ready = min(s.ready_until_frame for s in live.engine.live_status().sessions if s.instance in instances)
            gate.open_until(ready - AHEAD_FRAMES)
            return not run.running

        wait(paced, "the whole song to be rendered")
    return run.audio


def learn(live: Live, host: DawDreamer, gate: Gate, frames: int, name: str) -> None:
    """A first pass in steps of a tenth of a second, each seen by the engine, as a host in real time would go."""
    gate.open_until(0)
    with host.start(frames) as run:
        for at in range(0, frames, 4800):
            gate.open_until(at + 4800)
            live.await_session(name, lambda s, at=at: s.frame >= min(at + 4800, frames) - 2 * BLOCK)
        gate.close()
        wait(lambda: not run.running, "the end of the first pass")


@pytest.mark.parametrize("learnt", [False, True], ids=["announced", "learnt"])
def test_every_played_frame_is_what_the_engine_told(
    caches: Path, gate: Gate, plugins: Plugins, tmp_path: Path, learnt: bool
) -> None:
    """Three tempi, one change a bar; bars that were never rendered before, where the map was announced."""
    song = ODD if learnt else EVEN
    frames = song.frame(8) // BLOCK * BLOCK
    with live_engine(caches) as live:
        host = DawDreamer(song, {"gate": build_probe().vst3, "attacca": plugins.vst3}, block=BLOCK)
        host.say("attacca", tmp_path, prompt_a="warm house", prompt_b="cold dub", seed="5")
        host.set("attacca", "Dry", 0.0)
        host.automate("attacca", "Prompt A to B", np.repeat(np.arange(40) % 4 / 4, 4))
        watcher = live.watch()[0]
        name = instance_of(watcher)
        live.await_session(name, lambda s: True)
        if learnt:
            learn(live, host, gate, frames, name)
        else:
            live.engine.live("tempo-map", instance=name, tempo=song.text()[0], meter="4/4")
        cue(live, host, gate, [name])
        before = watcher.counters()
        heard = render(live, host, gate, frames, [name])
        after = watcher.counters()
        renders = live.session(name)
        assert len(heard) == frames
        live.assert_told(name, 0, heard)
        assert after.missed_frames == before.missed_frames
        assert after.off_grid_blocks == before.off_grid_blocks
        assert after.played_frames - before.played_frames == frames
        assert renders is not None
        assert renders.failures == 0
        assert renders.renders >= 4, "one change a bar is one render a bar, or nearly"
        assert (
            len({round(float(np.abs(np.fft.rfft(heard[song.frame(bar) :][:8192, 0])).argmax())) for bar in range(8)})
            > 2
        )


def test_a_locate_keeps_the_bars(caches: Path, gate: Gate, plugins: Plugins) -> None:
    """Each render of this host is a locate to frame 0: the bars are there at once, bit by bit, nothing is rendered."""
    frames = EVEN.frame(4) - 20 * BLOCK
    with live_engine(caches) as live:
        host = DawDreamer(EVEN, {"gate": build_probe().vst3, "attacca": plugins.vst3}, block=BLOCK)
        host.set("attacca", "Dry", 0.0)
        watcher = live.watch()[0]
        name = instance_of(watcher)
        live.await_session(name, lambda s: True)
        live.engine.live("tempo-map", instance=name, tempo=EVEN.text()[0], meter="4/4")
        cue(live, host, gate, [name])
        first = render(live, host, gate, frames, [name])
        live.await_session(name, lambda s: s.bars_ready >= 2 and not s.rolling)
        renders, missed = live.session(name), watcher.counters().missed_frames
        gate.close()
        again = [host.render(frames) for _ in range(3)]
        assert all(np.array_equal(first, take) for take in again)
        assert watcher.counters().missed_frames == missed
        now = live.session(name)
        assert renders is not None
        assert now is not None
        assert (now.renders, now.generation) == (renders.renders, renders.generation)


def test_two_instances_do_not_hear_each_other(caches: Path, gate: Gate, plugins: Plugins, tmp_path: Path) -> None:
    frames = EVEN.frame(4)
    with live_engine(caches) as live:
        both = {"one": plugins.vst3, "two": plugins.vst3}
        host = DawDreamer(EVEN, {"gate": build_probe().vst3}, block=BLOCK, beside=both)
        names = {}
        for name, words in (("one", "warm house"), ("two", "cold dub")):
            host.say(name, tmp_path, prompt_a=words)
            host.set(name, "Dry", 0.0)
            names[name] = values(component(host.state(name, tmp_path)))["instance"]
        watchers = {instance_of(watcher): watcher for watcher in live.watch(2)}
        assert set(watchers) == set(names.values())
        for name in names.values():
            live.await_session(name, lambda s: True)
            live.engine.live("tempo-map", instance=name, tempo=EVEN.text()[0], meter="4/4")
        cue(live, host, gate, list(names.values()))
        before = {name: watcher.counters().missed_frames for name, watcher in watchers.items()}
        render(live, host, gate, frames, list(names.values()))
        assert {name: watcher.counters().missed_frames for name, watcher in watchers.items()} == before
        for name, other in (("one", "two"), ("two", "one")):
            heard = host.heard(name)[:frames]
            live.assert_told(names[name], 0, heard)
            loud = np.abs(heard).max(axis=1) > 1e-3
            assert loud.mean() > 0.1
            assert live.told.equals(names[other], 0, heard)[loud].mean() < 0.1


def test_state_survives_save_and_load(caches: Path, plugins: Plugins, tmp_path: Path) -> None:
    """Prompts, seed, knobs and the instance id; a copy beside the first gets an id of its own."""
    host = DawDreamer(EVEN, {"attacca": plugins.vst3})
    host.say("attacca", tmp_path, prompt_a="warm house", prompt_b="cold dub", seed="77")
    host.set("attacca", "Prompt A to B", 0.25)
    host.render(BLOCK)
    state = host.state("attacca", tmp_path)
    mine = values(component(state))
    copy = DawDreamer(EVEN, {"attacca": plugins.vst3})
    copy.load("attacca", state, tmp_path)
    theirs = values(component(copy.state("attacca", tmp_path)))
    assert theirs["instance"] != mine["instance"]
    assert {**theirs, "instance": ""} == {**mine, "instance": ""}
    del host, copy
    back = DawDreamer(EVEN, {"attacca": plugins.vst3})
    back.load("attacca", state, tmp_path)
    assert values(component(back.state("attacca", tmp_path))) == mine
    assert mine["prompt_a"] == "warm house"
    assert mine["seed"] == "77"
    assert back.plugins["attacca"].get_parameter(back.parameters("attacca")["Prompt A to B"]) == pytest.approx(0.25)
    assert (caches / f"attacca-{mine['instance']}").exists()
