"""The Pure Data patches in a real Pd without a window: they ask a real engine, load its file, play it to the sample."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.demo_engine import engine_process

PATCHES = Path(__file__).resolve().parent.parent / "plugin_host" / "daw" / "puredata"
LATEST_START_FRAMES = 40_000
pytestmark = pytest.mark.timeout(300)
WRAPPER = r"""#N canvas 0 0 400 400 12;
#X obj 0 0 attacca;
#X obj 0 0 loadbang;
#X obj 0 0 delay 50;
#X obj 0 0 t b b b b;
#X msg 0 0 connect 127.0.0.1 PORT;
#X msg 0 0 prompt warm deep house;
#X msg 0 0 seed 7;
#X msg 0 0 ASK;
#X obj 0 0 route done fail;
#X obj 0 0 unpack s s f f f;
#X obj 0 0 list prepend load;
#X obj 0 0 list trim;
#X obj 0 0 attacca-player;
#X obj 0 0 t b f;
#X obj 0 0 print FRAMES;
#X obj 0 0 t b b b;
#X msg 0 0 \; pd dsp 1;
#X msg 0 0 open -bytes 4 HEARD \, start;
#X msg 0 0 play;
#X obj 0 0 writesf~ 2;
#X obj 0 0 delay 50;
#X msg 0 0 stop;
#X msg 0 0 \; pd quit;
#X obj 0 0 t b a;
#X obj 0 0 print FAIL;
#X obj 0 0 t b b;
#X connect 1 0 2 0;
#X connect 2 0 3 0;
#X connect 3 3 4 0;
#X connect 3 2 5 0;
#X connect 3 1 6 0;
#X connect 3 0 7 0;
#X connect 4 0 0 0;
#X connect 5 0 0 0;
#X connect 6 0 0 0;
#X connect 7 0 0 0;
#X connect 0 0 8 0;
#X connect 8 0 9 0;
#X connect 8 1 23 0;
#X connect 9 1 10 0;
#X connect 10 0 11 0;
#X connect 11 0 12 0;
#X connect 12 0 19 0;
#X connect 12 1 19 1;
#X connect 12 2 13 0;
#X connect 12 3 20 0;
#X connect 13 1 14 0;
#X connect 13 0 15 0;
#X connect 15 2 16 0;
#X connect 15 1 17 0;
#X connect 15 0 18 0;
#X connect 17 0 19 0;
#X connect 18 0 12 0;
#X connect 20 0 25 0;
#X connect 25 1 21 0;
#X connect 25 0 22 0;
#X connect 21 0 19 0;
#X connect 23 1 24 0;
#X connect 23 0 22 0;
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The OSC port of an engine in its own process, and the folder of its files."""
    if shutil.which("pd") is None:
        pytest.skip("needs Pure Data: sudo apt install puredata-core")
    renders = tmp_path_factory.mktemp("renders")
    with engine_process("--fake", "--no-live", "--render-dir", str(renders)) as running:
        yield running.osc.rpartition(":")[2], renders


def pd(folder: Path, port: str, ask: str, rate: int) -> str:
    """What Pd says while the patch asks, plays and ends."""
    patch = folder / "wrapper.pd"
    patch.write_text(WRAPPER.replace("PORT", port).replace("ASK", ask).replace("HEARD", str(folder / "heard.wav")))
    command = ["pd", "-nogui", "-noaudio", "-nomidi", "-stderr", "-r", str(rate), "-path", str(PATCHES), str(patch)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("ask", "rate", "frames"), [("generate 2 240", 48_000, 96_000), ("continue LOOP 1 120", 44_100, 88_200)]
)
def test_pd_asks_for_bars_and_plays_them_bit_by_bit(
    tmp_path: Path, engine: tuple[str, Path], loop_path: Path, ask: str, rate: int, frames: int
) -> None:
    port, renders = engine
    before = set(renders.glob("*.wav"))
    said = pd(tmp_path, port, ask.replace("LOOP", str(loop_path)), rate)
    assert f"FRAMES: {frames}" in said
    assert "couldn't" not in said
    assert "another sample rate" not in said
    assert "error" not in said
    (made,) = set(renders.glob("*.wav")) - before
    rendered, rendered_hz = soundfile.read(made, dtype="float32")
    heard, _ = soundfile.read(tmp_path / "heard.wav", dtype="float32")
    assert (len(rendered), rendered_hz) == (frames, rate)
    first = int(np.flatnonzero(heard.any(axis=1))[0]) - int(np.flatnonzero(rendered.any(axis=1))[0])
    assert 0 <= first < LATEST_START_FRAMES
    assert np.array_equal(heard[first : first + frames], rendered), "every sample as the engine wrote it"
    assert not heard[first + frames :].any()


def test_pd_hears_the_seed_and_the_prompt_that_it_sent(tmp_path: Path, engine: tuple[str, Path]) -> None:
    from engine.fake import tone_hz
    from engine.types import PromptPart, Request

    port, renders = engine
    before = set(renders.glob("*.wav"))
    pd(tmp_path, port, "generate 1 240", 48_000)
    (made,) = set(renders.glob("*.wav")) - before
    rendered, rate = soundfile.read(made, dtype="float32")
    asked = Request(id="x", kind="generate", bars=1, seed=7, prompts=(PromptPart(text="warm deep house"),))
    spectrum = np.abs(np.fft.rfft(rendered[rate // 20 :, 0], 8 * rate))
    assert abs(int(np.argmax(spectrum)) / 8 - tone_hz(asked)) < 2, "words with spaces arrive as one text"


def test_a_refusal_reaches_the_patch(tmp_path: Path, engine: tuple[str, Path]) -> None:
    said = pd(tmp_path, engine[0], "generate 999 240", 48_000)
    assert "FAIL" in said
    assert "bad-request" in said


def test_the_example_opens_without_a_complaint(tmp_path: Path) -> None:
    if shutil.which("pd") is None:
        pytest.skip("needs Pure Data: sudo apt install puredata-core")
    command = [
        "pd",
        "-nogui",
        "-noaudio",
        "-nomidi",
        "-stderr",
        "-open",
        str(PATCHES / "example.pd"),
        "-send",
        "pd quit",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, cwd=tmp_path)
    assert (done.returncode, done.stderr.strip()) == (0, "")
