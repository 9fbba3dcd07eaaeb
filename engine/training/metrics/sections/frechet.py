"""Student at few steps against teacher at many: Frechet distance to held-out clips, and seconds a clip."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.diffusion.consistency import consistency, sample, sampling_times
from engine.diffusion.flow import euler, guided_velocity, time_grid
from engine.models import conditions as K
from engine.models.codec import LATENT_HOP, LATENTS, PATCH
from engine.models.denoiser import Conditions, Denoiser
from engine.models.prompt import sentence_encoder
from engine.render.generate import DEFAULT_GUIDANCE
from engine.training.metrics import frechet, voices
from engine.training.metrics.bench import FIRST_SEED, Bench, Song
from engine.training.metrics.table import Table
from engine.training.windows import PRESENT_SHARE
from engine.types import PART_NAMES

WINDOW = 63
BATCH = 16
STUDENT_STEPS = (1, 2, 4)
TEACHER_STEPS = (4, 50)
RESAMPLES = 400
Array = frechet.Array


@dataclass(frozen=True)
class Clip:
    """A window of a held-out song: latents first to first + 63 of the song's own grid."""

    song: Song
    first: int


def windows_of(songs: list[Song], count: int) -> tuple[list[Clip], list[Clip]]:
    """(conditions' clips, reference clips), `count` each: from the two halves of every song, swapped every second."""
    each = -(-count // len(songs))
    asked: list[Clip] = []
    reference: list[Clip] = []
    for index, song in enumerate(songs):
        total = song.facts["frames"] // LATENT_HOP
        assert total >= 2 * WINDOW, "a held-out song is shorter than two windows"
        early = np.linspace(0, total // 2 - WINDOW, each).astype(int)
        late = np.linspace(total // 2, total - WINDOW, each).astype(int)
        first, second = (early, late) if index % 2 else (late, early)
        asked += [Clip(song, int(start)) for start in first]
        reference += [Clip(song, int(start)) for start in second]
    keep = np.linspace(0, len(asked) - 1, count).round().astype(int)
    return [asked[i] for i in keep], [reference[i] for i in keep]


def condition(clip: Clip, prompt: np.ndarray) -> tuple[Tensor, Tensor]:
    """(frames [63, 8, FRAME_FEATURES], globals): prompt, beat, intensity, tempo and parts; no melody, no context."""
    song, span = clip.song, slice(clip.first * PATCH, (clip.first + WINDOW) * PATCH)
    given = K.FrameTargets(
        beat_phase=song.array("beat_phase")[span].astype(np.float32),
        bar_phase=song.array("bar_phase")[span].astype(np.float32),
        intensity_db=song.array("intensity")[span].astype(np.float32),
    )
    share = song.array("presence")[span].mean(axis=0)
    parts = tuple(part for part, on in zip(PART_NAMES, share, strict=True) if on > PRESENT_SHARE)
    overall = K.global_features(len(prompt), prompt, parts, None, float(song.tempo))
    return K.pack_frames(K.frame_features(given, WINDOW * PATCH)), torch.from_numpy(overall)


@torch.no_grad()
def conditions(bench: Bench, clips: list[Clip]) -> list[Conditions]:
    """Batches of up to 16 clips; each clip takes one of its song's captions in turn."""
    texts = [clip.song.facts["captions"][i % len(clip.song.facts["captions"])] for i, clip in enumerate(clips)]
    found = []
    for first in range(0, len(clips), BATCH):
        part = slice(first, first + BATCH)
        prompts = bench.renderer.networks.prompt(sentence_encoder().embed(texts[part])).numpy().astype(np.float32)
        rows = [condition(clip, prompt) for clip, prompt in zip(clips[part], prompts, strict=True)]
        frames, overall = (torch.stack(column) for column in zip(*rows, strict=True))
        blank, mask = torch.zeros(len(rows), WINDOW, LATENTS), torch.zeros(len(rows), WINDOW, 1)
        found.append(Conditions(blank, mask, blank, mask, frames, overall))
    return found


def noise(first: int, count: int) -> Callable[[], Tensor]:
    """Draws [count, 63, 64]; clip i has its own generator, so that all systems start from the same noise."""
    generators = [torch.Generator().manual_seed(FIRST_SEED + first + i) for i in range(count)]
    return lambda: torch.stack([torch.randn(WINDOW, LATENTS, generator=g) for g in generators])


@torch.no_grad()
def by_student(model: Denoiser, steps: int, given: Conditions, draw: Callable[[], Tensor]) -> Tensor:
    """Consistency sampling in fp32, as it is served."""
    scale = torch.full((len(given.frames),), DEFAULT_GUIDANCE)
    return sample(lambda z, t: consistency(model, z, t, scale, given), draw, sampling_times(steps))


@torch.no_grad()
def by_teacher(model: Denoiser, steps: int, given: Conditions, draw: Callable[[], Tensor]) -> Tensor:
    """Guided Euler steps, two passes each, under bf16 autocast."""
    scale = torch.full((len(given.frames),), DEFAULT_GUIDANCE)
    with torch.autocast("cpu", torch.bfloat16):
        return euler(guided_velocity(model, given, scale), draw(), time_grid(steps)).float()


def load_teacher(path: Path, student: Denoiser) -> Denoiser:
    """The averaged weights of a training stage's checkpoint, in the student's shape."""
    from safetensors.torch import load_file

    mark = "average."
    state = {name.removeprefix(mark): value for name, value in load_file(str(path)).items() if name.startswith(mark)}
    model = Denoiser(student.config)
    model.load_state_dict(state)
    return model.eval().requires_grad_(False)


def steps_name(kind: str, steps: int) -> str:
    return f"{kind}, {steps} step{'s' if steps > 1 else ''}"


def systems(bench: Bench) -> dict[str, Callable[[Conditions, Callable[[], Tensor]], Tensor]]:
    student = bench.renderer.networks.student
    found: dict[str, Any] = {steps_name("student", n): partial(by_student, student, n) for n in STUDENT_STEPS}
    if bench.teacher is not None:
        teacher = load_teacher(bench.teacher, student)
        found |= {steps_name("teacher", n): partial(by_teacher, teacher, n) for n in TEACHER_STEPS}
    return found


def measure(bench: Bench) -> dict[str, Any]:
    asked, reference = windows_of(bench.songs, max(8, bench.clips))
    batches = conditions(bench, asked)
    workers = voices.count()
    rows: dict[str, Array] = {}
    seconds: dict[str, dict[str, float]] = {}
    with ProcessPoolExecutor(workers, get_context("spawn"), voices.start, (bench.renderer.source.folder,)) as pool:
        tell = partial(bench.track, total=len(batches))
        real = _all(tell(pool.map(voices.describe, _cut(reference)), "frechet: reference"))
        rows["real vs real"] = _all(tell(pool.map(voices.describe, _cut(asked)), "frechet: real"))
        coded = pool.map(voices.describe_coded, _cut(asked))
        rows["real through codec and vocoder"] = _all(tell(coded, "frechet: coded"))
        for name, system in systems(bench).items():
            made, sampling = [], 0.0
            for index, given in enumerate(bench.track(batches, f"frechet: {name}")):
                draw, started = noise(index * BATCH, len(given.frames)), time.perf_counter()
                made.append(system(given, draw).numpy())
                sampling += time.perf_counter() - started
            started = time.perf_counter()
            rows[name] = _all(tell(pool.map(voices.describe_latents, made), "frechet: decode"))
            decoding = time.perf_counter() - started
            seconds[name] = {"sample": round(sampling / len(asked), 4), "decode": round(decoding / len(asked), 4)}
    baseline = "teacher, 50 steps" if bench.teacher is not None else "student, 4 steps"
    projection = frechet.Projection.fit(real)
    projected = {name: projection(values) for name, values in rows.items()}
    order = {str(clip.song.path): i for i, clip in enumerate(asked)}
    groups = np.array([order[str(clip.song.path)] for clip in asked])
    compared = frechet.compare(projected, projection(real), groups, baseline, RESAMPLES, 0)
    return {
        "rows": {name: {**entry, **({"seconds": seconds[name]} if name in seconds else {})}
                 for name, entry in compared.items()},
        "clips": len(asked), "songs": len(set(groups.tolist())), "dimensions": int(projection.basis.shape[1]),
        "seconds_a_clip": WINDOW * LATENT_HOP / 48_000, "batch": BATCH, "threads": torch.get_num_threads(),
        "guidance": DEFAULT_GUIDANCE, "baseline": baseline, "decoders": workers,
    }  # fmt: skip


def _cut(clips: list[Clip]) -> list[list[tuple[Path, int, int]]]:
    """Batches of (file, first, last sample), light enough to send to the workers."""
    places = [(c.song.path, c.first * LATENT_HOP, (c.first + WINDOW) * LATENT_HOP) for c in clips]
    return [places[first : first + BATCH] for first in range(0, len(places), BATCH)]


def _all(parts: Any) -> Array:
    return np.concatenate(list(parts))


def table(results: dict[str, Any]) -> Table:
    base = results["baseline"]
    rows = []
    for name, r in results["rows"].items():
        low, high = r["interval"]
        excess_low, excess_high = r[f"minus {base} interval"]
        excess = f"{r[f'minus {base}']:+.2f} [{excess_low:+.2f}, {excess_high:+.2f}]"
        spent = r.get("seconds")
        times = [f"{spent['sample']:.3f}", f"{spent['decode']:.3f}"] if spent else ["-", "-"]
        rows.append([name, f"{r['distance']:.2f} [{low:.2f}, {high:.2f}]", excess if name != base else "-", *times])
    remarks = [
        f"{results['clips']} clips of {results['seconds_a_clip']:.1f} s a row, conditions from {results['songs']}"
        " held-out songs (prompt, beat, intensity, tempo, parts; no context, no melody), the same noise for all"
        f" systems; guidance {results['guidance']}.",
        "Reference: as many clips from the other halves of the same songs. Embedding: MFCC, delta, chroma and contrast"
        f" statistics, standardised, {results['dimensions']} principal directions fitted on the reference.",
        "Intervals: basic bootstrap over songs, paired. Seconds a clip: sampling in batches of"
        f" {results['batch']} on {results['threads']} threads (teacher: Euler, bf16; student: fp32); decoding"
        f" (with the embedding) by {results['decoders']} processes.",
    ]
    if base.startswith("student"):
        remarks.append("No teacher checkpoint was given: the teacher's rows are left out (--teacher).")
    header = ["", "Frechet distance", f"minus {base}", "sampling, s a clip", "decoding, s a clip"]
    return Table("Few steps against many", header, rows, remarks)
