"""train, evaluate, bench, info: what is done to a bundle or asked of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bridge.commands.bundles import bundle_path
from bridge.commands.common import Real, Whole, device_option, json_option, no_empty_folder, print_line, runtime_option
from bridge.commands.experiments import STEPS_HELP, run_recipes
from bridge.commands.menu import examples
from engine.errors import BadRequest

folder = click.Path(path_type=Path, file_okay=False)


ADAPT_MINUTES = 5.0
RECIPE_HELP = "Instead: run this experiment on the four papers and judge it (repeatable, or 'all'); see docs/papers.md."
LATENTS_HELP = "With --recipe: the latents that a training run left (OUT/latents), instead of a corpus made here."
RESULTS_HELP = "With --recipe: where its line is appended.  [default: OUT/papers.jsonl]"
CLIPS_HELP = "Clips a system for distances; 400 and more say something."
DATA_HELP = "Your own sounds (WAV, FLAC, OGG, MP3, AIFF, any rate) instead of the composed corpus."


@click.command(
    epilog=examples(
        "attacca train --data DIR --scan",
        "attacca train --data DIR --adapt --out mine",
        "attacca train --budget-minutes 75 --out mine",
    )
)
@click.option(
    "--budget-minutes",
    type=Real(0.5, 10_000),
    help=f"Minutes for all stages together; with --adapt {ADAPT_MINUTES:g} if not given.",
)
@device_option
@click.option("--out", type=folder, default=Path("work/bundle"), show_default=True, help="Where the bundle goes.")
@click.option("--from", "start_from", type=folder, help="Start from this bundle's weights.")
@click.option("--data", type=folder, help=DATA_HELP)
@click.option("--adapt", is_flag=True, help="Fine-tune --from (or the shipped bundle) on --data, in minutes.")
@click.option("--scan", is_flag=True, help="Only listen to --data and say what would be used, and how sure.")
@click.option("--fresh", is_flag=True, help="Refuse an --out that holds an interrupted run, which is resumed else.")
@click.option("--recipe", multiple=True, help=RECIPE_HELP)
@click.option("--seed", "seeds", multiple=True, type=Whole(0, 1_000_000), help="With --recipe: 1 if not given.")
@click.option("--steps", type=Whole(1, 10_000_000), help=STEPS_HELP)
@click.option("--latents", type=folder, help=LATENTS_HELP)
@click.option("--results", type=click.Path(path_type=Path, dir_okay=False), help=RESULTS_HELP)
@json_option
def train(
    budget_minutes: float | None, device: str, out: Path, start_from: Path | None, data: Path | None, adapt: bool,
    scan: bool, fresh: bool, recipe: tuple[str, ...], seeds: tuple[int, ...], steps: int | None, latents: Path | None,
    results: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Corpus, codec, teacher, student, evaluation, bundle, within a budget of minutes.

    Without --data the music is composed and rendered here. With --data it is yours alone: half an hour of sound or
    more is worth training from nothing; less is better used with --adapt, which keeps the bundle and teaches it your
    sound. Loops, songs and stems may be mixed; sub-folders become styles, folder and file names captions.

    \b
    What is known of a sound is taken from, first to last:
      pad.json       {"tempo": 124, "meter": "4/4", "first_beat_seconds": 0.01, "key": "F# minor",
                      "caption": "warm pad", "melody": "pad.mid"}
      pad.txt        captions, one a line
      the names      Deep House/pad_124bpm_F#m.wav
      its tags       ID3, Vorbis comments, acid loops
      listening      which says how sure it is
    Unreadable, silent, clipped and too short files are listed and left out. Stop with Ctrl-C, go on with the same
    command.
    """
    if start_from is not None:
        bundle_path(start_from)
    if recipe:
        if data is not None or adapt or scan or fresh:
            raise BadRequest(
                "--recipe goes with --out, --budget-minutes, --steps, --seed, --latents, --from, --results."
            )
        found = run_recipes(recipe, out, budget_minutes, steps, seeds, results, latents, start_from, device)
        print_line(found) if as_json else click.echo(f"{found['runs']} runs, in {found['results']}")
        return
    if seeds or steps is not None or latents is not None or results is not None:
        raise BadRequest("--seed, --steps, --latents and --results go with --recipe.")
    check_data(data, adapt, scan)
    if scan and data is not None:
        scan_folder(data, out, as_json)
        return
    if budget_minutes is None and not adapt:
        raise BadRequest("Give --budget-minutes M, the time for all stages together, from 0.5 to 10000.")
    with no_empty_folder(out):
        result = learn(budget_minutes or ADAPT_MINUTES, device, out, start_from, data, adapt, fresh)
    if as_json:
        print_line(result)
    else:
        click.echo(f"The bundle is at {result['bundle']}; try it: attacca serve --bundle {result['bundle']}")


