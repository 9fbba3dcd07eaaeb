"""The papers' experiments as a page: tables and pictures from lines of `attacca train --recipe`.

    python -m benchmarks.papers [--results benchmarks/papers.jsonl] [--out docs/papers.md] [--check]

The newest line of each recipe and seed counts; a figure over several seeds is their mean, its interval the mean of
theirs widened by the seeds' own spread. What was equal, what the limits are and what the figures mean is written by
hand into docs/papers_notes.md, with which the page begins. The same lines give the same page. --check writes nothing
and exits with 1 where the page is not up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from benchmarks import pages
from benchmarks.papers.lines import Line, read
from benchmarks.papers.pictures import draw, front_of
from benchmarks.papers.tables import (
    claims_table,
    counted,
    missing_line,
    runs_table,
    sampling_table,
    saying_table,
    speeds_table,
)
from engine.errors import AttaccaError
from engine.training.recipes import ANGLE, BACKBONE, BESIDE, LANGUAGE, PATH, RECIPES, TABLES

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS, PAGE, NOTES = ROOT / "benchmarks" / "papers.jsonl", ROOT / "docs" / "papers.md", "papers_notes.md"
HEAD = """# The four papers, side by side

Made by `python -m benchmarks.papers` from `benchmarks/papers.jsonl`; not to be edited by hand. Every run is
`attacca train --recipe NAME`: the same songs, batch, window, number of parameters and budget. Frechet distances are to
held-out clips, over latents and their changes, and over the levels that the codec makes of them (`sound`); lower is
better, and intervals are 95 % over songs. Milliseconds are of one clip alone, the least of three, without decoding. A
scale is 1 + w; `trained steps` is how far the budget went, for each seed.
"""


def page(lines: Sequence[Line], drawn: Iterable[str], folder: str, notes: str) -> str:
    """The page of lines; `drawn`: pictures that are in `folder`."""
    if not lines:
        return "\n".join([HEAD, notes, "Nothing has run yet.\n"])
    have = set(drawn)
    parts = [HEAD, source(lines), notes, "## Against the papers\n", counted(lines), speeds_table(lines)]
    parts += everything(lines, have, folder)
    for name, heading in TABLES.items():
        said = saying_table(lines, name) if name in (BACKBONE, ANGLE, PATH, LANGUAGE) else ""
        body = [said, sampling_table(lines, name), missing_line(lines, name)]
        body += [claims_table(lines, name), f"![{heading}]({folder}/{name}.png)\n" if name in have else ""]
        parts += [f"## {heading}\n", *(part for part in body if part)]
    return "\n".join([*parts, "## Runs\n", runs_table(lines), absent(lines)])


def everything(lines: Sequence[Line], have: set[str], folder: str) -> list[str]:
    """Distance against time over all systems: the picture, and the front in words."""
    front = pages.table(("recipe", "sampling", "ms", "Frechet, latents"), front_of(lines))
    if not front:
        return []
    picture = [f"![Distance against time]({folder}/time.png)\n"] if "time" in have else []
    return ["## Distance against time\n", "No other system is both quicker and nearer than these.\n", front, *picture]


def absent(lines: Sequence[Line]) -> str:
    have = {one["recipe"] for one in lines}
    names = [f"`{name}`" for name in RECIPES if name not in have]
    return f"Not run: {', '.join(names)}.\n" if names else ""


def source(lines: Sequence[Line]) -> str:
    """Where the lines come from."""
    last = max(lines, key=lambda one: str(one.get("when", "")))
    places = sorted({f"{one.get('device')}, {one.get('cores')} cores" for one in lines})
    judged = [one for one in lines if one["recipe"] not in BESIDE] or [last]
    return (
        f"{len(lines)} runs of {len(RECIPES)} recipes, {last['songs']} songs, {last['held_out']} held out, "
        f"{judged[0]['clips']} clips of {last['window']} latents; {'; '.join(places)}.\n"
    )


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
