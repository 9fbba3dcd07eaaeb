"""What a trained network is worth on held-out songs: what it says, and what its ways of sampling make.

All windows are whole (nothing known around them), with the conditions of real ones; the same windows, times and noise
for every network. Distances are between Gaussians, over latents and over the levels that the codec makes of them: no
network that an adversary may look at judges. Intervals: 95 %, bootstrap over songs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.diffusion.guidance import guided_velocity
from engine.diffusion.paths import PATHS, Path, angular_velocity
from engine.diffusion.solvers import SCHEDULES, SOLVERS, angle_times
from engine.models import features as F
from engine.models.codec import PATCH, Codec
from engine.models.denoiser import Conditions, Denoiser
from engine.models.masked import MelFeatures
from engine.models.semantic import Semantic
from engine.training import devices, windows
from engine.training.distillations.common import Method
from engine.training.experiments.material import Material
from engine.training.experiments.speak import Spoken, tokens_with
from engine.training.metrics.frechet import Reference
from engine.training.metrics.stats import centred_interval, cluster_draws, summary
from engine.training.recipes import System
from engine.training.shortcut import rows

CLIPS, AT_ONCE, SEED = 48, 16, 20_260
ANGLES = 8
RESAMPLES = 100
TIMED = 3
BANDS = 32
DB_UNIT = 10.0
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Exam:
    """Held-out clips: clean [n, N, 64], their conditions, the song of each [n]."""

    clean: Tensor
    given: Conditions
    songs: NDArray[np.int64]

    @staticmethod
    def of(material: Material, window: int, clips: int = CLIPS) -> Exam:
        """`clips` windows, as many of each held-out song as of any other."""
        rng = np.random.default_rng(SEED)
        usable = [song for song in material.held_out if len(song) >= window]
        picks = [windows.batch([usable[i % len(usable)]], 1, window, rng) for i in range(clips)]
        clean = torch.cat([pick[0] for pick in picks])
        stacked = {name: torch.cat([getattr(pick[2], name) for pick in picks]) for name in vars(picks[0][2])}
        given = Conditions(**stacked)
        nothing = torch.zeros_like(given.context)
        given = replace(given, context=nothing, context_mask=torch.zeros_like(given.context_mask))
        return Exam(clean, given, np.arange(clips) % len(usable))

    def part(self, first: int) -> tuple[Tensor, Conditions]:
        span = slice(first, first + AT_ONCE)
        return self.clean[span], rows(self.given, span)


def si_snr_db(found: Tensor, clean: Tensor) -> Tensor:
    """Scale-invariant signal-to-noise ratio [B] of clips [B, N, D] (Le Roux et al. 2019)."""
    a, b = found.flatten(1), clean.flatten(1)
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    part = (a * b).sum(1, keepdim=True) / b.square().sum(1, keepdim=True).clamp_min(1e-8) * b
    return 10.0 * torch.log10(part.square().sum(1) / (a - part).square().sum(1).clamp_min(1e-8))


@torch.no_grad()
def denoising(model: Denoiser, path: Path, exam: Exam) -> dict[str, Any]:
    """velocity_mse and si_snri_db (MeLoDy's ablation) over 8 equal angles, the same on every path; without guidance.

    On a path that shrinks data and noise, z is the angular one times a constant, which both measures ignore.
    """
    errors: list[Tensor] = []
    gains: list[Tensor] = []
    generator = torch.Generator().manual_seed(SEED)
    for first in range(0, len(exam.clean), AT_ONCE):
        clean, given = exam.part(first)
        noise = torch.randn(clean.shape, generator=generator)
        sums = torch.zeros(2, len(clean))
        for place in range(ANGLES):
            angle = torch.full((len(clean),), (place + 0.5) * 0.5 * math.pi / ANGLES)
            at = path.time_at(angle)
            z = path.diffuse(clean, noise, at)
            with devices.autocast(z.device):
                said = model(z, at, torch.ones_like(at), given)
            guess, rest = path.split(z, said.float(), at)
            off = angular_velocity(guess, rest, angle) - angular_velocity(clean, noise, angle)
            sums[0] += off.square().mean((1, 2)) / ANGLES
            sums[1] += (si_snr_db(guess, clean) - si_snr_db(z, clean)) / ANGLES
        errors.append(sums[0])
        gains.append(sums[1])
    return {"velocity_mse": summary(torch.cat(errors).numpy()), "si_snri_db": summary(torch.cat(gains).numpy())}


def latent_rows(clips: Tensor) -> NDArray[np.float64]:
    """Rows [n, N - 1, 128]: each latent frame and its change to the next."""
    return torch.cat([clips[:, :-1], clips.diff(dim=1)], dim=-1).double().numpy()


@torch.no_grad()
def sound_rows(codec: Codec, clips: Tensor) -> NDArray[np.float64]:
    """Rows [n, N, 96] in 10 dB by 32 bands: what the codec makes of clips, mid, width and texture of mid."""
    features = codec.decode(clips)
    left, right = features[..., : F.MELS], features[..., F.MELS : 2 * F.MELS]
    mid, side = (torch.unflatten(x, -1, (BANDS, -1)).mean(-1) for x in ((left + right) / 2, (left - right).abs()))
    each = torch.unflatten(mid, 1, (-1, PATCH))
    found = [each.mean(2), torch.unflatten(side, 1, (-1, PATCH)).mean(2), each.diff(dim=2).abs().mean(2)]
    return torch.cat(found, dim=-1).double().numpy() / DB_UNIT


class Judge:
    """Frechet distances of clips to the held-out ones."""

    def __init__(self, exam: Exam, codec: Codec) -> None:
        self.exam = exam
        self.views: dict[str, Callable[[Tensor], Array]] = {
            "latents": latent_rows, "sound": lambda clips: sound_rows(codec, clips)
        }  # fmt: skip
        self.real = {name: Reference.of(view(exam.clean).reshape(-1, view(exam.clean[:1]).shape[-1]))
                     for name, view in self.views.items()}  # fmt: skip

    def distances(self, clips: Tensor) -> dict[str, Any]:
        """By view: the distance and its interval."""
        found: dict[str, Any] = {}
        for name, view in self.views.items():
            data, reference = view(clips), self.real[name]

            def distance(rows: NDArray[np.int64], data: Array = data, reference: Reference = reference) -> Array:
                return np.array([reference.distance(data[rows].reshape(-1, data.shape[-1]))])

            estimate = distance(np.arange(len(clips)))
            low, high = centred_interval(estimate, cluster_draws(self.exam.songs, distance, RESAMPLES, SEED))
            found[f"frechet_{name}"] = round(float(estimate[0]), 3)
            found[f"frechet_{name}_interval"] = [round(float(low[0]), 3), round(float(high[0]), 3)]
        return found


Draw = Callable[[], Tensor]
Sampler = Callable[[Tensor, Conditions, Draw], Tensor]
"""(real clips, their conditions, fresh noise) -> clean latents under these; real clips lend their tokens alone."""
Voice = tuple[Semantic, MelFeatures]


def spoken(model: Denoiser, path: Path, system: System, voice: Voice) -> Sampler:
    """As `sampler`, with tokens of the language model, or of the real clips, spoken to a dual path."""
    language, features = voice
    generator = torch.Generator().manual_seed(SEED)

    def sample(real: Tensor, given: Conditions, draw: Draw) -> Tensor:
        if system.tokens == "drawn":
            count = real.shape[1] * PATCH // features.masked.config.frames
            prefix = torch.zeros(len(real), 0, dtype=torch.long)
            tokens = language.continued(given.globals, prefix, count, generator)
        else:
            tokens = tokens_with(language, features)(real)
        return sampler(cast(Denoiser, Spoken(model, tokens)), path, system, None)(real, given, draw)

    return sample


def sampler(model: Denoiser, path: Path, system: System, method: Any) -> Sampler:
    """As the system says; method: a student's own, None for a teacher."""
    if method is not None:
        own: Method = method if system.gamma is None else replace(method, gamma=system.gamma)
        return lambda _, given, draw: own.sample(model, path, given, draw, system.steps, system.scale)
    grid = torch.linspace(1.0, 0.0, system.steps + 1)
    times = angle_times(path, SCHEDULES[system.schedule](system.steps)) if system.schedule else grid

    @torch.no_grad()
    def solved(_: Tensor, given: Conditions, draw: Draw) -> Tensor:
        noise = draw()
        says = guided_velocity(model, given, torch.full((len(noise),), system.scale))

        def rounded(z: Tensor, time: Tensor) -> Tensor:
            with devices.autocast(z.device):
                return says(z, time).float()

        return SOLVERS[system.solver](path, rounded, noise, times)

    return solved


def drawn(sample: Sampler, exam: Exam) -> Tensor:
    """Clips [n, N, 64] under the exam's conditions."""
    generator = torch.Generator().manual_seed(SEED)
    parts = [exam.part(first) for first in range(0, len(exam.clean), AT_ONCE)]
    return torch.cat([sample(clean, given, noise_like(clean, generator)) for clean, given in parts])


def noise_like(clean: Tensor, generator: torch.Generator) -> Draw:
    return lambda: torch.randn(clean.shape, generator=generator)


def seconds_of(sample: Sampler, exam: Exam) -> float:
    """Least wall seconds of one clip alone, of three."""
    found, generator = [], torch.Generator().manual_seed(SEED)
    for at in range(TIMED):
        clean, given = exam.clean[at : at + 1], rows(exam.given, slice(at, at + 1))
        started = time.perf_counter()
        sample(clean, given, noise_like(clean, generator))
        found.append(time.perf_counter() - started)
    return min(found)


def systems(
    model: Denoiser, path_name: str, which: tuple[System, ...], method: Any, exam: Exam, judge: Judge,
    voice: Voice | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Every system's distances and seconds. voice: who speaks tokens where a system wants some."""
    found = []
    for system in which:
        sample = sampler(model, PATHS[path_name], system, method)
        if system.tokens:
            assert voice is not None
            sample = spoken(model, PATHS[path_name], system, voice)
        clips = drawn(sample, exam)
        row = {"label": system.label, **vars(system), "seconds": round(seconds_of(sample, exam), 4)}
        finite = bool(torch.isfinite(clips).all())
        found.append(row | (judge.distances(clips) if finite else {"failed": "it made numbers that are not finite"}))
    return found
