"""The experiment runner on small networks and songs made by hand: equal terms, resumed, a line each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from rich.console import Console

from bridge.commands import study
from engine.diffusion.paths import FLOW, PATHS
from engine.errors import BadRequest
from engine.models.codec import Codec
from engine.models.joint import Joint
from engine.models.masked import MaskedConfig
from engine.training import recipes as R
from engine.training.encode import save_latents
from engine.training.experiments import material, run, score, teach
from engine.training.experiments.material import Material
from engine.training.recipes import RECIPES, System
from tests.test_training import PROMPTS, some_song

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def stuff() -> Material:
    torch.manual_seed(0)
    songs = [some_song(seed, 40) for seed in range(4)]
    return Material(songs[:3], songs[2:], Codec(width=16, blocks=1).eval(), Joint(2, 4).eval(), PROMPTS)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(score, "RESAMPLES", 4)


def bench(folder: Path, stuff: Material, steps: int = 2) -> teach.Bench:
    small = MaskedConfig(width=16, layers=2, heads=2)
    return teach.Bench(folder, stuff, QUIET, 1.0, steps, window=16, batch=4, parameters=60_000, features=small)


def test_every_recipe_needs_recipes_that_are_there_and_stands_in_a_table():
    order = [recipe.name for recipe in R.in_order(("all",))]
    assert sorted(order) == sorted(RECIPES)
    for name, recipe in RECIPES.items():
        assert all(order.index(needed) < order.index(name) for needed in recipe.needs)
        assert set(recipe.tables) <= set(R.TABLES)
        assert recipe.path in PATHS and (recipe.method == "") == (recipe.teacher == "")
        if recipe.method:
            teach.METHODS[recipe.method](**recipe.settings)
    assert [recipe.name for recipe in R.in_order(("musiccm",))] == ["teacher", "features", "musiccm"]
    assert {table for recipe in RECIPES.values() for table in recipe.tables} == set(R.TABLES)
    with pytest.raises(BadRequest, match="There is no recipe 'nonsense'"):
        R.in_order(("nonsense",))


def test_the_main_recipes_are_the_papers():
    audiolcm, musiccm, ditto2 = (teach.METHODS[RECIPES[n].method](**RECIPES[n].settings)
                                 for n in ("audiolcm", "musiccm", "ditto2"))  # fmt: skip
    assert (audiolcm.k, audiolcm.low, audiolcm.high, audiolcm.distance) == (20, 4.0, 12.0, "huber")
    assert (musiccm.k, musiccm.low, musiccm.high) == (1, 2.0, 2.0) and RECIPES["musiccm"].features == "mel"
    assert ditto2.grid == 20 and ditto2.jumps


def test_a_chain_of_recipes_runs_leaves_lines_and_is_not_run_twice(tmp_path, stuff, monkeypatch):
    for name, few in (("teacher", R.DDIM[:1]), ("ctm", R.OWN[:1])):
        monkeypatch.setitem(RECIPES, name, replace(RECIPES[name], systems=few))
    results = tmp_path / "papers.jsonl"
    here = bench(tmp_path, stuff)
    names = ("musiccm", "ctm")
    lines = run.grid(here, names, (3,), results, lambda: {"commit": "abc"}, clips=4)
    assert [line["recipe"] for line in lines] == ["teacher", "features", "musiccm", "ctm"]
    assert [json.loads(text) for text in results.read_text().splitlines()] == lines
    for line in lines:
        assert line["steps"] == 2 and line["seed"] == 3 and line["commit"] == "abc"
        assert line["budget"] == {"steps": 2}
    teacher, _, student, _ = lines
    assert teacher["velocity_mse"]["n"] == 4 and teacher["si_snri_db"]["interval"]
    assert [row["steps"] for row in student["systems"]] == [1, 2, 4, 8]
    rows = [*teacher["systems"], *student["systems"]]
    assert all(row["frechet_latents"] > 0 and row["seconds"] > 0 for row in rows)
    before = results.read_text()
    assert run.grid(here, names, (3,), results, clips=4) == lines
    assert results.read_text() == before


@pytest.mark.parametrize("name", ["dual-path-slerp", "jumps", "musiccm-listener", "ctm-adversary", "unet-2d"])
def test_other_recipes_train(name, tmp_path, stuff):
    here = bench(tmp_path, stuff, 1)
    for recipe in R.in_order((name,)):
        model = teach.learned(here, recipe, 1)
    assert all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters())
    assert json.loads((here.run_folder(RECIPES[name], 1) / f"{name}.json").read_text())["steps"] == 1


def test_the_dual_path_listens_to_the_language_model_s_tokens(tmp_path, stuff, monkeypatch):
    few = tuple(System(2, 1.0, "ddim", "melody", tokens=tokens) for tokens in ("", "drawn", "real"))
    monkeypatch.setitem(RECIPES, "dual-path-language", replace(RECIPES["dual-path-language"], systems=few))
    here = bench(tmp_path, stuff, 3)
    lines = run.grid(here, ("dual-path-language",), (1,), tmp_path / "lines", clips=4)
    assert [line["recipe"] for line in lines] == ["features", "semantic", "dual-path-language"]
    assert len({row["frechet_latents"] for row in lines[-1]["systems"]}) == 3
    assert lines[-1]["systems"][1]["label"].endswith("drawn tokens")


def test_a_run_that_was_stopped_goes_on_with_its_steps(tmp_path, stuff):
    recipe = RECIPES["teacher"]
    teach.taught(bench(tmp_path, stuff, 2), recipe, 1)
    teach.taught(bench(tmp_path, stuff, 5), recipe, 1)
    note = json.loads((bench(tmp_path, stuff).run_folder(recipe, 1) / "teacher.json").read_text())
    assert note["steps"] == 5 and note["spent"] == 5.0


def test_a_student_without_its_teacher_is_refused(tmp_path, stuff):
    with pytest.raises(BadRequest, match="Run --recipe teacher --seed 1 first"):
        teach.distilled(bench(tmp_path, stuff), RECIPES["lcd"], 1)


def test_training_times_have_the_same_shares_of_noise_on_every_path():
    angles = [path.angle(teach.equal_times(path, 200, torch.Generator().manual_seed(0))) for path in PATHS.values()]
    for other in angles[1:]:
        torch.testing.assert_close(other, angles[0], rtol=1e-3, atol=1e-3)


def test_even_times_reach_the_noise_from_which_sampling_begins():
    equal, even = (times(PATHS["vp"], 4000, torch.Generator().manual_seed(0)) for times in teach.TIMES.values())
    assert abs(even.mean() - 0.5) < 0.03 and (even > 0.9).float().mean() > 0.08 > (equal > 0.9).float().mean()


def test_a_network_that_knows_the_answer_makes_no_error_and_one_that_says_nothing_makes_the_known_one(stuff):
    exam = score.Exam.of(stuff, 16, 6)
    assert not exam.given.context_mask.any() and exam.songs.tolist() == [0, 1, 0, 1, 0, 1]

    class Oracle(torch.nn.Module):
        def __init__(self, path, right):
            super().__init__()
            self.path, self.right = path, right
            self.at = 0

        def forward(self, z, time, guidance, given):
            if not self.right:
                return torch.zeros_like(z)
            clean = exam.clean[:6]
            noise = (z - self.path.alpha(time)[:, None, None] * clean) / self.path.sigma(time)[:, None, None]
            return self.path.target(clean, noise, time)

    for path in PATHS.values():
        found = score.denoising(Oracle(path, True), path, exam)
        assert found["velocity_mse"]["mean"] < 1e-4
        assert found["si_snri_db"]["mean"] > 20
    nothing = score.denoising(Oracle(PATHS["angular"], False), PATHS["angular"], exam)
    expected = (1.0 + float(exam.clean.square().mean())) / 2
    assert nothing["velocity_mse"]["mean"] == pytest.approx(expected, rel=0.1)


def test_si_snr_ignores_scale_and_counts_noise():
    g = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 2000, 4, generator=g), torch.randn(2, 2000, 4, generator=g)
    found = score.si_snr_db(3.0 * (clean + 0.1 * noise), clean)
    torch.testing.assert_close(found, torch.full((2,), 20.0), rtol=0, atol=0.3)


def test_real_clips_lie_nearest_and_the_interval_holds_the_estimate(stuff):
    exam = score.Exam.of(stuff, 16, 8)
    judge = score.Judge(exam, stuff.codec)
    same, far = judge.distances(exam.clean), judge.distances(1.5 * exam.clean + 0.5)
    for view in ("frechet_latents", "frechet_sound"):
        assert same[view] == pytest.approx(0.0, abs=0.02)
        low, high = far[f"{view}_interval"]
        assert low <= far[view] <= high
    assert far["frechet_latents"] > 10


def test_systems_sample_with_every_solver_schedule_and_gamma(stuff):
    from engine.models import backbones

    exam = score.Exam.of(stuff, 16, 2)
    torch.manual_seed(0)
    model = backbones.build(backbones.config_of("transformer", PROMPTS, 16)).eval()
    judge = score.Judge(exam, stuff.codec)
    which = (System(2, 1.5, "ddim"), System(3, 1.0, "dpm2m", "melody"), System(2, 1.0, "ddim", "uniform"))
    rows = score.systems(model, "angular", which, None, exam, judge)
    assert [row["label"] for row in rows] == [
        "ddim, 2 steps, scale 1.5", "dpm2m, melody, 3 steps, scale 1", "ddim, uniform, 2 steps, scale 1"
    ]  # fmt: skip
    student = backbones.student_of(model, True)
    method = teach.METHODS["trajectory"]()
    rows = score.systems(student, FLOW.name, (System(4), System(4, gamma=1.0)), method, exam, judge)
    assert rows[0]["frechet_latents"] != rows[1]["frechet_latents"]


def test_held_out_songs_are_never_learnt_from(tmp_path):
    for kind, names in (("variants", ["a.0", "a.1", "b.0"]), ("plain", ["b.0", "c.0"])):
        folder = tmp_path / f"feed-{kind}"
        folder.mkdir()
        for name in names:
            save_latents(folder / f"{name}.latents", some_song(0, 16))
    training, apart = material.split(tmp_path, "feed")
    assert [path.name for path in training] == ["a.0.latents"]
    assert [path.name for path in apart] == ["b.0.latents", "c.0.latents"]
    (tmp_path / "feed-plain" / "b.0.latents").unlink()
    (tmp_path / "feed-plain" / "c.0.latents").unlink()
    training, apart = material.split(tmp_path, "feed")
    assert [path.name for path in apart] == ["b.0.latents"] and len(training) == 1


def test_captions_are_embedded_once_and_kept(tmp_path, monkeypatch):
    from engine.models.prompt import PromptHead

    torch.manual_seed(0)
    head, calls = PromptHead(2, 4).eval(), []

    def embed(texts):
        calls.append(texts)
        return torch.arange(len(texts) * 384.0).view(len(texts), 384) / 1000

    monkeypatch.setattr(material.prompt, "embed_all", embed)
    for _ in range(2):
        songs = [some_song(seed, 16) for seed in range(2)]
        for song, captions in zip(songs, (["a", "b"], ["b"]), strict=True):
            song.facts["captions"] = captions
        material.prompted(songs, head, tmp_path)
    assert calls == [["a", "b"]]
    assert songs[0].prompts.shape == (2, 6) and np.array_equal(songs[0].prompts[1], songs[1].prompts[0])
    assert not np.array_equal(songs[0].prompts[0], songs[0].prompts[1])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--recipe", "nonsense"], "There is no recipe"),
        (["--recipe", "lcd", "--adapt"], "--recipe goes with"),
        (["--steps", "5", "--budget-minutes", "1"], "go with --recipe"),
        (["--recipe", "lcd", "--latents", "/tmp"], "holds no latents"),
        (["--recipe", "lcd", "--device", "cuda"], "on the CPU alone"),
    ],
)
def test_mistakes_on_the_command_line_are_named(words, sentence, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    told = [str(empty) if word == "/tmp" else word for word in words]
    result = CliRunner().invoke(study.train, [*told, "--out", str(tmp_path)], standalone_mode=False)
    assert isinstance(result.exception, BadRequest), result.exception
    assert sentence in str(result.exception)


def test_batches_of_a_seed_are_the_same_for_every_recipe(tmp_path, stuff):
    here = bench(tmp_path, stuff)
    first, second = (teach.feed(here, 4, 0)() for _ in range(2))
    assert torch.equal(first[0], second[0]) and not torch.equal(first[0], teach.feed(here, 5, 0)()[0])
    assert np.isfinite(first[0].numpy()).all()
