"""The whole evaluation on an untrained bundle and made-up songs: every section runs, is kept and is shown."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine import bundle
from engine.errors import BadRequest
from engine.models.codec import LATENTS
from engine.models.denoiser import FRAME_FEATURES, Conditions
from engine.render.load import load_renderer
from engine.runtimes.eager import TorchRuntime
from engine.training import evaluate
from engine.training.corpus import sample
from engine.training.corpus.mix import Mixed, song_frames
from engine.training.corpus.soundfonts import KNOWN
from engine.training.corpus.sources import Sources
from engine.training.metrics import casting, systems
from engine.training.metrics import clips as C
from engine.training.metrics.bench import Bench, Song
from engine.training.metrics.sections import beat, comparison
from tests.handmade_song import handmade_song
from tests.tiny_bundle import make_bundle, untrained


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
    sample.store(path, song, mixed, ["a fast house track", "piano"], Sources(KNOWN[0], {}, {}, False))


@pytest.fixture
def no_composer(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where no instruments are installed; `test_judging` has the composer."""
    monkeypatch.setattr(casting, "composed_rows", lambda _: None)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("evaluate")
    make_bundle(root / "bundle")
    for split in ("test", "train"):
        (root / "corpus" / split).mkdir(parents=True)
    for index, (tempo, style) in enumerate([(120, "house"), (133, "funk"), (150, "ambient")]):
        make_song(root / "corpus" / "test" / f"{index:06d}.safetensors", tempo, index, style)
        make_song(root / "corpus" / "train" / f"{index + 10:06d}.safetensors", tempo, index + 10, style)
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
def test_comparison(place: Path, no_composer: None) -> None:
    found = measured(place, "judge", "comparison")["sections"]
    rows, listen = found["comparison"]["rows"], found["comparison"]["listen"]
    assert (place / "out" / "comparison.png").is_file()
    students = {f"student, {n} step{'s' if n > 1 else ''}" for n in (1, 2, 4, 8)}
    teachers = {f"teacher, {n} step{'s' if n > 1 else ''}" for n in (1, 2, 4, 8, 50)}
    real = {comparison.HELD_OUT, comparison.CODED, comparison.REPEATED, comparison.RANDOM}
    assert set(rows) == students | teachers | real
    for name in students | teachers:
        assert rows[name]["timbre"]["distance"] > rows[comparison.HELD_OUT]["timbre"]["distance"], name
        assert rows[name]["wall"]["network"] > 0 and rows[name]["kl"]["n"] == 8
    assert rows["teacher, 50 steps"]["wall"]["network"] > rows["student, 1 step"]["wall"]["network"]
    assert rows["teacher, 50 steps"]["timbre"]["ratio"] == 1.0
    assert rows[comparison.RANDOM]["timbre"]["distance"] == rows[comparison.HELD_OUT]["timbre"]["distance"]
    assert all(0 <= row["style"]["mean"] <= 1 <= row["inception"]["mean"] <= 3 + 1e-6 for row in rows.values())
    assert set(rows) - set(listen["shown"]) == {comparison.RANDOM}
    assert all(
        (place / "out" / "clips" / f"{stem}.ogg").is_file() for stems in listen["shown"].values() for stem in stems
    )


@pytest.mark.timeout(400)
def test_solvers_and_novelty(place: Path, no_composer: None) -> None:
    found = measured(place, "solvers", "novelty")["sections"]
    assert set(found["solvers"]["passes"]) == {"1", "2"}
    for passes, entry in found["solvers"]["passes"].items():
        distances = [distance for _, distance in entry["screened"]]
        assert distances == sorted(distances) and entry["screened"][0][0] == entry["rival"]
        assert len(distances) == len(systems.rivals(int(passes)))
    rows = found["novelty"]["rows"]
    assert all(0 <= row["over 0.95"]["mean"] <= row["over 0.90"]["mean"] <= 1 for row in rows.values())


@pytest.mark.timeout(400)
def test_text(place: Path) -> None:
    found = measured(place, "text")["sections"]["text"]
    assert found["styles"] == 1  # house alone is both a style of the bundle and of a held-out song
    assert {row["style"]["n"] for kind, row in found["rows"].items() if kind != "held-out"} == {2}


def test_report_holds_everything_and_fetches_nothing(place: Path) -> None:
    measured(place, "sanity")
    page = (place / "out" / "report.html").read_text()
    assert "Nothing broken" in page and "attacca evaluate" in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert "http" not in re.sub(r"data:[^\"']+", "", page)


