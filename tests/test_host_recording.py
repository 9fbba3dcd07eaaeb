"""Recordings of the host: whole, beside those that are there already, and lost frames counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.errors import BadRequest
from plugin_host.recording import Recorder, unused
from tests.waiting import wait

RATE_HZ = 48_000
BLOCK = np.linspace(-1, 1, 2 * 256, dtype=np.float32).reshape(256, 2)


def test_a_recording_that_is_there_stays_and_the_new_one_has_a_number(tmp_path: Path) -> None:
    path = tmp_path / "night.wav"
    for wanted, blocks in (("night.wav", 1), ("night-2.wav", 2), ("night-3.wav", 3)):
        recorder = Recorder(path, RATE_HZ, 2, 256)
        assert recorder.path == tmp_path / wanted
        for _ in range(blocks):
            recorder.take(BLOCK)
        recorder.close()
    for name, blocks in (("night.wav", 1), ("night-2.wav", 2), ("night-3.wav", 3)):
        sound, rate = soundfile.read(tmp_path / name, dtype="float32")
        assert rate == RATE_HZ and np.array_equal(sound, np.tile(BLOCK, (blocks, 1)))
    assert len(list(tmp_path.iterdir())) == 3, "nothing else is left"


def test_a_file_that_came_meanwhile_stays_too(tmp_path: Path) -> None:
    path = tmp_path / "night.wav"
    recorder = Recorder(path, RATE_HZ, 2, 256)
    path.write_bytes(b"somebody's")
    recorder.take(BLOCK)
    recorder.close()
    assert path.read_bytes() == b"somebody's"
    assert recorder.path == tmp_path / "night-2.wav" and soundfile.info(recorder.path).frames == 256


def test_what_a_killed_host_leaves_can_be_read(tmp_path: Path) -> None:
    """The file of a recorder that never closes, as it lies on the disk."""
    recorder = Recorder(tmp_path / "night.wav", RATE_HZ, 2, 256)
    for _ in range(100):
        recorder.take(BLOCK)
    wait(lambda: recorder.frames == 100 * 256, "all is written")
    (part,) = tmp_path.glob(".night-*.part.wav")
    (tmp_path / "left.wav").write_bytes(part.read_bytes())
    sound, rate = soundfile.read(tmp_path / "left.wav", dtype="float32")
    assert rate == RATE_HZ and np.array_equal(sound, np.tile(BLOCK, (100, 1)))
    recorder.close()


def test_the_first_number_that_is_free(tmp_path: Path) -> None:
    assert unused(tmp_path / "a.b.wav") == tmp_path / "a.b.wav"
    (tmp_path / "a.b.wav").touch()
    (tmp_path / "a.b-3.wav").touch()
    assert unused(tmp_path / "a.b.wav") == tmp_path / "a.b-2.wav"


@pytest.mark.parametrize(("name", "sentence"), [("x.mp3", "should end in .wav"), ("no/x.wav", "is not there; make it")])
def test_where_it_cannot_record_it_says_so_before_it_plays(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence):
        Recorder(tmp_path / name, RATE_HZ, 2, 256)
