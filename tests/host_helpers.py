"""For the tests of the host: a JACK client that listens, `attacca host` with a cache, plugins built here."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.host_process import HostProcess
from bridge.timeline.cache import EngineSide, Segment
from plugin_host.realtime import HELPER_PRIORITY, hasten
from tests.jack_server import JackServer
from tests.waiting import wait, within

RATE_HZ = 48_000
SEGMENTS = [Segment(0, 0.0, 0, 0.0, 120.0, 4, 4)]
LATE = '[[effect]]\nname = "BrickwallLimiter"\nparameters = { lookahead_ms = 20.0, ceiling_db = 0.0 }\n'
PLUGINS = Path(__file__).parent / "plugins"
DPF = Path("/usr/share/dpf")


class Listener:
    """A client of its own that keeps what it hears and what the transport said meanwhile.

    Until it is closed the test's own thread is scheduled as real time where that is permitted: it holds the
    interpreter's lock now and then, and must not be kept from going on then by whoever else computes.
    """

    def __init__(self, server: JackServer) -> None:
        import jack

        self.client = jack.Client("listener", no_start_server=True, servername=server.name)
        self.ports = [self.client.inports.register(f"in_{n}") for n in (1, 2)]
        self.blocks: list[tuple[int, bool, Any]] = []
        self.said: list[dict[str, Any]] = []
        """The transport's position in each period, as JACK has it."""
        self.lost = 0
        """How often this client itself was late."""
        self._next = -1
        self.ending = self.ended = False
        hasten(HELPER_PRIORITY)
        self.client.set_process_callback(self._keep)
        self.client.activate()

    def _keep(self, frames: int) -> None:
        import jack

        if self.ending:
            self.ended = True
            raise jack.CallbackExit
        now = self.client.last_frame_time
        self.lost += self._next not in (-1, now)
        self._next = (now + frames) % 2**32
        state, position = self.client.transport_query_struct()
        audio = np.stack([port.get_array().copy() for port in self.ports], axis=1)
        self.blocks.append((int(position.frame), state == 1, audio))
        self.said.append(jack.position2dict(position))

    def connect(self, name: str) -> None:
        for n in (1, 2):
            self.client.connect(f"{name}:out_{n}", f"listener:in_{n}")
        begun = len(self.blocks)
        wait(lambda: len(self.blocks) > begun + 4, "the graph to be as it will be")

    def heard(self) -> Any:
        """All that came, in order: [frames, 2]."""
        return np.concatenate([audio for _, _, audio in self.blocks])

    def rolled(self) -> list[tuple[int, Any]]:
        """Transport's frame and sound of each period in which it rolled."""
        return [(frame, audio) for frame, rolling, audio in list(self.blocks) if rolling]

    def close(self) -> None:
        """As the host's output does it: never while the callback may wait for the interpreter."""
        self.ending = True
        within(10, lambda: self.ended)  # not where the server is dead
        time.sleep(0.05)
        self.client.close(ignore_errors=True)
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))


class Played:
    """`attacca host` on a JACK server, its own cache filled by us in the engine's place; closes as a context."""

    def __init__(self, server: JackServer, caches: Path, sound: Any, *options: str, **more: Any) -> None:
        words = ("--jack", server.name, "--ahead-ms", "500", "--ready-bars", "0", *options)
        self.process = HostProcess(*words, **{**server.variables, **more})
        self._caches, self._sound = caches, sound
        self._engine: EngineSide | None = None

    def __enter__(self) -> HostProcess:
        try:
            self.process.listen()
            self._engine = EngineSide.attach(self._caches / "attacca-host")
            self._engine.publish_map(SEGMENTS)
            self._engine.write(0, self._sound)
        except BaseException:
            self.__exit__()
            raise
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.__exit__()
        if self._engine is not None:
            self._engine.close()


def runs(wrong: Iterable[bool]) -> int:
    """How many stretches of periods are wrong: whoever comes too late once may miss several in a row."""
    return sum(now and not before for before, now in pairwise([False, *wrong]))


def listening(server: JackServer) -> Iterator[Listener]:
    """A listener; the transport stands at 0 when it is gone. To be a fixture."""
    made = Listener(server)
    yield made
    made.client.transport_stop()
    made.client.transport_frame = 0
    made.close()


def losses(report: Any, listener: Listener) -> int:
    """How often host, server or listener came too late: on a machine with its cores taken by others they do."""
    return int(report["underruns"] + report["skips"] + report["xruns"]) + listener.lost


# ---- plugins ------------------------------------------------------------------------------


def need_compiler() -> None:
    if not (DPF / "Makefile.plugins.mk").exists() or not shutil.which("g++") or not shutil.which("make"):
        pytest.skip("building a VST3 needs: apt-get install dpf-source g++ make")


def built(name: str, folder: Path, source: Path = DPF) -> Path:
    """A VST3 of tests/plugins, built with the DPF at `source`."""
    shutil.copytree(PLUGINS / name, folder / name)
    places = [f"DPF_BUILD_DIR={folder}/build", f"DPF_TARGET_DIR={folder}/bin", f"DPF_PATH={source}"]
    subprocess.run(["make", "-C", str(folder / name), *places], check=True, capture_output=True, timeout=200)
    return next((folder / "bin").glob("*.vst3"))


def built_synth(folder: Path) -> Path:
    """PlainSynth.vst3: its output is the sum of the held keys / 1000.

    DPF adds 2080 parameters for MIDI controllers to an instrument, which pedalboard looks through for half a
    minute; the copy that this one is built with leaves them out.
    """
    shutil.copytree(DPF, folder / "dpf", symlinks=True)
    header = folder / "dpf" / "distrho" / "src" / "DistrhoPluginVST.hpp"
    text = header.read_text()
    assert "MidiCC_start + 130*16" in text
    header.write_text(text.replace("MidiCC_start + 130*16", "MidiCC_start + 0"))
    return built("plain_synth", folder, folder / "dpf")


def shared_synth(factory: pytest.TempPathFactory) -> Path:
    """PlainSynth.vst3, built once for all tests of a run."""
    need_compiler()
    folder = factory.getbasetemp() / "host-synth"
    there = list((folder / "bin").glob("*.vst3"))
    return there[0] if there else built_synth(folder)


def running(name: str, period: int = 512) -> Iterator[JackServer]:
    """A server for a module's fixture."""
    with JackServer.or_skip(f"attacca-{name}-{os.getpid()}", period) as made:
        yield made
