"""Score a bundle: codec, beats, controls, belonging, sanity, prompts, novelty, and all systems side by side.

Results are kept section by section in OUT/results.json, so that an interrupted evaluation goes on
where it stopped (rows that cost much in OUT/cache); OUT/results.md has the tables, OUT/*.png the pictures,
OUT/report.html all of it and clips to be heard. Without a corpus a small one is composed and rendered from
a seed that no training uses; the sections that need its training split are then left out.
"""

from __future__ import annotations

import json as codec
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console

from engine.errors import BadRequest
from engine.models.joint import Joint
from engine.render.generate import ModelRenderer
from engine.render.load import load_renderer
from engine.training import data
from engine.training.metrics import plots, report, verdicts
from engine.training.metrics.bench import Bench, Song
from engine.training.metrics.rows import digest, file_key, sound_key
from engine.training.metrics.sections import (
    bass,
    beat,
    belonging,
    comparison,
    control,
    judge,
    keys,
    novelty,
    sanity,
    seams,
    solvers,
    text,
    texture,
    timing,
)
from engine.training.metrics.sections import codec as coding
from engine.training.metrics.table import Table, beside
from engine.whole import whole

HELD_OUT_SEED = 770_411_906
HELD_OUT_SONGS = 44
SONG_SECONDS = 46.0
FULL_CLIPS = 400


class Section(NamedTuple):
    measure: Callable[[Bench], dict[str, Any]]
    table: Callable[[dict[str, Any]], Table]


SECTIONS = {
    "codec": Section(coding.measure, coding.table),
    "beat": Section(beat.measure, beat.table),
    "timing": Section(timing.measure, timing.table),
    "control": Section(control.measure, control.table),
    "keys": Section(keys.measure, keys.table),
    "bass": Section(bass.measure, bass.table),
    "texture": Section(texture.measure, texture.table),
    "seams": Section(seams.measure, seams.table),
    "belonging": Section(belonging.measure, belonging.table),
    "sanity": Section(sanity.measure, sanity.table),
    "judge": Section(judge.measure, judge.table),
    "comparison": Section(comparison.measure, comparison.table),
    "solvers": Section(solvers.measure, solvers.table),
    "text": Section(text.measure, text.table),
    "novelty": Section(novelty.measure, novelty.table),
}


def held_out_songs(corpus: Path | None, out: Path, clips: int, console: Console) -> list[Song]:
    """The test split of `corpus`; or all songs of a small corpus of our own, rendered at first use."""
    if corpus is not None:
        files = data.song_files(corpus, "test")
        if len(files) < 2:
            raise BadRequest(f"{corpus / 'test'} holds {len(files)} songs; at least 2 are needed")
        return [Song(path) for path in files]
    folder = out / "held-out"
    count = max(4, min(HELD_OUT_SONGS, math.ceil(HELD_OUT_SONGS * clips / FULL_CLIPS)))
    console.print(
        f"No corpus was given: {count} held-out songs are composed and rendered into {folder}, from the seed"
        f" {HELD_OUT_SEED}, which no training uses (the composer is the training corpus' own)."
    )
    render_held_out(folder, count, console)
    return [Song(path) for path in sorted(folder.glob("*/*.safetensors"))[:count]]


def render_held_out(folder: Path, count: int, console: Console) -> None:
    """Songs that are there are kept."""
    from rich.progress import Progress

    from engine.training.corpus.build import build

    with Progress(console=console) as bar:
        task = bar.add_task("held-out songs", total=count)
        workers = max(1, os.cpu_count() or 1)
        build(
            folder, count * SONG_SECONDS / 3600.0, workers, HELD_OUT_SEED,
            lambda done, total: bar.update(task, completed=done, total=total),
        )  # fmt: skip


def stored(path: Path, about: dict[str, Any]) -> dict[str, Any]:
    """What an earlier run with the same `about` left, else an empty record."""
    fresh = {"about": about, "sections": {}}
    if not path.is_file():
        return fresh
    try:
        found: dict[str, Any] = codec.loads(path.read_text())
    except ValueError:
        return fresh
    return found if found.get("about") == about else fresh


