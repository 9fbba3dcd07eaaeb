"""The papers' experiments as a page: tables and pictures from lines of `attacca train --recipe`.

    python -m benchmarks.papers [--results benchmarks/papers.jsonl] [--out docs/papers.md] [--check]

The newest line of each recipe and seed counts; a figure over several seeds is their mean, its interval the mean of
theirs widened by the seeds' own spread. What the figures mean is written by hand into docs/papers_notes.md, with which
the page ends. The same lines give the same page. --check writes nothing and exits with 1 where the page is not up to
date.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks import pages, plots
from engine.errors import AttaccaError, BadRequest
from engine.training.recipes import ANGLE, BACKBONE, BESIDE, LANGUAGE, PATH, RECIPES, TABLES

Line = dict[str, Any]
ROOT = Path(__file__).resolve().parent.parent
RESULTS, PAGE, NOTES = Path(__file__).with_name("papers.jsonl"), ROOT / "docs" / "papers.md", "papers_notes.md"
VIEWS = {"frechet_latents": "Frechet, latents", "frechet_sound": "Frechet, sound"}
HEAD = """# The four papers, side by side

Made by `python -m benchmarks.papers` from `benchmarks/papers.jsonl`; not to be edited by hand. Every run is
`attacca train --recipe NAME`: the same songs, batch, window, number of parameters and budget. Frechet distances are to
held-out clips, over latents and their changes, and over the levels that the codec makes of them (`sound`); lower is
better, and intervals are 95 % over songs. Seconds are of one clip alone, the least of three, without decoding. A scale
is 1 + w.
"""


def read(path: Path) -> list[Line]:
    """The newest line of each recipe and seed, in the recipes' order. Raises BadRequest."""
    try:
        found = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines() if text.strip()]
    except (OSError, json.JSONDecodeError) as error:
        raise BadRequest(f"{path} cannot be read as lines of JSON: {error}") from error
    kept = {(one["recipe"], one["seed"]): one for one in found if "experiment" in one and one["recipe"] in RECIPES}
    order = list(RECIPES)
    return sorted(kept.values(), key=lambda one: (order.index(one["recipe"]), one["seed"]))


def pooled(values: Sequence[float], intervals: Sequence[Sequence[float]], digits: int) -> str:
    """A cell: the mean of seeds, and their mean interval widened by how far they lie apart."""
    middle = statistics.fmean(values)
    apart = max(values) - min(values)
    low = statistics.fmean(one[0] for one in intervals) - apart / 2
    high = statistics.fmean(one[1] for one in intervals) + apart / 2
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def by_recipe(lines: Iterable[Line]) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for one in lines:
        found.setdefault(one["recipe"], []).append(one)
    return found


def systems(lines: Sequence[Line]) -> dict[str, list[Line]]:
    """Rows of one recipe's ways of sampling, by label, a row for each seed."""
    found: dict[str, list[Line]] = {}
    for one in lines:
        for row in one.get("systems", ()):
            found.setdefault(row["label"], []).append(row)
    return found


def sampling_table(lines: Iterable[Line], name: str) -> str:
    """All ways of sampling of a table's recipes."""
    rows = []
    for recipe, own in by_recipe(one for one in lines if name in one["tables"]).items():
        for label, several in systems(own).items():
            rows.append([f"`{recipe}`", label, *(cell(several, view) for view in VIEWS), seconds(several)])
    return pages.table(("recipe", "sampling", *VIEWS.values(), "seconds"), rows)


def cell(rows: Sequence[Line], view: str) -> str:
    good = [row for row in rows if view in row]
    return pooled([row[view] for row in good], [row[f"{view}_interval"] for row in good], 2) if good else "failed"


def seconds(rows: Sequence[Line]) -> str:
    return f"{statistics.median(row['seconds'] for row in rows):.3f}"


def saying_table(lines: Iterable[Line], name: str) -> str:
    """What denoisers say: velocity error and SI-SNR improvement, as in MeLoDy's ablation."""
    rows = []
    for recipe, own in by_recipe(one for one in lines if name in one["tables"] and "velocity_mse" in one).items():
        figures = [[one[key] for one in own] for key in ("velocity_mse", "si_snri_db")]
        cells = [pooled([f["mean"] for f in several], [f["interval"] for f in several], 3) for several in figures]
        steps = statistics.fmean(one["steps"] for one in own)
        rows.append([f"`{recipe}`", own[0]["says"], f"{own[0]['parameters'] / 1e6:.2f} M", f"{steps:.0f}", *cells])
    return pages.table(("recipe", "what", "size", "steps", "velocity MSE", "SI-SNRi dB"), rows)


