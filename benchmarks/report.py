"""Tables and pictures from results.jsonl into docs/benchmarks.md and docs/benchmarks/.

    python -m benchmarks.report [--results FILE] [--out docs/benchmarks.md] [--check]

The newest line of each benchmark counts; lines of the fake engine, of runs that were stopped and of older forms do
not. The same lines give the same files. --check writes nothing and exits with 1 where the page is not up to date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from benchmarks import host_pages, line, pages, plots, targets
from benchmarks.targets import Line, Lines
from engine.errors import AttaccaError, BadRequest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
NEEDS = {
    "rtf": ("floor", "cases"), "latency": ("floor", "seconds"), "bridge": ("floor", "seconds"),
    "deadlines": ("floor", "blocks", "look_ahead"), "peers": ("floor", "recipes"),
    "growth": ("floor", "bars", "clients", "batch"), "gpu": ("cases", "runs_on"),
    **host_pages.NEEDS,
}  # fmt: skip
"""What a line of today's form has, by benchmark."""
HEAD = """# Benchmarks

Made by `python -m benchmarks.report` (the end of `make bench`) from `benchmarks/results.jsonl`; not to be edited
by hand. Each line there names its command, commit, device and versions. p50, p95 and p99 are quantiles over the runs
named by n or by the command; RTF is compute time over audio time; compute time is from dequeue to the last sample.
"""


def read(path: Path) -> list[Line]:
    """All lines that count, in order. Raises BadRequest for a file that cannot be read, or a line that is no JSON."""
    try:
        texts = path.read_text(encoding="utf-8").splitlines()
        found = [json.loads(text) for text in texts if text.strip()]
    except (OSError, json.JSONDecodeError) as error:
        raise BadRequest(f"{path} cannot be read as lines of JSON: {error}") from error
    return [one for one in found if counts(one)]


def counts(one: Line) -> bool:
    """Whether a line is of today's form, whole and of a real engine."""
    needed = NEEDS.get(str(one.get("benchmark")))
    return needed is not None and "stopped" not in one and one.get("bundle") != "fake" and all(k in one for k in needed)


def newest(found: Iterable[Line]) -> dict[tuple[str, str], Line]:
    """The newest line of each benchmark and commit, in the order of their commits' newest lines."""
    kept: dict[tuple[str, str], Line] = {}
    for one in found:
        key = str(one["benchmark"]), str(one["commit"])
        kept.pop(key, None)
        kept[key] = one
    return kept


def latest(kept: Mapping[tuple[str, str], Line]) -> Lines:
    """The newest line of each benchmark."""
    return {name: one for (name, _), one in kept.items()}


def widest(found: Iterable[Line]) -> Line | None:
    """The newest real-time factors over all lengths, where the newest of all are of the quick set."""
    rows = [one for one in found if one["benchmark"] == "rtf" and len(lengths(one)) > 4]
    return rows[-1] if rows else None


def lengths(one: Line) -> set[float]:
    return {row["audio_s"] for row in one["cases"] if row["kind"] == "plain"}


def history(kept: Mapping[tuple[str, str], Line]) -> str:
    """12 s at 4 steps and a bar into the cache, by commit."""
    rows = []
    for (name, commit), one in kept.items():
        if name == "rtf":
            runtime = targets.pick_of(one)
            case = targets.case(one, runtime, "plain", 12, 4)
            if case:
                times = f"{case['times_real_time']['p50']:.1f} times real time"
                rows.append([one["when"][:10], commit, f"12 s, 4 steps, {runtime}", times])
        elif name == "latency" and "into a cache" in one["seconds"]:
            found = one["seconds"]["into a cache"]
            text = f"p50 {1000 * found['p50']:.0f}, p99 {1000 * found['p99']:.0f} ms"
            rows.append([one["when"][:10], commit, "one bar into the cache", text])
    return pages.table(("day", "commit", "what", "found"), rows)


def draw(lines: Lines, folder: Path) -> dict[str, set[str]]:
    """Pictures of all lines, old ones taken away. -> file stems by benchmark. Raises Unavailable without matplotlib."""
    drawn: dict[str, set[str]] = {}
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    for name, one in lines.items():
        made = plots.PLOTS.get(name, {})
        drawn[name] = {stem for stem, plot in made.items() if plot(one, folder / f"{stem}.png")}
    return drawn


def page(found: list[Line], folder: str, drawn: Mapping[str, set[str]] | None = None) -> str:
    """The page of lines. folder: of the pictures, as the page links to it; drawn: which there are, by benchmark."""
    kept = newest(found)
    lines, wide = latest(kept), widest(found)
    parts = [HEAD]
    if not lines:
        return HEAD + "\nNothing is measured yet: run `make bench`.\n"
    parts += ["## Targets\n", pages.verdict_table(targets.verdicts(lines))]
    if "rtf" in lines:
        parts.append(pages.quality_table(lines["rtf"]))
    for name, (heading, text, pictures) in {**pages.SECTIONS, **host_pages.SECTIONS}.items():
        if name not in lines:
            continue
        parts += [f"## {heading}\n", f"{pages.source(lines[name])}\n"]
        shown = (drawn or {}).get(name, set())
        parts += [f"![{what}]({folder}/{stem}.png)\n" for stem, what in pictures.items() if stem in shown]
        parts.append(text(lines[name]))
        if name == "rtf" and wide is not None and wide is not lines["rtf"]:
            parts += ["### All lengths\n", f"{pages.source(wide)}\n", pages.rtf(wide)]
    if past := history(kept):
        parts += ["## By commit\n", past]
    return "\n".join(part for part in parts if part)


def write(results: Path, out: Path) -> None:
    """Writes the page and its pictures, pictures of the widest set of lengths. Raises AttaccaError."""
    found = read(results)
    lines, wide = latest(newest(found)), widest(found)
    folder = out.with_suffix("")
    drawn = draw(lines if wide is None else {**lines, "rtf": wide}, folder) if lines else {}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(found, folder.name, drawn), encoding="utf-8")


def up_to_date(results: Path, out: Path) -> bool:
    """Whether the page's text is what the lines say; its pictures are taken to be those that lie there."""
    folder = out.with_suffix("")
    there = {path.stem for path in folder.glob("*.png")}
    drawn = {name: there & set(made) for name, made in plots.PLOTS.items()}
    return out.exists() and out.read_text(encoding="utf-8") == page(read(results), folder.name, drawn)


@click.command(help=line.help_text(__doc__))
@click.option("--results", type=click.Path(path_type=Path), default=line.RESULTS, envvar="ATTACCA_RESULTS")
@click.option(
    "--out", type=click.Path(path_type=Path), default=PAGE, help="The page; pictures go into a folder beside it."
)
@click.option("--check", is_flag=True, help="Write nothing; say whether the page is up to date.")
def main(results: Path, out: Path, check: bool) -> Any:
    try:
        if check and not up_to_date(results, out):
            click.echo(f"{out} is not what {results} says: python -m benchmarks.report", err=True)
            sys.exit(1)
        if not check:
            write(results, out)
            click.echo(f"{out} and {out.with_suffix('')}/ are written from {results}")
    except AttaccaError as error:
        click.echo(str(error), err=True)
        sys.exit(line.MISTAKE)


if __name__ == "__main__":
    main()
