"""A planner's way into a bundle: as a stage of the pipeline, or trained apart and added to one that is there."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from engine import bundle as bundles
from engine.models import planner as P
from engine.models.prompt import PromptHead
from engine.training import finished
from engine.training import planner as training
from engine.training.export import RESULTS
from engine.training.planner_measure import measure, perplexities
from engine.training.prompt import Vocabulary
from engine.training.workshop import Workshop

STAGE = "planner"
LEAST_SECONDS = 45.0
"""On two free cores: with less than that a pipeline trains none."""
MARKS = ("<!-- planner -->", "<!-- /planner -->")


# ---- a stage of the pipeline -------------------------------------------------------------------


def planned(shop: Workshop, head: PromptHead, vocabulary: Vocabulary) -> P.Planner | None:
    """The planner, trained or as it was left; None where there is little time, or a user's own sounds are learnt.

    It learns from what the corpus' composer writes, in the composer's styles; what a user plays is not written down.
    """
    if STAGE not in shop.stages:
        return None
    if shop.ledger.done(STAGE):
        return _kept(shop)
    with shop.working(STAGE) as (left, entry):
        if shop.source is not None or left < LEAST_SECONDS * shop.slow:
            why = (
                "sounds of your own have no scores" if shop.source is not None else f"{left:.0f} s are too few for one"
            )
            shop.console.print(f"planner: {why}; the bundle writes no plans")
            return None
        spent = float(shop.checkpoint(STAGE)["spent"])
        names = vocabulary.styles, vocabulary.tags
        more = shop.settings.get(STAGE, {})
        model, pieces, others = training.planner(
            left, shop.folder, head, *names, shop.seed, shop.console, spent=spent, **more
        )
        songs = {"training": len(pieces), "held out": len(others)}
        facts = {"perplexity a token, held out": perplexities(model, pieces, others), "songs": songs}
        finished.keep(shop.folder, STAGE, model, config=asdict(model.config), facts=facts)
        entry.made["songs"] = len(pieces)
    return model


def _kept(shop: Workshop) -> P.Planner | None:
    held = shop.facts(STAGE)
    if not held:
        return None
    model = P.Planner(P.config_from(held["config"]))
    finished.fill(shop.folder, STAGE, model)
    return model


def add_from(shop: Workshop, folder: Path, model: P.Planner | None, start: Path | None) -> None:
    """Put the run's planner, or that of the bundle it started from, into the bundle in `folder`."""
    if model is not None:
        made = shop.folder / f"{STAGE}.made"
        P.save_planner(model, made)
        add_to_bundle(folder, made, shop.facts(STAGE)["facts"])
    elif start is not None and (start / P.FILE).is_file():
        add_to_bundle(folder, start / P.FILE, bundles.read_manifest(start).get("training", {}).get(STAGE))


# ---- trained apart -----------------------------------------------------------------------------


def write(source: bundles.Bundle, seconds: float, out: Path, seed: int, console: Console) -> Path:
    """Train one for a bundle's prompts: OUT/planner.safetensors, with what it is worth in OUT/planner.facts.json."""
    from engine.models.load import load_networks

    styles, tags = source.config["styles"], source.config["tags"]
    head, stages = load_networks(source).prompt, out / "stages"
    model, pieces, others = training.planner(seconds, stages, head, styles, tags, seed, console)
    target = out / P.FILE
    P.save_planner(model, target)
    facts_file(target).write_text(json.dumps(measure(model, pieces, others), indent=1) + "\n")
    return target


def facts_file(weights: Path) -> Path:
    return weights.with_suffix(".facts.json")


def known_facts(weights: Path) -> dict[str, Any] | None:
    """What was measured of a planner beside its file, None where it was not."""
    file = facts_file(weights)
    found: dict[str, Any] | None = json.loads(file.read_text()) if file.is_file() else None
    return found


def add_to_bundle(folder: Path, weights: Path, facts: dict[str, Any] | None = None) -> bundles.Bundle:
    """Put a planner into a bundle and seal it anew; the engine then writes plans. BadBundle where it is no planner.

    facts: what was measured of it (`planner_measure.measure`), for manifest and card.
    """
    P.load_planner(weights)
    manifest = bundles.read_manifest(folder)
    shutil.copyfile(weights, folder / P.FILE)
    if facts is not None:
        manifest["training"] = {**manifest.get("training", {}), STAGE: facts}
        _describe(folder / bundles.CARD, facts)
    return bundles.seal(folder, {name: value for name, value in manifest.items() if name != "files"})


def _describe(card: Path, facts: dict[str, Any]) -> None:
    """The planner's section of a model card, before its evaluation; in place of an earlier one."""
    text = card.read_text() if card.is_file() else ""
    before, _, rest = text.partition(MARKS[0])
    text = before.rstrip() + "\n\n" + rest.partition(MARKS[1])[2].lstrip() if rest else text
    head, mark, results = text.partition(RESULTS)
    card.write_text(
        "\n".join([head.rstrip(), "", MARKS[0], *section(facts), MARKS[1], "", mark + results]).rstrip() + "\n"
    )


def section(facts: dict[str, Any]) -> list[str]:
    """What was measured of a planner, as Markdown."""
    found, songs = facts["perplexity a token, held out"], facts["songs"]
    music = {name: row for name, row in facts.get("music", {}).items() if "composed" in row}
    lines = [
        "## Planner",
        "",
        f"Writes plans bar by bar; trained on {songs['training']} composed songs without sound. Perplexity a token on"
        f" {songs['held out']} held-out songs: {found['planner']:.2f}; counted pairs of tokens have"
        f" {found['bigram']:.2f}, counted tokens {found['unigram']:.2f}.",
    ]
    if music:
        lines += ["", "| 16 bars | composed songs | plans |", "| --- | --- | --- |"]
        lines += [f"| {name} | {row['composed']} | {row['planned']} |" for name, row in music.items()]
    return lines
