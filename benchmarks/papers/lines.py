"""Lines of `attacca train --recipe`: read, pooled over seeds, found by what they are."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import BadRequest
from engine.training.recipes import RECIPES

Line = dict[str, Any]
VIEWS = {"frechet_latents": "Frechet, latents", "frechet_sound": "Frechet, sound"}
SAYINGS = {"velocity_mse": "velocity MSE", "si_snri_db": "SI-SNRi dB"}


@dataclass(frozen=True)
class Figure:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float

    def text(self, digits: int) -> str:
        return f"{self.mean:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def read(path: Path) -> list[Line]:
    """The newest line of each recipe and seed, in the recipes' order. Raises BadRequest."""
    try:
        found = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines() if text.strip()]
    except (OSError, json.JSONDecodeError) as error:
        raise BadRequest(f"{path} cannot be read as lines of JSON: {error}") from error
    kept = {(one["recipe"], one["seed"]): one for one in found if "experiment" in one and one["recipe"] in RECIPES}
    order = list(RECIPES)
    return sorted(kept.values(), key=lambda one: (order.index(one["recipe"]), one["seed"]))


def pooled(values: Sequence[float], intervals: Sequence[Sequence[float]]) -> Figure:
    """The mean of seeds, and their mean interval widened by how far they lie apart."""
    apart = max(values) - min(values)
    low = statistics.fmean(one[0] for one in intervals) - apart / 2
    high = statistics.fmean(one[1] for one in intervals) + apart / 2
    return Figure(statistics.fmean(values), low, high)


def by_recipe(lines: Iterable[Line]) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for one in lines:
        found.setdefault(one["recipe"], []).append(one)
    return found


def in_table(lines: Iterable[Line], name: str) -> dict[str, list[Line]]:
    """Lines by recipe of those that stand in a table today, whatever the table was when they ran."""
    return {recipe: own for recipe, own in by_recipe(lines).items() if name in RECIPES[recipe].tables}


def missing(lines: Iterable[Line], name: str) -> list[str]:
    """Recipes of a table that have not run."""
    have = {one["recipe"] for one in lines}
    return [recipe.name for recipe in RECIPES.values() if name in recipe.tables and recipe.name not in have]


def systems(lines: Sequence[Line]) -> dict[str, list[Line]]:
    """Rows of one recipe's ways of sampling, by label, a row for each seed."""
    found: dict[str, list[Line]] = {}
    for one in lines:
        for row in one.get("systems", ()):
            found.setdefault(row["label"], []).append(row)
    return found


def figure(rows: Sequence[Line], view: str) -> Figure | None:
    """A view of a way of sampling over its seeds; None where it failed."""
    good = [row for row in rows if view in row]
    return pooled([row[view] for row in good], [row[f"{view}_interval"] for row in good]) if good else None


def saying(lines: Sequence[Line], key: str) -> Figure | None:
    """velocity_mse or si_snri_db of one recipe over its seeds; None where there is none."""
    good = [one[key] for one in lines if key in one]
    return pooled([f["mean"] for f in good], [f["interval"] for f in good]) if good else None


def seconds(rows: Sequence[Line]) -> float:
    found: float = statistics.median(row["seconds"] for row in rows)
    return found