def test_two_bundles_stand_side_by_side(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_bundle(tmp_path / "other", "other")
    monkeypatch.setattr(evaluate, "SECTIONS", {"sanity": evaluate.SECTIONS["sanity"]})
    evaluate.run(place / "bundle", tmp_path / "out", 4, False, place / "corpus", against=tmp_path / "other")
    printed = capsys.readouterr().out
    assert "tiny against other" in printed
    lines = [line.split(" | ")[:2] for line in printed.splitlines() if line.startswith("| 2")]
    assert lines == [["| 2", "tiny"], ["| 2", "other"]]
    assert (tmp_path / "out" / "against" / "results.json").is_file()
    assert "tiny against other" in (tmp_path / "out" / "report.html").read_text()


def test_a_changed_module_is_measured_anew(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The vocoder alone differs: what an earlier run left does not count."""
    sections = {"sanity": evaluate.SECTIONS["sanity"]}
    monkeypatch.setattr(evaluate, "SECTIONS", sections)
    make_bundle(tmp_path / "bundle")
    first = evaluate.run(tmp_path / "bundle", tmp_path / "out", 4, False, place / "corpus")
    file = tmp_path / "bundle" / "vocoder.safetensors"
    save_file({name: value * 0.99 for name, value in load_file(str(file)).items()}, str(file))
    about = bundle.read_manifest(tmp_path / "bundle")
    bundle.seal(tmp_path / "bundle", {key: value for key, value in about.items() if key != "files"})
    calls: list[int] = []

    def counted(bench: Bench) -> dict[str, Any]:
        calls.append(1)
        return sections["sanity"].measure(bench)

    monkeypatch.setattr(evaluate, "SECTIONS", {"sanity": sections["sanity"]._replace(measure=counted)})
    second = evaluate.run(tmp_path / "bundle", tmp_path / "out", 4, False, place / "corpus")
    assert calls == [1] and first["about"]["modules"] != second["about"]["modules"]
    evaluate.run(tmp_path / "bundle", tmp_path / "out", 4, False, place / "corpus")
    assert calls == [1]
    capsys.readouterr()


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
    asked, reference = C.windows_of(songs, 12)
    assert len(asked) == len(reference) == 12
    for clip in asked:
        assert 0 <= clip.first <= clip.song.facts["frames"] // 4096 - C.WINDOW
        others = [other for other in reference if other.song.path == clip.song.path]
        assert others and all(abs(clip.first - other.first) >= C.WINDOW for other in others)


def test_what_is_repeated_lies_right_before_and_holds_whole_bars(place: Path) -> None:
    songs = [Song(path) for path in sorted((place / "corpus" / "test").glob("*"))]
    for clip in C.windows_of(songs, 12)[0]:
        path, first, last = C.repeated_place(clip)
        bars = (last - first) / (clip.song.bar_seconds * 48_000)
        assert path == clip.song.path and last == clip.place[1] and first >= 0
        assert bars == pytest.approx(round(bars), abs=1e-4) and round(bars) >= 1


def test_all_systems_start_from_the_same_noise() -> None:
    first, again = systems.noise([16, 17, 18], C.WINDOW), systems.noise([16, 17, 18], C.WINDOW)
    z = first()
    assert z.shape == (3, C.WINDOW, LATENTS) and torch.equal(z, again())
    assert not torch.equal(first(), z)
    torch.testing.assert_close(systems.noise([17], C.WINDOW)()[0], z[1])


def test_rivals_cost_what_they_are_compared_at() -> None:
    for passes in (1, 2, 3, 4, 8):
        found = systems.rivals(passes)
        assert found and all(rival.passes == passes for rival in found)
        assert len({rival.name for rival in found}) == len(found)
    assert [rival.name for rival in systems.rivals(1)] == ["teacher euler, 1 step, no guidance"]


def test_solvers_run_the_passes_they_claim() -> None:
    """Counted at the network, each clip of a doubled batch as one pass."""
    networks = untrained()
    given = Conditions(
        torch.zeros(2, 6, LATENTS), torch.zeros(2, 6, 1), torch.zeros(2, 6, LATENTS), torch.zeros(2, 6, 1),
        torch.zeros(2, 6, 8, FRAME_FEATURES), torch.zeros(2, networks.student.config.globals_width),
    )  # fmt: skip
    seen: list[int] = []
    networks.student.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    for system in (systems.System("student", 3), *systems.rivals(4)):
        seen.clear()
        z = systems.made(system, TorchRuntime(networks), networks.student, given, [1, 2])
        assert z.shape == (2, 6, LATENTS) and sum(seen) == 2 * system.passes, system.name
