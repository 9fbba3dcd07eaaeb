"""Knobs and velocity: learnt, mapped, kept in a file, and what they ask of a live session."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.commands.midi import knob_from
from bridge.live.request import Wishes
from bridge.live.steering import Steering
from bridge.midi.hands import Bindings, Hands
from bridge.midi.learn import Learner
from bridge.midi.mapping import TARGETS, Binding, Knob, Target, bound, check_binding
from bridge.midi.settings import MAX_BINDINGS, Settings, load, save, with_binding, without
from engine.errors import BadRequest, Unavailable
from tests.live_helpers import Coloured, host, stage, wait

ROOT = Path(__file__).resolve().parent.parent
ANY_74 = Knob("cc", 0, 74)
VELOCITY = Knob("velocity", 0, 0)


def cc(number: int, position: int, channel: int = 1) -> bytes:
    return bytes((0xB0 | channel - 1, number, position))


# ---- mapping and file --------------------------------------------------------------------


@given(st.sampled_from(sorted(TARGETS)), st.data())
def test_a_knob_covers_its_stretch_and_stays_within_it(target: Target, data: st.DataObject) -> None:
    span = TARGETS[target]
    ends = st.floats(span.least, span.most, allow_subnormal=False)
    low, high = data.draw(ends), data.draw(ends)
    binding = bound(target, ANY_74, low, high)
    values = [binding.value(position) for position in range(128)]
    assert values[0] == pytest.approx(low, abs=span.step / 2 + 1e-9)
    assert values[-1] == pytest.approx(high, abs=span.step / 2 + 1e-9)
    assert values in (sorted(values), sorted(values, reverse=True))


@pytest.mark.parametrize(
    "binding",
    [
        Binding("cc", "intensity", -80.0, 0.0), Binding("cc", "blend", 0.0, 2.0),
        Binding("cc", "guidance", float("nan"), 2.0), Binding("velocity", "blend", 0.0, 1.0, channel=2),
    ],
)  # fmt: skip
def test_what_lies_outside_is_refused(binding: Binding) -> None:
    with pytest.raises(BadRequest):
        check_binding(binding)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", '{"input": 5}', '{"unknown": 1}', '{"bindings": [{"source": "cc", "target": "tempo"}]}',
        '{"bindings": [{"source": "cc", "target": "blend", "low": 0, "high": 2}]}', "\xff", "[" * 100_000,
        '{"bindings": [{"source": "cc", "target": "blend", "low": 0, "high": 1, "number": 128}]}',
    ],
)  # fmt: skip
def test_the_file_is_read_strictly(tmp_path: Path, text: str) -> None:
    path = tmp_path / "midi.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadRequest, match="mend it or remove it"):
        load(path)


def test_settings_come_back_and_a_knob_steers_one_thing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "midi.json"
    assert load(path) == Settings()
    settings = with_binding(Settings(input="*keys*"), bound("intensity", VELOCITY))
    settings = with_binding(settings, bound("blend", ANY_74))
    settings = with_binding(settings, bound("guidance", ANY_74, 6, 1))
    assert load(save(settings, path)) == settings
    assert [binding.target for binding in settings.bindings] == ["intensity", "guidance"]
    assert [binding.target for binding in without(settings, "intensity").bindings] == ["guidance"]
    assert without(settings).bindings == ()
    with pytest.raises(BadRequest, match="forget some"):
        save(Settings(bindings=(bound("blend", ANY_74),) * (MAX_BINDINGS + 1)), path)


@pytest.mark.parametrize("text", ["", "x", "120", "74:0", "74:17", "74:", "-1", "1" * 50, "74:1:1"])
def test_a_knobs_name_is_checked(text: str) -> None:
    if text == "74:":
        assert knob_from(text) == ANY_74
        return
    with pytest.raises(BadRequest):
        knob_from(text)


def test_knobs_by_name() -> None:
    assert [knob_from(text) for text in ("velocity", "74", "cc74:3")] == [VELOCITY, ANY_74, Knob("cc", 3, 74)]
    assert str(Knob("cc", 3, 74)) == "CC 74 on channel 3"


# ---- hands, learning, steering -----------------------------------------------------------


@given(st.lists(st.binary(max_size=4), max_size=50))
def test_any_bytes_leave_legal_positions(messages: list[bytes]) -> None:
    hands, learner = Hands(), Learner()
    for data in messages:
        hands.feed(data, 0)
        learner.feed(data, 0)
    for move in hands.since(0):
        assert 1 <= move.channel <= 16 and 0 <= move.number < 120 and 0 <= move.position <= 127


def test_the_knob_that_moves_furthest_is_learnt() -> None:
    learner = Learner()

    def hand() -> None:
        time.sleep(0.05)
        for position in range(0, 60, 2):
            learner.feed(cc(1, 64 + position % 4), 0)
            learner.feed(cc(7, position, 3), 0)
            learner.feed(cc(39, (position * 37) % 128, 3), 0)

    thread = threading.Thread(target=hand)
    thread.start()
    assert learner.wait(60) == Knob("cc", 3, 7), "controller 39 is the fine half of 7"
    thread.join()


def test_a_button_is_learnt_and_a_trembling_knob_is_not() -> None:
    learner = Learner()
    learner.feed(cc(64, 127), 0)
    assert learner.wait(60) == Knob("cc", 1, 64)
    still = Learner()
    for position in (64, 65, 64, 65):
        still.feed(cc(10, position), 0)
    with pytest.raises(Unavailable, match="no knob was moved"):
        still.wait(0.1)


def test_who_moved_last_holds(tmp_path: Path) -> None:
    path = tmp_path / "midi.json"
    save(Settings(bindings=(bound("intensity", ANY_74, -40, -10), bound("blend", Knob("cc", 2, 1)))), path)
    hands, bindings = Hands(), Bindings(path)
    hands.feed(cc(74, 10), 1)
    steering, plugin = Steering(hands, bindings), Wishes(intensity_db=-20)
    steering.look()
    assert steering.over(plugin) is plugin, "a position from before is nobody's wish"
    hands.feed(cc(74, 127), 5)
    hands.feed(cc(1, 127, 1), 6)
    steering.look()
    assert (steering.over(plugin), steering.at_ns) == (Wishes(intensity_db=-10), 5), "channel 1 is not bound"
    moved = Wishes(intensity_db=-15)
    steering.give_way(plugin, moved)
    assert steering.over(moved) == moved
    hands.feed(cc(1, 0, 2), 7)
    hands.feed(cc(74, 0), 8)
    steering.look()
    assert steering.values == {"blend": 0, "intensity": -40}
    save(Settings(), path)
    bindings.look()
    steering.look()
    assert steering.values == {}


def test_velocity_steers_by_the_mean_of_the_last_notes(tmp_path: Path) -> None:
    path = tmp_path / "midi.json"
    save(Settings(bindings=(bound("intensity", VELOCITY, -40, -10),)), path)
    steering = Steering(Hands(), Bindings(path))
    steering.look()
    steering.hear(bytes((0x90, 60, 127)), 3)
    assert steering.values == {"intensity": -10}
    told = []
    for _ in range(12):
        steering.hear(bytes((0x90, 60, 1)), 4)
        told.append(steering.values["intensity"])
    assert told == sorted(told, reverse=True) and told[0] > -25 and told[-1] == -40
    steering.hear(bytes((0x80, 60, 127)), 5)
    steering.hear(b"\x90\x3c", 5)
    assert steering.values == {"intensity": -40}


def test_a_file_that_is_spoilt_changes_nothing_and_is_told_once(tmp_path: Path) -> None:
    path, told = tmp_path / "midi.json", list[str]()
    save(Settings(bindings=(bound("blend", ANY_74),)), path)
    bindings = Bindings(path, told.append)
    path.write_text("{")
    bindings.look()
    bindings.look()
    assert len(bindings.now) == 1 and len(told) == 1 and "mend it" in told[0]
    path.unlink()
    bindings.look()
    assert bindings.now == ()


# ---- a live session ----------------------------------------------------------------------


def test_knobs_and_velocity_reach_the_next_bars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    save(Settings(bindings=(bound("melody", ANY_74), bound("intensity", VELOCITY, -40, -10))))
    caches = tmp_path / "caches"
    caches.mkdir()
    with stage(caches, midi_in="socket:127.0.0.1:0") as s, host(caches, "240") as h:
        assert s.server._midi is not None
        h.ready(2)
        with socket.create_connection(("127.0.0.1", int(s.server._midi.name.rpartition(":")[2]))) as keys:
            keys.sendall(cc(74, 127) + bytes((0x90, 64, 127)))
            h.play(24_000, speed=1)
            keys.sendall(bytes((0x80, 64, 0)))

            def reached() -> bool:
                h.play(4_800, speed=1)
                assert isinstance(s.renderer, Coloured)
                return any(r.strengths.melody == 4 and r.intensity and r.melody for r in s.renderer.requests)

            wait(reached, "a request with both")
        assert isinstance(s.renderer, Coloured)
        request = next(r for r in s.renderer.requests if r.strengths.melody == 4 and r.intensity and r.melody)
        assert request.intensity is not None and request.intensity[0].db == -10
        status = s.status()
        assert status is not None
        assert status.steered == {"melody": 4, "intensity": -10}
        assert {"note", "melody", "intensity"} <= {trace.kind for trace in s.traces()}


# ---- the command -------------------------------------------------------------------------


def run(*words: str, config: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bridge.cli", "midi", *words], capture_output=True, text=True, cwd=ROOT, timeout=60,
        env={**os.environ, "XDG_CONFIG_HOME": str(config)}, check=False,
    )  # fmt: skip


def test_the_command_maps_shows_and_forgets(tmp_path: Path) -> None:
    told = json.loads(run("map", "velocity", "intensity", "--high", "-6", "--json", config=tmp_path).stdout)
    assert (told["source"], told["low"], told["high"]) == ("velocity", -36, -6)
    assert "CC 74 steers melody" in run("map", "74", "melody", config=tmp_path).stdout
    shown = json.loads(run("--json", config=tmp_path).stdout)
    assert [row["target"] for row in shown["bindings"]] == ["intensity", "melody"]
    refused = run("map", "74", "blend", "--high", "5", config=tmp_path)
    assert refused.returncode == 2 and "blend lies from 0 to 1" in refused.stderr
    assert run("learn", "blend", config=tmp_path).stderr.endswith("then give one by name\n")
    assert "1 mapping forgotten" in run("forget", "melody", config=tmp_path).stdout
    assert [binding.target for binding in load(tmp_path / "attacca" / "midi.json").bindings] == ["intensity"]


def test_a_knob_is_learnt_from_a_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "bridge.cli", "midi", "learn", "blend", "--port", f"socket:127.0.0.1:{port}"]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
    ours = subprocess.Popen(
        [*command, "--json"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert ours.stderr is not None
        assert "move the knob" in ours.stderr.readline()
        with socket.create_connection(("127.0.0.1", port)) as keys:
            for position in range(0, 128, 4):
                keys.sendall(cc(21, position, 5))
            out, _ = ours.communicate(timeout=60)
    finally:
        ours.kill()
        ours.wait()
    assert (json.loads(out)["number"], json.loads(out)["channel"]) == (21, 5)
