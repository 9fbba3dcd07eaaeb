"""Is the music on the line? Where bars are cut, and when the drums of generated bars are heard.

    python -m benchmarks.grid [--bundle DIR] [--corpus DIR] [--tempo 120 --tempo 127.3] [--chains 4] [--bars 256]
                              [--steps 4] [--json]

boundaries  1000 bars over odd tempi, meters, tempo steps and rates: placement and fitter, in samples
detector    what the onset detector itself is off by: on clicks, and on held-out songs' written drums
held-out    onset nearest each beat within 40 ms in held-out house and techno, before and after codec and vocoder
chains      the same at bars 1, 64 and 256 of chains in which each link continues all before it

Signed offsets are late where positive. Nothing is corrected for the detector. Appends one line to results.jsonl.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import boundaries, chains
from benchmarks.line import RESULTS
from bridge.commands import measure
from bridge.commands.bundles import bundle_path
from engine.render.generate import ModelRenderer
from engine.render.load import load_renderer
from engine.training.metrics import onsets

HEADINGS = ("where", "lines", "heard", "p50 ms", "p95 ms", "median ms", "95 % of median")
Rows = dict[str, dict[str, Any]]


def measure_chains(
    renderer: ModelRenderer, tempi: tuple[str, ...], count: int, bars: int, steps: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Chains of each tempo, prompts in turn: rows by tempo and band, and the greatest error of a bar line."""
    error, rows = 0, {}
    for tempo in tempi:
        offsets: dict[str, dict[str, list[onsets.Times]]] = {band.name: {} for band in onsets.BANDS}
        for index in range(count):
            chain = chains.Chain(tempo, chains.PROMPTS[index % len(chains.PROMPTS)], 1000 * index, bars)
            audio, off = chains.render(renderer, chain, steps)
            error = max(error, off)
            for band in onsets.BANDS:
                for place, values in chains.chain_offsets(audio, chain, band).items():
                    offsets[band.name].setdefault(place, []).append(values)
        rows[tempo] = {
            name: {place: onsets.pooled(parts, rng) for place, parts in places.items()}
            for name, places in offsets.items()
        }
    return {"max_error_samples": error, "offsets": rows}


def drift_ms(places: Rows) -> dict[str, float | None]:
    """Median offset of the last bar less that of the first, and of the eight last less the eight first."""
    names = list(places)
    pairs = {"last bar less first": (names[2], names[0]), "last bars less first": (names[5], names[3])}
    drift: dict[str, float | None] = {}
    for name, (late, early) in pairs.items():
        ends = places[late]["median_ms"], places[early]["median_ms"]
        drift[name] = None if None in ends else onsets.rounded(ends[0] - ends[1])
    return drift


def against(places: Rows, clips: Rows | None) -> float | None:
    """Median offset over all bars less that of held-out clips of the same styles."""
    own, theirs = places["all bars"]["median_ms"], clips and clips["held-out, beats"]["median_ms"]
    return None if own is None or theirs is None else onsets.rounded(own - theirs)


def print_rows(title: str, rows: Rows) -> None:
    def shown(value: float | None) -> str:
        return "-" if value is None else f"{value:+.2f}"

    table = []
    for name, row in rows.items():
        low, high = row["median_interval_ms"] or (None, None)
        table.append(
            [name, str(row["lines"]), str(row["heard"])]
            + [shown(row[key]).lstrip("+") for key in ("p50_ms", "p95_ms")]
            + [shown(row["median_ms"]), f"{shown(low)} .. {shown(high)}"]
        )
    measure.print_table(title, HEADINGS, table)


def report(found: dict[str, Any]) -> None:
    cut = found["boundaries"]
    click.echo(
        f"boundaries: {cut['bars']} bars in {cut['cases']} cases: at most {cut['max_error_samples']} samples off;"
        f" sound and cut agree within {cut['max_content_error_samples']} samples"
    )
    for band, row in found["detector_on_clicks"].items():
        print_rows(
            f"{band}: detector and held-out clips", {"detector on clicks": row, **found["held_out"].get(band, {})}
        )
    for tempo, bands in found["chains"]["offsets"].items():
        for band, places in bands.items():
            print_rows(f"{band}: chains at {tempo}", places)
            click.echo(f"{found['drift_ms'][tempo][band]}, less held-out: {found['less_held_out_ms'][tempo][band]}")
    click.echo(f"chains: bar lines at most {found['chains']['max_error_samples']} samples off")


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path))
@click.option("--corpus", type=click.Path(path_type=Path, exists=True), help="With test/*.safetensors; none: left out.")
@click.option("--tempo", "tempi", multiple=True, default=("120", "127.3"), show_default=True)
@click.option("--chains", "count", type=click.IntRange(1, 100), default=4, show_default=True, help="Of each tempo.")
@click.option("--bars", type=click.IntRange(4, 1000), default=256, show_default=True)
@click.option("--clips", type=click.IntRange(1, 1000), default=12, show_default=True)
@click.option("--steps", type=click.IntRange(1, 8), default=4, show_default=True)
@click.option("--boundary-bars", type=click.IntRange(25, 100_000), default=1000, show_default=True)
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Where the line is appended.")
@click.option("--json", "as_json", is_flag=True, help="Print the line instead of tables.")
def main(
    bundle: Path | None,
    corpus: Path | None,
    tempi: tuple[str, ...],
    count: int,
    bars: int,
    clips: int,
    steps: int,
    boundary_bars: int,
    results: Path,
    as_json: bool,
) -> None:
    path, rng = bundle_path(bundle), np.random.default_rng(7)
    where = measure.facts(path.name)
    renderer = load_renderer(path, "cpu")
    assert isinstance(renderer, ModelRenderer)
    found: dict[str, Any] = {"boundaries": boundaries.measure(boundary_bars, rng)}
    found["detector_on_clicks"] = onsets.click_bias(rng)
    found["held_out"] = (
        chains.corpus_rows(chains.held_out(corpus, clips), renderer.networks, rng) if corpus is not None else {}
    )
    found["chains"] = measure_chains(renderer, tempi, count, bars, steps, rng)
    by_tempo = found["chains"]["offsets"].items()
    found["drift_ms"] = {tempo: {b: drift_ms(rows) for b, rows in bands.items()} for tempo, bands in by_tempo}
    found["less_held_out_ms"] = {
        tempo: {b: against(rows, found["held_out"].get(b)) for b, rows in bands.items()} for tempo, bands in by_tempo
    }
    line = {"benchmark": "grid", **where, "bars": bars, "chains_per_tempo": count, "steps": steps, **found}
    measure.append(results, line)
    if as_json:
        click.echo(json.dumps(line, allow_nan=False))
    else:
        report(found)


if __name__ == "__main__":
    main()
