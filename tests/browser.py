"""Chromium without a window, driven over its own DevTools protocol; used by the test of the control page.

*Threading*: everything runs in the test's own thread and asyncio loop; each answer is awaited for a minute at most.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

WAIT_S = 60.0
SWITCHES = """
    headless=new no-sandbox disable-gpu disable-quic no-first-run disable-background-networking mute-audio
    disable-component-update disable-sync disable-default-apps disable-dev-shm-usage hide-scrollbars
    autoplay-policy=user-gesture-required remote-debugging-port=0
"""


def chromium() -> str:
    """The browser's program; the test is skipped where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium here: sudo apt install chromium")
    return found


class Tab:
    """One page: commands, what it says on its console, and waiting for what it shows."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.complaints: list[str] = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            told = message.json()
            if "id" in told:
                self._answers.pop(told["id"]).set_result(told)
            elif told["method"] == "Runtime.exceptionThrown":
                details = told["params"]["exceptionDetails"]
                self.complaints.append(details.get("exception", {}).get("description", details["text"]))
            elif told["method"] == "Runtime.consoleAPICalled" and told["params"]["type"] in ("error", "warning"):
                self.complaints.append(str(told["params"]["args"]))
            elif told["method"] == "Log.entryAdded" and told["params"]["entry"]["level"] in ("error", "warning"):
                self.complaints.append(f"{told['params']['entry']['text']} {told['params']['entry'].get('url')}")

    async def call(self, method: str, **params: Any) -> Any:
        """A DevTools command's result."""
        number = next(self._ids)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        told = await asyncio.wait_for(self._answers[number], WAIT_S)
        assert "error" not in told, (method, told)
        return told["result"]

    async def js(self, expression: str) -> Any:
        """The value of an expression in the page."""
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, expression: str, timeout_s: float = WAIT_S) -> None:
        """Wait until an expression is true in the page."""
        end = asyncio.get_running_loop().time() + timeout_s
        while not await self.js(f"!!({expression})"):
            assert asyncio.get_running_loop().time() < end, f"not within {timeout_s} s: {expression}; {self.complaints}"
            await asyncio.sleep(0.05)

    async def open(self, url: str) -> None:
        """A page as for the first time: nothing of it is kept from before."""
        for domain in ("Runtime", "Log", "Page"):
            await self.call(f"{domain}.enable")
        origin = url.partition("/?")[0]
        await self.call("Storage.clearDataForOrigin", origin=origin, storageTypes="all")
        await self.call("Page.navigate", url=url)

    async def place(self, selector: str, x: float = 0.5, y: float = 0.5) -> tuple[float, float]:
        """A point of an element on the screen, from shares of its width and height; waits until it stays in place."""
        box = f"(b => [b.left, b.top, b.width, b.height])(document.querySelector({selector!r}).getBoundingClientRect())"
        before, now = None, await self.js(box)
        while before != now:
            await asyncio.sleep(0.05)
            before, now = now, await self.js(box)
        left, top, width, height = now
        return float(left + x * width), float(top + y * height)

    async def drag(self, selector: str, points: list[tuple[float, float]]) -> None:
        """Press, move and let go over an element; points in shares of its size."""
        places = [await self.place(selector, x, y) for x, y in points]
        await self._mouse("mousePressed", *places[0])
        for place in places[1:]:
            await self._mouse("mouseMoved", *place)
        await self._mouse("mouseReleased", *places[-1])

    async def click(self, selector: str) -> None:
        await self.drag(selector, [(0.5, 0.5)])

    async def _mouse(self, kind: str, x: float, y: float) -> None:
        pressed = {"button": "left", "buttons": 1, "clickCount": 1}
        await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **pressed)

    async def key(self, key: str, code: int, text: str = "", modifiers: int = 0) -> None:
        """A key pressed and let go; `code` is its Windows virtual key code."""
        shared = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        await self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **shared)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **shared)

    async def type(self, text: str) -> None:
        await self.call("Input.insertText", text=text)

    async def picture(self) -> bytes:
        """What is seen, as PNG."""
        shot = await self.call("Page.captureScreenshot", format="png")
        return base64.b64decode(shot["data"])


@contextlib.asynccontextmanager
async def browser(folder: Path, width: int = 1440, height: int = 900) -> AsyncIterator[Tab]:
    """A fresh Chromium with one empty tab; its profile lies under `folder`."""
    process = _start(folder, f"--window-size={width},{height}")
    try:
        port = await _port(folder / "profile" / "DevToolsActivePort", process)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                tabs = [tab for tab in await answer.json() if tab["type"] == "page"]
            async with session.ws_connect(tabs[0]["webSocketDebuggerUrl"], max_msg_size=64 << 20) as socket:
                tab = Tab(socket)
                await tab.call(
                    "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
                )
                yield tab
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _start(folder: Path, *flags: str) -> subprocess.Popen[bytes]:
    command = [
        chromium(),
        *(f"--{name}" for name in SWITCHES.split()),
        f"--user-data-dir={folder / 'profile'}",
        *flags,
        "about:blank",
    ]
    with open(folder / "chromium.log", "wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def _first_line(file: Path) -> str:
    lines = file.read_text().splitlines() if file.exists() else []
    return lines[0] if lines else ""


async def _port(file: Path, process: subprocess.Popen[bytes]) -> int:
    """Where DevTools listens, once the browser has written it."""
    for _ in range(int(WAIT_S / 0.05)):
        if port := _first_line(file):
            return int(port)
        assert process.poll() is None, f"Chromium ended with {process.returncode}; its log is beside its profile"
        await asyncio.sleep(0.05)
    raise AssertionError("Chromium did not open its DevTools")
