"""A picture of Ardour's window with a session in it, made on a virtual X server.

`python -m tests.hosts.ardour_picture docs/ardour.png`: a loop on a track, and the bars with which the model goes on.
Needs xvfb, xdotool and imagemagick; `folder` is the one that tests.hosts.ardour_host used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import pytest
import soundfile

from bridge.demo_engine import engine_process
from tests.hosts.ardour_host import Ardour, fill_region
from tests.hosts.ardour_window import SIZE, prepare
from tests.hosts.attacca_plugin import URI, Plugins, build_plugins
from tests.hosts.screen import Screen
from tests.hosts.song import Part, Song

PLACES = {
    "track": (40, 345),
    "zoom in": (1238, 106),
    "taller": (1176, 106),
    "region": (850, 360),
    "aside": (1340, 860),
    "plugin": (45, 190),
    "editor": (680, 505),
}


def need_tools() -> None:
    missing = [tool for tool in ("ardour", "Xvfb", "xdotool", "import") if shutil.which(tool) is None]
    if missing:
        pytest.skip("needs: sudo apt install ardour xvfb xdotool imagemagick")


def picture(folder: Path, session: Path, out: Path, environment: dict[str, str]) -> None:
    """Opens the session, shows its first track with its mixer strip, large, and writes `out` (PNG)."""
    need_tools()
    prepare(folder)
    screen = Screen(SIZE, environment)
    ardour = subprocess.Popen(
        ["ardour", "-a", "-n", str(session)],
        env=screen.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        window = screen.window(f"{session.name} - Ardour")
        time.sleep(4)
        screen.tool("xdotool", "windowmove", window, 0, 0, "windowsize", window, *SIZE, "windowfocus", window)
        time.sleep(1)
        for name in ("track", "zoom in", *("taller",) * 4):
            screen.tool("xdotool", "mousemove", *PLACES[name], "click", 1)
            time.sleep(0.7)
        screen.tool("xdotool", "key", "shift+e")
        time.sleep(1)
        screen.tool("xdotool", "mousemove", *PLACES["region"], "click", 1)
        time.sleep(1)
        screen.tool("xdotool", "mousemove", *PLACES["plugin"], "click", "--repeat", 2, "--delay", 80, 1)
        editor = screen.window("Attacca.*loop|loop.*Attacca")
        screen.tool("xdotool", "windowmove", editor, *PLACES["editor"])
        time.sleep(1)
        screen.click(PLACES["editor"][0] + 300, PLACES["editor"][1] + 118)
        screen.tool("xdotool", "type", "dusty house with a warm piano")
        screen.tool("xdotool", "key", "Return")
        screen.tool("xdotool", "mousemove", *PLACES["aside"])
        time.sleep(6)
        screen.tool("import", "-window", "root", out)
    finally:
        ardour.terminate()
        try:
            ardour.wait(15)
        except subprocess.TimeoutExpired:
            ardour.kill()
            ardour.wait(10)
        screen.close()


def continued_session(folder: Path, plugins: Plugins, loop: Path) -> Path:
    """The loop (4 bars at 120) on a track, continued by the running engine for 4 bars, bounced to where they belong."""
    audio, rate = soundfile.read(loop, dtype="float32", always_2d=True)
    song = Song((Part(0, Fraction(120)),), rate)
    with Ardour(folder, plugins.folder) as ardour:
        session = ardour.create("attacca", song)
        ardour.track("loop")
        ardour.make_region("loop", len(audio))
        ardour.add_plugin(URI)
        ardour.set_parameter(ardour.parameters()["Dry"], 0.0)
        ardour.save()
    fill_region(session, "loop", audio, rate)
    with Ardour(folder, plugins.folder) as ardour:
        ardour.load("attacca")
        ardour.find_track("loop")
        time.sleep(5)
        ardour.osc("/transport_play")
        ardour.roll_until(song.frame(3))
        ardour.set_parameter(ardour.parameters()["Continue"], 1.0)
        ardour.roll_until(song.frame(8) + 4000)
        ardour.stop()
        ardour.bounce(song.frame(4), song.frame(8), "attacca continued")
        ardour.osc("/locate", song.frame(4), 0)
        time.sleep(0.5)
        ardour.save()
    return session


def main(out: Path, loop: Path) -> None:
    """docs/ardour.png: with the shipped model, the plugin's window in front."""
    plugins = build_plugins()
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory(dir="/dev/shm") as caches:
        os.environ["ATTACCA_CACHE_DIR"] = caches
        folder = Path(name)
        with engine_process():
            session = continued_session(folder, plugins, loop)
            environment = {**os.environ, "LV2_PATH": str(plugins.folder), "HOME": name}
            for kind in ("CONFIG", "CACHE", "DATA"):
                environment[f"XDG_{kind}_HOME"] = str(folder / kind.lower())
            picture(folder, session, out, environment)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path("bridge/samples/loop_mika.flac"))
