"""Score a bundle: codec, beats, controls, belonging, sanity, student against teacher.

Results are kept section by section in OUT/results.json, so that an interrupted evaluation goes on
where it stopped; OUT/results.md has the tables, OUT/*.png the pictures. Without a corpus a small one
is composed and rendered from a seed that no training uses.
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
from engine.render.generate import ModelRenderer
from engine.render.load import load_renderer
from engine.training import data
from engine.training.metrics import plots
from engine.training.metrics.bench import Bench, Song
from engine.training.metrics.sections import (
    bass,
    beat,
    belonging,
    control,
    frechet,
    keys,
    sanity,
    seams,
    texture,
    timing,
)
from engine.training.metrics.sections import codec as coding
from engine.training.metrics.table import Table

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
    "frechet": Section(frechet.measure, frechet.table),
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


def save(record: dict[str, Any], out: Path) -> None:
    """Write results.json and results.md, each whole or not at all."""
    text = codec.dumps(record, indent=1, allow_nan=False) + "\n"
    for name, content in (("results.json", text), ("results.md", markdown(record))):
        part = out / f"{name}.part"
        part.write_text(content)
        part.replace(out / name)


def markdown(record: dict[str, Any]) -> str:
    """All tables, in the order of SECTIONS."""
    about = record["about"]
    lines = [f"# {about['bundle']}: evaluation", "", f"{about['songs']} held-out songs, {about['clips']} clips.", ""]
    for name, section in SECTIONS.items():
        if name in record["sections"]:
            found = record["sections"][name]
            lines += [section.table(found).markdown(), f"({found['seconds']:.0f} s on {found['threads']} threads)", ""]
    return "\n".join(lines)


def bench_of(bundle: Path, out: Path, clips: int, corpus: Path | None, teacher: Path | None) -> Bench:
    """Load the bundle and find the songs."""
    console = Console(stderr=True)
    renderer = load_renderer(bundle)
    assert isinstance(renderer, ModelRenderer)
    if teacher is not None and not teacher.is_file():
        raise BadRequest(f"there is no teacher checkpoint {teacher}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise BadRequest(f"{out} is a file; give a folder for the results") from None
    return Bench(renderer, held_out_songs(corpus, out, clips, console), clips, out, console, teacher)


def run(
    bundle: Path,
    out: Path,
    clips: int = FULL_CLIPS,
    json: bool = False,
    corpus: Path | None = None,
    teacher: Path | None = None,
    only: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Evaluate `bundle` into `out`; returns the record that results.json holds.

    clips: 400 is the full size, fewer scale every section down. corpus: its test split is used.
    teacher: a stage checkpoint for the comparison with the student. only: sections to run, even when
    they are there already; else those that OUT lacks. Prints the tables, or with `json` the record.
    """
    if unknown := [name for name in only if name not in SECTIONS]:
        raise BadRequest(f"there is no section {', '.join(unknown)}; sections are {', '.join(SECTIONS)}")
    bench = bench_of(bundle, out, clips, corpus, teacher)
    digest = bench.renderer.source.manifest["files"]["student.safetensors"]
    about = {"bundle": bench.renderer.bundle, "student": digest, "clips": clips, "songs": len(bench.songs)}
    record = stored(out / "results.json", about)
    for name in only or tuple(name for name in SECTIONS if name not in record["sections"]):
        started = time.perf_counter()
        results = finite(SECTIONS[name].measure(bench))
        spent = {"seconds": round(time.perf_counter() - started, 1), "threads": torch.get_num_threads()}
        record = stored(out / "results.json", about)  # anew, as another section may have run beside this one
        record["sections"][name] = {**results, **spent}
        plots.draw(name, results, out)
        save(record, out)
    print(codec.dumps(record, allow_nan=False) if json else markdown(record))
    return record
