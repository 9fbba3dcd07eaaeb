"""Pictures of the papers' page: distance over steps for each table, and over wall milliseconds for all systems."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import plots
from benchmarks.papers.lines import VIEWS, Line, by_recipe, figure, in_table, seconds, systems
from engine.training.recipes import RECIPES, TABLES

FAR = 30.0
"""Distances beyond so many times the least are not drawn; the picture says whose."""
MARKERS = {"": "o", "consistency": "s", "trajectory": "^", "jumps": "D"}
Point = tuple[float, float, str]
"""(ms, distance, label)."""


def curves(lines: Sequence[Line], view: str) -> dict[str, list[tuple[int, float]]]:
    """(steps, mean distance) by solver and schedule, at the scale that most ways of sampling share."""
    rows = [
        row
        for one in lines
        for row in one.get("systems", ())
        if view in row and row["gamma"] is None and not row["tokens"]
    ]
    if not rows:
        return {}
    usual = statistics.mode(row["scale"] for row in rows)
    found: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        if row["scale"] == usual:
            label = "".join(f", {part}" for part in (row["solver"], row["schedule"]) if part)
            found.setdefault(label, {}).setdefault(row["steps"], []).append(row[view])
    return {
        label: [(steps, statistics.fmean(values)) for steps, values in sorted(points.items())]
        for label, points in found.items()
    }


def near(values: Sequence[float]) -> float:
    """The largest distance that is drawn."""
    return FAR * min(values)


def steps_picture(lines: Sequence[Line], name: str, path: Path) -> bool:
    """Distance over steps, a line for each recipe of a table at its usual scale; False where there is nothing."""
    figure_, axes = plots.new_figure(2, (11.0, 3.6))
    for axis, (view, heading) in zip(axes, VIEWS.items(), strict=True):
        drawn = {
            f"{recipe}{label}": points
            for recipe, own in in_table(lines, name).items()
            for label, points in curves(own, view).items()
            if len(points) > 1
        }
        if not drawn:
            return False
        most = near([y for points in drawn.values() for _, y in points])
        far = {label: points for label, points in drawn.items() if all(y > most for _, y in points)}
        for number, (label, points) in enumerate(drawn.items()):
            if label not in far:
                kept = [point for point in points if point[1] <= most]
                axis.plot(*zip(*kept, strict=True), marker="o", markersize=3, label=label, color=f"C{number % 10}")
        finish(axis, "steps", heading, list(dict.fromkeys(label.partition(",")[0] for label in far)))
    axes[0].legend(fontsize="xx-small")
    plots.save(figure_, path)
    return True


def finish(axis: Any, across: str, heading: str, far: Sequence[str]) -> None:
    """Logarithmic axes with plain numbers, and who lies too far away to be drawn."""
    axis.set(xlabel=across, ylabel=heading, xscale="log", yscale="log")
    for one in (axis.xaxis, axis.yaxis):
        one.set_major_formatter("{x:g}")
        one.set_minor_formatter(lambda x, _: f"{x:g}" if f"{x:e}"[0] in "25" else "")
        one.set_tick_params(which="minor", labelsize="small")
    if far:
        axis.set_title(f"beyond {FAR:g} times the best: {', '.join(far)}", fontsize="small")


def points_of(lines: Sequence[Line], view: str) -> dict[str, list[Point]]:
    """Every way of sampling by recipe."""
    found: dict[str, list[Point]] = {}
    for recipe, own in by_recipe(lines).items():
        for label, rows in systems(own).items():
            told = figure(rows, view)
            if told is not None:
                found.setdefault(recipe, []).append((1000 * seconds(rows), told.mean, label))
    return found


def front(points: Sequence[Point]) -> list[Point]:
    """Those that no other beats in both time and distance, the quickest first."""
    found: list[Point] = []
    for point in sorted(points):
        if not found or point[1] < found[-1][1]:
            found.append(point)
    return found


def time_picture(lines: Sequence[Line], path: Path) -> bool:
    """Distance over milliseconds of one clip, all systems, with the front; False where there is nothing."""
    figure_, axes = plots.new_figure(2, (12.0, 5.0))
    for axis, (view, heading) in zip(axes, VIEWS.items(), strict=True):
        every = points_of(lines, view)
        if not every:
            return False
        draw_times(axis, every, heading)
    axes[1].legend(fontsize="xx-small", loc="upper left", bbox_to_anchor=(1.0, 1.0))
    plots.save(figure_, path)
    return True


def draw_times(axis: Any, every: dict[str, list[Point]], heading: str) -> None:
    """One axis of `time_picture`."""
    most = near([point[1] for points in every.values() for point in points])
    far = [recipe for recipe, points in every.items() if all(point[1] > most for point in points)]
    for number, (recipe, points) in enumerate(every.items()):
        kept = [point for point in points if point[1] <= most]
        if recipe not in far:
            axis.plot([p[0] for p in kept], [p[1] for p in kept], linestyle="", marker=MARKERS[RECIPES[recipe].method],
                      markersize=4, color=f"C{number % 10}", alpha=0.4 + 0.6 * (number < 10), label=recipe)  # fmt: skip
    best = front([point for points in every.values() for point in points])
    axis.plot([p[0] for p in best], [p[1] for p in best], color="0.4", linewidth=1, zorder=0, label="front")
    finish(axis, "ms of one clip, denoiser alone", heading, far)


def draw(lines: Sequence[Line], folder: Path) -> list[str]:
    """Names of the pictures: of each table that has curves, and of all systems; old ones go. Raises Unavailable."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    drawn = [name for name in TABLES if steps_picture(lines, name, folder / f"{name}.png")]
    return drawn + ["time"] * time_picture(lines, folder / "time.png")


def front_of(lines: Sequence[Line]) -> list[tuple[str, str, str, str]]:
    """(recipe, sampling, ms, distance over latents) of the front."""
    every = points_of(lines, "frechet_latents")
    owner = {(point[0], point[1], point[2]): recipe for recipe, points in every.items() for point in points}
    best = front([point for points in every.values() for point in points])
    return [(f"`{owner[point]}`", point[2], f"{point[0]:.0f}", f"{point[1]:.2f}") for point in best]
