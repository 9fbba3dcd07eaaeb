"""Control: does the sound follow its target, by how much effort? One run, one table (DITTO-2, Table 1).

    python -m benchmarks.control --corpus DIR --teacher FILE [--clips 20] [--out out/control]
    python -m benchmarks.control --report

Columns: uncontrolled, the trained conditions, the same with the noise searched through one student step (M = 1) and by
the adaptive schedule, and DITTO through the teacher (--teacher: a stage checkpoint; 20 steps, K = 50, fewer clips). All
render the same requests with the same seeds and conditions, decode with --steps steps (the teacher with its 20), and
are scored on their sound before any gain ride. Rows: p50 [p10, p90] over clips.

--corpus: held-out songs and a training split, from which the melody probe and the style judge learn (neither is seen by
any optimiser); without it their rows and the distances to real music are left out. Clips and what was found of them are
kept in --out: a run that was stopped goes on, also by two processes with different --columns. The figures go to
benchmarks/control/figures.json, the page that --report makes of them to docs/control.md, one line to results.jsonl.
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

from benchmarks.control import distance, table
from benchmarks.control.page import PAGE, page
from benchmarks.control.rows import Row, Store, key_of
from benchmarks.control.systems import (
    BASELINE,
    COLUMNS,
    FREE,
    OTHER,
    Bench,
    Column,
    Setting,
    Teacher,
    columns_of,
    load,
)  # fmt: skip
from benchmarks.control.tasks import KINDS, Ears, Heard, Task
from benchmarks.line import RESULTS, help_text
from bridge.commands import measure
from bridge.commands.bundles import bundle_path
from engine.models import features as F
from engine.models.joint import Joint
from engine.models.similarity import Own, cosines
from engine.training.metrics import rows as bundles
from engine.types import Audio

DESCRIBED = ("intensity", "melody", "text", "structure")
"""Kinds whose clips are held against real music."""
Say = Callable[[str], None]


def ears_of(bench: Bench, corpus: Path | None, out: Path) -> tuple[Ears, dict[str, Any]]:
    """The bundle's joint space; with a corpus, a probe and a judge that learn from it and are kept in `out`, and
    real music's descriptions."""
    listener = bench.networks.listener
    own = Own(listener) if isinstance(listener, Joint) else None
    similar = None if own is None else lambda text, audio: float(cosines(own, [text], [audio])[0, 0])

    def parts(features: torch.Tensor) -> float:
        assert isinstance(listener, Joint)
        with torch.no_grad():
            return float(listener.listen(features[None]).parts.sigmoid().sum())

    playing = parts if own is not None else None
    if corpus is None:
        return Ears(similarity=similar, parts=playing), {}
    from engine.training import evaluate
    from engine.training.metrics import judging, listening

    learnt = evaluate.bench_of(bench.source.folder, out, evaluate.FULL_CLIPS, corpus, None)
    judge = judging.ready(learnt)

    def hear(audio: Audio) -> tuple[Any, Any]:
        assert judge is not None
        return judge.hear(F.analyse_tensor(torch.from_numpy(np.ascontiguousarray(audio))))

    def styles(audio: Audio) -> dict[str, float]:
        assert judge is not None
        return dict(zip(judge.styles, map(float, hear(audio)[1]), strict=True))

    hidden = None if judge is None else lambda audio: hear(audio)[0]
    ears = Ears(listening.melody_probe(learnt).probe, None if judge is None else styles, similar, playing)
    songs = bundles.digest([[song.path.name, song.path.stat().st_size] for song in learnt.songs])
    heard = bundles.digest([songs, bundles.bundle_key(bench.source)])
    held = distance.real(learnt.songs, hidden, out / f"real-{songs}.safetensors")
    arranged = distance.real_arranging(learnt.songs, playing, out / f"arranging-{heard}.json")
    return ears, {"hear": hidden, "held": held, "arranged": arranged}


class Run:
    """One pass over tasks and columns: what is not in the store is made, scored and kept."""

    def __init__(self, bench: Bench, store: Store, ears: Ears, hear: Any, say: Say) -> None:
        self.bench, self.store, self.ears, self.hear, self.say = bench, store, ears, hear, say

    def task(self, task: Task, index: int, columns: list[Column], again: bool) -> Iterator[Row]:
        """Rows of all columns; again: scores are worked out anew."""
        sounds: dict[str, Audio] = {}
        for column in columns:
            key = key_of(self.bench.source, column)
            fresh = not self.store.has(key)
            row = self._made(key, task, index, column) if fresh else dict(self.store.get(key))
            audio = self.store.audio(key)
            if column.name in (FREE, OTHER):
                sounds[column.name] = audio
            if fresh or again:
                self._scored(row, task, audio, sounds)
            yield row

    def _made(self, key: str, task: Task, index: int, column: Column) -> Row:
        sound = self.bench.sound(column.request, task.inline, column.windows)
        row = {
            "key": key, "kind": task.kind, "index": index, "name": task.name, "column": column.name,
            "seconds": sound.seconds, "cpu_seconds": sound.cpu_seconds, "search": sound.search,
        }  # fmt: skip
        self.store.put({**row, "scores": {}}, sound.audio)
        return row

    def _scored(self, row: Row, task: Task, audio: Audio, sounds: dict[str, Audio]) -> None:
        free = audio if row["column"] == FREE else sounds[FREE]
        row["scores"] = task.score(Heard(audio, free, sounds.get(OTHER)), self.ears)
        if task.kind in DESCRIBED and self.hear is not None:
            row["vectors"] = distance.vectors(audio, self.hear)
        self.store.put(row)
        first = next(iter(row["scores"].values()), float("nan"))
        self.say(f"{task.kind} {row['index']} {row['column']}: {first:.3g} in {row['cpu_seconds']:.2f} s of processor")


