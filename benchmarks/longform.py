"""Long form: many bars in one request, made in fused crops, in chained windows and in windows apart.

    python -m benchmarks.longform [--bars 64] [--against 16] [--seeds 3]

    chained       each window follows the last 4 s of the one before
    fused         overlapping crops, fused at each step by weighted least squares (`engine.render.crops`)
    independent   windows that know nothing of each other

At each place where a window or a crop begins or ends: onset flux (the largest within 40 ms, against that of the same
place in the bars around it, in dB), the step of the spectrum (third octaves, 2 s before against 2 s after, in dB) and
the distance of the two in the bundle's joint space of sound and words (1 - cosine). "inside" is the same at the same
place of bars that lie 1.5 s or more from any such place. Peak memory is that of a process of its own, which renders
and keeps nothing; its growth is counted from after the warm-up. Appends one line to results.jsonl.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks import line
from benchmarks.line import Found, Told
from engine.models.codec import LATENT_HOP
from engine.models.similarity import Similarity, chosen
from engine.render.condition import place_of
from engine.render.crops import crop_starts
from engine.render.generate import ModelRenderer
from engine.render.load import load_renderer
from engine.render.past import UNSURE
from engine.render.sample import WINDOW, spans
from engine.training.metrics.seam import flux, flux_at, spectrum_step_db
from engine.types import MODEL_RATE_HZ, Audio, BarAudio, PromptPart, Request

WAYS = ("chained", "fused", "independent")
PROMPTS = ("four-on-the-floor house, round bass, warm chords", "lo-fi hip hop, soft keys", "driving rock, guitars")
TEMPO, BAR_FRAMES = "120", 2 * MODEL_RATE_HZ
SIDE_FRAMES = 2 * MODEL_RATE_HZ
CLEAR_FRAMES = 3 * MODEL_RATE_HZ // 2
REACH_BARS = 4
Array = NDArray[np.float64]


def request(bars: int, way: str, seed: int) -> Request:
    text = PROMPTS[seed % len(PROMPTS)]
    prompts = (PromptPart(text=text),)
    return Request(
        id="long", kind="generate", bars=bars, tempo=TEMPO, seed=seed, prompts=prompts, long=way, measure=False  # type: ignore[arg-type]
    )  # fmt: skip


def edges_of(way: str, latents: int) -> list[int]:
    """Frames at 48 kHz where a window or a crop begins or ends, those at the very ends left out."""
    if way == "fused":
        count = latents + UNSURE
        starts = crop_starts(count)
        places = {place - UNSURE for start in starts for place in (start, start + min(WINDOW, count))}
    else:
        places = {place for span in spans(latents, 0) for place in span}
    return sorted(place * LATENT_HOP for place in places if 0 < place < latents)


def inside_of(edge: int, edges: list[int], frames: int) -> list[int]:
    """The same place of the bars around: clear of all edges, with room on both sides."""
    shifted = [edge + k * BAR_FRAMES for k in range(-REACH_BARS, REACH_BARS + 1) if k]
    return [
        place
        for place in shifted
        if SIDE_FRAMES <= place <= frames - SIDE_FRAMES and min(abs(place - other) for other in edges) >= CLEAR_FRAMES
    ]


@dataclass
class Steps:
    """What happens at one place, or the median of it at several."""

    flux: float
    spectrum_db: float
    distance: float


def steps_at(audio: Audio, values: Array, place: int, ears: Similarity) -> Steps:
    before, after = audio[place - SIDE_FRAMES : place], audio[place : place + SIDE_FRAMES]
    one, other = ears.clips([before, after])
    return Steps(flux_at(values, place), spectrum_step_db(before, after), 1.0 - float(one @ other))


def compared(audio: Audio, edges: list[int], ears: Similarity) -> list[dict[str, float]]:
    """One row for each edge that has something to be compared with: what happens there and inside."""
    values, rows = flux(audio), []
    for edge in edges:
        inside = inside_of(edge, edges, len(audio))
        if not inside or not SIDE_FRAMES <= edge <= len(audio) - SIDE_FRAMES:
            continue
        here = steps_at(audio, values, edge, ears)
        there = [steps_at(audio, values, place, ears) for place in inside]
        usual = {name: float(np.median([getattr(one, name) for one in there])) for name in Steps.__annotations__}
        rows.append(
            {
                "flux_db": float(20 * np.log10((here.flux + 1e-3) / (usual["flux"] + 1e-3))),
                "spectrum_db": here.spectrum_db,
                "spectrum_inside_db": usual["spectrum_db"],
                "distance": here.distance,
                "distance_inside": usual["distance"],
            }
        )
    return rows


def rendered(renderer: ModelRenderer, asked: Request) -> Audio:
    heard: list[BarAudio] = []
    renderer.render(asked, None, heard.append, lambda _: None, lambda: False)
    return np.concatenate([bar.audio for bar in heard])


def summary(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Medians over edges, and how many of them there were."""
    return {"edges": len(rows), **{name: line.tidy(float(np.median([r[name] for r in rows]))) for name in rows[0]}}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one_render(bundle: Path | None, bars: int, way: str) -> None:
    """In a process of its own: prints the peak memory after the warm-up and after one request, in MB."""
    renderer = load_renderer(bundle)
    renderer.warm_up()
    warm = peak_mb()
    renderer.render(request(bars, way, 0), None, lambda _: None, lambda _: None, lambda: False)
    click.echo(json.dumps({"warm_mb": warm, "peak_mb": peak_mb()}))