def finite(value: Any) -> Any:
    """The same with None for numbers that are not finite, which JSON has no word for."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write(path: Path, content: str) -> None:
    """Whole or not at all."""
    with whole(path) as part:
        part.write_text(content)


def save(record: dict[str, Any], out: Path) -> None:
    """Write results.json and results.md."""
    write(out / "results.json", codec.dumps(record, indent=1, allow_nan=False) + "\n")
    write(out / "results.md", markdown([record]))


def tables(records: list[dict[str, Any]]) -> dict[str, Table]:
    """All tables in the order of SECTIONS, those of several bundles side by side."""
    found = {}
    heads = {r["about"]["label"]: head for r in records if (head := verdicts.table(r)) is not None}
    if heads:
        found["figures"] = beside(heads) if len(heads) > 1 else next(iter(heads.values()))
    for name, section in SECTIONS.items():
        own = {r["about"]["label"]: section.table(r["sections"][name]) for r in records if name in r["sections"]}
        if own:
            found[name] = beside(own) if len(records) > 1 else next(iter(own.values()))
    return found


def markdown(records: list[dict[str, Any]]) -> str:
    """All tables as text."""
    about = records[0]["about"]
    title = " against ".join(record["about"]["label"] for record in records)
    lines = [f"# {title}: evaluation", "", f"{about['songs']} held-out songs, {about['clips']} clips.", ""]
    for name, table in tables(records).items():
        spent = [record["sections"][name] for record in records if name in record["sections"]]
        times = ", ".join(f"{found['seconds']:.0f} s on {found['threads']} threads" for found in spent)
        lines += [table.markdown(), *([f"({times})", ""] if times else [])]
    total = sum(found["seconds"] for record in records for found in record["sections"].values())
    return "\n".join([*lines, f"{total / 60:.1f} minutes in all.", ""])


def bench_of(
    bundle: Path, out: Path, clips: int, corpus: Path | None, teacher: Path | None, shared: Path | None = None,
    runtime: str = "torch",
) -> Bench:  # fmt: skip
    """Load the bundle and find the songs; `shared`: the folder of the evaluation that this one stands beside."""
    console = Console(stderr=True)
    renderer = load_renderer(bundle, runtime=runtime)
    assert isinstance(renderer, ModelRenderer)
    if teacher is not None and not teacher.is_file():
        raise BadRequest(f"there is no teacher checkpoint {teacher}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise BadRequest(f"{out} is a file; give a folder for the results") from None
    songs = held_out_songs(corpus, shared or out, clips, console)
    return Bench(renderer, songs, clips, out, console, teacher, corpus, cache=(shared or out) / "cache")


def joint_space(bench: Bench) -> Path | None:
    """The bundle's folder if it places text and sound in one space."""
    return bench.renderer.source.folder if isinstance(bench.renderer.networks.listener, Joint) else None


def about_of(bench: Bench, label: str) -> dict[str, Any]:
    """What results depend on: all modules of the bundle, the teacher, the songs and the size."""
    songs = [[song.path.name, song.path.stat().st_size] for song in bench.songs]
    return {
        "bundle": bench.renderer.bundle, "label": label, "modules": sound_key(bench), "runtime": bench.renderer.runtime,
        "teacher": file_key(bench.teacher), "ears": file_key(bench.ears and bench.ears / "listener.safetensors"),
        "corpus": digest(songs), "clips": bench.clips, "songs": len(bench.songs),
    }  # fmt: skip


def measured(bench: Bench, label: str, only: tuple[str, ...]) -> dict[str, Any]:
    """The record of a bundle, with the sections that were missing or asked for measured."""
    about = about_of(bench, label)
    record = stored(bench.out / "results.json", about)
    for name in only or tuple(name for name in SECTIONS if name not in record["sections"]):
        started = time.perf_counter()
        results = finite(SECTIONS[name].measure(bench))
        spent = {"seconds": round(time.perf_counter() - started, 1), "threads": torch.get_num_threads()}
        record = stored(bench.out / "results.json", about)  # anew, as another section may have run beside this one
        record["sections"][name] = {**results, **spent}
        plots.draw(name, results, bench.out)
        save(record, bench.out)
    return record


def run(
    bundle: Path,
    out: Path,
    clips: int = FULL_CLIPS,
    json: bool = False,
    corpus: Path | None = None,
    teacher: Path | None = None,
    only: tuple[str, ...] = (),
    against: Path | None = None,
    against_teacher: Path | None = None,
    runtime: str = "torch",
) -> dict[str, Any]:
    """Evaluate `bundle` into `out`; returns the record that results.json holds.

    clips: 400 is the full size, fewer scale every section down. corpus: its test split is used, and its training
    split by the style judge. teacher: a stage checkpoint for the comparison with the student. only: sections to
    run, even when they are there already; else those that OUT lacks. against: another bundle, evaluated
    on the same clips into OUT/against and shown beside.
    runtime: what runs the networks of `bundle`. Prints the tables, or with `json` the records.
    """
    if unknown := [name for name in only if name not in SECTIONS]:
        raise BadRequest(f"there is no section {', '.join(unknown)}; sections are {', '.join(SECTIONS)}")
    bench = bench_of(bundle, out, clips, corpus, teacher, runtime=runtime)
    bench.ears = joint_space(bench)
    benches = {bench.renderer.bundle: bench}
    if against is not None:
        other = bench_of(against, out / "against", clips, corpus, against_teacher, out)
        bench.ears = other.ears = bench.ears or joint_space(other)
        name = other.renderer.bundle
        benches[name if name not in benches else f"{name} ({against})"] = other
    records = [measured(one, label, only) for label, one in benches.items()]
    write(out / "results.md", markdown(records))
    pages = [report.Page(one.out, record) for one, record in zip(benches.values(), records, strict=True)]
    given = {"corpus": corpus, "teacher": teacher, "against": against}
    told = "".join(f" --{name} {value}" for name, value in given.items() if value is not None)
    command = f"attacca evaluate {bundle} --clips {clips}{told}"
    write(out / "report.html", report.build(pages, tables(records), [command]))
    print(codec.dumps(records[0] if against is None else records, allow_nan=False) if json else markdown(records))
    return records[0]
