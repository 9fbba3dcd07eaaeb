"""Ardour's window on a virtual X server, with scripts in the slots of its Script Manager, driven over its OSC surface.

Needs xvfb and xdotool. The session is one that `tests.hosts.ardour_host.Ardour` made and closed, in the same folder.

Threading: one thread; each wait is bounded.
"""

from __future__ import annotations

import base64
import re
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from bridge.osc.codec import encode
from tests.hosts.ardour_host import Ardour
from tests.hosts.screen import Screen
from tests.waiting import wait, within

SIZE = (1360, 940)
STATE = (
    '<Extra><AudioMIDISetup><EngineStates><State backend="None (Dummy)" driver="Normal Speed" device="Silence" '
    'input-device="" output-device="" sample-rate="48000" buffer-size="1024" n-periods="2" input-latency="0" '
    'output-latency="0" active="1" use-buffered-io="0" midi-option="No MIDI I/O" lru="1"/></EngineStates>'
    "</AudioMIDISetup></Extra>"
)
SHOWN = '<Option name="hide-dummy-backend" value="0"/>'
START_S = 100.0
SUPERCLOCK_HZ = 282_240_000
"""In which Ardour writes down where a region lies."""


def need_window() -> None:
    missing = [tool for tool in ("ardour", "Xvfb", "xdotool") if shutil.which(tool) is None]
    if missing:
        pytest.skip("needs: sudo apt install ardour xvfb xdotool")


def prepare(folder: Path) -> None:
    """Has Ardour's window begin without questions, on the dummy backend. folder: the one that `Ardour` used."""
    config = folder / "config" / "ardour7" / "config"
    text = config.read_text()
    if SHOWN not in text:
        text = text.replace("<Config>", "<Config>" + SHOWN)
        config.write_text(text.replace("<ControlProtocols>", STATE + "<ControlProtocols>"))
    (config.parent / ".a7").touch()


def fill_slots(ardour: Ardour, scripts: Sequence[Path]) -> None:
    """Action slots 1, 2, ... as the Script Manager keeps scripts that a user adds: name, origin, text and byte code."""
    lines = ["scripts = {}"]
    for number, path in enumerate(scripts, start=1):
        text = path.read_text()
        named = re.search(r'name = "([^"]*)"', text)
        assert named is not None
        ardour.lua(f'ardour = function() end dofile("{path}") code = string.dump(factory, true) factory = nil')
        code = bytes.fromhex(ardour.ask('(code:gsub(".", function(c) return ("%02x"):format(c:byte()) end))'))
        kept = {"n": named[1].encode(), "s": text.encode(), "f": code}
        fields = [f'["{key}"] = {_quoted(value)}' for key, value in kept.items()]
        origin = f'["a"] = {{ ["x-script-origin"] = {_quoted(str(path).encode())} }}'
        lines.append(f'scripts[{number}] = {{ {", ".join([*fields, origin])}, ["c"] = true }}')
    state = base64.b64encode(" ".join(lines).encode()).decode()
    xml = f'<UIScripts><ActionScript lua="Lua 5.3">{state}</ActionScript><ActionHooks/></UIScripts>'
    config = ardour.folder / "config" / "ardour7"
    (config / "ui_scripts").write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n{xml}\n')


def _quoted(value: bytes) -> str:
    """A Lua string of these bytes."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in value) + '"'


class ArdourWindow:
    """A session of `ardour` (closed) in Ardour's window. Use as a context manager."""

    def __init__(self, ardour: Ardour, session: Path) -> None:
        need_window()
        self.session, self._port = session, ardour.osc_port
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.screen = Screen(SIZE, ardour.environment)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(["ardour", "-a", "-n", str(session)], env=self.screen.environment, **quiet)

    def __enter__(self) -> ArdourWindow:
        try:
            self.window = self.screen.window(f"{self.session.name} - Ardour", START_S)
            wait(self._answers, "Ardour's OSC surface", START_S)
        except BaseException as error:
            self.close()
            if isinstance(error, AssertionError):
                pytest.skip(f"Ardour's window does not come up here ({error})")
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def osc(self, address: str, *arguments: int | str) -> None:
        tags = "".join({int: "i", str: "s"}[type(argument)] for argument in arguments)
        self._socket.sendto(encode(address, tags, arguments), ("127.0.0.1", self._port))

    def act(self, action: str) -> None:
        """One of Ardour's own actions, "group/name", as its menus and keys call them."""
        self.osc("/access_action", action)

    def keys(self, window: str, *keys: str) -> None:
        self.screen.tool("xdotool", "windowfocus", "--sync", window)
        self.screen.tool("xdotool", "key", "--delay", 100, *keys)

    def files(self, pattern: str) -> list[Path]:
        """The session's sound files of that name, sorted."""
        return sorted((self.session / "interchange" / self.session.name / "audiofiles").glob(pattern))

    def save(self) -> str:
        """Saves the session; its text as soon as that is written anew."""
        file = self.session / f"{self.session.name}.ardour"
        before = file.stat().st_mtime_ns
        self.act("Common/Save")
        wait(lambda: file.stat().st_mtime_ns != before and file.read_text().rstrip().endswith("</Session>"), "a save")
        return file.read_text()

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        self.screen.close()
        self._socket.close()

    def _answers(self) -> bool:
        """Has the Script Manager shown, which tells that the surface is there."""
        self.act("Window/toggle-script-manager")
        search = ("xdotool", "search", "--onlyvisible", "--name", "Script Manager")
        return within(3.0, lambda: self.screen.tool(*search))
