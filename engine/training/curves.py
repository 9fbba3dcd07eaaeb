"""Loss curves as pictures: one panel a stage, from losses.jsonl."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.whole import whole

MOST_LINES = 6


def read(path: Path) -> dict[str, list[dict[str, float]]]:
    """Rows of losses.jsonl by stage; a line that was cut short by a kill is left out."""
    found: dict[str, list[dict[str, float]]] = {}
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        found.setdefault(str(row.pop("stage")), []).append(row)
    return found


def series(rows: list[dict[str, float]]) -> dict[str, tuple[list[float], list[float]]]:
    """(steps, values) of each loss; 'loss' and 'validation' first, at most MOST_LINES."""
    names = list(dict.fromkeys(key for row in rows for key in row if key not in ("step", "seconds")))
    names.sort(key=lambda name: name not in ("loss", "validation"))
    found = {}
    for name in names[:MOST_LINES]:
        held = [row for row in rows if name in row]
        found[name] = [row["step"] for row in held], [row[name] for row in held]
    return found


def draw(losses: Path, target: Path) -> bool:
    """Write the PNG `target`; False where there is nothing to draw."""
    from matplotlib.figure import Figure

    stages = read(losses)
    if not stages:
        return False
    columns = min(3, len(stages))
    rows = -(-len(stages) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.0 * rows), layout="constrained")
    axes: Any = figure.subplots(rows, columns, squeeze=False)
    for axis, (name, points) in zip(axes.flat, stages.items(), strict=False):
        for label, (steps, values) in series(points).items():
            axis.plot(steps, values, "o-" if label == "validation" else "-", label=label, markersize=3)
        axis.set(title=name, xlabel="step")
        axis.legend(fontsize=7)
        if all(value > 0 for _, values in series(points).values() for value in values):
            axis.set_yscale("log")
    for axis in list(axes.flat)[len(stages) :]:
        axis.set_visible(False)
    with whole(target) as part:
        figure.savefig(part, dpi=90, format="png")
    return True
