"""Panic of `attacca host` by a key, by OSC and by MIDI: a terminal, a socket and a JACK MIDI port, as on stage.

What sounds is a VST3 instrument of the chain that holds a key through each bar, one key a bar, so that its level says
which keys are down: a note that is stuck would add to every later bar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pedalboard", reason="needs the extra 'host'")

from benchmarks.host_process import HostProcess
from engine.planning.files import write_plan
from engine.types import Note, Plan, PlanBar
from tests.host_helpers import Listener, Played, losses, running, shared_synth, wait
from tests.jack_server import JackServer, jack_or_skip
from tests.midi_helpers import Keyboard

jack_or_skip()
pytestmark = pytest.mark.timeout(240)
KEYS = tuple(range(60, 92))
BAR = 96_000
LEVEL = 1e-4
"""Of one key, at -20 dB: softer than what counts as DC."""
SILENT_PERIODS = 40
ALL_NOTES_OFF, PANIC_KEY, START = bytes((0xB0, 123, 0)), bytes((0x90, 5, 100)), b"\xfa"
Act = Callable[[HostProcess], None]


@pytest.fixture(scope="module")
def synth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_synth(tmp_path_factory)


@pytest.fixture(scope="module")
def server() -> Iterator[JackServer]:
    yield from running("panic")


@pytest.fixture
def listener(server: JackServer) -> Iterator[Listener]:
    made = Listener(server)
    yield made
    made.close()


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: JackServer, synth: Path
) -> Callable[..., Played]:  # fmt: skip
    """stage(*options): a host whose synth holds KEYS[bar] through each bar; the rendered audio is not heard."""
    monkeypatch.setenv("ATTACCA_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    plan = Plan(tuple(PlanBar(melody=(Note(key, 0.0, 4.0),)) for key in KEYS))
    write_plan(tmp_path / "plan.mid", plan)
    chain = f"rendered = false\n[[instrument]]\nvst3 = '{synth}'\nplays = ['melody']\ngain_db = -20.0\n"
    (tmp_path / "chain.toml").write_text(chain)

    def make(*options: str, **more: Any) -> Played:
        files = ("--chain", str(tmp_path / "chain.toml"), "--plan", str(tmp_path / "plan.mid"))
        silence = np.zeros((1_000, 2), np.float32)
        return Played(server, tmp_path, silence, *files, "--transport", "off", *options, **more)

    return make


def press(keys: str) -> Act:
    return lambda host: host.press(keys)


def osc(what: str) -> Act:
    return lambda host: host.send(what)


def panics_and_goes_on(host: HostProcess, listener: Listener, panic: Act, release: Act, bar: int = 0) -> None:
    """In the middle of a bar after `bar`: silence from one period to the next, and after the release no key is stuck.

    A release goes on where the panic stood, with the next bar's key: what began before is not taken up again.
    """
    played = host.wait(lambda status: status["frame"] > (bar + 1) * BAR + BAR // 4, "the middle of a bar")
    wait(lambda: level(listener) > 30, "the synth is heard")
    assert played["rolling"]
    panic(host)
    host.wait(lambda status: status["muted"] and not status["rolling"], "a panic")
    wait(lambda: not listener.blocks[-1][2].any(), "silence")
    mark = len(listener.blocks)
    wait(lambda: len(listener.blocks) > mark + SILENT_PERIODS, "some periods")
    stood = host.status()
    assert not np.concatenate([audio for _, _, audio in listener.blocks[mark : mark + SILENT_PERIODS]]).any()
    assert periods_of_fading(listener) <= 1 or losses(stood, listener)
    release(host)
    host.wait(lambda status: status["rolling"] and not status["muted"], "it sounds again")
    following = stood["frame"] // BAR + 1
    wait(lambda: KEYS[following] in steady(listener, mark), "the next bar's key alone: none is stuck")
    assert set(steady(listener, mark)) <= {0, *KEYS}, "never two keys at once"


def steady(listener: Listener, mark: int) -> list[int]:
    """The levels, as sums of keys, of the periods from `mark` on that keep theirs throughout."""
    heard = [audio[:, 0] / LEVEL for _, _, audio in listener.blocks[mark:]]
    return [round(float(line[0])) for line in heard if np.ptp(line) < 0.01]


def level(listener: Listener) -> float:
    """Which keys sound, by their numbers' sum, at the end of the newest period."""
    return float(listener.blocks[-1][2][-1, 0]) / LEVEL


def periods_of_fading(listener: Listener) -> int:
    """How many periods lie between the last one at full level and silence."""
    found = [np.abs(audio[:, 0]) / LEVEL for _, _, audio in list(listener.blocks)]
    last = max(n for n, line in enumerate(found) if line.min() > 0.9 * KEYS[0])
    silent = next(n for n in range(last, len(found)) if not found[n].any())
    return silent - last - 1


def test_a_key_of_the_terminal(stage: Callable[..., Played], listener: Listener) -> None:
    with stage(terminal=True) as host:
        listener.connect("attacca")
        panics_and_goes_on(host, listener, press("p"), press(" "))
        host.press("xpq")  # three keys at once: each is taken
        report, _ = host.finish(interrupt=False)
    assert host.process.returncode == 0 and report["muted"]


def test_a_message_by_osc(stage: Callable[..., Played], listener: Listener) -> None:
    with stage() as host:
        listener.connect("attacca")
        panics_and_goes_on(host, listener, osc("panic"), osc("start"))
        host.send("panic")
        host.wait(lambda status: status["muted"], "a second one")
        host.send("stop")
        host.send("start")
        host.wait(lambda status: status["rolling"], "a stop in between changes nothing")
        host.finish()


def test_a_controller_and_a_key_of_a_midi_port_that_may_be_pulled_out(
    stage: Callable[..., Played], listener: Listener, server: JackServer
) -> None:
    """The keyboard goes in the middle, and comes back: it is opened again, and obeyed."""
    keyboard = Keyboard(server)
    options = ("--midi", "*keys*", "--panic-note", "5")
    try:
        with stage(*options, MIDO_BACKEND="mido.backends.rtmidi/UNIX_JACK") as host:
            listener.connect("attacca")
            connected(keyboard)
            panics_and_goes_on(host, listener, says(keyboard, ALL_NOTES_OFF), says(keyboard, START))
            keyboard.close()
            wait(lambda: not listener.client.get_ports(is_midi=True), "the host closes a port whose cable is pulled")
            host.wait(lambda status: status["rolling"], "it stops nothing")
            keyboard = Keyboard(server)
            connected(keyboard)
            bar = host.status()["frame"] // BAR
            panics_and_goes_on(host, listener, says(keyboard, PANIC_KEY), says(keyboard, START), bar)
            host.finish()
    finally:
        keyboard.close()


def connected(keyboard: Keyboard) -> None:
    wait(lambda: keyboard.port.number_of_connections, "the host opens the port")


def says(keyboard: Keyboard, data: bytes) -> Act:
    return lambda host: keyboard.queue.append(data)
