"""The demo, with the fake engine: everything that a DAW would do, and what it leaves behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from bridge import demo
from bridge.demo_engine import engine_process
from bridge.midi.inputs import NoteCollector, open_input
from engine.errors import NoEngine
from engine.timing import Meter, TempoMap
from tests.waiting import wait

ROOT = Path(__file__).resolve().parent.parent


def test_the_demo_leaves_sound_pictures_and_a_table(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "bridge.cli", "demo", "--fake", "--out", str(tmp_path / "out")]
    ran = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=100)
    assert (ran.returncode, ran.stderr) == (0, "")
    out = tmp_path / "out"
    frames = {path.name: soundfile.info(path).frames for path in out.glob("*.wav")}
    assert frames == {
        "1-prompt.wav": 384_000,
        "2-continued.wav": 352_800,
        "2-continued-joined.wav": 705_600,
        "3-melody.wav": 384_000,
    }
    assert {path.stem for path in out.glob("*.png")} == {path.stem for path in out.glob("*.wav")}
    for path in out.glob("*.png"):
        with Image.open(path) as picture:
            assert picture.size[0] > 1000
    rows = [line.split("|") for line in (out / "table.md").read_text().splitlines()]
    assert [row[-2].strip() for row in rows[2:]] == ["0", "0", "0"]
    assert (out / "table.md").read_text() in ran.stdout


def test_the_joined_file_begins_with_the_loop(tmp_path: Path) -> None:
    with engine_process("--fake") as engine, demo.Client(engine.zmq) as client:
        sound, joined = demo.by_zeromq(client, "joined", seed=1)
    loop, rate = soundfile.read(demo.LOOP, always_2d=True)
    seam = round(0.02 * rate)
    assert np.array_equal(joined[: len(loop) - seam], loop[:-seam])
    assert np.array_equal(joined[len(loop) :], sound.audio)


def test_the_melody_arrives_in_time() -> None:
    """Played live through mido into the port an engine listens on: same pitches, beats within 1/8.

    On a busy machine any note may be late: one take of six must be in time.
    """
    wanted = list(demo.melody_notes())
    for _ in range(6):
        collector = NoteCollector()
        with open_input("socket:127.0.0.1:0", collector) as port:
            demo.play_midi(port.name)
            wait(lambda heard=collector: len(heard.since(0)) == len(wanted), "all notes to be heard")
            notes = collector.take(TempoMap.constant(demo.TEMPO, Meter(4, 4)))
        assert [note.pitch for note in notes] == [pitch for pitch, _, _ in wanted]
        in_time = [note.beat for note in notes] == pytest.approx([beat for _, beat, _ in wanted], abs=0.125)
        if in_time:
            break
    assert in_time, notes


def test_a_bar_line_that_is_off_is_counted() -> None:
    exact = demo.Sound(np.zeros((384_000, 2), np.float32), 48_000, (96_000,) * 4, 1.0)
    late = demo.Sound(np.zeros((384_000, 2), np.float32), 48_000, (96_003, 95_997, 96_000, 96_000), 1.0)
    assert demo.row("exact", exact).bar_error_samples == 0
    assert demo.row("late", late).bar_error_samples == 3


def test_an_engine_that_cannot_start_says_why() -> None:
    with pytest.raises(NoEngine, match="no bundle at /no/such/bundle"), engine_process("--bundle", "/no/such/bundle"):
        pass


def test_the_engine_ends_with_the_block() -> None:
    with engine_process("--fake") as engine:
        pid = engine.ready["pid"]
        assert Path(f"/proc/{pid}").exists()
    wait(lambda: not Path(f"/proc/{pid}").exists(), "the engine to end")