def memory(bundle: Path | None, bars: int, way: str) -> dict[str, float]:
    words = [sys.executable, "-m", "benchmarks.longform", "--remember", way, "--bars", str(bars)]
    ran = subprocess.run(
        [*words, *(["--bundle", str(bundle)] if bundle else [])], capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return found


def measured(told: Told, bars: int, against: int, seeds: int) -> Callable[[Found], None]:
    """The body of a run."""

    def body(found: Found) -> None:
        renderer = load_renderer(told.bundle)
        assert isinstance(renderer, ModelRenderer)
        renderer.warm_up()
        ears = chosen(renderer.networks)
        found["bars"], found["seeds"], found["judge"], found["ways"] = bars, seeds, ears.name, {}
        latents = place_of(request(bars, "chained", 0), None).latents
        for way in WAYS:
            rows: list[dict[str, float]] = []
            for seed in range(seeds):
                audio = rendered(renderer, request(bars, way, seed))
                rows += compared(audio, edges_of(way, latents), ears)
            few, many = (memory(told.bundle, count, way) for count in (against, bars))
            found["ways"][way] = {
                **summary(rows),
                "peak_mb": {str(against): round(few["peak_mb"]), str(bars): round(many["peak_mb"])},
                "peak_ratio": line.tidy(many["peak_mb"] / few["peak_mb"]),
                "growth_mb": round(many["peak_mb"] - many["warm_mb"]),
            }

    return body


HEADINGS = (
    "way", "edges", "flux at edges, dB over inside", "spectrum step at / inside, dB", "distance at / inside",
    "peak MB", "ratio",
)  # fmt: skip


def show(found: Found) -> None:
    rows = [
        [
            way, str(row["edges"]), f"{row['flux_db']:+.2f}",
            f"{row['spectrum_db']:.2f} / {row['spectrum_inside_db']:.2f}",
            f"{row['distance']:.3f} / {row['distance_inside']:.3f}", " / ".join(map(str, row["peak_mb"].values())),
            f"{row['peak_ratio']:.2f}",
        ]
        for way, row in found["ways"].items()
    ]  # fmt: skip
    line.table(f"{found['bars']} bars at {TEMPO} in one request, {found['seeds']} seeds", HEADINGS, rows)


@click.command(help=line.help_text(__doc__))
@click.option("--bars", type=click.IntRange(12, 256), default=64, show_default=True)
@click.option("--against", type=click.IntRange(1, 256), default=16, show_default=True, help="Bars, for memory.")
@click.option("--seeds", type=click.IntRange(1, 100), default=3, show_default=True, help="Renders of each way.")
@click.option("--remember", type=click.Choice(WAYS), hidden=True)
@line.options()
def main(bars: int, against: int, seeds: int, remember: str | None, **shared: Any) -> None:
    told = line.told(**shared)
    if remember:
        one_render(told.bundle, bars, remember)
        return
    line.run("longform", told, measured(told, bars, against, seeds), show)


if __name__ == "__main__":
    main()
