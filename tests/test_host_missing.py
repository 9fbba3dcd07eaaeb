"""Machines that lack PortAudio, JACK, MIDI or a browser: each part says what is missing, and the rest works.

Processes of their own, in which the libraries are really not to be found: the lookup by which `jack` and `sounddevice`
find theirs comes back with nothing, and rtmidi cannot be imported.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("pedalboard", reason="needs the extra 'host'")

from benchmarks.host_process import HostProcess
from bridge.client import connect
from bridge.demo_engine import engine_process
from tests.host_helpers import running
from tests.jack_server import JackServer, jack_or_skip

pytestmark = pytest.mark.timeout(240)
ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = ("jack", "libjack", "libjack64", "portaudio")
HIDING = """
import ctypes.util, os, sys
hidden = os.environ["ATTACCA_TEST_HIDDEN"].split(",")
find = ctypes.util.find_library
ctypes.util.find_library = lambda name: None if name in hidden else find(name)
if "rtmidi" in hidden:
    sys.modules["rtmidi"] = None
"""
NO_MIDI = "MIDI ports cannot be used here"


@pytest.fixture
def lacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is started from here on finds none of the libraries, no server, no program; a folder for its files."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(HIDING)
    for name, value in {
        "PYTHONPATH": tmp_path / "site", "ATTACCA_TEST_HIDDEN": ",".join((*LIBRARIES, "rtmidi")),
        "ATTACCA_CACHE_DIR": tmp_path, "XDG_CONFIG_HOME": tmp_path, "JACK_DEFAULT_SERVER": "attacca-nobody",
        "JACK_NO_START_SERVER": "1", "PATH": tmp_path / "nothing",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, str(value))
    return tmp_path


@pytest.fixture(scope="module")
def server() -> Iterator[JackServer]:
    jack_or_skip()
    yield from running("missing")


def attacca(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bridge.cli", *words]
    environment = {**os.environ, **variables}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("host", "--osc", "off"), "playing through JACK needs libjack: apt-get install jackd2"),
        (("host", "--osc", "off"), "playing to a sound device needs PortAudio: apt-get install libportaudio2"),
        (("host", "--device", "any"), "playing to a sound device needs PortAudio: apt-get install libportaudio2"),
        (("click",), "a metronome needs JACK: pip install 'attacca-engine[jack]', apt install jackd2"),
        (("serve", "--fake", "--sync", "jack"), "sudo apt install jackd2"),
        (("serve", "--fake", "--midi-in", "keys"), f"{NO_MIDI} (import of rtmidi"),
        (("midi", "learn", "intensity", "--port", "keys"), "pip install python-rtmidi"),
    ],
)
def test_what_needs_it_says_what_is_missing_and_how_to_get_it(
    lacking: Path, words: tuple[str, ...], sentence: str
) -> None:
    done = attacca(*words)
    assert done.returncode == 2
    assert sentence in done.stderr and "Traceback" not in done.stderr


def test_the_doctor_names_all_of_it_and_says_that_this_machine_can_serve(lacking: Path) -> None:
    done = attacca("doctor", "--no-speed", "--json")
    found = {line["check"]: line for line in json.loads(done.stdout)["checks"]}
    for check, way_out in (("audio", "libportaudio2"), ("jack", "jackd2"), ("midi", "socket:127.0.0.1:PORT")):
        assert found[check]["state"] == "missing" and way_out in found[check]["way_out"]
    assert "jackd2" in found["sync"]["way_out"] and found["sync"]["state"] == "ok"


def test_engine_page_midi_by_socket_and_files_work_all_the_same(lacking: Path) -> None:
    """With a page, too, and no browser: the address is told, and whoever has one opens it."""
    with engine_process("--fake", "--web", "0", "--midi-in", "socket:127.0.0.1:0") as engine:
        with connect(engine.zmq) as client:
            assert len(client.generate(bars=1, tempo=120).audio) == 96_000
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with browser.open(engine.ready["web"], timeout=30) as page:
            assert page.status == 200
        with HostProcess("-o", str(lacking / "out.wav"), "--bars", "1") as host:
            report, words = host.finish(interrupt=False)
    assert host.process.returncode == 0, words
    assert report["missed_frames"] == 0
    assert np.abs(soundfile.read(lacking / "out.wav")[0]).max() > 0.05
    assert attacca("play", str(lacking / "out.wav"), "-o", str(lacking / "again.wav")).returncode == 0
    assert attacca("midi", "--json").returncode == 0


@pytest.mark.parametrize(
    ("hidden", "words", "sentence"),
    [
        ("", ("midi", "learn", "intensity", "--port", "keys"), f"{NO_MIDI}"),
        ("", ("serve", "--fake", "--midi-in", "keys"), "start JACK (jackd -R -d alsa"),
        ("portaudio", ("host", "--osc", "off"), "no JACK server runs: start one (jackd -R -d alsa), or play to"),
        ("portaudio", ("host", "--jack", "attacca-nobody"), "no JACK server 'attacca-nobody' runs: start one"),
        ("jack", ("host", "--osc", "off"), "this machine has no sound output; write a file with -o OUT.wav"),
    ],
)  # fmt: skip
def test_a_library_without_anything_under_it(lacking: Path, hidden: str, words: tuple[str, ...], sentence: str) -> None:
    """The libraries are there, but no server runs and no device or port is to be found."""
    jack_or_skip()
    if os.path.exists("/dev/snd"):
        pytest.skip("this machine has sound and MIDI devices of its own")
    if hidden == "jack" and not find_library("portaudio"):
        pytest.skip("needs: apt-get install libportaudio2")
    done = attacca(*words, ATTACCA_TEST_HIDDEN=hidden, PATH=os.defpath)
    assert done.returncode == 2
    assert sentence in done.stderr and "Traceback" not in done.stderr


def test_a_host_on_jack_plays_without_rtmidi_and_says_what_midi_needs(lacking: Path, server: JackServer) -> None:
    hidden = {"ATTACCA_TEST_HIDDEN": "rtmidi,portaudio", "PATH": os.defpath, **server.variables}
    words = ("--jack", server.name, "--ready-bars", "0")
    with HostProcess(*words, "--midi", "keys", **hidden) as host:
        report, said = host.finish(interrupt=False)
    assert host.process.returncode == 2 and report["error"]
    assert "pip install python-rtmidi" in said
    with HostProcess(*words, **hidden) as host:
        host.wait(lambda status: status["rolling"] and status["frame"] > 10_000, "it plays")
        host.finish()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--osc", "0.0.0.0:0"), "obeys programs on this machine alone: --osc 127.0.0.1:PORT"),
        (("--osc", "TAKEN"), "another host may run; stop it, or choose --osc 127.0.0.1:PORT or off"),
        (("--chain", "BROKEN"), "is not valid TOML"),
        (("--chain", "MISSING"), "effect 1: there is no VST3 at"),
        (("--chain", "NO-VST"), "cannot be loaded as a VST3 (is it one, and for this system?)"),
        (("--record", "MP3"), "should end in .wav"),
        (("--cache", "any"), "put Attacca on a track of your DAW first, or leave --cache out"),
    ],
)  # fmt: skip
def test_a_host_that_cannot_begin_says_what_to_do(
    lacking: Path, server: JackServer, words: tuple[str, str], sentence: str
) -> None:
    for name, text in (("BROKEN", "[[effect]\n"), ("MISSING", "[[effect]]\nvst3 = 'none.vst3'\n"),
                       ("NO-VST", "[[effect]]\nvst3 = 'BROKEN'\n")):  # fmt: skip
        (lacking / name).write_text(text)
    there = {"ATTACCA_TEST_HIDDEN": "", "PATH": os.defpath, **server.variables}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        places = {"TAKEN": f"127.0.0.1:{taken.getsockname()[1]}", "MP3": str(lacking / "x.mp3")}
        places |= {name: str(lacking / name) for name in ("BROKEN", "MISSING", "NO-VST")}
        done = attacca("host", "--osc", "off", *(places.get(word, word) for word in words), **there)
    assert done.returncode == 2
    assert sentence in done.stderr and "Traceback" not in done.stderr


def test_a_midi_port_that_is_not_there_is_named_with_those_that_are(lacking: Path, server: JackServer) -> None:
    there = {"ATTACCA_TEST_HIDDEN": "", "PATH": os.defpath, **server.variables}
    done = attacca("midi", "learn", "intensity", "--port", "Launchpad", **there)
    assert done.returncode == 2
    assert "no MIDI input is called 'Launchpad'; there are: " in done.stderr and "virtual:NAME makes one" in done.stderr
