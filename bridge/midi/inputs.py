"""MIDI inputs: a port of the machine, one of our own, raw MIDI over TCP, a file played in real time.

What comes in goes to a `NoteCollector` and to listeners (a MIDI clock); notes that still sound are released when
the sender goes, stops or seeks.

*Threading*: messages arrive on the port's thread (rtmidi's, the socket's reader, the file's player), one at a time;
listeners are called there and must not block. A named port is watched by a thread of its own, `attacca-midi-watch`:
when it vanishes its notes are released, when it is back it is opened again. `close` waits for these threads.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from bridge.midi.notes import MAX_NOTES, Normaliser, NoteCollector, Played, TimedNote
from bridge.midi.ports import Fan, Listener, Port, input_names, match, no_backend, opened_port
from bridge.quiet import quiet_libraries
from engine.errors import BadMidi, BadRequest, Unavailable

__all__ = [
    "MAX_NOTES", "Fan", "Listener", "MidiInput", "Normaliser", "NoteCollector", "Played", "TimedNote",
    "input_names", "match", "open_input",
]  # fmt: skip


class MidiInput:
    """An open input; closes as a context manager or by `close`."""

    def __init__(self, name: str, close: Callable[[], None], fan: Fan | None = None) -> None:
        self.name = name
        self._end: Callable[[], None] | None = close
        self._fan = fan or Fan(None)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Every message from now on goes to `listener`, too; the answer ends that. From any one thread."""
        self._fan.listeners = (*self._fan.listeners, listener)

        def end() -> None:
            self._fan.listeners = tuple(other for other in self._fan.listeners if other is not listener)

        return end

    def close(self) -> None:
        """Ends it and releases what sounds. Twice is once."""
        end, self._end = self._end, None
        if end is not None:
            end()
            self._fan.release()

    def __enter__(self) -> MidiInput:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_input(name: str, collector: NoteCollector | None = None, wait: bool = False) -> MidiInput:
    """Open an input and feed `collector` from it.

    name: a port's name or a pattern ("*Keystation*"), `virtual` or `virtual:NAME` for one of our own,
    `socket:HOST:PORT` to listen for raw MIDI over TCP (as mido.sockets sends it), or `file:PATH` for a MIDI file
    that is played from now on in its own tempo.
    wait: a port that is not there yet is opened once it is plugged in.
    Raises BadRequest (no such port), BadMidi (no such file) and Unavailable (no backend, port busy).
    """
    fan = Fan(collector)
    if name.startswith("socket:"):
        return _open_socket(name[len("socket:") :], fan)
    if name.startswith("file:"):
        return _play_file(Path(name[len("file:") :]), fan)
    if name == "virtual" or name.startswith("virtual:"):
        return _open_virtual(name.partition(":")[2] or "Attacca", fan)
    port = Port(name, fan, wait)
    return MidiInput(port.name, port.close, fan)


def _open_virtual(name: str, fan: Fan) -> MidiInput:
    try:
        with quiet_libraries():
            port = opened_port(name, fan, virtual=True)
    except (OSError, ImportError, RuntimeError, SystemError) as error:
        raise no_backend(error) from error
    return MidiInput(name, port.close, fan)


def _play_file(path: Path, fan: Fan) -> MidiInput:
    """Plays a file once, in its own tempo; at its end nothing sounds any more."""
    timed = _timed_messages(path)
    stopping = threading.Event()

    def play() -> None:
        due_s = time.monotonic()
        for wait_s, data in timed:
            due_s += wait_s
            if stopping.wait(max(0.0, due_s - time.monotonic())):
                break
            fan.message(data)
        fan.release()

    thread = threading.Thread(target=play, name="attacca-midi-file", daemon=True)
    thread.start()

    def close() -> None:
        stopping.set()
        thread.join()

    return MidiInput(f"file:{path}", close, fan)


def _timed_messages(path: Path) -> list[tuple[float, bytes]]:
    """Seconds since the message before, and the message; no sysex. The strict reader looks at the file first."""
    from engine.controls.midifile import read_notes

    read_notes(path)
    import mido

    try:
        timed, wait_s = [], 0.0
        for message in mido.MidiFile(str(path)):
            wait_s += message.time
            if not message.is_meta and message.type != "sysex":
                timed.append((wait_s, bytes(message.bytes())))
                wait_s = 0.0
    except Exception as error:  # mido's reader of other tracks and events raises whatever it meets
        raise BadMidi(f"cannot play {path} ({' '.join(str(error).split())[:80]}): export it again") from error
    return timed


def _open_socket(where: str, fan: Fan) -> MidiInput:
    host, _, port = where.rpartition(":")
    if not host or not port.isdecimal() or host not in ("127.0.0.1", "localhost"):
        raise BadRequest(f"raw MIDI is heard at socket:127.0.0.1:PORT; got socket:{where}")
    try:
        listener = socket.create_server((host, int(port)), backlog=1)
    except (OSError, OverflowError) as error:
        raise Unavailable(f"cannot hear MIDI at {where}: {error}") from error
    stopping = threading.Event()
    thread = threading.Thread(target=_listen, args=(listener, fan, stopping), name="attacca-midi", daemon=True)
    thread.start()

    def close() -> None:
        stopping.set()
        thread.join()
        listener.close()

    return MidiInput(f"socket:{host}:{listener.getsockname()[1]}", close, fan)


def _listen(listener: socket.socket, fan: Fan, stopping: threading.Event) -> None:
    """One sender at a time, until told to stop."""
    listener.settimeout(0.1)
    while not stopping.is_set():
        with contextlib.suppress(TimeoutError):
            connection, _ = listener.accept()
            with connection:
                _read(connection, fan, stopping)
            fan.release()


def _read(connection: socket.socket, fan: Fan, stopping: threading.Event) -> None:
    connection.settimeout(0.1)
    normaliser = Normaliser(system=True)
    while not stopping.is_set():
        try:
            data = connection.recv(1024)
        except TimeoutError:
            continue
        except OSError:
            return
        if not data:
            return
        for message in normaliser.feed(data):
            fan.message(message)
