"""The real renderer on untrained networks: input that cannot be used is refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from engine.controls.request import check
from engine.errors import BadAudio, BadRequest
from engine.types import Renderer
from tests.rendering import RATE, follow, sound
from tests.tiny_bundle import ask, play


def write_bad(kind: str, path: Path) -> None:
    if kind == "nothing":
        path.write_bytes(b"")
    elif kind == "no audio":
        path.write_bytes(b"RIFF$\x00\x00\x00WAVEfmt nonsense" * 20)
    elif kind != "missing":
        audio = {"empty": sound(0), "silent": 0 * sound(RATE), "nan": sound(RATE), "infinite": sound(RATE)}[kind]
        if kind in ("nan", "infinite"):
            audio[RATE // 2, 1] = {"nan": np.nan, "infinite": -np.inf}[kind]
        soundfile.write(path, audio, RATE, subtype="FLOAT")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", "there is no file"),
        ("nothing", "cannot read"),
        ("no audio", "cannot read"),
        ("empty", "is empty"),
        ("silent", "is silent"),
        ("nan", "NaN or infinite"),
        ("infinite", "NaN or infinite"),
    ],
)
def test_audio_that_cannot_be_continued_gives_one_sentence(
    renderer: Renderer, tmp_path: Path, kind: str, says: str
) -> None:
    path = tmp_path / "in.wav"
    write_bad(kind, path)
    with pytest.raises(BadAudio, match=says) as refused:
        play(renderer, ask(source=str(path)))
    text = str(refused.value)
    assert "in.wav" in text and "\n" not in text and len(text) < 300


def test_a_folder_as_source_and_a_broken_tail_are_bad_audio(renderer: Renderer, tmp_path: Path) -> None:
    with pytest.raises(BadAudio):
        play(renderer, ask(source=str(tmp_path)))
    path = tmp_path / "cut.flac"
    soundfile.write(path, sound(4 * RATE), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] + bytes(100))
    with pytest.raises(BadAudio, match="cannot read"):
        play(renderer, ask(source=str(path)))


@pytest.mark.parametrize(("value", "says"), [(np.nan, "NaN"), (0.0, "silent")])
def test_audio_sent_along_is_held_to_the_same(renderer: Renderer, value: float, says: str) -> None:
    with pytest.raises(BadAudio, match=says):
        follow(renderer, np.full((RATE, 2), value, np.float32))


@pytest.mark.parametrize(
    "fields", [{"tempo": "19.9"}, {"tempo": "nan"}, {"meter": "4/3"}, {"bars": 200, "tempo": "20"}, {"key": "H dur"}]
)
def test_a_request_that_makes_no_sense_is_refused(renderer: Renderer, fields: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        check(ask(**fields))  # type: ignore[arg-type]
    assert play(renderer, ask()).rendered.frames == 96_000
