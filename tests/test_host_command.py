"""`attacca host` as a user runs it: a process of its own without torch, with an engine, JACK, OSC; and offline."""

from __future__ import annotations

import os
import signal
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

from benchmarks.host_process import HostProcess
from bridge.demo_engine import engine_process
from tests.jack_server import JackServer, jack_or_skip

pytestmark = pytest.mark.timeout(240)
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATTACCA_CACHE_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def server() -> Iterator[JackServer]:
    jack_or_skip()
    with JackServer.or_skip(f"attacca-hostcmd-{os.getpid()}") as made:
        yield made


def test_it_plays_an_engine_and_obeys_osc(caches: Path, server: JackServer, tmp_path: Path) -> None:
    chain = tmp_path / "chain.toml"
    chain.write_text('[[effect]]\nname = "Gain"\nparameters = { gain_db = -3.0 }\n')
    options = (
        "--jack",
        server.name,
        "--chain",
        str(chain),
        "--record",
        str(tmp_path / "take.wav"),
        "--ahead-ms",
        "500",
    )
    with engine_process("--fake"), HostProcess(*options, **server.variables) as host:
        played = host.wait(lambda status: status["played_frames"] > 96_000, "two seconds are played")
        assert (played["engine"], played["missed_frames"], played["effects"]) == (True, 0, ["Gain"])
        host.send("chain", "s", "")
        host.wait(lambda status: status["effects"] == [], "the effect is gone")
        assert host.ask("chain", "s", "nowhere.toml") == ("error", "there is no chain file nowhere.toml")
        assert "there is no /attacca/host/dance" in host.ask("dance")[1]
        host.send("panic")
        host.wait(lambda status: status["muted"] and not status["rolling"], "silence")
        host.send("start")
        host.wait(lambda status: status["rolling"], "sound again")
        host.send("stop")
        host.wait(lambda status: not status["rolling"], "a stop")
        report, _ = host.finish()
    assert host.process.returncode == 0
    assert report["edits"] == 1 and report["lost_frames"] == 0
    recorded, rate = soundfile.read(tmp_path / "take.wav")
    assert rate == 48_000 and len(recorded) == report["recorded_frames"] > 48_000
    assert np.abs(recorded).max() > 0.05
    assert not list(tmp_path.glob("attacca-host*")), "the cache is gone with its host"


def test_a_sound_device_plays_it_by_portaudio(caches: Path, server: JackServer, tmp_path: Path) -> None:
    """PortAudio's devices here are those of the JACK server; on a machine with a sound card they are its own."""
    if not find_library("portaudio"):
        pytest.skip("needs: apt-get install libportaudio2")
    take = tmp_path / "take.wav"
    options = ("--device", "system", "--record", str(take), "--ahead-ms", "500", "--bars", "2", "--tempo", "240")
    with engine_process("--fake"), HostProcess(*options, **server.variables) as host:
        report, words = host.finish(interrupt=False)
    assert host.process.returncode == 0, words
    assert (report["output"], report["missed_frames"], report["rate"]) == ("system", 0, 48_000)
    recorded, _ = soundfile.read(take, dtype="float32")
    assert len(recorded) >= 2 * 48_000 and np.abs(recorded).max() > 0.05


def test_offline_it_waits_for_each_bar_and_misses_none(caches: Path, tmp_path: Path) -> None:
    options = ("-o", str(tmp_path / "out.wav"), "--bars", "3", "--tempo", "100")
    with engine_process("--fake"), HostProcess(*options) as host:
        report, words = host.finish(interrupt=False)
    assert host.process.returncode == 0, words
    assert report["missed_frames"] == 0 and report["frames"] == 3 * 4 * 28_800
    sound, _ = soundfile.read(tmp_path / "out.wav")
    assert len(sound) == report["frames"]
    for bar in range(3):
        assert np.abs(sound[bar * 115_200 :][:4_800]).max() > 0.05, "a click on each bar's first beat"


def test_offline_without_an_engine_it_says_so_and_ends_at_ctrl_c(caches: Path, tmp_path: Path) -> None:
    with HostProcess("-o", str(tmp_path / "out.wav"), "--bars", "1") as host:
        assert host.process.stderr is not None
        assert "start one (attacca serve)" in host.process.stderr.readline()
        _, words = host.finish(seconds=60.0)
    assert host.process.returncode == 130, words
    assert not list(tmp_path.glob("*.wav")) and not list(tmp_path.glob(".*.wav"))


def test_an_engine_that_goes_and_comes_back_in_play_is_told(caches: Path, server: JackServer) -> None:
    """Killed: it says no goodbye."""
    with HostProcess("--jack", server.name, **server.variables) as host:
        with engine_process("--fake") as engine:
            host.wait(lambda status: status["played_frames"] > 48_000, "a second is played")
            os.kill(engine.ready["pid"], signal.SIGKILL)
            host.wait(lambda status: not status["engine"], "it is missed")
        with engine_process("--fake"):
            host.wait(lambda status: status["engine"], "another one is there")
            time.sleep(0.5)  # it is looked for five times a second
            _, words = host.finish()
    assert "the engine is gone: what it has rendered plays on; start it again (attacca serve)" in words
    assert words.index("the engine is gone") < words.index("an engine renders now", words.index("the engine is gone"))


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_an_end_asked_for_and_a_closed_terminal_keep_the_recording(
    caches: Path, server: JackServer, tmp_path: Path, ending: signal.Signals
) -> None:
    take = tmp_path / "take.wav"
    options = ("--jack", server.name, "--ready-bars", "0", "--record", str(take))
    with HostProcess(*options, **server.variables) as host:
        host.wait(lambda status: status["recorded_frames"] > 4_800, "something is recorded")
        host.process.send_signal(ending)
        report, words = host.finish(interrupt=False)
    assert host.process.returncode == 0, words
    assert soundfile.info(take).frames == report["recorded_frames"] > 4_800


def test_without_jack_and_portaudio_it_says_what_to_install_and_writes_wavs_all_the_same(caches: Path) -> None:
    """As on a machine that has neither library, nor any server."""
    code = (
        "import ctypes.util, sys; sys.modules['jack'] = None; sys.modules['sounddevice'] = None\n"
        "from bridge.cli import main; main(['host', '--osc', 'off'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert 'playing through JACK needs JACK-Client: pip install "attacca-engine[jack]"' in done.stderr
    assert "playing to a sound device needs sounddevice: pip install sounddevice" in done.stderr


def test_the_host_never_loads_torch(caches: Path) -> None:
    code = (
        "import sys\nfrom bridge.commands import host, host_remote\nimport plugin_host.host, bridge.midi.inputs\n"
        "import engine.planning.midi\nimport engine.planning.files, plugin_host.outputs.device, plugin_host.play\n"
        "assert not {'torch', 'onnxruntime'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("-o", "x.wav"), "Offline needs an end: give --bars"),
        (("--jack", "attacca-nowhere"), "no JACK server 'attacca-nowhere' runs: start one"),
        (("-o", "x.wav", "--bars", "1", "--cache", "nobody"), "put Attacca on a track of your DAW first"),
        (("-o", "x.wav", "--bars", "1", "--tempo", "5"), "tempo"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(caches: Path, options: tuple[str, ...], sentence: str) -> None:
    with HostProcess(*options) as host:
        report, words = host.finish(interrupt=False)
    assert host.process.returncode == 2
    assert sentence.lower() in words.lower() and report["error"]
