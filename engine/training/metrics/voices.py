"""Worker processes that make, decode and describe clips, one thread each.

A described clip is a row in each of these arrays: timbre [118] (`embed`), loudness [1] in LUFS; where there is a judge,
embedding [128] and logp [styles]; where a bundle has a joint space of text and sound, joint [128]; audio int16
[frames, 2] for the few clips that are kept to be heard.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from engine.models import features as F
from engine.models.denoiser import Conditions, Denoiser
from engine.models.joint import Joint
from engine.render.generate import ModelRenderer
from engine.render.load import load_renderer
from engine.training.metrics import composer, judge, systems
from engine.training.metrics.bench import FIRST_SEED, Bench
from engine.training.metrics.clips import SAMPLES, Place
from engine.training.metrics.embed import clip_vector
from engine.types import Audio, Request

Rows = dict[str, NDArray[np.float32]]
SILENT_LUFS = -70.0


@dataclass
class _Worker:
    """What each process loads once."""

    bench: Bench
    judge: judge.Judge | None
    teacher: Denoiser | None
    ears: Joint | None


_worker: list[_Worker] = []


def count() -> int:
    """One worker a core, at most eight."""
    return max(1, min(8, os.cpu_count() or 1))


def joint_of(folder: Path | None) -> Joint | None:
    """The joint space of a bundle, None where it has none."""
    if folder is None:
        return None
    renderer = load_renderer(folder)
    assert isinstance(renderer, ModelRenderer)
    ears = renderer.networks.listener
    return ears if isinstance(ears, Joint) else None


def start(folder: Path, runtime: str, verdict: Path | None, teacher: Path | None, ears: Path | None) -> None:
    """In each worker: load the bundle and what else is there."""
    torch.set_num_threads(1)
    renderer = load_renderer(folder, runtime=runtime)
    assert isinstance(renderer, ModelRenderer)
    bench = Bench(renderer, [], 0, folder, Console(quiet=True))
    guide = systems.load_teacher(teacher, renderer.networks.student) if teacher is not None else None
    _worker[:] = [_Worker(bench, judge.load(verdict) if verdict is not None else None, guide, joint_of(ears))]


@contextmanager
def crew(bench: Bench) -> Iterator[ProcessPoolExecutor]:
    """Workers for the bench's bundle, judge and teacher; none is started before the first task."""
    given = (bench.renderer.source.folder, bench.renderer.runtime, bench.judge, bench.teacher, bench.ears)
    with ProcessPoolExecutor(count(), get_context("spawn"), start, given) as pool:
        yield pool


def joined(parts: list[Rows]) -> Rows:
    """Rows of several batches as one."""
    names = {name for part in parts for name in part}
    return {name: np.concatenate([part[name] for part in parts if name in part]) for name in sorted(names)}


def read(place: Place) -> Audio:
    """Samples of a song's mix, float32 [frames, 2]."""
    from safetensors import safe_open

    path, first, last = place
    with safe_open(str(path), "numpy") as file:
        return np.asarray(file.get_slice("audio")[first:last], np.float32) / np.float32(32768.0)


def loudness(audio: Audio) -> float:
    """Integrated loudness in LUFS of audio [frames, 2], no less than -70."""
    from engine.training.corpus.levels import loudness_lufs

    return max(SILENT_LUFS, float(loudness_lufs(np.ascontiguousarray(audio.T))))


def heard(audio: Audio) -> Rows:
    """The description of one clip, as arrays of one row."""
    found: dict[str, NDArray[Any]] = {"timbre": clip_vector(audio), "loudness": np.array([loudness(audio)])}
    worker = _worker[0]
    if worker.judge is None and worker.ears is None:
        return _one(found)
    features = F.analyse_tensor(torch.from_numpy(np.ascontiguousarray(audio)))
    if worker.judge is not None:
        found["embedding"], found["logp"] = worker.judge.hear(features)
    if worker.ears is not None:
        with torch.no_grad():
            found["joint"] = worker.ears.listen(features[None]).embedding[0].numpy()
    return _one(found)


def _one(found: dict[str, NDArray[Any]]) -> Rows:
    """A clip's description as arrays of one row."""
    return {name: np.asarray(value, np.float32)[None] for name, value in found.items()}


def _kept(audio: Audio) -> NDArray[np.int16]:
    return np.round(np.clip(audio, -1, 1) * 32767.0).astype(np.int16)[None]


def _described(clips: list[Audio], keep: bool) -> Rows:
    """Rows of all clips; the first one's sound too where `keep` says so."""
    rows = joined([heard(audio) for audio in clips])
    if keep:
        rows["audio"] = _kept(clips[0])  # type: ignore[assignment]
    return rows


def describe(places: list[Place], keep: bool = False) -> Rows:
    """Stored sound."""
    return _described([read(place) for place in places], keep)


def describe_repeated(places: list[Place], keep: bool = False) -> Rows:
    """Stored sound, each stretch repeated until it fills a clip."""
    return _described([np.resize(read(place), (SAMPLES, 2)) for place in places], keep)


def describe_coded(places: list[Place], keep: bool = False) -> Rows:
    """Stored sound after codec and vocoder, at the level that the renderer gives."""
    bench = _worker[0].bench
    return _described([_levelled(bench, bench.reconstructed(read(place))) for place in places], keep)


def describe_made(
    system: systems.System, given: Conditions, seeds: list[int], keep: bool = False, spoken: bool = True
) -> Rows:
    """Clips that a system makes; spoken=False leaves the vocoder out and gives the judge's rows alone."""
    worker = _worker[0]
    renderer = worker.bench.renderer
    scale = renderer.networks.student.config.guidance
    latents = systems.made(system, renderer.made_by, worker.teacher, given, seeds, guidance=scale)
    features = decoded(worker.bench, latents)
    if not spoken:
        assert worker.judge is not None
        found = [worker.judge.hear(one) for one in features]
        return {"embedding": np.stack([row[0] for row in found]), "logp": np.stack([row[1] for row in found])}
    return _described([sound(worker.bench, one) for one in features], keep)


def describe_rendered(request: Request) -> Rows:
    """A request through the whole renderer."""
    return heard(_worker[0].bench.render(request))


@torch.no_grad()
def decoded(bench: Bench, latents: Tensor) -> Tensor:
    """Features [n, T, CHANNELS] of latents [n, N, 64]."""
    return torch.cat([bench.renderer.made_by.decode(one[None]) for one in latents])


def sound(bench: Bench, features: Tensor) -> Audio:
    """What the renderer would play of features [T, CHANNELS]."""
    return _levelled(bench, bench.spoken(features, FIRST_SEED % 4096))


def _levelled(bench: Bench, audio: Audio) -> Audio:
    return np.asarray(audio * np.float32(10 ** (bench.renderer.makeup_db / 20)))


def describe_composed(target: composer.Target, clips: int, keep: bool = False) -> Rows:
    """Clips of a fresh song of the composer, evenly spread over it."""
    audio = composer.play(target)
    starts = np.linspace(0, len(audio) - SAMPLES, clips).astype(int)
    return _described([np.ascontiguousarray(audio[first : first + SAMPLES]) for first in starts], keep)
