"""Intensity curves as typed, from files and from audio, beside the definition sample by sample."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from engine import controls
from engine.errors import BadAudio, BadRequest
from engine.timing import Meter, TempoMap
from engine.types import CurvePoint

AT_120 = TempoMap.constant(120, Meter(4, 4))


def pairs(points: tuple[CurvePoint, ...]) -> list[tuple[float, float]]:
    return [(p.beat, p.db) for p in points]


@given(st.lists(st.tuples(st.integers(0, 9999), st.integers(-6000, 600)), min_size=1, max_size=30))
def test_typed_curve_round_trip(raw: list[tuple[int, int]]) -> None:
    points = sorted((b / 8, d / 100) for b, d in raw)
    text = ", ".join(f"{b}:{d}" for b, d in points)
    got = controls.parse_curve(text)
    assert [p.beat for p in got] == [b for b, _ in points] and [p.db for p in got] == [d for _, d in points]


def test_curve_files(tmp_path: Path) -> None:
    expected = [(0.0, -30.0), (8.0, -12.0), (8.0, -20.5)]
    for name, content in {
        "a.csv": "0,-30\n8,-12\n8,-20.5\n",
        "b.csv": "\ufeffbeat;dB\n# loud\n0;-30\n\n8;-12\n8;-20.5",
        "c.json": json.dumps(expected),
        "d.json": json.dumps([{"beat": b, "db": d} for b, d in expected]),
        "e.JSON": json.dumps({"points": [[0, -30], [8, -12], [8, -20.5]]}),
    }.items():
        (tmp_path / name).write_text(content, "utf-8")
        assert pairs(controls.parse_curve(str(tmp_path / name), AT_120, 2)) == expected


BAD_CURVES = [
    "", "x", "0", "0:", ":-3", "0:-30,", "0:-61", "0:6.1", "-1:-30", "4:-30,0:-20", "0:nan", "nan:0", "inf:0", "0:-inf",
    "0:-30:4", "0;-30", "1e99:-3", "0:-3,100001:-3", ":" * 10**6, "0:-30," * 10**5, "0" * 10**6 + ":0", "missing.csv",
    "missing.json", "missing.wav", "curve.txt", "\x00.csv", "x" * 5000 + ".json", ".",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD_CURVES)
def test_bad_curves(text: str) -> None:
    start = time.process_time()
    with pytest.raises(BadRequest) as error:
        controls.parse_curve(text, AT_120, 4)
    assert time.process_time() - start < 1 and len(str(error.value)) < 400


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", "[[0]]", '[["a", 1]]', '"abc"', "7", "null", "[[0,-70]]", "[[1e999,0]]", "[" * 10**5, "[[NaN,0]]",
     '{"points": 3}', '[{"beat": 1}]', "[[1,true]]", "[[" + "9" * 5000 + ",0]]", "\xff"],
)  # fmt: skip
def test_bad_curve_files(content: str, tmp_path: Path) -> None:
    for name in ("a.json", "a.csv"):
        (tmp_path / name).write_bytes(content.encode("latin-1"))
        with pytest.raises(BadRequest):
            controls.parse_curve(str(tmp_path / name))
    (tmp_path / "big.csv").write_bytes(b"0,0\n" * 300_000)
    with pytest.raises(BadRequest, match="MB"):
        controls.parse_curve(str(tmp_path / "big.csv"))


def test_points_past_the_end_are_refused() -> None:
    seven = TempoMap.constant(120, Meter(7, 8))
    assert controls.parse_curve("7:-20", seven, 2)[0].beat == 7
    with pytest.raises(BadRequest, match="from 0 to 7"):
        controls.parse_curve("7.01:-20", seven, 2)


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.floats(-60, 6, allow_subnormal=False)),
        min_size=1,
        max_size=12,
        unique_by=lambda p: p[0],
    ),
    st.floats(-10, 120, allow_subnormal=False),
)
def test_sample_curve(raw: list[tuple[int, float]], beat: float) -> None:
    points = sorted((b / 4, d) for b, d in raw)
    curve = tuple(CurvePoint(beat=b, db=d) for b, d in points)
    before = [p for p in points if p[0] <= beat] or points[:1]
    after = [p for p in points if p[0] >= beat] or points[-1:]
    (b0, d0), (b1, d1) = before[-1], after[0]
    share = 0.0 if b1 == b0 or not b0 <= beat <= b1 else (beat - b0) / (b1 - b0)
    assert controls.sample_curve(curve, np.array([beat]))[0] == pytest.approx(d0 * (1 - share) + d1 * share, abs=1e-9)


def slow_envelope(audio: np.ndarray, rate: int, seconds: float) -> float:
    """The definition, sample by sample."""
    power, weight = 0.0, 0.0
    for n in range(len(audio)):
        away = abs(n - seconds * rate) / (rate / 2)
        if away < 1:
            w = math.cos(math.pi / 2 * away) ** 2
            power, weight = power + w * float(np.mean(audio[n].astype(float) ** 2)), weight + w
    return max(-60.0, 10 * math.log10(max(power / weight, 1e-12)))


@pytest.mark.parametrize("rate", [8000, 11025])
def test_envelope_against_its_definition(rate: int) -> None:
    rng = np.random.default_rng(3)
    audio = rng.standard_normal((2 * rate + 777, 2)).astype(np.float32) * np.float32(0.1)
    audio[: rate // 2] *= 0.01
    audio[rate : rate + 50, 0] = 1.0
    seconds, db = controls.intensity_envelope(audio, rate)
    assert len(seconds) == 1 + len(audio) * 100 // rate and seconds[37] == 0.37
    for i in (0, 13, 60, 100, 151, len(seconds) - 1):
        assert db[i] == pytest.approx(slow_envelope(audio, rate, i / 100), abs=0.02)


def test_envelope_of_silence_and_full_scale() -> None:
    assert (controls.intensity_envelope(np.zeros((9000, 1), np.float32), 8000)[1] == -60).all()
    square = np.ones((48_000, 2), np.float32)
    assert controls.intensity_envelope(square, 48_000)[1] == pytest.approx(0, abs=1e-9)


def test_audio_as_a_curve(tmp_path: Path) -> None:
    rate = 22_050
    gain = 10 ** (np.interp(np.arange(6 * rate) / rate, [0, 3, 6], [-40, -10, -30]) / 20)
    noise = np.random.default_rng(0).standard_normal((6 * rate, 2)) * gain[:, None] * 0.3
    for suffix in ("wav", "flac"):
        path = tmp_path / f"x.{suffix}"
        soundfile.write(path, noise, rate)
        points = controls.parse_curve(str(path), TempoMap.constant(90, Meter(4, 4)), 2)
        assert points[-1].beat <= 8 and 2 < len(points) < 400
        seconds, db = controls.intensity_envelope(soundfile.read(path, dtype="float32")[0], rate)
        inside = seconds <= 8 * 60 / 90
        got = controls.sample_curve(points, seconds[inside] * 1.5)
        assert np.abs(got - db[inside]).max() < 0.11
    with pytest.raises(BadRequest, match="tempo"):
        controls.parse_curve(str(path))


def test_bad_audio_as_a_curve(tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    for frames in (np.zeros((0, 1)), np.full((100, 1), np.nan)):
        soundfile.write(path, frames, 48_000, subtype="FLOAT")
        with pytest.raises(BadAudio):
            controls.parse_curve(str(path), AT_120, 4)
    for content in (b"", b"RIFF", b"RIFF\xff\xff\xff\xffWAVEfmt ", bytes(range(256)) * 9):
        path.write_bytes(content)
        with pytest.raises(BadAudio):
            controls.parse_curve(str(path), AT_120, 4)
