"""One budget, all stages: corpus, prompts, codec, vocoder, listener, planner, teacher, student, export, evaluation.

The budget is for everything together and holds within a tenth from two minutes on (`budget`). Each stage goes on
where it stopped; what has finished is only loaded (`stages`). A finished run that is given more time
than it had goes on with the denoiser: another leg, and the bundle says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from engine import bundle as bundles
from engine.errors import AttaccaError, BadRequest, Unavailable
from engine.models.denoiser import Denoiser, DenoiserConfig
from engine.models.load import Networks
from engine.models.planner import Planner
from engine.training import curves, devices, planner_bundle, stages
from engine.training.budget import (
    CONTINUED,
    LEAST_MINUTES,
    LONGER,
    MOST_MINUTES,
    NEEDS,
    OPTIONAL,
    Ledger,
    Plan,
    least_minutes,
    slowness,
)
from engine.training.data import Latents
from engine.training.prompt import Vocabulary
from engine.training.workshop import Workshop

QUICK_CLIPS = 24
QUICK_SECTIONS = {"codec": 20.0, "beat": 45.0, "control": 60.0}
"""Sections of the short evaluation, and about how many seconds each takes on two free cores."""


def prepare(
    budget_minutes: float, out: Path, device: str, seed: int, console: Console, names: tuple[str, ...] = tuple(NEEDS)
) -> Workshop:
    """The workshop of OUT: its ledger is opened, its plan made."""
    if not LEAST_MINUTES <= budget_minutes <= MOST_MINUTES:
        raise BadRequest(f"a budget of {budget_minutes} minutes is outside {LEAST_MINUTES:g} to {MOST_MINUTES:g}")
    chosen = devices.choose(device)
    out.mkdir(parents=True, exist_ok=True)
    ledger = Ledger.open(out / "stages" / "ledger.json", 60.0 * budget_minutes)
    if all(ledger.done(name) for name in names if name not in OPTIONAL) and ledger.spent_s() < 0.9 * ledger.budget_s:
        ledger.reopen(LONGER)
    slow = slowness()
    least = least_minutes(names, slow)
    if budget_minutes < least and not any(entry.seconds for entry in ledger.entries.values()):
        raise BadRequest(
            f"a budget of {budget_minutes:g} minutes cannot be kept: as fast as this machine is now, all stages need "
            f"{least:.1f} minutes at the least. Give more, or free its cores."
        )
    plan = Plan.of(budget_minutes, chosen.type, names, slow)
    return Workshop(out / "corpus", out / "stages", plan, seed, console, ledger, chosen, names, slow)


def run(
    budget_minutes: float,
    device: str,
    out: Path,
    start_from: Path | None = None,
    data: Path | None = None,
    resume: bool = True,
    seed: int = 1,
    name: str = "attacca-mine",
    corpus_hours: float | None = None,
    console: Console | None = None,
    *,
    settings: dict[str, dict[str, Any]] | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Train a bundle under a time budget; returns its folder, what was learnt and what each stage took.

    data: a folder of sounds instead of the composed corpus. corpus_hours: how much music to render or reuse,
    instead of what the budget's share buys. start_from: a bundle whose codec, vocoder, prompt head, listener
    and student are the starting point. settings: by stage, further arguments of its train function.
    Running again with the same OUT goes on where the last run stopped; `resume=False` refuses an
    OUT that already holds stages.
    """
    console = console or Console(stderr=True)
    if not resume and (out / "stages").exists():
        raise BadRequest(f"{out / 'stages'} exists; choose another output folder or resume")
    names = tuple(NEEDS) if start_from is None else CONTINUED
    shop = prepare(budget_minutes, out, device, seed, console, names)
    shop.source, shop.corpus_hours, shop.settings = data, corpus_hours, settings or {}
    shop.workers = workers or shop.workers
    shop.announce()
    try:
        return make(shop, start_from, name)
    finally:
        curves.draw(shop.folder / "losses.jsonl", out / "losses.png")
        shop.report()


def make(shop: Workshop, start_from: Path | None, name: str) -> dict[str, Any]:
    """All stages in order, the bundle and its evaluation."""
    stages.corpus(shop)
    networks, vocabulary = foundation(shop) if start_from is None else from_bundle(start_from)
    writer = planner_bundle.planned(shop, networks.prompt, vocabulary)
    songs = stages.songs(shop, networks.codec, networks.prompt)
    shop.console.print(f"denoiser: {len(songs)} encoded songs")
    learned = teach(shop, networks, vocabulary, songs, start_from is not None)
    folder = export(shop, networks, vocabulary, name, learned, start_from, writer)
    evaluate(folder, shop)
    return {"bundle": str(folder), **learned, "stages": shop.summary(), "minutes": shop.ledger.spent_s() / 60.0}


