"""train, evaluate, bench, info: what is done to a bundle or asked of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bridge.commands.bundles import bundle_path
from bridge.commands.common import Real, Whole, json_option, print_line
from engine.errors import BadRequest

device_option = click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
folder = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.option("--budget-minutes", type=Real(0.5, 10_000), required=True, help="For all stages together.")
@device_option
@click.option("--out", type=folder, default=Path("work/bundle"), show_default=True, help="Where the bundle goes.")
@click.option("--from", "start_from", type=folder, help="Start from this bundle's weights.")
@click.option("--data", type=folder, help="Your own audio instead of the composed corpus.")
@click.option("--fresh", is_flag=True, help="Refuse an --out that holds an interrupted run, which is resumed else.")
def train(
    budget_minutes: float, device: str, out: Path, start_from: Path | None, data: Path | None, fresh: bool
) -> None:
    """Corpus, codec, teacher, student, evaluation, bundle, within a budget of minutes."""
    if start_from is not None:
        bundle_path(start_from)
    if data is not None and not data.is_dir():
        raise BadRequest(f"--data: the folder {data} is not there.")
    from engine.training import pipeline

    result = pipeline.run(budget_minutes, device, out, start_from=start_from, data=data, resume=not fresh)
    click.echo(f"The bundle is at {result['bundle']}; try it: attacca serve --bundle {result['bundle']}")


@click.command()
@click.argument("bundle", type=folder, required=False)
@click.option("--out", type=folder, default=Path("work/evaluation"), show_default=True)
@click.option("--clips", type=Whole(4, 100_000), default=400, show_default=True)
@click.option("--corpus", type=folder, help="A built corpus, whose test songs are used; else a small one is rendered.")
@click.option("--teacher", type=click.Path(path_type=Path, dir_okay=False), help="Compare with this stage checkpoint.")
@click.option("--only", multiple=True, help="Only this section (repeatable).")
@click.option("--against", type=folder, help="A second bundle, evaluated on the same clips and shown beside.")
@click.option("--against-teacher", type=click.Path(path_type=Path, dir_okay=False), help="That one's checkpoint.")
@json_option
def evaluate(
    bundle: Path | None,
    out: Path,
    clips: int,
    corpus: Path | None,
    teacher: Path | None,
    only: tuple[str, ...],
    against: Path | None,
    against_teacher: Path | None,
    as_json: bool,
) -> None:
    """Scores a bundle: codec, beats, controls, belonging, prompts, novelty, all systems side by side; report.html."""
    path = bundle_path(bundle)
    other = bundle_path(against) if against is not None else None
    from engine.training import evaluate as evaluation

    evaluation.run(path, out, clips, as_json, corpus, teacher, only, other, against_teacher)


@click.command()
@click.argument("bundle", type=folder, required=False)
@device_option
@click.option("--full", is_flag=True, help="All lengths at all steps; takes minutes.")
@json_option
def bench(bundle: Path | None, device: str, full: bool, as_json: bool) -> None:
    """How fast this machine renders: real-time factors and latencies, p50, p95, p99."""
    from bridge.commands import measure

    measure.bench(bundle_path(bundle), device, full, as_json)


@click.command()
@click.argument("bundle", type=folder, required=False)
@json_option
def info(bundle: Path | None, as_json: bool) -> None:
    """What a bundle is: its styles, sizes, training and scores. Default: the shipped one."""
    path = bundle_path(bundle)
    facts = read_info(path)
    if as_json:
        print_line(facts)
    else:
        show(facts)


def read_info(path: Path) -> dict[str, Any]:
    """What the bundle says about itself, after its self-check. BadBundle when it fails that."""
    from engine import bundle as bundles

    bundle = bundles.load(path)
    size = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
    facts = {"name": bundle.name, "folder": str(path), "megabytes": round(size / 1e6, 1), "styles": bundle.styles}
    said = {key: value for key, value in bundle.manifest.items() if key not in ("name", "files")}
    return {**facts, **said, "files": sorted(bundle.manifest["files"])}


def show(facts: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None)
    flat = {**{key: value for key, value in facts.items() if key != "config"}, **facts.get("config", {})}
    for key, value in flat.items():
        table.add_row(key, ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
    Console().print(table)
    click.echo(f"What it was trained on, how, and how good it is: {Path(facts['folder']) / 'MODEL_CARD.md'}")
