"""Build the corpus: compose, render, annotate and store songs in parallel, resumable.

Each song is one `DIR/<split>/<index>.safetensors`, a pure function of (seed, index, styles).
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import click
import numpy as np

from engine.errors import AttaccaError
from engine.training.corpus import outside
from engine.training.corpus.compose import COMPOSER, VERSIONS
from engine.training.corpus.sample import SongJob, render_job
from engine.training.corpus.soundfonts import find_soundfonts
from engine.training.corpus.styletable import STYLE_NAMES

EXCERPT_SECONDS = 46.0
SPLITS = ("train", "valid", "test")
_CYCLE = 33
_TEST_SLOTS = frozenset({3, 19})
_VALID_SLOT = 11
# Workers run one thread each, and keep freed memory: songs are made of 20 MB arrays, and giving each
# back to the system costs a fifth of the time in page faults (glibc's mallopt, through its environment).
_WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "2147483648", "MALLOC_TOP_PAD_": "67108864",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Done:
    seconds: float
    failure: str | None


def split_of(index: int, styles: int) -> str:
    """train, valid or test of a song: of each style's 33 songs in a row 2 are test, 1 valid."""
    slot = (index // styles + 7 * (index % styles)) % _CYCLE
    if slot in _TEST_SLOTS:
        return "test"
    return "valid" if slot == _VALID_SLOT else "train"


def jobs(
    out: Path,
    hours: float,
    seed: int,
    styles: tuple[str, ...],
    first: int = 0,
    synths: tuple[str, ...] = (),
    composer: int = COMPOSER,
) -> list[SongJob]:
    """The songs of a corpus of about `hours`, styles in round robin, indices from `first` on."""
    count = max(1, round(hours * 3600.0 / EXCERPT_SECONDS))
    return [
        SongJob(
            index=index,
            seed=int(np.random.SeedSequence([seed, index]).generate_state(1)[0]),
            style=styles[index % len(styles)],
            path=out / (split := split_of(index, len(styles))) / f"{index:06d}.safetensors",
            split=split,
            synths=synths,
            composer=composer,
        )
        for index in range(first, first + count)
    ]


def build(
    out: Path,
    hours: float,
    workers: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
    styles: tuple[str, ...] | None = None,
    first: int = 0,
    synths: tuple[str, ...] = (),
    composer: int = COMPOSER,
) -> dict[str, Any]:
    """Render about `hours` of music into out/<split>/. Songs that are there are kept.

    `first` is the index of the first song: a second batch, with a seed of its own, goes beside the
    first one under other numbers (a file that is there is kept, whatever seed made it).
    synths: synthesisers besides our own that may play (`outside.SYNTHS`); without them songs are what they were.
    composer: the version that writes (`compose.VERSIONS`).
    `progress(done, total)` is called after each song. Returns songs, seconds, wall_seconds,
    failures (index -> message). Raises Unavailable when there is no SoundFont or a synth is missing.
    """

    find_soundfonts()
    outside.require(synths)
    wanted = jobs(out, hours, seed, styles or STYLE_NAMES, first, synths, composer)
    for split in SPLITS:
        (out / split).mkdir(parents=True, exist_ok=True)
    missing = [job for job in wanted if not job.path.exists()]
    done, seconds, failures = len(wanted) - len(missing), 0.0, {}
    started = time.monotonic()
    for job, result in _rendered(missing, workers):
        done += 1
        seconds += result.seconds
        if result.failure is not None:
            failures[job.index] = result.failure
        if progress is not None:
            progress(done, len(wanted))
    return {
        "songs": len(wanted) - len(failures),
        "rendered_seconds": seconds,
        "wall_seconds": time.monotonic() - started,
        "failures": failures,
    }


def _start_worker() -> None:
    """In each worker: one thread, and Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(1)


def _work(job: SongJob) -> _Done:
    try:
        return _Done(render_job(job), None)
    except Exception as broken:  # a song that cannot be made must not stop the other 700
        return _Done(0.0, f"{job.style}: {type(broken).__name__}: {broken}")


def _rendered(missing: list[SongJob], workers: int) -> Iterator[tuple[SongJob, _Done]]:
    """Results as they come; only a few songs are queued, so that stopping is quick."""
    before = dict(os.environ)
    os.environ.update(_WORKER_ENVIRONMENT)  # spawned workers inherit it; restored below
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_start_worker)
    queued: dict[Future[_Done], SongJob] = {}
    waiting = iter(missing)
    try:
        while True:
            while len(queued) < workers + 2 and (job := next(waiting, None)) is not None:
                queued[pool.submit(_work, job)] = job
            if not queued:
                return
            for future in wait(queued, return_when=FIRST_COMPLETED).done:
                yield queued.pop(future), future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        for name in _WORKER_ENVIRONMENT:
            os.environ.pop(name)
            os.environ.update({name: before[name]} if name in before else {})


@click.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--hours", default=10.0, show_default=True, type=click.FloatRange(0.001, 1000.0))
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 256))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0))
@click.option("--first", default=0, show_default=True, type=click.IntRange(0, 999_999), help="Index of the first song.")
@click.option("--style", "styles", multiple=True, help="Only these styles (repeatable).")
@click.option("--composer", default=str(COMPOSER), show_default=True, type=click.Choice([str(v) for v in VERSIONS]))
@click.option("--synths", default="", help="Let these play electronic parts too: csound,amsynth.")
def main(
    out: Path, hours: float, workers: int, seed: int, first: int, styles: tuple[str, ...], composer: str, synths: str
) -> None:
    """Compose and render a corpus into OUT. Run again to go on where it stopped."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("[bold]songs", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns) as bar:
            task = bar.add_task("songs", total=None)
            report = build(
                out, hours, workers, seed,
                lambda done, total: bar.update(task, completed=done, total=total), styles or None, first,
                outside.asked(synths), int(composer),
            )  # fmt: skip
    except AttaccaError as refused:
        raise click.ClickException(str(refused)) from refused
    except KeyboardInterrupt:
        raise SystemExit("Stopped; run the same command again to go on.") from None
    click.echo(json.dumps(report))


if __name__ == "__main__":
    main()