def foundation(shop: Workshop) -> tuple[Networks, Vocabulary]:
    """Prompt head, codec, vocoder and listener, trained or as they were left."""
    head, vocabulary = stages.prompt_head(shop)
    coder = stages.coder(shop)
    voice = stages.voice(shop, coder)
    stages.polished(shop, coder, voice)
    stages.basses(shop, coder)
    ears = stages.ears(shop, vocabulary)
    student = Denoiser(DenoiserConfig(prompt=vocabulary.width))
    return Networks(coder, voice, student, head, ears), vocabulary


def from_bundle(folder: Path) -> tuple[Networks, Vocabulary]:
    from engine.models.load import load_networks

    bundle = bundles.load(folder)
    networks = load_networks(bundle)
    networks.student.requires_grad_(True)
    return networks, Vocabulary(tuple(bundle.config["styles"]), tuple(bundle.config["tags"]))


def teach(
    shop: Workshop, networks: Networks, vocabulary: Vocabulary, songs: list[Latents], warm: bool
) -> dict[str, Any]:
    """Teacher, then student; the student ends up in `networks`, the teacher beside the stages."""
    start = networks.student if warm else None
    guide = stages.taught(shop, networks, vocabulary, songs, start)
    networks.student = stages.distilled(shop, networks, guide, songs, start)
    held = shop.facts("teacher")
    return {"teacher_validation_loss": held["validation_loss"], "codec": shop.facts("polish") or shop.facts("codec")}


def export(
    shop: Workshop, networks: Networks, vocabulary: Vocabulary, name: str, learned: dict[str, Any], start: Path | None,
    writer: Planner | None = None,
) -> Path:  # fmt: skip
    """The bundle's folder, written anew unless this leg has written it."""
    from engine.training.export import export as write

    folder = shop.out / name
    if shop.ledger.done("export") and (folder / bundles.MANIFEST).is_file():
        return folder
    with shop.working("export") as (left, _):
        write(networks, vocabulary, shop, name, learned, start, left)
        planner_bundle.add_from(shop, folder, writer, start)
    return folder


def evaluate(folder: Path, shop: Workshop) -> None:
    """What the time left allows of a short evaluation on held-out songs, into the model card.

    `attacca evaluate` runs the full one.
    """
    from engine.training import evaluate as evaluation
    from engine.training.export import describe

    if shop.ledger.done("evaluation"):
        return
    out, teacher_file = shop.out / "evaluation", shop.folder / "teacher.safetensors"
    said, left_out = "", []
    with shop.working("evaluation") as (left, _):
        deadline = shop.ledger.clock() + left
        for section, seconds in QUICK_SECTIONS.items():
            if len(shop.files("test")) < 2 or deadline - shop.ledger.clock() < seconds * shop.slow:
                left_out.append(section)
                continue
            try:
                evaluation.run(folder, out, QUICK_CLIPS, corpus=shop.corpus, teacher=teacher_file, only=(section,))
            except AttaccaError as refused:
                shop.console.print(f"evaluation of {section}: {refused}")
                left_out.append(section)
        if (out / "results.md").is_file() and len(left_out) < len(QUICK_SECTIONS):
            said = (out / "results.md").read_text()
        describe(folder, said, left_out)


@click.command()
@click.option("--budget-minutes", type=click.FloatRange(LEAST_MINUTES, MOST_MINUTES), required=True)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--from", "start_from", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--name", default="attacca-gpu", show_default=True, help="The bundle's.")
def main(budget_minutes: float, device: str, out: Path, start_from: Path | None, seed: int, name: str) -> None:
    """The pipeline without the rest of the command line: for machines that hold little (docs/gpu.md)."""
    try:
        found = run(budget_minutes, device, out, start_from, seed=seed, name=name)
    except AttaccaError as refused:
        raise click.ClickException(str(refused)) from refused
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    click.echo(found["bundle"])


__all__ = ["BadRequest", "Plan", "Unavailable", "Workshop", "prepare", "run"]

if __name__ == "__main__":
    main()
