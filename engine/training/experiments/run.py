"""The grid: each recipe and seed once; what is finished is not done again, what was stopped goes on.

A finished run leaves `result.json` beside its network and one line in a JSONL, from which `python -m benchmarks.papers`
makes docs/papers.md.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.diffusion.paths import PATHS
from engine.models import backbones
from engine.models.denoiser import Denoiser
from engine.training.experiments import score
from engine.training.experiments.teach import METHODS, Bench, learned, voice_of
from engine.training.recipes import BESIDE, RECIPES, Recipe, in_order

FORMAT = 1
About = Callable[[], dict[str, Any]]


def result_of(bench: Bench, recipe: Recipe, seed: int) -> dict[str, Any] | None:
    """What a finished run found; None where it has not finished."""
    path = bench.run_folder(recipe, seed) / "result.json"
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.is_file() else None
    return found


def grid(
    bench: Bench,
    names: tuple[str, ...],
    seeds: tuple[int, ...],
    results: Path,
    about: About = dict,
    clips: int = score.CLIPS,
) -> list[dict[str, Any]]:
    """Run recipes `names` ("all") and what they need, seed by seed; the lines of all, new ones appended to `results`.

    about: where and with what it was measured, for each line. Raises BadRequest for a name that is not there.
    """
    wanted, lines = in_order(names), []
    exam = score.Exam.of(bench.material, bench.window, clips)
    judge = score.Judge(exam, bench.material.codec)
    for seed in seeds:
        for recipe in wanted:
            line = result_of(bench, recipe, seed)
            if line is None:
                bench.console.print(f"{recipe.name}, seed {seed}: {recipe.says}")
                line = json.loads(json.dumps(one(bench, recipe, seed, exam, judge) | about()))
                finish(bench, recipe, seed, line, results)
            lines.append(line)
    return lines


def finish(bench: Bench, recipe: Recipe, seed: int, line: dict[str, Any], results: Path) -> None:
    """The line to `results` first: a run that is stopped between the two is judged and written once more."""
    results.parent.mkdir(parents=True, exist_ok=True)
    with results.open("a") as out:
        out.write(json.dumps(line) + "\n")
    (bench.run_folder(recipe, seed) / "result.json").write_text(json.dumps(line))


def one(bench: Bench, recipe: Recipe, seed: int, exam: score.Exam, judge: score.Judge) -> dict[str, Any]:
    """Train and judge one recipe."""
    model = learned(bench, recipe, seed)
    line = {
        "experiment": FORMAT, "recipe": recipe.name, "says": recipe.says, "tables": list(recipe.tables), "seed": seed,
        "budget": {"steps": bench.steps} if bench.steps is not None else {"seconds": bench.seconds},
        "batch": bench.batch, "window": bench.window, "songs": len(bench.material.songs),
        "held_out": len(bench.material.held_out), "clips": len(exam.clean), "facts": recipe.as_facts(),
        "parameters": backbones.parameters(model), **spent(bench, recipe, seed),
    }  # fmt: skip
    if recipe.name in BESIDE:
        return line
    assert isinstance(model, Denoiser)
    path = RECIPES[recipe.teacher].path if recipe.teacher else recipe.path
    if not recipe.teacher:
        line |= score.denoising(model, PATHS[path], exam)
    method = METHODS[recipe.method](**recipe.settings) if recipe.method else None
    voice = voice_of(bench, seed) if recipe.tokens else None
    return line | {"systems": score.systems(model, path, recipe.systems, method, exam, judge, voice)}


def spent(bench: Bench, recipe: Recipe, seed: int) -> dict[str, Any]:
    """Steps and last losses of a run's training."""
    folder = bench.run_folder(recipe, seed)
    note = json.loads((folder / f"{recipe.name}.json").read_text())
    rows = [json.loads(text) for text in (folder / "losses.jsonl").read_text().splitlines()]
    last = rows[-1] if rows else {}
    losses = {key: round(value, 5) for key, value in last.items() if key not in ("stage", "step", "seconds")}
    return {"steps": note["steps"], "trained": round(note["spent"], 1), "losses": losses}
