"""The plugin's window, in a real host on a virtual X server: typed, clicked and dragged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageGrab

from tests.hosts.attacca_plugin import build_plugins
from tests.hosts.screen import Screen
from tests.timeline_helpers import PLUGIN
from tests.waiting import wait

ROOT = PLUGIN.parents[1]
pytestmark = pytest.mark.timeout(400)  # the first test to need the plugins builds them
ACCENT = (89, 184, 168)
PLACES = {
    "prompt a": (300, 72), "prompt b": (300, 108), "live": (58, 320), "take": (366, 320), "hold": (224, 320),
    "panic": (520, 320), "page": (590, 320), "silence": (586, 268), "guidance": (488, 194), "guidance end": (620, 194),
}  # fmt: skip


def need_tools() -> None:
    missing = [tool for tool in ("Xvfb", "xdotool") if shutil.which(tool) is None]
    if missing or subprocess.run(["pkg-config", "--exists", "cairo", "x11"]).returncode != 0:
        pytest.skip("needs: sudo apt install xvfb xdotool pkg-config libcairo2-dev libx11-dev")


@pytest.fixture(scope="module")
def vst3() -> Path:
    need_tools()
    return build_plugins().vst3


class Window:
    """The editor in its host on a screen of its own."""

    def __init__(self, vst3: Path, folder: Path) -> None:
        self.screen = Screen(
            (700, 420), {**os.environ, "ATTACCA_CACHE_DIR": str(folder), "BROWSER": str(folder / "opener")}
        )
        self.host = subprocess.Popen(
            [sys.executable, "-m", "tests.hosts.editor_host", str(vst3)],
            cwd=ROOT, env=self.screen.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.corner = self.await_window()

    def await_window(self) -> tuple[int, int]:
        """Where the editor's ground colour begins, as soon as it is drawn."""

        def lit() -> bool:
            near = np.abs(np.asarray(self.picture()).astype(int) - ACCENT).sum(-1) < 12
            return bool(near[300:].sum() > 1000)

        wait(lit, "the Live button to be lit", 120.0, pause_s=0.1)
        top, left = np.argwhere(np.asarray(self.picture()).sum(-1) > 0).min(0)
        return int(left), int(top)

    def picture(self) -> Image.Image:
        return ImageGrab.grab(xdisplay=self.screen.environment["DISPLAY"]).convert("RGB")

    def click(self, name: str, seen: bool = True) -> None:
        """A click; waits until it is seen (a window handles its events in order: what came before is done, too)."""
        before = self.picture().tobytes()
        self.screen.click(*PLACES[name])
        if seen:
            wait(lambda: self.picture().tobytes() != before, f"the click on {name} to be seen", pause_s=0.05)

    def type(self, name: str, text: str, key: str = "Return") -> None:
        self.click(name)
        self.screen.tool("xdotool", "type", "--delay", 20, text)
        self.screen.tool("xdotool", "key", key)

    def outcome(self) -> dict[str, dict[str, str]]:
        told, _ = self.host.communicate("\n", timeout=60)
        found: dict[str, dict[str, str]] = json.loads(told.splitlines()[-1])
        return found

    def close(self) -> None:
        self.host.kill()
        self.host.communicate()
        self.screen.close()


@pytest.fixture
def window(vst3: Path, tmp_path: Path) -> Iterator[Window]:
    opener = tmp_path / "opener"
    opener.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/opened\n')
    opener.chmod(0o755)
    made = Window(vst3, tmp_path)
    yield made
    made.close()


def test_words_knobs_and_buttons_reach_the_plugin(window: Window) -> None:
    window.type("prompt a", "dusty house piano")
    window.type("prompt b", "forgotten", key="Escape")
    x, y = PLACES["guidance"]
    window.screen.tool("xdotool", "mousemove", x, y, "mousedown", 1, "mousemove", *PLACES["guidance end"], "mouseup", 1)
    for name in ("live", "take", "take", "hold", "silence"):
        window.click(name)
    found = window.outcome()
    words = found["words"]
    assert (words["prompt_a"], words["prompt_b"], words["seed"]) == ("dusty house piano", "", "2")
    values = found["values"]
    assert values["live"] == 0.0 and values["guidance"] == 1.0 and values["on_a_miss"] == 1.0
    assert values["hold_bars"] == pytest.approx(1 / 8)


def test_the_page_button_opens_what_the_engine_serves_to_this_user_alone(window: Window, tmp_path: Path) -> None:
    window.click("page")  # nothing is served: a sentence, no browser
    address = tmp_path / f"attacca.{os.getuid()}.page"
    address.write_text("http://127.0.0.1:7777/?token=abc\n")
    address.chmod(0o644)
    window.click("page", seen=False)  # others could have read or written it: the same sentence
    window.click("hold")
    address.chmod(0o600)
    window.click("page", seen=False)
    opened = tmp_path / "opened"
    wait(lambda: opened.exists() and opened.read_text().endswith("\n"), "the browser to be called")
    (line,) = opened.read_text().splitlines()
    assert line.startswith("http://127.0.0.1:7777/?token=abc")


TYPED = """
#include "editor/text_line.hpp"
#include "editor/page_link.hpp"
#include <cstdio>
using attacca::TextLine;
int main() {
    TextLine line("caf\\xC3\\xA9");
    line.left(); line.insert("x"); line.end(); line.rub_out(); line.insert("\\n"); line.home(); line.erase();
    std::printf("%s|%s|", line.text().c_str(), line.before().c_str());
    for (int i = 0; i < 500; ++i) line.insert("ab");
    std::printf("%d|%s", int(line.text().size() <= TextLine::MOST_BYTES), attacca::page_address("/dev/null").c_str());
}
"""


def test_a_line_of_text_moves_by_characters_not_bytes(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("needs g++: sudo apt install g++")
    source, program = tmp_path / "typed.cpp", tmp_path / "typed"
    source.write_text(TYPED)
    subprocess.run(
        ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{PLUGIN}", str(source), "-o", str(program)], check=True
    )
    told = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    assert told == "afx||1|"


def test_it_builds_without_a_window_where_cairo_is_missing(tmp_path: Path) -> None:
    if shutil.which("g++") is None or not Path("/usr/share/dpf/distrho/DistrhoPlugin.hpp").exists():
        pytest.skip("needs g++ and dpf-source: sudo apt install g++ dpf-source")
    target = tmp_path / "Attacca.clap"
    command = ["make", "-s", "-C", str(PLUGIN), "EDITOR=0", f"BUILD={tmp_path}", str(target)]
    subprocess.run(command, check=True, timeout=300)
    needed = subprocess.run(["readelf", "-d", str(target)], capture_output=True, text=True, check=True).stdout
    assert "libstdc++" in needed and "libcairo" not in needed
