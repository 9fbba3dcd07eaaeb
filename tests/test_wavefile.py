"""Audio files at the edge: exact values in, whole files out, mistakes named."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bridge.files import wavefile
from engine.errors import AttaccaError, BadAudio, BadRequest, Unavailable

RAMP = (np.arange(-500, 500)[:, None] / 512.0) * np.ones((1, 2))


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_the_holding_subtype_holds_every_value(tmp_path: Path, subtype: str) -> None:
    generator = np.random.default_rng(1)
    soundfile.write(tmp_path / "in.wav", generator.uniform(-1, 1, (5000, 2)), 44_100, subtype=subtype)
    original = wavefile.read_exact(tmp_path / "in.wav")
    wavefile.write_wav(tmp_path / "out.wav", original.samples, 44_100, wavefile.holding_subtype(original.subtype))
    again = wavefile.read_exact(tmp_path / "out.wav")
    assert np.array_equal(again.samples, original.samples)
    assert again.rate == 44_100


def test_exact_values_are_those_of_the_integers(tmp_path: Path) -> None:
    """Oracle: the integers themselves, read as such."""
    integers = np.random.default_rng(2).integers(-(2**31), 2**31, (1000, 1), dtype=np.int64).astype(np.int32)
    soundfile.write(tmp_path / "in.wav", integers, 48_000, subtype="PCM_32")
    assert np.array_equal(wavefile.read_exact(tmp_path / "in.wav").samples * 2**31, integers.astype(np.float64))


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no audio at all" * 100])
def test_what_is_no_audio_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(BadAudio, match=r"cannot be read as audio"):
        wavefile.read_exact(tmp_path / "x.wav")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadAudio, match="is not there"):
        wavefile.read_exact(tmp_path / "x.wav")


@pytest.mark.parametrize(
    ("name", "error", "word"),
    [
        ("no/such/out.wav", Unavailable, "is not there"),
        ("out.mp3", BadRequest, "writes WAV"),
        ("out", BadRequest, "writes WAV"),
        ("folder.wav", BadRequest, "is a folder"),
    ],
)
def test_targets_are_checked_before_rendering(tmp_path: Path, name: str, error: type[AttaccaError], word: str) -> None:
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(error, match=word):
        wavefile.check_target(tmp_path / name, "-o")


def test_the_same_audio_gives_the_same_bytes_at_any_time(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        wavefile.write_wav(tmp_path / name, RAMP, 44_100)
    data = (tmp_path / "a.wav").read_bytes()
    at = data.find(b"PEAK")
    assert at > 0 and data[at + 12 : at + 16] == bytes(4), "libsndfile writes the time of day here"
    assert data == (tmp_path / "b.wav").read_bytes()
    assert np.array_equal(soundfile.read(tmp_path / "a.wav")[0], RAMP)


def test_nothing_is_left_of_a_write_that_fails(tmp_path: Path) -> None:
    """A child may write 64 kB at most: the old file stays whole, the sentence says what to do."""
    target = tmp_path / "out.wav"
    wavefile.write_wav(target, RAMP, 48_000)
    before = target.read_bytes()
    code = f"""
        import resource, numpy
        from pathlib import Path
        from bridge.files import wavefile
        from engine.errors import Unavailable
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
        try:
            wavefile.write_wav(Path({str(target)!r}), numpy.zeros((100_000, 2)), 48_000)
        except Unavailable as error:
            print(error)
    """
    root = Path(__file__).resolve().parent.parent
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=root)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip().endswith("does not fit on the disk; free some space or write elsewhere.")
    assert target.read_bytes() == before
    assert os.listdir(tmp_path) == ["out.wav"]
