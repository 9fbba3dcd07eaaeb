"""Distil by jumps: the student learns the teacher's guided path in steps of 1/8 to 1, and the path itself.

Of each batch a quarter learns the velocity (jump 0), a quarter the teacher's own jump of 1/8 (midpoint
rule), and half longer jumps, each from two halves by the student's moving average (`engine.diffusion.jumps`); half of
these start where the student itself gets to, not on the data's line (as in self-forcing, Huang et al. 2025).
Strengths of guidance are drawn anew for each example and are inputs, so that one pass stands for the teacher's two or
three. Where a jump lands on a clip, `engine.training.adherence` says how far it is from what was asked for; a long one
that ends on the way is followed by one more that lands, so that the first steps answer for the clip as well.
Without a teacher the student teaches itself: the data give the velocity, its average the rest.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from engine.diffusion.flow import Velocity, diffuse, logit_normal_times
from engine.diffusion.guidance import guided_velocity
from engine.diffusion.jumps import (
    GUIDANCE_RANGE,
    SMALLEST_JUMP,
    Hold,
    mean_velocity,
    midpoint,
    own_path,
    pinned,
    two_halves,
)  # fmt: skip
from engine.models.denoiser import GROUPS, USUALLY_GUIDED, Conditions, Denoiser, usual_strengths
from engine.training import devices, windows
from engine.training.adherence import Judges
from engine.training.data import Latents
from engine.training.devices import autocast
from engine.training.loop import Averaged, Stage, run

WINDOW = 128
BATCH = 8
USUAL_GUIDANCE = 1.5
MOST_STRENGTH = 4.0
OWN_PATH_SHARE = 0.5
LONG_JUMPS = (0.25, 0.5, 1.0)
REFERENCE_DECAY = 0.98
Example = tuple[Tensor, Tensor, Conditions]


def draw_guidance(count: int, generator: torch.Generator) -> Tensor:
    """Scales in [1, 3], half of them the usual 1.5: a wider range teaches the extremes and blurs what is used."""
    low, high = GUIDANCE_RANGE
    drawn = low + (high - low) * torch.rand(count, generator=generator, device=generator.device)
    usual = torch.rand(count, generator=generator, device=generator.device) < 0.5
    return torch.where(usual, torch.full_like(drawn, USUAL_GUIDANCE), drawn)


def draw_strengths(count: int, generator: torch.Generator) -> Tensor:
    """Strengths [count, GROUPS], two of them other than 1 at most in each example: a teacher needs three passes.

    Four in ten are one usual scale; three in ten have the prompt at a scale of its own, up to 4; the others guide
    groups at random, and one scale of six lies between 0 (left out) and 1.
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=generator.device)

    usual = usual_strengths(draw_guidance(count, generator))
    apart = usual.clone()
    apart[:, GROUPS.index("prompt")] = 1.0 + (MOST_STRENGTH - 1.0) * uniform(count)
    low, high = GUIDANCE_RANGE
    scales = torch.where(uniform(count, 2) < 1 / 6, uniform(count, 2), low + (high - low) * uniform(count, 2))
    member = (3 * uniform(count, len(GROUPS))).long()
    mixed = torch.cat([torch.ones_like(scales[:, :1]), scales], dim=1).gather(1, member)
    kind = uniform(count)[:, None]
    return torch.where(kind < 0.4, usual, torch.where(kind < 0.7, apart, mixed))


