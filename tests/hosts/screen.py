"""A virtual X server of a test's own, and a hand on it. Needs xvfb and xdotool."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping

from tests.waiting import wait


class Screen:
    """An X server of our own with one window on it."""

    def __init__(self, size: tuple[int, int], environment: Mapping[str, str]) -> None:
        read, write = os.pipe()
        self.server = subprocess.Popen(
            ["Xvfb", "-r", "-displayfd", str(write), "-screen", "0", f"{size[0]}x{size[1]}x24"],
            pass_fds=[write],
            stderr=subprocess.DEVNULL,
        )
        os.close(write)
        with os.fdopen(read) as told:
            self.environment = {**environment, "DISPLAY": f":{told.readline().strip()}"}

    def tool(self, *words: object) -> str:
        done = subprocess.run([str(word) for word in words], env=self.environment, capture_output=True, text=True)
        return done.stdout.strip()

    def window(self, name: str, seconds: float = 60.0) -> str:
        """The id of the visible window of that name, as soon as it is there."""
        search = ("xdotool", "search", "--onlyvisible", "--name", name)
        found = wait(lambda: self.tool(*search), f"a window {name!r}", seconds, pause_s=0.3)
        return str(found.splitlines()[-1])

    def click(self, x: int, y: int) -> None:
        self.tool("xdotool", "mousemove", x, y, "click", 1)

    def close(self) -> None:
        self.server.terminate()
        self.server.wait(20)
