"""`attacca train --recipe`: the papers' recipes, trained and judged alike, a line of results each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bridge.commands.bundles import bundle_path
from engine.errors import BadRequest

SECONDS = 240.0
STEPS_HELP = "With --recipe: a budget of this many steps a run instead of minutes."


def run_recipes(
    names: tuple[str, ...],
    out: Path,
    minutes: float | None,
    steps: int | None,
    seeds: tuple[int, ...],
    results: Path | None,
    latents: Path | None,
    start_from: Path | None,
    device: str = "auto",
) -> dict[str, Any]:
    """Run recipes and what they need into OUT, at `minutes` (4 if not given) or `steps` each; where their lines are.

    start_from: the bundle whose codec and prompt head made the latents. device: "cpu", which "auto" means here even
    where there is a GPU: only runs on one kind of device are alike. Raises BadRequest, BadBundle, Unavailable.
    """
    if device == "cuda":
        raise BadRequest("--recipe trains and times on the CPU alone, as all of docs/papers.md; use --device cpu.")
    from rich.console import Console

    from bridge.commands import measure
    from engine.training.experiments.material import load
    from engine.training.experiments.run import grid
    from engine.training.experiments.teach import Bench
    from engine.training.recipes import in_order

    in_order(names)
    bundle, console = bundle_path(start_from), Console(stderr=True)
    material = load(out, latents, bundle, console)
    bench = Bench(out, material, console, 60.0 * minutes if minutes is not None else SECONDS, steps)
    where = results or out / "papers.jsonl"
    lines = grid(bench, names, seeds or (1,), where, lambda: measure.facts(bundle.name))
    return {"results": str(where), "runs": len(lines), "recipes": [line["recipe"] for line in lines]}
