"""Used by the tests of MIDI: a keyboard on JACK, what sounds."""

from __future__ import annotations

from collections import deque

from bridge.midi.notes import NoteCollector
from tests.jack_server import JackServer


def sounding(collector: NoteCollector) -> list[int]:
    return [note.pitch for note in collector.since(0) if note.end_ns is None]


class Keyboard:
    """A JACK client with a MIDI output."""

    def __init__(self, server: JackServer) -> None:
        import jack

        self.client = jack.Client("keys", no_start_server=True, servername=server.name)
        self.port = self.client.midi_outports.register("out")
        self.queue: deque[bytes] = deque()
        self.client.set_process_callback(self.process)
        self.client.activate()

    def process(self, frames: int) -> None:
        self.port.clear_buffer()
        while self.queue:
            self.port.write_midi_event(0, self.queue.popleft())

    def close(self) -> None:
        self.client.close(ignore_errors=True)
