"""Control: does the sound follow its target, by how much effort? One run, one table (DITTO-2, Table 1).

    python -m benchmarks.control [--clips 20] [--bundle DIR] [--teacher FILE] [--corpus DIR] [--markdown FILE]

Columns: uncontrolled, the trained conditions, the same with the noise searched through one student step (M = 1) and by
the adaptive schedule, and DITTO through the teacher (--teacher: a stage checkpoint; 20 steps, K = 50, fewer clips). All
render the same requests with the same seeds and conditions, decode with --steps steps (the teacher with its 20), and
are scored on their sound before any gain ride. Rows: p50 [p10, p90] over clips.

--corpus: held-out songs and a training split, from which the melody probe and the style judge learn (neither is seen by
any optimiser); without it their rows are left out. Appends one line to results.jsonl.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor

from benchmarks.control_tasks import KINDS, Ears, Scores, Task
from benchmarks.rtf import RESULTS
from bridge.commands import measure
from bridge.commands.bundles import bundle_path
from engine import bundle
from engine.control.optimise import ADAPTIVE, RATE, SINGLE, Budget, Schedule
from engine.control.refine import Refiner
from engine.control.surrogate import Objective
from engine.control.targets import Target
from engine.control.teacher import STEPS, ditto_teacher
from engine.control.wanted import wanted
from engine.models import features as F
from engine.models.codec import LATENTS
from engine.models.denoiser import Denoiser
from engine.models.joint import Joint
from engine.models.load import load_networks
from engine.models.packed import pack
from engine.models.similarity import Own, cosines
from engine.render.condition import Material, Place
from engine.render.generate import ModelRenderer
from engine.render.past import UNSURE
from engine.render.sample import spans
from engine.render.strengths import strengths_of
from engine.types import Audio, BarAudio, Request

COLUMNS = ("uncontrolled", "trained conditions", "+ optimised, M=1", "+ adaptive", "DITTO, teacher")
Windows = Callable[[Request, Place, Material, int], Iterator[Tensor]]


class Bench(ModelRenderer):
    """The renderer with another way to latents in place of its own; no gain ride."""

    windows: Windows | None = None

    def _windows(self, request: Request, place: Place, material: Material, seed: int, *more: Any) -> Iterator[Tensor]:
        if self.windows is None:
            yield from super()._windows(request, place, material, seed, *more)
        else:
            yield from self.windows(request, place, material, seed)

    def sound(self, request: Request, inline: Audio | None, windows: Windows | None = None) -> tuple[Audio, float]:
        """(the new bars [frames, 2], seconds that it took)."""
        heard: list[BarAudio] = []
        self.windows, self.ride, began = windows, False, time.perf_counter()
        self.render(request, inline, heard.append, lambda _: None, lambda: False)
        seconds = time.perf_counter() - began
        return np.concatenate([bar.audio for bar in heard if bar.first_frame >= 0]), seconds

    def targets(self, task: Task, place: Place, material: Material) -> list[Target]:
        """What is optimised of a task: its own target alone."""
        found = wanted(task.asked, place, material, self.networks.listener)
        return [target for target in found if target.name in task.targets]

    def guidance(self, request: Request, place: Place) -> Tensor:
        return strengths_of(request, self.networks.student.config, place.source is not None)[0]

    def searched(self, task: Task, budget: Budget, schedule: Schedule, rate: float) -> Windows:
        def windows(request: Request, place: Place, material: Material, seed: int) -> Iterator[Tensor]:
            refiner = Refiner(self.networks, self.targets(task, place, material), budget, schedule, rate)
            guidance = self.guidance(request, place)
            return refiner.latents(material, place.latents, request.steps, guidance, seed, lambda: False)

        return windows

    def taught(self, task: Task, teacher: Denoiser, iterations: int, rate: float) -> Windows:
        """The baseline: one window, the same targets, noise and conditions, through the teacher."""

        def windows(request: Request, place: Place, material: Material, seed: int) -> Iterator[Tensor]:
            known = material.context[: max(0, len(material.context) - UNSURE)]
            (first, last), *more = spans(place.latents, len(known))
            assert not more, "the baseline takes clips of one window"
            given = material.span(first - len(known), last, known)
            shape = (1, last - first + len(known), LATENTS)
            noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
            past = torch.zeros(1, 0, F.CHANNELS)
            judge = Objective(self.networks.codec, self.targets(task, place, material), len(known), first, past)
            clean, _ = ditto_teacher(
                teacher, given, self.guidance(request, place), judge, noise, iterations, STEPS, rate
            )
            yield clean[0, len(known) :]

        return windows


def load(folder: Path) -> Bench:
    checked = bundle.load(folder)
    networks = load_networks(checked)
    for network in vars(networks).values():
        pack(network)
    return Bench(checked, networks)


def ears_of(bench: Bench, corpus: Path | None, clips: int, out: Path) -> Ears:
    """The bundle's joint space; with a corpus, a probe and a judge that learn from it and are kept in `out`."""
    listener = bench.networks.listener
    own = Own(listener) if isinstance(listener, Joint) else None
    similar = None if own is None else lambda text, audio: float(cosines(own, [text], [audio])[0, 0])
    if corpus is None:
        return Ears(similarity=similar)
    from engine.training import evaluate
    from engine.training.metrics import judging, listening

    learnt = evaluate.bench_of(bench.source.folder, out, max(100, clips), corpus, None)
    judge = judging.ready(learnt)

    def styles(audio: Audio) -> dict[str, float]:
        assert judge is not None
        chances = judge.hear(F.analyse_tensor(torch.from_numpy(np.ascontiguousarray(audio))))[1]
        return dict(zip(judge.styles, map(float, chances), strict=True))

    return Ears(listening.melody_probe(learnt).probe, None if judge is None else styles, similar)


