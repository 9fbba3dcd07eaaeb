"""One run of a benchmark: the options that all share, its figures, its line in results.jsonl, a clean stop by Ctrl-C.

A line holds what was measured, where (commit, device, versions: `bridge.commands.measure.facts`), the command, the
machine's floor, and what the run used. It is appended when the run came to its end, and never for the fake engine.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from benchmarks.machine import Usage
from bridge.commands import measure
from bridge.commands.bundles import bundle_path
from engine.errors import AttaccaError

RESULTS = Path(__file__).with_name("results.jsonl")
QUANTILES = ("min", "p50", "p95", "p99")
STOPPED, MISTAKE = 130, 2
Found = dict[str, Any]
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Told:
    """What the shared options say. results: where the line goes; None: nowhere."""

    results: Path | None
    as_json: bool
    bundle: Path | None
    fake: bool

    @property
    def bundle_name(self) -> str:
        """Raises BadBundle."""
        return "fake" if self.fake else self.folder.name

    @property
    def folder(self) -> Path:
        """The bundle's folder. Raises BadBundle."""
        return bundle_path(self.bundle)

    @property
    def engine_options(self) -> list[str]:
        """What `attacca serve` is told."""
        return ["--fake"] if self.fake else ["--bundle", str(self.folder)]


def options(with_fake: bool = False) -> Callable[[_F], _F]:
    """Adds --bundle, --fake (where it makes sense), --results, --no-append and --json to a command."""
    added = [
        click.option("--bundle", type=click.Path(path_type=Path), help="Else ATTACCA_BUNDLE, else the shipped one."),
        click.option(
            "--results", type=click.Path(path_type=Path), envvar="ATTACCA_RESULTS",
            help="Where the line is appended.  [default: benchmarks/results.jsonl]",
        ),
        click.option("--no-append", is_flag=True, help="A trial: measure and print, append nothing."),
        click.option("--json", "as_json", is_flag=True, help="Print the line and nothing else."),
    ]  # fmt: skip
    if with_fake:
        added.insert(1, click.option("--fake", is_flag=True, help="The protocol alone; counts for no figure."))

    def add(command: _F) -> _F:
        for option in reversed(added):
            command = option(command)
        return command

    return add


def told(
    bundle: Path | None, results: Path | None, no_append: bool, as_json: bool, fake: bool = False, **_: object
) -> Told:
    """The shared options as given by click. The fake's line goes only where `results` says."""
    where = results if fake else results or RESULTS
    return Told(None if no_append else where, as_json, bundle, fake)


def help_text(doc: str | None) -> str:
    """A module's docstring for --help, with its tables and commands as they stand."""
    paragraphs = (doc or "").strip().split("\n\n")
    return "\n\n".join(f"\b\n{part}" if part.startswith(" ") or "\n  " in part else part for part in paragraphs)


def figures(values: Sequence[float]) -> Found:
    """{"n", "min", "p50", "p95", "p99"} in the values' unit, to five digits."""
    rounded = {name: tidy(value) for name, value in measure.figures(values)._asdict().items() if name != "n"}
    return {"n": len(values), "min": tidy(min(values)), **rounded}


def tidy(value: float) -> float:
    """Five digits."""
    return float(f"{value:.5g}")


def ms(row: Found, digits: int = 1) -> list[str]:
    """min, p50, p95, p99 of seconds as cells in ms."""
    return [f"{1000 * row[q]:.{digits}f}" for q in QUANTILES]


def us(row: Found) -> list[str]:
    """min, p50, p95, p99 of seconds as cells in microseconds."""
    return [f"{1e6 * row[q]:.1f}" for q in QUANTILES]


def table(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table, and nothing where it has no rows."""
    if kept := list(rows):
        measure.print_table(title, headings, kept)


def run(name: str, said: Told, body: Callable[[Found], None], show: Callable[[Found], None]) -> None:
    """Measures: `body` fills a dictionary as it goes (it has the machine's "floor"), `show` prints it.

    Ctrl-C ends the measurement, not the report: what was found until then is shown, and not appended. A mistake of
    the user's is one sentence and exit code 2.
    """
    from benchmarks import floor

    try:
        where = measure.facts(said.bundle_name)
        at_most = floor.machine()
        if not said.as_json:
            click.echo(f"{floor.sentence(at_most)}; load {where['load'][0]}")
        usage, found = Usage(), Found(floor=at_most)
        stopped = _until_stopped(body, found)
    except AttaccaError as error:
        click.echo(str(error), err=True)
        sys.exit(MISTAKE)
    except KeyboardInterrupt:
        click.echo("stopped before anything was measured", err=True)
        sys.exit(STOPPED)
    line = {"benchmark": name, **where, "command": command(), "usage": usage.figures(), **found}
    if stopped:
        line["stopped"] = True
    _tell(line, said, show)
    if stopped:
        click.echo("stopped: this is what was measured until then; nothing was appended", err=True)
        sys.exit(STOPPED)


def _until_stopped(body: Callable[[Found], None], found: Found) -> bool:
    try:
        body(found)
    except KeyboardInterrupt:
        return True
    return False


def _tell(line: Found, said: Told, show: Callable[[Found], None]) -> None:
    if said.as_json:
        click.echo(json.dumps(line, allow_nan=False))
    else:
        show(line)
        used = line["usage"]
        click.echo(
            f"{used['wall_s']:.0f} s, {used['cpu_s']:.0f} s of processor time, {used['steal_s']:.1f} s stolen, "
            f"load {used['load_before']} before and {used['load_after']} after"
        )
    if said.results is not None and "stopped" not in line:
        measure.append(said.results, line)


def command() -> str:
    """How this was called, for whoever wants to do it again."""
    main = getattr(sys.modules.get("__main__"), "__spec__", None)
    name = main.name if main is not None else Path(sys.argv[0]).name
    kept, skip = [], False
    for word in sys.argv[1:]:
        skip, skipped = word in ("--results", "--bundle"), skip
        if not (skip or skipped or word in ("--json", "--no-append") or os.sep in word):
            kept.append(word)
    return " ".join(["python -m", name, *kept])
