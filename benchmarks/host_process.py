"""`attacca host` as a process, and a JACK server for it: for `benchmarks.host` and the tests.

*Threading*: host and server are processes of their own. Every wait is bounded.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bridge.osc import codec
from engine.errors import Unavailable

ROOT = Path(__file__).resolve().parent.parent
ANSWER_S = 10.0


@contextlib.contextmanager
def jack_server(period: int = 128, rate: int = 48_000) -> Iterator[str]:
    """The name of a server on its dummy driver, until the block ends. Raises Unavailable."""
    if not shutil.which("jackd") or not shutil.which("jack_wait"):
        raise Unavailable("this needs a JACK server: apt-get install jackd2")
    name = f"attacca-bench-{os.getpid()}"
    command = ["jackd", "-R", "-n", name, "-d", "dummy", "-r", str(rate), "-p", str(period)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        waiting = subprocess.run(["jack_wait", "-s", name, "-w", "-t", "10"], capture_output=True, timeout=60)
        if waiting.returncode != 0:
            raise Unavailable("jackd does not start here")
        yield name
    finally:
        server.terminate()
        server.wait(30)
        for semaphore in Path("/dev/shm").glob(f"jack_sem.*_{name}_*"):
            semaphore.unlink(missing_ok=True)


class HostProcess:
    """A running `attacca host`; leaves nothing behind when its block ends. `said`: its lines on stderr so far.

    terminal: its stdin is a pseudo terminal, for `press`.
    """

    def __init__(self, *options: str, terminal: bool = False, **variables: str) -> None:
        command = [sys.executable, "-m", "bridge.cli", "host", "--osc", "127.0.0.1:0", "--json", *options]
        pipe, environment = subprocess.PIPE, {**os.environ, **variables}
        self._keys, stdin = os.openpty() if terminal else (-1, subprocess.DEVNULL)
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=stdin, stdout=pipe, stderr=pipe, text=True
        )
        if terminal:
            os.close(stdin)
        self.said: list[str] = []
        self._udp: socket.socket | None = None

    def __enter__(self) -> HostProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        if self._udp is not None:
            self._udp.close()
        if self._keys >= 0:
            os.close(self._keys)

    def press(self, keys: str) -> None:
        """Keys on its terminal."""
        os.write(self._keys, keys.encode())

    def listen(self) -> None:
        """Wait until it says where it hears OSC. Raises Unavailable with its last words."""
        assert self.process.stderr is not None
        while not self.said or "OSC at" not in self.said[-1]:
            line = self.process.stderr.readline()
            if not line:
                raise Unavailable(f"the host did not start: {self.said[-1] if self.said else 'no word from it'}")
            self.said.append(line.strip())
        host, _, port = self.said[-1].rpartition("OSC at ")[2].rpartition(":")
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.settimeout(ANSWER_S)
        self._udp.connect((host, int(port)))

    def send(self, what: str, tags: str = "", *args: Any) -> None:
        """/attacca/host/what."""
        if self._udp is None:
            self.listen()
        assert self._udp is not None
        self._udp.send(codec.encode(f"/attacca/host/{what}", tags, args))

    def ask(self, what: str, tags: str = "", *args: Any) -> tuple[str, str]:
        """The same, and the answer: the end of its address, its text."""
        try:
            self.send(what, tags, *args)
            assert self._udp is not None
            (message,) = codec.decode(self._udp.recv(65_536))
        except ConnectionRefusedError as error:
            raise Unavailable(f"the host has ended: {self.finish(interrupt=False)[1].strip()}") from error
        return message.address.rpartition("/")[2], str(message.args[0])

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ask("status")[1])
        return found

    def wait(self, condition: Callable[[dict[str, Any]], Any], what: str, seconds: float = 60.0) -> dict[str, Any]:
        """The first status that is so. Raises Unavailable when none was within the time."""
        end = time.monotonic() + seconds
        while not condition(status := self.status()):
            if time.monotonic() > end:
                raise Unavailable(f"not within {seconds:.0f} s: {what} ({status})")
            time.sleep(0.05)
        return status

    def finish(self, interrupt: bool = True, seconds: float = 120.0) -> tuple[dict[str, Any], str]:
        """End it as Ctrl-C does (or wait for its end); its line of JSON and its words."""
        if interrupt:
            self.process.send_signal(signal.SIGINT)
        out, words = self.process.communicate(timeout=seconds)
        return (json.loads(out) if out.strip() else {}), "\n".join([*self.said, words])
