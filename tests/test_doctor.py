"""The doctor: each thing that is wrong is found, and what to do about it is said."""

from __future__ import annotations

import importlib.metadata
import json
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.commands import doctor
from bridge.commands.checks import devices, machine, service, software
from bridge.commands.checks.line import Line
from bridge.midi.mapping import Knob, bound
from bridge.midi.settings import Settings, save
from engine.errors import BadBundle
from tests.jack_server import JackServer, jack_or_skip
from tests.timeline_helpers import small_tmpfs

ROOT = Path(__file__).resolve().parent.parent


def in_child(code: str, **environment: str) -> str:
    """What a process of its own prints, so that limits and libraries of ours stay as they are."""
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60,
        env={**os.environ, **environment}, check=True,
    )  # fmt: skip
    return ran.stdout


def test_packages_are_held_against_what_the_distribution_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert software.check_packages().state == "ok"
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.1" if name == "mido" else real(name))
    line = software.check_packages()
    assert line.state == "failed"
    assert "mido is 0.1, but" in line.text and ">=1.3.3" in line.text
    assert "mido" in line.way_out and "numpy" not in line.way_out
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["no-such-package>=1", "x>=9; extra == 'web'"])
    monkeypatch.setattr(importlib.metadata, "version", real)
    line = software.check_packages()
    assert line.text == "no-such-package is not installed" and "no-such-package" in line.way_out


@pytest.mark.parametrize(
    ("version", "bounds", "inside"),
    [
        ("2.13.0+cpu", "==2.13.0", True), ("2.13.1", "==2.13.0", False), ("1.10", ">=1.9,<2", True),
        ("2.0", ">=1.9,<2", False), ("2.0rc1", "<2", False), ("12", ">=12", True), ("3.1", "", True),
        ("1.3", "!=1.3", False),
    ],
)  # fmt: skip
def test_versions_are_compared_by_number(version: str, bounds: str, inside: bool) -> None:
    assert software.within(version, bounds) is inside


def test_an_old_python_and_two_runtimes_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "LEAST_PYTHON", (9, 0))
    assert software.check_python().state == "failed"
    monkeypatch.setattr(software, "installed", lambda name: True)
    assert "exactly one" in software.check_onnxruntime().way_out
    monkeypatch.setattr(software, "installed", lambda name: False)
    assert (software.check_onnxruntime().state, software.check_page().state) == ("missing", "missing")
    assert "[web]" in software.check_page().way_out


def test_real_time_priority_that_is_refused_says_which_file_permits_it() -> None:
    code = (
        "import os\n"
        "def no(*_): raise PermissionError(1, 'Operation not permitted')\n"
        "os.sched_setscheduler = no\n"
        "from bridge.commands.checks.machine import check_realtime; print(check_realtime())"
    )
    told = in_child(code)
    assert "missing" in told and "limits.d/audio.conf" in told and "Operation not permitted" in told


def test_little_memory_that_may_be_locked_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(resource, "getrlimit", lambda what: (8 << 20, 8 << 20))
    line = machine.check_memory_lock()
    assert (line.state, line.text) == ("missing", "only 8 MiB may be locked")
    assert "memlock unlimited" in line.way_out
    monkeypatch.setattr(resource, "getrlimit", lambda what: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert machine.check_memory_lock().state == "ok"


def test_shared_memory_that_is_small_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTACCA_CACHE_DIR", str(tmp_path / "none"))
    assert "ATTACCA_CACHE_DIR" in machine.check_shared_memory().way_out
    with small_tmpfs(tmp_path, 64):
        monkeypatch.setenv("ATTACCA_CACHE_DIR", str(tmp_path))
        line = machine.check_shared_memory()
        assert line.state == "missing" and "64 MiB free" in line.text and "--shm-size" in line.way_out


def test_stale_caches_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATTACCA_CACHE_DIR", str(tmp_path))
    assert machine.check_caches().state == "ok"
    in_child(
        "import os; from bridge.timeline.cache import PluginSide; PluginSide.create('gone', 8000, 0.5); os._exit(0)"
    )
    line = machine.check_caches()
    assert line.state == "missing" and line.text.startswith("1 left") and line.way_out == "attacca live clean."


def test_ports_that_another_program_has(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("bridge.protocol.DEFAULT_ZMQ", f"tcp://127.0.0.1:{port}")
        line = service.check_ports()
    assert line.state == "failed" and str(port) in line.text and "--zmq" in line.way_out


def test_what_breaks_is_a_finding_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def bundle() -> Line:
        raise BadBundle("there is no bundle here; train one")

    def torch() -> Line:
        raise ValueError("torn\napart")

    monkeypatch.setattr(doctor, "CHECKS", (("bundle", bundle), ("torch", torch), ("speed", service.check_speed)))
    heard: list[str] = []
    lines = doctor.examine(heard.append)
    assert heard == ["bundle", "torch", "speed"]
    assert [line.state for line in lines] == ["failed"] * 3
    assert (lines[0].text, lines[0].way_out) == ("there is no bundle here", "train one")
    assert lines[1].text == "ValueError: torn apart"
    assert [line.check for line in doctor.examine(speed=False)] == ["bundle", "torch"]


def test_the_command_tells_all_checks_as_json_and_as_a_table() -> None:
    code = "import sys; from bridge import cli; cli.main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "doctor", "--no-speed"]
    ran = subprocess.run([*command, "--json"], capture_output=True, text=True, cwd=ROOT, timeout=120)
    told = json.loads(ran.stdout)
    assert ran.returncode == (0 if told["ok"] else 1)
    assert [line["check"] for line in told["checks"]] == [name for name, _ in doctor.CHECKS if name != "speed"]
    assert all(line["way_out"] for line in told["checks"] if line["state"] != "ok")
    table = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert table.returncode == ran.returncode
    assert "what to do" in table.stdout and table.stderr == ""


# ---- with a JACK server ------------------------------------------------------------------


def test_a_jack_server_its_ports_and_the_chosen_one(
    jack_server: JackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import jack

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    line = devices.check_jack()
    assert line.state == "ok" and "48000 Hz, periods of 128" in line.text
    keys = jack.Client("stage-keys", no_start_server=True, servername=jack_server.name)
    try:
        keys.midi_outports.register("out")
        keys.activate()
        save(Settings(input="*stage-keys*", bindings=(bound("intensity", Knob("cc", 0, 7)),)))
        line = devices.check_midi()
        assert line.state == "ok" and "stage-keys:out" in line.text and "1 knobs mapped" in line.text
        save(Settings(input="Launchpad"))
        line = devices.check_midi()
        assert line.state == "missing" and "'Launchpad', is not there" in line.text and "--midi-in" in line.way_out
        (tmp_path / "attacca" / "midi.json").write_text('{"input": 5}')
        line = devices.check_midi()
        assert line.state == "missing" and "mend it or remove it" in line.way_out
    finally:
        keys.close()


def test_without_a_jack_server_it_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    jack_or_skip()
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "attacca-nobody")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    line = devices.check_jack()
    assert line.state == "missing" and "jackd" in line.way_out
