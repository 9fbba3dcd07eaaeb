"""No array allocation, lock or I/O in the host's callback: watched on the server's own thread, on JACK and PortAudio.

`tests.callback_watch` plays and watches; here stands what it may find. The same is read off the source in
test_host_rolling.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path
from typing import Any

import pytest

from tests.host_helpers import running
from tests.jack_server import JackServer, jack_or_skip
from tests.test_host_rolling import CALLBACK

jack_or_skip()
pytestmark = pytest.mark.timeout(240)
ROOT = Path(__file__).resolve().parent.parent
OURS = {f"{function.__module__}.{function.__qualname__}" for function in CALLBACK}
COPYING = {"builtins.len", "ndarray.ndarray.fill", "numpy._core.multiarray.copyto", "numpy.frombuffer"}
"""frombuffer makes a view of the server's memory."""
JACKS = {
    "jack.Client.blocksize", "jack.Client.last_frame_time", "jack.Client.transport_query_struct", "FFI.FFI.sizeof",
    "jack.OwnPort.get_array", "jack.OwnPort.get_buffer", "jack.CallbackExit", "jack._check",
}  # fmt: skip
PLACES = {
    "plugin_host.outputs.jackd.JackOutput._tell", "bridge.timeline.structs.position_at", "builtins.divmod",
    "math.floor", "_bisect.bisect_right", "bridge.timeline.structs.Segment.bar_quarters",
    "bridge.timeline.structs.__create_fn__.<locals>.__init__",
    "bridge.timeline.structs.position_at.<locals>.<listcomp>",
}  # fmt: skip
PORTAUDIO = {"plugin_host.outputs.device.DeviceOutput._callback", "sounddevice.CallbackFlags.__bool__"}
WATCH = {"__main__.<lambda>", "sys.setprofile", "plugin_host.rolling.RollingPlayer.muted"}
HARMLESS = OURS | COPYING | JACKS | PLACES | PORTAUDIO | WATCH


@pytest.fixture(scope="module")
def server() -> Iterator[JackServer]:
    yield from running("callback", period=2048)


def watched(server: JackServer, *words: str) -> dict[str, Any]:
    """What the watch found, in a process of its own."""
    if words[0] == "device" and not find_library("portaudio"):
        pytest.skip("needs: apt-get install libportaudio2")
    done = subprocess.run(
        [sys.executable, "-m", "tests.callback_watch", *words], cwd=ROOT, env={**os.environ, **server.variables},
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["calls"] > 30 and found["underruns"] > 20 and found["error"] == "None"
    return found


def holds_an_array(found: dict[str, Any]) -> bool:
    """Whether as much as half a channel of one block was allocated at any time."""
    return bool(found["peak_bytes"] >= found["channel_bytes"] / 2)


@pytest.mark.parametrize("kind", ["jack", "device"])
def test_the_callback_copies_and_counts_and_nothing_else(server: JackServer, kind: str) -> None:
    found = watched(server, kind)
    assert "plugin_host.rolling.RollingPlayer._starve" in found["functions"], "it was late, too"
    assert set(found["functions"]) <= HARMLESS
    assert found["events"] == []
    assert not holds_an_array(found)


def test_an_array_a_lock_and_a_file_would_be_found(server: JackServer) -> None:
    found = watched(server, "jack", "array")
    assert holds_an_array(found) and "numpy.zeros" in found["functions"]
    assert "lock.lock.acquire" in set(watched(server, "jack", "lock")["functions"]) - HARMLESS
    found = watched(server, "jack", "file")
    assert "open" in found["events"] and "io.open" in found["functions"]