def check_data(data: Path | None, adapt: bool, scan: bool) -> None:
    """BadRequest for a folder that is not there, or missing where it is needed."""
    if data is not None and not data.is_dir():
        raise BadRequest(f"--data: the folder {data} is not there.")
    if data is None and (adapt or scan):
        raise BadRequest(f"{'--adapt' if adapt else '--scan'} needs --data DIR, a folder of sounds.")


def scan_folder(data: Path, out: Path, as_json: bool) -> None:
    """Listen to a folder and report; what was heard is kept in OUT for the training that follows."""
    from rich.console import Console

    from engine.training.folder.prepare import prepare
    from engine.training.folder.progress import shown

    with no_empty_folder(out), shown(Console(stderr=True)) as tell:
        report = prepare(data, out / "corpus", tell)
    if as_json:
        print_line(report.as_json())
    else:
        report.show(Console())
        click.echo(f"Next: attacca train --data {data} --adapt --out {out}")


def learn(
    minutes: float, device: str, out: Path, start_from: Path | None, data: Path | None, adapt: bool, fresh: bool
) -> dict[str, Any]:
    """Train or adapt; what came of it."""
    if adapt and data is not None:
        from engine.training.adapt import adapt as adapt_bundle

        if fresh and (out / "stages").exists():
            raise BadRequest(f"{out / 'stages'} exists; choose another output folder or leave --fresh out.")
        return adapt_bundle(data, out, minutes, bundle_path(start_from), device)
    from engine.training import pipeline

    return pipeline.run(minutes, device, out, start_from=start_from, data=data, resume=not fresh)


@click.command()
@click.argument("bundle", type=folder, required=False)
@click.option("--out", type=folder, default=Path("work/evaluation"), show_default=True, help="Where the report goes.")
@click.option("--clips", type=Whole(4, 100_000), default=400, show_default=True, help=CLIPS_HELP)
@click.option("--corpus", type=folder, help="A built corpus, whose test songs are used; else a small one is rendered.")
@click.option(
    "--teacher",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Its teacher, too: OUT/stages/teacher.safetensors.",
)
@click.option("--only", multiple=True, help="Only this section, as in timing; repeatable.")
@click.option("--against", type=folder, help="A second bundle, evaluated on the same clips and shown beside.")
@click.option("--against-teacher", type=click.Path(path_type=Path, dir_okay=False), help="The second bundle's teacher.")
@runtime_option
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
    runtime: str | None,
    as_json: bool,
) -> None:
    """Scores a bundle: codec, beats, controls, belonging, prompts, novelty, all systems side by side; report.html."""
    path = bundle_path(bundle)
    if corpus is not None and not corpus.is_dir():
        raise BadRequest(f"--corpus: the folder {corpus} is not there; leave --corpus out to have one rendered.")
    other = bundle_path(against) if against is not None else None
    from engine.training import evaluate as evaluation

    with no_empty_folder(out):
        evaluation.run(path, out, clips, as_json, corpus, teacher, only, other, against_teacher, runtime or "torch")


@click.command()
@click.argument("bundle", type=folder, required=False)
@device_option
@runtime_option
@click.option("--full", is_flag=True, help="All lengths at all steps; takes minutes.")
@json_option
def bench(bundle: Path | None, device: str, runtime: str | None, full: bool, as_json: bool) -> None:
    """How fast this machine renders: real-time factors and latencies, p50, p95, p99."""
    from bridge.commands import measure

    measure.bench(bundle_path(bundle), device, full, as_json, runtime)


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
