"""The columns of the control benchmark: all ways from a task's request to sound.

All render the same requests with the same seeds and conditions on the torch modules, before any gain ride.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor

from benchmarks.control.tasks import Task
from engine import bundle
from engine.control.optimise import ADAPTIVE, RATE, SINGLE, Budget, Outcome, Schedule, Terms
from engine.control.refine import HOLD, Refiner
from engine.control.surrogate import Objective
from engine.control.targets import Target
from engine.control.teacher import ITERATIONS, STEPS, ditto_teacher
from engine.control.wanted import wanted
from engine.models import features as F
from engine.models.codec import LATENTS
from engine.models.denoiser import Denoiser
from engine.models.load import load_networks
from engine.models.packed import pack
from engine.render.generate import ModelRenderer
from engine.render.job import Job
from engine.render.sample import spans
from engine.render.windows import Edits
from engine.training.metrics.rows import file_key
from engine.training.metrics.systems import load_teacher
from engine.types import Audio, BarAudio, Request

FREE, TRAINED, ONE, STEPPED, BASELINE = (
    "uncontrolled", "trained conditions", "+ optimised, M=1", "+ adaptive", "DITTO, teacher",
)  # fmt: skip
COLUMNS = (FREE, TRAINED, ONE, STEPPED, BASELINE)
OTHER = "another seed"
"""Beside the columns: uncontrolled, from another seed."""
Windows = Callable[[Job], Iterator[Tensor]]
Found = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """How all columns render. iterations: K of the student's search; steps: T, which decode; rate: Adam's; gamma and
    hold: see `engine.control.refine.Refiner`; taught, taught_rate: K and rate of the teacher's
    search, through its `STEPS` steps."""

    iterations: int = 50
    steps: int = 4
    rate: float = RATE
    hold: float = HOLD
    gamma: float = 0.0
    taught: int = ITERATIONS
    taught_rate: float = 0.1


@dataclass(frozen=True)
class Column:
    """One way to render a task. about: what its sound depends on beside bundle and request."""

    name: str
    request: Request
    windows: Windows | None = None
    about: Found = field(default_factory=dict)


@dataclass(frozen=True)
class Sound:
    """audio [frames, 2] of the new bars; seconds by the wall clock and of processor time; search: what it found."""

    audio: Audio
    seconds: float
    cpu_seconds: float
    search: Found


class Bench(ModelRenderer):
    """The renderer with another way to latents in place of its own; no gain ride."""

    windows: Windows | None = None

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.search: Found = {}

    def _windows(self, job: Job, edited: Edits) -> Iterator[Tensor]:
        return super()._windows(job, edited) if self.windows is None else self.windows(job)

    def sound(self, request: Request, inline: Audio | None, windows: Windows | None = None) -> Sound:
        """Render a request."""
        heard: list[BarAudio] = []
        self.windows, self.ride, self.search = windows, False, {}
        began, used = time.perf_counter(), time.process_time()
        self.render(request, inline, heard.append, lambda _: None, lambda: False)
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - used
        audio = np.concatenate([bar.audio for bar in heard if bar.first_frame >= 0])
        return Sound(audio, seconds, cpu_seconds, self.search)

    def targets(self, task: Task, job: Job) -> list[Target]:
        """What is optimised of a task: its own target alone."""
        found = wanted(task.asked, job.place, job.material, self.networks.listener)
        return [target for target in found if target.name in task.targets]

    def searched(self, task: Task, setting: Setting, schedule: Schedule) -> Windows:
        """The student's search."""

        def windows(job: Job) -> Iterator[Tensor]:
            refiner = Refiner(
                self.networks, self.targets(task, job), Budget(setting.iterations), schedule, setting.rate,
                setting.gamma, setting.hold,
            )  # fmt: skip
            yield from refiner.latents(job)
            outcomes = [one.outcome for one in refiner.reached]
            self.search = told(outcomes, refiner.terms(plain=True), refiner.terms())

        return windows

    def taught(self, task: Task, teacher: Denoiser, setting: Setting) -> Windows:
        """The baseline: one window, the same targets, noise and conditions, through the teacher."""

        def windows(job: Job) -> Iterator[Tensor]:
            known = job.material.sure
            (first, last), *more = spans(job.new, len(known))
            assert not more, "the baseline takes clips of one window"
            given = job.material.span(first - len(known), last, known)
            shape = (1, last - first + len(known), LATENTS)
            noise = torch.randn(shape, generator=torch.Generator().manual_seed(job.seed))
            past = torch.zeros(1, 0, F.CHANNELS)
            judge = Objective(self.networks.codec, self.targets(task, job), len(known), first, past)
            clean, outcome = ditto_teacher(
                teacher, given, job.guidance, judge, noise, setting.taught, STEPS, setting.rate
            )
            self.search = told([outcome], outcome.start_terms, outcome.terms)
            yield clean[0, len(known) :]

        return windows


def told(outcomes: list[Outcome], before: Terms, after: Terms) -> Found:
    """What a search is remembered by."""
    return {
        "iterations": sum(one.iterations for one in outcomes),
        "met": all(one.ended == "met" for one in outcomes),
        "before": {name: round(value, 4) for name, value in before.items()},
        "after": {name: round(value, 4) for name, value in after.items()},
    }


def load(folder: Path) -> Bench:
    """The bundle on the torch modules."""
    checked = bundle.load(folder)
    networks = load_networks(checked)
    for network in vars(networks).values():
        pack(network)
    return Bench(checked, networks)


@dataclass(frozen=True)
class Teacher:
    """The baseline's network and what its rows are known by."""

    network: Denoiser
    key: str

    @staticmethod
    def load(path: Path, bench: Bench) -> Teacher:
        """From a training stage's checkpoint. Raises BadRequest where it does not fit the bundle."""
        network = load_teacher(path, bench.networks.student)
        pack(network)
        return Teacher(network, file_key(path))


def columns_of(bench: Bench, task: Task, setting: Setting, teacher: Teacher | None) -> Iterator[Column]:
    """All that render a task, the uncontrolled first."""

    def plain(request: Request) -> Request:
        return msgspec.structs.replace(request, steps=setting.steps, refine=None, measure=False)

    free, asked = plain(task.free), plain(task.asked)
    yield Column(FREE, free)
    search = {"K": setting.iterations, "rate": setting.rate, "hold": setting.hold, "gamma": setting.gamma}
    if task.kind == "part":
        assert free.seed is not None
        yield Column(OTHER, msgspec.structs.replace(free, seed=free.seed + 5000))
        yield Column(TRAINED, asked)
        yield Column(STEPPED, msgspec.structs.replace(asked, refine=str(setting.iterations)), about=search)
        return
    if task.trained:
        yield Column(TRAINED, asked)
    for name, schedule in ((ONE, SINGLE), (STEPPED, ADAPTIVE)):
        yield Column(name, asked, bench.searched(task, setting, schedule), {**search, "phases": schedule.phases})
    if teacher is not None:
        about = {"teacher": teacher.key, "K": setting.taught, "steps": STEPS, "rate": setting.taught_rate}
        yield Column(BASELINE, asked, bench.taught(task, teacher.network, setting), about)
