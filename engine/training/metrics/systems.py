"""Ways of making latents from noise: the student as it is served, and the undistilled teacher by plain solvers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from engine.diffusion.flow import Velocity, euler, heun, time_grid
from engine.diffusion.guidance import guided_velocity
from engine.errors import BadRequest
from engine.models.codec import LATENTS
from engine.models.denoiser import GROUPS, Conditions, Denoiser
from engine.render.source import unchecked
from engine.runtimes.base import Runtime

GUIDANCE = 1.5
"""The teacher's scale; a student has its bundle's own."""


@dataclass(frozen=True)
class System:
    """A network and how it is sampled.

    kind: student, or the teacher's solver, euler or heun. shift > 1 spends more steps near the noise. guided: two
    passes a call, for classifier-free guidance; the student has its guidance as an input and needs one.
    """

    kind: str
    steps: int
    shift: float = 1.0
    guided: bool = True

    @property
    def passes(self) -> int:
        """Passes of the network for one clip."""
        if self.kind == "student":
            return self.steps
        return self.steps * (2 if self.kind == "heun" else 1) * (2 if self.guided else 1)

    @property
    def name(self) -> str:
        plural = "s" if self.steps > 1 else ""
        if self.kind == "student":
            return f"student, {self.steps} step{plural}"
        solver = "" if (self.kind, self.shift, self.guided) == ("euler", 1.0, True) else f" {self.kind}"
        bent = f", shift {self.shift:g}" if self.shift != 1.0 else ""
        free = "" if self.guided else ", no guidance"
        return f"teacher{solver}, {self.steps} step{plural}{bent}{free}"


STUDENT_STEPS = (1, 2, 4, 8)
TEACHER_STEPS = (50, 1, 2, 4, 8)
TEACHER = System("euler", 50)
SHIFTS = (0.6, 1.0, 2.0)


def rivals(passes: int) -> list[System]:
    """Undistilled settings that cost `passes` passes: solvers, bent grids, with and without guidance."""
    found = []
    for kind, calls in (("euler", 1), ("heun", 2)):
        for guided in (False, True):
            steps, rest = divmod(passes, calls * (2 if guided else 1))
            if steps >= 1 and rest == 0:
                found += [System(kind, steps, shift, guided) for shift in (SHIFTS if steps > 1 else (1.0,))]
    return found


def noise(seeds: list[int], count: int) -> Callable[[], Tensor]:
    """Draws [len(seeds), count, 64]; each clip has its own generator."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return lambda: torch.stack([torch.randn(count, LATENTS, generator=g) for g in generators])


def alone(system: System, student: Runtime, given: Conditions, seed: int, row: int, guidance: float) -> Tensor:
    """One row [1, N, 64] of a batch, by itself."""
    one = given.map(lambda value: value[row : row + 1])
    scale = torch.full((1,), guidance)
    return student.sample(one, noise([seed], given.frames.shape[1]), system.steps, scale, unchecked)


@torch.no_grad()
def made(
    system: System,
    student: Runtime,
    teacher: Denoiser | None,
    given: Conditions,
    seeds: list[int],
    half: bool = True,
    guidance: float = GUIDANCE,
) -> Tensor:
    """Latents [B, N, 64]; a clip has the same noise, that of its seed, in all systems.

    half: the teacher runs under bf16 autocast, as in training. The student runs clip by clip, as it is served.
    guidance: the student's scale.
    """
    draw = noise(seeds, given.frames.shape[1])
    if system.kind == "student":
        return torch.cat([alone(system, student, given, seed, row, guidance) for row, seed in enumerate(seeds)])
    assert teacher is not None
    scale = torch.full((len(seeds),), GUIDANCE)
    velocity = guided_velocity(teacher, given, scale) if system.guided else plain_velocity(teacher, given)
    solver = heun if system.kind == "heun" else euler
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        return solver(velocity, draw(), time_grid(system.steps, system.shift)).float()


def plain_velocity(model: Denoiser, given: Conditions) -> Velocity:
    """The conditional velocity alone, one pass a call."""

    def velocity(z: Tensor, time: Tensor) -> Tensor:
        result: Tensor = model(z, time, torch.ones(len(z)), given)
        return result

    return velocity


def guidance_of(state: dict[str, Tensor]) -> int:
    """How many strengths of guidance a denoiser's weights take."""
    weight = state.get("guidance_input.weight")
    return 1 if weight is None else weight.shape[1] // 128


def load_teacher(path: Path, student: Denoiser) -> Denoiser:
    """The averaged weights of a training stage's checkpoint, or a plain state dict, in the student's shape."""
    from safetensors.torch import load_file

    mark = "average."
    state = {name: value.float() for name, value in load_file(str(path)).items()}
    if any(name.startswith(mark) for name in state):
        state = {name.removeprefix(mark): value for name, value in state.items() if name.startswith(mark)}
    own = guidance_of(state) == len(GROUPS)
    model = Denoiser(replace(student.config, jumps="jump_input.weight" in state, strengths=own))
    try:
        model.load_state_dict(state)
    except RuntimeError as mismatch:
        raise BadRequest(
            f"{path} does not fit the bundle's denoiser; give the teacher that it comes from"
        ) from mismatch
    return model.eval().requires_grad_(False)
