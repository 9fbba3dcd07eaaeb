"""The whole evaluation on an untrained bundle and made-up songs: every section runs, is kept and is shown."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine.errors import BadRequest
from engine.models.codec import LATENTS
from engine.render.load import load_renderer
from engine.training import evaluate
from engine.training.corpus import sample
from engine.training.corpus.mix import Mixed, song_frames
from engine.training.metrics.bench import Bench, Song
from engine.training.metrics.sections import beat, frechet
from tests.handmade_song import handmade_song
from tests.tiny_bundle import make_bundle


def make_song(path: Path, tempo: int, seed: int, style: str) -> None:
    """A stored song of 10 bars whose sound is noise with a click on each beat."""
    song = handmade_song(10, Fraction(tempo))
    song.style = style
    rng = np.random.default_rng(seed)
    frames = song_frames(song)
    noise = rng.normal(size=(2, frames, 2)) * 0.02
    for time in np.arange(40) * 60 / tempo:
        at = round(float(time) * 48_000)
        noise[0, at : at + 500] *= 20 * np.exp(-np.arange(len(noise[0, at : at + 500])) / 100)[:, None]
    a, b = noise.astype(np.float32)
    mixed = Mixed(a + b, a, b, ("drums",), ("bass", "lead"), np.full((frames // 512, 5), 1e-3, np.float32), -14.0)
    sample.store(path, song, mixed, ["a fast house track", "piano"], "font")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("evaluate")
    make_bundle(root / "bundle")
    (root / "corpus" / "test").mkdir(parents=True)
    for index, (tempo, style) in enumerate([(120, "house"), (133, "funk"), (150, "ambient")]):
        make_song(root / "corpus" / "test" / f"{index:06d}.safetensors", tempo, index, style)
    student = load_renderer(root / "bundle").networks.student  # type: ignore[attr-defined]
    save_file({f"average.{k}": v.clone() for k, v in student.state_dict().items()}, str(root / "teacher.safetensors"))
    return root


def measured(place: Path, *only: str) -> dict[str, Any]:
    """The record after measuring sections of the shared evaluation."""
    teacher = place / "teacher.safetensors"
    return evaluate.run(place / "bundle", place / "out", 4, False, place / "corpus", teacher, only)


def test_codec_and_sanity(place: Path) -> None:
    sections = measured(place, "codec", "sanity")["sections"]
    assert sections["sanity"]["offenders"] == [] and sections["sanity"]["clips"] == 2
    rows = sections["codec"]["rows"]
    assert rows["codec"]["log_mel_db"]["mean"] > 1 and rows["both"]["log_mel_db"]["mean"] > 1  # untrained


def test_beat(place: Path) -> None:
    rows = measured(place, "beat")["sections"]["beat"]["rows"]
    assert set(rows) == {"model", "floor", "chance", "held-out", "held-out coded"}
    assert rows["held-out"]["f"]["mean"] > 0.8 and rows["held-out"]["tempo"]["none"] == 1.0


def test_control(place: Path) -> None:
    found = measured(place, "control")["sections"]["control"]
    assert found["intensity"]["mse_db2"]["held-out"]["mean"] < 0.5
    assert found["intensity"]["mse_db2"]["model"]["n"] == found["melody"]["accuracy"]["model"]["n"] == 2


def test_belonging(place: Path) -> None:
    rows = measured(place, "belonging")["sections"]["belonging"]["rows"]
    assert rows["last bars repeated"]["most_repeated"] > 0.95 and rows["last bars repeated"]["repeating_clips"] >= 1
    assert rows["the song itself"]["nearest"]["n"] == 2


@pytest.mark.timeout(400)
def test_frechet(place: Path) -> None:
    rows = measured(place, "frechet")["sections"]["frechet"]["rows"]
    assert (place / "out" / "frechet.png").is_file()
    assert {"student, 1 step", "student, 4 steps", "teacher, 4 steps", "teacher, 50 steps"} < set(rows)
    assert rows["teacher, 50 steps"]["seconds"]["sample"] > rows["student, 1 step"]["seconds"]["sample"] > 0
    assert all(row["distance"] > rows["real vs real"]["distance"] for name, row in rows.items() if "real" not in name)


def test_results_are_kept_and_shown(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second run measures nothing, prints the same and leaves the files as they are."""
    few = {name: evaluate.SECTIONS[name] for name in ("codec", "sanity")}
    monkeypatch.setattr(evaluate, "SECTIONS", few)
    record = evaluate.run(place / "bundle", tmp_path, 4, True, place / "corpus")
    before = (tmp_path / "results.json").read_text()
    assert json.loads(capsys.readouterr().out) == record == json.loads(before)

    def never(_: Bench) -> dict[str, Any]:
        raise AssertionError("measured twice")

    monkeypatch.setattr(evaluate, "SECTIONS", {name: few[name]._replace(measure=never) for name in few})
    assert evaluate.run(place / "bundle", tmp_path, 4, False, place / "corpus") == record
    printed = capsys.readouterr().out
    assert "Nothing broken" in printed and "Codec and vocoder" in (tmp_path / "results.md").read_text()
    assert (tmp_path / "results.json").read_text() == before
    with pytest.raises(AssertionError, match="twice"):  # asked for by name, a section is measured again
        evaluate.run(place / "bundle", tmp_path, 4, False, place / "corpus", only=("codec",))


def test_wrong_names_are_refused(place: Path, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no section nonsense"):
        evaluate.run(place / "bundle", tmp_path, 4, only=("nonsense",))
    with pytest.raises(BadRequest, match="0 songs"):
        evaluate.run(place / "bundle", tmp_path, 4, corpus=tmp_path)
    with pytest.raises(BadRequest, match="no teacher"):
        evaluate.run(place / "bundle", tmp_path, 4, corpus=place / "corpus", teacher=tmp_path / "none")


def test_held_out_drums_leave_out_styles_without_them(place: Path) -> None:
    songs = [Song(path) for path in sorted((place / "corpus" / "test").glob("*"))]
    clips = beat.held_out(songs, 50)
    assert {round(60 / float(np.diff(beats)[0])) for _, beats in clips} == {120, 133}
    for audio, beats in clips:
        period = float(np.diff(beats)[0])
        assert abs(len(audio) / 48_000 - period * len(beats)) < 1e-4
        at = round(float(beats[3]) * 48_000)
        assert np.square(audio[at : at + 100]).mean() > 20 * np.square(audio[at - 200 : at - 100]).mean()


def test_conditions_and_reference_never_overlap(place: Path) -> None:
    songs = [Song(path) for path in sorted((place / "corpus" / "test").glob("*"))]
    asked, reference = frechet.windows_of(songs, 12)
    assert len(asked) == len(reference) == 12
    for clip in asked:
        assert 0 <= clip.first <= clip.song.facts["frames"] // 4096 - frechet.WINDOW
        others = [other for other in reference if other.song.path == clip.song.path]
        assert others and all(abs(clip.first - other.first) >= frechet.WINDOW for other in others)


def test_all_systems_start_from_the_same_noise() -> None:
    first, again = frechet.noise(16, 3), frechet.noise(16, 3)
    z = first()
    assert z.shape == (3, frechet.WINDOW, LATENTS) and torch.equal(z, again())
    assert not torch.equal(first(), z)
    torch.testing.assert_close(frechet.noise(17, 1)()[0], z[1])
