"""Rows of the control benchmark as figures and as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.control.distance import distances as frechet
from benchmarks.control.rows import Row, tidy
from benchmarks.control.systems import BASELINE, COLUMNS, FREE, TRAINED

FIGURES = Path(__file__).with_name("figures.json")
SECONDS, CPU = "seconds a clip", "processor seconds a clip"
FEWEST = 8
"""Clips that a distance needs."""
Values = dict[str, dict[str, dict[int, float]]]
"""metric -> column -> clip -> value"""
Found = dict[str, Any]


def values(found: Sequence[Row]) -> Values:
    """Scores and seconds by metric, column and clip."""
    made: Values = {}
    for row in found:
        if row["column"] not in COLUMNS:
            continue
        own = {
            **row["scores"],
            f"{SECONDS}, {row['kind']}": row["seconds"],
            f"{CPU}, {row['kind']}": row["cpu_seconds"],
        }
        for metric, value in own.items():
            if value is not None and np.isfinite(value):
                made.setdefault(metric, {}).setdefault(row["column"], {})[int(row["index"])] = float(value)
    return made


def summary(one: Sequence[float]) -> Found:
    """n, p50, p10, p90 and mean of at least one value."""
    low, middle, high = (float(q) for q in np.quantile(np.array(one), (0.1, 0.5, 0.9)))
    return {"n": len(one), **tidy({"p50": middle, "p10": low, "p90": high, "mean": float(np.mean(one))})}


def rows(made: Values) -> dict[str, dict[str, Found]]:
    """metric -> column -> summary."""
    return {metric: {name: summary(list(one.values())) for name, one in row.items()} for metric, row in made.items()}


GROUPS = {"curves, tunes, words": ("intensity", "melody", "text"), "forms": ("structure",)}
"""Kinds whose clips are held against real music together."""


def distances(found: Sequence[Row], held: Mapping[str, NDArray[np.float64]] | None) -> Found:
    """Frechet distances to real music by group and description: of all columns of the student on the same clips, and,
    on fewer clips, of those and the teacher's."""
    if held is None:
        return {}
    told: Found = {}
    for title, kinds in GROUPS.items():
        clips: dict[str, dict[tuple[str, int], Row]] = {}
        for row in found:
            if row.get("vectors") and row["kind"] in kinds:
                clips.setdefault(row["column"], {})[row["kind"], row["index"]] = row
        students = [name for name in COLUMNS if name in clips and name != BASELINE]
        for ending, names in ((title, students), (f"{title}, the teacher's clips", [*students, BASELINE])):
            shared = sorted(set.intersection(*(set(clips.get(name, {})) for name in names))) if names else []
            if len(shared) >= FEWEST:
                told[ending] = {"n": len(shared), **_distances([clips[name] for name in names], names, shared, held)}
    return told


def _distances(
    clips: list[dict[tuple[str, int], Row]],
    names: list[str],
    shared: list[tuple[str, int]],
    held: Mapping[str, NDArray[np.float64]],
) -> Found:
    """By description, then column."""
    baseline = TRAINED if TRAINED in names else FREE
    told: Found = {}
    for space, real in held.items():
        data = {
            name: np.array([one[at]["vectors"][space] for at in shared]) for name, one in zip(names, clips, strict=True)
        }
        told[space] = frechet(data, real, np.arange(len(shared)), baseline)
    return told


def ratios(made: Values, over: str, names: Sequence[str], metric: str) -> dict[str, list[float]]:
    """By column: each clip's value over that of column `over`, all metrics that begin so."""
    told: dict[str, list[float]] = {}
    for title, row in made.items():
        if title.startswith(metric) and over in row:
            for name in names:
                shared = sorted(set(row.get(name, {})) & set(row[over]))
                told.setdefault(name, []).extend(row[name][at] / row[over][at] for at in shared)
    return told


def cell(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "-"
    return f"{found['p50']:.3g} [{found['p10']:.3g}, {found['p90']:.3g}]"


def row_of(told: str, row: Mapping[str, Any], used: Sequence[str]) -> str:
    """One row of a table: n (of the columns in order, where they differ) and a cell a column."""
    counts = dict.fromkeys(str(row[name]["n"]) for name in used if name in row)
    return f"| {told} | {' / '.join(counts)} | {' | '.join(cell(row.get(name)) for name in used)} |"


def distance_rows(distances: Mapping[str, Any], used: Sequence[str]) -> list[str]:
    """Rows of `distances`."""
    told = []
    for title, spaces in distances.items():
        for space, found in spaces.items():
            if space != "n":
                cells = [_distance(found.get(name)) for name in used]
                told.append(f"| Frechet distance, {space}: {title} | {spaces['n']} | {' | '.join(cells)} |")
    return told


def table(line: Mapping[str, Any]) -> str:
    """All that was measured, by column."""
    used = [column for column in COLUMNS if any(column in row for row in line["rows"].values())]
    head = [f"| p50 [p10, p90] | n | {' | '.join(used)} |", "|---" * (len(used) + 2) + "|"]
    rows = [row_of(metric, row, used) for metric, row in line["rows"].items()]
    return "\n".join([*head, *rows, *distance_rows(line["distances"], used)])


def _distance(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "-"
    low, high = found["interval"]
    return f"{found['distance']:.3g} [{low:.3g}, {high:.3g}]"


def compact(line: Mapping[str, Any]) -> str:
    """JSON with a line for each metric of the values."""
    rest = {name: value for name, value in line.items() if name != "values"}
    told = ",\n".join(f"  {json.dumps(name)}: {json.dumps(tidy(row))}" for name, row in line["values"].items())
    head = json.dumps(rest, indent=1)
    return f'{head[:-2]},\n "values": {{\n{told}\n }}\n}}\n'
