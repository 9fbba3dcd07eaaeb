"""Ardour's OSC surface out of what a real one sent, and what to ask of a real one."""

from __future__ import annotations

import socket
import struct
import threading
import time
from pathlib import Path

from bridge.osc.codec import Malformed, decode, encode
from bridge.sync.position import HostPosition

RECORDED = Path(__file__).with_name("ardour_surface.txt")


def takes() -> dict[str, list[tuple[float, bytes]]]:
    """Name -> (seconds, datagram) as they were recorded."""
    found: dict[str, list[tuple[float, bytes]]] = {}
    for line in RECORDED.read_text().splitlines():
        if line.startswith("take "):
            take = found.setdefault(line[5:], [])
        elif not line.startswith("#"):
            seconds, address, kind, value = line.split(" ", 3)
            take.append((float(seconds), _datagram(address, kind, value)))
    return found


def _datagram(address: str, kind: str, value: str) -> bytes:
    if address == "#reply":
        return b"#reply\0\0,shhi\0\0\0end_route_list\0\0" + struct.pack(">qqi", int(value), 0, 0)
    return encode(address, kind, (value if kind == "s" else float(value) if kind == "f" else int(value),))


class FakeArdour:
    """Listens as Ardour does, strictly: only who registers well is told anything, at the port it names."""

    def __init__(self, take: list[tuple[float, bytes]]) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.05)
        self.port = self.socket.getsockname()[1]
        self.take, self.heard = take, list[tuple[str, tuple[object, ...]]]()
        self.stopping = threading.Event()
        self.told_to: int | None = None
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        began_s, at = 0.0, 0
        while not self.stopping.is_set():
            try:
                for message in decode(self.socket.recv(65_536)):
                    self.heard.append((message.address, message.args))
                    if message.address == "/set_surface" and len(message.args) == 7:
                        feedback, port = message.args[2], message.args[6]
                        self.told_to = int(port) if feedback == 1080 else None
                        began_s = began_s or time.monotonic()
            except TimeoutError:
                pass
            except (Malformed, OSError) as error:
                self.heard.append(("malformed", (str(error),)))
            while self.told_to is not None and at < len(self.take):
                if time.monotonic() - began_s < self.take[at][0]:
                    break
                self.socket.sendto(self.take[at][1], ("127.0.0.1", self.told_to))
                at += 1

    def close(self) -> None:
        self.stopping.set()
        self.thread.join()
        self.socket.close()


def check_place(found: HostPosition, tempo: float) -> None:
    """Bar and quarter lie where the frame does; a tick is 1/1920 quarter, rounded by Ardour."""
    assert found.bar is not None and found.quarter is not None and found.meter is not None, found
    quarters = found.bar * found.meter.bar_quarters + found.quarter
    assert abs(float(quarters) * 60 / tempo * found.rate - found.frame) < 2 * 60 / tempo * found.rate / 1920 + 1, found
