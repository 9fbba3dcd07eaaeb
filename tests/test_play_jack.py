"""`attacca play` to a real JACK server: the same samples, and what happens when the server dies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("pedalboard", reason="needs the extra 'host'")

from tests.jack_server import JackServer
from tests.test_play import ROOT, sound
from tests.waiting import wait


class Jack(JackServer):
    """A JACK server with players on it."""

    def play(self, code: str, file: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", code, str(file)]
        player = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, text=True)
        self.processes.append(player)
        return player

    def outputs(self) -> list[str]:
        """The two ports a player sends from, as soon as they are there."""

        def found() -> list[str]:
            ports = [port for port in self.ports() if not port.startswith("system:") and "out" in port]
            return ports if len(ports) == 2 else []

        return list(wait(found, "the ports of a player", pause_s=0.05))

    def connected(self) -> bool:
        """Whether a player's ports lead to the loudspeakers."""
        lines = self.tool("jack_lsp", "-c", "system:playback_1").stdout.splitlines()
        return any(line.startswith(" ") for line in lines)


@pytest.fixture
def jack() -> Iterator[Jack]:
    if not shutil.which("jack_rec") or not find_library("portaudio"):
        pytest.skip("playing to a real server needs: apt-get install libportaudio2 jackd2")
    with Jack.or_skip(f"attacca-test-{os.getpid()}", 1024) as server:
        yield server


PLAY_TO_JACK = """
import json, msgspec, sys
from pathlib import Path
from engine.errors import Unavailable
from plugin_host.play import play
try:
    play(Path(sys.argv[1]), device="no such device")
except Unavailable as error:
    print(error)
try:
    print(json.dumps(msgspec.to_builtins(play(Path(sys.argv[1]), device="system"))))
except Unavailable as error:
    print(error)
"""


def test_a_real_jack_server_carries_the_same_samples(jack: Jack, tmp_path: Path) -> None:
    """A busy machine may drop periods of any client, the recorder's too: one take of six must be whole."""
    audio = np.concatenate([np.zeros((72_000, 2), np.float32), sound(48_000), np.zeros((24_000, 2), np.float32)])
    soundfile.write(tmp_path / "in.wav", audio, 48_000, subtype="FLOAT")
    takes = []
    for number in range(6):
        player = jack.play(PLAY_TO_JACK, tmp_path / "in.wav")
        recording = tmp_path / f"heard{number}.wav"
        jack.tool("jack_rec", "-f", str(recording), "-d", "3", "-b", "32", *jack.outputs())
        sentence, printed = player.communicate(timeout=60)[0].splitlines()
        assert sentence == "there is no sound output 'no such device'; there are: system"
        report = json.loads(printed)
        assert (report["frames"], report["rate"], report["output"]) == (144_000, 48_000, "system")
        heard = soundfile.read(recording, dtype="float32")[0]
        first = int(np.flatnonzero(heard[:, 0])[0]) if heard.any() else 0
        heard = heard[first : first + 48_000]
        same = heard.shape == (48_000, 2) and np.abs(heard - audio[72_000:120_000]).max() < 2**-24
        takes.append((same, report["underruns"]))
        if same:
            break
    assert any(same for same, _ in takes), takes


def test_a_jack_server_that_dies_is_given_up_in_one_sentence(jack: Jack, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", sound(30 * 48_000), 48_000)
    player = jack.play(PLAY_TO_JACK, tmp_path / "in.wav")
    assert len(jack.outputs()) == 2
    wait(jack.connected, "the player to be connected", pause_s=0.05)
    time.sleep(1.0)  # it is connected before the stream runs; PortAudio aborts when the server dies between
    jack.server.terminate()
    assert player.communicate(timeout=60)[0].splitlines()[1] == "the device system stopped playing"
    assert player.returncode == 0
