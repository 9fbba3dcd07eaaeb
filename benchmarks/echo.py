"""The other end of a round trip, a process of its own: `python -m benchmarks.echo KIND`. It says where it listens.

    osc         our codec on a plain socket      /attacca/ping s -> /attacca/pong s
    python-osc  that library's blocking server   the same
    zmq URL     ROUTER; answers each message with a header and 2.3 MB of audio, without a copy (b"c": with one)

*Threading*: one thread, which ends when its standard input is closed.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

AUDIO_SHAPE = (6 * 48_000, 2)
"""6 s of stereo float32: 2.3 MB."""


def osc() -> None:
    from bridge.osc import codec as osc_codec

    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    _listening(udp.getsockname()[1])
    while True:
        data, sender = udp.recvfrom(65_536)
        (message,) = osc_codec.decode(data)
        udp.sendto(osc_codec.encode("/attacca/pong", "s", message.args), sender)


def python_osc() -> None:
    from pythonosc.dispatcher import Dispatcher
    from pythonosc.osc_server import BlockingOSCUDPServer

    dispatcher = Dispatcher()
    dispatcher.map("/attacca/ping", lambda _, text: ("/attacca/pong", text))
    server = BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher)
    _listening(server.server_address[1])
    server.serve_forever()


def zmq_audio(url: str) -> None:
    import zmq

    audio = np.random.default_rng(1).normal(0, 0.1, AUDIO_SHAPE).astype(np.float32)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    router = context.socket(zmq.ROUTER)
    router.bind(url)
    _listening(router.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())  # type: ignore[union-attr]
    while True:
        identity, how = router.recv_multipart()
        router.send_multipart([identity, b"{}", audio.data.cast("B")], copy=how == b"c")


def _listening(where: object) -> None:
    print(json.dumps(where), flush=True)


@contextmanager
def echoing(*words: str) -> Iterator[Any]:
    """A process of this file until the block ends; what it said is where it listens."""
    command = [sys.executable, "-m", "benchmarks.echo", *words]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


@contextmanager
def ipc_url() -> Iterator[str]:
    """A place for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="attacca-ipc.") as folder:
        yield f"ipc://{folder}/audio"


def main() -> None:
    def leave() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=leave, daemon=True).start()
    kind, *words = sys.argv[1:]
    if kind == "zmq":
        zmq_audio(*words)
    else:
        {"osc": osc, "python-osc": python_osc}[kind]()


if __name__ == "__main__":
    main()