def systems(
    bench: Bench, task: Task, index: int, teacher: Denoiser | None, iterations: int, rate: float, teacher_clips: int
) -> Iterator[tuple[str, Request, Windows | None]]:
    """(column, request, way to latents) of all that render a task."""
    yield COLUMNS[0], task.free, None
    if task.trained:
        yield COLUMNS[1], task.asked, None
    for column, schedule in ((COLUMNS[2], SINGLE), (COLUMNS[3], ADAPTIVE)):
        yield column, task.asked, bench.searched(task, Budget(iterations), schedule, rate)
    if teacher is not None and index < teacher_clips:
        yield COLUMNS[4], task.asked, bench.taught(task, teacher, iterations, rate)


def summary(values: list[float]) -> dict[str, Any]:
    """n, p50, p10 and p90 of the finite values."""
    found = np.array([value for value in values if np.isfinite(value)])
    low, middle, high = (round(float(q), 4) for q in np.quantile(found, (0.1, 0.5, 0.9))) if len(found) else (None,) * 3
    return {"n": len(found), "p50": middle, "p10": low, "p90": high}


def cell(found: dict[str, Any] | None) -> str:
    if found is None or found["p50"] is None:
        return "-"
    return f"{found['p50']:.3g} [{found['p10']:.3g}, {found['p90']:.3g}]"


def markdown(rows: dict[str, dict[str, dict[str, Any]]], about: str) -> str:
    """The table; rows: metric -> column -> summary."""
    used = [column for column in COLUMNS if any(column in row for row in rows.values())]
    lines = [f"| p50 [p10, p90] | {' | '.join(used)} |", "|---" * (len(used) + 1) + "|"]
    for metric, row in rows.items():
        counts = {row[column]["n"] for column in used if column in row}
        lines.append(f"| {metric} | {' | '.join(cell(row.get(column)) for column in used)} |")
        assert counts
    return "\n".join([*lines, "", about, ""])


