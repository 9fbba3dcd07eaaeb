"""docs/papers.md from lines made by hand."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from benchmarks.papers import claims, lines, pictures, tables
from benchmarks.papers.__main__ import main, page
from benchmarks.papers.claims import AGREES, CLAIMS, NOT, OPEN, SPEEDS, WAITS, Claim, at
from benchmarks.papers.lines import Figure
from engine.errors import BadRequest
from engine.training.recipes import MAIN, RECIPES, TABLES


def line(recipe: str, seed: int, systems=(), **more):
    told = RECIPES[recipe]
    return {
        "experiment": 1, "recipe": recipe, "says": told.says, "tables": list(told.tables), "seed": seed,
        "budget": {"seconds": 240.0}, "parameters": 3_000_000, "steps": 100 + seed, "songs": 10, "held_out": 2,
        "clips": 8, "window": 128, "when": f"2026-01-0{seed}", "device": "a processor", "cores": 2, "commit": "abc",
        "load": [1.5, 1, 1], "systems": list(systems), **more,
    }  # fmt: skip


def row(steps: int, found: float, solver: str = "", scale: float = 1.5, **more):
    label = f"{solver or 'own'} {steps} at {scale}"
    views = dict.fromkeys(lines.VIEWS, found) | {f"{view}_interval": [found - 1, found + 1] for view in lines.VIEWS}
    return {"label": label, "steps": steps, "scale": scale, "solver": solver, "schedule": "", "gamma": None,
            "tokens": "", "seconds": 0.1 * steps, **views, **more}  # fmt: skip


def write(path, found):
    path.write_text("".join(json.dumps(one) + "\n" for one in found))
    return path


SAID = {
    "velocity_mse": {"mean": 0.4, "interval": [0.3, 0.5]}, "si_snri_db": {"mean": 5, "interval": [4, 6]}
}  # fmt: skip


def test_seeds_are_pooled_and_their_spread_widens_the_interval():
    assert lines.pooled([2.0, 4.0], [[1.0, 3.0], [3.0, 5.0]]).text(1) == "3.0 [1.0, 5.0]"
    assert lines.pooled([2.0], [[1.5, 3.0]]).text(2) == "2.00 [1.50, 3.00]"


def test_the_newest_line_of_a_recipe_and_seed_counts_in_the_recipes_order(tmp_path):
    path = write(tmp_path / "lines", [line("lcd", 1), line("teacher", 2), line("teacher", 1), line("lcd", 1, songs=11),
                                      {"benchmark": "rtf"}])  # fmt: skip
    found = lines.read(path)
    assert [(one["recipe"], one["seed"]) for one in found] == [("teacher", 1), ("teacher", 2), ("lcd", 1)]
    assert found[-1]["songs"] == 11
    path.write_text("no json")
    with pytest.raises(BadRequest, match="cannot be read"):
        lines.read(path)


def test_the_page_has_tables_pictures_and_the_notes_and_checks_itself(tmp_path):
    teacher = [row(1, 9.0, "ddim"), row(50, 2.0, "ddim"), row(50, 3.0, "ddim", 6.0)]
    given = [line("teacher", 1, teacher), line("teacher", 2, teacher), line("lcd", 1, [row(1, 4.0), row(2, 3.0)]),
             line("features", 1), line("unet-1d", 1, [{**row(5, 1.0), "schedule": "melody"}], **SAID)]  # fmt: skip
    results, out = write(tmp_path / "lines", given), tmp_path / "papers.md"
    (tmp_path / "papers_notes.md").write_text("What it means.\n")
    told = ["--results", str(results), "--out", str(out)]
    assert CliRunner().invoke(main, [*told, "--check"]).exit_code == 1
    done = CliRunner().invoke(main, told)
    assert done.exit_code == 0, done.output
    text = out.read_text()
    assert "| `lcd` | own 2 at 1.5 | 2 | 3.00 [2.00, 4.00] | 3.00 [2.00, 4.00] | 200 | 3.00 M | 101 |" in text
    assert "0.400 [0.300, 0.500] | 5.000 [4.000, 6.000] | 3.00 M | 101 |" in text
    assert "![Teacher and students at 1 to 8 steps](papers/main.png)" in text
    assert "![Distance against time](papers/time.png)" in text
    assert all((tmp_path / "papers" / f"{name}.png").stat().st_size > 1000 for name in ("main", "time"))
    assert "240 seconds | 101, 102 | 1.5 | abc |" in text and "What it means.\n" in text.split("## Against")[0]
    assert CliRunner().invoke(main, [*told, "--check"]).exit_code == 0


def test_a_partial_grid_says_what_is_missing_in_every_table():
    text = page([line("teacher", 1, [row(50, 2.0, "ddim")])], (), "papers", "")
    for name, heading in TABLES.items():
        part = text.split(f"## {heading}\n")[1].split("\n## ")[0]
        expected = [recipe.name for recipe in RECIPES.values() if name in recipe.tables and recipe.name != "teacher"]
        assert all(f"`{one}`" in part.split("Not run: ")[1].split(".\n")[0] for one in expected)
        assert WAITS in part
    assert "`features`" in text.split("## Runs")[1].split("Not run: ")[1]
    assert "Nothing has run yet." in page([], (), "papers", "")


def test_a_way_of_sampling_that_failed_is_said_so():
    bad = {key: value for key, value in row(1, 1.0).items() if not key.startswith("frechet")}
    found = [line("lcd", 1, [bad])]
    assert "| failed | failed |" in tables.sampling_table(found, "k")
    assert claims.verdict(Claim(MAIN, "ours", "", at("lcd", 1), at("lcd", 1)), "frechet_latents", found) == WAITS


def test_curves_are_of_the_scale_that_most_share():
    found = pictures.curves([line("teacher", 1, [row(1, 9.0, "ddim"), row(4, 5.0, "ddim"),
                                                 row(4, 1.0, "ddim", 6.0)])], "frechet_latents")  # fmt: skip
    assert found == {", ddim": [(1, 9.0), (4, 5.0)]}


@pytest.mark.parametrize(
    ("better", "worse", "within", "expected"),
    [
        ((1, 0.5, 1.5), (3, 2, 4), 1.0, AGREES),
        ((3, 2, 4), (1, 0.5, 1.5), 1.0, NOT),
        ((2, 1, 3), (3, 2.5, 4), 1.0, OPEN),
        ((2.1, 2.05, 2.15), (2, 1.99, 2.01), 1.0, NOT),
        ((2.1, 2.05, 2.15), (2, 1.99, 2.01), 1.1, AGREES),
        ((2.1, 2.05, 2.25), (2, 1.99, 2.01), 1.1, OPEN),
    ],
)
def test_a_verdict_comes_from_intervals_alone(better, worse, within, expected):
    a, b = Figure(*better), Figure(*worse)
    assert claims.judged(a, b, within) == expected
    if within == 1.0:
        assert claims.judged(b, a, within, higher=True) == expected


def test_a_verdict_needs_both_and_seeds_that_lie_apart_leave_it_open():
    claim = Claim(MAIN, "ours", "", at("lcd", 2), at("lcd", 1))
    one = [line("lcd", 1, [row(2, 3.0), row(1, 9.0)])]
    assert claims.verdict(claim, "frechet_latents", one) == AGREES
    assert claims.verdict(claim, "frechet_latents", [line("lcd", 1, [row(2, 3.0)])]) == WAITS
    apart = [*one, line("lcd", 2, [row(2, 13.0), row(1, 1.0)])]
    assert claims.verdict(claim, "frechet_latents", apart) == OPEN
    assert '1 "agrees"' not in tables.counted([]) and "wait for runs" in tables.counted([])


def test_every_claim_names_one_way_of_sampling_that_its_recipe_has_and_every_table_has_one():
    for claim in (*CLAIMS, *SPEEDS):
        picks = (claim.better, claim.worse) if isinstance(claim, Claim) else (claim.quick, claim.slow)
        for pick in picks:
            rows = [dict(vars(system)) for system in RECIPES[pick.recipe].systems]
            found = pick.rows([{"recipe": pick.recipe, "systems": rows}])
            assert len(found) == 1 or not pick.wanted, (claim.says, pick)
        if isinstance(claim, Claim):
            assert all(claim.table in RECIPES[pick.recipe].tables for pick in picks), claim.says
    assert {claim.table for claim in CLAIMS} == set(TABLES)


def test_the_front_holds_what_nothing_beats_in_both():
    points = [(10.0, 5.0, "a"), (20.0, 6.0, "b"), (30.0, 2.0, "c"), (5.0, 9.0, "d")]
    assert [point[2] for point in pictures.front(points)] == ["d", "a", "c"]
