"""Guided latent consistency distillation (AudioLCM Eq. 8-15, Algorithm 1).

The student f(z, w, c, t) at t_{n+k} must agree with its moving average at the point t_n that the
teacher's own solver reaches in k guided steps. The guidance scale is drawn anew for each example
and is an input of the student, which therefore needs one pass where the teacher needs two.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from engine.diffusion.consistency import consistency, huber, solver_jump
from engine.diffusion.flow import diffuse
from engine.diffusion.guidance import guided_velocity
from engine.models.denoiser import Conditions, Denoiser
from engine.training import windows
from engine.training.data import Latents
from engine.training.loop import Averaged, Stage, run

WINDOW = 120
BATCH = 6
K_STEPS = 2
JUMPS = 12
GUIDANCE_RANGE = (1.0, 6.0)
TARGET_DECAY = 0.95


def draw_guidance(count: int, generator: torch.Generator) -> Tensor:
    """Scales s in [1, 6], half of them below 2 where the useful ones lie."""
    low, high = GUIDANCE_RANGE
    return low + (high - low) * torch.rand(count, generator=generator).square()


def pair_times(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(t_{n+k}, t_n): neighbours on a grid of JUMPS intervals over [0, 1]."""
    upper = torch.randint(1, JUMPS + 1, (count,), generator=generator)
    return upper / JUMPS, (upper - 1) / JUMPS


def distillation_loss(
    student: Denoiser,
    target: Denoiser,
    teacher: Denoiser,
    example: tuple[Tensor, Tensor, Conditions],
    generator: torch.Generator,
) -> Tensor:
    """Huber distance between the student at t_{n+k} and its average at t_n, over the new frames."""
    clean, new, given = example
    guidance = draw_guidance(len(clean), generator)
    start, end = pair_times(len(clean), generator)
    noise = torch.randn(clean.shape, generator=generator)
    z = diffuse(clean, noise, start)
    with torch.autocast("cpu", torch.bfloat16):
        with torch.no_grad():
            velocity = guided_velocity(teacher, given, guidance)
            reached = solver_jump(velocity, z, start, end, K_STEPS).float()
            goal = consistency(target, reached, end, guidance, given).float()
        output = consistency(student, z, start, guidance, given).float()
    return (huber(output, goal) * new).sum() / (new.sum() * clean.shape[-1])


def train(
    teacher: Denoiser,
    songs: list[Latents],
    seconds: float,
    folder: Path,
    seed: int,
    console: Console,
) -> Denoiser:
    """Distil for `seconds`; returns the averaged student."""
    generator = torch.Generator().manual_seed(seed + 1)
    student, target = Denoiser(teacher.config), Denoiser(teacher.config)
    student.load_state_dict(teacher.state_dict())
    stage = Stage("student", student, seconds, folder, lr=2e-4, decay=0.99)
    target.load_state_dict(student.state_dict())
    follower = Averaged(target, TARGET_DECAY)
    rng = np.random.default_rng([seed + 1, stage.steps])

    def one(_: float) -> dict[str, Tensor]:
        follower.update(student, 10**6)
        follower.copy_to(target)
        example = windows.batch(songs, BATCH, WINDOW, rng)
        return {"loss": distillation_loss(student, target, teacher, example, generator)}

    run(stage, console, one, every=25)
    return student.eval()