def measured(
    bench: Bench,
    ears: Ears,
    kinds: list[str],
    clips: int,
    teacher: Denoiser | None,
    iterations: int,
    rate: float,
    steps: int,
    teacher_clips: int,
    say: Callable[[str], None],
) -> dict[str, dict[str, list[float]]]:
    """metric -> column -> a value a clip."""
    import msgspec

    found: dict[str, dict[str, list[float]]] = {}

    def put(metric: str, column: str, value: float) -> None:
        found.setdefault(metric, {}).setdefault(column, []).append(value)

    for kind in kinds:
        for index in range(clips):
            task = KINDS[kind](index)
            told: list[str] = []
            for column, request, windows in systems(bench, task, index, teacher, iterations, rate, teacher_clips):
                request = msgspec.structs.replace(request, steps=steps, refine=None)
                audio, seconds = bench.sound(request, task.inline, windows)
                scores: Scores = task.score(audio, ears)
                for metric, value in scores.items():
                    put(metric, column, value)
                put(f"seconds a clip, {kind}", column, seconds)
                told.append(f"{column} {next(iter(scores.values()), float('nan')):.3g} in {seconds:.1f} s")
            say(f"{kind} {index + 1} of {clips} ({task.name}): {'; '.join(told)}")
    return found


@click.command()
@click.option("--clips", type=click.IntRange(1, 1000), default=20, show_default=True, help="Clips a target.")
@click.option("--bundle", "folder", type=click.Path(path_type=Path))
@click.option("--teacher", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="A stage's checkpoint.")
@click.option("--teacher-clips", type=click.IntRange(1, 1000), default=3, show_default=True)
@click.option("--corpus", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--targets", default=",".join(KINDS), show_default=True, help="Which of them, separated by commas.")
@click.option("--iterations", type=click.IntRange(1, 1000), default=50, show_default=True, help="K.")
@click.option("--rate", type=float, default=RATE, show_default=True, help="Adam's step.")
@click.option("--steps", type=click.IntRange(1, 8), default=4, show_default=True, help="Steps that decode, T.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/control"), help="Where the judges are kept.")
@click.option("--markdown", "page", type=click.Path(path_type=Path), help="Also write the table here.")
@click.option("--json", "as_json", is_flag=True, help="Print the line alone.")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Where the line is appended.")
def main(
    clips: int, folder: Path | None, teacher: Path | None, teacher_clips: int, corpus: Path | None, targets: str,
    iterations: int, rate: float, steps: int, out: Path, page: Path | None, as_json: bool, results: Path,
) -> None:  # fmt: skip
    kinds = [kind.strip() for kind in targets.split(",")]
    if unknown := set(kinds) - KINDS.keys():
        raise click.BadParameter(f"{', '.join(sorted(unknown))}: there are {', '.join(KINDS)}")
    path = bundle_path(folder)
    bench = load(path)
    where = measure.facts(path.name)
    from engine.training.metrics.systems import load_teacher

    taught = None if teacher is None else load_teacher(teacher, bench.networks.student)
    if taught is not None:
        pack(taught)
    ears = ears_of(bench, corpus, clips, out)
    say = (lambda line: None) if as_json else (lambda line: click.echo(line, err=True))
    found = measured(bench, ears, kinds, clips, taught, iterations, rate, steps, teacher_clips, say)
    rows = {metric: {column: summary(values) for column, values in row.items()} for metric, row in found.items()}
    about = (
        f"{path.name}, {clips} clips a target (the teacher {min(teacher_clips, clips)}), K = {iterations}, T = {steps},"
        f" Adam at {rate:g}, {bench.threads} threads, load {where['load'][0]}; before any gain ride."
    )
    settings = {"clips": clips, "iterations": iterations, "steps": steps, "rate": rate, "threads": bench.threads}
    line = {"benchmark": "control", **where, **settings, "rows": rows}
    table = markdown(rows, about)
    click.echo(json.dumps(line) if as_json else table)
    if page is not None:
        page.write_text(table, encoding="utf-8")
    measure.append(results, line)


if __name__ == "__main__":
    main()
