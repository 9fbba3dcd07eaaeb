"""Mixes of prompts and of audio references: what is asked, how it reaches the engine, what is heard."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from bridge.commands.render import make_request
from bridge.requests import mixed, weighted
from bridge.session import Session
from engine import bundle, controls
from engine.errors import BadAudio, BadRequest
from engine.models.joint import Joint
from engine.models.load import Networks
from engine.models.prompt import sentence_encoder, sharpened
from engine.render.generate import ModelRenderer
from engine.render.reference import HEARD_SECONDS, References
from engine.types import PromptPart, Request, Strengths
from tests.tiny_bundle import STYLES, TAGS, ask, make_bundle, play, untrained


@pytest.fixture(scope="module")
def networks() -> Networks:
    found = untrained()
    torch.manual_seed(2)
    found.listener = Joint(len(STYLES), len(TAGS)).eval().requires_grad_(False)
    return found


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> bundle.Bundle:
    return make_bundle(tmp_path_factory.mktemp("tiny"))


def sound(path: Path, seconds: float = 2.0, seed: int = 0, rate: int = 48_000, level: float = 0.1) -> str:
    samples = level * np.random.default_rng(seed).normal(size=(round(seconds * rate), 2))
    samples[:: rate // 8] *= 5.0 * (1 + seed)
    soundfile.write(path, samples, rate, subtype="FLOAT", format="WAV")
    return str(path)


# What is asked ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lo-fi:0.7", ("lo-fi", 0.7)), ("house", ("house", 1.0)), ("a: b :2", ("a: b", 2.0)),
        ("rain:.5 ", ("rain", 0.5)),
        ("at 120 bpm:", ("at 120 bpm:", 1.0)), (":3", (":3", 1.0)), ("x:1e9", ("x:1e9", 1.0)), ("x:-1", ("x:-1", 1.0)),
        ("C:\\loops\\a.wav:0.25", ("C:\\loops\\a.wav", 0.25)), ("x:nan", ("x:nan", 1.0)),
    ],
)  # fmt: skip
def test_a_weight_stands_at_the_end(text: str, expected: tuple[str, float]) -> None:
    assert weighted(text) == expected


@given(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=20), st.integers(0, 400))
def test_any_text_keeps_its_weight(text: str, quarters: int) -> None:
    shown = f"{quarters / 4:g}"
    assert weighted(f"{text}:{shown}") == (text.strip(), quarters / 4)


def test_the_command_line_makes_one_mix(tmp_path: Path) -> None:
    file, odd = sound(tmp_path / "a.wav"), sound(tmp_path / "take:2")
    parts = mixed(["lo-fi:0.7", " ", "rain"], [f"{file}:0.3", odd])
    assert [(p.text, p.audio, p.weight) for p in parts] == [
        ("lo-fi", None, 0.7),
        ("rain", None, 1.0),
        ("", file, 0.3),
        ("", odd, 1.0),
    ]
    options: dict[str, Any] = dict.fromkeys(("key", "chords", "seed", "guidance"))
    request = make_request(
        "generate", prompt=("lo-fi:0.7",), style=(f"{file}:0.3",), bars=1, tempo="90", intensity=None, melody=None,
        parts=None, **options,
    )  # fmt: skip
    assert request.prompts == (parts[0], parts[2])


def test_a_prompt_is_either_text_or_audio() -> None:
    for part in (PromptPart(), PromptPart(text="house", audio="a.wav")):
        with pytest.raises(BadRequest, match="either text or audio"):
            controls.check(ask(prompts=(part,)))
    with pytest.raises(BadRequest, match="above 0"):
        controls.check(ask(prompts=(PromptPart(audio="a.wav", weight=0.0),)))
    controls.check(ask(prompts=(PromptPart(audio="a.wav"), PromptPart(text="x", weight=0.0))))
    controls.check(ask(style="a.wav"))


def test_live_styles_mix_with_every_prompt(networks: Networks) -> None:
    session = Session(None)  # type: ignore[arg-type]
    session.prompts, session.styles = (PromptPart(text="rain"),), (PromptPart(audio="a.wav", weight=0.5),)
    assert session.filled(ask()).prompts == (*session.prompts, *session.styles)
    own = (PromptPart(text="mine"),)
    assert session.filled(ask(prompts=own)).prompts == (*own, *session.styles)


# What is heard ----------------------------------------------------------------------------


def test_texts_and_files_mix_by_weight(networks: Networks, sealed: bundle.Bundle, tmp_path: Path) -> None:
    renderer = ModelRenderer(sealed, networks)
    file = sound(tmp_path / "a.wav")

    def vector(**fields: Any) -> np.ndarray:
        sense = renderer.prompt_sense(ask(**fields))
        assert sense.vector is not None
        return sense.vector

    audio = vector(style=file)
    text = sharpened(networks.prompt(sentence_encoder().embed(["slow jazz"]))[0], len(STYLES)).numpy()
    np.testing.assert_allclose(audio, References(networks).vector(file))
    assert audio[: len(STYLES)].sum() == pytest.approx(1.0, abs=1e-5) and np.abs(audio - text).max() > 1e-3
    both = vector(prompts=(PromptPart(text="slow jazz", weight=3.0), PromptPart(audio=file, weight=1.0)))
    np.testing.assert_allclose(both, 0.75 * text + 0.25 * audio, atol=1e-6)
    np.testing.assert_allclose(
        vector(prompts=(PromptPart(text="slow jazz"),), style=file), (text + audio) / 2, atol=1e-6
    )
    np.testing.assert_allclose(vector(prompts=(PromptPart(text="slow jazz", weight=0.0),), style=file), audio)
    assert renderer.prompt_sense(ask(style=file, strengths=Strengths(prompt=0.0))).vector is None
    assert renderer.prompt_sense(ask()).vector is None


def test_words_are_sharpened_and_a_tie_stays_one() -> None:
    vector = torch.tensor([0.5, 0.3, 0.2, 0.9, 0.1])
    sharp = sharpened(vector, 3)
    assert float(sharp[:3].sum()) == pytest.approx(1.0) and sharp[0] > 0.5 and sharp[2] < 0.2
    assert torch.equal(sharp[3:], vector[3:])
    even = sharpened(torch.tensor([0.5, 0.5, 0.0]), 3)
    assert even.tolist() == pytest.approx([0.5, 0.5, 0.0])


def test_a_style_reaches_the_sound(networks: Networks, sealed: bundle.Bundle, tmp_path: Path) -> None:
    renderer = ModelRenderer(sealed, networks)
    request: Request = ask(style=sound(tmp_path / "a.wav"))
    with_style, without = play(renderer, request), play(renderer, ask())
    assert not np.array_equal(with_style.audio, without.audio)
    assert np.array_equal(with_style.audio, play(renderer, request).audio)


def test_only_the_first_seconds_are_heard(networks: Networks, tmp_path: Path) -> None:
    first = np.random.default_rng(0).normal(0, 0.1, (round(HEARD_SECONDS * 8000), 1))
    rest = np.sin(np.arange(40_000) * 0.2)[:, None]
    for name, samples in (("short.wav", first), ("long.wav", np.concatenate([first, rest]))):
        soundfile.write(tmp_path / name, samples, 8000, subtype="FLOAT")
    heard = References(networks)
    np.testing.assert_array_equal(heard.vector(str(tmp_path / "short.wav")), heard.vector(str(tmp_path / "long.wav")))


def test_a_file_is_heard_anew_only_when_it_changes(networks: Networks, tmp_path: Path) -> None:
    heard, path = References(networks), tmp_path / "a.wav"
    looked: list[int] = []
    before = heard.vector(sound(path), lambda: looked.append(1))
    often = len(looked)
    assert heard.vector(str(path), lambda: looked.append(1)) is before and len(looked) == often + 1 < often * 2
    sound(path, seed=1)
    os.utime(path, ns=(1, 1))
    assert not np.array_equal(heard.vector(str(path)), before)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", "there is no file"),
        ("text", "cannot read .* as audio"),
        ("empty", "lasts 0.00 s"),
        ("short", "lasts 0.90 s; a style can be heard from 1 s on"),
        ("silent", "the first 20 s of .* are silent"),
        ("nan", "NaN"),
        ("wide", "9 channels"),
        ("slow", "at 4000 Hz"),
        ("folder", "there is no file"),
        ("nul", "there is no file"),
    ],
)
def test_what_cannot_be_heard_is_said(networks: Networks, tmp_path: Path, kind: str, says: str) -> None:
    path = tmp_path / "x.wav"
    if kind == "text":
        path.write_text("not audio")
    elif kind == "folder":
        path.mkdir()
    elif kind not in ("missing", "nul"):
        rate = 4000 if kind == "slow" else 48_000
        frames = {"empty": 0, "short": round(0.9 * rate)}.get(kind, 2 * rate)
        samples = np.full((frames, 9 if kind == "wide" else 2), 0.1, np.float32)
        samples *= 0.0 if kind == "silent" else 1.0
        samples[10:12] = np.nan if kind == "nan" else samples[10:12]
        soundfile.write(path, samples, rate, subtype="FLOAT")
    with pytest.raises(BadAudio, match=says):
        References(networks).vector("a\0b" if kind == "nul" else str(path))
