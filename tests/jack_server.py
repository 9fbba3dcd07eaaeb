"""A JACK server of a test's own, with a dummy backend and, if wanted, a timebase master."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from tests.waiting import WAIT_S, within

ROOT = Path(__file__).resolve().parent.parent


def jack_or_skip() -> None:
    """Skips where the library JACK-Client, or libjack that it needs, is not there."""
    try:
        import jack  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"needs the extra 'jack' and apt-get install jackd2 ({error})", allow_module_level=True)


class JackServer:
    """`variables` is what its clients need in their environment. rate in Hz, period in frames."""

    def __init__(self, name: str, period: int = 128, rate: int = 48_000) -> None:
        self.name = name
        self.variables = {"JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1", "JACK_NO_AUDIO_RESERVATION": "1"}
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), **self.variables}
        self.processes: list[subprocess.Popen[bytes]] = []
        self.clients: list[Any] = []
        self.period, self.rate = period, rate
        self.restart()

    def restart(self) -> None:
        """A server of the same name; the one before is dead. One that does not come up is started once more."""
        for _ in range(2):
            driver = ("-d", "dummy", "-r", str(self.rate), "-p", str(self.period))
            self.server = self.start("jackd", "-R", "-n", self.name, *driver)
            self.started = self.tool("jack_wait", "-s", self.name, "-w", "-t", "30").returncode == 0
            if self.started:
                return
            self.server.kill()
            self.server.wait()

    @classmethod
    @contextlib.contextmanager
    def or_skip(cls, name: str, period: int = 128, rate: int = 48_000) -> Iterator[Self]:
        if not shutil.which("jackd") or not shutil.which("jack_wait"):
            pytest.skip("needs: apt-get install jackd2")
        server = cls(name, period, rate)
        try:
            if not server.started:
                pytest.skip("jackd does not start here")
            yield server
        finally:
            server.close()

    def tool(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A client of JACK's own, run to its end."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)

    def ports(self) -> list[str]:
        return self.tool("jack_lsp").stdout.splitlines()

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def timebase(
        self, tempo: float, numerator: int, denominator: int, in_quarters: bool = False, ago_beats: float = 0.0
    ) -> Any:
        """A client that is timebase master. in_quarters: tells quarters a minute, not beats (masters differ).

        ago_beats: it tells the place of so many beats ago, and how many frames that was.
        """
        import jack

        client = jack.Client("master", no_start_server=True, servername=self.name)
        self.clients.append(client)
        unit = 4 / denominator

        def say(state: int, blocksize: int, pos: Any, new_pos: bool) -> None:
            rate = pos.frame_rate or client.samplerate  # the server's first call of a new master may leave it 0
            offset = min(pos.frame, round(ago_beats * unit * 60 / tempo * rate))
            beats = (pos.frame - offset) / rate * tempo / 60 / unit
            bar, beat = divmod(beats, numerator)
            pos.valid, pos.bbt_offset = 0x50 if ago_beats else 0x10, offset
            pos.bar, pos.beat = int(bar) + 1, int(beat) + 1
            pos.ticks_per_beat = 1920.0
            pos.tick = int(beat % 1 * 1920)
            pos.bar_start_tick = bar * numerator * 1920
            pos.beats_per_bar, pos.beat_type = float(numerator), float(denominator)
            pos.beats_per_minute = tempo if in_quarters else tempo / unit

        client.set_timebase_callback(say)
        client.activate()
        return client

    def wait_for_port(self, part: str) -> bool:
        import jack

        client = jack.Client("looking", no_start_server=True, servername=self.name)
        try:
            return within(WAIT_S, lambda: client.get_ports(part))
        finally:
            client.close()

    def close(self) -> None:
        for client in self.clients:
            client.close(ignore_errors=True)
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        for semaphore in Path("/dev/shm").glob(f"jack_sem.*_{self.name}_*"):
            semaphore.unlink(missing_ok=True)
