"""`attacca play`'s work: files and buffers through a chain to a WAV, or to a sound device."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("pedalboard", reason="needs the extra 'host'")

from engine.errors import BadAudio, BadRequest
from plugin_host.chain import ChainSpec, Effect
from plugin_host.pipeline import Pipeline
from plugin_host.play import play, play_buffer
from plugin_host.source import mix_matrix

ROOT = Path(__file__).resolve().parent.parent
CHAIN = '[[effect]]\nname = "HighpassFilter"\n[[effect]]\nname = "Reverb"\nparameters = { wet_level = 0.2 }\n'


def sound(frames: int = 30_000, channels: int = 2) -> Any:
    return np.random.default_rng(7).uniform(-0.2, 0.2, (frames, channels)).astype(np.float32)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "in.wav"
    soundfile.write(path, sound(), 44_100, subtype="PCM_16")
    return path


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_clean_file_comes_back_bit_exact(tmp_path: Path, subtype: str) -> None:
    source, out = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, sound(), 44_100, subtype=subtype)
    report = play(source, output=out)
    assert (report.frames, report.rate, report.channels) == (30_000, 44_100, 2)
    assert (report.limited_frames, report.scrubbed_samples, report.underruns) == (0, 0, 0)
    kind = "float32" if subtype == "FLOAT" else "int32"
    assert np.array_equal(soundfile.read(out, dtype=kind)[0], soundfile.read(source, dtype=kind)[0])
    assert soundfile.info(out).subtype == ("FLOAT" if subtype == "FLOAT" else "PCM_24")
    assert left_over(tmp_path) == []


def test_offline_equals_the_pipeline_block_by_block(tmp_path: Path, wav: Path) -> None:
    (tmp_path / "chain.toml").write_text(CHAIN)
    report = play(wav, tmp_path / "chain.toml", tmp_path / "out.wav")
    assert report.effects == ("HighpassFilter", "Reverb")
    spec = ChainSpec((Effect("HighpassFilter"), Effect("Reverb", {"wet_level": 0.2})))
    audio = soundfile.read(wav, dtype="float32")[0]
    pipeline = Pipeline(spec, 44_100, 2)
    parts = [pipeline.process(audio[at : at + 65]) for at in range(0, len(audio), 65)]
    expected = np.concatenate([*parts, pipeline.finish()])
    written = soundfile.read(tmp_path / "out.wav", dtype="float64")[0]
    assert np.abs(written - expected).max() <= 0.5000001 / 2**23


def test_another_rate_keeps_pitch_level_and_place(tmp_path: Path) -> None:
    seconds = np.arange(44_100) / 44_100
    tone = (0.5 * np.sin(2 * np.pi * 1000 * seconds) * np.hanning(44_100)).astype(np.float32)[:, None]
    report = play_buffer(tone, 44_100, output=tmp_path / "out.wav", rate_hz=48_000)
    assert (report.frames, report.rate, report.channels) == (48_000, 48_000, 1)
    written = soundfile.read(tmp_path / "out.wav")[0]
    there = np.arange(48_000) / 48_000
    envelope = np.interp(there, seconds, np.hanning(44_100))
    assert np.abs(written - 0.5 * np.sin(2 * np.pi * 1000 * there) * envelope).max() < 1e-3


@pytest.mark.parametrize(
    ("have_hz", "want_hz", "frames"), [(44_100, 48_000, 1), (48_000, 44_100, 7), (8000, 192_000, 9)]
)
def test_the_length_at_another_rate_is_rounded_once(tmp_path: Path, have_hz: int, want_hz: int, frames: int) -> None:
    report = play_buffer(sound(frames), have_hz, output=tmp_path / "out.wav", rate_hz=want_hz)
    assert report.frames == (2 * frames * want_hz + have_hz) // (2 * have_hz)


def test_nan_in_a_file_is_silenced_before_the_resampler(tmp_path: Path) -> None:
    audio = sound()
    audio[1000] = np.nan
    audio[2000, 0] = np.inf
    report = play_buffer(audio, 44_100, output=tmp_path / "out.wav", rate_hz=48_000)
    assert report.scrubbed_samples == 3 and report.remarks[0].startswith("3 samples")
    clean = np.where(np.isfinite(audio), audio, 0)
    play_buffer(clean, 44_100, output=tmp_path / "clean.wav", rate_hz=48_000)
    written = [soundfile.read(tmp_path / name, dtype="int32")[0] for name in ("out.wav", "clean.wav")]
    assert np.array_equal(*written)


@pytest.mark.parametrize("have", range(1, 9))
@pytest.mark.parametrize("want", range(1, 9))
def test_mixing_channels_never_gets_louder_and_loses_only_the_lfe(have: int, want: int) -> None:
    matrix = mix_matrix(have, want)
    if matrix is None:
        assert have == want
        return
    assert matrix.shape == (have, want)
    assert matrix.sum(axis=0).max() <= 1.0 + 1e-6
    silent = np.flatnonzero(~matrix.any(axis=1)).tolist()
    assert silent == ([3] if have == 6 and want <= 2 else [])
    if have == 1:
        assert matrix[0, :2].tolist() == [1.0] * min(want, 2)


def test_effects_fold_more_channels_to_stereo_and_say_so(tmp_path: Path) -> None:
    spec = ChainSpec((Effect("Gain", {"gain_db": 0.0}),))
    report = play_buffer(sound(2000, 6), 48_000, spec, tmp_path / "out.wav")
    assert report.channels == 2
    assert "6 channels were mixed down to 2" in report.remarks[0]
    assert play_buffer(sound(2000, 6), 48_000, None, tmp_path / "six.wav").channels == 6


def test_a_tail_is_asked_for_in_the_chain_or_the_call(tmp_path: Path, wav: Path) -> None:
    (tmp_path / "chain.toml").write_text("tail_seconds = 0.5\n" + CHAIN)
    assert play(wav, tmp_path / "chain.toml", tmp_path / "out.wav").frames == 30_000 + 22_050
    assert play(wav, tmp_path / "chain.toml", tmp_path / "out.wav", tail_seconds=0).frames == 30_000


def test_progress_rises_to_one(tmp_path: Path, wav: Path) -> None:
    seen: list[float] = []
    play(wav, output=tmp_path / "out.wav", progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_bad_files_and_folders_are_one_sentence_and_leave_nothing(tmp_path: Path, wav: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 2)), 48_000)
    soundfile.write(tmp_path / "many.wav", np.zeros((10, 9)), 48_000)
    out = tmp_path / "out.wav"
    cases: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (BadAudio, "there is no sound file", {"file": tmp_path / "none.wav", "output": out}),
        (BadAudio, "there is no sound file", {"file": tmp_path, "output": out}),
        (BadAudio, "is no sound file that can be read", {"file": tmp_path / "text.wav", "output": out}),
        (BadAudio, "is empty", {"file": tmp_path / "empty.wav", "output": out}),
        (BadAudio, "has 9 channels; 1 to 8", {"file": tmp_path / "many.wav", "output": out}),
        (BadRequest, "the folder .*nowhere is not there", {"file": wav, "output": tmp_path / "nowhere" / "out.wav"}),
        (BadRequest, "should end in .wav", {"file": wav, "output": tmp_path / "out.mp3"}),
        (BadRequest, "not to both", {"file": wav, "output": out, "device": "x"}),
        (BadRequest, "there is no chain file", {"file": wav, "output": out, "chain": tmp_path / "none.toml"}),
        (BadRequest, "8000 to 192000 Hz, not 1", {"file": wav, "output": out, "rate_hz": 1}),
        (BadRequest, "1 to 8 channels, not 0", {"file": wav, "output": out, "channels": 0}),
        (BadRequest, "0 to 60 seconds, not nan", {"file": wav, "output": out, "tail_seconds": float("nan")}),
    ]
    for kind, sentence, arguments in cases:
        with pytest.raises(kind, match=sentence) as caught:
            play(**arguments)
        assert "\n" not in str(caught.value)
    assert not out.exists()
    assert left_over(tmp_path) == []


def test_a_file_that_breaks_off_leaves_the_old_output_alone(tmp_path: Path, loop_path: Path) -> None:
    whole = loop_path.read_bytes()
    (tmp_path / "half.flac").write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "out.wav"
    out.write_text("what was there")
    with pytest.raises(BadAudio, match=r"half\.flac cannot be read"):
        play(tmp_path / "half.flac", output=out)
    assert out.read_text() == "what was there"
    assert left_over(tmp_path) == []


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


def test_a_file_is_not_played_over_itself(tmp_path: Path, wav: Path) -> None:
    before = wav.read_bytes()
    with pytest.raises(BadRequest, match="overwrite"):
        play(wav, output=tmp_path / "." / wav.name)
    assert wav.read_bytes() == before


def test_a_full_disk_leaves_no_half_file(tmp_path: Path, wav: Path) -> None:
    done = python(
        f"""
        import resource
        from pathlib import Path
        from engine.errors import Unavailable
        from plugin_host.play import play
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        try:
            play(Path({str(wav)!r}), output=Path({str(tmp_path / "out.wav")!r}))
        except Unavailable as error:
            print(error)
        """
    )
    assert "the disk is full; nothing was kept" in done.stdout and "System" not in done.stdout, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.wav"]


def test_playing_loads_no_torch_and_importing_loads_no_pedalboard(tmp_path: Path, wav: Path) -> None:
    done = python(
        f"""
        import sys
        from pathlib import Path
        from plugin_host.play import play
        print("pedalboard" in sys.modules, "sounddevice" in sys.modules)
        play(Path({str(wav)!r}), output=Path({str(tmp_path / "out.wav")!r}))
        print("pedalboard" in sys.modules, "torch" in sys.modules, "scipy" in sys.modules)
        """
    )
    assert done.stdout.split() == ["False", "False", "True", "False", "False"], done.stderr


@pytest.mark.parametrize(
    ("sabotage", "sentence"),
    [
        ("sys.modules['pedalboard'] = None", 'pip install "attacca-engine[host]"'),
        ("import ctypes.util; ctypes.util.find_library = lambda name: None", "apt-get install libportaudio2"),
        ("sys.modules['sounddevice'] = None", "pip install sounddevice"),
    ],
)
def test_what_is_missing_is_named(wav: Path, tmp_path: Path, sabotage: str, sentence: str) -> None:
    output = f"Path({str(tmp_path / 'out.wav')!r})" if "pedalboard" in sabotage else None
    done = python(
        f"""
        import sys
        from pathlib import Path
        {sabotage}
        from engine.errors import Unavailable
        from plugin_host.play import play
        try:
            play(Path({str(wav)!r}), output={output})
        except Unavailable as error:
            print(error)
        """
    )
    assert sentence in done.stdout, done.stderr
    assert len(done.stdout.splitlines()) == 1