def runs_table(lines: Iterable[Line]) -> str:
    """What was trained, for how long."""
    rows = []
    for recipe, own in by_recipe(lines).items():
        budget = " ".join(f"{value:g} {unit}" for unit, value in own[0]["budget"].items())
        rows.append([f"`{recipe}`", own[0]["says"], f"{own[0]['parameters'] / 1e6:.2f} M", str(len(own)), budget,
                     ", ".join(str(one["steps"]) for one in own)])  # fmt: skip
    return pages.table(("recipe", "what", "size", "seeds", "budget", "steps"), rows)


def picture(lines: Sequence[Line], name: str, view: str, path: Path) -> bool:
    """Distance over steps, a line for each recipe of a table at its usual scale; False where there is nothing."""
    drawn = 0
    figure, (axis,) = plots.new_figure()
    for recipe, own in by_recipe(one for one in lines if name in one["tables"]).items():
        for label, points in curves(own, view).items():
            if len(points) > 1:
                axis.plot(*zip(*points, strict=True), marker="o", markersize=3, label=f"{recipe}{label}")
                drawn += 1
    axis.set(xlabel="steps", ylabel=VIEWS[view], xscale="log", yscale="log", title=TABLES[name])
    if drawn:
        axis.legend(fontsize="x-small")
        plots.save(figure, path)
    return drawn > 0


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


def page(lines: Sequence[Line], drawn: Iterable[str], folder: str, notes: str) -> str:
    """The page of lines; `drawn`: tables that have a picture in `folder`."""
    if not lines:
        return HEAD + "\nNothing has run yet.\n"
    parts, have = [HEAD, source(lines)], set(drawn)
    for name, heading in TABLES.items():
        body = [
            saying_table(lines, name) if name in (BACKBONE, ANGLE, PATH, LANGUAGE) else "",
            sampling_table(lines, name),
        ]
        body.append(f"![{heading}]({folder}/{name}.png)\n" if name in have else "")
        if any(body):
            parts += [f"## {heading}\n", *(part for part in body if part)]
    return "\n".join([*parts, "## Runs\n", runs_table(lines), notes])


def source(lines: Sequence[Line]) -> str:
    """Where the lines come from."""
    last = max(lines, key=lambda one: str(one.get("when", "")))
    places = sorted({f"{one.get('device')}, {one.get('cores')} cores" for one in lines})
    commits = list(dict.fromkeys(str(one.get("commit")) for one in lines))
    judged = [one for one in lines if one["recipe"] not in BESIDE] or [last]
    return (
        f"{len(lines)} runs, {last['songs']} songs, {last['held_out']} held out, "
        f"{judged[0]['clips']} clips of {last['window']} latents; {'; '.join(places)}; commits {', '.join(commits)}.\n"
    )


def draw(lines: Sequence[Line], folder: Path) -> list[str]:
    """A picture for each table that has curves; old ones are taken away. Raises Unavailable without matplotlib."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    return [name for name in TABLES if picture(lines, name, "frechet_latents", folder / f"{name}.png")]


@click.command()
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Lines of `attacca train --recipe`.")
@click.option("--out", type=click.Path(path_type=Path), default=PAGE, help="The page.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where the page is not up to date.")
def main(results: Path, out: Path, check: bool) -> None:
    """Make the page of the papers' experiments from their lines."""
    try:
        lines, notes = read(results), out.with_name(NOTES)
        said = notes.read_text(encoding="utf-8") if notes.is_file() else ""
        folder = out.parent / "papers"
        drawn = [p.stem for p in folder.glob("*.png")] if check else draw(lines, folder)
        text = page(lines, drawn, folder.name, said)
    except AttaccaError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    if check:
        sys.exit(0 if out.is_file() and out.read_text(encoding="utf-8") == text else 1)
    out.write_text(text, encoding="utf-8")
    click.echo(f"{out}: {len(lines)} runs")


if __name__ == "__main__":
    main()