def chosen(columns: list[Column], names: list[str]) -> list[Column]:
    """Those named, and the uncontrolled ones that they are held against."""
    return [column for column in columns if column.name in (*names, FREE, OTHER)]


def measured(
    run: Run, kinds: list[str], clips: int, teacher_clips: int, names: list[str], setting: Setting,
    teacher: Teacher | None, again: bool = False, only_stored: bool = False,
) -> list[Row]:  # fmt: skip
    """Rows of all tasks, clip by clip, so that a column's seconds are of the same minutes as the others'."""
    found, began = [], time.perf_counter()
    for index in range(clips):
        for kind in kinds:
            task = KINDS[kind](index)
            guide = teacher if index < teacher_clips else None
            columns = chosen(list(columns_of(run.bench, task, setting, guide)), names)
            if names == [BASELINE] and guide is None:
                continue
            if only_stored:
                columns = [column for column in columns if run.store.has(key_of(run.bench.source, column))]
            found += list(run.task(task, index, columns, again))
        run.say(f"clip {index + 1} of {clips} after {time.perf_counter() - began:.0f} s")
    return found


@click.command(help=help_text(__doc__))
@click.option("--clips", type=click.IntRange(1, 1000), default=20, show_default=True, help="Clips a target.")
@click.option("--bundle", "folder", type=click.Path(path_type=Path))
@click.option("--teacher", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="A stage's checkpoint.")
@click.option("--teacher-clips", type=click.IntRange(1, 1000), default=3, show_default=True)
@click.option("--corpus", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--targets", default=",".join(KINDS), show_default=True, help="Which of them, separated by commas.")
@click.option("--columns", default="; ".join(COLUMNS), help="Which of them, separated by semicolons.")
@click.option("--iterations", type=click.IntRange(1, 1000), default=Setting.iterations, show_default=True, help="K.")
@click.option("--rate", type=float, default=Setting.rate, show_default=True, help="Adam's step.")
@click.option("--taught-rate", type=float, default=Setting.taught_rate, show_default=True, help="The teacher's.")
@click.option("--hold", type=float, default=Setting.hold, show_default=True, help="Weight of level and spectrum.")
@click.option("--steps", type=click.IntRange(1, 8), default=4, show_default=True, help="Steps that decode, T.")
@click.option("--threads", type=click.IntRange(1, 256), default=1, show_default=True, help="torch's.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/control"), help="Where clips are kept.")
@click.option("--again", is_flag=True, help="Score clips that are there anew.")
@click.option("--stored", is_flag=True, help="Make nothing: take what is in --out.")
@click.option("--report", is_flag=True, help="Make docs/control.md from the figures that are there; measure nothing.")
@click.option("--figures", type=click.Path(path_type=Path), default=table.FIGURES, help="Where the figures go.")
@click.option("--page", "shown", type=click.Path(path_type=Path), default=PAGE, help="Where --report writes.")
@click.option("--json", "as_json", is_flag=True, help="Print the line alone.")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Where the line is appended.")
def main(
    clips: int, folder: Path | None, teacher: Path | None, teacher_clips: int, corpus: Path | None, targets: str,
    columns: str, iterations: int, rate: float, taught_rate: float, hold: float, steps: int, threads: int, out: Path,
    again: bool, stored: bool, report: bool, figures: Path, shown: Path, as_json: bool, results: Path,
) -> None:  # fmt: skip
    if report:
        shown.write_text(page(json.loads(figures.read_text(encoding="utf-8"))), encoding="utf-8")
        return
    kinds, names = _named(targets, ",", KINDS), _named(columns, ";", COLUMNS)
    torch.set_num_threads(threads)
    bench = load(bundle_path(folder))
    where = measure.facts(bench.bundle)
    ears, music = ears_of(bench, corpus, out)
    setting = Setting(iterations, steps, rate, hold, taught_rate=taught_rate)
    say = (lambda line: None) if as_json else (lambda line: click.echo(line, err=True))
    run = Run(bench, Store(out), ears, music.get("hear"), say)
    guide = None if teacher is None else Teacher.load(teacher, bench)
    found = measured(run, kinds, clips, teacher_clips, names, setting, guide, again, stored)
    about = {
        "clips": clips, "teacher_clips": teacher_clips if guide else 0, "iterations": iterations, "steps": steps,
        "rate": rate, "taught_rate": taught_rate, "hold": hold, "threads": threads,
    }  # fmt: skip
    values = table.values(found)
    line = {"benchmark": "control", **where, **about, "rows": table.rows(values)}
    line["held_out"] = {name: table.summary(one) for name, one in music.get("arranged", {}).items()}
    line["distances"] = table.distances(found, music.get("held"))
    figures.write_text(table.compact({**line, "values": values}), encoding="utf-8")
    click.echo(json.dumps(line) if as_json else table.table(line))
    measure.append(results, line)


def _named(text: str, mark: str, known: Any) -> list[str]:
    """The names in an option's value. Raises BadParameter for one that is not known."""
    names = [name.strip() for name in text.split(mark)]
    if unknown := set(names) - set(known):
        raise click.BadParameter(f"{', '.join(sorted(unknown))}: there are {'; '.join(known)}")
    return names


if __name__ == "__main__":
    main()
