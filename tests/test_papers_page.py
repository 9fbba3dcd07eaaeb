"""docs/papers.md from lines made by hand."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from benchmarks import papers
from engine.errors import BadRequest


def line(recipe: str, seed: int, systems=(), **more):
    told = papers.RECIPES[recipe]
    return {
        "experiment": 1, "recipe": recipe, "says": told.says, "tables": list(told.tables), "seed": seed,
        "budget": {"seconds": 240.0}, "parameters": 3_000_000, "steps": 100 + seed, "songs": 10, "held_out": 2,
        "clips": 8, "window": 128, "when": f"2026-01-0{seed}", "device": "a processor", "cores": 2, "commit": "abc",
        "systems": list(systems), **more,
    }  # fmt: skip


def row(steps: int, found: float, solver: str = "", scale: float = 1.5, **more):
    label = f"{solver or 'own'} {steps} at {scale}"
    views = dict.fromkeys(papers.VIEWS, found) | {f"{view}_interval": [found - 1, found + 1] for view in papers.VIEWS}
    return {"label": label, "steps": steps, "scale": scale, "solver": solver, "schedule": "", "gamma": None,
            "tokens": "", "seconds": 0.1 * steps, **views, **more}  # fmt: skip


def write(path, lines):
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return path


def test_seeds_are_pooled_and_their_spread_widens_the_interval():
    assert papers.pooled([2.0, 4.0], [[1.0, 3.0], [3.0, 5.0]], 1) == "3.0 [1.0, 5.0]"
    assert papers.pooled([2.0], [[1.5, 3.0]], 2) == "2.00 [1.50, 3.00]"


def test_the_newest_line_of_a_recipe_and_seed_counts_in_the_recipes_order(tmp_path):
    path = write(tmp_path / "lines", [line("lcd", 1), line("teacher", 2), line("teacher", 1), line("lcd", 1, songs=11),
                                      {"benchmark": "rtf"}])  # fmt: skip
    found = papers.read(path)
    assert [(one["recipe"], one["seed"]) for one in found] == [("teacher", 1), ("teacher", 2), ("lcd", 1)]
    assert found[-1]["songs"] == 11
    path.write_text("no json")
    with pytest.raises(BadRequest, match="cannot be read"):
        papers.read(path)


def test_the_page_has_a_table_a_picture_and_the_notes_and_checks_itself(tmp_path):
    teacher = [row(1, 9.0, "ddim"), row(50, 2.0, "ddim"), row(50, 3.0, "ddim", 6.0)]
    said = {"velocity_mse": {"mean": 0.4, "interval": [0.3, 0.5]}, "si_snri_db": {"mean": 5, "interval": [4, 6]}}
    lines = [line("teacher", 1, teacher), line("teacher", 2, teacher), line("lcd", 1, [row(1, 4.0), row(2, 3.0)]),
             line("features", 1), line("unet-1d", 1, [{**row(5, 1.0), "schedule": "melody"}], **said)]  # fmt: skip
    results, out = write(tmp_path / "lines", lines), tmp_path / "papers.md"
    (tmp_path / "papers_notes.md").write_text("What it means.\n")
    told = ["--results", str(results), "--out", str(out)]
    assert CliRunner().invoke(papers.main, [*told, "--check"]).exit_code == 1
    assert CliRunner().invoke(papers.main, told).exit_code == 0
    text = out.read_text()
    assert "| `lcd` | own 2 at 1.5 | 3.00 [2.00, 4.00] | 3.00 [2.00, 4.00] | 0.200 |" in text
    assert "0.400 [0.300, 0.500] | 5.000 [4.000, 6.000]" in text
    assert "![Teacher and students at 1 to 8 steps](papers/main.png)" in text
    assert (tmp_path / "papers" / "main.png").stat().st_size > 1000
    assert "240 seconds | 101, 102 |" in text and text.endswith("What it means.\n")
    assert CliRunner().invoke(papers.main, [*told, "--check"]).exit_code == 0


def test_a_way_of_sampling_that_failed_is_said_so():
    bad = {key: value for key, value in row(1, 1.0).items() if not key.startswith("frechet")}
    assert "| failed | failed |" in papers.sampling_table([line("lcd", 1, [bad])], "k")


def test_curves_are_of_the_scale_that_most_share():
    found = papers.curves([line("teacher", 1, [row(1, 9.0, "ddim"), row(4, 5.0, "ddim"), row(4, 1.0, "ddim", 6.0)])],
                          "frechet_latents")  # fmt: skip
    assert found == {", ddim": [(1, 9.0), (4, 5.0)]}