def counts(size: int) -> tuple[int, int]:
    """(examples of jump 0, examples of jump 0 or 1/8) of a batch: a quarter, two quarters; the rest are long."""
    each = max(1, size // 4)
    return each, 2 * each


def draw_jumps(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(time, jump) [count]: a quarter each of jumps 0 and 1/8, the rest long; times on each jump's own grid."""
    flows, short = counts(count)
    device = generator.device
    picked = torch.randint(len(LONG_JUMPS), (count - short,), generator=generator, device=device)
    long = torch.tensor(LONG_JUMPS, device=device)[picked]
    jump = torch.cat(
        [torch.zeros(flows, device=device), torch.full((short - flows,), SMALLEST_JUMP, device=device), long]
    )
    places = (1.0 / jump[flows:]).round()
    draw = torch.rand(len(places), generator=generator, device=device)
    place = 1 + torch.minimum((draw * places).floor(), places - 1)
    return torch.cat([logit_normal_times(flows, generator), place * jump[flows:]]), jump


def rows(given: Conditions, part: slice | Tensor) -> Conditions:
    return Conditions(**{name: value[part] for name, value in vars(given).items()})


@torch.no_grad()
def targets(
    teacher: Denoiser | None, reference: Denoiser, clean: Tensor, noise: Tensor, z: Tensor, time: Tensor,
    jump: Tensor, guidance: Tensor, given: Conditions,
) -> Tensor:  # fmt: skip
    """Mean velocities to learn [B, N, D] from z at `time`; the data's velocity stands in for a missing teacher's."""
    flows, short = counts(len(jump))
    base, long = slice(flows, short), slice(short, len(jump))
    guide = teacher or reference

    def path(part: slice) -> Velocity:
        return guided_velocity(guide, rows(given, part), guidance[part], None if guidance.dim() == 1 else 2)

    def hold(part: slice) -> Hold:
        return lambda moved, at: pinned(moved, noise[part], at, rows(given, part))

    first = (noise - clean)[:flows] if teacher is None else path(slice(0, flows))(z[:flows], time[:flows])
    second = midpoint(path(base), z[base], time[base], jump[base], hold(base))
    third = two_halves(reference, z[long], time[long], jump[long], guidance[long], rows(given, long), hold(long))
    return torch.cat([first.float(), second.float(), third.float()])


def starts(
    reference: Denoiser, clean: Tensor, noise: Tensor, time: Tensor, jump: Tensor, guidance: Tensor, given: Conditions,
    generator: torch.Generator,
) -> Tensor:  # fmt: skip
    """Where jumps begin [B, N, D]: on the line from clean to noise, or half of the long ones on the student's path."""
    z = diffuse(clean, noise, time)
    _, short = counts(len(jump))
    own = torch.rand(len(jump), generator=generator, device=generator.device) < OWN_PATH_SHARE
    own[:short] = False
    own = own & (time < 1.0)
    part = picked(own, slice(short, None))
    told = noise[part], time[part], jump[part], guidance[part], rows(given, part)
    moved = own_path(reference, *told, most=round(1 / min(LONG_JUMPS)) - 1).to(z)
    z[part] = torch.where(own[part, None, None], moved, z[part])
    return z


def picked(mask: Tensor, among: slice) -> Tensor | slice:
    """The rows of `mask` [B] to compute: those that are true, or on a GPU, where shapes stay fixed, all `among`."""
    return among if mask.device.type == "cuda" else torch.nonzero(mask)[:, 0]


def shortcut_loss(
    student: Denoiser,
    reference: Denoiser,
    example: Example,
    generator: torch.Generator,
    teacher: Denoiser | None = None,
    judges: Judges | None = None,
) -> dict[str, Tensor]:
    """Losses of one batch (clean [B, N, D], new [B, N, 1], conditions), B >= 4; "loss" is to be minimised.

    reference: the student's moving average. teacher None: self-distillation, as adaptation needs it.
    judges: what scores the clips that jumps land on. "flow", "short" and "long" are mean squared errors over
    the new frames of jump 0, 1/8 and longer.
    """
    clean, new, given = example
    draw = draw_strengths if student.config.strengths else draw_guidance
    guidance = draw(len(clean), generator)
    time, jump = draw_jumps(len(clean), generator)
    if teacher is None:
        guidance = torch.where((jump == 0).view(-1, *[1] * (guidance.dim() - 1)), torch.ones_like(guidance), guidance)
    noise = torch.randn(clean.shape, generator=generator, device=clean.device)
    with autocast(clean.device):
        z = starts(reference, clean, noise, time, jump, guidance, given, generator)
        goal = targets(teacher, reference, clean, noise, z, time, jump, guidance, given)
        output = mean_velocity(student, z, time, jump, guidance, given).float()
    each = ((output - goal).square() * new).sum((1, 2)) / (new.sum((1, 2)) * clean.shape[-1]).clamp_min(1.0)
    flows, short = counts(len(jump))
    parts = {"flow": each[:flows].mean(), "short": each[flows:short].mean(), "long": each[short:].mean()}
    most = guidance if guidance.dim() == 1 else (guidance - 1.0).abs().amax(1) + 1.0
    weight = 1.0 / (1.0 + (2.0 * (most - 1.0)).square())  # a goal's own spread grows with guidance
    loss = (each * weight).mean()
    judged = jump >= time - 1e-4
    judged[:flows], judged[short:] = False, True
    part = picked(judged, slice(flows, None))
    if judges is not None and len(time[part]):
        made = landing(student, z - jump[:, None, None] * output, noise, time - jump, short, guidance, given)
        made = torch.where(new[part] > 0, made[part], clean[part])
        errors = judges.errors(made, new[part], rows(given, part), judged[part])
        parts |= {name: error.sum() / len(clean) for name, error in errors.items()}
        loss = loss + judges.weighted(errors).sum() / len(clean)
    return {"loss": loss, **parts}


def landing(
    student: Denoiser, moved: Tensor, noise: Tensor, rest: Tensor, first: int, guidance: Tensor, given: Conditions
) -> Tensor:
    """Clips [B, N, D] from where jumps led; those from row `first` on with a `rest` [B] of the way take it at once."""
    onward = rest > 1e-4
    onward[:first] = False
    part = picked(onward, slice(first, None))
    if not len(rest[part]):
        return moved
    left, told = rest[part].clamp_min(0.0), rows(given, part)
    held = pinned(moved[part], noise[part], left, told)
    with autocast(moved.device):
        last = mean_velocity(student, held, left, left, guidance[part], told).float()
    landed = moved.clone()
    landed[part] = held - left[:, None, None] * last
    return landed


def train(
    teacher: Denoiser,
    songs: list[Latents],
    seconds: float,
    folder: Path,
    seed: int,
    console: Console,
    device: torch.device | str = "cpu",
    batch: int = BATCH,
    start: Denoiser | None = None,
    judges: Judges | None = None,
) -> Denoiser:
    """Distil for `seconds`; returns the averaged student, on the CPU. start: a student to go on from."""
    student, reference = (as_student(start or teacher).to(device) for _ in range(2))
    teacher = teacher.to(device).requires_grad_(False)
    if judges is not None:
        judges.to(device)
    stage = Stage("student", student, seconds, folder, lr=3e-4, decay=0.995)
    reference.load_state_dict(student.state_dict())
    follower = Averaged(reference, REFERENCE_DECAY)
    generator = devices.generator(stage.device, seed + 1 + stage.steps)
    rng = np.random.default_rng([seed + 1, stage.steps])

    def feed() -> Example:
        return windows.batch(songs, batch, WINDOW, rng)

    def one(examples: Example) -> dict[str, Tensor]:
        follower.update(student, 10**6)
        follower.copy_to(reference)
        return shortcut_loss(student, reference, examples, generator, teacher, judges)

    run(stage, console, one, every=25, feed=feed, generators=(generator,))
    return student.cpu().eval()


def with_jumps(model: Denoiser) -> Denoiser:
    """A copy that takes jumps; at jump 0 it is the same function."""
    copy = Denoiser(replace(model.config, jumps=True))
    missing, unexpected = copy.load_state_dict(model.state_dict(), strict=False)
    assert set(missing) <= {"jump_input.weight"}, missing
    assert not unexpected, unexpected
    return copy


def with_strengths(model: Denoiser) -> Denoiser:
    """A copy that takes strengths; under one overall scale it is the same function.

    Each usually guided group takes over its share of what the scale did.
    """
    if model.config.strengths:
        return model
    copy = Denoiser(replace(model.config, strengths=True))
    state = model.state_dict()
    share = torch.tensor(USUALLY_GUIDED).float() / sum(USUALLY_GUIDED)
    old = state["guidance_input.weight"]
    state["guidance_input.weight"] = (share[None, :, None] * old[:, None]).flatten(1)
    copy.load_state_dict(state)
    return copy


def between(student: Denoiser, teacher: Denoiser) -> Denoiser:
    """An earlier student half way to the teacher that was trained on from it: nearer to the new goals than either."""
    copy = as_student(student)
    state, newer = copy.state_dict(), with_strengths(teacher).state_dict()
    for name in newer.keys() - {"guidance_input.weight"}:
        state[name] = 0.5 * (state[name] + newer[name].to(state[name]))
    copy.load_state_dict(state)
    return copy


def as_student(model: Denoiser) -> Denoiser:
    """A copy with jumps and strengths."""
    return with_strengths(with_jumps(model))
