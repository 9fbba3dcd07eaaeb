"""MIDI ports of a real JACK server: gone and back, waited for, remembered, our own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bridge.midi.inputs import NoteCollector, open_input
from bridge.midi.remembered import LAST, open_chosen
from bridge.midi.settings import load, settings_path
from engine.errors import BadRequest
from tests.jack_server import JackServer
from tests.midi_helpers import Keyboard, sounding
from tests.waiting import WAIT_S, within


def test_a_port_that_vanishes_is_opened_again_when_it_is_back(jack_server: JackServer) -> None:
    collector, heard = NoteCollector(), list[bytes]()
    keyboard = Keyboard(jack_server)
    try:
        with open_input("*keys*", collector) as source:
            source.listen(lambda data, at_ns: heard.append(data))
            assert source.name == "keys:out"
            assert within(WAIT_S, lambda: keyboard.queue.append(b"\xb0\x07\x01") or bool(heard)), "to be connected"  # type: ignore[func-returns-value]
            keyboard.queue += [b"\x90\x3c\x40", b"\xf8", b"\xf2\x02\x00", b"\x90\x40\x40"]
            assert within(WAIT_S, lambda: sounding(collector) == [0x40]), (heard, collector.since(0))
            assert {b"\xf8", b"\xf2\x02\x00"} <= set(heard)
            keyboard.close()
            assert within(WAIT_S, lambda: sounding(collector) == []), "a vanished port releases its notes"
            keyboard = Keyboard(jack_server)
            assert within(WAIT_S, lambda: keyboard.queue.append(b"\x90\x43\x40") or 0x43 in sounding(collector))  # type: ignore[func-returns-value]
    finally:
        keyboard.close()
    assert sounding(collector) == []


PORT_ON_JACK = """
import time
from bridge.midi.inputs import NoteCollector, open_input
collector = NoteCollector()
with open_input("keys", collector):
    print("open", flush=True)
    told = 0
    for _ in range(600):
        time.sleep(0.05)
        if collector.changes != told:
            told = collector.changes
            print(sum(note.end_ns is None for note in collector.since(0)), flush=True)
        if told >= 3:
            break
print("closed", flush=True)
"""


def test_a_jack_server_that_dies_releases_notes_and_one_that_comes_is_used(jack_server: JackServer) -> None:
    command = [sys.executable, "-c", PORT_ON_JACK]
    environment = {**jack_server.environment, "MIDO_BACKEND": "mido.backends.rtmidi/UNIX_JACK"}
    keyboard = jack_server.start(sys.executable, "-c", KEYS_ON_JACK)
    assert jack_server.wait_for_port("keys:out")
    ours = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert ours.stdout is not None and ours.stdout.readline() == b"open\n"
        assert ours.stdout.readline() == b"1\n"
        jack_server.server.kill()
        jack_server.server.wait(timeout=30)
        assert ours.stdout.readline() == b"0\n"
        keyboard.kill()
        jack_server.restart()
        jack_server.start(sys.executable, "-c", KEYS_ON_JACK)
        assert ours.communicate(timeout=60)[0] == b"1\nclosed\n"
        assert ours.returncode == 0
    finally:
        ours.kill()


KEYS_ON_JACK = """
import time, jack
client = jack.Client("keys", no_start_server=True)
port = client.midi_outports.register("out")
blocks = 0
@client.set_process_callback
def process(frames):
    global blocks
    port.clear_buffer()
    blocks += 1
    if blocks % 100 == 0 and port.number_of_connections:
        port.write_midi_event(0, bytes((0x90, 0x3C, 0x40)))
        blocks = -10**9
client.activate()
time.sleep(60)
"""


def test_a_virtual_port_of_our_own_on_jack(jack_server: JackServer) -> None:
    collector = NoteCollector()
    keyboard = Keyboard(jack_server)
    try:
        with open_input("virtual:Attacca Test", collector):
            ours = [p for p in keyboard.client.get_ports(is_midi=True, is_input=True) if "Attacca Test" in p.name]
            assert ours
            keyboard.client.connect(keyboard.port, ours[0])
            assert within(WAIT_S, lambda: keyboard.queue.append(b"\x90\x43\x40") or 0x43 in sounding(collector))  # type: ignore[func-returns-value]
    finally:
        keyboard.close()


def test_a_port_that_is_not_there_yet_is_opened_once_it_is(jack_server: JackServer) -> None:
    collector = NoteCollector()
    with pytest.raises(BadRequest, match="no MIDI input is called"):
        open_input("*keys*", collector)
    with open_input("*keys*", collector, wait=True):
        keyboard = Keyboard(jack_server)
        try:
            assert within(WAIT_S, lambda: keyboard.queue.append(b"\x90\x43\x40") or 0x43 in sounding(collector))  # type: ignore[func-returns-value]
        finally:
            keyboard.close()


def test_the_chosen_port_is_remembered_and_opened_again_as_last(
    jack_server: JackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(BadRequest, match="no MIDI input was chosen yet"):
        open_chosen(LAST)
    open_chosen("socket:127.0.0.1:0").close()
    assert not settings_path().exists(), "what is no port of the machine is not remembered"
    keyboard, collector = Keyboard(jack_server), NoteCollector()
    try:
        open_chosen("*keys*").close()
        assert load().input == "*keys*"
        with open_chosen(LAST, collector) as source:
            assert source.name == "keys:out"
            assert within(WAIT_S, lambda: keyboard.queue.append(b"\x90\x43\x40") or 0x43 in sounding(collector))  # type: ignore[func-returns-value]
    finally:
        keyboard.close()


def test_a_choice_that_cannot_be_kept_is_told_and_the_port_opens_all_the_same(
    jack_server: JackServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    open_chosen("virtual:Attacca Test", path=tmp_path / "file" / "midi.json").close()
    assert "not remembered" in capsys.readouterr().err
