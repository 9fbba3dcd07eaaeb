"""A picture of Ardour's window with a session in it, made on a virtual X server.

Needs xvfb, xdotool and imagemagick; `folder` is the one that tests.hosts.ardour_host used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

SIZE = (1360, 720)
STATE = (
    '<Extra><AudioMIDISetup><EngineStates><State backend="None (Dummy)" driver="Normal Speed" device="Silence" '
    'input-device="" output-device="" sample-rate="48000" buffer-size="1024" n-periods="2" input-latency="0" '
    'output-latency="0" active="1" use-buffered-io="0" midi-option="No MIDI I/O" lru="1"/></EngineStates>'
    "</AudioMIDISetup></Extra>"
)
SHOWN = '<Option name="hide-dummy-backend" value="0"/>'


def need_tools() -> None:
    missing = [tool for tool in ("ardour", "Xvfb", "xdotool", "import") if shutil.which(tool) is None]
    if missing:
        pytest.skip("needs: sudo apt install ardour xvfb xdotool imagemagick")


class Screen:
    """An X server of our own with one window on it."""

    def __init__(self, environment: dict[str, str]) -> None:
        read, write = os.pipe()
        size = f"{SIZE[0]}x{SIZE[1]}x24"
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", size], pass_fds=[write], stderr=subprocess.DEVNULL
        )
        os.close(write)
        with os.fdopen(read) as told:
            self.environment = {**environment, "DISPLAY": f":{told.readline().strip()}"}

    def tool(self, *words: object) -> str:
        done = subprocess.run([str(word) for word in words], env=self.environment, capture_output=True, text=True)
        return done.stdout.strip()

    def window(self, name: str, seconds: float = 60.0) -> str:
        """The id of the visible window of that name, as soon as it is there."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := self.tool("xdotool", "search", "--onlyvisible", "--name", name):
                return found.splitlines()[-1]
            time.sleep(0.3)
        raise AssertionError(f"no window {name!r} appears")

    def close(self) -> None:
        self.server.terminate()
        self.server.wait(20)


def picture(folder: Path, session: Path, out: Path, environment: dict[str, str], clicks: list[tuple[int, int]]) -> None:
    """Opens the session, clicks at the places, sends the keys that show the mixer strip, and writes `out` (PNG)."""
    need_tools()
    config = folder / "config" / "ardour7" / "config"
    text = config.read_text()
    if SHOWN not in text:
        config.write_text(
            text.replace("<Config>", "<Config>" + SHOWN).replace("<ControlProtocols>", STATE + "<ControlProtocols>")
        )
    (config.parent / ".a7").touch()
    screen = Screen(environment)
    ardour = subprocess.Popen(
        ["ardour", "-a", "-n", str(session)],
        env=screen.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        window = screen.window(f"{session.name} - Ardour")
        time.sleep(3)
        screen.tool("xdotool", "windowmove", window, 0, 0, "windowsize", window, *SIZE, "windowfocus", window)
        time.sleep(1)
        for x, y in clicks:
            screen.tool("xdotool", "mousemove", x, y, "click", 1)
            time.sleep(0.5)
        screen.tool("xdotool", "key", "shift+e")
        time.sleep(2)
        screen.tool("import", "-window", "root", out)
    finally:
        ardour.terminate()
        try:
            ardour.wait(15)
        except subprocess.TimeoutExpired:
            ardour.kill()
            ardour.wait(10)
        screen.close()
