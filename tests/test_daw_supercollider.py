"""The SuperCollider class in a real sclang with a real scsynth on JACK: it asks a real engine and loads its files."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.demo_engine import engine_process
from engine.fake import tone_hz
from engine.types import PromptPart, Request
from tests.hosts.ardour_host import free_udp_port
from tests.jack_server import JackServer

CLIENT = Path(__file__).resolve().parent.parent / "plugin_host" / "daw" / "supercollider"
SECONDS = 150
pytestmark = pytest.mark.timeout(300)
SCRIPT = r"""
(
var server, attacca, say, save, refused, example;
say = { |words| ("==" ++ words.join(" ")).postln };
save = { |take, name| take.buffer.write("FOLDER/" ++ name ++ ".wav", "wav", "float") };
refused = { |code| say.([\fail, code]); { server.sync; server.quit; 0.5.wait; 0.exit }.fork(AppClock) };
example = "FOLDER/block*.scd".pathMatch.collect { |path|
	thisProcess.interpreter.compile(File.readAllString(path)).notNil
};
say.([\example] ++ example);
server = Server(\tested, NetAddr("127.0.0.1", SYNTH));
server.waitForBoot({
	attacca = Attacca(server, NetAddr("127.0.0.1", PORT));
	attacca.seed = 7;
	attacca.prompt("warm deep house", 0.5);
	attacca.intensity(0, -30, 8, -12);
	attacca.melody([[60, 0, 1, 90], [64, 1, 0.5, 90]]);
	attacca.generate(2, 240, done: { |take|
		say.([\made, take.path, take.frames, take.rate, take.buffer.numFrames, take.buffer.numChannels]);
		save.(take, "made");
		attacca.melody;
		attacca.intensity;
		attacca.goOn(1, 240, done: { |take|
			say.([\more, take.path, take.frames, take.rate, take.buffer.numFrames, take.buffer.numChannels]);
			save.(take, "more");
			attacca.generate(999, 240, fail: refused);
		});
	});
}, onFailure: { say.(["no server"]); 1.exit });
)
"""


@pytest.fixture(scope="module")
def jack() -> Iterator[JackServer]:
    if shutil.which("sclang") is None or shutil.which("scsynth") is None:
        pytest.skip("needs SuperCollider: sudo apt install supercollider-language supercollider-server")
    with JackServer.or_skip(f"daw-sc-{os.getpid()}") as server:
        yield server


def run_sclang(folder: Path, script: str, jack: JackServer) -> dict[str, list[str]]:
    """What the script says, by the first word of each line. sclang has no window and its own port and settings."""
    (folder / "home").mkdir(mode=0o700)
    home = str(folder / "home")
    (folder / "script.scd").write_text(script)
    settings = folder / "sclang.yaml"
    settings.write_text(f"includePaths:\n    - {CLIENT}\nexcludePaths: []\npostInlineWarnings: false\n")
    environment = {
        **jack.environment,
        **dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"), home),
        "QT_QPA_PLATFORM": "offscreen",
        "QTWEBENGINE_DISABLE_SANDBOX": "1",
    }
    command = ["sclang", "-u", str(free_udp_port()), "-l", str(settings), str(folder / "script.scd")]
    log = folder / "sclang.txt"
    with log.open("w") as sink:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    try:
        code: int | None = process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
    output = log.read_text()
    assert code == 0, output[-4000:]
    lines = [line[2:].split() for line in output.splitlines() if line.startswith("==")]
    return {line[0]: line[1:] for line in lines}


def test_sclang_asks_for_bars_and_has_them_in_a_buffer(tmp_path: Path, jack: JackServer) -> None:
    renders = tmp_path / "renders"
    renders.mkdir()
    with engine_process("--fake", "--no-live", "--render-dir", str(renders)) as engine:
        script = SCRIPT.replace("PORT", engine.osc.rpartition(":")[2]).replace("SYNTH", str(free_udp_port()))
        script = script.replace("FOLDER", str(tmp_path))
        blocks = re.split(r"\n\n(?=//|\()", (CLIENT / "example.scd").read_text())
        for number, block in enumerate(blocks):
            (tmp_path / f"block{number}.scd").write_text(block)
        said = run_sclang(tmp_path, script, jack)
    assert said["example"] == ["true"] * len(blocks), "each block of the example is SuperCollider"
    for name, frames in (("made", "96000"), ("more", "48000")):
        path, *figures = said[name]
        assert figures == [frames, "48000", frames, "2"], "frames and rate as told, frames and channels of the buffer"
        engine_wrote, _ = soundfile.read(path, dtype="float32")
        in_buffer, rate = soundfile.read(tmp_path / f"{name}.wav", dtype="float32")
        assert rate == 48_000
        assert np.array_equal(in_buffer, engine_wrote)
    asked = Request(id="x", kind="generate", bars=2, seed=7, prompts=(PromptPart(text="warm deep house", weight=0.5),))
    spectrum = np.abs(np.fft.rfft(soundfile.read(tmp_path / "made.wav")[0][2400:48_000, 0], 8 * 48_000))
    assert abs(int(np.argmax(spectrum)) / 8 - tone_hz(asked)) < 2, "prompt, weight and seed arrived"
    assert said["fail"] == ["bad-request"]
