"""A JACK server on its dummy driver with the plugin in jalv, its transport rolling; who was late is counted.

*Threading*: jackd, jalv and jack_transport are processes of their own. JACK calls our one callback on its thread for
notices; it adds one to a number. Every wait is bounded.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.errors import Unavailable

ROOT = Path(__file__).resolve().parent.parent
URI = "urn:attacca:attacca"
TOOLS = ("jackd", "jack_wait", "jack_connect", "jack_transport", "jalv", "g++", "make")
WAIT_S = 20.0


def plugins() -> Path:
    """The folder of the LV2 bundles, built where they are not up to date. Raises Unavailable: what is missing."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise Unavailable(f"a JACK graph needs {', '.join(missing)}: apt-get install jackd2 jalv g++ make")
    command = ["make", "-j2", "-C", str(ROOT / "plugin_host" / "plugin"), "all"]
    made = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if made.returncode != 0:
        raise Unavailable(f"the plugin does not build: {made.stderr.strip().splitlines()[-1]}")
    return ROOT / "build" / "plugin"


class Graph:
    """`instances` plugins in jalv, wired to the outputs. `xruns` counts since the start."""

    def __init__(self, folder: Path, block: int, instances: int, tempo: float = 120.0) -> None:
        """Raises Unavailable."""
        try:
            import jack
        except (ImportError, OSError) as error:
            raise Unavailable(
                f"a JACK graph needs JACK-Client and libjack: pip install JACK-Client ({error})"
            ) from error
        self.name, self.folder, self.xruns = f"attacca-{os.getpid()}", folder, 0
        own = {"JACK_DEFAULT_SERVER": self.name, "JACK_NO_START_SERVER": "1", "JACK_NO_AUDIO_RESERVATION": "1"}
        self.environment = {**os.environ, **own, "LV2_PATH": str(plugins())}
        self._running: list[subprocess.Popen[str]] = []
        self._client: Any = None
        try:
            self.begin("jackd", "-R", "-n", self.name, "-d", "dummy", "-r", "48000", "-p", str(block))
            self.call("jack_wait", "-s", self.name, "-w", "-t", "10")
            self._client = jack.Client("counter", no_start_server=True, servername=self.name)
            self._client.set_xrun_callback(self._xrun)
            self._client.activate()
            for number in range(instances):
                self._plugin(f"attacca-{number}")
            master = self.begin("jack_transport")
            assert master.stdin is not None
            master.stdin.write(f"tempo {tempo:g}\nmaster\nplay\n")
            master.stdin.flush()
            self._await(lambda: self.rolling(jack), "the transport does not roll")
        except BaseException:
            self.close()
            raise

    def _xrun(self, _delayed_us: float) -> None:
        self.xruns += 1

    def rolling(self, jack: Any) -> bool:
        return bool(self._client.transport_state == jack.ROLLING)

    @property
    def server_alive(self) -> bool:
        return self._running[0].poll() is None

    @property
    def dsp_load(self) -> float:
        """Share of a period that the graph needs, in percent, as JACK averages it."""
        return float(self._client.cpu_load())

    def _plugin(self, name: str) -> None:
        self.begin("jalv", "-x", "-n", name, URI)
        self._await(lambda: len(self._client.get_ports(f"{name}:.*out")) >= 2, f"jalv does not show {name}")
        outs = self._client.get_ports(f"{name}:.*out", is_audio=True, is_output=True)
        for port, to in zip(outs, self._client.get_ports("system:playback", is_input=True), strict=False):
            self._await(lambda port=port, to=to: self._joined(port, to), f"jalv's {name} is not active")

    def _joined(self, port: Any, to: Any) -> bool:
        """Whether two ports are connected; a client that is not active yet cannot be."""
        import jack

        with contextlib.suppress(jack.JackError):
            self._client.connect(port, to)
        return any(found.name == port.name for found in self._client.get_all_connections(to))

    def begin(self, *command: str) -> subprocess.Popen[str]:
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        with (self.folder / f"{len(self._running)}-{command[0]}.txt").open("w") as said:
            process = subprocess.Popen(
                command, env=self.environment, stdin=pipe if command[0] != "jackd" else null, stdout=said,
                stderr=said, text=True,
            )  # fmt: skip
        self._running.append(process)
        return process

    def call(self, *command: str) -> None:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise Unavailable(f"{command[0]}: {(done.stderr or done.stdout).strip() or 'no word from it'}")

    @staticmethod
    def _await(condition: Any, what: str) -> None:
        deadline_s = time.monotonic() + WAIT_S
        while not condition():
            if time.monotonic() > deadline_s:
                raise Unavailable(f"{what} within {WAIT_S:g} s")
            time.sleep(0.05)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        for process in reversed(self._running):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()
        for semaphore in Path("/dev/shm").glob(f"jack_sem.*_{self.name}_*"):
            semaphore.unlink(missing_ok=True)


@contextmanager
def graph(block: int = 128, instances: int = 2) -> Iterator[Graph]:
    """A rolling graph until the block ends. The caches of its plugins lie where ATTACCA_CACHE_DIR says."""
    with tempfile.TemporaryDirectory(prefix="attacca-jack.") as folder:
        running = Graph(Path(folder), block, instances)
        try:
            yield running
        finally:
            running.close()
